"""Wake-ups through Celery. They carry a shard number and nothing else; losing or doubling one costs at most a poll interval."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from typing import Any

from celery import current_app

from runtime.ledger.claims import SHARDS

log = logging.getLogger(__name__)
QUIET_SECONDS = 5.0  # after a failure: a broker that is gone must not slow down what is stored
_quiet_until = 0.0


def queue_of(tier: int) -> str:
    """One queue per SLA tier, so that checkout-critical work is never behind back-office work."""
    return f"tier{tier}"


def wake(tier: int, shards: Iterable[int]) -> None:
    """Ask workers to look at some shards now. Never raises: the poll finds the work anyway."""
    for shard in sorted({shard % SHARDS for shard in shards}):
        _send("runtime.work", [tier, shard], tier)


def wake_collectors(tier: int, stream_id: int) -> None:
    """Ask for somebody to read a source."""
    _send("runtime.collect", [stream_id], tier)


def _send(name: str, arguments: list[Any], tier: int) -> None:
    global _quiet_until
    if time.monotonic() < _quiet_until or not current_app.conf.broker_url:
        return
    try:
        current_app.send_task(name, args=arguments, queue=queue_of(tier), ignore_result=True, retry=False, expires=30)
    except Exception as error:  # whatever a broker can fail with
        _quiet_until = time.monotonic() + QUIET_SECONDS
        log.info("no wake-up sent: %r", error)
