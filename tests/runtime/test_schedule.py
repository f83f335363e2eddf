"""Schedules over zone changes, by an oracle that walks every minute."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

import pytest

from runtime.domain.schedule import following, occurrences, problems, read

BERLIN = "Europe/Berlin"


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def test_every_keeps_its_distance_over_a_zone_change() -> None:
    moments = list(islice(occurrences("every 30m", BERLIN, at("2026-03-29T00:10:00+00:00")), 6))
    assert {b - a for a, b in pairwise(moments)} == {timedelta(minutes=30)}


def test_a_skipped_hour_runs_at_the_first_moment_after_or_not_at_all() -> None:
    day = at("2026-03-28T12:00:00+00:00")
    assert following("daily 02:30", BERLIN, day) == at("2026-03-29T01:00:00+00:00")
    assert following("daily 02:30", BERLIN, day, skipped="skip") == at("2026-03-30T00:30:00+00:00")


@pytest.mark.parametrize(
    ("policy", "expected"), [("first", ["00:30"]), ("second", ["01:30"]), ("both", ["00:30", "01:30"])]
)
def test_a_repeated_hour_follows_its_policy(policy: str, expected: list[str]) -> None:
    found = list(islice(occurrences("daily 02:30", BERLIN, at("2026-10-24T12:00:00+00:00"), repeated=policy), 3))
    on_the_day = [m.strftime("%H:%M") for m in found if m.date().isoformat() == "2026-10-25"]
    assert on_the_day == expected


@pytest.mark.parametrize(
    "zone",
    [
        "Europe/Berlin",
        "America/New_York",
        "Australia/Lord_Howe",
        "America/Sao_Paulo",
        "Asia/Tehran",
        "Africa/Casablanca",
    ],
)
def test_daily_fires_exactly_once_a_local_day_from_2020_to_2035(zone: str) -> None:
    start, end = datetime(2020, 1, 1, tzinfo=UTC), datetime(2036, 1, 1, tzinfo=UTC)
    fired: dict[str, int] = {}
    for moment in occurrences("daily 02:15", zone, start):
        if moment >= end:
            break
        fired[moment.astimezone(ZoneInfo(zone)).date().isoformat()] = (
            fired.get(moment.astimezone(ZoneInfo(zone)).date().isoformat(), 0) + 1
        )
    assert set(fired.values()) == {1}
    assert abs(len(fired) - (end - start).days) <= 1


def test_cron_agrees_with_a_walk_over_every_minute() -> None:
    zone = ZoneInfo("America/New_York")
    start = datetime(2026, 10, 30, tzinfo=UTC)
    expected, moment = [], start
    while moment < start + timedelta(days=5):
        moment += timedelta(minutes=1)
        wall = moment.astimezone(zone)
        if (
            wall.minute in (0, 20, 40)
            and wall.hour in (1, 13)
            and (wall.day == 1 or wall.weekday() == 0)
            and wall.fold == 0
        ):
            expected.append(moment)
    found = [
        m
        for m in islice(occurrences("*/20 1,13 1 * 1", "America/New_York", start), 40)
        if m <= start + timedelta(days=5)
    ]
    assert found == expected


@pytest.mark.parametrize(
    "text", ["", "daily 25:00", "every 0s", "* * *", "61 * * * *", "1-0 * * * *", "weekly foo 06:30"]
)
def test_nonsense_is_named(text: str) -> None:
    assert problems(text, "UTC")


def test_a_day_that_never_comes_has_no_next_moment() -> None:
    assert following("0 0 31 2 *", "UTC", datetime(2026, 1, 1, tzinfo=UTC)) is None
    assert problems("daily 06:30", "Mars/Olympus") == ["there is no time zone 'Mars/Olympus'"]
    assert read("30 6 * * 1-5")
