"""Opening hours of a source that hands in: outside of them silence is no news, and time does not count."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_TIME = {"type": "string", "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9]$"}
SCHEMA = {
    "type": "object",
    "required": ["opens", "closes", "zone"],
    "additionalProperties": False,
    "properties": {
        "opens": _TIME,
        "closes": _TIME,
        "zone": {"type": "string", "minLength": 1},
        "days": {"type": "array", "items": {"enum": list(DAYS)}, "minItems": 1, "uniqueItems": True},
    },
}
FARTHEST = 400  # days that are looked at; silence is longer only where nobody looks any more


class OpenHours(msgspec.Struct, frozen=True):
    """From `opens` until `closes` in local time of `zone`, on these days; a time that closes before it opens closes on
    the next day."""

    opens: str
    closes: str
    zone: str
    days: list[str] = msgspec.field(default_factory=lambda: list(DAYS))

    def problem(self) -> str:
        """Why they cannot be used; empty where they can."""
        try:
            ZoneInfo(self.zone)
        except (ValueError, OSError, KeyError):
            return f"there is no time zone {self.zone!r}"
        return "" if self.opens != self.closes else "they close when they open; leave the hours out for all day"

    def counted(self, since: datetime, until: datetime) -> timedelta:
        """How much of the time between two moments lies within the hours."""
        spans = ((max(begins, since), min(ends, until)) for begins, ends in self._spans(since, until))
        return sum((ends - begins for begins, ends in spans if ends > begins), timedelta(0))

    def after(self, since: datetime, time_open: timedelta) -> datetime:
        """The moment at which so much time within the hours has passed."""
        left = time_open
        for begins, ends in self._spans(since, since + timedelta(days=FARTHEST)):
            begins = max(begins, since)
            if ends > begins:
                if begins + left <= ends:
                    return begins + left
                left -= ends - begins
        return since + timedelta(days=FARTHEST)

    def _spans(self, since: datetime, until: datetime) -> Iterator[tuple[datetime, datetime]]:
        zone = ZoneInfo(self.zone)
        day, last = since.astimezone(zone).date() - timedelta(days=1), until.astimezone(zone).date()
        for _ in range(FARTHEST + 2):
            if day > last:
                return
            if DAYS[day.weekday()] in self.days:
                closes_on = day if self.closes > self.opens else day + timedelta(days=1)
                yield _moment(day, self.opens, zone), _moment(closes_on, self.closes, zone)
            day += timedelta(days=1)


def hours_of(given: Any) -> OpenHours | None:
    """As they stand in a manifest, or in JSON text of it."""
    if isinstance(given, str | bytes):
        return msgspec.json.decode(given, type=OpenHours)
    return None if given is None else msgspec.convert(given, OpenHours)


def _moment(day: date, at: str, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time.fromisoformat(at), zone).astimezone(UTC)
