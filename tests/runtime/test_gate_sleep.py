"""Lanes whose gate stays closed sleep until it opens: a claim does not walk them, and none sleeps for ever."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from runtime.ledger import gate_sleep
from runtime.ledger.append import append
from runtime.ledger.claims import claim, claim_to_ask
from runtime.ledger.connections import Connection
from runtime.ledger.gate_sleep import let_lanes_sleep_at_gates, wake_lanes_at_gates
from runtime.ledger.lane_sleep import let_lanes_sleep, wake_lanes
from runtime.worker.delivery import Served
from runtime.worker.loop import WorkerLoop
from tests.runtime import make
from tests.runtime.make import Flow
from tests.runtime.test_cost_at_size import claim_pages, fleet, pages
from tests.runtime.test_freezes_agree import freeze_of

STORES = 300
ALL_STORES = "insert into catalog_retailstore (key, name, banner_id, zone) select 's' || n, 's' || n, %s, '' from "


def freeze_all(flow: Flow) -> None:
    row = flow.conn.execute(
        "insert into catalog_scopevalue (dimension, key, name) values ('banner', 'north', 'North') returning id"
    ).fetchone()
    assert row
    flow.conn.execute(ALL_STORES + "generate_series(1, %s) n", (row[0], STORES))
    freeze_of(flow.conn, "north")


def all_vendors(change: str) -> Callable[[Flow], None]:
    return lambda flow: flow.conn.execute(f"update runtime_vendorstate set {change}") and None


def all_targets(change: str) -> Callable[[Flow], None]:
    return lambda flow: flow.conn.execute(f"update runtime_subscription set {change}") and None


HOUR = "clock_timestamp() + interval '1 h'"
CLOSE: dict[str, Callable[[Flow], None]] = {
    "a freeze": freeze_all,
    "an approval that is void": lambda flow: make.void(flow.conn, flow.approval),
    "a pause": lambda flow: (
        flow.conn.execute("update runtime_deployment set paused = true, pause_reason = 'x'") and None
    ),
    "targets that were closed": all_targets("open = false"),
    "connections at fault": all_targets(f"held_until = {HOUR}"),
    "circuit breakers": all_vendors(f"breaker = 'open', open_until = {HOUR}"),
    "vendors that said wait": all_vendors(f"not_before = {HOUR}"),
    "budgets that are spent": all_vendors("budget = 10, spent = 10"),
}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("how", CLOSE)
def test_a_gate_that_stays_closed_costs_a_claim_nothing(ledger: Connection, how: str) -> None:
    flow = Flow(ledger, lanes=4)
    ledger.execute("update runtime_lane set next = 9 where stream_id = %s", (flow.stream,))
    fleet(ledger, flow, STORES)
    CLOSE[how](flow)
    WorkerLoop(collect=False).run(until_idle=True)
    ledger.execute("vacuum runtime_progress")
    assert claim(ledger, owner="w") is None
    assert claim_pages(ledger) < 40


def asleep(conn: Connection) -> int:
    row = conn.execute("select count(*) from runtime_progress where asleep and at_gate").fetchone()
    assert row
    return int(row[0])


def test_a_look_at_the_gates_asks_one_target_of_each_kind(ledger: Connection) -> None:
    flow = Flow(ledger, lanes=4)
    ledger.execute("update runtime_lane set next = 9 where stream_id = %s", (flow.stream,))
    fleet(ledger, flow, STORES)
    make.void(ledger, flow.approval)
    assert pages(ledger, gate_sleep._SLEEP, (0.0, 30.0, 10)) < 4 * STORES
    assert let_lanes_sleep_at_gates(ledger) == asleep(ledger) == 4 * STORES
    assert pages(ledger, gate_sleep._WAKE, ()) < 2 * STORES
    assert wake_lanes_at_gates(ledger) == 0


def test_a_message_wakes_no_lane_whose_gate_is_closed(ledger: Connection) -> None:
    flow = Flow(ledger, lanes=1)
    flow.subscribe("asleep")
    assert let_lanes_sleep(ledger) == 1, "it has nothing to take, and the counter of the lane is noted"
    closed = flow.subscribe("closed")
    append(ledger, flow.ref, [flow.item("a")])
    ledger.execute(f"update runtime_subscription set held_until = {HOUR} where id = %s", (closed,))
    assert let_lanes_sleep_at_gates(ledger) == 1
    assert wake_lanes(ledger) == 1
    assert asleep(ledger) == 1
    ledger.execute("update runtime_subscription set held_until = 'epoch'")
    assert wake_lanes_at_gates(ledger) == 1
    assert {claimed(ledger), claimed(ledger)} >= {closed}


def claimed(conn: Connection) -> int:
    taken = claim(conn, owner="w")
    assert taken
    return taken.subscription


def test_a_lane_that_has_a_call_without_an_answer_does_not_sleep_and_is_asked_about(ledger: Connection) -> None:
    flow = Flow(ledger, lanes=1)
    subscription = flow.subscribe()
    append(ledger, flow.ref, [flow.item("a")])
    ledger.execute("update runtime_progress set intent = 1, intent_at = clock_timestamp()")
    make.void(ledger, flow.approval)
    assert let_lanes_sleep_at_gates(ledger) == 0
    taken = claim_to_ask(ledger, owner="w")
    assert taken
    assert taken.subscription == subscription


def test_a_vendor_that_is_away_for_a_moment_does_not_put_its_lanes_to_sleep(ledger: Connection) -> None:
    flow = Flow(ledger, lanes=1)
    vendor = flow.vendor(instance="s1")
    flow.subscribe(vendor=vendor, instance="s1")
    append(ledger, flow.ref, [flow.item("a")])
    away = "update runtime_vendorstate set breaker = 'open', open_until = clock_timestamp() + interval '{}'"
    ledger.execute(away.format("20 s"))
    assert let_lanes_sleep_at_gates(ledger) == 0
    ledger.execute(away.format("90 s"))
    assert let_lanes_sleep_at_gates(ledger) == 1


def test_a_worker_of_the_release_before_wakes_a_lane_for_good(ledger: Connection) -> None:
    """Its statement knows nothing of gates."""
    flow = Flow(ledger, lanes=1)
    flow.subscribe()
    append(ledger, flow.ref, [flow.item("a")])
    make.void(ledger, flow.approval)
    assert let_lanes_sleep_at_gates(ledger) == 1
    ledger.execute("update runtime_progress set asleep = false")
    assert ledger.execute("select asleep, at_gate from runtime_progress").fetchall() == [(False, False)]


def test_a_busy_worker_looks_at_the_gates_every_second_and_spends_a_hundredth_of_its_time_on_it() -> None:
    assert gate_sleep.asks_again_after(0.001) == 1.0
    assert gate_sleep.asks_again_after(0.05) == pytest.approx(5.0)
    assert gate_sleep.asks_again_after(3.0) == 10.0


def test_a_worker_that_has_other_work_meanwhile_wakes_what_may_run_again(
    ledger: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    flow = Flow(ledger, lanes=1)
    flow.subscribe()
    append(ledger, flow.ref, [flow.item("a")])
    ledger.execute("update runtime_deployment set paused = true, pause_reason = 'x'")
    monkeypatch.setattr("runtime.worker.loop.serve_one", lambda *_, **__: Served("other work"))
    loop = WorkerLoop(collect=False)
    loop.turn()
    assert asleep(ledger) == 1
    ledger.execute("update runtime_deployment set paused = false, pause_reason = ''")
    loop.turn()
    assert asleep(ledger) == 1, "it looked a moment ago"
    loop._asks_at = 0.0
    loop.turn()
    loop._disconnect()
    assert asleep(ledger) == 0
