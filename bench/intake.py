"""P2: sales over HTTP, each answer after the commit, while a worker delivers: single sales at random moments, a burst
of batches, and single sales again while PostgreSQL is ended at once and is away for a while.

    python -m bench.intake [--rate 150] [--seconds 30] [--burst 1000] [--burst-seconds 60] [--restart-seconds 20]
                           [--away 5] [--stages]

The web server is the product's own (one process, the ASGI front with its deadlines) with the time limits that the
product sets on its sessions; the senders are sixteen tills with one connection each, over loopback (`bench.tills`).
Answer times count from the moment a sale was due. Afterwards the tills' journal is compared with the target and the
log: every sale that was taken is there, none twice.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from statistics import quantiles
from typing import Any

from bench import stages
from bench.installation import Installation, free_port
from bench.measure import cpu
from bench.order_server import order
from bench.rows import met, row
from bench.tills import Offer
from kernel.postgresql import sessions
from portal import web_server

ROOT = Path(__file__).resolve().parent.parent
WARM_UP = 5.0


def web(port: int, arguments: list[str] | None = None) -> subprocess.Popen[bytes]:
    """The product's own web server, or another one by what follows the interpreter."""
    command = [sys.executable, *(web_server.arguments(port) if arguments is None else arguments)]
    return subprocess.Popen(command, cwd=ROOT, env=dict(os.environ))


def wait(port: int, path: str, headers: dict[str, str]) -> None:
    ends = time.monotonic() + 60
    while time.monotonic() < ends:
        try:
            status = send(http.client.HTTPConnection("127.0.0.1", port, timeout=10), path, headers, [order(1)])
            if status == 202:
                return
            if status != 503:
                break
        except OSError:
            pass
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
    done = Offer(port, path, headers, rate=rate, batch=batch, first=first).start(seconds).wait()
    return done.took, done.failed


def cpu_of(roots: dict[str, int]) -> dict[str, float]:
    """CPU seconds so far, by process tree."""
    return {name: cpu([root]) for name, root in roots.items()}


def arrivals(installed: Installation, sent: int) -> int:
    """How many of the messages sent have reached the target within a minute."""
    ends = time.monotonic() + 60
    with installed.connect() as conn:
        while True:
            arrived = int(conn.execute("select count(*) from order_target").fetchone()[0])
            if arrived >= sent or time.monotonic() >= ends:
                return arrived
            time.sleep(0.2)


class Intake:
    """The three stretches against one running server; `offers` is what all tills did."""

    def __init__(self, installed: Installation, port: int, path: str, headers: dict[str, str]) -> None:
        self.installed, self.to = installed, (port, path, headers)
        self.offers: list[Offer] = []
        self.roots: dict[str, int] = {}
        self.asked: dict[str, tuple[float, float, float]] = {}

    def offer(self, rate: float, batch: int) -> Offer:
        self.offers.append(Offer(*self.to, rate=rate, batch=batch, first=10_000_000 * (len(self.offers) + 1)))
        for till in self.offers[-1].tills:
            till.named = bool(os.environ.get("BENCH_STAGES"))
        return self.offers[-1]

    def stretch(self, name: str, rate: float, seconds: float, batch: int, limit: str) -> None:
        spent = cpu_of(self.roots)
        done = self.offer(rate, batch).start(seconds).wait()
        parts, count = quantiles(done.took or [0.0, 0.0], n=100), len(done.sold)
        each = ", ".join(f"{who} {(now - spent[who]) / count * 1e3:.2f}" for who, now in cpu_of(self.roots).items())
        said = (
            f"{count / seconds:,.0f} messages/s for {seconds:.0f} s, answer p50 {parts[49]:.1f}, p95 {parts[94]:.1f}, "
            f"p99 {parts[98]:.1f} ms; calls refused: {done.failed}; CPU ms each: {each}"
        )
        good = not done.failed and done.taken == done.sold and (batch > 1 or parts[98] <= 20)
        row("P2", f"{name} over HTTP, {limits()}", measured=said, met=met(good, limit))
        if batch == 1:
            self.asked |= done.asked

    def restart(self, rate: float, seconds: float, away: float) -> None:
        """PostgreSQL is ended at once after a quarter of the time."""
        selling = self.offer(rate, 1).start(seconds + away)
        time.sleep(seconds / 4)
        went, back = self.installed.restart_postgres(away)
        selling.wait()
        during = [till.failed(went, back) for till in selling.tills]
        after = [till.failed(back) for till in selling.tills]
        good = max(next((end - back for _, end, s in t.calls if end > back and s == 202), 99.0) for t in selling.tills)
        others = sorted({status for t in selling.tills for _, _, status in t.calls} - {202, 503, 0})
        cut = sum(status == 0 for till in selling.tills for _, _, status in till.calls)
        said = (
            f"away {back - went:.1f} s; calls that failed, worst connection: {max(during)} that began while it was "
            f"away, {max(after)} afterwards (all: {sum(during)} and {sum(after)}, {cut} without an answer, other "
            f"answers {others}); all sold again after {good:.2f} s; {len(selling.sold - selling.taken)} of "
            f"{len(selling.sold):,} sales never taken"
        )
        fine = max(after) <= 1 and selling.sold == selling.taken
        work = f"singles at {rate:.0f}/s while PostgreSQL is ended at once and started again, {limits()}"
        row(
            "P2",
            work,
            measured=said,
            met=met(fine, "nothing lost; once it is there again, one failed call a connection"),
        )

    def journal(self) -> bool:
        """Whether what the tills were told is what is there."""
        sold = {number for one in self.offers for number in one.sold}
        taken = {number for one in self.offers for number in one.taken}
        arrivals(self.installed, len(taken) + 1)
        with self.installed.connect() as conn:
            there = {n for (n,) in conn.execute("select id from order_target where id > 1").fetchall()}
            twice = conn.execute(
                "select count(*) from (select 1 from runtime_message group by key having count(*) > 1) t"
            ).fetchone()[0]
        said = (
            f"{len(taken):,} sales answered with 202, {len(taken & there):,} of them arrived, {len(taken - there)} "
            f"lost; {len(there - taken)} arrived without a 202, {len(there - sold)} that nobody sold; {twice} twice "
            "in the log"
        )
        good = taken <= there <= sold and not twice
        row("P2", "the tills' journal against target and log", measured=said, met=met(good, "nothing lost or doubled"))
        return good


def limits() -> str:
    """The time limits of the sessions that take sales in and serve the web."""
    stated = []
    for role in ("intake", "web"):
        found = sessions.limits_of(role)
        if not (found.statement and found.lock and found.idle):
            raise SystemExit(f"DATABASE_LIMITS takes a limit of {role} away")
        stated.append(f"{role} {found.statement:.0f}/{found.lock:.0f}/{found.idle:.0f} s")
    return f"ASGI front, limits of statement/lock/idle {', '.join(stated)}"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rate", type=float, default=150)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--burst", type=float, default=1000)
    parser.add_argument("--burst-seconds", type=float, default=60)
    parser.add_argument("--restart-seconds", type=float, default=20)
    parser.add_argument("--away", type=float, default=5)
    parser.add_argument("--stages", action="store_true", help="where the time of a call goes; costs some of it")
    return parser.parse_args()


def main() -> None:
    given = arguments()
    with Installation(valkey=True, source=False, lanes=8) as installed:
        from django.urls import reverse

        from kernel import tokens
        from kernel.models import User

        till: Any = User.objects.create(username="till", is_superuser=True)
        _, secret = tokens.issue(actor=till, user=till, name="till", scopes=["runtime:write"])
        headers = {"Authorization": f"Bearer {secret}", "Content-Type": "application/json"}
        path = reverse("runtime-api:intake", args=["order-feed"]) + "?environment=production"
        port = free_port()
        os.environ["LOG_LEVEL"] = "CRITICAL"  # the outage would be told many times
        marks = installed.folder / "stages.txt"
        if given.stages:
            os.environ["BENCH_STAGES"] = str(marks)
        server, worker = web(port, stages.server(port) if given.stages else None), installed.worker("deliver")
        try:
            wait(port, path, headers)
            intake = Intake(installed, port, path, headers)
            intake.offer(given.rate / 2, 1).start(min(WARM_UP, given.seconds)).wait()  # not counted: warms up
            intake.roots = {"web": server.pid, "worker": worker.pid, "PostgreSQL": installed.postgres_pid}
            intake.stretch("singles", given.rate, given.seconds, 1, f"p99 20 ms at {given.rate:.0f}/s, none refused")
            intake.stretch("batches of 50", given.burst, given.burst_seconds, 50, f"{given.burst:,.0f}/s, none refused")
            if given.restart_seconds:
                intake.restart(given.rate, given.restart_seconds, given.away)
            good = intake.journal()
        finally:
            for process in (server, worker):
                process.send_signal(signal.SIGTERM)
                process.wait()
            if given.stages:
                print(stages.table(marks, intake.asked))
    raise SystemExit(not good)


if __name__ == "__main__":
    main()
