"""What a person edits in a message that may have arrived never makes a second one of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from kernel.errors import Conflict
from runtime.ledger.append import append
from runtime.ledger.connections import Connection
from runtime.models import QuarantinedMessage
from runtime.services import dead_letters
from tests.runtime.connectors.server import Server
from tests.runtime.test_states_asked_about import FIELDS
from tests.runtime.test_who_is_asked import RIGHT, WRONG, Site, site

__all__ = ["Callable", "Iterator", "site"]


def differing(one: Site) -> None:
    """A message without an answer, which a person decides about."""
    one.conn.execute("update runtime_quarantine set state = 'unknown', reason_class = 'differs', lease_until = 'epoch'")


def edit(key: str) -> None:
    found = QuarantinedMessage.objects.get()
    dead_letters.edit_payload(
        found.subscription_id, found.lane, found.position, payload={"key": key}, actor=None, reason="mistyped"
    )


@pytest.mark.django_db(transaction=True)
def test_a_message_that_may_have_arrived_keeps_the_name_under_which_it_was_sent(site: Callable[..., Site]) -> None:
    one = site(idempotency="L")
    one.deployed(WRONG)
    one.lost = {"a"}
    one.put("a")
    one.rounds()
    one.deployed(RIGHT)
    differing(one)
    with pytest.raises(Conflict) as refused:
        edit("b")
    assert refused.value.code == "dead_letter.name_sent"
    assert QuarantinedMessage.objects.get().payload is None
    edit("a")
    chosen = dead_letters.DeadLetterFilter(QuarantinedMessage.objects.get().subscription_id)
    assert dead_letters.redrive(chosen, actor=None, reason="asked first") == 1
    one.rounds()
    assert one.journal == ["a"]


class Sales(Site):
    """Sales with a `price`. A sale in `lost` is booked without an answer; a lookup shows the price where it `shows`."""

    def __init__(self, conn: Connection, server: Server, tmp_path: Path, idempotency: str) -> None:
        super().__init__(conn, server, tmp_path, idempotency=idempotency)
        self.booked, self.keys, self.shows = list[tuple[str, int]](), set[str](), True

    def release(self, lookup: dict[str, Any], **more: Any) -> dict[str, Any]:
        return super().release(lookup, fields=FIELDS, **more)

    def _answer(self, seen: Any) -> Any:
        body = seen.json()
        if seen.path == "/sales":
            if self.idempotency == "L" or body["sent"] not in self.keys:
                self.booked.append((body["ref"], body["price"]))
            self.keys.add(body["sent"])
            return (502, {}, b"bad gateway") if body["ref"] in self.lost else (201, {}, {"id": "V"})
        if seen.path != "/lookup":
            return 404, {}, {}
        found = {ref: {"id": "V"} | ({"price": price} if self.shows else {}) for ref, price in self.booked}
        return 200, {}, {"found": {name: found[name] for name in body["keys"] if name in found}}

    def edited(self, price: int) -> None:
        found = QuarantinedMessage.objects.get()
        place = found.subscription_id, found.lane, found.position
        given = {"key": "a", "version": price}
        dead_letters.edit_payload(*place, payload=given, actor=None, reason="mistyped")

    def redriven(self) -> None:
        chosen = dead_letters.DeadLetterFilter(QuarantinedMessage.objects.get().subscription_id)
        dead_letters.redrive(chosen, actor=None, reason="asked first")
        self.rounds()


@pytest.fixture
def sales(ledger: Connection, tmp_path: Path) -> Iterator[Callable[..., Sales]]:
    with Server(None) as server:
        made: list[Sales] = []

        def build(idempotency: str, lookup: dict[str, Any], **more: Any) -> Sales:
            """`a` was booked with price 1, its answer was lost and nobody could be asked: a person decides."""
            one = Sales(ledger, server, tmp_path, idempotency)
            made.append(one)
            one.deployed(WRONG, **more)
            one.conn.execute("update runtime_subscription set settle = 0")
            one.lost = {"a"}
            append(ledger, one.flow.ref, [one.flow.item("a", 1)])
            one.rounds(4)
            one.deployed(lookup, **more)
            differing(one)
            one.lost = set()
            one.booked = one.booked[:1]
            return one

        yield build
        for one in made:
            one.clients.close()


HOLDS = RIGHT | {"holds": {"price": "price"}}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("lookup", "shows"), [(RIGHT, True), (HOLDS, True), (HOLDS, False)])
@pytest.mark.parametrize("idempotency", ["L", "K"])
def test_what_arrived_before_the_edit_does_not_confirm_the_edited_one(
    sales: Callable[..., Sales], idempotency: str, lookup: dict[str, Any], shows: bool
) -> None:
    one = sales(idempotency, lookup)
    one.shows = shows
    one.edited(2)
    one.redriven()
    assert one.booked == [("a", 1)], "it is there once, as it was sent"
    assert one.waiting() == [("a", "unknown", "differs")]


@pytest.mark.django_db(transaction=True)
def test_a_key_of_ours_does_not_confirm_it_either(sales: Callable[..., Sales]) -> None:
    one = sales("K", RIGHT, ask_by="idempotency_key", key_kept=3600)
    one.booked = [(next(iter(one.keys)), 1)]  # the lookup finds it by the key
    one.edited(2)
    one.redriven()
    assert one.waiting() == [("a", "unknown", "differs")]


@pytest.mark.django_db(transaction=True)
def test_the_edited_one_is_sent_where_the_first_did_not_arrive_and_confirmed_where_it_is_shown(
    sales: Callable[..., Sales],
) -> None:
    one = sales("L", HOLDS)
    one.booked = []
    one.edited(2)
    one.lost = {"a"}
    one.redriven()
    assert (one.booked, one.waiting()) == ([("a", 2)], [])


@pytest.mark.django_db(transaction=True)
def test_an_edit_that_changes_nothing_of_what_is_sent_is_none(sales: Callable[..., Sales]) -> None:
    one = sales("L", RIGHT)
    one.edited(1)
    one.redriven()
    assert (one.booked, one.waiting()) == ([("a", 1)], [])
