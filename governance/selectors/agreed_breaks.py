"""Breaks that consumers agreed to: until when each of them has migrated, as a truly breaking acceptance says.

A consumer has agreed about the subject for which it was asked. Acceptances of before they named their subject count
where their change has one subject, for all that it reaches."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from kernel import prepared_queries


@dataclass(frozen=True, slots=True)
class AgreedBreak:
    """The change in which it was accepted, and the last day of the old contract."""

    change: int
    migrate_by: date


_AGREED = """
select i ->> 'application', c.id, min(b.migrate_by)
  from governance_changesubject s
  join governance_changerequest c on c.id = s.change_id
  join governance_breakacceptance b
    on b.change_id = c.id and b.revision = c.revision and b.kind = 'breaking' and b.voided_at is null
   and b.subject_kind in (s.kind, '') and b.subject_id in (s.subject_id, '')
  join governance_approval a
    on a.change_id = c.id and a.subject_kind = s.kind and a.subject_id = s.subject_id and a.digest = s.digest
   and a.environment = c.environment and a.voided_at is null and a.used_at is not null
 cross join jsonb_array_elements(case jsonb_typeof(c.impact) when 'array' then c.impact else '[]' end) i
 where s.kind = 'version'
   and s.subject_id = %(reference)s
   and s.digest = %(digest)s
   and c.environment = %(environment)s
   and case
         when b.subject_id = s.subject_id then b.applications ? (i ->> 'application')
         else b.applications is null
              and (select count(*) from governance_changesubject x where x.change_id = c.id) = 1
       end
   and exists (select from jsonb_array_elements(c.difference -> 'parts') p
                where p -> 'subject' ->> 'id' = %(reference)s
                  and p ->> 'base_digest' = %(base)s)
 group by 1, 2
"""


def agreed(reference: str, base: str | None, digest: str | None, environment: str) -> dict[str, AgreedBreak]:
    """By application: what the owner of each affected consumer approved when this contract took the place of that one.
    Where several changes said so, the earliest day counts."""
    if base is None or digest is None or base == digest:
        return {}
    asked = {"reference": reference, "base": base, "digest": digest, "environment": environment}
    found: dict[str, AgreedBreak] = {}
    for application, change, by in prepared_queries.rows(_AGREED, asked):
        if application not in found or by < found[application].migrate_by:
            found[application] = AgreedBreak(change, by)
    return found
