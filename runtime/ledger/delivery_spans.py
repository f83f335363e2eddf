"""Spans of the messages of one claim, each in the trace of its sender: from the claim to what became of it.

Only messages that came with a trace context have one, and no more than the first hundred of a claim.
"""

from __future__ import annotations

import time

from kernel import tracing
from kernel.tracing import Tracer, TraceSpan
from runtime.domain.outcome_codes import CONFIRMED, DECLINED, QUARANTINED, SKIPPED, SUPERSEDED

MOST = 100
_WORDS = {
    CONFIRMED: "confirmed",
    DECLINED: "declined",
    QUARANTINED: "quarantined",
    SKIPPED: "skipped",
    SUPERSEDED: "superseded",
}


class DeliverySpans:
    """What is open of one claim. `values` are told of each message."""

    def __init__(self, tracer: Tracer, began: int, values: dict[str, str | int]) -> None:
        self.tracer, self.began, self.values = tracer, began, values
        self.claimed = time.time_ns()
        self.open: dict[int, TraceSpan] = {}
        self.left = MOST

    def begin(self, position: int, correlation: str, sender: str) -> str:
        """The trace context under which this message is sent on; that of its sender where it has no span."""
        known = self.open.get(position)
        if known is not None:
            return known.traceparent
        if not sender or not self.left:
            return sender
        self.left -= 1
        values = self.values | {"tillgate.position": position, "tillgate.correlation_id": correlation}
        made = self.tracer.begin("deliver", kind="consumer", parent=sender, start=self.began, values=values)
        self.tracer.finished("claim", parent=made.traceparent, start=self.began, end=self.claimed, values={})
        self.open[position] = made
        return made.traceparent

    def end(self, position: int, outcome: str) -> None:
        made = self.open.pop(position, None)
        if made is not None:
            made.set(**{"tillgate.outcome": outcome})
            if outcome in ("refused", "unknown"):
                made.fail(outcome)
            made.end()

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
