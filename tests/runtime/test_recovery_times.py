"""A vendor's own times after the database went back: keys that it has forgotten, calls of before that are under way."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from runtime.domain.vendor_times import DEFAULT_DEADLINE
from runtime.ledger.claims import claim, renew
from runtime.ledger.connections import Connection
from runtime.ledger.quarantine_claims import claim_quarantined
from runtime.selectors import gates
from tests.runtime.rewinding import Shop, StrictVendor


def old(conn: Connection, hours: int) -> None:
    """As if all messages had arrived so long ago, at a vendor that keeps keys for a day."""
    with conn.transaction():
        conn.execute("set local session_replication_role = replica")
        conn.execute("update runtime_message set received_at = received_at - make_interval(hours => %s)", (hours,))
    conn.execute("update runtime_subscription set key_kept = 86400")


def test_an_old_backup_is_asked_about_by_reference_because_keys_of_then_are_forgotten(ledger: Connection) -> None:
    shop = Shop(ledger, StrictVendor())
    shop.sell("a", "b")
    shop.work()
    shop.vendor.by_key.clear()
    old(ledger, hours=72)
    shop.go_back(logged=2, delivered=0)
    shop.work()
    assert shop.vendor.booked() == ["a", "b"]
    assert shop.vendor.questions == [("reference", "a"), ("reference", "b")]
    assert shop.quarantined() == []


def test_where_that_cannot_be_asked_a_person_decides_and_the_decision_ends_it(ledger: Connection) -> None:
    shop = Shop(ledger, StrictVendor(("key",)))
    shop.sell("a")
    shop.work()
    shop.vendor.by_key.clear()
    old(ledger, hours=72)
    shop.go_back(logged=1, delivered=0)
    shop.work()
    assert shop.vendor.booked() == ["a"]
    assert shop.quarantined() == [("a", "unknown", "forgotten")]


def left_alone_for(conn: Connection) -> float:
    """Seconds from now on for which nobody calls the vendor."""
    found = conn.execute(
        "select extract(epoch from not_before - clock_timestamp())::float8 from runtime_vendorstate"
    ).fetchone()
    assert found
    return float(found[0])


def times(conn: Connection, deadline: float | None, settle: float) -> None:
    conn.execute("update runtime_subscription set deadline = %s, settle = %s", (deadline, settle))


def lease_of_a_lane(conn: Connection, deadline: float) -> float:
    """How long the owner of a lane may go on by its own clock, which began before its last word with the database."""
    taken = claim(conn, owner="stands still")
    assert taken
    renew(conn, taken, deadline)
    return taken.lease.time_left()


def lease_of_a_quarantined_message(conn: Connection, deadline: float) -> float:
    conn.execute("""
        insert into runtime_quarantine (subscription_id, lane, position, key, state, reason_class, fingerprint, reason)
        select id, 0, 1, 'a', 'retry', '', '', '' from runtime_subscription""")
    taken = claim_quarantined(conn)
    assert taken
    return taken.lease.time_left()


@pytest.mark.parametrize("deadline", [None, 0.5, 14.0, 60.0])
@pytest.mark.parametrize("lease_of", [lease_of_a_lane, lease_of_a_quarantined_message])
def test_nobody_calls_a_vendor_while_a_worker_of_before_may_still_call_it_or_the_vendor_act_on_that(
    ledger: Connection, lease_of: Callable[[Connection, float], float], deadline: float | None
) -> None:
    shop = Shop(ledger, StrictVendor())
    times(ledger, deadline, settle=20)
    shop.sell("a")
    held = lease_of(ledger, deadline or DEFAULT_DEADLINE)
    shop.go_back(0, 0)
    assert left_alone_for(ledger) > held + 19.5


def test_a_vendor_is_left_alone_for_as_long_as_it_may_act_on_calls_of_before(ledger: Connection) -> None:
    shop = Shop(ledger, StrictVendor())
    times(ledger, 60, settle=600)
    shop.go_back(0, 0)
    assert 779 < left_alone_for(ledger) <= 780


def test_the_longest_of_several_targets_of_one_system_counts(ledger: Connection) -> None:
    shop = Shop(ledger, StrictVendor())
    times(ledger, 0.5, settle=0)
    system = ledger.execute("select vendor_id from runtime_subscription").fetchone()
    assert system
    shop.flow.subscribe("points", vendor=system[0], deadline=30, settle=5)
    shop.go_back(0, 0)
    assert 94 < left_alone_for(ledger) <= 95


def test_a_quarantined_message_whose_claim_is_forgotten_is_not_taken_by_another_worker(ledger: Connection) -> None:
    shop = Shop(ledger, StrictVendor())
    times(ledger, 14, settle=0)
    shop.sell("a")
    lease_of_a_quarantined_message(ledger, 14)
    with ledger.transaction():
        ledger.execute("set local session_replication_role = replica")
        ledger.execute("update runtime_quarantine set token = 0, lease_until = 'epoch', state = 'retry'")
    shop.go_back(1, 1)
    ledger.execute("update runtime_vendorstate set not_before = not_before - interval '41 seconds'")
    assert claim_quarantined(ledger) is None
    ledger.execute("update runtime_vendorstate set not_before = not_before - interval '2 seconds'")
    assert claim_quarantined(ledger) is not None


def test_the_gate_says_why_a_system_is_left_alone(ledger: Connection) -> None:
    shop = Shop(ledger, StrictVendor())
    shop.go_back(0, 0)
    (state,) = gates.states([shop.subscription]).values()
    said = next(one.says for one in state.conditions if one.key == "breaker")
    assert "the database went back, and calls of before may still be under way there" in said
