"""The Celery application that `bench.small_jobs` compares with: a task that only counts itself in the broker."""

from __future__ import annotations

import os

import redis
from celery import Celery

app = Celery("peer", broker=os.environ.get("BENCH_BROKER", "redis://127.0.0.1:9/0"))
app.conf.update(
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    task_ignore_result=True,
    worker_prefetch_multiplier=1,
    broker_connection_retry_on_startup=True,
)
_counter: redis.Redis | None = None


@app.task
def nothing(number: int) -> None:
    global _counter
    if _counter is None:
        _counter = redis.Redis.from_url(os.environ["BENCH_BROKER"])
    _counter.incr("bench:done")
