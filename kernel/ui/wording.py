"""Numbers, durations and distances in time as people read them. Plain Python, without HTML."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from kernel.counts import CountedSoFar


def number(value: Any) -> str:
    """12041 as "12,041"; decimals keep their digits; None is "unknown"; a count that ended is "more than 10,000"."""
    if isinstance(value, CountedSoFar):
        return f"more than {int(value):,}"
    if value is None or value == "":
        return "unknown"
    return f"{value:,}" if isinstance(value, int | float | Decimal) else str(value)


def counted(count: int, noun: str, plural: str = "") -> str:
    """A number with its noun: "1 check", "2,041 checks", `counted(2, "entry", "entries")`."""
    return f"{number(count)} {noun if count == 1 else plural or noun + 's'}"


def duration(value: timedelta | float | int | None) -> str:
    """Seconds or a timedelta in at most two units: "12 min", "1 h 5 min", "3 days". None is "unknown"."""
    if value is None:
        return "unknown"
    seconds = value.total_seconds() if isinstance(value, timedelta) else float(value)
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f}".rstrip("0").rstrip(".") + " s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, rest = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {rest} min" if rest and hours < 10 else f"{hours} h"
    return f"{round(hours / 24)} days"


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


def zone_of(at: datetime) -> str:
    """The short name of a time's zone: "CET", "UTC"; where the zone has none, its distance: "UTC-03"."""
    name = at.tzname() or ""
    return f"UTC{name}" if name[:1] in "+-" else name
