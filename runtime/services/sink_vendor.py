"""A connector's sink as the ledger wants a vendor client: every outcome of a call becomes an answer, never an exception."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from typing import Any

from runtime.connectors.protocols import Call, Item, Outcome, Refused, Retriable, Secrets, Sink, Unknown
from runtime.domain.manifest import Target
from runtime.ledger.claims import LEASE_SECONDS
from runtime.ledger.vendors import Answer, CannotAsk, Outgoing
from runtime.mapping import encode

_ITEM_FAULTS = {400, 409, 413, 415, 422}  # statuses by which a vendor refuses the content, not the caller
_FIELD = re.compile(r"\{(\w+)\}")


class SinkVendor:
    """A connector's sink as the ledger wants a vendor: it answers, it never raises for what the other side does."""

    def __init__(self, sink: Sink, secrets: Secrets, target: Target, instance: str, *, prefix: str = "") -> None:
        self.sink, self.secrets, self.target, self.instance, self.prefix = sink, secrets, target, instance, prefix
        self.deadline = min(
            target.deadline, LEASE_SECONDS / 2
        )  # a call must end well within the lease, or it never starts
        self.address = {name: value.replace("{instance}", instance) for name, value in target.address.items()}

    def close(self) -> None:
        self.sink.close()

    def _call(self, items: Sequence[Outgoing]) -> Call:
        return Call(
            self.secrets,
            self.deadline,
            items[0].correlation if len(items) == 1 else None,
            traceparent(items[0]) if len(items) == 1 else None,
        )

    def _name(self, item: Outgoing) -> str:
        """How the vendor knows this message again."""
        if self.target.ask_by == "key":
            return item.key.removeprefix(self.prefix)
        if self.target.ask_by == "idempotency_key":
            return item.idempotency_key
        document = item.document if isinstance(item.document, dict) else {}
        return _FIELD.sub(
            lambda m: self.instance if m[1] == "instance" else str(document.get(m[1], "")), self.target.ask_by
        )

    def _item(self, item: Outgoing) -> Item:
        name = self._name(item)
        key = name if self.target.idempotency == "N" else item.idempotency_key
        return Item(item.key, key, encode(item.document), self.address, None, item.correlation)

    def send(self, items: Sequence[Outgoing], *, guard: Callable[[], None]) -> list[Answer]:
        answers: list[Answer] = []
        for start in range(0, len(items), self.sink.max_batch):
            part = items[start : start + self.sink.max_batch]
            answers += self._part(part, guard)
            if any(answer.status == "unsent" for answer in answers):
                answers += [Answer("unsent", detail="not reached")] * (len(items) - len(answers))
                break
        return answers

    def _part(self, part: Sequence[Outgoing], guard: Callable[[], None]) -> list[Answer]:
        """A call that is refused as a whole because of its content is halved until the message that is meant is alone."""
        guard()
        try:
            outcomes = self.sink.write([self._item(item) for item in part], call=self._call(part))
        except Retriable as error:
            return [Answer("unsent", detail=error.reason, retry_after=error.after)] * len(part)
        except Unknown as error:
            return [Answer("unknown", detail=error.reason)] * len(part)
        except Refused as error:
            if error.status not in _ITEM_FAULTS:
                return [Answer("unsent", detail=f"{error.message} [{error.code}]")] * len(part)
            if len(part) == 1:
                return [
                    Answer(
                        "refused", detail=f"{error.message} [{error.code}]", pattern=f"{error.code}: {error.message}"
                    )
                ]
            middle = len(part) // 2
            first = self._part(part[:middle], guard)
            if any(answer.status == "unsent" for answer in first):
                return [*first, *[Answer("unsent", detail="not reached")] * (len(part) - middle)]
            return [*first, *self._part(part[middle:], guard)]
        return [_answer(outcome) for outcome in outcomes]

    def ask(self, items: Sequence[Outgoing]) -> list[Answer]:
        names = [self._name(item) for item in items]
        more: dict[str, Any] = {"address": self.address} if self.address else {}
        try:
            found = self.sink.ask(names, call=Call(self.secrets, self.deadline), **more)
        except Refused as error:
            if error.code == "sink.cannot_ask":
                raise CannotAsk from None
            return [Answer("unknown", detail=f"{error.message} [{error.code}]")] * len(items)
        except Retriable as error:
            return [Answer("unknown", detail=error.reason, retry_after=error.after)] * len(items)
        return [_found(found, name) for name in names]


def traceparent(item: Outgoing) -> str | None:
    """A W3C trace context whose trace is the message's correlation and whose span is this delivery; None where the id is no trace id."""
    if len(item.correlation) != 32 or set(item.correlation) - set("0123456789abcdef") or not int(item.correlation, 16):
        return None
    span = hashlib.blake2b(item.idempotency_key.encode(), digest_size=8).hexdigest()
    return f"00-{item.correlation}-{span}-01"


def _found(found: dict[str, str | None], name: str) -> Answer:
    if name not in found:
        return Answer("unknown", detail="the answer says nothing about this message")
    reference = found[name]
    return Answer("unsent") if reference is None else Answer("confirmed", reference)


def _answer(outcome: Outcome) -> Answer:
    if outcome.status == "confirmed":
        return Answer("confirmed", outcome.reference)
    if outcome.status == "unknown":
        return Answer("unknown", detail=outcome.message)
    detail = f"{outcome.message} [{outcome.code}]" if outcome.code else outcome.message
    if outcome.code in ("not_sent", "busy"):
        return Answer("unsent", detail=detail, retry_after=outcome.retry_after or None)
    if outcome.retriable:
        return Answer("retry", detail=detail, pattern=outcome.code, retry_after=outcome.retry_after)
    return Answer("refused", detail=detail, pattern=f"{outcome.code}: {outcome.message}")
