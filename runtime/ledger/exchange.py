"""One batch with a vendor: waves per key, send, ask about what is unknown, send again only what surely did not arrive."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from runtime.domain.retry import SEND_ROUNDS
from runtime.ledger.append import Fenced
from runtime.ledger.claims import Claim
from runtime.ledger.faultpoints import hit
from runtime.ledger.vendors import Answer, CannotAsk, Outgoing, Vendor


@dataclass(slots=True)
class Outcome:
    """Answers by position. `failure` holds the vendor's own trouble, `late` positions whose request left after the lease had ended."""

    answers: dict[int, Answer] = field(default_factory=dict)
    failure: str = ""
    retry_after: float | None = None
    late: list[int] = field(default_factory=list)

    @property
    def unresolved(self) -> bool:
        return any(answer.status == "unknown" for answer in self.answers.values())


def item_key(taken: Claim, position: int) -> str:
    """Stable over attempts, takeovers, releases and replays of the same subscription."""
    return f"tg-{taken.salt:x}-{taken.origin}-{taken.lane}-{position}"


class Exchange:
    """`ask_first`: somebody may have sent these already. `send`: False under a closed gate, where only asking is allowed."""

    def __init__(self, taken: Claim, vendor: Vendor, *, ask_first: bool, send: bool = True) -> None:
        self.taken, self.vendor, self.ask_first, self.may_send = taken, vendor, ask_first, send
        self.outcome = Outcome()

    def run(self, items: Sequence[Outgoing]) -> Outcome:
        for wave in _waves(items):
            held = {item.key for item in items if self._holds_back(item)}
            todo = []
            for item in wave:
                if item.key in held and self.ask_first and self.taken.idempotency == "U":
                    self.outcome.answers[item.position] = Answer(
                        "unknown", detail="sent, or not: its batch has no answer"
                    )
                elif item.key in held:
                    self.outcome.answers[item.position] = Answer("retry", detail="an earlier one of its key is held")
                else:
                    todo.append(item)
            self._settle(todo)
            if self.outcome.failure:
                break
        for item in items:
            self.outcome.answers.setdefault(item.position, Answer("unsent", detail="not sent"))
        return self.outcome

    def _holds_back(self, item: Outgoing) -> bool:
        answer = self.outcome.answers.get(item.position)
        return answer is not None and answer.status != "confirmed"

    def _settle(self, todo: Sequence[Outgoing]) -> None:
        """Send and ask until every item has an answer, or the vendor is in trouble. At most SEND_ROUNDS.attempts rounds."""
        open_items, unsure = list(todo), self.ask_first
        for _ in range(SEND_ROUNDS.attempts or 1):
            if not open_items:
                return
            if unsure:
                open_items = self._ask(open_items)
                if not open_items:
                    return
            if not self.may_send:
                self._put(open_items, Answer("unsent", detail="the gate is closed"))
                return
            open_items = self._send(open_items)
            if self.outcome.failure and not open_items:
                return
            unsure = bool(open_items)
        if open_items:
            self._put(open_items, Answer("unknown", detail="no trustworthy answer after asking"))
            self.outcome.failure = self.outcome.failure or "no trustworthy answer"

    def _put(self, items: Sequence[Outgoing], answer: Answer) -> None:
        for item in items:
            self.outcome.answers[item.position] = answer

    def _ask(self, items: list[Outgoing]) -> list[Outgoing]:
        """Answers what is known; gives back what may be sent. What stays unknown is final for this exchange."""
        taken = self.taken
        try:
            answers = self.vendor.ask(items)
        except CannotAsk:
            if taken.idempotency in ("K", "N") and self.may_send:
                return items  # the same key or the same natural key again has one effect
            self._put(items, Answer("unknown", detail="the vendor can neither be asked nor be sent the same again"))
            return []
        hit("vendor.after_ask")
        rest: list[Outgoing] = []
        for item, answer in zip(items, answers, strict=True):
            if answer.status == "unsent":
                rest.append(item)
            else:
                self.outcome.answers[item.position] = answer
                if answer.status == "unknown":
                    self.outcome.failure = self.outcome.failure or answer.detail or "the vendor does not say"
        return rest

    def _send(self, items: list[Outgoing]) -> list[Outgoing]:
        """Answers; gives back items whose outcome is unknown and that may be asked about or repeated."""
        taken = self.taken

        def guard() -> None:
            if time.monotonic() + self.vendor.deadline > taken.deadline:
                raise Fenced("no time left in the lease for a call")
            hit("vendor.before_send")

        answers = self.vendor.send(items, guard=guard)
        hit("vendor.after_send")
        if (
            time.monotonic() > taken.deadline
        ):  # paused on the way: somebody else may own the lane since before this left
            self.outcome.late += [item.position for item in items]
        again: list[Outgoing] = []
        for item, answer in zip(items, answers, strict=True):
            if answer.status == "unknown" and taken.idempotency != "U":
                again.append(item)
                continue
            if answer.status == "unsent":
                self.outcome.failure = self.outcome.failure or answer.detail or "the vendor is not available"
                self.outcome.retry_after = max(self.outcome.retry_after or 0.0, answer.retry_after or 0.0) or None
            self.outcome.answers[item.position] = answer
        if again:
            hit("vendor.unknown")
        return again


def _waves(items: Sequence[Outgoing]) -> list[list[Outgoing]]:
    """One key at most once per wave, so that a refusal can hold later ones of its key back."""
    waves: list[list[Outgoing]] = []
    count: dict[str, int] = {}
    for item in items:
        index = count.get(item.key, 0)
        count[item.key] = index + 1
        if index == len(waves):
            waves.append([])
        waves[index].append(item)
    return waves


__all__ = ["Exchange", "Outcome", "item_key"]
