"""One clock, so that tests and simulations can set it. Always zone-aware UTC."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta

_frozen: ContextVar[datetime | None] = ContextVar("tillgate_frozen_clock", default=None)


def now() -> datetime:
    """The present moment in UTC. Leases and claims use the database's clock instead (`clock_timestamp()`)."""
    return _frozen.get() or datetime.now(UTC)


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


def relative(at: datetime, *, since: datetime) -> str:
    """How far `at` lies from `since`, in one unit: "22 h ago", "in 5 days", "just now"."""
    gap = at - since
    size = abs(gap)
    if size < timedelta(seconds=45):
        return "just now"
    for unit, seconds in (("day", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        count = round(size.total_seconds() / seconds)
        if size.total_seconds() >= seconds * (1 if unit != "min" else 0.75):
            words = f"{count} {unit}{'s' if unit == 'day' and count != 1 else ''}"
            return f"in {words}" if gap > timedelta(0) else f"{words} ago"
    return "just now"
