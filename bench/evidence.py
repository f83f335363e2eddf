"""P10: what tracing, metrics, evidence and audit cost: the same work with them and without, in alternating rounds.

    python -m bench.evidence [--orders 40000] [--jobs 10000] [--rounds 5]

On is the product as it is, with spans of everything exported to a receiver of another process. Off leaves out what
only serves the proof and those who watch: the evidence row of every batch, the counts and spans of a run, the audit
entry of its start, metrics, spans, and (for pushed messages) correlation ids and trace contexts of the sender. CPU is
client, with the thread that exports, and PostgreSQL.
"""

from __future__ import annotations

import argparse
import contextlib
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from statistics import median
from typing import Any
from unittest.mock import patch

from bench.installation import Installation, free_port
from bench.measure import cpu
from bench.order_server import order
from bench.rows import met, row
from bench.sync import source

WORK = {"feed": "a feed of {:,} changed orders", "push": "{:,} pushed jobs in batches of 20, each batch traced,"}


@contextlib.contextmanager
def switched(on: bool) -> Iterator[None]:
    from kernel import audit, tracing
    from runtime.ledger import append, claims, measures
    from runtime.services import intake

    without = re.sub(
        r",\s+d as \(\s+insert into runtime_delivery.*\)\nselect open from m",
        "\nselect open from m",
        claims._STEP,
        flags=re.DOTALL,
    )
    if without == claims._STEP or "runtime_delivery" in without:
        raise SystemExit("the statement of a step has changed: this benchmark no longer switches its evidence off")
    if on:
        yield
        return
    with (
        patch.object(claims, "_STEP", without),
        patch.object(append, "_count", lambda *_: None),
        patch.object(audit, "record", lambda *_, **__: None),
        patch.object(measures, "count_batch", lambda *_: None),
        patch.object(measures, "count_received", lambda *_: None),
        patch.object(measures, "count_claim", lambda *_: None),
        patch.object(intake, "_count", lambda *_: None),
        tracing.used(None),
    ):
        yield


RECEIVER = """
import http.server
class Taken(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()
    def log_message(self, *_):
        pass
http.server.ThreadingHTTPServer(("127.0.0.1", {port}), Taken).serve_forever()
"""


@contextlib.contextmanager
def exported() -> Iterator[None]:
    """Spans go to a receiver that takes everything, in a process of its own."""
    from portal import trace_batches

    port = free_port()
    receiver = subprocess.Popen([sys.executable, "-c", RECEIVER.format(port=port)])
    try:
        trace_batches.start("bench", trace_batches.SpansOnTheWire(endpoint=f"http://127.0.0.1:{port}/v1/traces"))
        yield
        trace_batches.stop()
    finally:
        receiver.kill()
        receiver.wait()


class Work:
    def __init__(self, installed: Installation, conn: Any, port: int) -> None:
        from runtime.worker.target_clients import TargetClients

        self.installed, self.conn, self.port, self.clients = installed, conn, port, TargetClients(conn)
        self.number, self.generation = 10_000_000, 0

    def deliver(self) -> None:
        from runtime.worker.delivery import serve_one

        while serve_one(self.conn, self.clients, owner="bench") is not None:
            pass

    def feed(self, count: int) -> None:
        """A run of the feed from the source to the last row."""
        from runtime.services import runs
        from runtime.worker import source_polling

        made = runs.start("order-feed", "production", trigger="manual")
        taken = source_polling.claim(self.conn, owner="bench")
        if taken is None or taken.run != made.pk:
            raise SystemExit("the run cannot be taken")
        source_polling.collect(self.conn, taken)
        self.deliver()

    def push(self, count: int, *, traced: bool) -> None:
        """Small jobs in batches of 20, each with the sender's ids."""
        from runtime.services import intake

        for start in range(0, count, 20):
            numbers = range(self.number + start, self.number + start + 20)
            ids = [f"{n:032x}" for n in numbers] if traced else None
            context = f"00-{numbers[0]:032x}-{numbers[0]:016x}-01" if traced else None
            intake.accept(
                "order-feed", "production", [order(n) for n in numbers], correlations=ids, traceparent=context
            )
        self.deliver()
        self.number += count

    def measure(self, kind: str, count: int, *, on: bool) -> tuple[float, float]:
        """(seconds, CPU seconds)."""
        with contextlib.ExitStack() as stack:
            if kind == "feed":
                self.generation += 1
                stack.enter_context(source(self.port, count, self.generation))
            stack.enter_context(switched(on))
            roots = [self.installed.postgres_pid]
            self.conn.execute("checkpoint")
            began, mine, spent = time.perf_counter(), time.process_time(), cpu(roots)
            if kind == "feed":
                self.feed(count)
            else:
                self.push(count, traced=on)
            return time.perf_counter() - began, time.process_time() - mine + cpu(roots) - spent


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--orders", type=int, default=40_000)
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    port = free_port()
    with Installation(f"http://127.0.0.1:{port}/") as installed, installed.connect() as conn, exported():
        work = Work(installed, conn, port)
        for kind, count in (("feed", given.orders), ("push", given.jobs)):
            work.measure(kind, count, on=True)  # warms up; with the feed it is also the first load
            found: dict[bool, list[tuple[float, float]]] = {True: [], False: []}
            for number in range(given.rounds):
                for on in (True, False) if number % 2 else (False, True):
                    found[on].append(work.measure(kind, count, on=on))
            figures = {}
            for on in (True, False):
                wall, used = (median(part) for part in zip(*found[on], strict=True))
                figures[on] = f"{count / wall:,.0f}/s, {used / count * 1e6:.1f} us of CPU each"
                print(f"P10 {kind} {'on ' if on else 'off'} {figures[on]}", flush=True)
            costs = [[a[part] / b[part] - 1 for a, b in zip(found[True], found[False], strict=True)] for part in (0, 1)]
            print(
                f"P10 {kind}: {median(costs[1]) * 100:+.1f} % CPU ({min(costs[1]) * 100:+.0f} to "
                f"{max(costs[1]) * 100:+.0f}), {median(costs[0]) * 100:+.1f} % by the clock"
            )
            row(
                "P10",
                f"{WORK[kind].format(count)} with evidence, audit, metrics and spans of everything exported",
                peer=f"the same without: {figures[False]}",
                measured=f"{figures[True]}: **{median(costs[1]) * 100:+.1f} % CPU** ({min(costs[1]) * 100:+.0f} to "
                f"{max(costs[1]) * 100:+.0f}), {median(costs[0]) * 100:+.1f} % by the clock; {given.rounds} rounds",
                met=met(median(costs[1]) <= 0.08, "8 % by CPU"),
            )


if __name__ == "__main__":
    main()
