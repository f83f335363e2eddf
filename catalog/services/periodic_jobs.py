"""What the catalog does by itself, beside the outbox: imports that no worker has taken, and once a day what time alone has changed."""

from __future__ import annotations

import threading

from django.db import connection

from catalog.services import importing, search_index
from kernel import periodic_jobs

TURN_SECONDS = 20.0

_BEGIN = """
insert into catalog_dailyduty as d (key, done_on) values (%s, (clock_timestamp() at time zone 'utc')::date)
on conflict (key) do update set done_on = excluded.done_on where d.done_on < excluded.done_on returning 1
"""


def begin_daily(key: str) -> bool:
    """True for the first who asks on a UTC day."""
    with connection.cursor() as cursor:
        cursor.execute(_BEGIN, [key])
        return cursor.fetchone() is not None


def turn() -> int:
    """Do what is due now; answers how much there was to do. "Calls in 30 days" moves with every day, for everybody; a boundary may
    begin or end without anybody writing: so the search rows are looked at once a day."""
    done = 0
    for run_id in importing.due():
        done += importing.execute(run_id) is not None
    if begin_daily("rebuild_search"):
        done += search_index.refresh_all()
    return done


def start() -> threading.Event:
    """Begin in a thread of its own. The outbox wakes a worker for a new import at once; here only those are found that were missed or left."""
    return periodic_jobs.start("catalog", turn, every=TURN_SECONDS)
