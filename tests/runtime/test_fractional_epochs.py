"""Times since 1970 with a fraction (`1772445600.25`): ordered, limited and gone back from as whole ones are; and what
is handed in obeys the same limits as what is read."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from bench.order_server import order
from kernel import clock
from runtime.connectors.stamps import StampRules, highest
from runtime.domain.versions import finer_digits, is_older, version_number
from runtime.models import Message
from runtime.services import intake
from tests.runtime.scripted_source import Feed, feed
from tests.runtime.test_services import FEED, catalog, deployed
from tests.runtime.test_wrong_stamps import LyingSource, changes, deploy, source, totals

__all__ = ["catalog", "feed", "source"]
SECONDS = StampRules(numbers="seconds")


def at(seconds: float) -> Decimal:
    """A moment so far from now, to the quarter of a second."""
    return Decimal(int(clock.now().timestamp() + seconds)) + Decimal("0.25")


def test_a_time_with_a_fraction_is_a_version_of_its_second_and_the_fraction_decides_within_it() -> None:
    assert version_number("1772445600.25") == 1772445600
    assert (finer_digits("1772445600.250"), finer_digits("1772445600")) == ("25", "")
    assert is_older("1772445600.25", "1772445600.3") is True
    assert is_older("1772445600.25", "1772445600") is False
    assert is_older("1772445600.25", "2026-03-02T10:00:00Z") is None


@pytest.mark.parametrize("text", ["1.10", "1772445600.", ".5", "1772445600.2.5", "1.7724456e9"])
def test_what_only_looks_like_one_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"neither|isoformat"):
        version_number(text)


def test_one_ahead_of_now_has_not_come_yet_and_moves_no_cursor() -> None:
    assert SECONDS.in_future(str(at(3600)))
    assert not SECONDS.in_future(str(at(-3600)))
    assert SECONDS.not_after(str(at(3600)), clock.now()) == str(int(clock.now().timestamp()))
    assert highest(["1772445600.25", "1772445600.3", "1772445599"], [None]) == "1772445600.3"
    assert highest(["1772445600.25", "2026-03-02T10:00:00Z"], ["1772445600"]) == "1772445600.25"


@pytest.mark.parametrize(("since", "before"), [("1772445600.25", "1772445480.25"), ("100000000.5", "99999880.5")])
def test_a_reader_goes_back_from_it_by_its_overlap(since: str, before: str) -> None:
    assert SECONDS.went_back(since, 120) == before


@pytest.mark.django_db(transaction=True)
def test_a_source_with_such_stamps_is_read_on_from_the_highest_true_one(feed: Feed, source: LyingSource) -> None:
    deploy(feed, changes(stamps={"numbers": "seconds"}))
    before = str(at(-60))
    source.change(1, float(at(-90)))
    source.change(2, float(before))
    source.change(3, float(at(86_400)))
    run = feed.run()
    assert (run.state, Message.objects.count(), feed.source.cursor) == ("succeeded", 3, {"since": before})
    source.change(3, float(at(-30)), total=2.0)
    feed.run()
    assert totals(3) == [1.0, 2.0]


def handed_in(stamp: Any, total: float) -> intake.IntakeReceipt:
    given = {**order(1), "total": total, "updated_at": stamp}
    return intake.accept(FEED, "production", [given])[0]


@pytest.fixture
def states(catalog: None) -> None:
    deployed(event={"name": "order.changed", "meaning": "state", "key": "/number", "version": "/updated_at"})


@pytest.mark.django_db(transaction=True)
def test_a_handed_in_state_whose_time_cannot_be_true_keeps_no_later_one_from_being_stored(states: None) -> None:
    now = clock.now()
    assert handed_in((now - timedelta(hours=2)).isoformat(), 1.0).status == "accepted"
    far = handed_in((now + timedelta(days=365)).isoformat(), 2.0)
    assert far.status == "accepted"
    assert "lies in the future" in far.reason
    assert handed_in((now - timedelta(hours=1)).isoformat(), 3.0).status == "accepted"
    assert handed_in((now - timedelta(hours=3)).isoformat(), 4.0).status == "older"
    assert totals(1) == [1.0, 2.0, 3.0]


@pytest.mark.django_db(transaction=True)
def test_a_time_without_zone_may_be_a_day_ahead_and_one_with_zone_some_minutes(states: None) -> None:
    now = clock.now()
    for number, stamp in enumerate((now + timedelta(minutes=4), (now + timedelta(hours=20)).replace(tzinfo=None)), 1):
        assert handed_in(stamp.isoformat(), float(number)).reason == ""


@pytest.mark.django_db(transaction=True)
def test_a_handed_in_time_since_1970_is_ordered_by_its_fraction(states: None) -> None:
    stamps = ("1772445600.25", "1772445600.3", "1772445600")
    assert [handed_in(stamp, n).status for n, stamp in enumerate(stamps)] == ["accepted", "accepted", "older"]


@pytest.mark.django_db(transaction=True)
def test_such_a_time_may_be_a_number(catalog: None) -> None:
    deployed(event={"name": "order.changed", "meaning": "state", "key": "/number", "version": "/total"})
    said = [
        intake.accept(FEED, "production", [{**order(1), "total": Decimal(stamp)}])[0].status
        for stamp in ("1772445600.25", "1772445600.3", "1772445600.125")
    ]
    assert said == ["accepted", "accepted", "older"]
