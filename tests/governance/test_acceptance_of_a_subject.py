"""An acceptance, and a waiver, are about one subject of a change: the same rule at the same place of another subject is
another finding, which asks others."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse

from governance.domain.subject import Subject
from governance.models import BreakAcceptance, ChangeRequest
from governance.selectors import agreed_breaks, rights
from governance.services import acceptances, changes, checks, waivers
from kernel import clock
from kernel.errors import Invalid
from tests.governance import make

pytestmark = pytest.mark.django_db
ONE, OTHER = "price-feed", "stock-feed"


@pytest.fixture
def both(house: make.House) -> ChangeRequest:
    """A change of two things, each of which breaks in the same place: one for the till, the other for the shop."""
    make.THINGS.failing[ONE] = [make.breaking("/a", consumers=["till"])]
    make.THINGS.failing[OTHER] = [make.breaking("/a", consumers=["shop"])]
    subjects = [
        make.thing(ONE, consumers=[make.consumer("till")]),
        make.thing(OTHER, consumers=[make.consumer("shop", team_key="ecommerce")]),
    ]
    change = changes.open_change(
        author=house.author,
        kind="test.thing",
        subjects=subjects,
        environment="production",
        title="Both at once",
        justification="It is time.",
        rollback_plan="Put it back.",
        planned_from=clock.now() - timedelta(minutes=1),
        planned_until=clock.now() + timedelta(days=30),
    )
    changes.submit(change, actor=house.author)
    checks.run_checks(change.pk)
    change.refresh_from_db()
    return change


def accept(change: ChangeRequest, house: make.House, subject: str, kind: str = "breaking") -> BreakAcceptance:
    return acceptances.accept_break(
        change,
        actor=house.releaser if kind == "breaking" else house.architect,
        rule="thing.sound",
        pointer="/a",
        kind=kind,
        reason="It is meant.",
        migrate_by=(clock.now() + timedelta(days=40)).date(),
        subject=subject,
    )


def asked(change: ChangeRequest) -> set[str]:
    return {slot.key for slot in change.slots.filter(by_acceptance=True)}


def blocks(change: ChangeRequest) -> bool:
    return "thing.sound" in dict(rights.blocking_checks(change.pk))


def test_what_is_accepted_of_one_subject_settles_and_asks_nothing_of_the_other(both: ChangeRequest, house: make.House):
    accept(both, house, f"thing {ONE}")
    assert asked(both) == {"release_manager", "team:stores"}
    assert blocks(both), "of the other subject nobody has accepted anything"
    accept(both, house, f"thing {OTHER}")
    assert asked(both) == {"release_manager", "team:stores", "team:ecommerce"}
    assert not blocks(both)


def test_the_consumers_of_the_other_subject_have_to_approve_before_it_is_approved(
    both: ChangeRequest, house: make.House
):
    accept(both, house, f"thing {ONE}")
    accept(both, house, f"thing {OTHER}")
    change = make.approve(both, house.owner, house.architect, house.releaser, house.stranger)
    assert change.state == "in_review"
    assert make.approve(change, make.person("edda", "ecommerce")).state == "approved"


def test_without_the_subject_a_finding_that_several_have_is_no_one_s(both: ChangeRequest, house: make.House):
    with pytest.raises(Invalid) as refused:
        accept(both, house, "")
    assert refused.value.code == "acceptance.which_subject"
    assert f"thing {ONE}" in refused.value.message
    assert f"thing {OTHER}" in refused.value.message
    with pytest.raises(Invalid, match="No failed check"):
        accept(both, house, "thing nobody")


def test_of_one_that_only_one_subject_has_it_need_not_be_said(both: ChangeRequest, house: make.House):
    make.THINGS.failing[OTHER] = [make.breaking("/b", consumers=["shop"])]
    checks.run_checks(both.pk)
    made = accept(both, house, "")
    assert (made.subject_kind, made.subject_id, made.applications) == ("thing", ONE, ["till"])


def test_a_waiver_of_one_subject_settles_nothing_of_the_other(both: ChangeRequest, house: make.House):
    waivers.propose(
        actor=house.author,
        rule="thing.sound",
        pointer="/a",
        subject=Subject("thing", ONE, both.subjects.get(subject_id=ONE).digest),
        environment="production",
        application="",
        reason="It is needed now.",
        expires_at=clock.now() + timedelta(days=5),
    )
    beneath("update governance_waiver set state = 'granted', starts_at = now() - interval '1 h'")
    with connection.cursor() as cursor:
        for subject, settled in ((f"thing {ONE}", True), (f"thing {OTHER}", False)):
            found = next(f for f in both.check_results.get(check_id="thing.sound").findings if f["subject"] == subject)
            cursor.execute("select governance_finding_settled(%s, %s::jsonb)", [both.pk, json.dumps(found)])
            assert cursor.fetchone()[0] is settled


# -- what was stored before acceptances named their subject ------------------------------------------------------------


def _of_before(change: ChangeRequest, house: make.House) -> None:
    made = BreakAcceptance(
        change=change,
        revision=change.revision,
        rule="thing.sound",
        pointer="/a",
        kind="benign",
        reason="It is right.",
        person=house.architect,
        group_ids_needed=[],
        diff_digest=change.diff_digest,
    )
    with connection.cursor() as cursor:
        cursor.execute("set local session_replication_role = replica")
        made.save()
        cursor.execute("set local session_replication_role = origin")


def test_one_of_before_settles_what_the_only_subject_of_a_change_has(house: make.House):
    make.THINGS.failing[ONE] = [make.breaking("/a", consumers=[])]
    change = make.in_review(house.author, make.thing(ONE))
    assert blocks(change)
    _of_before(change, house)
    assert not blocks(change)


def test_one_of_before_settles_nothing_of_a_change_of_several(both: ChangeRequest, house: make.House):
    _of_before(both, house)
    assert blocks(both)


# -- at the gate -------------------------------------------------------------------------------------------------------


def test_a_consumer_has_agreed_about_the_subject_for_which_it_was_asked_alone(both: ChangeRequest, house: make.House):
    accept(both, house, f"thing {ONE}")
    accept(both, house, f"thing {OTHER}", kind="benign")
    change = make.approve(both, house.owner, house.architect, house.releaser, house.stranger)
    assert change.state == "approved"
    beneath(
        "update governance_approval set used_at = now()",
        "update governance_changesubject set kind = 'version'",
        "update governance_approval set subject_kind = 'version'",
        "update governance_breakacceptance set subject_kind = 'version'",
        "update governance_changerequest set difference = jsonb_set(difference, '{parts}', "
        "(select jsonb_agg(p || '{\"base_digest\": \"base\"}') from jsonb_array_elements(difference -> 'parts') p))",
    )
    assert agreed(change, ONE) == {"till"}
    assert agreed(change, OTHER) == set(), "the shop was not asked, and the till not about this"
    beneath(
        "update governance_breakacceptance set subject_kind = '', subject_id = '', applications = null "
        "where kind = 'breaking'"
    )
    assert agreed(change, ONE) == set(), "of before, and nobody can say of which subject it is"


def agreed(change: ChangeRequest, reference: str) -> set[str]:
    digest = change.subjects.get(subject_id=reference).digest
    return set(agreed_breaks.agreed(reference, "base", digest, "production"))


def beneath(*statements: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("set local session_replication_role = replica")
        for statement in statements:
            cursor.execute(statement)
        cursor.execute("set local session_replication_role = origin")


# -- page and API ------------------------------------------------------------------------------------------------------


def signed_in(person: Any) -> Client:
    client = Client()
    client.force_login(person)
    return client


def test_the_page_says_of_each_finding_which_subject_it_is_about_and_accepts_it_for_that_one(
    both: ChangeRequest, house: make.House
):
    client, address = signed_in(house.architect), reverse("governance:checks", args=[both.pk])
    page = client.get(address).content.decode()
    assert f'name="subject" value="thing {ONE}"' in page
    assert f'name="subject" value="thing {OTHER}"' in page
    assert f"subject_kind=thing&amp;subject_id={OTHER}" in page, "a waiver is asked for the subject of the finding"
    values = {"rule": "thing.sound", "pointer": "/a", "kind": "benign", "reason": "x", "subject": f"thing {OTHER}"}
    assert client.post(reverse("governance:accept", args=[both.pk]), values).status_code == 302
    page = client.get(address).content.decode()
    assert f'name="subject" value="thing {ONE}"' in page
    assert f'name="subject" value="thing {OTHER}"' not in page


def test_the_api_takes_the_subject_and_says_which_it_was(both: ChangeRequest, house: make.House):
    client = signed_in(house.architect)
    body = {"rule": "thing.sound", "pointer": "/a", "kind": "benign", "reason": "Nobody notices."}
    path = f"/api/v1/changes/{both.pk}/acceptances"
    assert client.post(path, body, "application/json").json()["code"] == "acceptance.which_subject"
    made = client.post(path, body | {"subject": f"thing {ONE}"}, "application/json")
    assert made.status_code == 201
    assert made.json()["subject"] == f"thing {ONE}"
    assert Subject("thing", ONE, "x").kind == made.json()["subject"].partition(" ")[0]
