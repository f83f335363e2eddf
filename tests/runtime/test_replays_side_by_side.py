"""Two replays of the same messages at the same time would both be told that they are not there, and both send them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from kernel.errors import Conflict
from runtime.ledger import connections
from runtime.ledger.claims import claim
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


def test_dry_runs_keep_nobody_waiting(shop: Shop) -> None:
    replays.open_replay(shop.subscription, spans=BOTH, dry=True, pace=None, actor=None, reason="a look")
    replayed(shop)
