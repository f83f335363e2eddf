"""Speaking to the database past every service, permission and page."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

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


TELL = """insert into kernel_auditentry (actor_id, actor_text, verb, subject_kind, subject_id, after, reason,
  request_id)
select %s, 'by hand', %s, 'change', id::text, jsonb_build_object('subject_digest', subject_digest, 'diff_digest',
  diff_digest, 'impact_digest', impact_digest, 'policy_digest', policy_digest), '', ''
from governance_changerequest where id = %s"""
VERBS = {
    "approve": "governance.decision_approved",
    "request_changes": "governance.decision_changes_requested",
    "reject": "governance.decision_rejected",
}


def decide(person: int, change: ChangeRequest, outcome: str = "approve", note: str = "") -> None:
    run(DECIDE, person, outcome, note, change.pk)
    run(TELL, person, VERBS[outcome], change.pk)


@contextmanager
def beneath_guards() -> Iterator[None]:
    """What a damaged database may hold, and what would be written with a service's entry in the ledger."""
    with transaction.atomic():
        run("set local session_replication_role = replica")
        yield
        run("set local session_replication_role = origin")


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


TELL_SEALED = """insert into kernel_auditentry (actor_text, verb, subject_kind, subject_id, after, reason, request_id)
select 'system', 'governance.change_approved', 'change', change_id::text, jsonb_build_object('approvals',
  jsonb_agg(id), 'approvers', min(approver_ids), 'digest', min(subject_digest)), '', ''
from governance_approval where change_id = %s and voided_at is null group by change_id"""


def seal_and_tell(change: ChangeRequest) -> None:
    run(SEAL, *seal(change))
    run(TELL_SEALED, change.pk)
