"""States with dates that are handed in: the key is what they are about, and their beginning tells them apart."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from runtime.models import DatedState, Message, RejectedMessage, ValidityMoment
from runtime.services import dating, intake
from tests.runtime import scene

pytestmark = pytest.mark.django_db(transaction=True)
LATER = datetime(2099, 1, 2, tzinfo=UTC)


@pytest.fixture(autouse=True)
def site() -> scene.Site:
    people = scene.estate()
    manifest = {
        **scene.PRICES,
        "integration": "handed",
        "sources": [{"name": "conditions", "system": "s4"}],
        "event": {
            "name": "price",
            "meaning": "state",
            "key": "/sku",
            "valid": {"from": "/from", "until": "/until", "zone": "Europe/Berlin"},
        },
    }
    del manifest["schedule"]
    return scene.Site(manifest, people.groups["pricing"])


def push(*items: dict[str, Any]) -> list[str]:
    return [receipt.status for receipt in intake.accept("handed", "production", list(items))]


def price(amount: int, begins: str | None, until: str | None = None) -> dict[str, Any]:
    return {"sku": "P1", "price": amount, "from": begins, "until": until}


def logged() -> list[int]:
    return [message.payload["price"] for message in Message.objects.order_by("lane", "position")]


def test_next_months_price_makes_todays_no_duplicate_and_no_older_one() -> None:
    today, first, second = price(1, "2026-01-01"), price(2, "2099-01-01"), price(3, "2099-01-01")
    assert push(today, first, second) == ["accepted"] * 3
    assert push(today, second) == ["duplicate"] * 2
    assert DatedState.objects.count() == 2, "the second replaced the first: same key, same beginning"
    assert {message.lane for message in Message.objects.all()} == {Message.objects.first().lane}
    assert dating.fire_due(at=LATER) == 1
    assert logged() == [1, 2, 3, 3], "at its moment the state is put into the log once more, as it is then"
    assert dating.fire_due(at=LATER) == 0


def test_what_ended_gives_way_to_what_counts_again_and_nothing_is_sent_where_nothing_counts() -> None:
    push(price(1, None), price(2, "2098-12-30", "2098-12-31"), {**price(9, "2098-12-30", "2098-12-31"), "sku": "P2"})
    assert dating.fire_due(at=datetime(2098, 12, 30, tzinfo=UTC)) == 2
    assert dating.fire_due(at=LATER) == 2
    copies = [message.payload for message in Message.objects.exclude(causation=None).order_by("lane", "position")]
    assert [copy["price"] for copy in copies if copy["sku"] == "P1"] == [2, 1]
    assert [copy["price"] for copy in copies if copy["sku"] == "P2"] == [9], "P2 has no price after that"
    assert ValidityMoment.objects.filter(fired_at=None).count() == 0
    assert set(DatedState.objects.values_list("subject", "begins")) == {("P1", "")}, "ended states are forgotten"


def test_a_copy_names_its_cause_and_shares_its_correlation() -> None:
    receipts = intake.accept("handed", "production", [price(2, "2099-01-01")], correlations=["change-17"])
    dating.fire_due(at=LATER)
    copy = Message.objects.exclude(causation=None).get()
    original = Message.objects.get(causation=None)
    assert (copy.correlation, copy.previous, copy.key) == ("change-17", original.position, original.key)
    assert receipts[0].correlation == "change-17"


def test_dates_that_cannot_be_read_refuse_their_item_and_no_other() -> None:
    assert push(price(1, "next week"), price(2, "2099-01-01")) == ["refused", "accepted"]
    assert "'next week' is no date" in RejectedMessage.objects.get().reason
