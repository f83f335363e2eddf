"""States with dates that are handed in: the key is what they are about, and their beginning tells them apart."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from runtime.ledger import clock_steps
from runtime.models import DatedState, Message, RejectedMessage, ValidityMoment
from runtime.services import dating, intake
from runtime.worker import scheduler as worker_scheduler
from runtime.worker.scheduler import Scheduler
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


def test_what_had_begun_before_the_clock_was_set_back_begins_once_more(monkeypatch: pytest.MonkeyPatch) -> None:
    begins = datetime.now(UTC) + timedelta(hours=1)
    push(price(1, None), price(2, begins.isoformat()))
    ValidityMoment.objects.all().delete()  # so it is where the clock showed a later hour when the state came
    scheduler = Scheduler()
    scheduler.turn()
    ValidityMoment.objects.all().delete()
    scheduler.turn()
    assert not ValidityMoment.objects.exists(), "nothing was set"
    real = worker_scheduler._now
    monkeypatch.setattr(worker_scheduler, "_now", lambda: real() - 86_400)
    scheduler.turn()
    assert [moment.at for moment in ValidityMoment.objects.filter(fired_at=None)] == [begins]
    dating.fire_due(at=begins)
    assert logged() == [1, 2, 2], "who left it out, because it did not count by the clock, gets it now"


def test_a_state_that_is_stored_just_after_the_clock_was_set_back_is_planned_by_a_later_look(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    push(price(1, None))
    scheduler, real = Scheduler(), worker_scheduler._now
    scheduler.turn()
    monkeypatch.setattr(worker_scheduler, "_now", lambda: real() - 86_400)
    monkeypatch.setattr(clock_steps, "UNATTENDED", 0.0)
    scheduler.turn()
    begins = datetime.now(UTC) + timedelta(hours=1)
    push(price(2, begins.isoformat()))
    ValidityMoment.objects.all().delete()  # its transaction had read the clock before
    scheduler.turn()
    assert [moment.at for moment in ValidityMoment.objects.filter(fired_at=None)] == [begins]


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
