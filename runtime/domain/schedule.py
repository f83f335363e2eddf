"""When a job is due. Local wall time in a zone, with a stated policy for the hours that a zone change skips or repeats.

    every 60s | every 15m | every 2h      fixed distance in UTC, from the epoch; zone changes do not touch it
    daily 06:30                           once a local day
    weekly mon 06:30                      once a local week
    30 6 * * 1-5                          five cron fields: minute hour day-of-month month day-of-week (0 and 7 are
    Sunday)

Skipped wall times (spring): `shift` runs at the first moment after the gap, `skip` leaves them out. Repeated wall times
(autumn): `first`, `second` or `both`. When both day fields of a cron are limited, either may match (POSIX crontab).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_EVERY = re.compile(r"every (\d{1,6})([smh])\Z")
_DAILY = re.compile(r"daily (\d{1,2}):(\d{2})\Z")
_WEEKLY = re.compile(r"weekly (mon|tue|wed|thu|fri|sat|sun) (\d{1,2}):(\d{2})\Z")
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_RANGES = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
_NAMES = ("minute", "hour", "day of month", "month", "day of week")
_SECONDS = {"s": 1, "m": 60, "h": 3600}
HORIZON = timedelta(days=366 * 8 + 2)  # 29 February of every leap year lies within


@dataclass(frozen=True, slots=True)
class Every:
    seconds: int


@dataclass(frozen=True, slots=True)
class Calendar:
    """Wall times: the days that match and the minutes of such a day."""

    minutes: tuple[time, ...]
    days_of_month: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]  # Monday is 0
    either_day: bool = False

    def on(self, day: date) -> bool:
        if day.month not in self.months:
            return False
        of_month, of_week = day.day in self.days_of_month, day.weekday() in self.weekdays
        return of_month or of_week if self.either_day else of_month and of_week


class BadSchedule(ValueError):
    """What is wrong, for a person."""


@lru_cache(maxsize=512)
def read(expression: str) -> Every | Calendar:
    """Raises BadSchedule."""
    text = " ".join(expression.lower().split())
    if match := _EVERY.match(text):
        seconds = int(match[1]) * _SECONDS[match[2]]
        if seconds < 1:
            raise BadSchedule("a distance is at least one second")
        return Every(seconds)
    every_day = (frozenset(range(1, 32)), frozenset(range(1, 13)))
    if match := _DAILY.match(text):
        return Calendar((_time(match[1], match[2]),), *every_day, frozenset(range(7)))
    if match := _WEEKLY.match(text):
        return Calendar((_time(match[2], match[3]),), *every_day, frozenset({_DAYS.index(match[1])}))
    return _cron(text)


def distance(text: str) -> timedelta:
    """A fixed distance as manifests write it: `60s`, `15m`, `2h`. Raises BadSchedule."""
    rule = read(f"every {text}")
    if not isinstance(rule, Every):
        raise BadSchedule(f"{text!r} is no distance such as 60s, 15m or 2h")
    return timedelta(seconds=rule.seconds)


def _time(hour: str, minute: str) -> time:
    try:
        return time(int(hour), int(minute))
    except ValueError:
        raise BadSchedule(f"{hour}:{minute} is not a time of day") from None


def _cron(text: str) -> Calendar:
    fields = text.split(" ")
    if len(fields) != 5:
        raise BadSchedule(f"{text!r} is none of: every 15m, daily 06:30, weekly mon 06:30, or five cron fields")
    minutes, hours, days, months, weekdays = (
        _field(f, *r, name) for f, r, name in zip(fields, _RANGES, _NAMES, strict=True)
    )
    times = tuple(time(h, m) for h in sorted(hours) for m in sorted(minutes))
    week = frozenset((day - 1) % 7 for day in weekdays)
    return Calendar(times, days, months, week, either_day=fields[2] != "*" and fields[4] != "*")


def _field(text: str, low: int, high: int, name: str) -> frozenset[int]:
    found: set[int] = set()
    for part in text.split(","):
        match = re.fullmatch(r"(\*|\d{1,2})(?:-(\d{1,2}))?(?:/(\d{1,2}))?", part)
        if match is None or (match[1] == "*" and match[2]):
            raise BadSchedule(f"{part!r} is not a {name}")
        start, end = (
            (low, high) if match[1] == "*" else (int(match[1]), int(match[2] or (high if match[3] else match[1])))
        )
        step = int(match[3] or 1)
        if not (low <= start <= end <= high) or step < 1:
            raise BadSchedule(f"{part!r} is not a {name} between {low} and {high}")
        found.update(range(start, end + 1, step))
    return frozenset(found)


def problems(expression: str, zone: str) -> list[str]:
    """What is wrong with a schedule, as sentences; empty when nothing is."""
    found: list[str] = []
    try:
        read(expression)
    except BadSchedule as error:
        found.append(str(error))
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        found.append(f"there is no time zone {zone!r}")
    return found


def following(
    expression: str, zone: str, after: datetime, *, skipped: str = "shift", repeated: str = "first"
) -> datetime | None:
    """The first due moment after `after`, in UTC; None when there is none within eight years (31 February)."""
    return next(occurrences(expression, zone, after, skipped=skipped, repeated=repeated), None)


def occurrences(
    expression: str, zone: str, after: datetime, *, skipped: str = "shift", repeated: str = "first"
) -> Iterator[datetime]:
    """Due moments after `after`, ascending, each once."""
    rule = read(expression)
    if isinstance(rule, Every):
        moment = datetime.fromtimestamp((int(after.timestamp()) // rule.seconds + 1) * rule.seconds, UTC)
        while True:
            yield moment
            moment += timedelta(seconds=rule.seconds)
    local, last = ZoneInfo(zone), after.astimezone(UTC)
    day = last.astimezone(local).date() - timedelta(days=1)
    while day <= (last + HORIZON).date():
        if rule.on(day):
            moments = {
                m for wall in rule.minutes for m in moments_of(datetime.combine(day, wall), local, skipped, repeated)
            }
            for moment in sorted(moments):
                if moment > last:
                    yield moment
                    last = moment
        day += timedelta(days=1)


def moments_of(wall: datetime, zone: ZoneInfo, skipped: str, repeated: str) -> list[datetime]:
    """UTC moments of a wall time: none or one where it is skipped, one or two where it is repeated (PEP 495)."""
    first, second = (wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    if first == second:
        return [first]
    exists = first.astimezone(zone).replace(tzinfo=None) == wall
    if not exists:
        return [] if skipped == "skip" else [_end_of_gap(wall, zone)]
    return {"first": [first], "second": [second], "both": [first, second]}[repeated]


def _end_of_gap(wall: datetime, zone: ZoneInfo) -> datetime:
    """The first moment after the change that skipped this wall time. fold=1 reads it with the offset after, so it lies
    before the change."""
    low = wall.replace(tzinfo=zone, fold=1).astimezone(UTC)
    high = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    before = low.astimezone(zone).utcoffset()
    while high - low > timedelta(seconds=1):
        middle = low + (high - low) / 2
        if middle.astimezone(zone).utcoffset() == before:
            low = middle
        else:
            high = middle
    return high.replace(microsecond=0)
