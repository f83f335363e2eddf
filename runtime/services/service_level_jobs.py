"""The periodic jobs of service levels, in a thread of the scheduler's process: nothing else waits for them."""

from __future__ import annotations

import threading
import time
from datetime import datetime

from django.db import connection

from kernel import clock, periodic_jobs
from kernel.periodic_jobs import NotRun, run
from runtime.ledger import clock_steps
from runtime.services import measuring, standings

SUM_UP_SECONDS = 300.0
DROP_SECONDS = 3600.0


class ServiceLevelJobs:
    """Remembers when each job last ran, and runs those that are due."""

    def __init__(self) -> None:
        self._minute: datetime | None = None
        self._summed = self._dropped = float("-inf")
        self._watch = clock_steps.ClockWatch()

    def run_due(self) -> int:
        """Answers 0: there is never more to do before the next minute."""
        if self._watch.look_with(_now):
            run("service_level_clock", measuring.clock_was_set)
        now, minute = time.monotonic(), clock.now().replace(second=0, microsecond=0)
        if minute != self._minute:
            sum_up = now - self._summed >= SUM_UP_SECONDS
            if isinstance(run("service_levels", lambda: measuring.measure(sum_up=sum_up)), NotRun):
                return 0  # tried again after the pause between two calls
            self._minute = minute
            self._summed = now if sum_up else self._summed
            run("service_level_standings", standings.evaluate)
        if now - self._dropped >= DROP_SECONDS:
            self._dropped = now
            run("service_level_periods", measuring.drop_old)
        return 0


def _now() -> float:
    with connection.cursor() as cursor:
        cursor.execute(clock_steps.NOW)
        return float(cursor.fetchone()[0])


def start() -> threading.Event:
    """Start the jobs in a new thread. Set the returned event to stop it."""
    return periodic_jobs.start("service levels", ServiceLevelJobs().run_due, every=2.0)
