"""One clock, so that tests and simulations can set it. Always zone-aware UTC."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime

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
