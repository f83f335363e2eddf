"""The newest state of a key takes effect last also where the number of lanes has changed since what a replay sends was
stored: the newer state may stand in any lane of the target."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from runtime.domain.correlation import lane_of
from runtime.ledger import connections, lanes
from runtime.ledger.append import append
from runtime.ledger.connections import Connection
from runtime.services import dead_letters
from runtime.services.dead_letters import DeadLetterFilter
from runtime.worker.delivery import serve_one
from runtime.worker.target_clients import TargetClients
from tests.runtime.connectors.server import Server
from tests.runtime.test_replay_order import Prices

pytestmark = pytest.mark.django_db(transaction=True)
KEY = next(key for key in (f"k{n}" for n in range(100)) if lane_of(key, 3) == 2)  # it leaves lane 0


@pytest.fixture
def prices(ledger: Connection, tmp_path: Path) -> Iterator[Prices]:
    """Version 1 of a key has been delivered from the only lane."""
    with Server(None) as server:
        made = Prices(ledger, server, tmp_path)
        made.state(KEY, 1)
        made.serve(2)
        assert made.held == {KEY: 1}
        yield made
        made.clients.close()


def changed(prices: Prices, number: int = 3) -> None:
    lanes.begin(prices.conn, prices.flow.stream, number)
    lanes.advance(prices.conn, prices.flow.stream)


def elsewhere(prices: Prices, *, changes: bool = False) -> None:
    """Version 2 arrives, and another worker takes what it can, before and after a change of lanes."""
    with connections.connected(name="tillgate-other") as other:
        clients = TargetClients(other)
        if changes:
            lanes.begin(other, prices.flow.stream, 3)
        append(other, prices.flow.ref, [prices.flow.item(KEY, 2)])
        if changes:
            assert lanes.advance(other, prices.flow.stream)
        while serve_one(other, clients, owner="other") is not None:
            pass
        clients.close()


@pytest.mark.parametrize("before", [True, False])
def test_a_newer_state_in_a_lane_of_another_number_waits_for_the_replay(prices: Prices, before: bool) -> None:
    if before:
        changed(prices)
    prices.meanwhile = lambda: elsewhere(prices, changes=not before)
    prices.replayed()
    prices.serve(2)
    prices.passes()
    prices.serve()
    assert prices.calls[-1] == (KEY, 2), prices.calls
    assert prices.held == {KEY: 2}


def test_a_redriven_dead_letter_of_the_replay_makes_it_wait_as_well(prices: Prices) -> None:
    prices.fates = [(422, False)]
    again = prices.replayed()
    prices.serve()
    changed(prices)
    prices.meanwhile = lambda: elsewhere(prices)
    dead_letters.redrive(DeadLetterFilter(again), actor=None, reason="the vendor is well")
    prices.serve(2)
    prices.passes()
    prices.serve()
    assert prices.calls[-1] == (KEY, 2), prices.calls


def test_the_lanes_wait_for_the_time_that_an_unanswered_call_may_still_take(prices: Prices) -> None:
    changed(prices)
    prices.fates = [(503, False)] * 3
    prices.replayed()
    prices.serve()
    sent = len(prices.calls)
    prices.state(KEY, 2)
    prices.fates = []
    prices.serve()
    assert len(prices.calls) == sent, "the first call may still take effect"
    prices.passes()
    prices.serve()
    assert prices.held == {KEY: 2}


def test_all_lanes_go_on_at_once_after_a_replay_that_was_answered(prices: Prices) -> None:
    changed(prices)
    prices.replayed()
    prices.serve(2)
    prices.state(KEY, 2)
    prices.serve(2)
    assert prices.calls == [(KEY, 1), (KEY, 1), (KEY, 2)]


def test_a_target_whose_lanes_are_under_way_one_after_the_other_makes_room_for_the_replay(prices: Prices) -> None:
    changed(prices)
    prices.conn.execute(
        "update runtime_progress "
        "set owner = 'other', token = token + 1, lease_until = clock_timestamp() + interval '1 hour' "
        "where subscription_id = %s and lane = 1",
        (prices.target,),
    )
    prices.replayed()
    prices.state(KEY, 2)
    prices.conn.execute("update runtime_subscription set tier = 0 where replay_of_id is not null")
    prices.serve(2)
    assert prices.calls == [(KEY, 1)], "neither the replay nor what would keep it waiting"
    prices.conn.execute("update runtime_progress set owner = null, lease_until = 'epoch', not_before = 'epoch'")
    prices.conn.execute("update runtime_subscription set held_until = 'epoch'")
    prices.serve()
    assert prices.held == {KEY: 2}
