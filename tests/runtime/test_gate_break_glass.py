"""A verdict that a break-glass carried says so: which case, why, which people, and how its review stands."""

from __future__ import annotations

import json

import pytest
from django.db import connection
from django.test import Client

from governance.domain import statements
from governance.domain.subject import Subject
from governance.models import Approval, BreakGlass, Verdict
from governance.services import approvals, breakglass, verdicts
from kernel import clock
from kernel.viewer import SYSTEM
from runtime.models import Release
from tests.governance.make import ROLES, person, team
from tests.runtime.test_gate_question import FEED, ask, release

pytestmark = pytest.mark.django_db(transaction=True)
__all__ = ["release"]


@pytest.fixture
def broken(release: Release) -> Release:
    """The release without its approval, carried by two people."""
    for key in ROLES:
        team(key, kind="role")
    for approval in Approval.objects.filter(voided_at=None):
        approvals.void(approval.pk, actor=None, reason="moved")
    owner, architect = person("olaf", "order-team"), person("archie", "architects")
    case = breakglass.open_case(
        actor=owner,
        subject=Subject("integration", FEED, release.digest),
        environment="production",
        reason="The tills stand still.",
    )
    breakglass.confirm(case.pk, actor=architect)
    return release


def test_the_answer_its_page_and_its_statement_name_the_break_glass(broken: Release):
    answer = ask(broken.digest)
    case = BreakGlass.objects.get()
    assert answer["verdict"] == "allow"
    (used,) = answer["break_glass"]
    assert used | {"ends_at": ""} == {
        "id": case.pk,
        "subject": FEED,
        "reason": "The tills stand still.",
        "opened_by": "Olaf",
        "confirmed_by": "Archie",
        "review": "owed",
        "ends_at": "",
        "page": "/break-glass/",
    }
    (warning,) = [w for w in answer["warnings"] if w["code"] == "approval.break_glass"]
    assert f"Break-glass {case.pk} carries {FEED}" in warning["message"]
    assert warning["message"].endswith("The tills stand still. Its review is owed.")
    row = Verdict.objects.order_by("-pk").first()
    assert row is not None
    client = Client()
    client.force_login(person("robot", "order-team"))
    page = client.get(f"/gate/verdicts/{row.pk}/").content.decode()
    assert f"/break-glass/#case-{case.pk}" in page
    assert "Review owed" in page
    assert stated(row)["break_glass"] == [{"id": case.pk, "subject": FEED, "review": "owed"}]
    assert verdicts.reproduce(row.pk, SYSTEM)[0]


def stated(row: Verdict) -> dict:
    issuer = statements.Issuer("http://tillgate.test", "argo", clock.now())
    document = json.loads(row.answer)
    asker = statements.Asker("robot", "service", own_team=True)
    made = statements.of_verdict(row.pk, row.at, row.question, row.answer.encode(), document, asker, issuer)
    return made["predicate"]["tillgate"]


def test_a_break_glass_whose_case_is_gone_carries_nothing(broken: Release):
    with connection.cursor() as cursor:
        cursor.execute("set session_replication_role = replica")
        cursor.execute("delete from governance_breakglass")
        cursor.execute("set session_replication_role = origin")
    answer = ask(broken.digest)
    assert answer["verdict"] == "unknown"
    assert {r["code"] for r in answer["reasons"]} == {"evidence.missing"}


def test_an_approval_by_people_names_none(release: Release):
    answer = ask(release.digest)
    assert (answer["verdict"], answer["break_glass"]) == ("allow", [])
