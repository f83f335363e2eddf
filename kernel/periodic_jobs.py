"""Jobs that a room runs again and again without being asked, in a thread of the scheduler's process.

A room gives one function, `run_due() -> int`: it does what is due and answers how much that was. Each job in it either
claims its rows or is idempotent, so any number of processes may run the same jobs at once.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import TypeVar

from django.db import Error, connection

from kernel import clock, measures
from kernel.postgresql import errors

log = logging.getLogger(__name__)
BUSY_SECONDS = 0.1  # until the next call after one that found work
T = TypeVar("T")


class NotRun(int):
    """Nothing was done, since somebody else holds the lock of this job."""

    ran = False


NOT_RUN = NotRun()

SUCCEEDED = measures.gauge(
    "job_last_success_timestamp_seconds",
    "When a periodic job last ended without an error.",
    ["periodic_job"],
    add_up="latest",
)
FAILED = measures.counter("job_failures", "Times that a periodic job ended with an error.", ["periodic_job"])


def run(job: str, work: Callable[[], T]) -> T:
    """Do one job now, and keep when it last succeeded; its errors pass through. A result with `ran` False is none."""
    try:
        done = work()
    except BaseException:
        FAILED.labels(job).inc()
        raise
    if getattr(done, "ran", True):
        SUCCEEDED.labels(job).set(clock.now().timestamp())
    return done


def leave_stale_session() -> None:
    """A session that was opened while the database was read-only stays so: the next job that writes would fail."""
    if connection.connection is not None and not connection.in_atomic_block and not connection.is_usable():
        connection.close()


def run_forever(room: str, run_due: Callable[[], int], stop: threading.Event, *, every: float) -> None:
    """Call `run_due` until `stop` is set, and wait `every` seconds after a call that found nothing.

    An exception is logged and ends that call alone.
    """
    waiting = False
    while not stop.is_set():
        try:
            leave_stale_session()
            busy = run_due() > 0
            waiting = False
        except Error as error:
            if not waiting or not errors.unavailable(error):  # said once for an outage, however long it lasts
                log.warning("periodic jobs of %s pause, the database said: %s", room, error)
            waiting = errors.unavailable(error)
            connection.close()
            busy = False
        except Exception:
            log.exception("a periodic job of %s failed", room)
            busy = False
        stop.wait(BUSY_SECONDS if busy else every)


def start(room: str, run_due: Callable[[], int], *, every: float) -> threading.Event:
    """Start the thread; it ends with the process, or when the returned event is set."""
    stop = threading.Event()
    threading.Thread(
        target=run_forever,
        args=(room, run_due, stop),
        kwargs={"every": every},
        name=f"periodic jobs of {room}",
        daemon=True,
    ).start()
    return stop
