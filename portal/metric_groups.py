"""Readings from the database for a scrape: in groups, each kept for some seconds and read by one thread at a time.

However many scrapers ask, and however large the database is, a process spends at most a twentieth of its time on a
group. A group that fails, or takes longer than its time limit, is left out and says so; old values are never shown.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from django.db import Error, connection, transaction

from governance.selectors import webhook_measures
from kernel import clock, outbox_measures
from kernel.measures import Found, reading
from runtime.selectors import flow_measures, operation_measures, service_level_measures, vendor_measures

log = logging.getLogger(__name__)
KEPT_SECONDS = 10.0
KEPT_TIMES = 20.0  # of the time that reading took
LIMIT_MS = 10_000

SUCCESS = reading("scrape_group_success", "Whether this group of readings was read (1), or is left out (0).", ["group"])
DURATION = reading("scrape_group_duration_seconds", "How long reading this group took.", ["group"])
AGE = reading("scrape_group_age_seconds", "How long ago this group was read; scrapes share it.", ["group"])


@dataclass(slots=True)
class MetricGroup:
    """One group. `read` gives its values from the database."""

    name: str
    read: Callable[[], Iterable[Found]]
    found: list[Found] = field(default_factory=list)
    good: bool = False
    took: float = 0.0
    read_at: float | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def values(self) -> Iterator[Found]:
        with self._lock:
            if self.read_at is None or time.monotonic() - self.read_at > max(KEPT_SECONDS, KEPT_TIMES * self.took):
                self._refresh()
            found, good, took, read_at = self.found, self.good, self.took, self.read_at or 0.0
        yield from found
        yield Found(SUCCESS, (self.name,), int(good))
        yield Found(DURATION, (self.name,), took)
        yield Found(AGE, (self.name,), time.monotonic() - read_at)

    def _refresh(self) -> None:
        began = time.monotonic()
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute("select set_config('statement_timeout', %s, true), clock_timestamp()", [str(LIMIT_MS)])
                if (told := cursor.fetchone()) is not None:
                    clock.follow(told[1])
                self.found, self.good = list(self.read()), True
        except Error as error:
            log.warning("the metrics of %s could not be read and are left out: %s", self.name, error)
            self.found, self.good = [], False
        self.read_at = time.monotonic()
        self.took = self.read_at - began

    def forget(self) -> None:
        self.read_at = None


GROUPS = (
    MetricGroup("flows", flow_measures.read),
    MetricGroup("vendors", vendor_measures.read),
    MetricGroup("service_levels", service_level_measures.read),
    MetricGroup("operation", operation_measures.read),
    MetricGroup("outbox", outbox_measures.read),
    MetricGroup("webhooks", webhook_measures.read),
)


def values() -> Iterator[Found]:
    for group in GROUPS:
        yield from group.values()
