"""P2: sales over HTTP, each answer after the commit, while a worker delivers: single sales at random moments, then a
burst of batches.

    python -m bench.intake [--rate 150] [--seconds 30] [--burst 1000] [--burst-seconds 60]

The web server is the product's own (one process, sixteen threads), the senders are sixteen threads with one connection
each, over loopback. Reports answer times from the moment a sale was due, so that waiting in line counts; refusals; and
whether every sale arrived.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from statistics import quantiles

from bench.installation import Installation, free_port
from bench.measure import cpu
from bench.order_server import order
from portal import web_server

ROOT = Path(__file__).resolve().parent.parent
SENDERS = 16


def web(port: int, arguments: list[str] | None = None) -> subprocess.Popen[bytes]:
    """The product's own web server, or another one by what follows the interpreter."""
    command = [sys.executable, *(web_server.arguments(port) if arguments is None else arguments)]
    return subprocess.Popen(command, cwd=ROOT, env=dict(os.environ))


def wait(port: int, path: str, headers: dict[str, str]) -> None:
    ends = time.monotonic() + 60
    while time.monotonic() < ends:
        try:
            if send(http.client.HTTPConnection("127.0.0.1", port, timeout=10), path, headers, [order(1)]) == 202:
                return
            break
        except OSError:
            time.sleep(0.1)
    raise SystemExit("the web server does not take messages")


def send(connection: http.client.HTTPConnection, path: str, headers: dict[str, str], items: list[object]) -> int:
    connection.request("POST", path, json.dumps({"items": items}), headers)
    answer = connection.getresponse()
    body = answer.read()
    if answer.status not in (202, 503):
        print(f"answer {answer.status}: {body[:500].decode(errors='replace')}", file=sys.stderr)
    return answer.status


def offer(
    port: int, path: str, headers: dict[str, str], *, rate: float, seconds: float, batch: int, first: int
) -> tuple[list[float], int]:
    """Answer times in ms and how many calls were not answered with 202."""
    took: list[float] = []
    refused, numbers, lock = [0], iter(range(first, first + 100_000_000, batch)), threading.Lock()
    began = time.perf_counter()

    def sender(number: int) -> None:
        chance, connection = random.Random(number), http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        due = began
        while (due := due + chance.expovariate(rate / batch / SENDERS)) < began + seconds:
            time.sleep(max(0.0, due - time.perf_counter()))
            with lock:
                start = next(numbers)
            try:
                good = send(connection, path, headers, [order(i) for i in range(start, start + batch)]) == 202
            except OSError:
                connection.close()
                good = False
            refused[0] += not good
            took.append((time.perf_counter() - due) * 1000)

    threads = [threading.Thread(target=sender, args=(number,)) for number in range(SENDERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return took, refused[0]


def cpu_of(roots: dict[str, int]) -> dict[str, float]:
    """CPU seconds so far, by process tree."""
    return {name: cpu([root]) for name, root in roots.items()}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rate", type=float, default=150)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--burst", type=float, default=1000)
    parser.add_argument("--burst-seconds", type=float, default=60)
    return parser.parse_args()


def arrivals(installed: Installation, sent: int) -> int:
    """How many of the messages sent have reached the target within a minute."""
    ends = time.monotonic() + 60
    with installed.connect() as conn:
        while True:
            arrived = int(conn.execute("select count(*) from order_target").fetchone()[0])
            if arrived >= sent or time.monotonic() >= ends:
                return arrived
            time.sleep(0.2)


def main() -> None:
    given = arguments()
    with Installation(valkey=True, source=False, lanes=8) as installed:
        from django.urls import reverse

        from kernel import tokens
        from kernel.models import User

        till = User.objects.create(username="till", is_superuser=True)
        _, secret = tokens.issue(actor=till, user=till, name="till", scopes=["runtime:write"])
        headers = {"Authorization": f"Bearer {secret}", "Content-Type": "application/json"}
        path = reverse("runtime-api:intake", args=["order-feed"]) + "?environment=production"
        port = free_port()
        server, worker = web(port), installed.worker("deliver")
        try:
            wait(port, path, headers)
            # not counted: warms up
            took, refused = offer(port, path, headers, rate=given.rate / 2, seconds=5, batch=1, first=1_000_000)
            sent = 1 + len(took) - refused
            roots = {"web": server.pid, "worker": worker.pid, "PostgreSQL": installed.postgres_pid}
            for name, rate, seconds, batch, first in (
                ("singles", given.rate, given.seconds, 1, 10_000_000),
                ("batches of 50", given.burst, given.burst_seconds, 50, 20_000_000),
            ):
                spent = cpu_of(roots)
                took, refused = offer(port, path, headers, rate=rate, seconds=seconds, batch=batch, first=first)
                parts, count = quantiles(took or [0.0, 0.0], n=100), len(took) * batch
                sent += count - refused * batch
                print(
                    f"P2 {name:14} {count / seconds:7,.0f} messages/s for {seconds:.0f} s, answer p50 {parts[49]:.1f} "
                    f"p95 {parts[94]:.1f} p99 {parts[98]:.1f} ms, "
                    f"refused {refused}, CPU ms each: "
                    + ", ".join(f"{who} {(now - spent[who]) / count * 1e3:.2f}" for who, now in cpu_of(roots).items()),
                    flush=True,
                )
            arrived = arrivals(installed, sent)
            print(f"P2 {sent:,} answered with 202, {arrived:,} arrived")
        finally:
            for process in (server, worker):
                process.send_signal(signal.SIGTERM)
                process.wait()
    raise SystemExit(arrived != sent)


if __name__ == "__main__":
    main()
