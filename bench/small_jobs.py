"""P2 and P3: small jobs, one message each, through the product and through Celery in the same run.

    python -m bench.small_jobs [--jobs 20000] [--seconds 15]

P3 counts messages from accepted to effect committed, handed in by batches of 100 as store servers do, against Celery
no-op tasks with late acknowledgement (nothing durable, no effect), both with one worker process. P2 offers 150 single
messages a second at random moments from eight threads and reports how long the answer took, each answer being durable;
then bursts of 1,000 a second in batches of 50.
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
from statistics import quantiles

from bench.installation import Installation
from bench.measure import cpu
from bench.order_server import order


def celery_rate(installed: Installation, jobs: int) -> tuple[float, float]:
    """(tasks per second, tasks per CPU second of worker, publisher and broker)."""
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
    wall, used = time.perf_counter() - started, cpu(roots) - spent
    worker.send_signal(signal.SIGTERM)
    worker.wait()
    return jobs / wall, jobs / used


def _pid_of_valkey(installed: Installation) -> int:
    return next(process.pid for process, _, name in installed.servers._running if name == "valkey")


def product_rate(installed: Installation, jobs: int) -> tuple[float, float]:
    from runtime.services import intake

    worker = installed.worker("deliver")
    assert worker.stdout
    worker.stdout.readline()
    with installed.connect() as conn:
        roots = [worker.pid, os.getpid(), installed.postgres_pid]
        before = conn.execute("select count(*) from order_target").fetchone()[0]
        started, spent = time.perf_counter(), cpu(roots)
        for start in range(0, jobs, 100):
            intake.accept("order-feed", "production", [order(1_000_000 + i) for i in range(start, start + 100)])
        while conn.execute("select count(*) from order_target").fetchone()[0] < before + jobs:
            time.sleep(0.05)
        wall, used = time.perf_counter() - started, cpu(roots) - spent
    worker.send_signal(signal.SIGTERM)
    worker.wait()
    return jobs / wall, jobs / used


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
    parser.add_argument("--seconds", type=float, default=15)
    given = parser.parse_args()
    with Installation(valkey=True, source=False, lanes=8) as installed:
        celery = celery_rate(installed, given.jobs)
        ours = product_rate(installed, given.jobs)
        print(f"P3 celery no-op, late ack     {celery[0]:8,.0f}/s {celery[1]:8,.0f} per CPU s")
        print(
            f"P3 product, effect committed  {ours[0]:8,.0f}/s {ours[1]:8,.0f} per CPU s  ({ours[0] / celery[0]:.1f} "
            f"and {ours[1] / celery[1]:.1f} times)",
            flush=True,
        )
        for name, rate, batch, first in (("singles", 150.0, 1, 10_000_000), ("batches of 50", 1000.0, 50, 20_000_000)):
            took, refused = offer(rate, given.seconds, batch, first)
            parts = quantiles(took, n=100)
            done = len(took) * batch / given.seconds
            print(
                f"P2 {name:14} {done:7,.0f} messages/s, answer p50 {parts[49]:.1f} p95 {parts[94]:.1f} p99 "
                f"{parts[98]:.1f} ms, refused {refused}",
                flush=True,
            )


if __name__ == "__main__":
    main()
