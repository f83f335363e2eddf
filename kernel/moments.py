"""Times that programs write. A time carries its zone, as `date-time` of RFC 3339 says: a clock without one is another
moment in each office. A day (`date`) is a day of UTC.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

from rest_framework import serializers

EXAMPLE = "2026-11-23T18:00:00+01:00"
WITH_ZONE = f"Give a time with its zone, such as {EXAMPLE} or 2026-11-23T17:00:00Z."


def read(value: Any) -> datetime | None:
    """A time written as ISO 8601 with its zone, as it is written; None for anything else, one without a zone too, and
    one that is no moment of UTC."""
    try:
        made = value if isinstance(value, datetime) else datetime.fromisoformat(value)
        return made if made.tzinfo is not None and made.astimezone(UTC) else None
    except (TypeError, ValueError, OverflowError):
        return None


def read_or_day(value: Any) -> datetime | None:
    """The same, or a day, which begins at midnight UTC."""
    if isinstance(value, date) and not isinstance(value, datetime):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    if isinstance(value, str):
        try:
            return read_or_day(date.fromisoformat(value))
        except ValueError:
            return read(value)
    return read(value)


class MomentField(serializers.DateTimeField):
    """A time in the body of a call."""

    def __init__(self, **more: Any) -> None:
        super().__init__(**more)
        self.error_messages = self.error_messages | {"invalid": WITH_ZONE, "date": WITH_ZONE}

    def enforce_timezone(self, value: datetime) -> datetime:
        if value.tzinfo is None:
            self.fail("invalid")
        return super().enforce_timezone(value)
