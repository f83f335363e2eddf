"""What the policy no longer keeps goes, in small steps: whole partitions of the log, and of everything else some
thousand rows a statement. Nothing goes that something still needs, and what goes stays counted (`runtime_dropped`)."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

from psycopg import sql

from kernel.counts import MOST_COUNTED, CountedSoFar, counted_up_to
from runtime.ledger import partitions
from runtime.ledger import sql as statements
from runtime.ledger.connections import Connection
from runtime.ledger.partitions import Partition

ROWS = 5_000  # a statement; it holds its locks for about as many index entries
COUNTING = "30min"  # a month of messages is counted once, in nobody's way
_COUNT_PARTITION = statements.read("count_partition", part="{part}")
_DROP_HEADS = statements.read("drop_heads")
_EVIDENCE = [statements.read("drop_evidence", table=name) for name in ("runtime_delivery", "runtime_attempt")]
# While nobody reads or writes the log: a few rows. The sums themselves go afterwards.
_DROP_SPANS = "delete from runtime_dayspan where month >= %(since)s and month < %(until)s"
_DROP_SUMS = [statements.read("drop_day_sums", table=name) for name in ("runtime_daysum", "runtime_tillnumbers")]
_OLDEST = """
select nullif(max(runtime_kept_since(%s, flow)), '-infinity')
from (select null::bigint as flow union all select id from runtime_integration) f"""
_FLOW = "(select st.integration_id from runtime_stream st where st.id = o.stream_id)"
_COUNTED = """
insert into runtime_dropped as d (data_class, stream_id, day, number, read, accepted)
select '{0}', stream_id, (at at time zone 'utc')::date, count(*), sum(read), sum(accepted) from gone group by 2, 3
on conflict (data_class, stream_id, subscription_id, day) do update
set number = d.number + excluded.number, read = d.read + excluded.read, accepted = d.accepted + excluded.accepted,
    dropped_at = clock_timestamp()
returning number"""
# (class, what goes; `o` is the row): rows that are settled, and that no other row points to.
_SETTLED: tuple[tuple[str, str, str, str, str], ...] = (
    (
        "runs",
        "runtime_runspan",
        "id",
        "n.stream_id, n.started_at as at, 0 as read, 0 as accepted",
        "join runtime_run n on n.id = o.run_id where n.ended_at < runtime_kept_since('runs', n.integration_id)",
    ),
    (
        "runs",
        "runtime_firing",
        "id",
        "0 as stream_id, o.fired_at as at, 0 as read, 0 as accepted",
        "join runtime_schedule n on n.id = o.schedule_id "
        "where o.fired_at < runtime_kept_since('runs', n.integration_id)",
    ),
    (
        "runs",
        "runtime_run",
        "id",
        "o.stream_id, o.started_at as at, o.read, o.accepted",
        "where o.ended_at < runtime_kept_since('runs', o.integration_id) "
        "and not exists (select from runtime_runspan s where s.run_id = o.id) "
        "and not exists (select from runtime_rejected s where s.run_id = o.id) "
        "and not exists (select from runtime_firing s where s.run_id = o.id) "
        "and not exists (select from runtime_readagain s where s.run_id = o.id)",
    ),
    (
        "rejected",
        "runtime_rejected",
        "id",
        "o.stream_id, o.at, 0 as read, 0 as accepted",
        f"where o.state <> 'open' and o.decided_at < runtime_kept_since('rejected', {_FLOW})",
    ),
    (
        "rejected",
        "runtime_conflict",
        "id",
        "o.stream_id, o.at, 0 as read, 0 as accepted",
        f"where o.state <> 'open' and o.decided_at < runtime_kept_since('rejected', {_FLOW})",
    ),
    (
        "rejected",
        "runtime_unkept",
        "id",
        "o.stream_id, o.last_at as at, 0 as read, 0 as accepted",
        f"where o.last_at < runtime_kept_since('rejected', {_FLOW})",
    ),
    (
        "comparisons",
        "runtime_comparison",
        "id",
        "n.stream_id, o.at, 0 as read, 0 as accepted",
        "join runtime_subscription n on n.id = o.target_id join runtime_stream st on st.id = n.stream_id "
        "where o.at < runtime_kept_since('comparisons', st.integration_id)",
    ),
    (
        "events",
        "kernel_outboxevent",
        "id",
        "0 as stream_id, o.created_at as at, 0 as read, 0 as accepted",
        "where o.done_at < runtime_kept_since('events', null)",
    ),
    (
        "events",
        "governance_webhookdelivery",
        "id",
        "0 as stream_id, o.created_at as at, 0 as read, 0 as accepted",
        "where o.state = 'delivered' and o.delivered_at < runtime_kept_since('events', null)",
    ),
    (
        "events",
        "governance_pipelinedelivery",
        "id",
        "0 as stream_id, o.last_at as at, 0 as read, 0 as accepted",
        "where o.last_at < runtime_kept_since('events', null) and (o.review_id is null or exists "
        "(select from governance_pipelinereview n where n.id = o.review_id and n.ended_at is not null))",
    ),
    (
        "events",
        "governance_pipelinereview",
        "id",
        "0 as stream_id, o.created_at as at, 0 as read, 0 as accepted",
        "where o.ended_at < runtime_kept_since('events', null) "
        "and not exists (select from governance_pipelinedelivery n where n.review_id = o.id)",
    ),
    (
        "indicators",
        "runtime_indicatorday",
        "id",
        "0 as stream_id, o.day::timestamptz as at, 0 as read, 0 as accepted",
        "where o.day < runtime_kept_since('indicators', null)::date",
    ),
    (
        "indicators",
        "runtime_alertentry",
        "id",
        "0 as stream_id, o.at, 0 as read, 0 as accepted",
        "join runtime_alert n on n.id = o.alert_id where n.resolved_at < runtime_kept_since('indicators', null)",
    ),
    (
        "indicators",
        "runtime_alert",
        "id",
        "0 as stream_id, o.opened_at as at, 0 as read, 0 as accepted",
        "where o.resolved_at < runtime_kept_since('indicators', null) "
        "and not exists (select from runtime_alertentry e where e.alert_id = o.id) "
        "and not exists (select from runtime_alertsignal s where s.alert_id = o.id)",
    ),
)


_EDGE = f"({_OLDEST.strip()})"
_KEPT_SINCE = re.compile(r"(\w\.\w+) < (runtime_kept_since\('(\w+)')")


def _quickly(where: str) -> str:
    """What is younger than the shortest policy is passed over before each row's own policy is asked for."""
    return _KEPT_SINCE.sub(lambda found: f"{found[1]} < {_EDGE % repr(found[3])} and {found[0]}", where)


_ROWS = tuple((*one[:4], _quickly(one[4])) for one in _SETTLED)


class Due(NamedTuple):
    """A part of what is kept that the policy no longer keeps, and what still needs it."""

    data_class: str
    what: str
    number: int
    holds: tuple[str, ...] = ()

    @property
    def more(self) -> bool:
        """There are more than `number`."""
        return isinstance(self.number, CountedSoFar)


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


def drop_evidence(conn: Connection, *, rows: int = ROWS) -> int:
    """One step each of deliveries and attempts."""
    found = conn.execute(_OLDEST, ("evidence",)).fetchone()
    waiting = conn.execute("select exists (select from runtime_rewind where ended_at is null)").fetchone()
    if not found or found[0] is None or waiting == (True,):
        return 0
    return sum(conn.execute(text, {"oldest": found[0], "count": rows}).rowcount for text in _EVIDENCE)


def drop_rows(conn: Connection, *, rows: int = ROWS) -> int:
    """One step of each other class."""
    return sum(_drop_rows(conn, *one, rows) for one in _ROWS)


def _drop_rows(conn: Connection, what: str, table: str, key: str, counted: str, where: str, rows: int) -> int:
    chosen = f"select o.{key}, {counted} from {table} o {where} limit {rows}"  # noqa: S608 - constants of this module
    row = conn.execute(
        f"with old as materialized ({chosen}), "  # noqa: S608
        f"taken as (delete from {table} t using old where t.{key} = old.{key} returning t.{key}), "
        f"gone as (select old.* from old join taken using ({key})), "
        f"counted as ({_COUNTED.format(what)}) select count(*) from gone"
    ).fetchone()
    return int(row[0]) if row else 0


_STREAMS_OF_FACTS = """
select
    st.id,
    (select count(*) from runtime_lane l where l.stream_id = st.id),
    runtime_kept_since('heads', st.integration_id)
from runtime_stream st
where st.immutable and runtime_kept_since('heads', st.integration_id) > '-infinity'
order by 1"""


def drop_heads(conn: Connection, *, rows: int = ROWS, until: Callable[[], bool] = lambda: False) -> int:
    """Known keys of facts beyond the window of deduplication, day by day of arrival; `until` says when to stop.

    Only facts that bear a business date lose their head: with it the same fact is known as too old when it comes again.
    """
    gone = 0
    streams = conn.execute(_STREAMS_OF_FACTS).fetchall()
    for stream, lanes, since in streams:
        day = _next_day(conn, stream)
        while day is not None and day + timedelta(days=1) <= since.date() and not until():
            gone += _heads_of(conn, stream, lanes, day, since.date(), rows)
            day += timedelta(days=1)
    return gone


def _next_day(conn: Connection, stream: int) -> date | None:
    done = conn.execute(
        "select max(day) from runtime_dropped where data_class = 'heads' and stream_id = %s", (stream,)
    ).fetchone()
    if done and done[0] is not None:
        last: date = done[0]
        return last + timedelta(days=1)
    first = conn.execute(
        "select (min(received_at) at time zone 'utc')::date from runtime_message where stream_id = %s", (stream,)
    ).fetchone()
    return first[0] if first else None


def _heads_of(conn: Connection, stream: int, lanes: int, day: date, window: date, rows: int) -> int:
    begin, gone = datetime(day.year, day.month, day.day, tzinfo=UTC), 0
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


_ROWS_OF = """
select coalesce(nullif(greatest(c.reltuples, 0), 0)::bigint, (select count(*) from (select from {part} limit %s) few))
from pg_class c
where c.oid = %s::regclass"""


def due(conn: Connection) -> list[Due]:
    """What would go now, with what holds it back; changes nothing. Rows are counted up to MOST_COUNTED; of a month of
    messages it is told what PostgreSQL estimates."""
    found = []
    for part, why in due_partitions(conn):
        statement = sql.SQL(_ROWS_OF).format(part=sql.Identifier(part.name))
        row = conn.execute(statement, (MOST_COUNTED, part.name)).fetchone()
        found.append(Due("messages", part.name, row[0] if row else 0, why))
    oldest = conn.execute(_OLDEST, ("evidence",)).fetchone()
    for name, text in zip(("deliveries", "attempts"), _EVIDENCE, strict=True):
        asked = text[text.index("select o.ctid") : text.rindex("limit")].replace("o.ctid", "1 as one", 1)
        found.append(Due("evidence", name, _counted(conn, asked, {"oldest": oldest[0] if oldest else None})))
    for what, table, _, _, where in _ROWS:
        chosen = f"select 1 as one from {table} o {where}"  # noqa: S608 - constants
        found.append(Due(what, table.partition("_")[2], _counted(conn, chosen, {})))
    return [one for one in found if one.number or one.data_class == "messages"]


def _counted(conn: Connection, chosen: str, given: dict[str, object]) -> int:
    text = f"select count(*) from ({chosen} limit {MOST_COUNTED + 1}) few"  # noqa: S608 - constants of this module
    row = conn.execute(text.encode(), given).fetchone()
    return counted_up_to(row[0] if row else 0, MOST_COUNTED)
