"""A truly breaking difference that its consumers' owners agreed to carries the provider's release until the day by
which they have migrated, with a warning; from then on it carries nothing for who has not, and the answer says so."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest
from django.db import connection

from catalog.models import Api, Environment
from catalog.selectors import versions
from governance.models import Approval, BreakAcceptance, ChangeRequest
from governance.services import acceptances, applying, policies, release_records, verdicts
from kernel import clock
from kernel.viewer import SYSTEM
from tests import kept_rows
from tests.catalog import make as catalog
from tests.governance import make
from tests.governance.test_catalog_changes import POLICY, asked, decided, settle, version

pytestmark = pytest.mark.django_db
CODE = "contract.breaking_for_consumer"


@pytest.fixture
def migrate_by() -> date:
    return agreed_until()


@kept_rows.once(seconds=60)
def agreed_until() -> date:
    """Published as v3 in place of v2, which ends; the till's owner agreed to be gone in forty days."""
    catalog.estate()
    policies.install(level="organisation", document=POLICY, actor=None)
    make.person("rita", "release-managers")
    with connection.cursor() as cursor:
        cursor.execute("set local session_replication_role = replica")
        cursor.execute(
            "update catalog_apiversion set state = 'deprecated', deprecated_at = now(), "
            "sunset_at = now() + interval '200 d' where label = 'v2'"
        )
        cursor.execute("set local session_replication_role = origin")
    Api.objects.filter(slug="price-api").update(third_party=False)
    Environment.objects.filter(key="production").update(records_complete_since=clock.now())
    by = (clock.now() + timedelta(days=40)).date()
    change = asked("version.publish", version("price-api@v3"))
    for row in change.check_results.filter(status="failed"):
        for found in [f for f in row.findings if f.get("breaking")]:
            acceptances.accept_break(
                change,
                actor=catalog.person("rita"),
                rule=found["rule"],
                pointer=found["pointer"],
                kind="breaking",
                reason="Both sides meet once.",
                migrate_by=by,
            )
    assert BreakAcceptance.objects.filter(change=change, kind="breaking").exists()
    settle(change)
    decided(change, "paula", "ada", "rita", "stan")
    applying.apply_due()
    change.refresh_from_db()
    found = versions.by_reference("price-api@v3")
    assert (change.state, found.state) == ("applied", "published")
    release_records.record_deployment(provides("price-api@v2"), viewer=SYSTEM)
    return by


def provides(reference: str) -> dict[str, Any]:
    return {
        "application": "price-service",
        "version": "1",
        "environment": "production",
        "consumes": [],
        "provides": [reference],
    }


def answer(at: datetime, question: dict[str, Any] | None = None) -> dict[str, Any]:
    return dict(verdicts.ask(question or provides("price-api@v3"), viewer=SYSTEM, as_of=at).document)


def midnight(day: date) -> datetime:
    return datetime.combine(day, time(0), UTC)


def said(document: dict[str, Any], code: str = CODE) -> list[str]:
    return [r["message"] for r in (*document["reasons"], *document["warnings"]) if r["code"] == code]


def test_before_the_day_it_carries_the_release_and_says_how_long(migrate_by: date):
    today = answer(clock.now())
    assert said(today) == []
    (warning,) = said(today, "contract.migrate_by")
    assert warning.startswith(f"till has to be gone by {migrate_by} from what price-api@v3 changed")
    assert warning.endswith("40 days left.")
    last = answer(midnight(migrate_by + timedelta(days=1)) - timedelta(seconds=1))
    assert said(last) == []
    assert said(last, "contract.migrate_by")[0].endswith("today is the last day.")


def test_after_the_day_it_carries_nothing_and_says_who_and_until_when(migrate_by: date):
    late = answer(midnight(migrate_by + timedelta(days=1)))
    assert late["verdict"] == "deny"
    change = ChangeRequest.objects.get(kind="version.publish")
    assert said(late) == [
        f"till uses what price-api@v3 takes away or changes. It had until {migrate_by}, as its owner agreed in "
        f"change {change.pk}."
    ]
    assert said(late, "contract.migrate_by") == []


def test_who_was_built_against_the_old_contract_is_told_the_same(migrate_by: date):
    old = versions.by_reference("price-api@v2").contract_digest
    question = {
        "application": "till",
        "version": "1",
        "environment": "production",
        "consumes": [{"version": "price-api@v3", "contract_digest": old}],
    }
    assert said(answer(clock.now(), question)) == []
    assert said(answer(clock.now(), question), "contract.migrate_by")
    (late,) = said(answer(midnight(migrate_by + timedelta(days=1)), question))
    assert f"It had until {migrate_by}" in late


GONE: dict[str, Callable[[], object]] = {
    "the acceptance is taken back": lambda: BreakAcceptance.objects.update(voided_at=clock.now()),
    "the approval is void": lambda: Approval.objects.update(voided_at=clock.now(), void_reason="moved"),
    "another contract": lambda: beneath("update governance_changesubject set digest = 'sha256:' || repeat('0', 64)"),
    "another one was agreed to": lambda: beneath(
        "update governance_changerequest set difference = jsonb_set(difference, '{parts,0,base_digest}', '\"x\"')"
    ),
    "it was not asked": lambda: beneath("update governance_changerequest set impact = '[]'"),
    "the rows vanished": lambda: beneath("delete from governance_breakacceptance"),
}


def beneath(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("set local session_replication_role = replica")
        cursor.execute(statement)
        cursor.execute("set local session_replication_role = origin")


@pytest.mark.parametrize("what", GONE)
def test_without_the_row_that_says_so_nobody_agreed(migrate_by: date, what: str):
    GONE[what]()
    document = answer(clock.now())
    assert (document["verdict"], len(said(document))) == ("deny", 1)
