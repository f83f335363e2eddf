"""Effective dating: from when until when a state is in force, in whose local time, and which of several counts.

A manifest says where a document holds it (`valid`). A date without a time is local midnight; the end is exclusive, but
a bare date as end means "through that day". A time with an offset is a moment for everybody; one without is wall time
in the zone of the target that gets it. Wall times that a zone change skips are the first moment after it, repeated
ones the first or, where the manifest says so, the second; both ends follow the same rule, so periods that touch leave
no gap.

Of the states of one subject that are in force the one counts that began last; of two that began together the newer.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from runtime.domain import record_keys, schedule

_POINTER = {"type": "string", "pattern": "^(/[^/]+)+$"}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["zone"],
    "anyOf": [{"required": ["from"]}, {"required": ["until"]}],
    "properties": {
        "from": _POINTER,
        "until": _POINTER,
        "zone": {"type": "string", "minLength": 1},
        "zone_from": _POINTER,
        "of": {"type": "array", "items": _POINTER, "minItems": 1, "maxItems": 8, "uniqueItems": True},
        "withdrawn": _POINTER,
        "repeated": {"enum": ["first", "second"]},
    },
}
VERSION_SCHEMA: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["field", "unit"],
    "properties": {"field": {"type": "string", "minLength": 1}, "unit": {"enum": ["s", "ms", "us"]}},
}
PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000}
FOREVER = 9000  # a year from which on an end is open: 9999-12-31 is how many systems say "until further notice"
ALWAYS = 1900  # before this year a beginning is none
_ODATA = re.compile(r"/Date\((-?\d{1,15})([+-]\d+)?\)/\Z")
_NOTHING = re.compile(r"[0\-:T. ]*\Z")


class BadValidity(ValueError):
    """What is wrong with the dates of a document, for a person."""


class Valid(msgspec.Struct, frozen=True):
    """Where a document says when it is in force: JSON Pointers. `zone` is whose wall time counts, `zone_from` a member
    that names it, and a target's `zones` go before both. `of` names what the state is about, where the source's own key
    tells one state of it from another; without it the key is what it is about, and states differ by their beginning.
    `withdrawn`: a member that is true once the state does not count any more."""

    zone: str
    begins: str | None = msgspec.field(default=None, name="from")
    until: str | None = None
    zone_from: str | None = None
    of: list[str] = msgspec.field(default_factory=list)
    withdrawn: str | None = None
    repeated: str = "first"


class DatedVersion(msgspec.Struct, frozen=True):
    """A field of what is sent that orders states at the target. It is raised to the moment at which a state comes into
    force, so that a state that was changed long ago and counts again is not older there than the one that ended."""

    field: str
    unit: str

    def at_least(self, value: Any, moment: datetime) -> int:
        raised = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
        raised = raised * PER_SECOND[self.unit] // 1_000_000
        return max(value, raised) if isinstance(value, int) else raised


@dataclass(frozen=True, slots=True)
class Period:
    """`begins` and `ends` as `at_of` reads them: empty is open. `zone` is the document's own, empty without one."""

    begins: str = ""
    ends: str = ""
    zone: str = ""
    withdrawn: bool = False


@dataclass(frozen=True, slots=True)
class KnownState:
    """One state of a subject: `record` tells it from the others."""

    record: str
    period: Period
    version: int
    position: int


def read(valid: Valid, document: Any) -> Period:
    """The period of a document. Raises BadValidity."""
    begins = _wall(_member(document, valid.begins), end=False)
    ends = _wall(_member(document, valid.until), end=True)
    zone = _member(document, valid.zone_from)
    if zone is not None and (not isinstance(zone, str) or not known_zone(zone)):
        raise BadValidity(f"there is no time zone {str(zone)[:60]!r} ({valid.zone_from})")
    if begins and ends and at_of(begins, valid.zone) >= at_of(ends, valid.zone):
        raise BadValidity("it ends before it begins")
    return Period(begins, ends, zone or "", _member(document, valid.withdrawn) in (True, "true", "X"))


def subject(valid: Valid, document: Any) -> str:
    """What the state is about, where `of` says it. Raises BadValidity."""
    parts = [_member(document, pointer) for pointer in valid.of]
    if any(isinstance(part, bool) or not isinstance(part, str | int | Decimal) or part == "" for part in parts):
        raise BadValidity(f"what it is about ({', '.join(valid.of)}) is not there as text or number")
    return record_keys.joined([part if isinstance(part, str) else record_keys.number_text(part) for part in parts])


def zone_of(valid: Valid, period: Period, zones: Mapping[str, str], instance: str) -> str:
    """Whose wall time counts for this state at this instance of a target."""
    return zones.get(instance) or period.zone or valid.zone


def begins_at(period: Period, zone: str, repeated: str = "first") -> datetime | None:
    return at_of(period.begins, zone, repeated) if period.begins else None


def ends_at(period: Period, zone: str, repeated: str = "first") -> datetime | None:
    return at_of(period.ends, zone, repeated) if period.ends else None


def in_force(period: Period, at: datetime, zone: str, repeated: str = "first") -> bool:
    begins, ends = begins_at(period, zone, repeated), ends_at(period, zone, repeated)
    return not period.withdrawn and (begins is None or begins <= at) and (ends is None or at < ends)


def counting(
    states: Iterable[KnownState], at: datetime, zone: Callable[[Period], str], repeated: str = "first"
) -> KnownState | None:
    """The state that counts at a moment: in force, and begun last; then the newer version, then the later message."""
    best: tuple[tuple[datetime, int, int], KnownState] | None = None
    for state in states:
        where = zone(state.period)
        if not in_force(state.period, at, where, repeated):
            continue
        begun = begins_at(state.period, where, repeated) or datetime.min.replace(tzinfo=UTC)
        rank = (begun, state.version, state.position)
        if best is None or rank > best[0]:
            best = rank, state
    return None if best is None else best[1]


@lru_cache(maxsize=65_536)
def at_of(text: str, zone: str, repeated: str = "first") -> datetime:
    """The moment of a beginning or an end, as `read` wrote it, in UTC."""
    wall = datetime.fromisoformat(text)
    if wall.tzinfo is not None:
        return wall.astimezone(UTC)
    return schedule.moments_of(wall, ZoneInfo(zone), "shift", repeated)[0]


def known_zone(name: str) -> bool:
    return not schedule.problems("every 1h", name)


def problems(valid: Valid) -> list[tuple[str, str]]:
    """(member, sentence) for what a schema cannot say."""
    return [] if known_zone(valid.zone) else [("zone", f"there is no time zone {valid.zone!r}")]


def _member(document: Any, pointer: str | None) -> Any:
    if pointer is None:
        return None
    for part in _steps(pointer):
        if not isinstance(document, dict):
            return None
        document = document.get(part)
    return document


@lru_cache(maxsize=512)
def _steps(pointer: str) -> Sequence[str]:
    return tuple(part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:])


def _wall(value: Any, *, end: bool) -> str:
    """Wall time or moment as ISO 8601 text; empty where there is none. As an end, a bare date is the midnight after."""
    if value is None or (isinstance(value, str) and _NOTHING.match(value)):
        return ""
    if not isinstance(value, str):
        raise BadValidity(f"{str(value)[:40]!r} is no date: ISO 8601, YYYYMMDD or an OData V2 date are read")
    try:
        found, day = _moment(value.strip())
    except (ValueError, OverflowError):
        raise BadValidity(f"{value[:40]!r} is no date: ISO 8601, YYYYMMDD or an OData V2 date are read") from None
    if found.year >= FOREVER:
        if not end:
            raise BadValidity(f"it begins in the year {found.year}")
        return ""
    if found.year < ALWAYS:
        if end:
            raise BadValidity(f"it ended in the year {found.year}")
        return ""
    return (found + timedelta(days=1) if end and day else found).isoformat()


def _moment(text: str) -> tuple[datetime, bool]:
    """(the time, whether it is a bare date). An OData V2 date without offset has no zone: it is wall time, and at
    midnight a date."""
    if match := _ODATA.match(text):
        found = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=int(match[1]))
        if match[2] is not None:
            return found, False
        found = found.replace(tzinfo=None)
        return found, not (found.hour or found.minute or found.second or found.microsecond)
    if len(text) in (8, 10) and "T" not in text:
        return datetime.combine(date.fromisoformat(text), datetime.min.time()), True
    return datetime.fromisoformat(text), False
