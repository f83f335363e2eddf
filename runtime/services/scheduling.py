"""The scheduler process: due schedules, the outbox, partitions, finished replays, and a watch over silent workers.

Any number of these may run at once: every duty is a claim or is idempotent.
"""

from __future__ import annotations

import logging
import random
import signal
import threading
import time
from collections.abc import Callable

from django.db import OperationalError, connection, transaction

from kernel import outbox
from runtime.ledger import connections, partitions
from runtime.services import replays, schedules

log = logging.getLogger(__name__)
TURN_SECONDS = 0.5
HOURLY = 3600.0
SILENT_SECONDS = 60

# Work that was ready, claimable and untouched for a while although its gate is open: nobody is there, or somebody hangs.
_SILENT = """
select count(*), min(p.lease_until) from runtime_progress p
  join runtime_subscription s on s.id = p.subscription_id join runtime_lane l on l.stream_id = s.stream_id and l.lane = p.lane
  join runtime_gate g on g.subscription_id = p.subscription_id
 where p.position < least(l.next - 1, coalesce(p.upto, l.next - 1)) and p.lease_until < clock_timestamp() - make_interval(secs => %s)
   and p.not_before < clock_timestamp() - make_interval(secs => %s)
   and not exists (select from runtime_delivery d where d.subscription_id = p.subscription_id and d.at > clock_timestamp() - make_interval(secs => %s))
   and exists (select from runtime_message m where m.stream_id = s.stream_id and m.lane = p.lane and m.position = p.position + 1
                and m.received_at < clock_timestamp() - make_interval(secs => %s))"""


class Scheduler:
    """`run()` turns until `stop()`; `turn()` does every duty once."""

    def __init__(self) -> None:
        self._stopping = threading.Event()
        self._hourly = self._watched = 0.0
        self._reported = False

    def stop(self) -> None:
        self._stopping.set()

    def run(self) -> None:
        while not self._stopping.is_set():
            try:
                busy = self.turn()
            except OperationalError as error:
                log.warning("the database is not there: %s", error)
                connection.close()
                busy = 0
            self._stopping.wait(0.02 if busy else TURN_SECONDS * random.uniform(0.8, 1.2))  # noqa: S311 - spreads polls, protects nothing

    def turn(self) -> int:
        """Answers how much there was to do."""
        done = schedules.fire_due() + outbox.dispatch()
        now = time.monotonic()
        if now - self._hourly > HOURLY or not self._hourly:
            self._hourly = now
            with connections.connected(name="tillgate-partitions") as conn:
                partitions.ensure(conn)
        if now - self._watched > 15.0:
            self._watched = now
            replays.close_finished()
            self._watch()
        return done

    def _watch(self) -> None:
        waiting, since = silent_work()
        if waiting and not self._reported:
            log.error("%d lanes have had ready work that nobody takes since %s: is a worker running?", waiting, since)
            with transaction.atomic():
                outbox.emit("runtime.workers_silent", key="workers", payload={"lanes": waiting, "since": str(since)})
        self._reported = bool(waiting)


def silent_work(seconds: int = SILENT_SECONDS) -> tuple[int, object]:
    """(number of lanes whose ready work nobody has touched for so long, since when)."""
    with connection.cursor() as cursor:
        cursor.execute(_SILENT, [seconds] * 4)
        row = cursor.fetchone()
    return (row[0], row[1]) if row else (0, None)


def run_forever(*, on_ready: Callable[[Scheduler], None] | None = None) -> None:
    """A scheduler process; SIGTERM and SIGINT end it after the present turn."""
    scheduler = Scheduler()
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: scheduler.stop())
    if on_ready is not None:
        on_ready(scheduler)
    scheduler.run()
