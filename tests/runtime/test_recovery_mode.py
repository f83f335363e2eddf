"""After the database went back: what may have been delivered is asked about before it is sent, by the means that the
vendor offers, and what cannot be asked about goes to a person. Witness: the vendor's books."""

from __future__ import annotations

from typing import Any

import pytest

from runtime.ledger import connections, rewind
from runtime.ledger.claims import claim
from runtime.ledger.connections import Connection
from runtime.ledger.send_batch import idempotency_key
from tests.runtime.rewinding import Shop, StrictVendor


def test_messages_before_the_rewind_keep_their_key_and_later_ones_get_the_new_salt() -> None:
    given: dict[str, Any] = {"epochs": [[10, 0xAAA], [20, 0xBBB]]}
    assert idempotency_key(1, 7, 0, 9, **given) == idempotency_key(1, 7, 0, 9)
    assert idempotency_key(1, 7, 0, 10, **given) == "tg-aaa-7-0-10"
    assert idempotency_key(1, 7, 0, 20, **given) == "tg-bbb-7-0-20"


def test_a_connection_to_the_same_database_begins_nothing(ledger: Connection) -> None:
    Shop(ledger, StrictVendor())
    connections.connect(name="tillgate-test").close()
    assert ledger.execute("select count(*) from runtime_rewind").fetchone() == (0,)
    assert ledger.execute("select count(*) from runtime_key_epoch").fetchone() == (0,)


def test_only_one_of_many_connections_begins_the_epoch(ledger: Connection) -> None:
    shop = Shop(ledger, StrictVendor())
    shop.go_back(0, 0)
    connections.connect(name="tillgate-test").close()
    assert ledger.execute("select count(*) from runtime_rewind").fetchone() == (1,)


@pytest.mark.parametrize("asks", [("key", "reference"), ("key",), ()])
def test_what_was_sent_in_the_lost_time_goes_again_under_its_own_key(ledger: Connection, asks: tuple[str, ...]) -> None:
    shop = Shop(ledger, StrictVendor(asks))
    shop.sell("a", "b", "c")
    shop.work()
    shop.go_back(logged=3, delivered=1)
    shop.work()
    assert shop.vendor.booked() == ["a", "b", "c"]
    assert shop.quarantined() == []


def test_a_vendor_that_keeps_no_keys_is_asked_about_it(ledger: Connection) -> None:
    shop = Shop(ledger, StrictVendor(keeps_keys=False), "L")
    shop.sell("a", "b", "c")
    shop.work()
    shop.go_back(logged=3, delivered=1)
    shop.work()
    assert shop.vendor.booked() == ["a", "b", "c"]
    assert shop.history() == [(2, 3, "recovered")]


def test_what_was_lost_and_comes_again_is_asked_about_by_its_business_reference(ledger: Connection) -> None:
    shop = Shop(ledger, StrictVendor())
    shop.sell("a", "b", "c")
    shop.work()
    shop.go_back(logged=1, delivered=1)
    shop.sell("new", "c", "b")
    shop.work()
    assert shop.vendor.booked() == ["a", "b", "c", "new"]
    assert shop.vendor.shared_keys() == {}
    assert shop.quarantined() == []
    assert shop.history() == [(3, 4, "recovered")]


def test_what_comes_again_and_cannot_be_asked_about_goes_to_a_person(ledger: Connection) -> None:
    shop = Shop(ledger, StrictVendor(("key",)))
    shop.sell("a", "b")
    shop.work()
    shop.go_back(logged=1, delivered=1)
    shop.sell("b")
    shop.work()
    assert shop.vendor.booked() == ["a", "b"]
    assert shop.quarantined() == [("b", "unknown", "recovery")]


def test_a_vendor_that_can_do_nothing_gets_nothing_without_a_person(ledger: Connection) -> None:
    shop = Shop(ledger, StrictVendor((), keeps_keys=False), "U")
    shop.sell("a", "b")
    shop.work()
    shop.go_back(logged=2, delivered=1)
    shop.sell("c")
    shop.work()
    assert shop.vendor.booked() == ["a", "b"]
    assert [(key, state) for key, state, _ in shop.quarantined()] == [("b", "unknown"), ("c", "unknown")]


def test_a_state_is_sent_again_because_a_question_would_not_tell_its_version(ledger: Connection) -> None:
    shop = Shop(ledger, StrictVendor(keeps_keys=False), "N", facts=False)
    shop.sell("price")
    shop.work()
    shop.go_back(logged=1, delivered=1)
    shop.sell("price", version=2)
    shop.work()
    assert shop.vendor.booked() == ["price", "price"]
    assert shop.vendor.questions == []


def test_when_the_window_has_ended_new_messages_are_sent_without_a_question(ledger: Connection) -> None:
    shop = Shop(ledger, StrictVendor())
    shop.sell("a")
    shop.work()
    shop.go_back(logged=1, delivered=1)
    shop.sell("b")
    shop.end_window()
    shop.sell("c")
    shop.work()
    assert shop.vendor.booked() == ["a", "b", "c"]
    assert shop.vendor.questions == [("reference", "b")]


def test_where_replication_is_synchronous_no_window_opens(ledger: Connection, monkeypatch: Any) -> None:
    monkeypatch.setattr(rewind, "WINDOW_HOURS", 0.0)
    shop = Shop(ledger, StrictVendor())
    shop.sell("a")
    shop.work()
    shop.go_back(logged=1, delivered=0)
    shop.sell("b")
    shop.work()
    assert shop.vendor.booked() == ["a", "b"]
    assert shop.vendor.questions == [("key", "a")]


def test_nothing_is_sent_while_calls_of_before_may_still_be_under_way(ledger: Connection) -> None:
    shop = Shop(ledger, StrictVendor())
    shop.sell("a")
    shop.go_back(logged=1, delivered=0)
    assert claim(ledger, owner="w") is None


def test_a_person_cannot_state_a_restore_while_workers_hold_lanes(ledger: Connection) -> None:
    shop = Shop(ledger, StrictVendor())
    shop.sell("a")
    assert claim(ledger, owner="w")
    with pytest.raises(rewind.StillWorking, match="1 lanes"):
        rewind.state_restored(ledger, note="")


def test_a_server_that_tells_less_still_shows_another_database(ledger: Connection, monkeypatch: Any) -> None:
    monkeypatch.setattr(rewind, "_IDENTITY", "select pg_not_offered_here()")
    shop = Shop(ledger, StrictVendor())
    connections.connect(name="tillgate-test").close()
    assert ledger.execute("select count(*) from runtime_rewind").fetchone() == (0,)
    ledger.execute("update runtime_database set database = database - 1")
    connections.connect(name="tillgate-test").close()
    assert ledger.execute("select reason from runtime_rewind").fetchall() == [("database",)]
    assert shop.vendor.journal == []


def test_a_standby_is_refused_because_it_could_be_promoted_under_its_connections(monkeypatch: Any, db: None) -> None:
    monkeypatch.setattr(rewind, "_IDENTITY", rewind._IDENTITY.replace("pg_is_in_recovery() as", "true as"))
    with pytest.raises(rewind.NotUsable, match="is a standby"):
        connections.connect(name="tillgate-test")
