"""A source that is fed by intake beside others: each is as fresh as its own signs of life, within its hours."""

from __future__ import annotations

import copy
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bench.installation import manifest as order_feed
from bench.order_server import order
from catalog.models import SlaTier
from kernel import clock
from kernel.errors import Invalid
from runtime.domain import manifest as manifests
from runtime.domain.open_hours import OpenHours
from runtime.models import SourceAlarm, Stream, StreamSource
from runtime.selectors import source_looks
from runtime.services import intake, source_alarms
from tests.runtime.scripted_source import FEED, Feed, feed
from tests.runtime.test_independent_sources import Two

__all__ = ["feed"]
WITHIN = {"opens": "08:00", "closes": "20:00", "zone": "Europe/Berlin", "days": ["mon", "tue", "wed", "thu", "fri"]}


def both(**pushed: Any) -> list[dict[str, Any]]:
    """Orders are read, returns are handed in."""
    first = order_feed()["sources"][0]
    second = copy.deepcopy(first) | {"name": "returns"} | pushed
    del second["connection"]
    return [first, second]


@pytest.fixture
def two(feed: Feed, monkeypatch: pytest.MonkeyPatch) -> Two:
    monkeypatch.setattr(intake, "_noted", {})
    return Two(feed, monkeypatch)


def deploy(two: Two, **pushed: Any) -> None:
    target = order_feed()["targets"][0] | {"source": "orders"}
    two.feed.deploy_with(sources=both(**pushed), targets=[target])


def look(name: str) -> source_looks.SourceState:
    stream = Stream.objects.get()
    return source_looks.of([stream.pk])[stream.pk, name]


@pytest.mark.django_db(transaction=True)
def test_what_one_source_gives_says_nothing_of_another_that_hands_in(two: Two) -> None:
    deploy(two, expect_every="5m")
    two.script(orders=[[order(1), order(2)]], returns=[])
    assert two.read()["orders"].accepted == 2
    assert look("returns").look.looked_at is None
    assert look("returns").look.last_message is None
    SlaTier.objects.update(rules={"max_staleness_s": 60})
    source_alarms.check(at=clock.now() + timedelta(minutes=10))
    assert list(SourceAlarm.objects.filter(ended_at=None).values_list("source", flat=True)) == ["returns"]


@pytest.mark.django_db(transaction=True)
def test_a_source_without_a_promise_is_unknown_and_never_fresh(two: Two) -> None:
    deploy(two)
    intake.accept(FEED, "production", [order(7)], source="returns")
    found = look("returns").look
    assert (found.looked_at, found.can_look) == (None, False)
    assert found.last_message is not None


@pytest.mark.django_db(transaction=True)
def test_what_a_source_hands_in_is_its_sign_of_life_and_noted_once_a_second(
    two: Two, monkeypatch: pytest.MonkeyPatch
) -> None:
    deploy(two, expect_every="5m")
    now = [100.0]
    monkeypatch.setattr("runtime.services.intake.time.monotonic", lambda: now[0])
    intake.accept(FEED, "production", [order(7)], source="returns")
    first = look("returns").look.looked_at
    assert first is not None
    intake.accept(FEED, "production", [order(8)], source="returns")
    assert look("returns").look.looked_at == first
    now[0] += 1.0
    intake.accept(FEED, "production", [order(8)], source="returns")
    assert look("returns").look.looked_at > first
    assert StreamSource.objects.get(name="orders").read_at is None


@pytest.mark.django_db(transaction=True)
def test_time_outside_of_its_hours_counts_neither_as_age_nor_towards_an_alarm(
    two: Two, monkeypatch: pytest.MonkeyPatch
) -> None:
    deploy(two, expect_every="30m", expect_within=WITHIN)
    friday = datetime(2026, 3, 6, 18, 50, tzinfo=UTC)  # 19:50 in Berlin
    StreamSource.objects.filter(name="returns").update(read_at=friday)
    SlaTier.objects.update(rules={"max_staleness_s": 60})
    monkeypatch.setattr("kernel.clock.now", lambda: datetime(2026, 3, 9, 7, 5, tzinfo=UTC))  # Monday, 08:05
    found = look("returns").look
    assert found.looked_at == friday
    assert clock.now() - found.as_of == timedelta(minutes=15)
    silent = {"stream": Stream.objects.get(), "source": "returns", "ended_at": None}
    source_alarms.check(at=datetime(2026, 3, 9, 7, 20, tzinfo=UTC))
    assert not SourceAlarm.objects.filter(**silent).exists()
    source_alarms.check(at=datetime(2026, 3, 9, 7, 22, tzinfo=UTC))
    assert SourceAlarm.objects.get(**silent).since == datetime(2026, 3, 9, 7, 20, tzinfo=UTC)


# -- hours -------------------------------------------------------------------------------------------------------------
NIGHT = OpenHours("22:00", "06:00", "Europe/Berlin")
SPRING = datetime(2026, 3, 28, 22, tzinfo=UTC), datetime(2026, 3, 29, 4, tzinfo=UTC)  # 23:00 to 06:00, one hour less


def test_hours_over_midnight_and_through_a_change_of_clocks_are_counted_as_they_pass() -> None:
    assert NIGHT.counted(*SPRING) == timedelta(hours=6)
    assert NIGHT.after(SPRING[0], timedelta(hours=6)) == SPRING[1]
    assert NIGHT.after(SPRING[0], timedelta(hours=7)) == datetime(2026, 3, 29, 21, tzinfo=UTC)
    autumn = datetime(2026, 10, 24, 20, tzinfo=UTC), datetime(2026, 10, 25, 5, tzinfo=UTC)
    assert NIGHT.counted(*autumn) == timedelta(hours=9)
    assert NIGHT.counted(SPRING[1], SPRING[1] + timedelta(hours=10)) == timedelta(0)


def refused(given: dict[str, Any]) -> list[tuple[str, str]]:
    given["targets"] = [order_feed()["targets"][0] | {"source": "orders"}]
    for source in given["sources"]:
        del source["api"], source["contract"]
    with pytest.raises(Invalid) as caught:
        manifests.parse(given)
    return [(one["pointer"], one["message"]) for one in caught.value.findings]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"zone": "Mars/Base"}, "no time zone"),
        ({"opens": "20:00"}, "close when they open"),
        ({"opens": "8"}, "8"),
        ({"days": []}, "[]"),
    ],
)
def test_hours_that_cannot_be_meant_are_refused_with_their_place(wrong: dict[str, Any], said: str) -> None:
    given = order_feed() | {"sources": both(expect_every="5m", expect_within=WITHIN | wrong)}
    assert any(at.startswith("/sources/1/expect_within") and said in message for at, message in refused(given))


def test_hours_without_a_promise_are_refused() -> None:
    given = order_feed() | {"sources": both(expect_within=WITHIN)}
    assert any("expect_every" in message for _, message in refused(given))
