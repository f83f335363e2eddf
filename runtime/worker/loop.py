"""The worker loop: claim, serve, and when there is no work, wait for a signal or a second.

Polling is the guarantee, signals only save time.
"""

from __future__ import annotations

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
from typing import Any, cast

import psycopg
from psycopg.types.json import Jsonb

from kernel import life_signs, log_lines, process_measures, replaced_processes
from kernel.garbage_collection import collect_rarely
from kernel.postgresql import errors as database_errors
from runtime.connectors import registry
from runtime.domain.retry import DATABASE_LOST
from runtime.ledger import clock_steps, connections, ended_workers, gate_sleep
from runtime.ledger.append import Fenced
from runtime.ledger.claimed import ClaimScope
from runtime.ledger.lane_sleep import let_lanes_sleep
from runtime.ledger.leases import LEASE_SECONDS
from runtime.ledger.trial import TrialRunner, in_this_process
from runtime.worker import source_polling
from runtime.worker.delivery import serve_one
from runtime.worker.forked_trial import in_forked_child
from runtime.worker.target_clients import TargetClients

log = logging.getLogger(__name__)
POLL_SECONDS = 1.0
SILENT_SECONDS = 120.0
BEAT_SECONDS = 5.0
GONE_EVERY = 30.0  # seconds: a worker looks for others of its machine that are not there any more
GROUP_SECONDS = 0.02  # after a wake-up: single sales that arrive close together share one claim and one commit
APART_SECONDS = 0.1  # between the beginnings of two spells of little work: its sales share claims and commits
LITTLE = 200  # messages of a spell; where more came, claims are full and nobody waits for others
WAKE_SECONDS = 0.1  # a busy worker looks so often whether lanes that sleep have work
SLEEP_ROUNDS = 10  # in one beat: statements that put lanes to sleep whose gate is closed
QUARANTINE_EVERY = 4  # one round in so many looks at quarantined messages before lanes

_BEAT = """
insert into runtime_worker (name, kind, shards) values (%s, %s, %s)
on conflict (name) do update set beat_at = clock_timestamp(), draining = %s"""
_prepared = False


def worker_name() -> str:
    return f"{socket.gethostname()}-{os.getpid()}"


@dataclass(slots=True)
class WorkerCounts:
    """What a worker has done since its start."""

    passed: int = 0
    collected: int = 0
    rounds: int = 0
    fenced: int = 0
    overdue_by: list[float] = field(default_factory=list)


class WorkerLoop:
    """One worker: one connection, one thread of work.

    `stop()` drains: the current batch ends and its lane is released.
    """

    def __init__(
        self,
        *,
        scope: ClaimScope | None = None,
        collect: bool = True,
        deliver: bool = True,
        lease: float = LEASE_SECONDS,
        poll: float = POLL_SECONDS,
        name: str | None = None,
        trial: TrialRunner = in_this_process,
    ) -> None:
        self.trial = trial
        self.scope, self.lease, self.poll = scope or ClaimScope(), lease, poll
        self.collects, self.delivers = collect, deliver
        self.name = name or worker_name()
        self.counts = WorkerCounts()
        self._stopping, self._signal = threading.Event(), threading.Event()
        self._turned = time.monotonic()
        self._beaten = self._woke = self._looked = self._asks_at = 0.0
        self._spell = 0.0, 0  # when it began to look for work, and what it had passed by then
        self._conn: connections.Connection | None = None
        self._clients: TargetClients | None = None

    def stop(self) -> None:
        self._stopping.set()
        self._signal.set()

    def wake(self) -> None:
        """A message was stored: look for work now instead of at the next poll."""
        self._signal.set()

    @property
    def stopping(self) -> bool:
        return self._stopping.is_set()

    @property
    def silent_for(self) -> float:
        """Seconds since the last round began; the watchdog asks."""
        return time.monotonic() - self._turned

    def run(self, *, until_idle: bool = False, seconds: float | None = None) -> WorkerCounts:
        """Work until stopped; with `until_idle`, until there is no work; with `seconds`, no longer than that."""
        ends = None if seconds is None else time.monotonic() + seconds
        outages = 0
        try:
            while not self.stopping and (ends is None or time.monotonic() < ends):
                try:
                    busy = self.turn() or (until_idle and self._wake_at_gates(now=True) > 0)
                    if outages:
                        log.warning("the database is there again")
                    outages = 0
                except Exception as error:
                    if not database_errors.unavailable(error):
                        raise
                    if not outages:  # said once for an outage, however long it lasts
                        log.warning("waiting for the database: %s", database_errors.first_line(error))
                    self._disconnect()
                    self._stopping.wait(DATABASE_LOST.pause(outages))
                    outages += 1
                    continue
                if busy:
                    continue
                if until_idle:
                    break
                if self._signal.wait(self.poll * random.uniform(0.7, 1.3)):  # noqa: S311 - spreads polls
                    self._stopping.wait(self._group_seconds())
                self._signal.clear()
                self._spell = time.monotonic(), self.counts.passed
        finally:
            self._deregister()
            self._disconnect()
        return self.counts

    def _group_seconds(self) -> float:
        """How long to wait for more after a wake-up. A claim and a commit for each single sale are most of what a sale
        costs, so a worker that hears of little work again and again takes it ten times a second."""
        began, passed = self._spell
        if self.counts.passed - passed >= LITTLE:
            return GROUP_SECONDS
        return max(GROUP_SECONDS, APART_SECONDS - (time.monotonic() - began))

    def turn(self) -> bool:
        """One round; returns whether there was work."""
        self._turned = time.monotonic()
        conn, clients = self._open()
        self._beat(conn)
        if not self.delivers:
            return self._collect(conn)
        self._wake_at_gates()
        wake_first = self._turned - self._woke >= WAKE_SECONDS
        if wake_first:
            self._woke = self._turned
        served = serve_one(
            conn,
            clients,
            owner=self.name,
            scope=self.scope,
            lease=self.lease,
            quarantine_first=self.counts.rounds % QUARANTINE_EVERY == QUARANTINE_EVERY - 1,
            wake_first=wake_first,
            trial=self.trial,
        )
        if served is not None:
            self.counts.rounds += 1
            self.counts.passed += served.passed
            self.counts.fenced += served.fenced
            if served.overdue_by is not None:
                self.counts.overdue_by.append(served.overdue_by)
            return True
        return self.collects and self._collect(conn)

    def _wake_at_gates(self, *, now: bool = False) -> int:
        """Now and then, or now: wake lanes that sleep before gates that are open. Answers how many."""
        if self._conn is None or not self.delivers or (not now and self._turned < self._asks_at):
            return 0
        began = time.monotonic()
        woken = gate_sleep.wake_lanes_at_gates(self._conn)
        ended = time.monotonic()
        self._asks_at = ended + gate_sleep.asks_again_after(ended - began)
        return woken

    def _let_lanes_sleep(self, conn: connections.Connection) -> None:
        let_lanes_sleep(conn)
        for _ in range(SLEEP_ROUNDS):
            if gate_sleep.let_lanes_sleep_at_gates(conn) < gate_sleep.MOST_TO_SLEEP:
                return

    def _collect(self, conn: connections.Connection) -> bool:
        taken = source_polling.claim(conn, owner=self.name, tiers=self.scope.tiers, lease=self.lease)
        if taken is None:
            return False
        with log_lines.about(run_id=taken.run, integration=taken.manifest.integration):
            try:
                self.counts.collected += source_polling.collect(
                    conn, taken, stop=lambda: self.stopping, beat=self._alive
                )
            except Fenced:
                self.counts.fenced += 1
            except Exception as error:
                if database_errors.unavailable(error):
                    raise
                log.exception("run %s failed", taken.run)
        return True

    def _alive(self) -> None:
        """A long run goes on: this loop is neither silent nor hung."""
        self._turned = time.monotonic()
        if self._conn is not None:
            self._beat(self._conn)

    def _open(self) -> tuple[connections.Connection, TargetClients]:
        if self._conn is None or self._clients is None:
            role = "worker" if self.delivers else "collector"
            self._conn = connections.connect(name=f"tillgate-worker {self.name}", role=role)
            self._conn.prepare_threshold = 0  # at first use: planning a gate statement twice delays a lane by 20 ms
            self._clients = TargetClients(self._conn)
        return self._conn, self._clients

    def _deregister(self) -> None:
        """A worker that stops cleanly deregisters; a killed one is reported as silent."""
        if self.stopping and self._conn is not None:
            with suppress(psycopg.Error):
                self._conn.execute("delete from runtime_worker where name = %s", (self.name,))
                self._report(self._conn, now=True)

    def _disconnect(self) -> None:
        if self._clients is not None:
            self._clients.close()
        if self._conn is not None:
            self._conn.close()
        self._conn = self._clients = None
        self._beaten = float("-inf")  # who comes back may meet another clock, and has to know of it before it claims
        database_errors.close_connections()

    def _beat(self, conn: connections.Connection) -> None:
        if time.monotonic() - self._beaten < BEAT_SECONDS:
            return
        self._beaten = time.monotonic()
        clock_steps.watch.look(conn)
        kind = "work" if self.delivers else "collect"
        conn.execute(_BEAT, (self.name, kind, Jsonb(list(self.scope.tiers)), self.stopping))
        if self.delivers:
            self._let_lanes_sleep(conn)
        self._report(conn)
        told = replaced_processes.tell()
        if told or self._beaten - self._looked >= GONE_EVERY:
            self._looked = self._beaten
            with conn.cursor() as cursor:
                ended_workers.forget(cursor)

    def _report(self, conn: connections.Connection, *, now: bool = False) -> None:
        report = process_measures.mine("worker" if self.delivers else "collector")
        report.write(lambda statement, values: conn.execute(cast("Any", statement), values).rowcount, now=now)


def run_forever(
    *,
    tiers: Sequence[int] = (0, 1, 2, 3),
    shards: Sequence[int] | None = None,
    collect: bool = True,
    deliver: bool = True,
    on_ready: Callable[[WorkerLoop], Any] | None = None,
) -> WorkerCounts:
    """A worker process. SIGTERM and SIGINT drain it.

    When the loop has not begun a round for two minutes the process ends, so that its supervisor starts another one and
    other workers take over the leases.
    """
    prepare()
    loop = WorkerLoop(
        scope=ClaimScope(tuple(tiers), shards=None if shards is None else tuple(shards)),
        collect=collect,
        deliver=deliver,
        trial=in_forked_child,
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
    """Load what every loop needs and no connection is needed for. A second call does nothing.

    A process that forks loops calls it first: each loop then starts within milliseconds and shares memory pages with
    the others.
    """
    global _prepared
    if _prepared:
        return
    registry.load()
    collect_rarely()
    _prepared = True


def _watch(loop: WorkerLoop) -> None:
    """Gives signs of life, also while the loop drains; a process that stands still as a whole gives none and is ended
    by its supervisor."""
    while True:
        life_signs.give()
        time.sleep(life_signs.SECONDS)
        if not loop.stopping and loop.silent_for > SILENT_SECONDS:
            log.critical("the worker loop has been silent for %.0f s; this process ends", loop.silent_for)
            os._exit(70)


def _listen(loop: WorkerLoop) -> None:
    """PostgreSQL's signal beside Celery's: quicker, and just as dispensable."""
    while not loop.stopping:
        try:
            with connections.connected(name=f"tillgate-listen {loop.name}") as conn:
                conn.execute("listen tillgate_work")
                while not loop.stopping:
                    for _ in conn.notifies(timeout=5.0, stop_after=1):
                        loop.wake()
        except psycopg.Error:
            time.sleep(1.0)
