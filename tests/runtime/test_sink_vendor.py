"""A connector's sink as the ledger's vendor: whole-call refusals are taken apart, trouble of the vendor is not the
message's fault."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from runtime.connectors.protocols import (
    AskBy,
    Asked,
    CallContext,
    Health,
    Idempotency,
    OutboundMessage,
    Refused,
    Retriable,
    Secrets,
    Unknown,
    WriteResult,
)
from runtime.domain import manifest as manifests
from runtime.domain.correlation import trace_context
from runtime.domain.manifest import DeclaredWrite, ManifestTarget
from runtime.ledger.log_reader import LoggedMessage
from runtime.ledger.mappers import Unmappable
from runtime.services.mappers import mapper_of
from runtime.services.sink_vendor import SinkVendor


class Sink:
    """What the other side does with a batch is given as a function; calls are kept."""

    idempotency = Idempotency.NATURAL
    business_reference = match_field = ""
    write_address = ask_address = not_sent = frozenset[str]()

    def __init__(self, answer: Any, max_batch: int = 100) -> None:
        self.answer, self.max_batch, self.calls = answer, max_batch, list[tuple[list[OutboundMessage], CallContext]]()

    def check(self, *, call: CallContext) -> Health:
        return Health(True)

    def write(self, batch: Sequence[OutboundMessage], *, call: CallContext) -> list[WriteResult]:
        self.calls.append((list(batch), call))
        made: list[WriteResult] = self.answer(batch)
        return made

    def ask(
        self, keys: Sequence[str], *, call: CallContext, address: Any = None, by: AskBy = "key"
    ) -> dict[str, Asked]:
        return {key: "V1" if key == "k1" else None for key in keys if key != "k2"}

    def follow(self, accepted: Sequence[str], *, call: CallContext) -> dict[str, Asked]:
        raise Refused("sink.cannot_ask", "no jobs here")

    def close(self) -> None:
        pass


def vendor(sink: Sink, **target: Any) -> SinkVendor:
    made = ManifestTarget("erp", "s4", {}, [DeclaredWrite("sale", "command")], "N", **target)
    return SinkVendor(sink, Secrets(), made, "7")


def items(count: int) -> list[OutboundMessage]:
    return [
        OutboundMessage(f"k{i}", f"tg-{i}", b"", {"id": f"k{i}", "version": i}, i, f"{i + 1:032x}")
        for i in range(count)
    ]


def confirmed(batch: Sequence[OutboundMessage]) -> list[WriteResult]:
    return [WriteResult(item.key, "confirmed", "V") for item in batch]


def no_guard() -> None:
    pass


def test_a_call_refused_for_its_content_is_halved_until_the_message_that_is_meant_is_alone() -> None:
    def answer(batch: Sequence[OutboundMessage]) -> list[WriteResult]:
        if any(item.key == "k5" for item in batch):
            raise Refused("bad_item", "the article is unknown", status=422)
        return confirmed(batch)

    answers = vendor(Sink(answer)).send(items(8), guard=no_guard)
    assert [a.status for a in answers] == ["confirmed"] * 5 + ["refused"] + ["confirmed"] * 2


def test_a_refused_sign_in_is_the_vendors_trouble_and_no_message_dies_of_it() -> None:
    def answer(batch: Sequence[OutboundMessage]) -> list[WriteResult]:
        raise Refused("http.401", "who are you", status=401)

    assert {a.status for a in vendor(Sink(answer)).send(items(3), guard=no_guard)} == {"unsent"}


def test_what_follows_a_busy_vendor_is_not_sent() -> None:
    def answer(batch: Sequence[OutboundMessage]) -> list[WriteResult]:
        if batch[0].key == "k2":
            raise Retriable("429", after=3.0)
        return confirmed(batch)

    sink = Sink(answer, max_batch=2)
    answers = vendor(sink).send(items(6), guard=no_guard)
    assert [a.status for a in answers] == ["confirmed"] * 2 + ["unsent"] * 4
    assert answers[2].retry_after == 3.0
    assert len(sink.calls) == 2


def test_a_lost_answer_is_unknown_for_the_whole_call() -> None:
    def answer(batch: Sequence[OutboundMessage]) -> list[WriteResult]:
        raise Unknown("cut")

    assert {a.status for a in vendor(Sink(answer)).send(items(2), guard=no_guard)} == {"unknown"}


def test_asking_tells_there_from_not_there_from_no_word() -> None:
    assert [a.status for a in vendor(Sink(confirmed)).ask(items(3))] == ["unsent", "confirmed", "unknown"]


def test_the_vendor_knows_a_message_by_what_the_manifest_says() -> None:
    sink = Sink(confirmed)
    vendor(sink, ask_by="{instance}/{id}@{version}", address={"store": "{instance}"}).send(items(1), guard=no_guard)
    sent, call = sink.calls[0]
    assert (sent[0].sent_key, sent[0].address) == ("7/k0@0", {"store": "7"})
    assert call.correlation_id == f"{1:032x}"
    assert call.traceparent is not None
    assert call.traceparent.startswith(f"00-{1:032x}-")


def test_a_correlation_that_is_no_trace_id_makes_no_trace_context() -> None:
    assert trace_context("till-7", "tg-1") is None


def test_letters_of_one_fault_share_a_fingerprint_whatever_their_numbers_and_places() -> None:
    each = [{"to": "amount", "from": "amount", "type": "decimal", "scale": 2, "required": True}]
    mapping = {"mapping": "m", "version": "1", "fields": [{"to": "lines", "from": "lines", "each": each}]}
    made = manifests.load(
        {
            "integration": "i",
            "title": "I",
            "domain": "sales",
            "owner": "o",
            "tier": 2,
            "sources": [{"name": "s", "system": "pos"}],
            "event": {"name": "sale", "meaning": "fact"},
            "targets": [{"name": "t", "system": "s4", "mapping": mapping, "writes": [], "idempotency": "N"}],
        }
    )
    run = mapper_of(made, made.targets[0]).one
    patterns, reasons = set(), set()
    for place in (0, 3):
        lines = [{"amount": "1.00"}] * place + [{"amount": f"{place}.123"}]
        with pytest.raises(Unmappable) as stopped:
            run(LoggedMessage(1, "k", {"lines": lines}, ""))
        patterns.add(stopped.value.pattern)
        reasons.add(stopped.value.reason)
    assert len(reasons) == 2, "each letter still says which line and which value"
    assert len(patterns) == 1
    assert "[]" in patterns.pop()


def test_a_stored_release_that_asks_by_a_constant_learns_nothing_of_any_message() -> None:
    client = vendor(Sink(confirmed), ask_by="k1")
    assert [result.status for result in client.ask(items(2))] == ["unknown", "unknown"]
