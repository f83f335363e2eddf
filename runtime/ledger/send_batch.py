"""One batch with a vendor: waves per key, send, ask about what is unknown, send again only what surely did not
arrive."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from runtime.connectors.protocols import FaultKind, OutboundMessage
from runtime.domain.retry import SEND_ROUNDS
from runtime.ledger.append import Fenced
from runtime.ledger.claims import Claim
from runtime.ledger.faultpoints import hit
from runtime.ledger.vendor_client import CannotAsk, SendResult, VendorClient

_NO_ANSWER = ("unsent", "unknown", "blocked", "deferred")

LOST_KEY = (
    "it came after the database went back: the vendor may have booked it before, under a key that was lost, "
    "and cannot be asked by business reference"
)


@dataclass(slots=True)
class SendOutcome:
    """Results by position. `failure` says what is wrong with the vendor itself, `fault` what kind of fault of the
    connection that is; `late` holds positions whose request left after the lease had ended."""

    results: dict[int, SendResult] = field(default_factory=dict)
    failure: str = ""
    fault: FaultKind | None = None
    retry_after: float | None = None
    late: list[int] = field(default_factory=list)
    already_there: list[int] = field(default_factory=list)

    @property
    def unresolved(self) -> bool:
        return any(result.status == "unknown" for result in self.results.values())

    @property
    def answered(self) -> bool:
        """Whether the vendor has said something about a message, so that its connection works."""
        return any(result.status not in _NO_ANSWER for result in self.results.values())


def idempotency_key(
    stream_salt: int,
    subscription: int,
    lane: int,
    position: int,
    *,
    epochs: Sequence[Sequence[int]] = (),
    fresh_key: int = 0,
) -> str:
    """The key under which a message is sent: the same for every attempt, takeover, release and replay. `subscription`
    is the original one. `epochs` are pairs of first position and salt: where the database went back, positions are
    given again, and keys must not be. `fresh_key` counts the keys that redrives gave to this message."""
    salt = stream_salt
    for first, later in epochs:
        if position >= first:
            salt = later
    key = f"tg-{salt:x}-{subscription}-{lane}-{position}"
    return f"{key}-{fresh_key}" if fresh_key else key


class SendBatch:
    """Sends the messages of one batch. `ask_first`: they may have been sent already. `send`: False under a closed gate,
    where only asking is allowed. `lost_key`: the vendor may know them by keys that were lost with the database, so the
    question is by business reference."""

    def __init__(
        self, taken: Claim, client: VendorClient, *, ask_first: bool, send: bool = True, lost_key: bool = False
    ) -> None:
        self.taken, self.client, self.ask_first, self.may_send = taken, client, ask_first, send
        self.lost_key = lost_key
        self.idempotency = taken.target.idempotency
        self.outcome = SendOutcome()

    def run(self, messages: Sequence[OutboundMessage]) -> SendOutcome:
        """Send or ask until every message has a result. Raises Fenced when there is no time left in the lease."""
        results = self.outcome.results
        for wave in _waves(messages):
            held = {message.key for message in messages if self._holds_back(message)}
            todo = []
            for message in wave:
                if message.key in held and self.ask_first and self.idempotency == "U":
                    results[message.position] = SendResult("unknown", detail="sent, or not: its batch has no answer")
                elif message.key in held:
                    results[message.position] = SendResult("blocked", detail="an earlier one of its key is held")
                else:
                    todo.append(message)
            self._settle(todo)
            if self.outcome.failure:
                break
        for message in messages:
            results.setdefault(message.position, SendResult("unsent", detail="not sent"))
        return self.outcome

    def _holds_back(self, message: OutboundMessage) -> bool:
        result = self.outcome.results.get(message.position)
        return result is not None and result.status not in ("confirmed", "declined")

    def _settle(self, todo: Sequence[OutboundMessage]) -> None:
        """Send and ask until every message has a result, or the vendor is in trouble. At most SEND_ROUNDS.attempts
        rounds."""
        open_messages, unsure = list(todo), self.ask_first
        for _ in range(SEND_ROUNDS.attempts or 1):
            if not open_messages:
                return
            if unsure:
                open_messages = self._ask(open_messages)
                if not open_messages:
                    return
            if not self.may_send:
                self._put(open_messages, SendResult("unsent", detail="the gate is closed"))
                return
            open_messages = self._send(open_messages)
            if self.outcome.failure and not open_messages:
                return
            unsure = bool(open_messages)
        if open_messages:
            self._put(open_messages, SendResult("unknown", detail="no trustworthy answer after asking"))
            self.outcome.failure = self.outcome.failure or "no trustworthy answer"

    def _put(self, messages: Sequence[OutboundMessage], result: SendResult) -> None:
        for message in messages:
            self.outcome.results[message.position] = result

    def _ask(self, messages: list[OutboundMessage]) -> list[OutboundMessage]:
        """Stores what is known; returns what may be sent. What stays unknown is final for this batch."""
        try:
            results = self.client.ask(messages, by="reference" if self.lost_key else "key")
        except CannotAsk:
            if self.lost_key:
                self._put(messages, SendResult("forgotten", detail=LOST_KEY))
                return []
            if self.idempotency in ("K", "N") and self.may_send:
                return messages  # the same key or the same natural key again has one effect
            detail = "the vendor can neither be asked nor be sent the same again"
            self._put(messages, SendResult("unknown", detail=detail))
            return []
        hit("vendor.after_ask")
        rest: list[OutboundMessage] = []
        for message, result in zip(messages, results, strict=True):
            if result.status == "unsent":
                rest.append(message)
            else:
                self.outcome.results[message.position] = result
                if result.status == "confirmed" and not self.taken.is_replay and self._went_back(message):
                    self.outcome.already_there.append(message.position)
                if result.status == "unknown":
                    self.outcome.failure = self.outcome.failure or result.detail or "the vendor does not say"
                    self.outcome.fault = self.outcome.fault or result.fault
        return rest

    def _went_back(self, message: OutboundMessage) -> bool:
        return self.taken.asks_first(message.position)

    def _send(self, messages: list[OutboundMessage]) -> list[OutboundMessage]:
        """Stores results; returns messages whose outcome is unknown and that may be asked about or repeated."""
        lease, outcome = self.taken.lease, self.outcome

        def guard() -> None:
            if time.monotonic() + self.client.deadline > lease.deadline:
                raise Fenced("no time left in the lease for a call")
            hit("vendor.before_send")

        results = self.client.send(messages, guard=guard)
        hit("vendor.after_send")
        if (
            time.monotonic() > lease.deadline
        ):  # paused on the way: another worker may have owned the lane before this left
            outcome.late += [message.position for message in messages]
        again: list[OutboundMessage] = []
        for message, result in zip(messages, results, strict=True):
            if result.status == "unknown" and self.idempotency != "U":
                again.append(message)
                continue
            if result.status == "unsent":
                outcome.failure = outcome.failure or result.detail or "the vendor is not available"
                outcome.fault = outcome.fault or result.fault
                outcome.retry_after = max(outcome.retry_after or 0.0, result.retry_after or 0.0) or None
            outcome.results[message.position] = result
        if again:
            hit("vendor.unknown")
        return again


def _waves(messages: Sequence[OutboundMessage]) -> list[list[OutboundMessage]]:
    """One key at most once per wave, so that a refusal can hold later ones of its key back."""
    waves: list[list[OutboundMessage]] = []
    count: dict[str, int] = {}
    for message in messages:
        index = count.get(message.key, 0)
        count[message.key] = index + 1
        if index == len(waves):
            waves.append([])
        waves[index].append(message)
    return waves


__all__ = ["SendBatch", "SendOutcome", "idempotency_key"]
