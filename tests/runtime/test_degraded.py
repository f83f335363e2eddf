"""Degraded modes: entered and left by themselves, never guessed, and told to the store that asks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.urls import reverse

from kernel import clock
from runtime.domain import degraded
from runtime.models import VendorState
from tests.runtime import scene
from tests.runtime.api.test_api import bearer

NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)


def stands(
    *,
    looked_at: datetime | None = NOW,
    can_look: bool = True,
    waiting: datetime | None = None,
    person: datetime | None = None,
    **more: Any,
) -> degraded.OperatingState:
    usual: dict[str, Any] = {
        "permitted": True,
        "takes_calls": True,
        "source": degraded.SourceLook(looked_at, can_look=can_look),
        "lacks": degraded.Undelivered(waiting, person),
        "ever_delivered": True,
        "allowed": timedelta(minutes=15),
        "declared": "local_with_caps",
        "at": NOW,
    }
    return degraded.operating_state(**(usual | more))


@pytest.mark.parametrize(
    ("given", "mode", "delivery", "stale"),
    [
        ({}, "normal", "flowing", False),
        ({"waiting": NOW - timedelta(minutes=15)}, "normal", "flowing", False),
        ({"waiting": NOW - timedelta(minutes=16)}, "local_with_caps", "flowing", True),
        ({"looked_at": NOW - timedelta(minutes=15)}, "normal", "flowing", False),
        ({"looked_at": NOW - timedelta(minutes=16)}, "local_with_caps", "flowing", True),
        ({"looked_at": None}, "local_with_caps", "flowing", None),
        ({"looked_at": None, "can_look": False}, "normal", "flowing", None),
        ({"looked_at": NOW - timedelta(days=2), "allowed": None}, "normal", "flowing", None),
        ({"person": NOW - timedelta(hours=3)}, "normal", "flowing", True),
        ({"takes_calls": False}, "local_with_caps", "held", False),
        ({"permitted": False, "takes_calls": False}, "local_with_caps", "stopped", False),
        ({"permitted": False, "declared": None}, "stopped", "stopped", False),
        ({"takes_calls": False, "declared": None}, "queue_only", "held", False),
        ({"looked_at": NOW - timedelta(minutes=16), "declared": None}, "queue_only", "flowing", True),
        ({"waiting": NOW - timedelta(hours=9), "allowed": None}, "normal", "flowing", None),
        ({"ever_delivered": False}, "local_with_caps", "flowing", None),
        ({"waiting": NOW + timedelta(minutes=1)}, "normal", "flowing", False),
    ],
)
def test_the_mode_follows_from_line_age_and_manifest(
    given: dict[str, Any], mode: str, delivery: str, stale: bool | None
) -> None:
    found = stands(**given)
    assert (found.mode, found.delivery, found.stale) == (mode, delivery, stale)
    assert found.instruction == degraded.INSTRUCTIONS[mode]


def test_what_a_store_has_is_good_until_the_older_of_look_and_missing_message_is_too_old() -> None:
    assert stands().fresh_until == NOW + timedelta(minutes=15)
    assert stands(waiting=NOW - timedelta(minutes=10)).fresh_until == NOW + timedelta(minutes=5)
    assert stands(looked_at=NOW - timedelta(minutes=10)).fresh_until == NOW + timedelta(minutes=5)
    older = stands(looked_at=NOW - timedelta(minutes=12), waiting=NOW - timedelta(minutes=10))
    assert older.fresh_until == NOW + timedelta(minutes=3)
    assert stands(person=NOW - timedelta(minutes=10)).fresh_until == NOW + timedelta(minutes=5)
    assert stands(allowed=None).fresh_until is None
    assert stands(looked_at=None).fresh_until is None, "a source that nobody ever looked at promises nothing"
    assert stands(ever_delivered=False).fresh_until is None, "nobody knows what a store has that never got anything"


@pytest.mark.django_db
class TestStores:
    @pytest.fixture
    def day(self) -> scene.Day:
        return scene.day()

    def test_a_store_that_asks_is_told_its_mode_and_how_old_its_data_is(self, client, day: scene.Day) -> None:
        headers = bearer(day.people.petra)
        told = client.get(reverse("runtime-api:store", args=["0206"]), headers=headers).json()
        assert told["mode"] == "local_with_caps"
        flow = told["flows"][0]
        assert (flow["stale"], flow["allowed_age_s"], flow["waiting"]) == (True, 900.0, 15)
        assert flow["age_s"] > 900
        fine = client.get(reverse("runtime-api:store", args=["0101"]), headers=headers).json()
        assert (fine["mode"], fine["flows"][0]["may"]) == ("normal", "Works as usual.")
        assert 60 <= fine["flows"][0]["age_s"] < 120, "the source was looked at a minute ago"
        bad = client.get(reverse("runtime-api:stores") + "?degraded=true", headers=headers).json()
        assert [one["name"] for one in bad] == ["0206", "0590"]
        assert client.get(reverse("runtime-api:store", args=["9999"]), headers=headers).status_code == 404

    def test_the_mode_ends_by_itself_when_the_line_is_back(self, client, day: scene.Day) -> None:
        headers = bearer(day.people.petra)
        address = reverse("runtime-api:store", args=["0590"])
        assert client.get(address, headers=headers).json()["flows"][0]["delivery"] == "held"
        VendorState.objects.filter(instance="0590").update(breaker="closed", failures=0, open_until=clock.now())
        day.prices.pass_to("stores", "0590")
        assert client.get(address, headers=headers).json()["mode"] == "normal"

    def test_the_dashboard_and_the_page_of_a_store_say_it(self, client, day: scene.Day) -> None:
        client.force_login(day.people.petra)
        assert "Degraded in 2 of 6 stores: local with caps" in client.get(reverse("runtime:today")).text
        page = client.get(reverse("runtime:stores"), {"store": "0206"}).text
        assert "May decide by itself within its caps" in page
        assert "15 min allowed" in page
        normal = client.get(reverse("runtime:stores"), {"store": "0101"}).text
        assert "Works as usual." in normal
