"""Freeze calendars: local time, daylight saving, retail weeks, period close."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from governance.domain import retail_calendar
from governance.domain.freeze import FreezeScope, compile_intervals, covers, is_over, validate
from kernel.errors import Invalid


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def compiled(document: dict, start: str, end: str) -> list[tuple[str, str]]:
    validate(document)
    return [
        (f"{i.starts:%Y-%m-%dT%H:%M}", f"{i.ends:%Y-%m-%dT%H:%M}")
        for i in compile_intervals(document, start=utc(start), end=utc(end))
    ]


def test_peak_trading_is_read_in_local_time():
    document = {"kind": "once", "zone": "Europe/Berlin", "from": "2026-11-23T18:00", "until": "2026-12-01T06:00"}
    assert compiled(document, "2026-01-01", "2027-01-01") == [("2026-11-23T17:00", "2026-12-01T05:00")]


def test_a_weekend_window_over_the_spring_change_starts_and_ends_at_its_local_times():
    document = {"kind": "weekly", "zone": "Europe/Berlin", "days": ["sat"], "from": "20:00", "until": "08:00"}
    assert compiled(document, "2026-03-28", "2026-03-30") == [("2026-03-28T19:00", "2026-03-29T06:00")]


def test_a_skipped_local_time_means_the_moment_after_the_gap():
    document = {"kind": "weekly", "zone": "Europe/Berlin", "days": ["sun"], "from": "02:30", "until": "04:00"}
    assert compiled(document, "2026-03-29", "2026-03-30") == [("2026-03-29T01:00", "2026-03-29T02:00")]


def test_a_repeated_local_time_makes_the_freeze_longer_never_shorter():
    document = {"kind": "weekly", "zone": "Europe/Berlin", "days": ["sun"], "from": "02:30", "until": "02:45"}
    assert compiled(document, "2026-10-25", "2026-10-26") == [("2026-10-25T00:30", "2026-10-25T01:45")]


@pytest.mark.parametrize(
    "zone",
    [
        "Europe/Berlin",
        "America/New_York",
        "Australia/Lord_Howe",
        "America/Sao_Paulo",
        "Africa/Casablanca",
        "Asia/Kolkata",
    ],
)
def test_daily_windows_over_every_zone_change_from_2020_to_2035_begin_and_end_at_their_local_times(zone: str):
    document = {
        "kind": "weekly",
        "zone": zone,
        "days": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"],
        "from": "02:15",
        "until": "03:15",
    }
    place = ZoneInfo(zone)
    for start in (utc("2020-01-01"), utc("2028-01-01")):
        found = compile_intervals(document, start=start, end=start + timedelta(days=2920))
        assert len(found) >= 2915
        for interval in found:
            begins, ends = interval.starts.astimezone(place), interval.ends.astimezone(place)
            for local, wanted in ((begins, "02:15"), (ends, "03:15")):
                if f"{local:%H:%M}" != wanted:
                    before = (local - timedelta(seconds=1)).astimezone(UTC).astimezone(place)
                    wall = (local.astimezone(UTC) - timedelta(seconds=1)).astimezone(place)
                    assert wall.utcoffset() != local.utcoffset(), (zone, local, before)


def test_retail_years_begin_as_the_published_calendar_says():
    published = {
        2020: date(2020, 2, 2),
        2021: date(2021, 1, 31),
        2022: date(2022, 1, 30),
        2023: date(2023, 1, 29),
        2024: date(2024, 2, 4),
        2025: date(2025, 2, 2),
        2026: date(2026, 2, 1),
    }
    assert {year: retail_calendar.year_start(year) for year in published} == published
    assert [year for year in range(2010, 2031) if retail_calendar.weeks_in(year) == 53] == [2012, 2017, 2023, 2028]


def test_thanksgiving_week_and_the_one_after_are_one_unbroken_retail_freeze():
    document = {
        "kind": "retail_weeks",
        "zone": "America/New_York",
        "weeks": [43, 44],
        "from": "00:00",
        "until": "06:00",
    }
    assert compiled(document, "2026-10-01", "2026-12-31") == [("2026-11-22T05:00", "2026-12-06T11:00")]


@pytest.mark.parametrize("year", range(2020, 2036))
def test_a_freeze_over_the_turn_of_the_retail_year_has_no_gap(year: int):
    document = {"kind": "retail_weeks", "zone": "America/New_York", "weeks": [52, 53, 1]} | {
        "from": "18:00",
        "until": "06:00",
    }
    turn = retail_calendar.year_start(year)
    (found,) = compile_intervals(
        document, start=utc(f"{turn - timedelta(days=20)}"), end=utc(f"{turn + timedelta(days=20)}")
    )
    assert (found.ends - found.starts).days >= 13


def test_a_window_that_is_over_is_told_from_one_that_is_ahead():
    past = {"kind": "once", "zone": "UTC", "from": "2019-01-01T00:00", "until": "2019-01-02T00:00"}
    assert is_over(past, utc("2019-01-02"))
    assert not is_over(past, utc("2019-01-01"))
    dates = {"kind": "dates", "zone": "UTC", "dates": ["2019-01-01", "2030-01-01"], "from": "00:00", "until": "00:00"}
    assert not is_over(dates, utc("2020-01-01"))


def test_period_close_spans_the_turn_of_each_month():
    document = {
        "kind": "period_close",
        "zone": "UTC",
        "days_before": 1,
        "days_after": 2,
        "from": "18:00",
        "until": "06:00",
    }
    assert compiled(document, "2026-12-15", "2027-01-20") == [("2026-12-31T18:00", "2027-01-03T06:00")]
    document["calendar"] = "454"
    assert compiled(document, "2027-01-15", "2027-02-10") == [("2027-01-30T18:00", "2027-02-02T06:00")]


def test_stock_takes_are_dates():
    document = {
        "kind": "dates",
        "zone": "UTC",
        "dates": ["2027-01-15", "2027-01-16"],
        "from": "00:00",
        "until": "00:00",
    }
    assert compiled(document, "2027-01-01", "2027-02-01") == [("2027-01-15T00:00", "2027-01-17T00:00")]


@pytest.mark.parametrize(
    "document",
    [
        None,
        {"kind": "sometimes", "zone": "UTC"},
        {"kind": "once", "zone": "Europe/Atlantis", "from": "2026-11-23T18:00", "until": "2026-12-01T06:00"},
        {"kind": "once", "zone": "UTC", "from": "2026-12-23T18:00", "until": "2026-12-01T06:00"},
        {"kind": "once", "zone": "UTC", "from": "2026-11-23T18:00Z", "until": "2026-12-01T06:00"},
        {"kind": "weekly", "zone": "UTC", "days": ["funday"], "from": "10:00", "until": "12:00"},
        {"kind": "weekly", "zone": "UTC", "days": [], "from": "10:00", "until": "12:00"},
        {"kind": "weekly", "zone": "../etc/passwd", "days": ["mon"], "from": "10:00", "until": "12:00"},
        {"kind": "retail_weeks", "zone": "UTC", "weeks": [0], "from": "00:00", "until": "00:00"},
        {"kind": "period_close", "zone": "UTC", "days_before": 0, "days_after": 0, "from": "18:00", "until": "06:00"},
        {"kind": "dates", "zone": "UTC", "dates": "2027-01-01", "from": "00:00", "until": "00:00"},
        {"kind": "weekly", "zone": "localtime", "days": ["mon"], "from": "10:00", "until": "12:00"},
        {"kind": "weekly", "zone": "UTC", "days": ["mon"], "from": "10:00", "until": "12:00", "untill": "13:00"},
        {"kind": "weekly", "zone": "UTC", "days": ["mon"], "from": "10:00", "until": "12:00", "hours": 3},
        {"kind": "weekly", "zone": "UTC", "days": ["mon"], "from": "10:00", "hours": True},
        {"kind": "retail_weeks", "zone": "UTC", "weeks": [True], "from": "00:00", "until": "00:00"},
        {"kind": "period_close", "zone": "UTC", "days_before": 1, "days_after": 1, "from": "18:00", "until": "06:00"}
        | {"calendar": "445"},
    ],
)
def test_a_calendar_that_cannot_be_read_is_refused(document: object):
    with pytest.raises(Invalid):
        validate(document)


def test_a_window_for_tier_one_covers_the_more_critical_tier_and_the_unknown_one():
    window = {"environment": "production", "tier": 1, "domain": None, "system": None}
    assert covers(window, FreezeScope("production", 0, "price"))
    assert covers(window, FreezeScope("production", None, "price"))
    assert not covers(window, FreezeScope("production", 2, "price"))
    assert not covers(window, FreezeScope("staging", 0, "price"))
    assert not covers(window | {"domain": "loyalty"}, FreezeScope("production", 0, "price"))
    assert covers(window | {"system": "s4"}, FreezeScope("production", 0, "price", ("s4", "pos")))
