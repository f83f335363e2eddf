"""A call whose outcome was unknown leaves one row in the history, whatever came after it: for every class, in a batch,
alone and from quarantine. Witness: the vendor's count of calls."""

from __future__ import annotations

from typing import Any

import pytest

from runtime.ledger import vendor_target
from runtime.ledger.claims import claim
from runtime.ledger.connections import Connection
from runtime.services import dead_letters
from tests.runtime.test_outcomes_in_time import Clock, Vendor

pytestmark = pytest.mark.django_db(transaction=True)


def tried(site: Clock) -> list[tuple[int, int, str, str]]:
    return site.conn.execute("select first, last, outcome, detail from runtime_attempt order by id").fetchall()


def test_each_send_of_class_u_without_an_answer_is_on_record(ledger: Connection) -> None:
    site = Clock(ledger, Vendor(can_ask=False), idempotency="U")
    site.put(site.flow.item("a"))
    site.vendor.fates = ["cut"]
    site.work()
    assert tried(site) == [(1, 1, "unknown", "answer cut")]
    chosen = dead_letters.DeadLetterFilter(site.subscription, addresses=((0, 1),))
    dead_letters.redrive(chosen, actor=None, not_arrived=True, reason="their list does not have it")
    site.vendor.fates = ["cut"]
    site.work()
    assert (len(site.vendor.calls), [one[2] for one in tried(site)]) == (2, ["unknown", "unknown"])
    dead_letters.redrive(chosen, actor=None, not_arrived=True, reason="still not")
    site.work()
    assert len(site.vendor.calls) == 3
    assert [one[2] for one in tried(site)] == ["unknown", "unknown", "confirmed"]


def test_a_batch_of_class_u_without_an_answer_has_one_row_for_its_call(ledger: Connection) -> None:
    site = Clock(ledger, Vendor(can_ask=False), idempotency="U")
    site.put(*[site.flow.item(key) for key in "abcd"])
    site.vendor.fates = ["cut"]
    site.work()
    assert (site.vendor.calls, tried(site)) == ([4], [(1, 4, "unknown", "answer cut")])


@pytest.mark.parametrize(
    ("idempotency", "can_ask"), [("L", True), ("K", True), ("N", True), ("K", False), ("N", False)]
)
def test_a_lost_answer_that_is_settled_in_the_same_turn_is_on_record_and_in_no_doubt(
    ledger: Connection, idempotency: str, can_ask: bool
) -> None:
    site = Clock(ledger, Vendor(can_ask=can_ask, honours_keys=True), idempotency=idempotency)
    site.put(*[site.flow.item(key) for key in "abc"])
    site.vendor.fates = ["cut"]
    site.work()
    assert (site.parked(), sorted(site.effects())[0]) == ([], ("a", 0))
    assert tried(site)[0] == (1, 3, "unanswered", "answer cut")


def test_what_has_an_answer_has_no_row_more(ledger: Connection) -> None:
    site = Clock(ledger, Vendor(), idempotency="L")
    site.put(*[site.flow.item(key) for key in "abc"])
    site.work()
    assert tried(site) == []


def test_a_retry_from_quarantine_without_an_answer_that_is_found_afterwards_has_both_rows(ledger: Connection) -> None:
    site = Clock(ledger, Vendor(), idempotency="L")
    site.vendor.refuse = {"a": "retry"}
    site.put(site.flow.item("a"), site.flow.item("b"))
    taken = claim(ledger, owner="w")
    assert taken
    vendor_target.deliver(ledger, taken, site.bind)
    site.vendor.refuse, site.vendor.fates = {}, ["cut"]
    site.work()
    assert site.parked() == []
    assert [one[2] for one in tried(site)][-2:] == ["unanswered", "confirmed"]


def test_a_call_of_an_owner_that_is_gone_is_on_record(ledger: Connection) -> None:
    site = Clock(ledger, Vendor(can_ask=False), idempotency="U")
    site.put(site.flow.item("a"))
    send = site.vendor.send

    def die(items: Any, *, guard: Any) -> None:
        send(items, guard=guard)
        raise KeyboardInterrupt

    site.vendor.send = die  # type: ignore[method-assign, assignment]
    taken = claim(ledger, owner="w")
    assert taken
    with pytest.raises(KeyboardInterrupt):
        vendor_target.deliver(ledger, taken, site.bind)
    site.vendor.send = send  # type: ignore[method-assign]
    site.work()
    assert [place[1] for place in site.parked()] == ["unknown"]
    assert [one[2] for one in tried(site)] == ["unknown"]
