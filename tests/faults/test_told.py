"""The campaign's question how fresh stores are, and its comparison of counts: they find what is untrue, and nothing
else."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.urls import reverse

from kernel import clock
from tests.faults import plants, told
from tests.runtime import scene
from tests.runtime.api.test_api import bearer
from tests.runtime.test_freshness import forget_looks, looked

pytestmark = [pytest.mark.faults, pytest.mark.django_db]


@pytest.fixture
def day() -> scene.Day:
    return scene.day()


def answer(client: Any, day: scene.Day) -> list[dict[str, Any]]:
    """What the API says of all stores, while the source was last looked at 20 minutes ago and nothing waits."""
    forget_looks(day.prices)
    looked(day.prices, timedelta(minutes=20))
    said: list[dict[str, Any]] = client.get(reverse("runtime-api:stores"), headers=bearer(day.people.petra)).json()
    return said


def test_a_store_whose_source_was_seen_when_the_product_says_so_is_not_told_to_be_fresher(client, day) -> None:
    seen = clock.now() - timedelta(minutes=19)
    assert list(told.too_fresh(answer(client, day), day.prices.integration.key, seen.timestamp())) == []


def test_a_store_that_is_told_of_a_look_after_the_last_one_is_found(client, day) -> None:
    seen = clock.now() - timedelta(minutes=21)
    assert list(told.too_fresh(answer(client, day), day.prices.integration.key, seen.timestamp()))
    assert list(told.too_fresh(answer(client, day), day.prices.integration.key, None)), (
        "a source that nobody has ever seen"
    )


def test_freshness_from_the_queue_alone_is_found(client, day, monkeypatch: pytest.MonkeyPatch) -> None:
    for module, name, value in plants.PROCESSES["queue"]:
        monkeypatch.setattr(module, name, value)
    seen = clock.now() - timedelta(minutes=19)
    assert list(told.too_fresh(answer(client, day), day.prices.integration.key, seen.timestamp()))


def test_a_count_that_is_wrong_in_one_place_is_found(day, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = [day.sales.integration.key, day.prices.integration.key]
    before = set(told.compare(keys))  # the scene is drawn by hand
    held = told.flows.backlog.of

    def one_less(ids: Any) -> Any:
        found = held(ids)
        for one in found.values():
            one.waiting = max(one.waiting - 1, 0)
        return found

    monkeypatch.setattr(told.flows.backlog, "of", one_less)
    assert set(told.compare(keys)) - before
