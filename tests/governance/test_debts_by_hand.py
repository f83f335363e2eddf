"""What a break-glass owes, and until when a waiver holds: no statement of the serving role extends it or closes it."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.db import DatabaseError, transaction

from governance.models import BreakGlass, Waiver
from kernel import clock
from tests.governance import make
from tests.governance.forging import as_serving
from tests.governance.raw_sql import OTHER, beneath_guards, run

pytestmark = pytest.mark.django_db


@pytest.fixture
def owed(house: make.House) -> BreakGlass:
    """A case that was used and whose review nobody has written."""
    now = clock.now()
    with beneath_guards():
        return BreakGlass.objects.create(
            subject_kind="thing",
            subject_id="x",
            digest=OTHER,
            environment="production",
            reason="fire",
            owner_team_ids=[make.team("price").pk],
            opened_by=house.owner,
            confirmed_by=house.releaser,
            opened_at=now - timedelta(hours=6),
            starts_at=now - timedelta(hours=5),
            ends_at=now - timedelta(hours=1),
        )


UNOWED = {
    "a later end": "update governance_breakglass set ends_at = ends_at + interval '30 days'",
    "an earlier end": "update governance_breakglass set ends_at = ends_at - interval '1 hour'",
    "a later start": "update governance_breakglass set starts_at = now()",
    "no confirmation": "update governance_breakglass set confirmed_by_id = null, starts_at = null, ends_at = null",
    "another confirmation": "update governance_breakglass set confirmed_by_id = {architect}",
    "another owner": "update governance_breakglass set owner_team_ids = '{{}}'",
    "another subject": "update governance_breakglass set subject_id = 'y'",
    "more hours": "update governance_breakglass set hours = 1",
    "opened by another": "update governance_breakglass set opened_by_id = {architect}",
    "opened at another time": "update governance_breakglass set opened_at = now()",
    "reviewed at a time, by nobody": "update governance_breakglass set reviewed_at = now()",
    "reviewed by somebody, never": "update governance_breakglass set reviewed_by_id = {architect}",
    "reviewed by who opened": "update governance_breakglass set reviewed_by_id = opened_by_id, reviewed_at = now()",
    "reviewed by who confirmed": "update governance_breakglass set reviewed_by_id = confirmed_by_id, "
    "reviewed_at = now()",
    "reviewed by a stranger": "update governance_breakglass set reviewed_by_id = {stranger}, reviewed_at = now()",
    "reviewed without an entry": "update governance_breakglass set reviewed_by_id = {architect}, reviewed_at = now()",
    "reviewed without a word": "update governance_breakglass set reviewed_by_id = {architect}, reviewed_at = now(), "
    "review_note = ''",
    "deleted": "delete from governance_breakglass",
    "truncated": "truncate governance_breakglass cascade",
}


def _names(house: make.House) -> dict[str, int]:
    return {"architect": house.architect.pk, "stranger": house.stranger.pk}


@pytest.mark.parametrize("how", UNOWED)
def test_no_statement_takes_the_debt_of_a_break_glass_away(house: make.House, owed: BreakGlass, how: str):
    before = run("select to_jsonb(b)::text from governance_breakglass b")
    with pytest.raises(DatabaseError), transaction.atomic(), as_serving():
        run(UNOWED[how].format(**_names(house)))
    assert run("select to_jsonb(b)::text from governance_breakglass b") == before


@pytest.mark.parametrize(
    ("how", "values"),
    [
        ("back-dated", "reviewed_at = now() - interval '5 days', review_note = 'All was well.'"),
        ("in the future", "reviewed_at = now() + interval '5 days', review_note = 'All was well.'"),
        ("without a word", "reviewed_at = now(), review_note = ' '"),
    ],
)
def test_a_review_by_hand_with_its_entry_has_the_time_of_the_database_and_says_something(
    house: make.House, owed: BreakGlass, how: str, values: str
):
    about = {"subject": "x", "digest": OTHER, "environment": "production"}

    def reviewed() -> None:
        with transaction.atomic(), as_serving():
            run(
                "select kernel_record(%s, 'A', 'governance.break_glass_reviewed', 'break_glass', %s, null, %s, '', '')",
                *(house.architect.pk, str(owed.pk), json.dumps(about)),
            )
            run(f"update governance_breakglass set reviewed_by_id = %s, {values}", house.architect.pk)

    if how == "without a word":
        with pytest.raises(DatabaseError):
            reviewed()
        return
    reviewed()
    owed.refresh_from_db()
    assert owed.reviewed_at is not None
    assert abs(clock.now() - owed.reviewed_at) < timedelta(minutes=1)


def test_what_was_reviewed_keeps_its_words(house: make.House, owed: BreakGlass):
    with beneath_guards():
        BreakGlass.objects.update(reviewed_by=house.architect, reviewed_at=clock.now(), review_note="Two sales lost.")
    for statement in (
        "update governance_breakglass set review_note = 'Nothing happened.'",
        "update governance_breakglass set reviewed_by_id = null, reviewed_at = null",
    ):
        with pytest.raises(DatabaseError), transaction.atomic(), as_serving():
            run(statement)


EXTENDED = {
    "a later end": "update governance_waiver set expires_at = expires_at + interval '1 day'",
    "an earlier start": "update governance_waiver set starts_at = starts_at - interval '1 day'",
    "another rule": "update governance_waiver set rule = 'other'",
    "another place": "update governance_waiver set pointer = '/other'",
    "another subject": "update governance_waiver set subject_id = 'other'",
    "another environment": "update governance_waiver set environment = 'test'",
    "another application": "update governance_waiver set application = 'other'",
    "another content": "update governance_waiver set subject_digest = 'sha256:2'",
    "granted again": "update governance_waiver set state = 'proposed'",
    "not revoked": "update governance_waiver set state = 'granted', revoked_at = null, revoked_by_id = null",
    "granted at another time": "update governance_waiver set granted_at = now()",
    "deleted": "delete from governance_waiver",
    "truncated": "truncate governance_waiver cascade",
}


@pytest.mark.parametrize("state", ["granted", "revoked"])
@pytest.mark.parametrize("how", EXTENDED)
def test_no_statement_extends_a_waiver(house: make.House, how: str, state: str):
    now = clock.now()
    with beneath_guards():
        Waiver.objects.create(
            rule="r",
            pointer="/p",
            subject_kind="thing",
            subject_id="x",
            subject_digest="sha256:1",
            environment="production",
            reason="because",
            starts_at=now - timedelta(days=5),
            expires_at=now - timedelta(days=1),
            granted_at=now - timedelta(days=5),
            state=state,
            digest=OTHER,
            requested_by=house.author,
            **({"revoked_at": now, "revoked_by": house.architect} if state == "revoked" else {}),
        )
    before = run("select to_jsonb(w)::text from governance_waiver w")
    if how == "not revoked" and state == "granted":
        return
    with pytest.raises(DatabaseError), transaction.atomic(), as_serving():
        run(EXTENDED[how])
    assert run("select to_jsonb(w)::text from governance_waiver w") == before
