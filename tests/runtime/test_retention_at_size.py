"""What retention reads beside a long history: its question what is due, and its turns. Counted in pages of the
database, which a busy machine does not change."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from psycopg import sql

from runtime.ledger import partitions, retained_rows, retention, retention_due
from runtime.ledger.connections import Connection
from tests.runtime.make import Flow
from tests.runtime.test_partitions import tables

OLD = datetime(2019, 3, 10, tzinfo=UTC)
YOUNG = datetime.now(UTC) - timedelta(days=30)
FEW, MANY = 2_000, 10_000  # of each kind
A_LITTLE = 60  # pages: deeper indexes, and rows that stand on the edge
NOBODY_EMPTIES = (  # after a test of the ledger
    "kernel_outboxevent",
    "governance_webhookdelivery",
    "governance_pipelinedelivery",
    "governance_pipelinereview",
    "runtime_alertentry",
    "runtime_alert",
)
_TOUCHED = """
select c.relname, pg_stat_get_xact_blocks_fetched(c.oid)
from pg_class c
where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'i')"""


@pytest.fixture
def log(ledger: Connection) -> Iterator[Connection]:
    """The ledger with a partition of long ago and one of last month."""
    before = tables(ledger)
    partitions.ensure(ledger, at=OLD)
    partitions.ensure(ledger, at=YOUNG)
    yield ledger
    ledger.execute("set session_replication_role = replica")
    for name in ("runtime_message", *NOBODY_EMPTIES):
        ledger.execute(f"delete from {name}")
    ledger.execute("set session_replication_role = origin")
    for name in tables(ledger) - before:
        ledger.execute(f"drop table {name}")


def pages(conn: Connection, work: Callable[[Connection], object], bound: int = 0) -> Counter[str]:
    """Pages of each table and index that it touches, in a transaction that is taken back. The fewest of three times,
    or the first within the bound: what else holds a snapshot in the database keeps a vacuum from its work."""
    found = []
    for _ in range(3):
        vacuumed(conn)
        found.append(touched(conn, work))
        if found[-1].total() <= bound:
            break
    return min(found, key=Counter.total)


def touched(conn: Connection, work: Callable[[Connection], object]) -> Counter[str]:
    with conn.transaction(force_rollback=True):
        work(conn)  # a first time, for what PostgreSQL looks up of tables and functions
    with conn.transaction(force_rollback=True):
        before = Counter(dict(conn.execute(_TOUCHED).fetchall()))
        work(conn)
        after = Counter(dict(conn.execute(_TOUCHED).fetchall()))
    return after - before


HISTORY = (
    """insert into runtime_message (stream_id, lane, position, received_at, key, version, payload)
       select %(stream)s, 0, n, %(at)s, 'k' || n, 0, '{"businessDate": "2019-03-10"}'
         from generate_series(%(first)s::int, %(last)s::int) n""",
    """insert into runtime_delivery (subscription_id, lane, first, last, token, at, outcome, confirmed, superseded,
                                     skipped, refused, waiting)
       select %(sub)s, 0, n, n, 1, %(at)s, 'answered', 1, 0, 0, 0, 0
         from generate_series(%(first)s::int, %(last)s::int) n""",
    """insert into runtime_attempt (subscription_id, lane, first, last, token, at, outcome)
       select %(sub)s, 0, n, n, 1, %(at)s, 'given_up' from generate_series(%(first)s::int, %(last)s::int) n""",
    """with made as (
         insert into runtime_run (integration_id, stream_id, kind, state, trigger, started_at, ended_at)
         select %(flow)s, %(stream)s, 'intake', 'succeeded', 'intake', %(at)s, %(at)s
           from generate_series(%(first)s::int, %(last)s::int) n
         returning id)
       insert into runtime_runspan (run_id, lane, first, last) select id, 0, 1, 1 from made""",
    """with plan as (
         insert into runtime_schedule (integration_id, environment, expression, zone, skipped, repeated, enabled)
         values (%(flow)s, 'production', 'every 60s', 'UTC', 'shift', 'first', true)
         on conflict (integration_id, environment) do update set zone = 'UTC'
         returning id)
       insert into runtime_firing (schedule_id, due_at, fired_at)
       select id, %(at)s + n * interval '1 s', %(at)s + n * interval '1 s'
         from plan, generate_series(%(first)s::int, %(last)s::int) n""",
    """insert into runtime_comparison (target_id, day, by, at, due, asked, agreed, missing, extra, twice, differs,
                                       silent, note, cases)
       select %(sub)s, date '1990-01-01' + n, 'business', %(at)s, 1, 1, 1, 0, 0, 0, 0, 0, '', '[]'
         from generate_series(%(first)s::int, %(last)s::int) n""",
    """insert into runtime_rejected (stream_id, at, last_at, key, digest, reason_class, fingerprint, reason, raw, state,
                                     decided_at)
       select %(stream)s, %(at)s, %(at)s, 'r' || n, 'd' || n, 'contract', 'f', 'odd', '{}', 'dismissed', %(at)s
         from generate_series(%(first)s::int, %(last)s::int) n""",
    """insert into runtime_conflict (stream_id, key, held_position, hash, payload, at, last_at, state, decided_at)
       select %(stream)s, 'c' || n, 1, n, '{}', %(at)s, %(at)s, 'kept', %(at)s
         from generate_series(%(first)s::int, %(last)s::int) n""",
    """insert into runtime_unkept (stream_id, kind, source, day, counted, last_at)
       select %(stream)s, 'rejected', 's' || n, %(at)s, 1, %(at)s
         from generate_series(%(first)s::int, %(last)s::int) n""",
    """insert into kernel_outboxevent (topic, key, payload, request_id, attempts, last_error, created_at, done_at)
       select 'of.a.test', n, '{}', '', 1, '', %(at)s, %(at)s
         from generate_series(%(first)s::int, %(last)s::int) n""",
    """insert into governance_webhookdelivery (endpoint_id, event_id, topic, body, state, attempts, next_at, last_error,
                                               created_at, delivered_at)
       select 1, n, 'of.a.test', '{}', 'delivered', 1, %(at)s, '', %(at)s, %(at)s
         from generate_series(%(first)s::int, %(last)s::int) n""",
    """insert into governance_pipelinereview (id, connection_id, key, repository_id, repository, place, sha, ref, facts,
                                              state, word, why, verdict_ids, seen, sent, reported, reports, asked,
                                              attempts, waits_until, last_error, created_at, ended_at)
       select n, 1, n, 1, 'a/b', 'production', 'c', 'main', '{}', 'answered', 'passed', '', '{}', 0, '', '', 0, 0, 0,
              %(at)s, '', %(at)s, %(at)s
         from generate_series(%(first)s::int, %(last)s::int) n""",
    """insert into governance_pipelinedelivery (connection_id, digest, delivery_id, event, outcome, why, review_id,
                                                times, first_at, last_at)
       select 1, n, n, 'deployment_review', 'taken', '', n, 1, %(at)s, %(at)s
         from generate_series(%(first)s::int, %(last)s::int) n""",
    """insert into runtime_indicatorday (indicator_id, day)
       select n, %(at)s from generate_series(%(first)s::int, %(last)s::int) n""",
    """with made as (
         insert into runtime_alert (cause, kind, environment, target, system_key, state, severity, title, told, inbox,
                                    email, webhook, teams, opened_at, resolved_at)
         select 'c' || n, 'freshness', '', '', '', 'resolved', 'warning', 'Late', 0, false, false, false, '{}', %(at)s,
                %(at)s
           from generate_series(%(first)s::int, %(last)s::int) n
         returning id)
       insert into runtime_alertentry (alert_id, at, verb, text) select id, %(at)s, 'opened', '' from made""",
)
CLASSES = ("messages", "evidence", "runs", "rejected", "comparisons", "heads", "events", "indicators")
OF_FLOWS = CLASSES[:6]


def passed(conn: Connection, flow: Flow) -> int:
    """A target that has taken everything."""
    subscription = flow.subscribe(kind="database")
    with conn.transaction():
        conn.execute("set local session_replication_role = replica")
        conn.execute("update runtime_progress set position = 1000000 where subscription_id = %s", (subscription,))
    return subscription


def fill(conn: Connection, flow: Flow, subscription: int, at: datetime, first: int, last: int) -> None:
    """So many of each kind, all of this time."""
    given = {"stream": flow.stream, "flow": flow.integration, "sub": subscription, "at": at}
    with conn.transaction():
        conn.execute("set local session_replication_role = replica")
        for statement in HISTORY:
            conn.execute(statement.encode(), given | {"first": first, "last": last})


def vacuumed(conn: Connection) -> None:
    """Else the planner looks for the ends of an index among what tests before have left dead in it, and joins by what
    there was in a small table when it was counted."""
    names = [
        name
        for (name,) in conn.execute(
            "select relname from pg_class where relname ~ %s and relkind in ('r', 'p')",
            ("^(runtime_|kernel_outboxevent|governance_(webhook|pipeline))",),
        ).fetchall()
    ]
    conn.execute(sql.SQL("vacuum analyze {}").format(sql.SQL(", ").join(map(sql.Identifier, names))))


def policies(conn: Connection) -> None:
    for what in CLASSES:
        conn.execute("insert into runtime_retention (data_class, days) values (%s, 400)", (what,))


def for_ever(conn: Connection, flow: Flow) -> None:
    for what in OF_FLOWS:
        conn.execute(
            "insert into runtime_retention (data_class, integration_id) values (%s, %s)", (what, flow.integration)
        )
    for what in set(CLASSES) - set(OF_FLOWS):
        conn.execute("insert into runtime_retention (data_class) values (%s)", (what,))


def a_turn(conn: Connection) -> None:
    retention.drop_heads(conn)
    retained_rows.drop_evidence(conn)
    retained_rows.drop_rows(conn)
    retention.due_partitions(conn)


@pytest.mark.parametrize("work", [retention_due.due, a_turn], ids=["what is due", "a turn"])
@pytest.mark.parametrize("case", ["young", "kept for ever beside young", "without a policy"])
def test_retention_does_not_read_what_it_keeps(
    log: Connection, work: Callable[[Connection], object], case: str
) -> None:
    flow, other = Flow(log, lanes=1, immutable=True), Flow(log, lanes=1, immutable=True)
    subscription = passed(log, flow)
    beside = passed(log, other)
    if case != "without a policy":
        policies(log)
    if case.startswith("kept for ever"):
        for_ever(log, flow)
    if case.endswith("beside young"):
        fill(log, other, beside, YOUNG, MANY + 1, 2 * MANY)
    at = YOUNG if case == "young" else OLD
    fill(log, flow, subscription, at, 1, FEW)
    few = pages(log, work)
    fill(log, flow, subscription, at, FEW + 1, MANY)
    many = pages(log, work, few.total() + A_LITTLE)
    assert many.total() <= few.total() + A_LITTLE, (
        f"{few.total()} pages beside {FEW:,} of each kind, {many.total()} beside {MANY:,}: "
        f"{(many - few).most_common(9)}"
    )
