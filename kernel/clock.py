"""One clock, so that tests and simulations can set it. Always zone-aware UTC."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta

STEP = 1.0  # seconds; what two clocks differ by less than that is no difference
_ahead = timedelta(0)
_frozen: ContextVar[datetime | None] = ContextVar("tillgate_frozen_clock", default=None)


def now() -> datetime:
    """The present moment in UTC as the database's clock has it: what is stored bears its stamps, and the age of one is
    told by the clock that made it. Leases and claims ask the database itself (`clock_timestamp()`)."""
    return _frozen.get() or datetime.now(UTC) + _ahead


def follow(database: datetime) -> None:
    """What the database's clock has just said. Every new session, request, scrape and turn of the scheduler asks."""
    global _ahead
    found = database - datetime.now(UTC)
    _ahead = found if abs(found.total_seconds()) >= STEP else timedelta(0)


@contextmanager
def frozen(at: datetime) -> Iterator[datetime]:
    """Within the block, `now()` answers `at`, which must be zone-aware."""
    if at.tzinfo is None:
        raise ValueError("a frozen clock needs a zone-aware time")
    token = _frozen.set(at.astimezone(UTC))
    try:
        yield at
    finally:
        _frozen.reset(token)
