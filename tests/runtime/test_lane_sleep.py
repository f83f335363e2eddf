"""Lanes stand in an order, and those that have nothing to take sleep until a message comes."""

from __future__ import annotations

from runtime.ledger import connections
from runtime.ledger.append import append
from runtime.ledger.claimed import Claim
from runtime.ledger.claims import claim, release
from runtime.ledger.connections import Connection
from runtime.ledger.lane_sleep import let_lanes_sleep, wake_lanes
from runtime.worker.delivery import serve_one
from tests.runtime.make import Flow, void
from tests.runtime.test_cost_at_size import claim_pages, fleet


def delivered(conn: Connection) -> None:
    conn.execute(
        """update runtime_progress p set position = l.next - 1
             from runtime_subscription s join runtime_lane l on l.stream_id = s.stream_id
            where p.subscription_id = s.id and l.lane = p.lane"""
    )


def arrives(conn: Connection, flow: Flow, *keys: str) -> None:
    append(conn, flow.ref, [flow.item(key) for key in keys])


def in_order(conn: Connection, *subscriptions: int) -> None:
    for place, subscription in enumerate(subscriptions):
        conn.execute(
            "update runtime_progress set waits_since = timestamptz '2026-01-01' + make_interval(secs => %s) "
            "where subscription_id = %s",
            (place, subscription),
        )


def taken(conn: Connection) -> Claim:
    found = claim(conn, owner="w")
    assert found
    return found


def asleep(conn: Connection) -> int:
    row = conn.execute("select count(*) from runtime_progress where asleep").fetchone()
    assert row
    return int(row[0])


def test_a_message_wakes_every_target_that_sleeps_on_its_lane(ledger: Connection) -> None:
    flow = Flow(ledger, lanes=1)
    subscriptions = {flow.subscribe("a"), flow.subscribe("b")}
    assert let_lanes_sleep(ledger) == 2
    assert asleep(ledger) == 2
    assert wake_lanes(ledger) == 0
    arrives(ledger, flow, "k")
    assert claim(ledger, owner="w") is None
    assert wake_lanes(ledger) == 2
    assert {taken(ledger).subscription, taken(ledger).subscription} == subscriptions
    assert wake_lanes(ledger) == 0


def test_a_worker_without_work_wakes_what_sleeps(ledger: Connection) -> None:
    flow = Flow(ledger, lanes=1)
    flow.subscribe("a")
    assert let_lanes_sleep(ledger) == 1
    arrives(ledger, flow, "k")
    served = serve_one(ledger, _Unused(), owner="w")  # type: ignore[arg-type]
    assert served
    assert asleep(ledger) == 0


class _Unused:
    """Clients of a worker whose claim is all that counts."""

    def vendor(self, claimed: Claim) -> None:
        raise LookupError


def test_what_waits_or_is_held_or_asks_does_not_sleep(ledger: Connection) -> None:
    flow = Flow(ledger, lanes=1)
    waits, held, asks = flow.subscribe("waits"), flow.subscribe("held"), flow.subscribe("asks")
    arrives(ledger, flow, "k")
    in_order(ledger, held, waits, asks)
    assert taken(ledger).subscription == held
    ledger.execute("update runtime_progress set intent = 1, position = 1 where subscription_id = %s", (asks,))
    ledger.execute("update runtime_progress set position = 1 where subscription_id = %s", (held,))
    assert let_lanes_sleep(ledger) == 0


def test_a_lane_that_had_a_turn_a_moment_ago_stays_awake(ledger: Connection) -> None:
    flow = Flow(ledger, lanes=1)
    flow.subscribe()
    arrives(ledger, flow, "k")
    release(ledger, taken(ledger))
    delivered(ledger)
    assert let_lanes_sleep(ledger) == 0


def test_a_message_that_comes_while_its_lane_is_put_to_sleep_is_not_overslept(ledger: Connection) -> None:
    flow = Flow(ledger, lanes=1)
    flow.subscribe()
    with connections.connected(name="tillgate-test") as other:
        with other.transaction():
            assert let_lanes_sleep(other) == 1
            arrives(ledger, flow, "k")
            assert wake_lanes(ledger) == 0, "nobody sleeps as long as the other one has not committed"
        assert wake_lanes(ledger) == 1
    assert claim(ledger, owner="w")


def test_a_message_that_is_under_way_while_its_lane_is_put_to_sleep_is_not_overslept(ledger: Connection) -> None:
    flow = Flow(ledger, lanes=1)
    flow.subscribe()
    with connections.connected(name="tillgate-test") as other:
        with other.transaction():
            arrives(other, flow, "k")
            assert let_lanes_sleep(ledger) == 1
            assert wake_lanes(ledger) == 0
        assert wake_lanes(ledger) == 1
    assert claim(ledger, owner="w")


def test_a_target_that_was_closed_takes_what_came_meanwhile(ledger: Connection) -> None:
    flow = Flow(ledger, lanes=1)
    flow.subscribe("stays")
    closed = flow.subscribe("closed")
    let_lanes_sleep(ledger)
    ledger.execute("update runtime_subscription set open = false where id = %s", (closed,))
    arrives(ledger, flow, "k")
    assert wake_lanes(ledger) == 1
    ledger.execute("update runtime_subscription set open = true where id = %s", (closed,))
    assert {taken(ledger).subscription, taken(ledger).subscription} >= {closed}


# -- the order ---------------------------------------------------------------------------------------------------------
def test_the_lane_that_has_waited_longest_is_next_and_goes_to_the_end_of_its_line(ledger: Connection) -> None:
    flow = Flow(ledger, lanes=1)
    first, second, third = flow.subscribe("a"), flow.subscribe("b"), flow.subscribe("c")
    arrives(ledger, flow, "k")
    in_order(ledger, second, third, first)
    order = []
    for _ in range(4):
        order.append(taken(ledger))
        release(ledger, order[-1])
    assert [one.subscription for one in order] == [second, third, first, second]


def test_a_lane_of_a_lost_owner_comes_before_what_waits_since_it_was_taken(ledger: Connection) -> None:
    flow = Flow(ledger, lanes=1)
    first, second = flow.subscribe("a"), flow.subscribe("b")
    arrives(ledger, flow, "k")
    in_order(ledger, first, second)
    assert taken(ledger).subscription == first
    flow.expire()
    again = taken(ledger)
    assert again.subscription == first
    assert again.lease.attempt == 1


def test_the_more_critical_tier_comes_first_also_after_a_target_has_changed_its_tier(ledger: Connection) -> None:
    usual, urgent = Flow(ledger, lanes=1, tier=2), Flow(ledger, lanes=1, tier=1)
    longest, critical = usual.subscribe(), urgent.subscribe()
    for flow in (usual, urgent):
        arrives(ledger, flow, "k")
    in_order(ledger, longest, critical)
    found = taken(ledger)
    assert found.subscription == critical
    release(ledger, found)
    ledger.execute("update runtime_subscription set tier = 0 where id = %s", (longest,))
    assert taken(ledger).subscription == longest


# -- what a claim costs ------------------------------------------------------------------------------------------------
def test_a_claim_costs_the_same_however_many_lanes_wait(ledger: Connection) -> None:
    flow = Flow(ledger, lanes=4)
    ledger.execute("update runtime_lane set next = 9 where stream_id = %s", (flow.stream,))
    fleet(ledger, flow, 20)
    few = claim_pages(ledger)
    ledger.execute("delete from runtime_progress")
    ledger.execute("delete from runtime_subscription")
    fleet(ledger, flow, 600)
    assert claim_pages(ledger) < 2 * few, "thirty times as many lanes; rows that earlier tests left cost some pages"


def test_a_claim_from_a_vendor_with_a_limit_counts_its_places_once(ledger: Connection) -> None:
    flow = Flow(ledger, lanes=4)
    vendor = flow.vendor(concurrency=1)
    ledger.execute("update runtime_lane set next = 9 where stream_id = %s", (flow.stream,))
    fleet(ledger, flow, 300, vendor=vendor)
    assert claim_pages(ledger) < 4 * 300
    assert taken(ledger)
    assert claim(ledger, owner="w") is None
    assert claim_pages(ledger) < 18 * 4 * 300, "each lane is judged by its row, and the places are counted once"


def test_lanes_that_sleep_cost_a_claim_nothing(ledger: Connection) -> None:
    flow = Flow(ledger, lanes=4)
    fleet(ledger, flow, 600)
    assert let_lanes_sleep(ledger) == 2000
    assert let_lanes_sleep(ledger) == 400
    ledger.execute("vacuum runtime_progress")
    assert claim_pages(ledger) < 40


def test_a_closed_gate_is_asked_once_for_all_lanes_of_a_target(ledger: Connection) -> None:
    flow = Flow(ledger, lanes=4)
    ledger.execute("update runtime_lane set next = 9 where stream_id = %s", (flow.stream,))
    fleet(ledger, flow, 300)
    void(ledger, flow.approval)
    assert claim(ledger, owner="w") is None
    assert claim_pages(ledger) < 16 * 300 * 4
