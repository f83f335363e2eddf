"""The scheduler loop: due schedules, the outbox, partitions, finished replays, and alarms for silent workers and
for sources that are not read.

Any number of these may run at once: every job is a claim or is idempotent.
"""

from __future__ import annotations

import logging
import random
import signal
import threading
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from django.db import connection, transaction

from kernel import clock, outbox, process_measures
from kernel.errors import Unavailable
from kernel.periodic_jobs import NotRun, run
from kernel.postgresql import errors as database_errors
from runtime.domain.retry import DATABASE_LOST
from runtime.ledger import clock_steps, connections, measures
from runtime.services import (
    alerting,
    dating,
    lane_changes,
    log_partitions,
    recovery,
    replays,
    retention,
    schedules,
    source_alarms,
)
from runtime.worker.silent_work import SilentWork

log = logging.getLogger(__name__)
TURN_SECONDS = 0.5
HOURLY, MINUTE = 3600.0, 60.0
AGAIN = 15.0  # after a turn that somebody was in the way of


class Scheduler:
    """`run()` repeats `turn()` until `stop()`; `turn()` does every job once."""

    def __init__(self) -> None:
        self._stopping = threading.Event()
        self._hourly = self._checked = self._partitions = self._alerted = 0.0
        self._reported = self._bounded = False
        self._silent, self._watch, self._step = SilentWork(), clock_steps.ClockWatch(), 0.0
        self._host, self._set_back = clock_steps.ClockWatch(), True  # nobody knows what was before

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
        with connection.cursor() as cursor:
            cursor.execute("select clock_timestamp()")
            clock.follow(cursor.fetchone()[0])
        run("clock", self._attend_the_clock)
        done = run("schedules", schedules.fire_due) + run("dated_states", dating.fire_due)
        done += run("outbox", outbox.dispatch)
        done += run("lanes", lane_changes.attend)
        now = time.monotonic()
        if now - self._hourly > HOURLY or not self._hourly:
            self._hourly = now
            run("dated_states_passed", dating.forget_passed)
        if now >= self._partitions:
            made = run("partitions", log_partitions.make_ahead)
            self._partitions = time.monotonic() + (MINUTE if made.ran else AGAIN)
        if now - self._alerted > MINUTE:  # not where it is measured: that measuring has stopped is an alert, too
            ran = not isinstance(run("alerts", alerting.attend), NotRun)
            self._alerted = now if ran else now - MINUTE + AGAIN
        if now - self._checked > 15.0:
            self._checked = now
            run("replays", replays.close_finished)
            run("source_alarms", source_alarms.check)
            run("retention", retention.run_due)
            run("recovery", recovery.attend)
            run("silent_workers", self._report_silent_workers)
            run("ended_processes", process_measures.fold_ended)
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
        step = self._watch.look_with(_now)
        self._step += step
        if self._host.look_with(time.time) < 0 or step < 0:
            self._set_back = True
        if self._set_back:
            schedules.plan_again()
            self._set_back = False
        if self._step or not self._bounded:
            with connections.connected(name="tillgate-clock", role="scheduler") as conn:
                if self._step:
                    clock_steps.attend(conn, self._step)
                if not self._bounded:
                    clock_steps.bound(conn)
            self._step, self._bounded = 0.0, True


def _now() -> float:
    with connection.cursor() as cursor:
        cursor.execute(clock_steps.NOW)
        return float(cursor.fetchone()[0])


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
    if on_ready is not None:
        on_ready(scheduler)
    scheduler.run()
