"""A connector's sink as the ledger wants a vendor client: every outcome of a call becomes an answer, never an
exception.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from typing import Any

from runtime.connectors.protocols import (
    AskBy,
    CallContext,
    OutboundMessage,
    Refused,
    Retriable,
    Secrets,
    SinkConnector,
    Unknown,
    WriteResult,
)
from runtime.domain.manifest import ManifestTarget
from runtime.ledger.claims import LEASE_SECONDS
from runtime.ledger.vendor_client import CannotAsk, SendResult
from runtime.mapping import encode

_ITEM_FAULTS = {400, 409, 413, 415, 422}  # statuses by which a vendor refuses the content, not the caller
_FIELD = re.compile(r"\{(\w+)\}")


class SinkVendor:
    """A connector's sink as a vendor client of the ledger: it answers and never raises for what the vendor does."""

    def __init__(
        self, sink: SinkConnector, secrets: Secrets, target: ManifestTarget, instance: str, *, prefix: str = ""
    ) -> None:
        self.sink, self.secrets, self.target, self.instance, self.prefix = sink, secrets, target, instance, prefix
        self.deadline = min(
            target.deadline, LEASE_SECONDS / 2
        )  # a call must end well within the lease, or it never starts
        self.address = {name: value.replace("{instance}", instance) for name, value in target.address.items()}

    def close(self) -> None:
        self.sink.close()

    def _call(self, items: Sequence[OutboundMessage]) -> CallContext:
        return CallContext(
            self.secrets,
            self.deadline,
            items[0].correlation_id if len(items) == 1 else None,
            traceparent(items[0]) if len(items) == 1 else None,
        )

    def _name(self, item: OutboundMessage) -> str:
        """How the vendor knows this message again."""
        if self.target.ask_by == "key":
            return item.key.removeprefix(self.prefix)
        if self.target.ask_by == "idempotency_key":
            return item.idempotency_key
        return self._filled(self.target.ask_by, item)

    def _filled(self, template: str, item: OutboundMessage) -> str:
        document = item.document if isinstance(item.document, dict) else {}
        return _FIELD.sub(lambda m: self.instance if m[1] == "instance" else str(document.get(m[1], "")), template)

    def _asked_name(self, item: OutboundMessage, by: AskBy) -> str:
        return self._filled(self.sink.business_reference, item) if by == "reference" else self._name(item)

    def _prepare(self, part: Sequence[OutboundMessage]) -> None:
        """Fill in what the sink sends: the encoded document, the address, and the target's name for it."""
        by_name, address = self.target.idempotency == "N", self.address
        for item in part:
            item.body, item.address = encode(item.document), address
            if by_name:
                item.target_key = self._name(item)

    def send(self, items: Sequence[OutboundMessage], *, guard: Callable[[], None]) -> list[SendResult]:
        answers: list[SendResult] = []
        for start in range(0, len(items), self.sink.max_batch):
            part = items[start : start + self.sink.max_batch]
            answers += self._part(part, guard)
            if any(answer.status == "unsent" for answer in answers):
                answers += [SendResult("unsent", detail="not reached")] * (len(items) - len(answers))
                break
        return answers

    def _part(self, part: Sequence[OutboundMessage], guard: Callable[[], None]) -> list[SendResult]:
        """A call that is refused as a whole because of its content is halved until the message that is meant is
        alone.
        """
        guard()
        try:
            self._prepare(part)
            outcomes = self.sink.write(part, call=self._call(part))
        except Retriable as error:
            return [SendResult("unsent", detail=error.reason, retry_after=error.after)] * len(part)
        except Unknown as error:
            return [SendResult("unknown", detail=error.reason)] * len(part)
        except Refused as error:
            if error.status not in _ITEM_FAULTS:
                return [SendResult("unsent", detail=f"{error.message} [{error.code}]")] * len(part)
            if len(part) == 1:
                return [
                    SendResult(
                        "refused", detail=f"{error.message} [{error.code}]", pattern=f"{error.code}: {error.message}"
                    )
                ]
            middle = len(part) // 2
            first = self._part(part[:middle], guard)
            if any(answer.status == "unsent" for answer in first):
                return [*first, *[SendResult("unsent", detail="not reached")] * (len(part) - middle)]
            return [*first, *self._part(part[middle:], guard)]
        return [_answer(outcome) for outcome in outcomes]

    def ask(self, items: Sequence[OutboundMessage], *, by: AskBy = "key") -> list[SendResult]:
        if by == "reference" and self.target.ask_by != "idempotency_key":
            by = "key"  # its name for a message is one of the business: the vendor does not forget it
        if by == "reference" and not self.sink.business_reference:
            raise CannotAsk
        names = [self._asked_name(item, by) for item in items]
        more: dict[str, Any] = {"address": self.address} if self.address else {}
        try:
            found = self.sink.ask(names, call=CallContext(self.secrets, self.deadline), by=by, **more)
        except Refused as error:
            if error.code == "sink.cannot_ask":
                raise CannotAsk from None
            return [SendResult("unknown", detail=f"{error.message} [{error.code}]")] * len(items)
        except Retriable as error:
            return [SendResult("unknown", detail=error.reason, retry_after=error.after)] * len(items)
        return [_found(found, name) for name in names]


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


def _found(found: dict[str, str | None], name: str) -> SendResult:
    if name not in found:
        return SendResult("unknown", detail="the answer says nothing about this message")
    reference = found[name]
    return SendResult("unsent") if reference is None else SendResult("confirmed", reference)


def _answer(outcome: WriteResult) -> SendResult:
    if outcome.status == "confirmed":
        return SendResult("confirmed", outcome.reference)
    if outcome.status == "unknown":
        return SendResult("unknown", detail=outcome.message)
    detail = f"{outcome.message} [{outcome.code}]" if outcome.code else outcome.message
    if outcome.code in ("not_sent", "busy"):
        return SendResult("unsent", detail=detail, retry_after=outcome.retry_after or None)
    if outcome.retriable:
        return SendResult("retry", detail=detail, pattern=outcome.code, retry_after=outcome.retry_after)
    return SendResult("refused", detail=detail, pattern=f"{outcome.code}: {outcome.message}")
