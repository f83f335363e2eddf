"""Wake-ups through Celery. They carry a shard number and nothing else; losing or doubling one costs at most a poll interval."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from celery import current_app

from runtime.ledger.claims import SHARDS

log = logging.getLogger(__name__)


def queue_of(tier: int) -> str:
    """One queue per SLA tier, so that checkout-critical work is never behind back-office work."""
    return f"tier{tier}"


def wake(tier: int, shards: Iterable[int]) -> None:
    """Ask workers to look at some shards now. Never raises: the poll finds the work anyway."""
    try:
        for shard in set(shards):
            current_app.send_task(
                "runtime.work", args=[tier, shard % SHARDS], queue=queue_of(tier), ignore_result=True, retry=False, expires=30
            )
    except Exception as error:  # a broker that is gone must not fail what was stored
        log.info("no wake-up sent: %r", error)


def wake_collectors(tier: int, stream_id: int) -> None:
    try:
        current_app.send_task(
            "runtime.collect", args=[stream_id], queue=queue_of(tier), ignore_result=True, retry=False, expires=30
        )
    except Exception as error:
        log.info("no wake-up sent: %r", error)
