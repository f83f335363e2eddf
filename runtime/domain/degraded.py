"""What a store may do while its data is late or its line is down: follows from the gate, the age of what waits, and the
manifest.

The manifest declares the mode (`degraded_mode`); it is entered and left by itself, so nobody has to remember to switch
it back.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

NORMAL, LOCAL, QUEUE, STOPPED = "normal", "local_with_caps", "queue_only", "stopped"
WORDS = {NORMAL: "Normal", LOCAL: "Local with caps", QUEUE: "Queue only", STOPPED: "Stopped"}
MAY = {
    NORMAL: "Works as usual.",
    LOCAL: "May decide by itself within its caps with the data that it has. "
    "What it decides is queued and settled afterwards.",
    QUEUE: "Takes no decision that needs the target system. What it sends is accepted, kept in order and delivered "
    "when the line is back.",
    STOPPED: "Must not decide without the centre until data flows again.",
}
FLOWING, HELD, SHUT = "flowing", "held", "stopped"


@dataclass(frozen=True, slots=True)
class Standing:
    """How one flow of one store stands at a moment.

    delivery     `flowing`; `held` while the target system takes no calls; `stopped` while people keep the gate closed
    age          age of the oldest message that waits for the store; zero when nothing waits; None when nothing was ever
                 delivered
    allowed      greatest age that the tier allows; None where the tier states none
    mode         what the store may do now
    fresh_until  until when what the store has is within that age, as far as is known now; None where it cannot be said
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
    def may(self) -> str:
        return MAY[self.mode]

    @property
    def word(self) -> str:
        return WORDS[self.mode]


def standing(
    *,
    permitted: bool,
    takes_calls: bool,
    oldest_at: datetime | None,
    ever_delivered: bool,
    allowed: timedelta | None,
    declared: str | None,
    at: datetime,
) -> Standing:
    """The standing at a moment. Degraded begins when the line is down or what waits is older than the tier allows, and
    ends with that.

    Where the manifest declares no mode: queueing while the target system is down, stopped while people keep the gate
    closed.
    """
    delivery = FLOWING if permitted and takes_calls else HELD if permitted else SHUT
    age = max(at - oldest_at, timedelta(0)) if oldest_at is not None else timedelta(0) if ever_delivered else None
    late = age is not None and allowed is not None and age > allowed
    fallback = STOPPED if delivery == SHUT else QUEUE
    mode = (declared or fallback) if delivery != FLOWING or late else NORMAL
    fresh = None if allowed is None or age is None else (oldest_at or at) + allowed
    return Standing(delivery, age, allowed, mode, fresh)
