"""Freeze windows: a document in local time, compiled to half-open UTC intervals.

Daylight saving: a local time that is skipped in spring means the first moment after the gap. A local time that occurs
twice in autumn means the first occurrence for a start and the second for an end, so that a freeze is never shorter
than written.

Documents (`zone` is an IANA name, times are `HH:MM`):
- `{"kind": "once", "zone", "from": "2026-11-23T18:00", "until": "2026-12-01T06:00"}`
- `{"kind": "weekly", "zone", "days": ["fri", "sat"], "from": "16:00", "until": "06:00"}`; an `until` that is not
  later than `from` is on the next day; `"hours"` instead of `until` allows more than a day
- `{"kind": "retail_weeks", "zone", "weeks": [43, 44], "from": "00:00", "until": "00:00"}` from the first week's
  Sunday to after the last of each unbroken run, in every retail year
- `{"kind": "period_close", "zone", "days_before": 2, "days_after": 3, "from": "18:00", "until": "06:00", "calendar":
  "gregorian" | "454"}` around the end of each month
- `{"kind": "dates", "zone", "dates": ["2027-01-15"], "from": "00:00", "until": "00:00"}` such as stock-takes
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from governance.domain import retail_calendar
from kernel.errors import Invalid, finding

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
KINDS = ("once", "weekly", "retail_weeks", "period_close", "dates")
KEYS = {
    "once": ("kind", "zone", "from", "until"),
    "weekly": ("kind", "zone", "days", "from", "until", "hours"),
    "retail_weeks": ("kind", "zone", "weeks", "from", "until"),
    "period_close": ("kind", "zone", "days_before", "days_after", "from", "until", "calendar"),
    "dates": ("kind", "zone", "dates", "from", "until"),
}
MAX_HORIZON = timedelta(days=3700)
OF_STORES = ("channel", "banner", "region", "store_zone")
"""The dimensions of a scope that a store has, and an environment only by its stores."""
DIMENSIONS = ("environment", "tier", "domain", "system", *OF_STORES)
LATER = ("region", "store_zone")
"""Dimensions that came later: a document that does not use them does not name them, and keeps its digest."""


@dataclass(frozen=True, slots=True, order=True)
class Interval:
    """`[starts, ends)` in UTC."""

    starts: datetime
    ends: datetime


@dataclass(frozen=True, slots=True)
class FreezeScope:
    """What a change or a job belongs to. A freeze window covers unknown values (None) too."""

    environment: str
    tier: int | None
    domain: str | None
    systems: tuple[str, ...] = ()
    domains: tuple[str, ...] = ()  # instead of `domain`, where there are several and all are known
    fleet: bool | None = None  # whether the environment has stores

    @classmethod
    def of_facts(cls, environment: str, facts: Mapping[str, Any], *, fleet: bool | None) -> FreezeScope:
        """The scope of a change, from what was stored of its facts."""
        domains = tuple(facts.get("domains") or ())
        domain = facts.get("domain") if not domains else None
        systems = tuple(facts.get("systems") or ())
        return cls(environment, facts.get("tier"), domain, systems, domains=domains, fleet=fleet)


@dataclass(frozen=True, slots=True)
class FreezeReach:
    """By dimension the values that something has; None where it may have any, or nobody knows. A window that names
    another value of one dimension bears on nothing of it, so its calendar need not be looked at. `tier` is the most
    critical one."""

    environments: tuple[str, ...] | None = None
    tier: int | None = None
    domains: tuple[str, ...] | None = None
    systems: tuple[str, ...] | None = None
    channels: tuple[str, ...] | None = None
    banners: tuple[str, ...] | None = None
    regions: tuple[str, ...] | None = None
    store_zones: tuple[str, ...] | None = None

    @classmethod
    def of_scope(cls, scope: FreezeScope) -> FreezeReach:
        """No less than `covers` goes by."""
        of_stores = () if scope.fleet is False else None
        one_domain = None if scope.domain is None else (scope.domain,)
        return cls(
            (scope.environment,),
            scope.tier,
            scope.domains or one_domain,
            scope.systems or None,
            *(of_stores,) * len(OF_STORES),
        )


EVERYTHING = FreezeReach()


def covers(window: dict[str, Any], scope: FreezeScope) -> bool:
    """Whether a window applies to this scope. None in one of its dimensions means all. A change goes to a whole
    environment: to every store of a fleet, and to none where the environment has no stores.
    """
    if window.get("environment") not in (None, scope.environment):
        return False
    if window.get("tier") is not None and scope.tier is not None and scope.tier > window["tier"]:
        return False
    if window.get("system") is not None and scope.systems and window["system"] not in scope.systems:
        return False
    if scope.domains and window.get("domain") is not None and window["domain"] not in scope.domains:
        return False
    if scope.fleet is False and any(window.get(key) is not None for key in OF_STORES):
        return False
    return window.get("domain") is None or scope.domain in (None, window["domain"])


def local(moment: datetime, zone: ZoneInfo, *, end: bool) -> datetime:
    """A naive local time as UTC, by the policy above."""
    early, late = moment.replace(tzinfo=zone, fold=0), moment.replace(tzinfo=zone, fold=1)
    if early.utcoffset() == late.utcoffset():
        return early.astimezone(UTC)
    exists = early.astimezone(UTC).astimezone(zone).replace(tzinfo=None) == moment
    if exists:
        return (late if end else early).astimezone(UTC)
    return _after_gap(moment, zone)


def _after_gap(moment: datetime, zone: ZoneInfo) -> datetime:
    """The moment at which clocks jump over this local time: the transition lies between the two readings."""
    low = min(moment.replace(tzinfo=zone, fold=f).astimezone(UTC) for f in (0, 1))
    high = max(moment.replace(tzinfo=zone, fold=f).astimezone(UTC) for f in (0, 1))
    before = low.astimezone(zone).utcoffset()
    while high - low > timedelta(seconds=1):
        middle = low + (high - low) / 2
        if middle.astimezone(zone).utcoffset() == before:
            low = middle
        else:
            high = middle
    return high.replace(microsecond=0)


@functools.cache
def _zones() -> frozenset[str]:
    """The names of places; `localtime` is whatever the machine says, and another one on the next machine."""
    return frozenset(available_timezones() - {"localtime", "Factory", "posixrules"})


def is_zone(value: Any) -> bool:
    """Whether stores can have this zone: an IANA name."""
    return value in _zones()


def validate(document: Any) -> None:
    """Raises Invalid `freeze.calendar` with findings."""
    found: list[dict[str, Any]] = []
    if not isinstance(document, dict) or document.get("kind") not in KINDS:
        raise Invalid(
            "freeze.calendar",
            f"A calendar is an object of one of the kinds {', '.join(KINDS)}.",
            {"findings": [finding("/kind", "unknown kind")]},
        )
    try:
        if not isinstance(document.get("zone"), str) or document["zone"] not in _zones():
            raise ValueError
        ZoneInfo(document["zone"])
    except (ZoneInfoNotFoundError, ValueError, OSError):
        found.append(finding("/zone", "an IANA time zone such as Europe/Berlin"))
    found += [finding(f"/{key}", _unknown_key(key, document)) for key in document if key not in KEYS[document["kind"]]]
    if not found:
        try:
            list(_spans(document, date(2024, 1, 1), date(2026, 1, 1)))
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            found.append(finding("", f"cannot be read: {type(error).__name__} {error}"))
    if not found and document.get("calendar", "gregorian") not in ("gregorian", "454"):
        found.append(finding("/calendar", "gregorian or 454"))
    if not found and document["kind"] == "weekly" and ("hours" in document) == ("until" in document):
        found.append(finding("/until", "either until or hours"))
    if not found and document["kind"] == "once" and not _once(document)[0] < _once(document)[1]:
        found.append(finding("/until", "later than from"))
    if found:
        raise Invalid(
            "freeze.calendar", f"The calendar of the freeze cannot be used: {found[0]['message']}.", {"findings": found}
        )


def _unknown_key(key: str, document: Mapping[str, Any]) -> str:
    return f"unknown key; a calendar of the kind {document['kind']} has {', '.join(KEYS[document['kind']])}"


def is_over(document: Mapping[str, Any], now: datetime) -> bool:
    """Whether a calendar without repetition lies wholly in the past."""
    if document["kind"] not in ("once", "dates"):
        return False
    zone = ZoneInfo(document["zone"])
    return all(local(ends, zone, end=True) <= now for _, ends in _spans(dict(document), date.min, date.max))


def compile_intervals(document: dict[str, Any], *, start: datetime, end: datetime) -> list[Interval]:
    """Every interval that touches `[start, end)`, sorted, overlapping or touching ones joined."""
    if end - start > MAX_HORIZON:
        raise ValueError("the horizon is at most ten years")
    zone = ZoneInfo(document["zone"])
    margin = timedelta(days=62)
    made = []
    for begins, ends in _spans(document, (start - margin).date(), (end + margin).date()):
        made.append(Interval(local(begins, zone, end=False), local(ends, zone, end=True)))
    joined: list[Interval] = []
    for interval in sorted(i for i in made if i.starts < i.ends and i.starts < end and i.ends > start):
        if joined and interval.starts <= joined[-1].ends:
            joined[-1] = Interval(joined[-1].starts, max(joined[-1].ends, interval.ends))
        else:
            joined.append(interval)
    return joined


UNREADABLE = Interval(datetime.min.replace(tzinfo=UTC), datetime.min.replace(tzinfo=UTC))


@functools.lru_cache(maxsize=4096)
def _compiled_around(calendar: str, day: date) -> tuple[Interval, ...] | None:
    start = datetime.combine(day, time(0), UTC) - timedelta(days=1)
    try:
        return tuple(compile_intervals(json.loads(calendar), start=start, end=start + timedelta(days=40)))
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, ZoneInfoNotFoundError, OSError):
        return None


def compiled_at(calendar: str, moment: datetime) -> Interval | None:
    """The occurrence of a calendar (as JSON text) that is open at this moment, whatever was compiled before; None where
    there is none; UNREADABLE where the calendar cannot be read.
    """
    found = _compiled_around(calendar, moment.astimezone(UTC).date())
    if found is None:
        return UNREADABLE
    return next((one for one in found if one.starts <= moment < one.ends), None)


def _clock(text: Any) -> time:
    if not isinstance(text, str) or len(text) != 5:
        raise ValueError(f"a time is HH:MM, not {text!r}")
    return time.fromisoformat(text)


def _once(document: dict[str, Any]) -> tuple[datetime, datetime]:
    begins, ends = datetime.fromisoformat(document["from"]), datetime.fromisoformat(document["until"])
    if begins.tzinfo or ends.tzinfo:
        raise ValueError("times are local; the zone stands beside them")
    return begins, ends


def _spans(document: dict[str, Any], first: date, last: date) -> Iterator[tuple[datetime, datetime]]:
    """Naive local spans whose start lies near `[first, last]`."""
    match document["kind"]:
        case "once":
            yield _once(document)
        case "weekly":
            yield from _weekly(document, first, last)
        case "retail_weeks":
            yield from _retail_weeks(document, first, last)
        case "period_close":
            yield from _period_close(document, first, last)
        case "dates":
            begins, ends = _clock(document["from"]), _clock(document["until"])
            if not document["dates"]:
                raise ValueError("at least one date")
            for text in document["dates"]:
                day = date.fromisoformat(text)
                yield (
                    datetime.combine(day, begins),
                    datetime.combine(day if ends > begins else day + timedelta(days=1), ends),
                )


def _weekly(document: dict[str, Any], first: date, last: date) -> Iterator[tuple[datetime, datetime]]:
    days = {DAYS.index(day) for day in document["days"]}
    begins = _clock(document["from"])
    if not days:
        raise ValueError("at least one day")
    hours = document.get("hours")
    if hours is not None and not (_whole(hours) and 1 <= hours <= 168):
        raise ValueError("hours is 1 to 168")
    ends = None if hours else _clock(document["until"])
    day = first
    while day <= last:
        if day.weekday() in days:
            start = datetime.combine(day, begins)
            if ends is None:
                yield start, start + timedelta(hours=hours or 0)
            else:
                yield start, datetime.combine(day if ends > begins else day + timedelta(days=1), ends)
        day += timedelta(days=1)


def _retail_weeks(document: dict[str, Any], first: date, last: date) -> Iterator[tuple[datetime, datetime]]:
    """Weeks that follow one another are one unbroken span, across the turn of the retail year too."""
    begins, ends = _clock(document["from"]), _clock(document["until"])
    weeks = document["weeks"]
    if not isinstance(weeks, list) or not weeks or not all(_whole(w) and 1 <= w <= 53 for w in weeks):
        raise ValueError("weeks are 1 to 53")
    chosen = {
        retail_calendar.week_start(year, week)
        for year in range(first.year - 2, last.year + 2)
        for week in weeks
        if week <= retail_calendar.weeks_in(year)
    }
    for start in sorted(chosen):
        after = start + timedelta(days=7)
        yield (
            datetime.combine(start, begins if start - timedelta(days=7) not in chosen else time(0)),
            datetime.combine(after, ends if after not in chosen else time(0)),
        )


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _period_close(document: dict[str, Any], first: date, last: date) -> Iterator[tuple[datetime, datetime]]:
    begins, ends = _clock(document["from"]), _clock(document["until"])
    before, after = document["days_before"], document["days_after"]
    if (
        not all(isinstance(d, int) and not isinstance(d, bool) and 0 <= d <= 14 for d in (before, after))
        or before + after == 0
    ):
        raise ValueError("days_before and days_after are 0 to 14 and not both 0")
    for year in range(first.year - 1, last.year + 1):
        for month in range(1, 13):
            if document.get("calendar", "gregorian") == "454":
                next_period = retail_calendar.month_span(year, month)[1]
            else:
                next_period = date(year + month // 12, month % 12 + 1, 1)
            start, end = next_period - timedelta(days=before), next_period + timedelta(days=after)
            if datetime.combine(end, ends) <= datetime.combine(start, begins):
                raise ValueError("the window ends before it starts")
            yield datetime.combine(start, begins), datetime.combine(end, ends)
