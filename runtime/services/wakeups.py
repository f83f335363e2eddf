"""Wake-ups through PostgreSQL's signal and through Celery.

They carry a shard number and nothing else; a lost or doubled one costs at most a poll interval.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterable
from threading import Event, Lock, Thread
from typing import Any

from celery import current_app
from django.db import connection

from kernel.errors import Unavailable
from runtime.domain.shards import SHARDS
from runtime.ledger import pool
from runtime.ledger.connections import Connection

log = logging.getLogger(__name__)
QUIET_SECONDS = 5.0  # after a failure: a broker that is gone must not slow down what is stored
CELERY_SECONDS = 0.25  # between two wake-ups of one shard; claim loops hear of every commit from PostgreSQL
SIGNAL_SECONDS = 0.05  # between two signals: a worker that hears of little waits longer for more (`worker.loop`)
_quiet_until = 0.0


def queue_of(tier: int) -> str:
    """One queue per SLA tier, so that checkout-critical work is never behind back-office work."""
    return f"tier{tier}"


def wake(tier: int, shards: Iterable[int]) -> None:
    """Ask workers to look at some shards now. Never raises: polling finds the work anyway."""
    for shard in sorted({shard % SHARDS for shard in shards}):
        _send("runtime.work", [tier, shard], tier)


def wake_collectors() -> None:
    """Ask the collectors to look for a run, once the caller's transaction is committed. They listen to PostgreSQL
    alone: a source is read by a process of its own and never by Celery's."""
    with connection.cursor() as cursor:
        cursor.execute("select pg_notify('tillgate_work', '')")


def announce(tier: int, stream_id: int) -> None:
    """Messages were stored in this stream: wake its workers from a separate thread, so that no caller waits for it."""
    global _announcer
    if _announcer is None or _announcer.process != os.getpid():
        with _making:
            if _announcer is None or _announcer.process != os.getpid():
                _announcer = _Announcer()
    _announcer.add(tier, stream_id)


def signal(conn: Connection) -> None:
    """PostgreSQL's signal to every worker loop, without waiting for the disk: after a crash all loops look anyway."""
    conn.execute("select set_config('synchronous_commit', 'off', true), pg_notify('tillgate_work', '')")


def shards_of(conn: Connection, stream: int) -> list[int]:
    """The shards that serve the targets of a stream."""
    found = conn.execute(
        "select distinct (id %% %s)::int from runtime_subscription where stream_id = %s and open", (SHARDS, stream)
    ).fetchall()
    return [shard for (shard,) in found]


class _Announcer:
    """Collects wake-ups and sends them at most once in SIGNAL_SECONDS, to Celery at most once in CELERY_SECONDS per
    stream.
    """

    def __init__(self) -> None:
        self.process = os.getpid()
        self._lock, self._stored = Lock(), Event()
        self._streams: dict[int, int] = {}
        self._wanted: dict[int, int] = {}
        self._sent: dict[int, float] = {}
        Thread(target=self._run, name="wake-ups", daemon=True).start()

    def add(self, tier: int, stream_id: int) -> None:
        with self._lock:
            self._streams[stream_id] = tier
        self._stored.set()

    def _run(self) -> None:
        while True:
            self._stored.wait(CELERY_SECONDS if self._wanted else None)
            self._stored.clear()
            with self._lock:
                streams, self._streams = self._streams, {}
            try:
                self._tell(streams)
            except Unavailable:
                log.info("no signal sent: the database does not answer")
            except Exception:
                log.exception("no signal sent")
            time.sleep(SIGNAL_SECONDS)

    def _tell(self, streams: dict[int, int]) -> None:
        self._wanted |= streams
        now = time.monotonic()
        due = {
            s: tier for s, tier in self._wanted.items() if now - self._sent.get(s, -CELERY_SECONDS) >= CELERY_SECONDS
        }
        if not streams and not due:
            return
        with pool.connection() as conn:
            if streams:
                signal(conn)
            shards = {stream: shards_of(conn, stream) for stream in due}
        for stream, tier in due.items():
            del self._wanted[stream]
            self._sent[stream] = now
            wake(tier, shards[stream])


_announcer: _Announcer | None = None
_making = Lock()


def _send(name: str, arguments: list[Any], tier: int) -> None:
    global _quiet_until
    if time.monotonic() < _quiet_until or not current_app.conf.broker_url:
        return
    try:
        current_app.send_task(name, args=arguments, queue=queue_of(tier), ignore_result=True, retry=False, expires=30)
    except Exception as error:  # whatever a broker can fail with
        _quiet_until = time.monotonic() + QUIET_SECONDS
        log.info("no wake-up sent: %r", error)
