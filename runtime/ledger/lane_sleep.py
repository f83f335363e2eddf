"""Lanes of targets that have nothing to take sleep: no claim looks at them, so what a fleet costs that stands still
does not grow with its stores.

An append touches no target; it moves the lane's counter alone. Targets that sleep on a lane have nothing before the
`next` of its row in `runtime_lane_sleep`, so a counter beyond that says that they are to be woken. Sleep and waking
are under that row's lock: a message that comes between the look and the sleep is later than `next`, and wakes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from runtime.ledger import sql
from runtime.ledger.connections import Connection

SLEEPS_AFTER = 10.0  # seconds without a turn
MOST_TO_SLEEP = 2_000  # in one transaction
MOST_TO_WAKE = 200  # counters that are looked at in one transaction
_TIRED = sql.read("lanes_tired")
_SEEN = """
insert into runtime_lane_sleep (stream_id, lane)
select distinct t.stream_id, t.lane
from unnest(%s::smallint[], %s::smallint[]) t (stream_id, lane)
on conflict do nothing"""
_HOLD = """
select z.stream_id, z.lane
from runtime_lane_sleep z
where (z.stream_id, z.lane) in (select * from unnest(%s::smallint[], %s::smallint[]))
for update skip locked"""
_NOTE = """
update runtime_lane_sleep z
set next = l.next
from runtime_lane l
where l.stream_id = z.stream_id
    and l.lane = z.lane
    and (z.next is null or z.next = l.next)
    and (z.stream_id, z.lane) in (select * from unnest(%s::smallint[], %s::smallint[]))
returning z.stream_id, z.lane, z.next"""
_SLEEP = sql.read("lanes_sleep")
_CALLED = """
select z.stream_id, z.lane
from runtime_lane_sleep z
join runtime_lane l on l.stream_id = z.stream_id and l.lane = z.lane
where z.next < l.next
limit %s"""
_WAKE = sql.read("lanes_wake")
_FORGET = """
update runtime_lane_sleep z
set next = null
where (z.stream_id, z.lane) in (select * from unnest(%s::smallint[], %s::smallint[]))"""


def let_lanes_sleep(conn: Connection, *, after: float = SLEEPS_AFTER, most: int = MOST_TO_SLEEP) -> int:
    """Let lanes sleep that have had nothing to take for so many seconds. Answers how many. Nothing is lost where nobody
    calls this: it keeps the claims short."""
    tired = conn.execute(_TIRED, (after, most)).fetchall()
    if not tired:
        return 0
    counters = _columns(tired)
    conn.execute(_SEEN, counters)
    with conn.transaction():
        held = _columns(conn.execute(_HOLD, counters).fetchall())
        noted = {(stream, lane): following for stream, lane, following in conn.execute(_NOTE, held).fetchall()}
        places = [(subscription, lane, noted.get((stream, lane))) for stream, lane, subscription in tired]
        going = [place for place in places if place[2] is not None]
        if not going:
            return 0
        columns = [list(column) for column in zip(*going, strict=True)]
        return int(conn.execute(_SLEEP, columns).rowcount)


def wake_lanes(conn: Connection) -> int:
    """Wake what sleeps on lanes that have had a message since. Answers how many lanes of targets that were."""
    called = conn.execute(_CALLED, (MOST_TO_WAKE,)).fetchall()
    if not called:
        return 0
    with conn.transaction():
        held = _columns(conn.execute(_HOLD, _columns(called)).fetchall())
        woken = conn.execute(_WAKE, held).rowcount
        conn.execute(_FORGET, held)
    return int(woken)


def _columns(rows: Iterable[Sequence[int]]) -> tuple[list[int], list[int]]:
    pairs = list(rows)
    return [pair[0] for pair in pairs], [pair[1] for pair in pairs]
