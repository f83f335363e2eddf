"""Soak: a steady stream of messages with a long open transaction for a part of it; memory, claim time and table growth
over time.

    python -m bench.soak [--minutes 20] [--rate 150] [--long-transaction 5]

Prints a line every ten seconds and a verdict at the end: memory of the worker, p99 of the claim, dead rows and size of
the tables that change, everything delivered.
"""

from __future__ import annotations

import argparse
import json
import signal
import threading
import time
from statistics import quantiles
from typing import Any

from bench.installation import Installation
from bench.intake import arrivals
from bench.measure import peak_memory
from bench.order_server import order

HOT = ("runtime_progress", "runtime_lane", "runtime_head", "runtime_vendorstate", "runtime_quarantine")


def feed(stop: threading.Event, rate: float, sent: list[int]) -> None:
    from runtime.services import intake

    number, at = 0, time.perf_counter()
    while not stop.is_set():
        at += 10 / rate
        time.sleep(max(0.0, at - time.perf_counter()))
        intake.accept("order-feed", "production", [order(number + i) for i in range(10)])
        number += 10
        sent[0] = number


def hold(installed: Installation, begin: float, minutes: float) -> None:
    """A long transaction, as of a forgotten report: its snapshot keeps dead rows from being removed."""
    time.sleep(begin)
    with installed.connect() as conn, conn.transaction():
        conn.execute("set transaction isolation level repeatable read")
        conn.execute("select count(*) from runtime_message")
        time.sleep(minutes * 60)


def claim_times(conn: Any) -> list[float]:
    """How long a claim takes that finds nothing to do, in ms: the work loop's idle price, sampled."""
    from runtime.ledger.claimed import ClaimScope
    from runtime.ledger.claims import claim

    took = []
    for _ in range(20):
        began = time.perf_counter()
        claim(conn, owner="soak", scope=ClaimScope(only=()))
        took.append((time.perf_counter() - began) * 1000)
    return took


def sizes(conn: Any) -> dict[str, tuple[int, int]]:
    found = conn.execute(
        "select relname, n_dead_tup, pg_total_relation_size(relid) from pg_stat_user_tables where relname = any(%s)",
        (list(HOT),),
    ).fetchall()
    return {name.removeprefix("runtime_"): (dead, size) for name, dead, size in found}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--rate", type=float, default=150)
    parser.add_argument("--long-transaction", type=float, default=5, help="minutes")
    given = parser.parse_args()
    with Installation(source=False, lanes=8) as installed, installed.connect() as conn:
        worker = installed.worker("deliver")
        assert worker.stdout
        worker.stdout.readline()
        stop, sent = threading.Event(), [0]
        threading.Thread(target=feed, args=(stop, given.rate, sent), daemon=True).start()
        threading.Thread(target=hold, args=(installed, given.minutes * 15, given.long_transaction), daemon=True).start()
        took: list[float] = []
        memory: list[float] = []
        started = time.monotonic()
        while time.monotonic() - started < given.minutes * 60:
            time.sleep(10)
            took += claim_times(conn)
            memory.append(peak_memory(worker.pid))
            row = conn.execute(
                "select coalesce(sum(l.next - 1 - p.position), 0), max(l.next) from runtime_progress p join "
                "runtime_lane l on l.lane = p.lane"
            ).fetchone()
            hot = {name: f"{dead} dead {size // 1024} kB" for name, (dead, size) in sizes(conn).items()}
            print(
                f"{time.monotonic() - started:6.0f} s sent {sent[0]:8} waiting {row[0]:6} worker {memory[-1]:5.0f} MiB "
                f"{json.dumps(hot)}",
                flush=True,
            )
        stop.set()
        arrived = arrivals(installed, sent[0])
        worker.send_signal(signal.SIGTERM)
        worker.wait()
        half, parts = len(memory) // 2, quantiles(took, n=100)
        growth = max(memory[half:]) - max(memory[:half])
        print(
            f"sent {sent[0]}, arrived {arrived}, claim p50 {parts[49]:.2f} p99 {parts[98]:.2f} ms, "
            f"memory growth {growth:.1f} MiB"
        )
        raise SystemExit(arrived != sent[0])


if __name__ == "__main__":
    main()
