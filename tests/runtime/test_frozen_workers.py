"""A worker may stand still anywhere, for longer than its lease: what it knows of times and of rows stays on the safe
side of the truth."""

from __future__ import annotations

import time
from threading import Thread
from types import SimpleNamespace
from typing import Any

import pytest

from runtime.ledger import claims, connections, quarantine, quarantine_claims, vendor_target
from runtime.ledger.append import append
from runtime.ledger.connections import Connection
from runtime.ledger.quarantine import QuarantineEntry
from runtime.ledger.quarantine_claims import claim_quarantined, let_sleep
from runtime.ledger.quarantine_retry import _KEEP
from tests.runtime.make import Flow
from tests.runtime.test_cost_at_size import leave, quarantined

FROZEN = 100.0  # seconds that the worker stands still before its statement reaches the database


class FrozenBefore:
    """A connection whose client stands still before each statement leaves: its clock goes on."""

    def __init__(self, conn: Connection, monkeypatch: pytest.MonkeyPatch, *modules: Any) -> None:
        self.conn, self.frozen = conn, 0.0
        clock = SimpleNamespace(monotonic=lambda: time.monotonic() + self.frozen)
        for module in modules:
            monkeypatch.setattr(module, "time", clock)

    def now(self) -> float:
        return time.monotonic() + self.frozen

    def execute(self, *arguments: Any, **more: Any) -> Any:
        self.frozen += FROZEN
        return self.conn.execute(*arguments, **more)

    def cursor(self, **more: Any) -> Any:
        self.frozen += FROZEN
        return self.conn.cursor(**more)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.conn, name)


def test_a_worker_that_froze_before_it_claimed_takes_nothing_for_sent_longer_ago(
    ledger: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    flow = Flow(ledger, lanes=1)
    flow.subscribe(settle=45.0)
    append(ledger, flow.ref, [flow.item("a")])
    taken = claims.claim(ledger, owner="first")
    assert taken
    claims.step(ledger, taken, 0, intent=1)
    claims.release_unanswered(ledger, taken, wait=0.0, last_sent=time.monotonic() - 5.0)
    slow: Any = FrozenBefore(ledger, monkeypatch, claims)
    again = claims.claim(slow, owner="second")
    assert again
    assert again.last_sent is not None
    assert again.first_sent is not None
    assert slow.now() - again.last_sent < 6.0, "the time that it stood still is no time since the call"
    assert slow.now() - again.first_sent > FROZEN, "nor is it time for which the vendor keeps a key"


def test_the_same_for_a_quarantined_message(ledger: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    flow = Flow(ledger, lanes=1)
    quarantined(ledger, flow.subscribe(settle=45.0), "sending", ["a"], 1)
    ledger.execute("update runtime_quarantine set first_seen_at = clock_timestamp() - interval '5 s'")
    slow: Any = FrozenBefore(ledger, monkeypatch, quarantine_claims)
    taken = claim_quarantined(slow)
    assert taken
    assert taken.last_sent is not None
    assert taken.first_sent is not None
    assert slow.now() - taken.last_sent < 6.0
    assert slow.now() - taken.first_sent > FROZEN


def test_a_replay_that_froze_takes_its_messages_for_no_younger(
    ledger: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    flow = Flow(ledger, lanes=1)
    flow.subscribe("erp")
    append(ledger, flow.ref, [flow.item("a")])
    taken = claims.claim(ledger, owner="first")
    assert taken
    taken.target.original_subscription, taken.limits.key_kept, taken.first_sent = -1, 60.0, None
    slow: Any = FrozenBefore(ledger, monkeypatch, vendor_target)
    vendor_target._bound_first_sent(slow, taken, 1, 1)
    assert taken.first_sent is not None
    assert slow.now() - taken.first_sent > FROZEN


def test_a_worker_that_froze_before_it_stored_a_try_makes_no_key_younger(ledger: Connection) -> None:
    flow = Flow(ledger, lanes=1)
    quarantined(ledger, flow.subscribe(), "sending", ["a"], 1)
    ledger.execute("update runtime_quarantine set first_sent_at = clock_timestamp() - interval '1 hour'")
    row = ["sending", "", "", "", 0.0, None, 0, 0, "", 5.0, 5.0, 5.0]  # so long ago as it was before it froze
    place = ledger.execute("select subscription_id, lane, position, token from runtime_quarantine").fetchone()
    assert place
    ledger.execute(_KEEP, [*row, *place])
    first, last = ledger.execute(
        """select extract(epoch from clock_timestamp() - first_sent_at)::float8,
                  extract(epoch from clock_timestamp() - sent_at)::float8
           from runtime_quarantine"""
    ).fetchone() or (0.0, 0.0)
    assert first > 3599
    assert last < 10
    ledger.execute(_KEEP, ["retry", *row[1:9], None, None, None, *place])
    assert ledger.execute("select first_sent_at, sent_at from runtime_quarantine").fetchone() == (None, None)


def waits(conn: Connection, other: Connection) -> bool:
    row = conn.execute("select cardinality(pg_blocking_pids(%s))", (other.info.backend_pid,)).fetchone()
    return bool(row and row[0])


def test_a_worker_that_froze_before_it_stored_its_batch_makes_no_key_younger(ledger: Connection) -> None:
    """The seconds were counted in the transaction; its beginning is no later than that."""
    flow = Flow(ledger, lanes=1)
    flow.subscribe()
    append(ledger, flow.ref, [flow.item("a")])
    taken = claims.claim(ledger, owner="first")
    assert taken
    entry = QuarantineEntry(1, "a", "sending", first_sent=time.monotonic() - 5.0, last_sent=time.monotonic() - 5.0)
    with ledger.transaction():
        ledger.execute("select pg_sleep(0.05)")  # as if it had stood still here, with the seconds in its hand
        quarantine.quarantine(ledger, taken, [entry])
        first, last = ledger.execute(
            """select extract(epoch from now() - first_sent_at)::float8, extract(epoch from now() - sent_at)::float8
               from runtime_quarantine"""
        ).fetchone() or (0.0, 0.0)
    assert first >= 5.05
    assert last <= first - 0.05, "that one is counted from the present"


# -- a transaction that stands still between its statement and its commit ----------------------------------------------
def test_what_comes_behind_a_message_that_is_leaving_does_not_sleep_for_ever(ledger: Connection) -> None:
    flow = Flow(ledger, lanes=1)
    subscription = flow.subscribe()
    quarantined(ledger, subscription, "retry", ["a"], 1)
    with connections.connected(name="tillgate-test") as other:
        with other.transaction():
            leave(other, 1)
            quarantined(ledger, subscription, "behind", ["a"], 2)  # this transaction cannot see it, so it wakes nothing
            let_sleep(ledger)
        let_sleep(ledger)
    taken = claim_quarantined(ledger)
    assert taken
    assert taken.position == 2


def test_two_messages_that_leave_at_once_wake_the_one_behind_both(ledger: Connection) -> None:
    flow = Flow(ledger, lanes=1)
    subscription = flow.subscribe()
    quarantined(ledger, subscription, "dead", ["a", "a"], 1)
    quarantined(ledger, subscription, "behind", ["a", "b"], 3)
    let_sleep(ledger)
    with connections.connected(name="tillgate-test") as one, connections.connected(name="tillgate-test") as two:
        with one.transaction():
            leave(one, 1)
            other = Thread(target=leave, args=(two, 2))
            other.start()
            while other.is_alive() and not waits(ledger, two):
                pass
        other.join()
    let_sleep(ledger)
    positions = set()
    while taken := claim_quarantined(ledger):
        positions.add(taken.position)
    assert positions == {3, 4}


def test_what_waits_for_another_target_does_not_sleep_while_that_message_leaves(ledger: Connection) -> None:
    flow = Flow(ledger, lanes=1)
    first, second = flow.subscribe("erp"), flow.subscribe("loyalty")
    ledger.execute("update runtime_subscription set after_subscription = %s where id = %s", (first, second))
    quarantined(ledger, first, "retry", ["a"], 7)
    with connections.connected(name="tillgate-test") as other, other.transaction():
        other.execute("delete from runtime_quarantine where subscription_id = %s", (first,))
        quarantined(ledger, second, "behind", ["a"], 7)
        let_sleep(ledger)
    let_sleep(ledger)
    taken = claim_quarantined(ledger)
    assert taken
    assert taken.subscription == second
