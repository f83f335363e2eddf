"""The worker's loop: claim, serve, and when there is nothing, wait for a signal or a second. The poll is the guarantee."""

from __future__ import annotations

import gc
import logging
import os
import random
import signal
import socket
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import psycopg
from django.db import OperationalError as DjangoOperationalError
from django.db import connections as django_connections

from runtime.connectors import registry
from runtime.domain.retry import DATABASE_LOST
from runtime.ledger import connections
from runtime.ledger.append import Fenced
from runtime.ledger.claims import LEASE_SECONDS, Scope
from runtime.ledger.parking import Run, here
from runtime.services import collecting
from runtime.services.bindings import Binder
from runtime.services.delivering import serve_one
from runtime.services.isolation import apart

log = logging.getLogger(__name__)
POLL_SECONDS = 1.0
SILENT_SECONDS = 120.0
BEAT_SECONDS = 5.0
GATHER_SECONDS = 0.02  # after a wake-up: single sales that arrive close together are one claim and one commit
_prepared = False
PARKED_EVERY = 4  # of so many rounds one looks at parked messages before lanes


def worker_name() -> str:
    return f"{socket.gethostname()}-{os.getpid()}"


@dataclass(slots=True)
class Counts:
    """What a worker has done since its start."""

    passed: int = 0
    collected: int = 0
    rounds: int = 0
    fenced: int = 0
    late: list[float] = field(default_factory=list)


class WorkLoop:
    """One worker: one connection, one thread of work. `stop()` drains: the present batch ends, its lane goes back."""

    def __init__(
        self,
        *,
        scope: Scope | None = None,
        collect: bool = True,
        lease: float = LEASE_SECONDS,
        poll: float = POLL_SECONDS,
        name: str | None = None,
        apart: Run = here,
    ) -> None:
        self.apart = apart
        self.scope, self.collects, self.lease, self.poll = scope or Scope(), collect, lease, poll
        self.name = name or worker_name()
        self.counts = Counts()
        self._stopping, self._signal = threading.Event(), threading.Event()
        self._turned = time.monotonic()
        self._beaten = 0.0
        self._conn: connections.Connection | None = None
        self._binder: Binder | None = None

    def stop(self) -> None:
        self._stopping.set()
        self._signal.set()

    def wake(self) -> None:
        """Something was stored: look at once instead of at the next poll."""
        self._signal.set()

    @property
    def stopping(self) -> bool:
        return self._stopping.is_set()

    @property
    def silent_for(self) -> float:
        """Seconds since the loop last turned: the watchdog's question."""
        return time.monotonic() - self._turned

    def run(self, *, until_idle: bool = False, seconds: float | None = None) -> Counts:
        """Work until stopped; with `until_idle` until nothing is left, with `seconds` not longer than that."""
        ends = None if seconds is None else time.monotonic() + seconds
        outages = 0
        try:
            while not self.stopping and (ends is None or time.monotonic() < ends):
                try:
                    busy = self.turn()
                    outages = 0
                except (psycopg.OperationalError, DjangoOperationalError) as error:
                    log.warning(
                        "the database is not there: %s",
                        str(error).splitlines()[0] if str(error) else type(error).__name__,
                    )
                    self._forget()
                    self._stopping.wait(DATABASE_LOST.pause(outages))
                    outages += 1
                    continue
                if busy:
                    continue
                if until_idle:
                    break
                if self._signal.wait(self.poll * random.uniform(0.7, 1.3)):  # noqa: S311 - spreads polls, protects nothing
                    self._stopping.wait(GATHER_SECONDS)
                self._signal.clear()
        finally:
            self._sign_off()
            self._forget()
        return self.counts

    def turn(self) -> bool:
        """One round. Answers whether there was anything to do."""
        self._turned = time.monotonic()
        conn, binder = self._open()
        self._beat(conn)
        served = serve_one(
            conn,
            binder,
            owner=self.name,
            scope=self.scope,
            lease=self.lease,
            parked_first=self.counts.rounds % PARKED_EVERY == PARKED_EVERY - 1,
            apart=self.apart,
        )
        if served is not None:
            self.counts.rounds += 1
            self.counts.passed += served.passed
            self.counts.fenced += served.fenced
            if served.late is not None:
                self.counts.late.append(served.late)
            return True
        return self.collects and self._collect(conn)

    def _collect(self, conn: connections.Connection) -> bool:
        taken = collecting.claim(conn, owner=self.name, tiers=self.scope.tiers, lease=self.lease)
        if taken is None:
            return False
        try:
            self.counts.collected += collecting.collect(conn, taken, stop=lambda: self.stopping)
        except Fenced:
            self.counts.fenced += 1
        except (psycopg.OperationalError, DjangoOperationalError):
            raise
        except Exception:
            log.exception("run %s failed", taken.run)
        return True

    def _open(self) -> tuple[connections.Connection, Binder]:
        if self._conn is None or self._binder is None:
            self._conn = connections.connect(name=f"tillgate-worker {self.name}")
            self._conn.prepare_threshold = (
                0  # at the first use: planning a statement of the gate twice is 20 ms that a lane waits
            )
            self._binder = Binder(self._conn)
        return self._conn, self._binder

    def _sign_off(self) -> None:
        """Who was told to stop is not missed. Who was killed cannot say so, and is."""
        if self.stopping and self._conn is not None:
            with suppress(psycopg.Error):
                self._conn.execute("delete from runtime_worker where name = %s", (self.name,))

    def _forget(self) -> None:
        if self._binder is not None:
            self._binder.close()
        if self._conn is not None:
            self._conn.close()
        self._conn = self._binder = None
        for wrapper in django_connections.all():
            wrapper.close_if_unusable_or_obsolete() if wrapper.connection is not None and not wrapper.in_atomic_block else None

    def _beat(self, conn: connections.Connection) -> None:
        if time.monotonic() - self._beaten < BEAT_SECONDS:
            return
        self._beaten = time.monotonic()
        conn.execute(
            """insert into runtime_worker (name, kind, shards) values (%s, 'work', %s)
               on conflict (name) do update set beat_at = clock_timestamp(), draining = %s""",
            (self.name, psycopg.types.json.Jsonb(list(self.scope.tiers)), self.stopping),
        )


def run_forever(
    *,
    tiers: Sequence[int] = (0, 1, 2, 3),
    shards: Sequence[int] | None = None,
    collect: bool = True,
    on_ready: Callable[[WorkLoop], Any] | None = None,
) -> Counts:
    """A worker process. SIGTERM and SIGINT drain; a loop that has not turned for two minutes ends the process, so that its
    supervisor starts another one and the leases pass on."""
    prepare()
    loop = WorkLoop(
        scope=Scope(tuple(tiers), shards=None if shards is None else tuple(shards)), collect=collect, apart=apart
    )
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: loop.stop())
    threading.Thread(target=_watch, args=(loop,), name="watchdog", daemon=True).start()
    threading.Thread(target=_listen, args=(loop,), name="wake-ups", daemon=True).start()
    if on_ready is not None:
        on_ready(loop)
    return loop.run()


def prepare() -> None:
    """What every loop needs and no connection is needed for. Whoever forks loops calls it before: a loop then starts within milliseconds,
    and shares its pages with the others. A second call does nothing."""
    global _prepared
    if _prepared:
        return
    registry.load()
    _spare_collections()
    _prepared = True


def _spare_collections() -> None:
    """A batch is thousands of objects that die together without cycles. Looking for cycles at every 700 of them finds nothing and took a
    tenth of a worker's CPU; at every 50,000 it still keeps memory flat. What the imports made stays for ever and is never looked at."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


def _watch(loop: WorkLoop) -> None:
    while not loop.stopping:
        time.sleep(5.0)
        if loop.silent_for > SILENT_SECONDS:
            log.critical("the work loop has not turned for %.0f s; this process ends", loop.silent_for)
            os._exit(70)


def _listen(loop: WorkLoop) -> None:
    """PostgreSQL's own signal beside Celery's: quicker, and as dispensable."""
    while not loop.stopping:
        try:
            with connections.connected(name=f"tillgate-listen {loop.name}") as conn:
                conn.execute("listen tillgate_work")
                while not loop.stopping:
                    for _ in conn.notifies(timeout=5.0, stop_after=1):
                        loop.wake()
        except psycopg.Error:
            time.sleep(1.0)
