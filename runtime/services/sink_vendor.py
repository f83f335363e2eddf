"""A connector's sink as the ledger wants a vendor client: every outcome of a call becomes an answer, never an
exception.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from runtime.connectors.outcomes import fault_kind, is_about_message
from runtime.connectors.protocols import (
    AskBy,
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
from runtime.domain.manifest import ManifestTarget
from runtime.domain.reconciliation import amount_of
from runtime.domain.templates import NoName, field, text_of
from runtime.ledger.vendor_client import CannotAsk, SendResult
from runtime.mapping import encode
from runtime.services.message_names import MessageNames
from runtime.services.sink_questions import SentByRelease, SinkQuestions
from runtime.services.sink_results import result_of
from runtime.services.state_questions import EVERY_NAME, NamesProve
from runtime.services.vendor_calls import NOT_ASKED, vendor_call


@dataclass(slots=True)
class _Sent:
    """What became of the messages of one `send`, by their place, and why it went no further."""

    results: dict[int, SendResult]
    stop: SendResult | None = None


class SinkVendor:
    """A connector's sink as a vendor client of the ledger: it answers and never raises for what the vendor does."""

    def __init__(
        self,
        sink: SinkConnector,
        secrets: Secrets,
        target: ManifestTarget,
        instance: str,
        *,
        prefix: str = "",
        sent_by: SentByRelease | None = None,
        prove: NamesProve = EVERY_NAME,
    ) -> None:
        self.sink, self.secrets, self.target = sink, secrets, target
        self.deadline = target.deadline
        self.moved_at: float | None = None
        self.names = MessageNames(target, instance, prefix)
        self.prove = prove
        self.questions = SinkQuestions(sink, secrets, self.names, deadline=self.deadline, sent_by=sent_by, prove=prove)
        self.wrong = self._wrong_address()

    def close(self) -> None:
        self.sink.close()

    def _call(self, items: Sequence[OutboundMessage], until: float) -> CallContext:
        return CallContext(self.secrets, self.deadline, doing="send", until=until).about(*items)

    def _begin(self, guard: Callable[[], None]) -> float:
        """Ask whether a call may begin; answers when it has to be over. That counts from before the question: a worker
        that stands still after it sends nothing late. Where the answer took long (the lease was renewed, or the worker
        stood still here), it is asked for again."""
        begun = time.monotonic()
        guard()
        if time.monotonic() > begun + self.deadline / 2:
            begun = time.monotonic()
            guard()
        return begun + self.deadline

    # -- names and addresses ---------------------------------------------------------------------------------------

    def _wrong_address(self) -> SendResult | None:
        """What to say of every message where the manifest cannot fill the address."""
        missing = sorted(self.sink.write_address - set(self.target.address))
        missing += [self.names.unfilled] if self.names.unfilled else []
        if not missing:
            return None
        said = f"The address of this target has nothing for {missing[0]!r}: say under 'address' where it comes from."
        return SendResult("unsent", detail=said, fault="settings")

    def _prepare(self, item: OutboundMessage) -> None:
        """Fill in what the sink sends: the encoded document, the address, and the target's name for it. Raises
        NoName."""
        sink = self.sink
        item.address, item.own_address = self.names.address(item), bool(self.names.fields_of_address)
        for name, value in item.address.items():
            if value in (".", ".."):
                raise NoName(name, f"is {value!r}, a step of a path")
        if sink.match_field:
            item.match = text_of(sink.match_field, field(item.document, sink.match_field))
        if self.target.idempotency == "N":
            item.target_key = self.names.name(item)
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
        until = self._begin(guard)
        try:
            with vendor_call(self.target.system, "send") as ended:
                outcomes = self.sink.write(part, call=self._call(part, until))
                ended.of(outcomes)
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
        answers = [
            self._taken_name(item, outcome) if outcome.there_before else result_of(outcome)
            for item, outcome in zip(part, outcomes, strict=True)
        ]
        stop = next((answer for answer in answers if answer.status == "unsent" or answer.fault), None)
        sent.stop = stop and replace(stop, status="unsent", reference=None, answer=None)
        return answers

    def _taken_name(self, item: OutboundMessage, outcome: WriteResult) -> SendResult:
        """The target says that something is there under this name already: where that may be something else, it is
        asked which one it is; where it cannot be asked, a person decides."""
        if outcome.status != "confirmed" or (self.prove.taken and not (item.edited or item.corrects)):
            return result_of(outcome)
        other = "the one from before the edit" if item.edited else "an earlier state"
        other = "the one that it corrects" if item.corrects and not item.edited else other
        detail = f"the target says that it is there already ({outcome.code}); that may be {other}"
        if self.prove.asks:
            return SendResult("unknown", outcome.reference, detail, answer=outcome.answer)
        return SendResult("refused", None, detail, f"duplicate: may be {other}", answer=outcome.answer)

    @staticmethod
    def _stop(sent: _Sent, result: SendResult, count: int) -> list[SendResult]:
        sent.stop = result
        return [result] * count

    # -- asking ----------------------------------------------------------------------------------------------------

    def check(self) -> SendResult:
        if self.wrong is not None:
            return self.wrong
        with vendor_call(self.target.system, "check") as ended:
            health = self.sink.check(call=CallContext(self.secrets, self.deadline))
            if not health.looked:
                ended.word = NOT_ASKED
            elif not health.ok:
                ended.word = "fault" if health.fault else "unsent"
        if not health.looked:
            raise CannotAsk
        return SendResult("confirmed" if health.ok else "unsent", detail=health.detail, fault=health.fault)

    def ask(self, items: Sequence[OutboundMessage], *, by: AskBy = "key") -> list[SendResult]:
        return self.questions.ask(items, by=by)

    def documents(self, items: Sequence[OutboundMessage]) -> list[Sequence[HeldDocument] | SendResult] | None:
        """Every document that the vendor has under the business name of each message, or why there is no answer about
        it; None where the connection cannot list documents."""
        return self.questions.documents(items)

    def shows_state(self, documents: Sequence[HeldDocument], item: OutboundMessage) -> bool:
        """Whether a document under the name of a message is of its state: by the name, or by what it shows."""
        return self.questions.shows_state(documents, item)

    @property
    def asks_by_reference(self) -> bool:
        """Whether a message that the vendor knows by our key can also be found by a name of the business."""
        return self.questions.by_reference_too

    def amount_due(self, item: OutboundMessage) -> Decimal | None:
        """What the documents of a message add up to, as far as the connection says which field that is."""
        name = self.sink.amount_sent if isinstance(self.sink, Inspecting) else ""
        return amount_of(field(item.document, name)) if name else None


def _nameless(error: NoName) -> SendResult:
    return SendResult(
        "refused",
        detail=f"Nothing was sent: its address, name or version needs a field of the document, and {error}. [address]",
        pattern=f"address: {error.name} {error.why}",
    )
