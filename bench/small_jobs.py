"""P2 and P3: small jobs, one message each, through the product and through Celery in the same run.

    python -m bench.small_jobs [--jobs 20000] [--rounds 1] [--seconds 15]

P3 counts messages from accepted to effect committed, handed in by batches of 100 as store servers do, against Celery
no-op tasks with late acknowledgement (nothing durable, no effect), both with one worker process; rounds change who
begins. P2 offers 150 single messages a second at random moments from eight threads and reports how long the answer
took, each answer being durable; then bursts of 1,000 a second in batches of 50. `--seconds 0` leaves P2 out.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from statistics import median, quantiles

import celery

from bench.installation import Installation
from bench.measure import cpu, peak_memory
from bench.order_server import order
from bench.rows import met, row


@dataclass(frozen=True, slots=True)
class Rate:
    """Jobs a second and a CPU second of everybody who takes part; MiB at most of the worker's processes together."""

    clock: float
    cpu: float
    memory: float


def celery_rate(installed: Installation, jobs: int) -> Rate:
    """Tasks of worker, publisher and broker."""
    import redis

    broker = redis.Redis.from_url(installed.redis)
    environment = dict(os.environ, BENCH_BROKER=installed.redis)
    command = [
        sys.executable,
        "-m",
        "celery",
        "-A",
        "bench.peer_celery",
        "worker",
        "-P",
        "prefork",
        "-c",
        "1",
        "--without-gossip",
        "--without-mingle",
        "-l",
        "error",
    ]
    worker = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    os.environ["BENCH_BROKER"] = installed.redis
    from bench.peer_celery import app, nothing

    app.conf.broker_url = installed.redis
    broker.delete("bench:done")
    nothing.delay(0)
    while int(broker.get("bench:done") or 0) < 1:
        time.sleep(0.05)
    roots = [worker.pid, os.getpid(), _pid_of_valkey(installed)]
    started, spent = time.perf_counter(), cpu(roots)
    for number in range(jobs):
        nothing.delay(number)
    while int(broker.get("bench:done") or 0) < jobs + 1:
        time.sleep(0.05)
    wall, used, memory = time.perf_counter() - started, cpu(roots) - spent, peak_memory(worker.pid)
    worker.send_signal(signal.SIGTERM)
    worker.wait()
    return Rate(jobs / wall, jobs / used, memory)


def _pid_of_valkey(installed: Installation) -> int:
    return next(process.pid for process, _, name in installed.servers._running if name == "valkey")


def product_rate(installed: Installation, jobs: int, first: int) -> Rate:
    """Messages of worker, sender and PostgreSQL."""
    from runtime.services import intake

    worker = installed.worker("deliver")
    assert worker.stdout
    worker.stdout.readline()
    with installed.connect() as conn:
        roots = [worker.pid, os.getpid(), installed.postgres_pid]
        before = conn.execute("select count(*) from order_target").fetchone()[0]
        started, spent = time.perf_counter(), cpu(roots)
        for start in range(0, jobs, 100):
            intake.accept("order-feed", "production", [order(first + i) for i in range(start, min(start + 100, jobs))])
        while conn.execute("select count(*) from order_target").fetchone()[0] < before + jobs:
            time.sleep(0.05)
        wall, used, memory = time.perf_counter() - started, cpu(roots) - spent, peak_memory(worker.pid)
    worker.send_signal(signal.SIGTERM)
    worker.wait()
    return Rate(jobs / wall, jobs / used, memory)


def offer(rate: float, seconds: float, batch: int, first: int) -> tuple[list[float], int]:
    """Answer times in ms under random arrivals of `rate` messages a second, and how many were refused."""
    from runtime.services import intake

    took: list[float] = []
    refused, numbers, lock = [0], iter(range(first, 10**9)), threading.Lock()
    ends = time.perf_counter() + seconds

    def send() -> None:
        mine = random.Random(threading.get_ident())
        at = time.perf_counter()
        while at < ends:
            at += mine.expovariate(rate / batch / 8)
            time.sleep(max(0.0, at - time.perf_counter()))
            with lock:
                chosen = [next(numbers) for _ in range(batch)]
            began = time.perf_counter()
            try:
                intake.accept("order-feed", "production", [order(i) for i in chosen])
            except Exception:
                refused[0] += 1
            took.append((time.perf_counter() - began) * 1000)

    threads = [threading.Thread(target=send) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return took, refused[0]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--jobs", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=15)
    given = parser.parse_args()
    with Installation(valkey=True, source=False, lanes=8) as installed:
        report(given.jobs, [one_round(installed, given.jobs, number) for number in range(given.rounds)])
        if given.seconds:
            answers(given.seconds)


def one_round(installed: Installation, jobs: int, number: int) -> tuple[Rate, Rate]:
    """Celery's and the product's."""
    found = {}
    for who in ("celery", "product") if number % 2 == 0 else ("product", "celery"):
        first = 1_000_000 * (number + 1)  # orders that the log does not know yet
        found[who] = celery_rate(installed, jobs) if who == "celery" else product_rate(installed, jobs, first)
        one = found[who]
        print(f"P3 {who:8} {one.clock:8,.0f}/s {one.cpu:8,.0f} per CPU s {one.memory:5.0f} MiB", flush=True)
    return found["celery"], found["product"]


def report(jobs: int, rounds: list[tuple[Rate, Rate]]) -> None:
    parts = ("clock", "cpu", "memory")
    peer, ours = (Rate(*(median(getattr(r[side], part) for r in rounds) for part in parts)) for side in (0, 1))
    by_clock, by_cpu = (median(getattr(o, k) / getattr(c, k) for c, o in rounds) for k in ("clock", "cpu"))
    row(
        "P3",
        f"{jobs:,} small jobs, accepted to effect committed, one worker",
        peer=f"Celery {celery.__version__} no-op, late ack: {_said(peer)}",
        measured=f"{_said(ours)}: **{by_clock:.1f} times by the clock, {by_cpu:.1f} by CPU**; {len(rounds)} rounds",
        met=met(min(by_clock, by_cpu) >= 20, "20 × both"),
    )


def _said(rate: Rate) -> str:
    return f"{rate.clock:,.0f}/s, {rate.cpu:,.0f} per CPU s, {rate.memory:.0f} MiB"


def answers(seconds: float) -> None:
    """P2 without HTTP."""
    for name, rate, batch, first in (("singles", 150.0, 1, 10_000_000), ("batches of 50", 1000.0, 50, 20_000_000)):
        took, refused = offer(rate, seconds, batch, first)
        parts = quantiles(took, n=100)
        done = len(took) * batch / seconds
        print(
            f"P2 {name:14} {done:7,.0f} messages/s, answer p50 {parts[49]:.1f} p95 {parts[94]:.1f} p99 "
            f"{parts[98]:.1f} ms, refused {refused}",
            flush=True,
        )


if __name__ == "__main__":
    main()
