"""What the catalog does by itself: in workers, imports that none has taken; in the scheduler, notices about versions
that end, and once a day what the mere passing of time has changed."""

from __future__ import annotations

import threading
import time

from django.db import connection

from catalog.services import importing, search_index, sunset_notices
from catalog.services.importing import nightly
from kernel import periodic_jobs
from kernel.periodic_jobs import run

TURN_SECONDS = 20.0
TELL_SECONDS = 900.0

_BEGIN = """
insert into catalog_dailyjob as j (key, done_on)
values (%s, (clock_timestamp() at time zone 'utc')::date)
on conflict (key) do update set done_on = excluded.done_on where j.done_on < excluded.done_on
returning 1
"""


def begin_daily(key: str) -> bool:
    """True for the first process that asks on a UTC day, so that several schedulers do the job once."""
    with connection.cursor() as cursor:
        cursor.execute(_BEGIN, [key])
        return cursor.fetchone() is not None


class CatalogJobs:
    """Remembers when it last looked at versions that end, and runs the jobs that are due."""

    def __init__(self) -> None:
        self._told = -TELL_SECONDS

    def run_due(self) -> int:
        """Do what is due now; returns how much there was to do.

        All search rows are checked once a day: "calls in 30 days" moves every day, and a boundary may begin or end
        without a write.
        """
        done = 0
        now = time.monotonic()
        if now - self._told >= TELL_SECONDS:
            self._told = now
            done += run("sunset_notices", sunset_notices.tell_due)
        if begin_daily("rebuild_search"):
            done += run("search_index", search_index.refresh_all)
        return done


def import_due() -> int:
    """Carry out the imports that no wake-up has brought to a worker, or whose worker ended, and those of the night;
    returns how many."""
    done = sum(importing.execute(run_id) is not None for run_id in run("imports", importing.due))
    return done + run("nightly_imports", nightly.run_due)


def start_imports() -> threading.Event:
    """Start the look for imports in a thread of a worker. The outbox wakes a worker for a new one at once."""
    return periodic_jobs.start("imports of the catalog", import_due, every=TURN_SECONDS)


def start() -> threading.Event:
    """Start the other jobs in a thread of the scheduler."""
    return periodic_jobs.start("catalog", CatalogJobs().run_due, every=TURN_SECONDS)
