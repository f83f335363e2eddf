"""Rows that the policy no longer keeps: evidence, runs, what is settled, events, service levels. What is due is found
by indexes, for each flow by its own policy: a flow that keeps more than others is not read for them.
"""
# ruff: noqa: S608 - statements of constants, kept readable as SQL

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import NamedTuple

from runtime.ledger import sql as statements
from runtime.ledger.connections import Connection

ROWS = 5_000  # a statement; it holds its locks for about as many index entries
EVIDENCE = {"deliveries": "runtime_delivery", "attempts": "runtime_attempt"}
OF_A_FLOW = frozenset({"evidence", "runs", "rejected", "comparisons"})  # a flow may have a policy of its own for these
_DROP_EVIDENCE = [statements.read("drop_evidence", table=name) for name in EVIDENCE.values()]
# To the minute, so that flows with one policy are one group: what is due goes up to a minute later.
_EDGES = """
select date_trunc('minute', since), array_agg(flow order by flow)
from (
    select i.id as flow, nullif(runtime_kept_since(%(what)s, i.id), '-infinity') as since
    from runtime_integration i
) x
where since is not null
group by 1
order by 1"""
_EDGE_OF_ALL = "select nullif(runtime_kept_since(%(what)s, null), '-infinity')"
_COUNTED = """
insert into runtime_dropped as d (data_class, stream_id, day, number, read, accepted)
select '{0}', stream_id, (at at time zone 'utc')::date, count(*), sum(read), sum(accepted) from gone group by 2, 3
on conflict (data_class, stream_id, subscription_id, day) do update
set number = d.number + excluded.number, read = d.read + excluded.read, accepted = d.accepted + excluded.accepted,
    dropped_at = clock_timestamp()
returning number"""
_SETTLED = "r.state <> 'open' and r.decided_at < %(since)s"


class Edge(NamedTuple):
    """What these flows had before `since` is kept no longer. Without flows: what belongs to none."""

    since: datetime
    flows: list[int]


class RetainedRows(NamedTuple):
    """Rows of one table that are settled. `o` is the row, %(since)s and %(flows)s are an edge's.

    `counted`: what `runtime_dropped` keeps of it. `last`: what else has to be so before the row goes, because other
    rows point to it that go first; they are due as well, unless `held` says otherwise.
    """

    data_class: str
    table: str
    counted: str
    where: str
    last: str = ""
    held: str = ""

    @property
    def due(self) -> str:
        """The rows that would go, with those that go before them."""
        return f"from {self.where} {self.held}"

    @property
    def now(self) -> str:
        """The rows that can go at once."""
        return f"from {self.where} {self.last or self.held}"


def _of_streams(table: str, at: str, due: str) -> str:
    """Stream by stream, in the order of the index over stream and time."""
    return (
        f"runtime_stream n cross join lateral (select r.* from {table} r where r.stream_id = n.id and {due} "
        f"order by r.{at} limit %(count)s) o where n.integration_id = any(%(flows)s)"
    )


# Where rows are found through their owner, it is asked owner by owner (`cross join lateral`): the planner knows what
# share of all rows is old, and not that one flow keeps the old ones and another has the young ones.
PARTS = (
    RetainedRows(
        "runs",
        "runtime_runspan",
        "n.stream_id, n.started_at as at, 0 as read, 0 as accepted",
        "runtime_integration i "
        "cross join lateral (select r.id, r.stream_id, r.started_at from runtime_run r where r.integration_id = i.id "
        "and r.ended_at < %(since)s order by r.ended_at) n "
        "join runtime_runspan o on o.run_id = n.id where i.id = any(%(flows)s)",
    ),
    RetainedRows(
        "runs",
        "runtime_firing",
        "0 as stream_id, o.fired_at as at, 0 as read, 0 as accepted",
        # schedule by schedule; nothing is fired before it is due: the index over the times that were due finds it
        "runtime_schedule n "
        "cross join lateral (select f.id, f.fired_at from runtime_firing f where f.schedule_id = n.id "
        "and f.due_at < %(since)s and f.fired_at < %(since)s order by f.due_at limit %(count)s) o "
        "where n.integration_id = any(%(flows)s)",
    ),
    RetainedRows(
        "runs",
        "runtime_run",
        "o.stream_id, o.started_at as at, o.read, o.accepted",
        "runtime_integration i cross join lateral (select r.id, r.stream_id, r.started_at, r.read, r.accepted "
        "from runtime_run r where r.integration_id = i.id and r.ended_at < %(since)s order by r.ended_at) o "
        "where i.id = any(%(flows)s) "
        "and not exists (select from runtime_rejected s where s.run_id = o.id) "
        "and not exists (select from runtime_readagain s where s.run_id = o.id)",
        last="and not exists (select from runtime_runspan s where s.run_id = o.id) "
        "and not exists (select from runtime_firing s where s.run_id = o.id)",
        held="and not exists (select from runtime_firing s where s.run_id = o.id and s.fired_at >= %(since)s)",
    ),
    RetainedRows(
        "rejected",
        "runtime_rejected",
        "o.stream_id, o.at, 0 as read, 0 as accepted",
        _of_streams("runtime_rejected", "decided_at", _SETTLED),
    ),
    RetainedRows(
        "rejected",
        "runtime_conflict",
        "o.stream_id, o.at, 0 as read, 0 as accepted",
        _of_streams("runtime_conflict", "decided_at", _SETTLED),
    ),
    RetainedRows(
        "rejected",
        "runtime_unkept",
        "o.stream_id, o.last_at as at, 0 as read, 0 as accepted",
        _of_streams("runtime_unkept", "last_at", "r.last_at < %(since)s"),
    ),
    RetainedRows(
        "comparisons",
        "runtime_comparison",
        "n.stream_id, o.at, 0 as read, 0 as accepted",
        # target by target, as evidence
        "runtime_stream st join runtime_subscription n on n.stream_id = st.id "
        "cross join lateral (select c.id, c.at from runtime_comparison c "
        "where c.target_id = n.id and c.at < %(since)s order by c.at limit %(count)s) o "
        "where st.integration_id = any(%(flows)s)",
    ),
    RetainedRows(
        "events",
        "kernel_outboxevent",
        "0 as stream_id, o.created_at as at, 0 as read, 0 as accepted",
        "kernel_outboxevent o where o.done_at < %(since)s",
    ),
    RetainedRows(
        "events",
        "governance_webhookdelivery",
        "0 as stream_id, o.created_at as at, 0 as read, 0 as accepted",
        "governance_webhookdelivery o where o.state = 'delivered' and o.delivered_at < %(since)s",
    ),
    RetainedRows(
        "events",
        "governance_pipelinedelivery",
        "0 as stream_id, o.last_at as at, 0 as read, 0 as accepted",
        "governance_pipelinedelivery o where o.last_at < %(since)s and (o.review_id is null or exists "
        "(select from governance_pipelinereview n where n.id = o.review_id and n.ended_at is not null))",
    ),
    RetainedRows(
        "events",
        "governance_pipelinereview",
        "0 as stream_id, o.created_at as at, 0 as read, 0 as accepted",
        "governance_pipelinereview o where o.ended_at < %(since)s",
        last="and not exists (select from governance_pipelinedelivery n where n.review_id = o.id)",
        held="and not exists (select from governance_pipelinedelivery n where n.review_id = o.id "
        "and n.last_at >= %(since)s)",
    ),
    RetainedRows(
        "indicators",
        "runtime_indicatorday",
        "0 as stream_id, o.day::timestamptz as at, 0 as read, 0 as accepted",
        "runtime_indicatorday o where o.day < %(since)s::date",
    ),
    RetainedRows(
        "indicators",
        "runtime_alertentry",
        "0 as stream_id, o.at, 0 as read, 0 as accepted",
        "runtime_alertentry o join runtime_alert n on n.id = o.alert_id where n.resolved_at < %(since)s",
    ),
    RetainedRows(
        "indicators",
        "runtime_alert",
        "0 as stream_id, o.opened_at as at, 0 as read, 0 as accepted",
        "runtime_alert o where o.resolved_at < %(since)s "
        "and not exists (select from runtime_alertsignal s where s.alert_id = o.id)",
        last="and not exists (select from runtime_alertentry e where e.alert_id = o.id)",
    ),
)


def edges(conn: Connection, what: str) -> list[Edge]:
    """Since when which flows keep a class, one group of flows for each time; none where it is kept for ever."""
    if what in OF_A_FLOW:
        return [Edge(*row) for row in conn.execute(_EDGES, {"what": what}).fetchall()]
    row = conn.execute(_EDGE_OF_ALL, {"what": what}).fetchone()
    return [Edge(row[0], [])] if row and row[0] is not None else []


@contextmanager
def planned_for_these(conn: Connection) -> Iterator[None]:
    """Statements in it are planned for the times that they are about. Sessions of the ledger keep one plan for all
    values, which takes a third of all rows for due, and reads them. (Not those of evidence: they ask target by target,
    and who knows that nearly all is due reads all of it instead.) What is ordered by time comes from the index over
    owner and time, and is not sorted out of all rows of an owner."""
    with conn.transaction():
        conn.execute("set local plan_cache_mode = force_custom_plan")
        conn.execute("set local enable_sort = off")
        yield


def drop_evidence(conn: Connection, *, rows: int = ROWS) -> int:
    """One step each of deliveries and attempts."""
    if is_recovering(conn):
        return 0
    gone = 0
    for edge in edges(conn, "evidence"):
        for text in _DROP_EVIDENCE:
            gone += conn.execute(text, {**edge._asdict(), "count": rows}).rowcount
    return gone


def is_recovering(conn: Connection) -> bool:
    """The database went back and that has not been attended to: all evidence is needed."""
    return conn.execute("select from runtime_rewind where ended_at is null limit 1").fetchone() is not None


def due_evidence(table: str) -> str:
    """A statement for the rows of evidence that would go."""
    text = statements.read("drop_evidence", table=table)
    return text[text.index("select o.ctid") : text.rindex("limit")]


def drop_rows(conn: Connection, *, rows: int = ROWS) -> int:
    """One step of each other class."""
    known = {what: edges(conn, what) for what in dict.fromkeys(part.data_class for part in PARTS)}
    return sum(_drop(conn, part, edge, rows) for part in PARTS for edge in known[part.data_class])


def _drop(conn: Connection, part: RetainedRows, edge: Edge, rows: int) -> int:
    statement = (
        f"with old as materialized (select o.id, {part.counted} {part.now} limit %(count)s), "
        f"taken as (delete from {part.table} t using old where t.id = old.id returning t.id), "
        f"gone as (select old.* from old join taken using (id)), "
        f"counted as ({_COUNTED.format(part.data_class)}) select count(*) from gone"
    )
    with planned_for_these(conn):
        row = conn.execute(statement.encode(), {**edge._asdict(), "count": rows}).fetchone()
    return int(row[0]) if row else 0
