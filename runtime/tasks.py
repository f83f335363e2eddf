"""Celery tasks are wake-ups: each works on a shard or stream until it is idle. The tables hold the state."""

from __future__ import annotations

from celery import shared_task

from runtime.ledger.claimed import ClaimScope
from runtime.worker.loop import WorkerLoop

SECONDS = 60.0  # then the next wake-up or the poll continues


@shared_task(name="runtime.work", ignore_result=True)
def work(tier: int, shard: int) -> int:
    """Serve one shard of one tier until it is idle."""
    return (
        WorkerLoop(scope=ClaimScope((tier,), shards=(shard,)), collect=False)
        .run(until_idle=True, seconds=SECONDS)
        .passed
    )
