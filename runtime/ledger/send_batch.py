"""One batch with a vendor: waves per key, send, ask about what is unknown, send again only what surely did not arrive
and cannot arrive any more."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from runtime.connectors.protocols import FaultKind, OutboundMessage
from runtime.domain.retry import SEND_ROUNDS, UNSETTLED
from runtime.domain.vendor_times import key_known_for, key_protects_for
from runtime.ledger.append import Fenced
from runtime.ledger.claimed import Claim
from runtime.ledger.faultpoints import hit
from runtime.ledger.vendor_client import CannotAsk, SendResult, SendStatus, VendorClient

GO_ON = ("confirmed", "declined")  # later messages of the key follow
SETTLED = ("confirmed", "declined", "refused", "accepted", "differs")  # the vendor has answered for a message

_NO_ANSWER = ("unsent", "unknown", "blocked", "deferred", "forgotten")

LOST_KEY = (
    "it came after the database went back: the vendor may have booked it before, under a key that was lost, "
    "and cannot be asked by business reference"
)
EDITED_KEY = (
    "it may have arrived as it was before the edit, under the key that it has; sent again it would get the first answer"
)
TAKEN = (
    "the vendor took it, and this connection has neither a job nor a lookup to ask what became of it. Where that is "
    "its last word, the connection's `success` says so"
)
MOVED = (
    "it was sent to another address than the one that the catalog has for this system now. That this one does not have "
    "it proves nothing: look at the old one"
)
MOVED_SECONDS = 2.0  # within which all workers call the new address
UNSETTLED_KEY = "it cannot be asked about; what was sent may still take effect for {:.0f} s, then it is sent again"


@dataclass(slots=True)
class SendOutcome:
    """Results by position. `failure` says what is wrong with the vendor itself and `fault` with the connection to it,
    `late` holds positions whose request left after the lease had ended, `in_doubt` those that may have arrived before
    and were sent again under the same key, because nobody could be asked. `last_sent` bounds, in monotonic seconds,
    when anything of it was sent; `question_answered`: somebody has said something about a message that was asked
    about. `question_fault`: the question itself is wrong, for the reason `question_detail`; that is no failure of the
    vendor, and messages go on. `calls`: what the last call said of each message that it left without an outcome.
    `differs`: another release has sent it and nobody can be asked, so the one of now sends it again where this is
    empty; else why that would not be the same. None: not looked at. `taken_unasked`: the vendor has taken it, and
    nobody can be asked what became of it."""

    results: dict[int, SendResult] = field(default_factory=dict)
    failure: str = ""
    fault: FaultKind | None = None
    retry_after: float | None = None
    late: list[int] = field(default_factory=list)
    already_there: list[int] = field(default_factory=list)
    in_doubt: set[int] = field(default_factory=set)
    last_sent: float | None = None
    question_answered: bool = False
    question_fault: FaultKind | None = None
    question_detail: str = ""
    calls: dict[int, SendResult] = field(default_factory=dict)
    differs: str | None = None
    taken_unasked: bool = False

    @property
    def unresolved(self) -> bool:
        return any(result.status == "unknown" for result in self.results.values())

    @property
    def tells_something(self) -> bool:
        """Whether the vendor has said of some message what became of it: that must not be asked, or done, again."""
        return any(result.status in (*SETTLED, "retry") for result in self.results.values())

    def blame(self, result: SendResult, otherwise: str) -> None:
        """Keep what the first result without an outcome says about the vendor or the connection."""
        self.failure = self.failure or result.detail or otherwise
        self.fault = self.fault or result.fault

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
    """Sends the messages of one batch. `ask_first`: they may have been sent already, and `accepted` was the answer.
    `send`: False under a closed gate, where only asking is allowed. `renew` makes the lease last for one more call;
    None: it cannot be renewed. `lost_key`: the vendor may know them by keys that were lost with the database, so the
    question is by business reference."""

    def __init__(
        self,
        taken: Claim,
        client: VendorClient,
        *,
        ask_first: bool,
        send: bool = True,
        lost_key: bool = False,
        accepted: bool = False,
        rounds: int | None = None,
        renew: Callable[[float], None] | None = None,
    ) -> None:
        self.taken, self.client, self.ask_first, self.may_send, self.renew = taken, client, ask_first, send, renew
        self.lost_key = lost_key
        self.accepted, self.rounds = accepted, rounds or SEND_ROUNDS.attempts or 1
        self.idempotency = taken.target.idempotency
        self.outcome = SendOutcome(last_sent=taken.last_sent)
        self.unanswered: SendResult | None = None  # what the last call said that this batch has made without an outcome

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
                    status: SendStatus = "unsettled" if self.ask_first else "blocked"
                    results[message.position] = SendResult(status, detail="an earlier one of its key is held")
                else:
                    todo.append(message)
            self._settle(todo)
            if self.outcome.failure:
                break
        for message in messages:
            results.setdefault(message.position, self._not_reached())
        if self.unanswered and not any(result.status in SETTLED for result in results.values()):
            self.outcome.blame(self.unanswered, "no trustworthy answer")
        return self.outcome

    def _not_reached(self) -> SendResult:
        """What is known of a message to which this batch did not come. One that an owner before may have sent is not
        one that nobody has sent."""
        if not self.ask_first or self.taken.last_sent is None:
            return SendResult("unsent", detail="not sent")
        detail = "it may have been sent, and was not asked about yet"
        return SendResult("unknown" if self.idempotency == "U" else "unsettled", detail=detail)

    def _holds_back(self, message: OutboundMessage) -> bool:
        result = self.outcome.results.get(message.position)
        return result is not None and result.status not in GO_ON

    def _settle(self, todo: Sequence[OutboundMessage]) -> None:
        """Send and ask until every message has a result, or the vendor is in trouble; at most `rounds` rounds."""
        open_messages, unsure = list(todo), self.ask_first
        for _ in range(self.rounds):
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
            self.outcome.blame(self.outcome.results[open_messages[0].position], "no trustworthy answer")

    def _put(self, messages: Sequence[OutboundMessage], result: SendResult) -> None:
        for message in messages:
            self.outcome.results[message.position] = result

    def key_holds(self) -> bool:
        """Whether the same message again has one effect: by a natural key always, by a key of ours only where the
        vendor still knows it when it acts."""
        if self.idempotency != "K":
            return self.idempotency == "N"
        first, limits = self.taken.first_sent, self.taken.limits
        if first is None or limits.key_kept is None:
            return True
        return time.monotonic() < first + key_protects_for(limits.key_kept, self.client.deadline, limits.settle)

    def key_is_known(self) -> bool:
        """Whether the vendor can be asked about a message of class K by its key."""
        first, kept = self.taken.first_sent, self.taken.limits.key_kept
        return first is None or kept is None or time.monotonic() < first + key_known_for(kept, self.client.deadline)

    def settled(self, asked_at: float) -> bool:
        """Whether nothing that was sent before can still take effect after this time. Until then nothing is sent again,
        under the same key neither: a vendor may do both, and a first call that comes late undoes what came after it."""
        last = self.outcome.last_sent
        return last is None or asked_at >= last + self.taken.limits.settle

    def _unsettled_for(self, now: float) -> float:
        last = self.outcome.last_sent
        return 0.0 if last is None else max(0.0, last + self.taken.limits.settle - now)

    def sent_elsewhere(self) -> bool:
        """Whether what is asked about was sent last to another address than the one that is called now."""
        last, moved = self.taken.last_sent, self.client.moved_at
        return self.ask_first and last is not None and moved is not None and last < moved + MOVED_SECONDS

    # -- asking --------------------------------------------------------------------------------------------------------

    def _ask(self, messages: list[OutboundMessage]) -> list[OutboundMessage]:
        """Stores what is known; returns what may be sent. What stays unknown is final for this batch."""
        self._hold_the_lease()
        by_reference = self.lost_key or (self.idempotency == "K" and not self.key_is_known())
        asked_at = time.monotonic()
        try:
            results = self.client.ask(messages, by="reference" if by_reference else "key")
        except CannotAsk:
            return self._unaskable(messages)
        hit("vendor.after_ask")
        outcome = self.outcome
        # a worker that stood still meanwhile heard "not there" of a key that the vendor may have forgotten
        forgets = self.idempotency == "K" and not by_reference and not self.key_is_known()
        once_more: list[OutboundMessage] = []
        rest: list[OutboundMessage] = []
        repeatable: list[OutboundMessage] = []
        for message, result in zip(messages, results, strict=True):
            outcome.question_answered = outcome.question_answered or result.status != "unknown"
            if result.status == "unsent" and forgets:
                once_more.append(message)
                continue
            if result.status in ("unsent", "any_state", "other_state") and self.sent_elsewhere():
                result = replace(result, status="differs", detail=MOVED)
            elif result.status in ("unsent", "any_state", "other_state"):
                early = self._not_there_yet(asked_at)
                if early is None and (result.status == "unsent" or self.idempotency == "N"):
                    rest.append(message)
                    continue
                result = self._with_call(message, early) if early else replace(result, status="differs")
            outcome.results[message.position] = result
            if result.status == "confirmed" and not self.taken.is_replay and self._went_back(message):
                outcome.already_there.append(message.position)
            if result.status == "unknown" and self._is_of_the_question(result):
                outcome.question_fault, outcome.question_detail = result.fault, result.detail
                if self.key_holds() and self.may_send and not self.lost_key and not self.accepted:
                    repeatable.append(message)
            elif result.status == "unknown":
                outcome.blame(result, "the vendor does not say")
        rest += self._unaskable(repeatable) if repeatable else []
        return rest + self._ask(once_more) if once_more else rest

    def _is_of_the_question(self, result: SendResult) -> bool:
        """Whether a fault is that of the question alone: messages go elsewhere, or are known to arrive."""
        if result.fault in ("address", "settings"):
            return True
        return result.fault in ("credentials", "redirect") and self.taken.vendor_works

    def _went_back(self, message: OutboundMessage) -> bool:
        return self.taken.asks_first(message.position)

    def _unaskable(self, messages: list[OutboundMessage]) -> list[OutboundMessage]:
        if self.sent_elsewhere() and self.idempotency != "U":
            self._put(messages, SendResult("differs", detail=MOVED))
            return []
        if self.idempotency == "K" and (edited := [message for message in messages if message.edited]):
            self._put(edited, SendResult("differs", detail=EDITED_KEY))  # the same key again gives the first answer
            messages = [message for message in messages if not message.edited]
        if self.lost_key:
            self._put(messages, SendResult("forgotten", detail=LOST_KEY))
            return []
        if self.accepted:  # taken, so not sent again: where nobody can be asked, a person finds out
            self._put(messages, SendResult("unknown", detail=TAKEN))
            self.outcome.taken_unasked = True
            return []
        if self.key_holds() and self.may_send:
            now = time.monotonic()
            if not self.settled(now):
                left = self._unsettled_for(now)
                waits = SendResult("unsettled", detail=UNSETTLED_KEY.format(left), retry_after=left + 0.01)
                for message in messages:
                    self.outcome.results[message.position] = self._with_call(message, waits)
                return []
            self.outcome.in_doubt.update(message.position for message in messages)
            return messages  # the same key or the same natural key again has one effect
        if self.idempotency == "K" and not self.key_holds():
            detail = "it may have arrived, the vendor has forgotten its key since, and it cannot be asked by reference"
            self._put(messages, SendResult("forgotten", detail=detail))
            return []
        detail = "the vendor can neither be asked nor be sent the same again"
        self._put(messages, SendResult("unknown", detail=detail))
        return []

    def _with_call(self, message: OutboundMessage, result: SendResult) -> SendResult:
        """A result that says what the call of now was answered, which is why it is not known what became of it."""
        said = self.outcome.calls.get(message.position)
        if said is None:
            return result
        detail = "; ".join(part for part in (said.detail, result.detail) if part)
        return replace(result, detail=detail, answer=result.answer if result.answer is not None else said.answer)

    def _not_there_yet(self, asked_at: float) -> SendResult | None:
        """What "not there" means: None, it has not arrived and will not. Not so while the vendor may still act on an
        earlier call, or has taken the message and not decided."""
        if self.accepted:
            return SendResult("accepted", detail="the vendor took it and does not show it yet")
        if self.settled(asked_at):
            return None
        left = self._unsettled_for(time.monotonic())
        detail = f"not there; what was sent may still take effect for {left:.0f} s"
        pause = max(UNSETTLED.pause(), left / 2)
        return SendResult("unsettled", detail=detail, retry_after=min(pause, left + 0.01))

    # -- sending -------------------------------------------------------------------------------------------------------

    def _hold_the_lease(self) -> None:
        """Raises Fenced when a call would not end within the lease."""
        if time.monotonic() + self.client.deadline > self.taken.lease.deadline and self.renew is not None:
            self.renew(self.client.deadline)

    def _guard(self) -> None:
        self._hold_the_lease()
        if time.monotonic() + self.client.deadline > self.taken.lease.deadline:
            raise Fenced("no time left in the lease for a call")
        if self.outcome.in_doubt and not self.key_holds():
            raise Fenced("the vendor may have forgotten the key since it was looked at")
        hit("vendor.before_send")

    def _send(self, messages: list[OutboundMessage]) -> list[OutboundMessage]:
        """Stores results; returns messages whose outcome is unknown and that may be asked about or repeated."""
        lease, outcome = self.taken.lease, self.outcome
        results = self.client.send(messages, guard=self._guard)
        hit("vendor.after_send")
        now = time.monotonic()
        if now > lease.deadline:  # paused on the way: another worker may have owned the lane before this left
            outcome.late += [message.position for message in messages]
        if any(result.status != "unsent" for result in results):
            outcome.last_sent = max(now, outcome.last_sent or now)
        again: list[OutboundMessage] = []
        for message, result in zip(messages, results, strict=True):
            outcome.results[message.position] = result
            if result.status == "unknown":
                outcome.calls[message.position] = result
            if result.status == "unknown" and self.idempotency != "U":
                self.unanswered = result
                again.append(message)
            elif result.status == "unknown" and result.fault:
                outcome.blame(result, "the connection is at fault")
            elif result.status == "unknown":  # class U: a person decides; the vendor's silence is still a failure
                self.unanswered = result
            elif result.status == "unsent":
                outcome.blame(result, "the vendor is not available")
                outcome.retry_after = max(outcome.retry_after or 0.0, result.retry_after or 0.0) or None
                if message.position in self.outcome.in_doubt:  # not this time: that says nothing about the time before
                    outcome.results[message.position] = replace(result, status="unknown")
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
