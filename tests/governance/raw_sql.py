"""Speaking to the database past every service, permission and page."""

from __future__ import annotations

import json

import pytest
from django.db import IntegrityError, connection, transaction

from governance.models import ChangeRequest
from governance.services import sealing

OTHER = "sha256:" + "f" * 64


def run(sql: str, *arguments: object) -> list[tuple]:
    with connection.cursor() as cursor:
        cursor.execute(sql, arguments)
        return cursor.fetchall() if cursor.description else []


def refused(constraint: str, sql: str, *arguments: object) -> None:
    """The statement fails with exactly this constraint, and nothing of it stays."""
    with pytest.raises(IntegrityError) as caught, transaction.atomic():
        run(sql, *arguments)
    assert caught.value.__cause__.diag.constraint_name == constraint, str(caught.value)


DECIDE = """insert into governance_decision (change_id, revision, person_id, outcome, note, subject_digest,
   diff_digest, impact_digest, policy_digest, void_reason)
select c.id, c.revision, %s, %s, %s, c.subject_digest, c.diff_digest, c.impact_digest, c.policy_digest, ''
from governance_changerequest c
where c.id = %s"""


def decide(person: int, change: ChangeRequest, outcome: str = "approve", note: str = "") -> None:
    run(DECIDE, person, outcome, note, change.pk)


SEAL = """insert into governance_approval (origin, change_id, revision, subject_kind, subject_id, digest,
   environment, subject_digest, diff_digest, impact_digest,
  policy_digest, filled_slots, approver_ids, used_by_text, void_reason)
select 'review', c.id, c.revision, s.kind, s.subject_id, s.digest, c.environment, c.subject_digest, c.diff_digest,
c.impact_digest, c.policy_digest, %s, %s, '', ''
  from governance_changerequest c join governance_changesubject s on s.change_id = c.id where c.id = %s"""


def filled_of(change: ChangeRequest) -> list[dict[str, int]]:
    return [sealing.entry_of(slot, one) for slot, one in sorted(sealing.filled_slots(change).items())]


def seal(change: ChangeRequest, filled: list[dict[str, int]] | None = None) -> tuple[object, ...]:
    filled = filled_of(change) if filled is None else filled
    return json.dumps(filled), sorted(s["person"] for s in filled), change.pk
