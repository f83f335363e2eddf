"""A connector's sink as the ledger wants a vendor client: every outcome of a call becomes an answer, never an
exception.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial
from typing import TypeVar

from runtime.connectors.outcomes import fault_kind, is_about_message
from runtime.connectors.protocols import (
    AskBy,
    Asked,
    CallContext,
    ConnectionFault,
    HeldDocument,
    Inspecting,
    OutboundMessage,
    Refused,
    Retriable,
    Secrets,
    SinkConnector,
    Unknown,
    WriteResult,
)
from runtime.domain.correlation import subject_of
from runtime.domain.manifest import ManifestTarget
from runtime.domain.reconciliation import amount_of
from runtime.domain.templates import INSTANCE, NoName, field, fill, names_in, text_of
from runtime.ledger.vendor_client import CannotAsk, SendResult
from runtime.mapping import encode


@dataclass(slots=True)
class _Sent:
    """What became of the messages of one `send`, by their place, and why it went no further."""

    results: dict[int, SendResult]
    stop: SendResult | None = None


_SILENT = SendResult("unknown", detail="the answer says nothing about this message")
T = TypeVar("T")


class SinkVendor:
    """A connector's sink as a vendor client of the ledger: it answers and never raises for what the vendor does."""

    def __init__(
        self, sink: SinkConnector, secrets: Secrets, target: ManifestTarget, instance: str, *, prefix: str = ""
    ) -> None:
        self.sink, self.secrets, self.target, self.instance, self.prefix = sink, secrets, target, instance, prefix
        self.deadline = target.deadline
        self.fields_of_address = {
            name for template in target.address.values() for name in names_in(template) if name != INSTANCE
        }
        self.shared: Mapping[str, str] | None = None
        self.wrong = self._wrong_address()

    def close(self) -> None:
        self.sink.close()

    def _call(self, items: Sequence[OutboundMessage]) -> CallContext:
        return CallContext(
            self.secrets,
            self.deadline,
            items[0].correlation_id if len(items) == 1 else None,
            traceparent(items[0]) if len(items) == 1 else None,
        )

    # -- names and addresses ---------------------------------------------------------------------------------------

    def _wrong_address(self) -> SendResult | None:
        """Keep the address that all messages share, where they share one. Answers what to say of every message where
        the manifest cannot fill it."""
        address = self.target.address
        missing = sorted(self.sink.write_address - set(address))
        try:
            if not self.fields_of_address:
                self.shared = {
                    name: fill(value, {INSTANCE: self.instance}.__getitem__) for name, value in address.items()
                }
        except NoName as error:
            missing.append(error.name)
        if not missing:
            return None
        said = f"The address of this target has nothing for {missing[0]!r}: say under 'address' where it comes from."
        return SendResult("unsent", detail=said, fault="settings")

    def _filled(self, template: str, item: OutboundMessage) -> str:
        """A template over the mapped document. Raises NoName."""
        return fill(template, lambda name: self.instance if name == INSTANCE else field(item.document, name))

    def _name(self, item: OutboundMessage) -> str:
        """How the vendor knows this message again. Raises NoName."""
        if self.target.ask_by == "key":
            return subject_of(item.key).removeprefix(self.prefix)
        if self.target.ask_by == "idempotency_key":
            return item.idempotency_key
        if not set(names_in(self.target.ask_by)) - {INSTANCE}:
            raise NoName("ask_by", "is the same for every message, so no answer would be about this one")
        return self._filled(self.target.ask_by, item)

    def _asked_name(self, item: OutboundMessage, by: AskBy) -> str:
        return self._filled(self.sink.business_reference, item) if by == "reference" else self._name(item)

    def _address(self, item: OutboundMessage, only: frozenset[str] | None = None) -> Mapping[str, str]:
        """Where this message goes. Raises NoName."""
        if self.shared is not None:
            return self.shared
        return {
            name: self._filled(template, item)
            for name, template in self.target.address.items()
            if only is None or name in only
        }

    def _prepare(self, item: OutboundMessage) -> None:
        """Fill in what the sink sends: the encoded document, the address, and the target's name for it. Raises
        NoName."""
        sink = self.sink
        item.address, item.own_address = self._address(item), bool(self.fields_of_address)
        for name, value in item.address.items():
            if value in (".", ".."):
                raise NoName(name, f"is {value!r}, a step of a path")
        if sink.match_field:
            item.match = text_of(sink.match_field, field(item.document, sink.match_field))
        if self.target.idempotency == "N":
            item.target_key = self._name(item)
        document = item.document
        if sink.not_sent and isinstance(document, dict):
            document = {name: value for name, value in document.items() if name not in sink.not_sent}
        item.body = encode(document)

    # -- sending ---------------------------------------------------------------------------------------------------

    def send(self, items: Sequence[OutboundMessage], *, guard: Callable[[], None]) -> list[SendResult]:
        """Calls of one address each, of at most the sink's batch. Nothing is sent on after a call for which the vendor
        has no time, or after a fault of the connection."""
        if self.wrong is not None:
            return [self.wrong] * len(items)
        sent, groups = _Sent({}), dict[tuple[tuple[str, str], ...], list[int]]()
        for place, item in enumerate(items):
            try:
                self._prepare(item)
            except NoName as error:
                sent.results[place] = _nameless(error)
                continue
            groups.setdefault(tuple(item.address.items()), []).append(place)
        for places in groups.values():
            for start in range(0, len(places), self.sink.max_batch):
                part = places[start : start + self.sink.max_batch]
                for place, answer in zip(part, self._part([items[p] for p in part], sent, guard), strict=True):
                    sent.results[place] = answer
        return [sent.results[place] for place in range(len(items))]

    def _part(self, part: Sequence[OutboundMessage], sent: _Sent, guard: Callable[[], None]) -> list[SendResult]:
        """A call that is refused as a whole because of its content is halved until the message that is meant is
        alone.
        """
        if sent.stop is not None:
            return [replace(sent.stop, detail=f"not reached: {sent.stop.detail}")] * len(part)
        guard()
        try:
            outcomes = self.sink.write(part, call=self._call(part))
        except Retriable as error:
            return self._stop(sent, SendResult("unsent", detail=error.reason, retry_after=error.after), len(part))
        except ConnectionFault as error:
            return self._stop(sent, SendResult("unsent", detail=error.message, fault=error.kind), len(part))
        except Unknown as error:
            return [SendResult("unknown", detail=error.reason)] * len(part)
        except Refused as error:
            detail = f"{error.message} [{error.code}]"
            if not is_about_message(error.status, "addressed" if part[0].own_address else "write"):
                kind = fault_kind(error.status)
                return self._stop(sent, SendResult("unsent", detail=detail, fault=kind), len(part))
            if len(part) == 1:
                return [SendResult("refused", detail=detail, pattern=f"{error.code}: {error.message}")]
            middle = len(part) // 2
            first = self._part(part[:middle], sent, guard)
            return [*first, *self._part(part[middle:], sent, guard)]
        answers = [_answer(outcome) for outcome in outcomes]
        stop = next((answer for answer in answers if answer.status == "unsent" or answer.fault), None)
        sent.stop = stop and replace(stop, status="unsent", reference=None, answer=None)
        return answers

    @staticmethod
    def _stop(sent: _Sent, result: SendResult, count: int) -> list[SendResult]:
        sent.stop = result
        return [result] * count

    # -- asking ----------------------------------------------------------------------------------------------------

    def ask(self, items: Sequence[OutboundMessage], *, by: AskBy = "key") -> list[SendResult]:
        if by == "reference" and self.target.ask_by != "idempotency_key":
            by = "key"  # its name for a message is one of the business: the vendor does not forget it
        if by == "reference" and not self.sink.business_reference:
            raise CannotAsk
        until = time.monotonic() + self.deadline
        results = self._followed(items, until)
        groups: dict[tuple[tuple[str, str], ...], list[tuple[int, str]]] = {}
        for place, item in enumerate(items):
            if place in results:
                continue
            try:
                name, address = self._asked_name(item, by), self._address(item, self.sink.ask_address)
            except NoName as error:
                results[place] = SendResult("unknown", detail=f"it cannot be asked about: {error}")
                continue
            groups.setdefault(tuple(address.items()), []).append((place, name))
        for to, asked in groups.items():
            question = partial(self.sink.ask, [name for _, name in asked], address=dict(to), by=by)
            found = self._question(question, until)
            for place, name in asked:
                results[place] = found if isinstance(found, SendResult) else _found(found, name)
        return [results[place] for place in range(len(items))]

    def documents(self, items: Sequence[OutboundMessage]) -> list[Sequence[HeldDocument] | SendResult] | None:
        """Every document that the vendor has under the business name of each message, or why there is no answer about
        it; None where the connection cannot list documents."""
        if not isinstance(self.sink, Inspecting):
            return None
        by: AskBy = "reference" if self.asks_by_reference else "key"
        until = time.monotonic() + self.deadline
        results: list[Sequence[HeldDocument] | SendResult] = [_SILENT] * len(items)
        groups: dict[tuple[tuple[str, str], ...], list[tuple[int, str]]] = {}
        for place, item in enumerate(items):
            try:
                name, address = self._asked_name(item, by), self._address(item, self.sink.ask_address)
            except NoName as error:
                results[place] = SendResult("unknown", detail=f"it cannot be asked about: {error}")
                continue
            groups.setdefault(tuple(address.items()), []).append((place, name))
        for to, asked in groups.items():
            question = partial(self.sink.documents, [name for _, name in asked], address=dict(to), by=by)
            found = self._question(question, until)
            if found is None:
                return None
            for place, name in asked:
                results[place] = found if isinstance(found, SendResult) else found.get(name, _SILENT)
        return results

    @property
    def asks_by_reference(self) -> bool:
        """Whether a message that the vendor knows by our key can also be found by a name of the business."""
        return self.target.ask_by == "idempotency_key" and bool(self.sink.business_reference)

    def amount_due(self, item: OutboundMessage) -> Decimal | None:
        """What the documents of a message add up to, as far as the connection says which field that is."""
        name = self.sink.amount_sent if isinstance(self.sink, Inspecting) else ""
        return amount_of(field(item.document, name)) if name else None

    def _followed(self, items: Sequence[OutboundMessage], until: float) -> dict[int, SendResult]:
        """What the vendor says of messages that it has accepted, where it can be asked about what it accepted."""
        jobs = {place: item.accepted_as for place, item in enumerate(items) if item.accepted_as}
        if not jobs:
            return {}
        try:
            found = self._question(partial(self.sink.follow, list(jobs.values())), until)
        except CannotAsk:
            return {}  # asked about by key, like everything else
        if isinstance(found, SendResult):
            return dict.fromkeys(jobs, found)
        return {place: _found(found, job) for place, job in jobs.items()}

    def _question(self, question: Callable[..., T], until: float) -> T | SendResult:
        """The answer to a question, or what to say of every message where there is none. Raises CannotAsk."""
        left = until - time.monotonic()
        if left <= 0:
            return SendResult("unknown", detail="there was no time left to ask about this message")
        try:
            return question(call=CallContext(self.secrets, left))
        except Refused as error:
            if error.code == "sink.cannot_ask":
                raise CannotAsk from None
            return SendResult("unknown", detail=f"{error.message} [{error.code}]")
        except Retriable as error:
            return SendResult("unknown", detail=error.reason, retry_after=error.after)
        except ConnectionFault as error:
            return SendResult("unknown", detail=error.message, fault=error.kind)
        except Unknown as error:
            return SendResult("unknown", detail=error.reason)


def traceparent(item: OutboundMessage) -> str | None:
    """A W3C trace context whose trace is the message's correlation and whose span is this delivery; None where the
    id is no trace id.
    """
    if (
        len(item.correlation_id) != 32
        or set(item.correlation_id) - set("0123456789abcdef")
        or not int(item.correlation_id, 16)
    ):
        return None
    span = hashlib.blake2b(item.idempotency_key.encode(), digest_size=8).hexdigest()
    return f"00-{item.correlation_id}-{span}-01"


def _nameless(error: NoName) -> SendResult:
    return SendResult(
        "refused",
        detail=f"Nothing was sent: its address, name or version needs a field of the document, and {error}. [address]",
        pattern=f"address: {error.name} {error.why}",
    )


def _found(found: dict[str, Asked], name: str) -> SendResult:
    if name not in found:
        return SendResult("unknown", detail="the answer says nothing about this message")
    said = found[name]
    if isinstance(said, WriteResult):
        return _answer(said)
    return SendResult("unsent") if said is None else SendResult("confirmed", said)


def _answer(outcome: WriteResult) -> SendResult:
    reference, answer = outcome.reference, outcome.answer
    detail = f"{outcome.message} [{outcome.code}]" if outcome.code and outcome.message else outcome.message
    if outcome.status in ("confirmed", "accepted"):
        return SendResult(outcome.status, reference, answer=answer)
    if outcome.status == "unknown":
        return SendResult("unknown", reference, detail=outcome.message, fault=outcome.fault, answer=answer)
    if outcome.status == "declined":
        return SendResult("declined", reference, detail or outcome.code, outcome.code, answer=answer)
    if outcome.code == "not_sent":
        return SendResult(
            "unsent", detail=outcome.message, retry_after=outcome.retry_after or None, fault=outcome.fault
        )
    if outcome.retriable:
        wait = outcome.retry_after
        return SendResult("retry", reference, detail, outcome.code, retry_after=wait, answer=answer)
    pattern = f"{outcome.code}: {outcome.message}"
    return SendResult("refused", reference, detail or outcome.code, pattern, answer=answer)
