"""The queue of the outbox for Prometheus."""

from __future__ import annotations

from collections.abc import Iterator

from django.db import connection

from kernel.measures import Found, reading

WAITING = reading("outbox_waiting_events", "Events of the outbox that are not handled yet.")
OLDEST = reading("outbox_oldest_waiting_age_seconds", "Time since the oldest of them was written; 0 without one.")

_OPEN = """
select count(*), coalesce(extract(epoch from clock_timestamp() - min(created_at)), 0)::float8
from kernel_outboxevent
where done_at is null and failed_at is null"""


def read() -> Iterator[Found]:
    with connection.cursor() as cursor:
        cursor.execute(_OPEN)
        waiting, oldest = cursor.fetchone()
    yield Found(WAITING, (), waiting)
    yield Found(OLDEST, (), max(oldest, 0.0))
