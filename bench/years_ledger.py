"""What claims, idle polls, intake and retention's question cost over three years: milliseconds, CPU of client and
PostgreSQL, and pages of the database, which a busy machine does not change. `years.py` makes the years."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from statistics import median
from typing import Any

from bench.measure import cpu

TIMES = 50
SALES = 10_000
BATCH = 50
_MESSAGES = """
select sum(reltuples)::bigint
from pg_class
where relkind = 'r' and relname ~ '^runtime_message_'"""
_PAGES = "select blks_hit + blks_read from pg_stat_database where datname = current_database()"


def measure(postgres_pid: int) -> None:
    from runtime.ledger import connections

    with connections.connected(name="tillgate-bench", role="unlimited") as conn:
        row = conn.execute(_MESSAGES).fetchone()
        print(f"beside about {row[0] if row else 0:,} messages, load {os.getloadavg()[0]:.1f}")
        claims(conn)
        polls(conn)
        intake(conn, postgres_pid, "new")
        intake(conn, postgres_pid, "duplicate")
        due(conn)
        print(f"load {os.getloadavg()[0]:.1f}")


def told(what: str, took: list[float], pages: int) -> None:
    print(f"{what:<34} median {median(took):7.2f} ms, least {min(took):7.2f} ms, {pages:,} pages", flush=True)


def timed(work: Callable[[], object], times: int = TIMES) -> list[float]:
    took = []
    for _ in range(times):
        began = time.perf_counter()
        work()
        took.append((time.perf_counter() - began) * 1000)
    return took


def pages_of(conn: Any, statement: str, arguments: dict[str, Any]) -> int:
    for _ in range(2):  # a first time, for the plans of the functions
        with conn.transaction(force_rollback=True):
            row = conn.execute("explain (analyze, buffers, format json) " + statement, arguments).fetchone()
    plan = json.loads(row[0])[0]["Plan"]
    return int(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])


def claims(conn: Any) -> None:
    """Five stores and a target of the sales are behind: there is something to claim. All other lanes sleep, as workers
    let them."""
    from runtime.ledger.claimed import EVERYTHING
    from runtime.ledger.claims import _CLAIM, claim, release
    from runtime.ledger.lane_sleep import let_lanes_sleep

    while let_lanes_sleep(conn, after=0.0):
        pass
    conn.execute("vacuum analyze runtime_progress, runtime_subscription")

    def one() -> None:
        taken = claim(conn, owner="bench")
        if taken is None:
            raise SystemExit("nothing to claim")
        release(conn, taken)

    took = timed(one)
    told("claim and release", took, pages_of(conn, _CLAIM, {"me": "w", "lease": 15.0} | EVERYTHING.arguments()))


def polls(conn: Any) -> None:
    from runtime.ledger import quarantine_claims
    from runtime.ledger.claimed import EVERYTHING
    from runtime.ledger.quarantine_claims import claim_quarantined, let_sleep

    def one() -> None:
        let_sleep(conn)
        if any([claim_quarantined(conn), claim_quarantined(conn, to_ask=True)]):
            raise SystemExit("an idle poll found work")

    while let_sleep(conn):
        pass
    given = {"lease": 15.0} | EVERYTHING.arguments()
    asked = (quarantine_claims._CLAIM, quarantine_claims._CLAIM_TO_ASK, quarantine_claims._SLEEP % 10)
    told("idle poll", timed(one), sum(pages_of(conn, statement, given) for statement in asked))


def sale(number: int) -> dict[str, Any]:
    day = f"{datetime.now(UTC):%Y-%m-%d}"
    return {
        "transaction": f"{number % 600 + 101:04d}-9-{day}-{number}",
        "business_date": day,
        "store": f"{number % 600 + 101:04d}",
        "total": number % 20_000 / 100,
        "currency": "EUR",
        "tax_class": "R1",
        "lines": [{"article": "4004300001235", "text": "An article", "quantity": 1, "price": 4.29}],
    }


_first = 0


def intake(conn: Any, postgres_pid: int, what: str) -> None:
    """Through the service behind the API, without HTTP; `duplicate` sends again what `new` has sent."""
    from runtime.services.intake import accept

    global _first
    if what == "new":
        _first = int(time.time()) * 100_000
    wanted = {"new": "accepted", "duplicate": "duplicate"}[what]
    roots, took, wrong = [os.getpid(), postgres_pid], [], 0
    accept("sales", "production", [sale(_first - 1)])
    pages, used = stat(conn), cpu(roots)
    for start in range(0, SALES, BATCH):
        items = [sale(_first + number) for number in range(start, start + BATCH)]
        began = time.perf_counter()
        wrong += sum(one.status != wanted for one in accept("sales", "production", items))
        took.append((time.perf_counter() - began) * 1000)
    used, pages = (cpu(roots) - used) / SALES * 1e6, (stat(conn) - pages) // (SALES // BATCH)
    if wrong:
        raise SystemExit(f"{wrong} of {SALES} sales are not {wanted}")
    told(f"intake of {BATCH}, {what}, {used:.0f} µs of CPU a sale", took, pages)


def stat(conn: Any) -> int:
    time.sleep(1.2)  # other sessions report once a second
    conn.execute("select pg_stat_force_next_flush()")
    return int(conn.execute(_PAGES).fetchone()[0])


def due(conn: Any) -> None:
    from runtime.ledger import retention_due

    conn.execute(_POLICIES)
    before = stat(conn)
    found = retention_due.due(conn)
    pages = stat(conn) - before
    told(f"retention: {len(found)} parts are due", timed(lambda: retention_due.due(conn), 5), pages)


_POLICIES = """
insert into runtime_retention (data_class, days)
select c, 400 from unnest(array['messages', 'evidence', 'runs', 'rejected', 'comparisons', 'heads']) c
where not exists (select from runtime_retention r where r.data_class = c and r.since <= now())"""
