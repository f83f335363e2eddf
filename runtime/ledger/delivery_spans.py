"""Spans of the messages of one claim, in the traces of their senders: from the claim to what became of them.

Only messages that came with a trace context have one; those that came with the same call share it, and a claim has no
more than 32.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from kernel import tracing
from kernel.tracing import Tracer, TraceSpan
from runtime.domain.outcome_codes import CONFIRMED, DECLINED, QUARANTINED, SKIPPED, SUPERSEDED

MOST = 32
_WORDS = {
    CONFIRMED: "confirmed",
    DECLINED: "declined",
    QUARANTINED: "quarantined",
    SKIPPED: "skipped",
    SUPERSEDED: "superseded",
}


@dataclass(slots=True)
class _Open:
    """The span of what one call of a sender has brought, as far as this claim delivers it."""

    span: TraceSpan
    waiting: int = 0
    messages: int = 0
    outcomes: set[str] = field(default_factory=set)


class DeliverySpans:
    """What is open of one claim: one span for the messages that came with the same call. `values` are told of each."""

    def __init__(self, tracer: Tracer, began: int, values: dict[str, str | int]) -> None:
        self.tracer, self.began, self.values = tracer, began, values
        self.claimed = time.time_ns()
        self.open: dict[int, _Open] = {}
        self.by_sender: dict[str, _Open] = {}
        self.left = MOST

    def begin(self, position: int, correlation: str, sender: str) -> str:
        """The trace context under which this message is sent on; that of its sender where it has no span."""
        if not sender:
            return sender
        made = self.open.get(position) or self.by_sender.get(sender)
        if made is None:
            if not self.left:
                return sender
            self.left -= 1
            made = self.by_sender[sender] = self._made(position, correlation, sender)
        if position not in self.open:
            self.open[position] = made
            made.waiting += 1
            made.messages += 1
        return made.span.traceparent

    def _made(self, position: int, correlation: str, sender: str) -> _Open:
        values = self.values | {"tillgate.position": position, "tillgate.correlation_id": correlation}
        span = self.tracer.begin("deliver", kind="consumer", parent=sender, start=self.began, values=values)
        span.event("claimed", self.claimed)
        return _Open(span)

    def end(self, position: int, outcome: str) -> None:
        made = self.open.pop(position, None)
        if made is None:
            return
        made.waiting -= 1
        made.outcomes.add(outcome)
        if made.waiting:
            return
        self.by_sender = {sender: one for sender, one in self.by_sender.items() if one is not made}
        values: dict[str, str | int | float | bool] = {
            "tillgate.outcome": ", ".join(sorted(made.outcomes)),
            "tillgate.messages": made.messages,
        }
        made.span.set(**values)
        if made.outcomes & {"refused", "unknown"}:
            made.span.fail("refused or unknown")
        made.span.end()

    def end_batch(self, first: int, last: int, outcomes: str | None) -> None:
        """A batch whose evidence is committed: a code for each position, or all are confirmed."""
        for position in [one for one in self.open if first <= one <= last]:
            self.end(position, _WORDS[outcomes[position - first]] if outcomes else "confirmed")

    def close(self) -> None:
        """The claim is over; what is open here has no outcome yet."""
        for position in list(self.open):
            self.end(position, "none yet")


def of_claim(began: int, values: dict[str, str | int]) -> DeliverySpans | None:
    """None while nothing is traced."""
    tracer = tracing.tracer()
    return None if tracer is None else DeliverySpans(tracer, began, values)
