"""A second effect at a target shows when a day is compared: by the business reference, with the amounts."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from runtime.connectors.protocols import HeldDocument, OutboundMessage, Secrets
from runtime.connectors.rest.settings import RestSettings
from runtime.connectors.rest.sink import RestSink
from runtime.domain.manifest import DeclaredWrite, ManifestTarget
from runtime.ledger.vendor_client import SendResult
from runtime.profiles import profile
from runtime.services.sink_vendor import SinkVendor
from runtime.services.target_comparison import _answers, _There, _word
from sandbox import journal

DOCUMENT = {"profileId": "M-24", "type": "earn", "points": "30", "reference": "1/7/2026-11-28/41"}


class Subscription:
    idempotency = "K"


@pytest.fixture
def loyalty(calm: Any) -> Iterator[SinkVendor]:
    calm.loyalty.control(set={"kept_seconds": 86_400})
    client = vendor_of("loyalty", calm.loyalty.url, "K", ask_by="idempotency_key", address={"program": "main"})
    yield client
    client.close()


def vendor_of(name: str, url: str, idempotency: str, **target: Any) -> SinkVendor:
    settings = msgspec.convert(profile(name).connection({"base_url": url}), RestSettings)
    made = ManifestTarget(name, name, {}, [DeclaredWrite("sale", "command")], idempotency, **target)
    return SinkVendor(RestSink(settings), Secrets({"key": "sandbox"}), made, "")


def message(key: str = "", **document: Any) -> OutboundMessage:
    sent = DOCUMENT | document
    return OutboundMessage(sent["reference"], key or f"tg-{sent['reference']}", b"", sent, 1)


def put(client: SinkVendor, item: OutboundMessage) -> None:
    assert [result.status for result in client.send([item], guard=lambda: None)] == ["confirmed"]


def judged(client: SinkVendor, item: OutboundMessage, state: str = "delivered") -> str:
    (answer,) = _answers(client, Subscription(), [item])  # type: ignore[arg-type]
    return _word(state, answer if isinstance(answer, _There) else _There(None))


def test_points_that_were_booked_twice_are_named_and_do_not_agree(calm: Any, loyalty: SinkVendor) -> None:
    item, start = message(reference="twice/1"), calm.loyalty.state()["journal"]
    put(loyalty, item)
    assert judged(loyalty, item) == "agreed"
    calm.loyalty.control(advance_seconds=86_402)  # the engine has forgotten the key
    put(loyalty, item)
    entries = calm.loyalty.journal(since=start)
    assert len(journal.doubles(entries)) == 1
    assert judged(loyalty, item) == "twice"


def test_a_key_that_was_forgotten_is_no_missing_message(calm: Any, loyalty: SinkVendor) -> None:
    item = message(reference="forgotten/1")
    put(loyalty, item)
    calm.loyalty.control(advance_seconds=90_000)
    assert judged(loyalty, item) == "agreed", "the reference is still known"
    loyalty.sink.questions.settings = msgspec.structs.replace(  # type: ignore[attr-defined]
        loyalty.sink.questions.settings,  # type: ignore[attr-defined]
        lookup=msgspec.structs.replace(
            loyalty.sink.questions.settings.lookup,  # type: ignore[attr-defined]
            documents="",
        ),
    )
    loyalty.sink.business_reference = ""
    assert judged(loyalty, item) == "silent", "not there under a key that may be forgotten says nothing"


def test_another_amount_is_a_difference_and_nothing_there_is_missing(loyalty: SinkVendor) -> None:
    put(loyalty, message("tg-5", reference="amount/1"))
    assert judged(loyalty, message("tg-5", reference="amount/1", points="31")) == "differs"
    assert judged(loyalty, message("tg-5", reference="amount/1", points="30.00")) == "agreed"
    assert judged(loyalty, message("tg-6", reference="amount/2")) == "missing"
    assert judged(loyalty, message("tg-5", reference="amount/1"), state="dead") == "extra"


@pytest.mark.parametrize(
    ("state", "there", "word"),
    [
        ("delivered", _There((HeldDocument("A"), HeldDocument("B"))), "twice"),
        ("dead", _There((HeldDocument("A"), HeldDocument("B"))), "twice"),
        ("waiting", _There((HeldDocument("A"),)), "extra"),
        ("delivered", _There((HeldDocument("A", Decimal("2.0")),), Decimal("2")), "agreed"),
        ("delivered", _There((HeldDocument("A", Decimal("2.1")),), Decimal("2")), "differs"),
        ("delivered", _There((HeldDocument("A", None),), Decimal("2")), "agreed"),
        ("delivered", _There((HeldDocument("A", None, {"currency": "CHF"}),), None, {"currency": "EUR"}), "differs"),
        ("delivered", _There((HeldDocument("A", None, {"currency": "EUR"}),), None, {"currency": "EUR"}), "agreed"),
        ("delivered", _There(()), "missing"),
        ("dead", _There(()), "agreed"),
        ("delivered", _There(None), "silent"),
        ("delivered", _There((HeldDocument("A"),), any_state=True), "unproven"),
        ("waiting", _There((HeldDocument("A"),), any_state=True), "unproven"),
        ("waiting", _There((HeldDocument("A"),), unlike=True, any_state=True), "unproven"),
        ("delivered", _There((HeldDocument("A"),), unlike=True, any_state=True), "differs"),
        ("delivered", _There((HeldDocument("A"),), unlike=True), "differs"),
        ("delivered", _There((), any_state=True), "missing"),
    ],
)
def test_each_pair_of_state_and_answer_has_one_word(state: str, there: _There, word: str) -> None:
    assert _word(state, there) == word


def test_a_lookup_that_fails_is_silent(calm: Any, loyalty: SinkVendor) -> None:
    calm.loyalty.fault("status", status=503, ops="loyalty.lookup", next=1)
    (answer,) = _answers(loyalty, Subscription(), [message()])  # type: ignore[arg-type]
    assert isinstance(answer, SendResult)
    assert answer.status == "unknown"


def test_a_replay_finds_what_the_engine_has_although_it_forgot_the_key_early(calm: Any, loyalty: SinkVendor) -> None:
    item, start = message(reference="early/1"), calm.loyalty.state()["journal"]
    put(loyalty, item)
    calm.loyalty.control(advance_seconds=90_000)
    assert [result.status for result in loyalty.ask([item])] == ["confirmed"], "asked by key, found by reference"
    assert len(calm.loyalty.journal(since=start)) == 1
    other = message(reference="early/1", points="31")
    assert [result.status for result in loyalty.ask([other])] == ["differs"]
