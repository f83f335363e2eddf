"""What a person has put in the place of a stored message: that was sent, and not what is in the log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from runtime.ledger.log_reader import decode
from runtime.selectors.sql_rows import rows

Place = tuple[int, int]
# The newest of each message, also where it was edited at a replay of the target.
_EDITED = """
select distinct on (t.lane, t.last) t.lane, t.last as position, t.payload::text as payload
  from unnest(%(lanes)s::int[], %(positions)s::bigint[]) x(lane, position)
  join runtime_subscription s on s.id = %(target)s or s.replay_of_id = %(target)s
  join runtime_attempt t on t.subscription_id = s.id and t.lane = x.lane and t.last = x.position
 where t.outcome in ('edited', 'corrected')
   and t.payload is not null
 order by t.lane, t.last, t.id desc"""
# Of the day, and confirmed after it: an edit that waits, or was discarded later, is nowhere.
_DELIVERED = """
select distinct on (t.lane, t.last) t.lane, t.last as position, t.payload::text as payload
  from unnest(%(lanes)s::int[], %(firsts)s::bigint[], %(lasts)s::bigint[]) x(lane, first, last)
  join runtime_subscription s on s.id = %(target)s or s.replay_of_id = %(target)s
  join runtime_attempt t on t.subscription_id = s.id and t.lane = x.lane and t.last between x.first and x.last
 where t.outcome in ('edited', 'corrected')
   and t.payload is not null
   and exists (select
                 from runtime_attempt c
                where c.subscription_id = t.subscription_id
                  and c.lane = t.lane
                  and c.last = t.last
                  and c.first = t.last
                  and c.id > t.id
                  and c.outcome = 'confirmed')
 order by t.lane, t.last, t.id desc"""


def delivered(target: int, spans: Mapping[int, tuple[int, int]]) -> dict[Place, Any]:
    """{(lane, position): the edited document} of what was delivered so, of these spans of positions by lane."""
    if not spans:
        return {}
    firsts, lasts = [first for first, _ in spans.values()], [last for _, last in spans.values()]
    given = {"target": target, "lanes": list(spans), "firsts": firsts, "lasts": lasts}
    return {(row["lane"], row["position"]): decode(row["payload"].encode()) for row in rows(_DELIVERED, given)}


def of(target: int, places: Sequence[Place]) -> dict[Place, Any]:
    """{(lane, position): the edited document} of these messages at a target and its replays."""
    if not places:
        return {}
    given = {"target": target, "lanes": [lane for lane, _ in places], "positions": [at for _, at in places]}
    return {(row["lane"], row["position"]): decode(row["payload"].encode()) for row in rows(_EDITED, given)}


__all__ = ["delivered", "of"]
