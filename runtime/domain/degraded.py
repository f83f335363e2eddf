"""What a store may do while its data is late or its target system takes no calls.

The mode follows from the gate, from the age of the oldest waiting message, and from `degraded_mode` in the manifest.
The flow enters and leaves the mode automatically, so nobody has to remember to switch it back.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

NORMAL, LOCAL, QUEUE, STOPPED = "normal", "local_with_caps", "queue_only", "stopped"
LABELS = {NORMAL: "Normal", LOCAL: "Local with caps", QUEUE: "Queue only", STOPPED: "Stopped"}
INSTRUCTIONS = {
    NORMAL: "Works as usual.",
    LOCAL: "May decide by itself within its caps with the data that it has. "
    "Its decisions are queued and settled afterwards.",
    QUEUE: "Takes no decision that needs the target system. Its messages are accepted, kept in order and delivered "
    "when the target system takes calls again.",
    STOPPED: "Must not decide without the central systems until data flows again.",
}
FLOWING, HELD, STOPPED_BY_PEOPLE = "flowing", "held", "stopped"


@dataclass(frozen=True, slots=True)
class OperatingState:
    """The state of one flow of one store at a moment.

    delivery     `flowing`; `held` while the target system takes no calls; `stopped` while people keep the gate closed
    age          age of the oldest message that waits for the store; zero when nothing waits; None when no message was
                 ever delivered
    allowed      greatest age that the tier allows; None where the tier states none
    mode         what the store may do now
    fresh_until  until when the data of the store is within that age, as far as is known now; None where unknown
    """

    delivery: str
    age: timedelta | None
    allowed: timedelta | None
    mode: str
    fresh_until: datetime | None

    @property
    def stale(self) -> bool | None:
        """Older than allowed; None where the age or the limit is unknown."""
        return None if self.age is None or self.allowed is None else self.age > self.allowed

    @property
    def degraded(self) -> bool:
        return self.mode != NORMAL

    @property
    def instruction(self) -> str:
        return INSTRUCTIONS[self.mode]

    @property
    def label(self) -> str:
        return LABELS[self.mode]


def operating_state(
    *,
    permitted: bool,
    takes_calls: bool,
    oldest_at: datetime | None,
    ever_delivered: bool,
    allowed: timedelta | None,
    declared: str | None,
    at: datetime,
) -> OperatingState:
    """The state at a moment. A flow is degraded while its target system takes no calls, while people keep its gate
    closed, or while a waiting message is older than the tier allows.

    Where the manifest declares no mode, the flow queues while the target system takes no calls, and stops while people
    keep the gate closed.
    """
    delivery = FLOWING if permitted and takes_calls else HELD if permitted else STOPPED_BY_PEOPLE
    age = max(at - oldest_at, timedelta(0)) if oldest_at is not None else timedelta(0) if ever_delivered else None
    late = age is not None and allowed is not None and age > allowed
    fallback = STOPPED if delivery == STOPPED_BY_PEOPLE else QUEUE
    mode = (declared or fallback) if delivery != FLOWING or late else NORMAL
    fresh = None if allowed is None or age is None else (oldest_at or at) + allowed
    return OperatingState(delivery, age, allowed, mode, fresh)
