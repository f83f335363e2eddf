"""A vendor's own times after the database went back: keys that it has forgotten, calls of before that are under way."""

from __future__ import annotations

from runtime.ledger.connections import Connection
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


def test_a_vendor_is_left_alone_for_as_long_as_it_may_act_on_calls_of_before(ledger: Connection) -> None:
    shop = Shop(ledger, StrictVendor())
    ledger.execute("update runtime_subscription set settle = 600, deadline = 60")
    shop.go_back(0, 0)
    left = ledger.execute(
        "select extract(epoch from not_before - clock_timestamp())::float8 from runtime_vendorstate"
    ).fetchone()
    assert left
    assert 650 < left[0] <= 660
