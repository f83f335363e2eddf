"""R9: freezes and schedules over every zone change of the years 2020 to 2035, beside a second computation.

The second one knows a zone only as a list of segments `[starts, ends)` in UTC, each with one offset, read off by asking
what a clock shows at a moment. Which moments show a wall time then is plain arithmetic; nothing of it uses `fold`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from itertools import pairwise, takewhile, zip_longest
from zoneinfo import ZoneInfo, available_timezones

import pytest

from governance.domain.freeze import compile_intervals, compiled_at
from runtime.domain.schedule import occurrences

BEGINS, ENDS = datetime(2020, 1, 1, tzinfo=UTC), datetime(2036, 1, 1, tzinfo=UTC)
STEP = timedelta(hours=12)  # with 3 hours the same 1,120 changes of 49 zones are found, in four times the time
AWKWARD = ("Africa/Cairo", "America/Nuuk", "America/Santiago", "Antarctica/Troll", "Australia/Lord_Howe", "Asia/Beirut")
AROUND = (-61, -60, -30, -1, 0, 1, 30, 60, 61)
LENGTHS = (1, 60, 24 * 60)
POLICIES = (("shift", "first"), ("shift", "second"), ("skip", "both"))


@dataclass(frozen=True)
class Segment:
    starts: datetime
    ends: datetime
    offset: timedelta

    def moment(self, wall: datetime) -> datetime | None:
        found = (wall - self.offset).replace(tzinfo=UTC)
        return found if self.starts <= found < self.ends else None


def offset_at(zone: ZoneInfo, moment: datetime) -> timedelta:
    shown = moment.astimezone(zone).replace(tzinfo=UTC)
    return shown - moment


def segments_of(name: str, begins: datetime, ends: datetime) -> list[Segment]:
    zone, found = ZoneInfo(name), []
    start, here, offset = begins, begins, offset_at(ZoneInfo(name), begins)
    while here < ends:
        later = min(here + STEP, ends)
        if offset_at(zone, later) != offset:
            low, high = here, later
            while high - low > timedelta(seconds=1):
                middle = (low + (high - low) / 2).replace(microsecond=0)
                low, high = (middle, high) if offset_at(zone, middle) == offset else (low, middle)
            found.append(Segment(start, high, offset))
            start, offset, later = high, offset_at(zone, high), high
        here = later
    return [*found, Segment(start, ends + timedelta(days=999), offset)]


def moments(segments: list[Segment], wall: datetime) -> list[datetime]:
    return [moment for segment in segments if (moment := segment.moment(wall)) is not None]


def after_gap(segments: list[Segment], wall: datetime) -> datetime:
    shown = wall.replace(tzinfo=UTC)
    return next(s.starts for s in segments[1:] if s.starts + s.offset > shown)


def freeze_edge(segments: list[Segment], wall: datetime, *, end: bool) -> datetime:
    found = moments(segments, wall)
    return (max(found) if end else min(found)) if found else after_gap(segments, wall)


def due(segments: list[Segment], wall: datetime, skipped: str, repeated: str) -> list[datetime]:
    found = sorted(moments(segments, wall))
    if not found:
        return [] if skipped == "skip" else [after_gap(segments, wall)]
    return found if repeated == "both" else [found[0] if repeated == "first" else found[-1]]


def changes_of(segments: list[Segment]) -> Iterator[tuple[list[Segment], datetime, datetime]]:
    """Each change with the segments around it, and the two wall times between which it jumps."""
    for number, (before, after) in enumerate(pairwise(segments)):
        near = segments[max(0, number - 1) : number + 3]
        shown = [(after.starts + offset).replace(tzinfo=None) for offset in (before.offset, after.offset)]
        yield near, shown[0], shown[1]


def walls(first: datetime, second: datetime) -> list[datetime]:
    return sorted({edge + timedelta(minutes=m) for edge in (first, second) for m in AROUND})


def compiled(document: dict[str, object], around: datetime) -> list[tuple[datetime, datetime]]:
    day = timedelta(days=5)
    found = compile_intervals(document, start=around - day, end=around + day)
    return [(one.starts, one.ends) for one in found]


def at_the_gate(document: dict[str, object], said: tuple[datetime, datetime]) -> list[bool]:
    """Whether a verdict finds the freeze open: the moment before it begins, from then on, until its end, and then."""
    text, moment = json.dumps(document), timedelta(microseconds=1)
    edges = (said[0] - moment, said[0], said[1] - moment, said[1])
    return [compiled_at(text, edge) is not None for edge in edges]


def joined(spans: list[tuple[datetime, datetime]]) -> list[tuple[datetime, datetime]]:
    made: list[tuple[datetime, datetime]] = []
    for starts, ends in sorted(span for span in spans if span[0] < span[1]):
        if made and starts <= made[-1][1]:
            made[-1] = (made[-1][0], max(made[-1][1], ends))
        else:
            made.append((starts, ends))
    return made


def check_freezes(name: str, near: list[Segment], first: datetime, second: datetime) -> int:
    tried, around = 0, first.replace(tzinfo=UTC)
    for begins in walls(first, second):
        for minutes in LENGTHS:
            ends = begins + timedelta(minutes=minutes)
            document = {"kind": "once", "zone": name, "from": f"{begins:%Y-%m-%dT%H:%M}"} | {
                "until": f"{ends:%Y-%m-%dT%H:%M}"
            }
            said = (
                freeze_edge(near, datetime.fromisoformat(str(document["from"])), end=False),
                freeze_edge(near, datetime.fromisoformat(str(document["until"])), end=True),
            )
            assert compiled(document, around) == joined([said]), (name, document)
            assert at_the_gate(document, said) == [False, said[0] < said[1], said[0] < said[1], False], (name, document)
            tried += 1
    return tried


def check_weekly(name: str, near: list[Segment], first: datetime, second: datetime) -> int:
    """The same day of each week, and every day, in the minutes around the change."""
    around, tried = first.replace(tzinfo=UTC), 0
    for begins, ends in ((first.time(), second.time()), (second.time(), first.time()), (time(0), time(0))):
        begins, ends = begins.replace(second=0), ends.replace(second=0)
        document = {"kind": "weekly", "zone": name, "days": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]} | {
            "from": f"{begins:%H:%M}",
            "until": f"{ends:%H:%M}",
        }
        spans = []
        for n in range(-8, 9):
            day = first.date() + timedelta(days=n)
            till = datetime.combine(day if ends > begins else day + timedelta(days=1), ends)
            starts = freeze_edge(near, datetime.combine(day, begins), end=False)
            spans.append((starts, freeze_edge(near, till, end=True)))
        margin = timedelta(days=3)
        wanted = [s for s in joined(spans) if s[1] > around - margin and s[0] < around + margin]
        found = [s for s in compiled(document, around) if s[1] > around - margin and s[0] < around + margin]
        clip = [(max(a, around - margin), min(b, around + margin)) for a, b in wanted]
        assert [(max(a, around - margin), min(b, around + margin)) for a, b in found] == clip, (name, document)
        tried += 1
    return tried


def check_schedules(name: str, near: list[Segment], first: datetime, second: datetime) -> int:
    around, tried = first.replace(tzinfo=UTC), 0
    since, until = around - timedelta(hours=40), around + timedelta(hours=40)
    days = [first.date() + timedelta(days=n) for n in range(-4, 5)]
    quarters = [time(h, m) for h in range(24) for m in (0, 15, 30, 45)]
    cases = [(f"daily {wall:%H:%M}", [wall.time().replace(second=0)]) for wall in walls(first, second)[::3]]
    for expression, times in [*cases, ("*/15 * * * *", quarters)]:
        for skipped, repeated in POLICIES:
            wanted = {
                m for day in days for at in times for m in due(near, datetime.combine(day, at), skipped, repeated)
            }
            fired = occurrences(expression, name, since, skipped=skipped, repeated=repeated)
            found = takewhile(lambda moment: moment <= until, fired)
            for a, b in zip_longest(found, sorted(m for m in wanted if since < m <= until)):
                assert a == b, (name, expression, skipped, repeated)
            tried += 1
    return tried


@cache
def zones() -> dict[str, list[Segment]]:
    """One zone for each different list of changes in these years; those without a change are left out."""
    different: dict[tuple[tuple[datetime, timedelta], ...], str] = {}
    made = {}
    for name in sorted(available_timezones() - {"localtime", "Factory", "posixrules"}):
        segments = segments_of(name, BEGINS, ENDS)
        known = tuple((segment.starts, segment.offset) for segment in segments)
        if len(segments) > 1 and known not in different:
            different[known] = name
            made[name] = segments
    return made


@pytest.mark.parametrize("name", AWKWARD)
def test_freezes_and_schedules_around_the_changes_of_two_years(name: str) -> None:
    segments = segments_of(name, datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 6, 1, tzinfo=UTC))
    assert len(segments) >= 3
    for near, first, second in changes_of(segments):
        for check in (check_freezes, check_weekly, check_schedules):
            assert check(name, near, first, second)


@pytest.mark.thorough
def test_freezes_and_schedules_over_every_zone_change_from_2020_to_2035() -> None:
    changes = tried = 0
    for name, segments in zones().items():
        for near, first, second in changes_of(segments):
            changes += 1
            tried += check_freezes(name, near, first, second)
            tried += check_weekly(name, near, first, second) + check_schedules(name, near, first, second)
    assert len(zones()) >= 45
    assert changes >= 600
    assert tried >= 30_000


def test_a_day_that_does_not_exist_begins_with_the_next_one() -> None:
    """Samoa went from 29 to 31 December 2011."""
    gap = date(2011, 12, 30)
    document = {"kind": "dates", "zone": "Pacific/Apia", "dates": [f"{gap}"], "from": "08:00", "until": "20:00"}
    around = datetime(2011, 12, 30, 10, tzinfo=UTC)
    assert compiled(document, around) == []
    document |= {"until": "07:00"}
    assert compiled(document, around) == [(around, around + timedelta(hours=7))]
    fired = occurrences("daily 08:00", "Pacific/Apia", around - timedelta(hours=20))
    assert next(fired) == datetime(2011, 12, 29, 18, tzinfo=UTC)
    assert [next(fired), next(fired)] == [around, around + timedelta(hours=8)]
