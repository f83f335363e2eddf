"""Calls of tills and pipelines that were refused, by minutes, as web processes hand them in
(`portal.front.refused_calls`): the database may have been away meanwhile, so each says how long ago, not when."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any, NamedTuple

from kernel import clock
from runtime.models import RefusedCalls

KEPT = timedelta(days=366)
_STORE = """
insert into runtime_refusedcalls as held (operation, why, minute, refused, first_at, last_at, noted_at)
select one.operation, one.why, m.minute, sum(one.refused), min(m.first_at), max(m.last_at), c.now
  from unnest(%(operations)s::text[], %(whys)s::text[], %(refused)s::bigint[], %(first)s::float8[], %(last)s::float8[])
       one (operation, why, refused, first, last)
 cross join (select clock_timestamp() as now) c
 cross join lateral (
        select date_trunc('minute', c.now - make_interval(secs => one.first), 'utc') as minute,
               c.now - make_interval(secs => one.first) as first_at,
               c.now - make_interval(secs => one.last) as last_at) m
 group by one.operation, one.why, m.minute, c.now
    on conflict (operation, why, minute) do update
   set refused = held.refused + excluded.refused,
       first_at = least(held.first_at, excluded.first_at),
       last_at = greatest(held.last_at, excluded.last_at),
       noted_at = excluded.noted_at"""


class RefusedMinute(NamedTuple):
    """Calls of one operation that were refused for one reason; the first and the last of them so many seconds ago."""

    operation: str
    why: str
    refused: int
    first: float
    last: float


def store(rows: Sequence[RefusedMinute], execute: Callable[[str, Mapping[str, Any]], Any]) -> None:
    """Add them to what other processes have handed in."""
    columns = [list(column) for column in zip(*rows, strict=True)]
    execute(_STORE, dict(zip(("operations", "whys", "refused", "first", "last"), columns, strict=True)))


def forget() -> int:
    """Drop those of more than a year ago."""
    return RefusedCalls.objects.filter(minute__lt=clock.now() - KEPT).delete()[0]
