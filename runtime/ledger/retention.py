"""What the policy no longer keeps goes, in small steps: whole partitions of the log, known keys by the day on which
they came, and of everything else some thousand rows a statement (`retained_rows.py`). Nothing goes that something still
needs, and what goes stays counted (`runtime_dropped`)."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

from psycopg import sql

from runtime.ledger import partitions
from runtime.ledger import sql as statements
from runtime.ledger.connections import Connection
from runtime.ledger.partitions import Partition
from runtime.ledger.retained_rows import ROWS

COUNTING = "30min"  # a month of messages is counted once, in nobody's way
_COUNT_PARTITION = statements.read("count_partition", part="{part}")
_DROP_HEADS = statements.read("drop_heads")
# While nobody reads or writes the log: a few rows. The sums themselves go afterwards.
_DROP_SPANS = "delete from runtime_dayspan where month >= %(since)s and month < %(until)s"
_DROP_SUMS = [statements.read("drop_day_sums", table=name) for name in ("runtime_daysum", "runtime_tillnumbers")]
_OLDEST = """
select nullif(max(runtime_kept_since(%s, flow)), '-infinity')
from (select null::bigint as flow union all select id from runtime_integration) f"""


class DueDays(NamedTuple):
    """Facts of a stream that arrived from `since` on and before `until`."""

    stream: int
    lanes: int
    since: datetime
    until: datetime


def due_partitions(conn: Connection) -> list[tuple[Partition, tuple[str, ...]]]:
    """Partitions that are older than what any policy keeps shortest, oldest first, each with what holds it."""
    found = conn.execute(_OLDEST, ("messages",)).fetchone()
    edge = found[0] if found else None
    if edge is None:
        return []
    return [(one, holds(conn, one)) for one in partitions.present(conn) if one.until <= edge]


def holds(conn: Connection, one: Partition) -> tuple[str, ...]:
    """What still needs a partition, in words; empty where it can be dropped."""
    return tuple(row[0] for row in conn.execute("select runtime_partition_holds(%s)", (one.name,)).fetchall())


def drop_partition(conn: Connection, one: Partition, *, wait: Callable[[float], object] = time.sleep) -> bool:
    """Count the messages of a partition and drop it; False where something needs it, or others read it just now."""

    with conn.transaction():
        conn.execute("select set_config('statement_timeout', %s, true)", (COUNTING,))
        if holds(conn, one):
            return False
        conn.execute(sql.SQL(_COUNT_PARTITION).format(part=sql.Identifier(one.name)))
    months = {"since": one.since.date(), "until": one.until.date()}
    gone = partitions.drop_one(
        conn, one.name, before=lambda: not holds(conn, one), after=lambda: conn.execute(_DROP_SPANS, months), wait=wait
    )
    if gone:
        _drop_sums(conn, one.until.date())
    return gone


def _drop_sums(conn: Connection, until: date) -> None:
    """Sums of days whose messages are gone. Without their spans nobody reads them any more."""
    for (stream,) in conn.execute("select id from runtime_stream order by 1").fetchall():
        for statement in _DROP_SUMS:
            while conn.execute(statement, {"stream": stream, "until": until, "count": ROWS}).rowcount:
                pass


_STREAMS_OF_FACTS = """
select
    st.id,
    (select count(*) from runtime_lane l where l.stream_id = st.id),
    runtime_kept_since('heads', st.integration_id)
from runtime_stream st
where st.immutable and runtime_kept_since('heads', st.integration_id) > '-infinity'
order by 1"""

# By its key, lane by lane, in months before the window alone: by time all messages of the stream would be read.
_FIRST_DAY = """
select (min(m.received_at) at time zone 'utc')::date
from generate_series(0, %(lanes)s::int - 1) l (lane)
cross join lateral (
    select m.received_at
    from runtime_message m
    where m.stream_id = %(stream)s and m.lane = l.lane::smallint and m.received_at < %(since)s
    order by m.position
    limit 1
) m"""


def drop_heads(conn: Connection, *, rows: int = ROWS, until: Callable[[], bool] = lambda: False) -> int:
    """Known keys of facts beyond the window of deduplication, day by day of arrival; `until` says when to stop.

    Only facts that bear a business date lose their head: with it the same fact is known as too old when it comes again.
    """
    gone = 0
    for due in due_days_of_heads(conn):
        day = due.since.date()
        while day < due.until.date() and not until():
            gone += _heads_of(conn, due.stream, due.lanes, day, due.until.date(), rows)
            day += timedelta(days=1)
    return gone


def due_days_of_heads(conn: Connection) -> list[DueDays]:
    """The days of each stream of facts that lie before its window and were not looked through yet."""
    found = []
    for stream, lanes, since in conn.execute(_STREAMS_OF_FACTS).fetchall():
        day, window = _next_day(conn, stream, lanes, since), since.date()
        if day is not None and day < window:
            found.append(DueDays(stream, lanes, _begin_of(day), _begin_of(window)))
    return found


def _begin_of(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _next_day(conn: Connection, stream: int, lanes: int, since: datetime) -> date | None:
    """The day after the last one that was looked through, else the first day of the log; None where that is younger
    than `since`. A clock that was set may have let a message of a day before come second: one day is added for it."""
    done = conn.execute(
        "select max(day) from runtime_dropped where data_class = 'heads' and stream_id = %s", (stream,)
    ).fetchone()
    if done and done[0] is not None:
        last: date = done[0]
        return last + timedelta(days=1)
    first = conn.execute(_FIRST_DAY, {"stream": stream, "lanes": lanes, "since": since}).fetchone()
    return first[0] - timedelta(days=1) if first and first[0] else None


def _heads_of(conn: Connection, stream: int, lanes: int, day: date, window: date, rows: int) -> int:
    begin, gone = _begin_of(day), 0
    for lane in range(lanes):
        after = 0
        while True:
            chosen = {"stream": stream, "lane": lane, "after": after, "count": rows, "since": begin}
            chosen |= {"until": begin + timedelta(days=1), "window": min(window, day + timedelta(days=2)).isoformat()}
            found = conn.execute(_DROP_HEADS, chosen).fetchone()
            if not found or not found[1]:
                break
            after, gone = found[0], gone + found[2]
    conn.execute(
        "insert into runtime_dropped (data_class, stream_id, day, number) values ('heads', %s, %s, %s) "
        "on conflict (data_class, stream_id, subscription_id, day) do update set number = runtime_dropped.number + "
        "excluded.number",
        (stream, day, gone),
    )
    return gone
