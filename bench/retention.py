"""P12: what a message costs on disk over all tables with their indexes, and a year of growth with retention on.

    python -m bench.retention [--messages 20000] [--months 26] [--days 400]

A till's sales, month after month: message, known key, evidence of batches of 200 and the positions of runs of 100.
Messages are written by SQL with the times of their month; each month ends with what retention then lets go, and with a
vacuum, as autovacuum would do. The payload is that of a sale with three lines.
"""

from __future__ import annotations

import argparse
import json
from datetime import UTC, datetime, timedelta
from typing import Any

from bench.installation import Installation

SALE = {
    "store": "0187",
    "till": "4",
    "total": "42.87",
    "currency": "EUR",
    "tenders": [{"kind": "card", "amount": "42.87"}],
    "lines": [
        {"article": f"40043{n:08d}", "text": "An article of a shop", "quantity": n, "price": "4.29", "tax": "A"}
        for n in range(1, 4)
    ],
}
_MESSAGES = """
insert into runtime_message (stream_id, lane, position, received_at, key, version, previous, payload)
select %(stream)s, 0, %(first)s + n, %(since)s + n * %(step)s, '0187-4-' || (%(first)s + n), 0, 0,
       jsonb_set(%(sale)s, '{businessDate}',
                 to_jsonb(to_char((%(since)s + n * %(step)s) at time zone 'utc', 'YYYY-MM-DD')))
from generate_series(0, %(count)s - 1) n"""
_HEADS = """
insert into runtime_head (stream_id, key, hash, version, position)
select %(stream)s, '0187-4-' || (%(first)s + n), hashint8extended(%(first)s + n, 1), 0, %(first)s + n
from generate_series(0, %(count)s - 1) n"""
_EVIDENCE = """
insert into runtime_delivery
    (subscription_id, lane, first, last, token, at, outcome, confirmed, superseded, skipped, refused, waiting)
select %(subscription)s, 0, %(first)s + n, %(first)s + n + 199, n, %(since)s + n * %(step)s, 'confirmed', 200, 0, 0, 0,
       0
from generate_series(0, %(count)s - 200, 200) n"""
_RUN = """
insert into runtime_run (integration_id, stream_id, kind, trigger, state, started_at, ended_at, read, accepted)
select %(flow)s, %(stream)s, 'collect', 'schedule', 'succeeded', %(since)s + n * %(step)s, %(since)s + n * %(step)s,
       100, 100
from generate_series(0, %(count)s - 100, 100) n"""
_SPANS = """
insert into runtime_runspan (run_id, lane, first, last)
select id, 0, %(first)s, %(first)s + 99
from runtime_run
where stream_id = %(stream)s and started_at >= %(since)s"""
_SIZE = """
select sum(pg_total_relation_size(c.oid))::bigint
from pg_class c
where c.relkind = 'r' and (c.relname = any(%s) or c.relname like 'runtime_message_%%')"""
_TABLES = ("runtime_head", "runtime_delivery", "runtime_run", "runtime_runspan", "runtime_dropped")


def month(index: int) -> datetime:
    now = datetime.now(UTC)
    number = now.year * 12 + now.month - 1 + index
    return datetime(number // 12, number % 12 + 1, 1, tzinfo=UTC)


def size(conn: Any, names: tuple[str, ...] = _TABLES) -> int:
    row = conn.execute(_SIZE, (list(names),)).fetchone()
    return int(row[0] or 0)


def fill(conn: Any, flow: Any, subscription: int, since: datetime, until: datetime, first: int, count: int) -> None:
    chosen = {"stream": flow.stream, "flow": flow.integration, "subscription": subscription, "first": first}
    chosen |= {"since": since, "step": (until - since) / count, "count": count, "sale": json.dumps(SALE)}
    for statement in (_MESSAGES, _HEADS, _EVIDENCE, _RUN, _SPANS):
        conn.execute(statement.replace("%(sale)s", "%(sale)s::jsonb"), chosen)
    with conn.transaction():
        conn.execute("set local session_replication_role = replica")
        conn.execute("update runtime_lane set next = %s where stream_id = %s", (first + count, flow.stream))
        conn.execute("update runtime_progress set position = %s", (first + count - 1,))


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--messages", type=int, default=20_000, help="a month")
    options.add_argument("--months", type=int, default=26)
    options.add_argument("--days", type=int, default=400)
    given = options.parse_args()
    with Installation() as installed, installed.connect() as conn:
        from runtime.ledger import partitions
        from runtime.services import retention
        from tests.runtime.make import Flow

        flow = Flow(conn, lanes=1, immutable=True)
        subscription = flow.subscribe(kind="database")
        empty, first = size(conn), 1
        for index in range(-given.months, 0):
            since, until = month(index), month(index + 1)
            partitions.ensure(conn, at=since)
            fill(conn, flow, subscription, since, until, first, given.messages)
            first += given.messages
            if index == -given.months:
                report(conn, given.messages, empty)
            days = given.days + (datetime.now(UTC) - until) // timedelta(days=1)
            for name in ("messages", "evidence", "runs", "heads"):
                conn.execute("insert into runtime_retention (data_class, days) values (%s, %s)", (name, days))
            gone = retention.run_all()
            for name in _TABLES:
                conn.execute(f"vacuum {name}".encode())
            print(
                f"{since:%Y-%m}  {size(conn) / 1e6:8.1f} MB  dropped {len(gone.partitions)} months, {gone.rows:,} rows"
            )


def report(conn: Any, messages: int, empty: int) -> None:
    print(f"payload {len(json.dumps(SALE)) + 30} bytes; per message, with indexes:")
    for name in _TABLES[:-1]:
        row = conn.execute("select pg_total_relation_size(%s::regclass)", (name,)).fetchone()
        print(f"  {name:<20} {row[0] / messages:8.1f}")
    print(f"  {'runtime_message':<20} {size(conn, ()) / messages:8.1f}")
    print(f"  {'together':<20} {(size(conn) - empty) / messages:8.1f}")


if __name__ == "__main__":
    main()
