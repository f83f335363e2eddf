"""Which checks block a change, as the database sees it, and who may decide on it."""

from __future__ import annotations

from django.db import connection

from governance.permissions import Person, eligible, is_party, may_fill

__all__ = ["Person", "blocking_checks", "eligible", "is_party", "may_fill"]


_BLOCKING = """
select check_id, reason from governance_blocking_check where change_id = %(change)s
 union all
select r.check_id, 'belongs to a change that is not there'
  from governance_checkresult r
 where r.change_id = %(change)s
   and not exists (select from governance_changerequest c where c.id = r.change_id)
 union all
select 'checks', 'have lost a result'
  from governance_changerequest c
 where c.id = %(change)s
   and c.checks_total > (select count(*) from governance_checkresult r
                          where r.change_id = c.id and r.revision = c.revision)
 order by 1
"""


def blocking_checks(change_id: int) -> list[tuple[str, str]]:
    """`(check id, reason)` of each check that blocks the present revision. A result that vanished blocks."""
    with connection.cursor() as cursor:
        cursor.execute(_BLOCKING, {"change": change_id})
        return [(check, reason) for check, reason in cursor.fetchall()]
