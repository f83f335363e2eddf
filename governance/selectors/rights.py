"""Who may do what on a change, read from groups and delegations at this very moment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import connection


@dataclass(frozen=True, slots=True)
class Person:
    """`for_whom` names the delegator when the person may act only by delegation."""

    id: int
    name: str
    absent: bool = False
    for_whom: str = ""


_ELIGIBLE = """
with candidates as (
  select s.id as slot_id, m.user_id, null::bigint as delegator_id
    from governance_slot s join kernel_user_groups m on m.group_id = any(s.group_ids)
   where s.change_id = %(change)s and s.revision = %(revision)s
  union all
  select s.id, d.delegate_id, d.delegator_id
    from governance_slot s join governance_delegation d on d.group_id = any(s.group_ids)
   where s.change_id = %(change)s and s.revision = %(revision)s and d.revoked_at is null and d.starts_at <= %(at)s and %(at)s < d.ends_at
), persons as (
  select slot_id, user_id, case when bool_or(delegator_id is null) then null else min(delegator_id) end as delegator_id from candidates group by slot_id, user_id
)
select p.slot_id, u.id, coalesce(nullif(trim(u.first_name || ' ' || u.last_name), ''), u.username),
       exists (select from governance_absence a where a.person_id = u.id and a.starts_at <= %(at)s and %(at)s < a.ends_at),
       coalesce(nullif(trim(f.first_name || ' ' || f.last_name), ''), f.username, '')
  from persons p join governance_slot s on s.id = p.slot_id join kernel_user u on u.id = p.user_id left join kernel_user f on f.id = p.delegator_id
 where governance_may_fill(s.group_ids, %(change)s, u.id, %(at)s)
 order by p.slot_id, u.id
"""


def eligible(change_id: int, revision: int, at: datetime) -> dict[int, list[Person]]:
    """For each slot id of the revision, who may fill it now; author, submitter and contributors are never among them."""
    found: dict[int, list[Person]] = {}
    with connection.cursor() as cursor:
        cursor.execute(_ELIGIBLE, {"change": change_id, "revision": revision, "at": at})
        for slot, person, name, absent, delegator in cursor.fetchall():
            found.setdefault(slot, []).append(Person(person, name, absent, delegator))
    return found


def is_party(change_id: int, person_id: int) -> bool:
    """Author, submitter or contributor of the change."""
    with connection.cursor() as cursor:
        cursor.execute("select governance_is_party(%s, %s)", [change_id, person_id])
        return bool(cursor.fetchone()[0])


def may_fill(group_ids: Sequence[int], change_id: int, person_id: int, at: datetime) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("select governance_may_fill(%s::int[], %s, %s, %s)", [list(group_ids), change_id, person_id, at])
        return bool(cursor.fetchone()[0])


def blocking_checks(change_id: int) -> list[tuple[str, str]]:
    """`(check id, reason)` of every check that keeps the change shut at its present revision."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select check_id, reason from governance_blocking_check where change_id = %s order by check_id", [change_id]
        )
        return [(check, reason) for check, reason in cursor.fetchall()]
