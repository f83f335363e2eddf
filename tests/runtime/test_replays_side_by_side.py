"""Two replays of the same messages at the same time would both be told that they are not there, and both send them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from kernel.errors import Conflict
from runtime.connectors.protocols import OutboundMessage
from runtime.ledger import connections, vendor_target
from runtime.ledger.claims import claim
from runtime.ledger.mappers import Mapper
from runtime.ledger.vendor_client import SendResult
from runtime.ledger.vendor_target import MappedVendor
from runtime.models import TargetSubscription
from runtime.services import replays
from runtime.services.replay_safety import Spans
from tests.runtime.rewinding import Shop, StrictVendor

pytestmark = pytest.mark.django_db(transaction=True)
BOTH: Spans = {0: (1, 2)}


@pytest.fixture
def shop() -> Iterator[Shop]:
    """Three facts of class L have been delivered, and the vendor has lost them since."""
    with connections.connected(name="tillgate-test") as conn:
        made = Shop(conn, StrictVendor(keeps_keys=False), "L")
        conn.execute("update runtime_subscription set settle = 100")
        made.sell("a", "b", "c")
        made.work()
        made.vendor.journal.clear()
        made.vendor.by_key.clear()
        yield made


def replayed(shop: Shop, spans: Spans = BOTH) -> TargetSubscription:
    return replays.open_replay(shop.subscription, spans=spans, dry=False, pace=None, actor=None, reason="lost there")


def test_a_second_replay_of_what_the_first_has_before_it_is_refused(shop: Shop) -> None:
    replayed(shop)
    with pytest.raises(Conflict) as refused:
        replayed(shop, {0: (2, 3)})
    assert refused.value.code == "replay.under_way"
    replayed(shop, {0: (3, 3)})
    shop.work()
    assert sorted(shop.vendor.booked()) == ["a", "b", "c"]


def test_it_starts_once_the_first_has_passed_and_has_every_answer(shop: Shop) -> None:
    replayed(shop)
    shop.work()
    replayed(shop)
    shop.work()
    assert shop.vendor.booked() == ["a", "b"]


@pytest.mark.parametrize("cancelled", [True, False])
def test_what_a_replay_has_sent_without_an_answer_may_still_take_effect(shop: Shop, cancelled: bool) -> None:
    first = replayed(shop)
    assert claim(shop.conn, owner="stands still")
    shop.conn.execute("update runtime_progress set position = upto where subscription_id = %s", (first.pk,))
    TargetSubscription.objects.filter(pk=first.pk).update(open=not cancelled)
    with pytest.raises(Conflict):
        replayed(shop)
    shop.conn.execute("update runtime_progress set lease_until = clock_timestamp() - interval '101 seconds'")
    replayed(shop)


@pytest.mark.parametrize(("pace", "at_once"), [(0.4, 1), (1.0, 1), (2.5, 2), (100.0, 3)])
def test_a_replay_sends_no_more_at_once_than_its_pace_gives_in_a_second(shop: Shop, pace: float, at_once: int) -> None:
    replays.open_replay(
        shop.subscription, spans={0: (1, 3)}, dry=False, pace=pace, actor=None, reason="the vendor is slow"
    )
    taken = claim(shop.conn, owner="w")
    assert taken is not None
    vendor_target.deliver(shop.conn, taken, lambda _: MappedVendor(Mapper(lambda m: m.document), shop.vendor))
    assert len(shop.vendor.journal) == at_once
    shop.work()
    assert shop.vendor.booked() == ["a", "b", "c"]


def test_dry_runs_keep_nobody_waiting(shop: Shop) -> None:
    replays.open_replay(shop.subscription, spans=BOTH, dry=True, pace=None, actor=None, reason="a look")
    replayed(shop)


class Refuses(StrictVendor):
    """Refuses one key until it is told otherwise."""

    refused = "a"

    def _act(self, item: OutboundMessage) -> SendResult:
        if item.key == self.refused:
            return SendResult("refused", detail="no such article", pattern="no such article")
        return super()._act(item)


def emptied(conn: connections.Connection, idempotency: str, *, facts: bool) -> Shop:
    """Three messages have been delivered, the vendor has lost them, and refuses one of them when it comes again."""
    vendor = Refuses(keeps_keys=False)
    made = Shop(conn, vendor, idempotency, facts=facts)
    conn.execute("update runtime_subscription set settle = 0")
    vendor.refused = ""
    made.sell("a", "b", "c", version=1)
    made.work()
    vendor.journal.clear()
    vendor.by_key.clear()
    vendor.refused = "a"
    return made


@pytest.mark.parametrize(("idempotency", "facts"), [("L", True), ("N", True), ("N", False), ("L", False)])
def test_what_waits_in_the_quarantine_of_a_replay_is_not_promised_by_a_second_one(
    idempotency: str, facts: bool
) -> None:
    """The second would leave it to the first, say that it is done, and the first can still be cancelled."""
    with connections.connected(name="tillgate-test") as conn:
        shop = emptied(conn, idempotency, facts=facts)
        first = replayed(shop)
        shop.work()
        assert [key for key, *_ in shop.quarantined()] == ["a"]
        with pytest.raises(Conflict, match="quarantine") as refused:
            replayed(shop, {0: (1, 3)})
        assert refused.value.code == "replay.under_way"
        replayed(shop, {0: (2, 3)})
        conn.execute("delete from runtime_quarantine")
        TargetSubscription.objects.filter(pk=first.pk).update(open=False)
        shop.work()
        assert isinstance(shop.vendor, Refuses)
        shop.vendor.refused = ""
        replayed(shop, {0: (1, 1)})
        shop.work()
        assert set(shop.vendor.booked()) == {"a", "b", "c"}


@pytest.mark.parametrize("facts", [True, False])
def test_a_second_replay_of_what_a_natural_key_names_is_refused_as_well(facts: bool) -> None:
    with connections.connected(name="tillgate-test") as conn:
        shop = emptied(conn, "N", facts=facts)
        replayed(shop)
        with pytest.raises(Conflict) as refused:
            replayed(shop, {0: (2, 3)})
        assert refused.value.code == "replay.under_way"
