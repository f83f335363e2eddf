"""R10 and R11: what callers of a running web server see when the database is restarted, takes no writes, or when a
frozen process holds every lane.

    python -m bench.outages [--clients 16] [--away 5]

The web server is the product's own. Clients hand in sales over connections of their own without a pause and send a
sale again until it is taken. Reported for each client: calls that were not answered with 202 and began after the
database was there again, and the seconds until the first good answer.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from bench.installation import Installation, free_port
from bench.intake import ROOT, wait, web
from bench.order_server import order

FREEZE = """
import os, signal, sys
import django
django.setup()
from runtime.ledger import append, connections, streams
def stop(name):
    if name == "append.before_commit":
        os.kill(os.getpid(), signal.SIGSTOP)
append.hit = stop
with connections.connected(name="tillgate-frozen", role="intake") as conn:
    stream = streams.load_stream(conn, int(sys.argv[1]))
    items = [append.IncomingMessage(f"ORD-{n:08}", 1, b"{}") for n in range(90_000_000, 90_000_200)]
    append.append(conn, stream, items)
"""


@dataclass(slots=True)
class Client:
    """One till: each call is when it began, when it ended, and its status (0: no answer)."""

    number: int
    calls: list[tuple[float, float, int]] = field(default_factory=list)
    taken: list[str] = field(default_factory=list)  # keys of the sales that were answered 202

    def failed_after(self, moment: float) -> int:
        return sum(began >= moment and status != 202 for began, _, status in self.calls)

    def good_after(self, moment: float) -> float:
        return next((ended - moment for began, ended, status in self.calls if ended >= moment and status == 202), 99.0)

    def longest(self) -> float:
        return max(ended - began for began, ended, _ in self.calls)


class Tills:
    """Clients at work until `stop`; `probes` are the answers of readiness."""

    def __init__(self, port: int, path: str, headers: dict[str, str], count: int) -> None:
        self.port, self.path, self.headers = port, path, headers
        self.clients = [Client(number) for number in range(count)]
        self.probes: list[tuple[float, int]] = []
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._sell, args=(client,)) for client in self.clients]
        self._threads.append(threading.Thread(target=self._probe))

    def __enter__(self) -> Tills:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _sell(self, client: Client) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        base = 10_000_000 + time.monotonic_ns() // 1000 % 70_000_000 + client.number * 100_000
        sale = 0
        while not self._stop.is_set():
            one = order(base + sale)
            body, began, status = json.dumps({"items": [one]}), time.monotonic(), 0
            try:
                connection.request("POST", self.path, body, self.headers)
                answer = connection.getresponse()
                answer.read()
                status = answer.status
            except OSError:
                connection.close()
            client.calls.append((began, time.monotonic(), status))
            if status == 202:
                sale += 1
                client.taken.append(one["number"])
            self._stop.wait(0.02 if status == 202 else 0.2)

    def _probe(self) -> None:
        while not self._stop.wait(0.25):
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
            with suppress(OSError):
                connection.request("GET", "/health/ready")
                self.probes.append((time.monotonic(), connection.getresponse().status))
            connection.close()

    def report(self, what: str, away: float, back: float) -> None:
        failed = [client.failed_after(back) for client in self.clients]
        good = max(client.good_after(back) for client in self.clients)
        red = [at for at, status in self.probes if status != 200]
        green = next((at - back for at, status in self.probes if at >= back and status == 200), 99.0)
        odd = sorted({s for c in self.clients for _, _, s in c.calls} - {202, 503})
        longest = max(client.longest() for client in self.clients)
        print(
            f"{what}: away {back - away:.1f} s; calls that began afterwards and failed: worst client {max(failed)}, "
            f"all {sum(failed)}; good again for all after {good:.2f} s; longest call {longest:.1f} s; readiness red "
            f"{len(red)} of {len(self.probes)} times, green after {green:.2f} s; other answers {odd}",
            flush=True,
        )


@contextmanager
def frozen(stream: int) -> Iterator[None]:
    """A process that stands still inside an append, before its commit."""
    child = subprocess.Popen([sys.executable, "-c", FREEZE, str(stream)], cwd=ROOT, env=dict(os.environ))
    ends = time.monotonic() + 60
    while _state(child.pid) != "T" and time.monotonic() < ends:
        time.sleep(0.01)
    try:
        yield
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()


def _state(pid: int) -> str:
    with open(f"/proc/{pid}/stat") as stat:
        return stat.read().rpartition(")")[2].split()[0]


def read_only(installed: Installation, away: float) -> tuple[float, float]:
    with installed.connect() as conn:
        began = time.monotonic()
        conn.execute("alter system set default_transaction_read_only = on")
        conn.execute("select pg_reload_conf()")
        time.sleep(away)
        conn.execute("alter system reset default_transaction_read_only")
        conn.execute("select pg_reload_conf()")
        return began, time.monotonic()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--away", type=float, default=5)
    given = parser.parse_args()
    with Installation(valkey=True, source=False, lanes=8) as installed:
        from django.urls import reverse

        from kernel import tokens
        from kernel.models import User

        os.environ["LOG_LEVEL"] = "CRITICAL"
        till: Any = User.objects.create(username="till", is_superuser=True)
        _, secret = tokens.issue(actor=till, user=till, name="till", scopes=["runtime:write"])
        headers = {"Authorization": f"Bearer {secret}", "Content-Type": "application/json"}
        path = reverse("runtime-api:intake", args=["order-feed"]) + "?environment=production"
        with installed.connect() as conn:
            stream = conn.execute("select id from runtime_stream limit 1").fetchone()[0]
        port = free_port()
        server = web(port)
        try:
            wait(port, path, headers)
            for what, happens in (("R10 restart", Installation.restart_postgres), ("R10 read-only spell", read_only)):
                with Tills(port, path, headers, given.clients) as tills:
                    time.sleep(3)
                    away, back = happens(installed, given.away)
                    time.sleep(8)
                tills.report(what, away, back)
            with Tills(port, path, headers, 20) as tills:
                time.sleep(3)
                with frozen(stream):
                    at = time.monotonic()
                    time.sleep(8)
            during = [ended - began for c in tills.clients for began, ended, _ in c.calls if ended >= at - 0.5]
            bad = sum(status != 202 for c in tills.clients for began, _, status in c.calls if began >= at - 0.5)
            said = f"longest call {max(during):.2f} s, failed {bad} of {len(during)}"
            print(f"R11 frozen holder of every lane, 20 tills: {said}")
        finally:
            server.terminate()
            server.wait()


if __name__ == "__main__":
    main()
