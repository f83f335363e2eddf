"""A question proves a message only where the document that was found is that message's: under its key, else under its
business reference, and with what the connection declares about its content."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import pytest

from runtime.connectors.protocols import OutboundMessage, Secrets
from runtime.connectors.registry import open_sink
from runtime.domain.manifest import DeclaredWrite, ManifestTarget
from runtime.ledger.vendor_client import SendResult
from runtime.services.sink_vendor import SinkVendor
from tests.runtime.connectors.server import Server

Answering = Callable[..., SinkVendor]
LOOKUP = {"path": "/lookup", "reference": "id"}
BY_REFERENCE = LOOKUP | {"references": "references", "business_reference": "{reference}", "documents": "documents"}
AMOUNT = {"amount": "amount", "amount_sent": "total"}
SENT = {"reference": "R-1", "total": "30.00", "currency": "EUR"}


@pytest.fixture
def target() -> Iterator[Answering]:
    """A client of a REST target whose server answers every question with one document."""
    opened: list[AbstractContextManager[Any] | SinkVendor] = []

    def build(answer: dict[str, Any], lookup: dict[str, Any], *, ask_by: str = "idempotency_key") -> SinkVendor:
        server = Server(lambda seen: (200, {}, answer))
        server.__enter__()
        settings = {"base_url": server.url, "path": "/t", "idempotency": "K", "idempotency_field": "key"}
        made = ManifestTarget("t", "s", {}, [DeclaredWrite("sale", "command")], "K", ask_by=ask_by)
        client = SinkVendor(open_sink("rest", settings | {"lookup": lookup}), Secrets(), made, "")
        client.seen = server.seen  # type: ignore[attr-defined]
        opened.extend([server, client])
        return client

    yield build
    for one in opened:
        one.close() if isinstance(one, SinkVendor) else one.__exit__(None, None, None)


def message(**document: Any) -> OutboundMessage:
    return OutboundMessage("k", "tg-1", b"", SENT | document, 1)


def asked(client: SinkVendor, by: Any = "key", **document: Any) -> SendResult:
    (result,) = client.ask([message(**document)], by=by)
    return result


@pytest.mark.parametrize("by", ["key", "reference"])
def test_a_document_with_another_amount_is_not_this_messages_effect(target: Answering, by: str) -> None:
    name = "tg-1" if by == "key" else "R-1"
    there = {name: {"id": "T-9", "amount": "25.00"}}
    client = target({"found": there, "references": there}, BY_REFERENCE | AMOUNT)
    result = asked(client, by)
    assert result.status == "differs"
    assert "T-9" in result.detail
    assert "total 30.00" in result.detail
    assert "25.00" in result.detail


@pytest.mark.parametrize("amount", ["30", "30.0", 30])
def test_the_same_amount_in_another_spelling_is_the_same(target: Answering, amount: Any) -> None:
    client = target({"found": {"tg-1": {"id": "T-9", "amount": amount}}}, LOOKUP | AMOUNT)
    assert asked(client).status == "confirmed"


def test_a_document_that_does_not_say_its_amount_is_not_compared(target: Answering) -> None:
    client = target({"found": {"tg-1": {"id": "T-9"}}}, LOOKUP | AMOUNT)
    assert asked(client).status == "confirmed"


def test_the_amount_is_found_among_the_listed_documents_where_the_entry_has_none(target: Answering) -> None:
    listed = [{"id": "T-9", "amount": "25.00"}]
    client = target({"found": {"tg-1": "T-9"}, "documents": {"tg-1": listed}}, BY_REFERENCE | AMOUNT)
    assert asked(client).status == "differs"
    listed.append({"id": "T-10", "amount": "30.00"})
    assert asked(client).status == "confirmed", "one of them is this message's; that there are two is named elsewhere"


def test_everything_that_the_connection_declares_of_a_document_is_compared(target: Answering) -> None:
    entry = {"id": "T-9", "amount": "30.00", "money": {"code": "EUR"}}
    client = target({"found": {"tg-1": entry}}, LOOKUP | AMOUNT | {"holds": {"money.code": "currency"}})
    assert asked(client).status == "confirmed"
    entry["money"] = {"code": "CHF"}
    result = asked(client)
    assert result.status == "differs"
    assert "currency EUR" in result.detail
    assert "CHF" in result.detail


def test_odata_compares_what_its_lookup_declares() -> None:
    rows = [{"Ref": "k", "Order": "7", "Net": "25.00"}]
    with Server(lambda seen: (200, {}, {"d": {"results": rows}})) as server:
        lookup = {"field": "Ref", "reference": "Order", "holds": {"Net": "total"}}
        settings = {"base_url": server.url, "service": "/s", "entity_set": "E", "key_fields": ["Order"]}
        made = ManifestTarget("t", "s", {}, [DeclaredWrite("sale", "command")], "L")
        client = SinkVendor(open_sink("odata_v2", settings | {"lookup": lookup}), Secrets(), made, "")
        assert asked(client).status == "differs"
        rows[0]["Net"] = "30"
        assert asked(client) == SendResult("confirmed", "7")
        assert "Net" in server.seen[0].query["$select"]
        client.close()


# -- key first, then business reference --------------------------------------------------------------------------------


def test_a_key_that_is_not_known_is_not_the_last_word_where_the_reference_is(target: Answering) -> None:
    """A vendor that forgets keys early would book again what its reference still shows."""
    client = target({"found": {}, "references": {"R-1": {"id": "T-9"}}}, BY_REFERENCE)
    assert asked(client) == SendResult("confirmed", "T-9", answer='{"id":"T-9"}')


def test_not_there_is_said_only_when_neither_key_nor_reference_is_known(target: Answering) -> None:
    client = target({"found": {}, "references": {}}, BY_REFERENCE)
    assert asked(client).status == "unsent"
    assert [sorted(seen.json()) for seen in client.seen] == [["keys"], ["references"]]  # type: ignore[attr-defined]


def test_what_the_key_proves_needs_no_second_question(target: Answering) -> None:
    client = target({"found": {"tg-1": {"id": "T-9"}}, "references": {}}, BY_REFERENCE)
    assert asked(client).status == "confirmed"
    assert len(client.seen) == 1  # type: ignore[attr-defined]


def test_a_reference_with_another_amount_is_no_reason_to_send_again(target: Answering) -> None:
    there = {"R-1": {"id": "T-9", "amount": "25.00"}}
    client = target({"found": {}, "references": there}, BY_REFERENCE | AMOUNT)
    assert asked(client).status == "differs"


def test_a_message_without_a_reference_is_asked_about_by_its_key_alone(target: Answering) -> None:
    client = target({"found": {}, "references": {}}, BY_REFERENCE)
    assert asked(client, reference=None).status == "unsent"
