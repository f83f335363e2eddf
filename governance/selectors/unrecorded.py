"""Approvals that count and of which the ledger knows nothing: the owner of the tables alone can make them."""

from __future__ import annotations

from django.db import connection

MOST = 20
_UNRECORDED = """
select a.id, a.subject_kind, a.subject_id, a.environment
  from governance_approval a
 where a.voided_at is null
   and not exists (
         select from kernel_auditentry e
          where a.origin = 'review'
            and e.verb = 'governance.change_approved'
            and e.subject_kind = 'change'
            and e.subject_id = a.change_id::text
            and e.after -> 'approvals' @> to_jsonb(a.id))
   and not exists (
         select from kernel_auditentry e
          where a.origin = 'break_glass'
            and e.verb = 'governance.break_glass_confirmed'
            and e.subject_kind = 'break_glass'
            and e.subject_id = a.break_glass_id::text
            and e.after ->> 'digest' = a.digest)
 order by a.id
 limit %s
"""


def approvals() -> list[str]:
    """A sentence for each, of the first ones."""
    with connection.cursor() as cursor:
        cursor.execute(_UNRECORDED, [MOST])
        return [
            f"approval {number} of {kind} {subject} for {environment} has no entry in the ledger"
            for number, kind, subject, environment in cursor.fetchall()
        ]
