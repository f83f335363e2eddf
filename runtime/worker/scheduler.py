"""The scheduler loop: due schedules, the outbox, partitions, finished replays, and alarms for silent workers and
for sources that are not read.

Any number of these may run at once: every job is a claim or is idempotent.
"""

from __future__ import annotations

import logging
import os
import random
import signal
import threading
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, TypeVar

from django.db import connection, transaction

from kernel import clock, life_signs, outbox, periodic_jobs, process_measures, replaced_processes
from kernel.errors import Unavailable
from kernel.periodic_jobs import NotRun
from kernel.postgresql import errors as database_errors
from runtime.domain.retry import DATABASE_LOST
from runtime.ledger import clock_steps, connections, ended_workers, measures
from runtime.services import (
    alerting,
    closed_targets,
    dating,
    hook_fetches,
    lane_changes,
    log_partitions,
    recovery,
    refused_calls,
    replays,
    retention,
    schedules,
    source_alarms,
)
from runtime.worker.missing_workers import MissingWorkers
from runtime.worker.silent_work import SilentWork

log = logging.getLogger(__name__)
TURN_SECONDS = 0.5
HOURLY, MINUTE = 3600.0, 60.0
AGAIN = 15.0  # after a turn that somebody was in the way of
SILENT_SECONDS = 300.0  # in one job; the database ends each of its statements after a minute
T = TypeVar("T")


class Scheduler:
    """`run()` repeats `turn()` until `stop()`; `turn()` does every job once."""

    def __init__(self) -> None:
        self._stopping = threading.Event()
        self._hourly = self._checked = self._partitions = self._alerted = 0.0
        self._reported = self._bounded = False
        self._late = self._late_until = 0.0
        self._silent, self._watch, self._step = SilentWork(), clock_steps.ClockWatch(), 0.0
        self._host, self._set_back = clock_steps.ClockWatch(), True  # nobody knows what was before
        self._turned, self._missing = time.monotonic(), MissingWorkers()
        self._looked = self._unset = self._turned

    @property
    def stopping(self) -> bool:
        return self._stopping.is_set()

    @property
    def silent_for(self) -> float:
        """Seconds since the last job began."""
        return time.monotonic() - self._turned

    def _goes_on(self) -> None:
        self._turned = time.monotonic()

    def _do(self, job: str, work: Callable[[], T]) -> T:
        self._goes_on()
        return periodic_jobs.run(job, work)

    def stop(self) -> None:
        self._stopping.set()

    def run(self) -> None:
        outages = 0
        while not self._stopping.is_set():
            try:
                busy = self.turn()
                if outages:
                    log.warning("the database is there again")
                outages = 0
            except Exception as error:
                if not isinstance(error, Unavailable) and not database_errors.unavailable(error):
                    raise
                if not outages:  # said once for an outage, however long it lasts
                    log.warning("waiting for the database: %s", database_errors.first_line(error.__cause__ or error))
                database_errors.close_connections()
                self._stopping.wait(DATABASE_LOST.pause(outages))
                outages += 1
                continue
            self._stopping.wait(0.02 if busy else TURN_SECONDS * random.uniform(0.8, 1.2))  # noqa: S311 - spreads polls

    def turn(self) -> int:
        """Returns the number of jobs done."""
        self._goes_on()
        periodic_jobs.leave_stale_session()
        with connection.cursor() as cursor:
            cursor.execute("select clock_timestamp()")
            clock.follow(cursor.fetchone()[0])
        self._do("clock", self._attend_the_clock)
        done = self._do("schedules", schedules.fire_due) + self._do("dated_states", dating.fire_due)
        done += self._do("outbox", lambda: outbox.dispatch(alive=self._goes_on))
        done += self._do("lanes", lane_changes.attend)
        done += self._do("hook_fetches", hook_fetches.attend)
        now = time.monotonic()
        if now - self._hourly > HOURLY or not self._hourly:
            self._hourly = now
            self._do("dated_states_passed", dating.forget_passed)
            self._do("hooks_kept", hook_fetches.forget)
        if now >= self._partitions:
            made = self._do("partitions", log_partitions.make_ahead)
            self._partitions = time.monotonic() + (MINUTE if made.ran else AGAIN)
        if now - self._alerted > MINUTE:  # not where it is measured: that measuring has stopped is an alert, too
            ran = not isinstance(self._do("alerts", alerting.attend), NotRun)
            self._alerted = now if ran else now - MINUTE + AGAIN
        if now - self._checked > 15.0:
            self._checked = now
            self._do("replays", replays.close_finished)
            self._do("closed_targets", closed_targets.attend)
            self._do("source_alarms", source_alarms.check)
            self._do("hook_gaps", hook_fetches.tell_gaps)
            self._do("retention", retention.run_due)
            self._do("recovery", recovery.attend)
            self._do("silent_workers", self._report_silent_workers)
            self._do("ended_workers", _forget_ended_workers)
            self._do("missing_workers", self._missing.report)
            self._do("ended_processes", process_measures.fold_ended)
            self._do("replaced_processes", replaced_processes.tell)
            self._do("replaced_processes_kept", replaced_processes.forget)
            self._do("refused_calls_kept", refused_calls.forget)
        process_measures.mine("scheduler").write(_execute)
        return done

    def _report_silent_workers(self) -> None:
        with connection.cursor() as cursor:
            waiting, seconds = self._silent.look(cursor)
        measures.UNTOUCHED.set(waiting)
        if waiting and not self._reported:
            since = f"{clock.now() - timedelta(seconds=seconds):%Y-%m-%d %H:%M:%S} UTC"
            log.error(
                "%d lanes have ready work that no worker has taken since %s: is a worker running?", waiting, since
            )
            with transaction.atomic():
                outbox.emit("runtime.workers_silent", key="workers", payload={"lanes": waiting, "since": since})
        self._reported = bool(waiting)

    def _attend_the_clock(self) -> None:
        """The database's clock, by which schedules go, may have been set, also by a failover while it was away; and
        that of this host, where the database has not been asked yet."""
        asked = time.monotonic()
        step = self._watch.look_with(_now)
        if not self._step:
            self._unset = self._looked  # so far the clock had not been set
        self._looked = asked
        self._step += step
        if self._host.look_with(time.time) < 0 or step < 0:
            self._set_back = True
        if self._late and asked >= self._late_until:  # once more: what was stored since by a clock of before
            self._set_back, self._late = True, 0.0
        if self._set_back:
            schedules.plan_again()
            dating.plan_all_again()
            self._set_back = False
        late = self._late
        if self._step or late or not self._bounded:
            with connections.connected(name="tillgate-clock", role="scheduler") as conn:
                if self._step:
                    clock_steps.attend(conn, self._step, since=time.monotonic() - self._unset)
                elif late:
                    clock_steps.attend_late(conn, late)
                if not self._bounded:
                    clock_steps.bound(conn)
            if self._step:
                self._late, self._late_until = min(0.0, self._step), time.monotonic() + clock_steps.UNATTENDED
            self._step, self._bounded = 0.0, True


def _now() -> float:
    with connection.cursor() as cursor:
        cursor.execute(clock_steps.NOW)
        return float(cursor.fetchone()[0])


def _forget_ended_workers() -> int:
    with connection.cursor() as cursor:
        return ended_workers.forget(cursor)


def _execute(statement: str, values: Mapping[str, Any]) -> int:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return int(cursor.rowcount)


def run_forever(*, on_ready: Callable[[Scheduler], None] | None = None) -> None:
    """A scheduler process; SIGTERM and SIGINT end it after the current turn."""
    scheduler = Scheduler()
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: scheduler.stop())
    threading.Thread(target=_attend, args=(scheduler,), name="watchdog", daemon=True).start()
    if on_ready is not None:
        on_ready(scheduler)
    scheduler.run()


def _attend(scheduler: Scheduler) -> None:
    """Gives signs of life; a job that goes on for ever ends the process, which is replaced."""
    while True:
        life_signs.give()
        time.sleep(life_signs.SECONDS)
        if not scheduler.stopping and scheduler.silent_for > SILENT_SECONDS:
            log.critical("a job of the scheduler has gone on for %.0f s; this process ends", scheduler.silent_for)
            os._exit(70)
