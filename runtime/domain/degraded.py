"""What a store may do while its data is late or its target system takes no calls.

The mode follows from the gate, from the age of what the store has, and from `degraded_mode` in the manifest. That age
is the older of two: the last successful look at the source, and the oldest message that waits. When nothing can be read
nothing waits, so the queue alone says nothing about freshness. The flow enters and leaves the mode automatically, so
nobody has to remember to switch it back.
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
class SourceLook:
    """When the source of a flow was last seen as it is.

    looked_at     start of the last look that succeeded: what changed later may have been missed. For a source that is
                  fed by intake: its last sign of life, where the manifest says how often one is due (`expect_every`)
    can_look      somebody looks (a connection to read from), or the source promises signs of life; False: the age of
                  what arrived cannot be known, since nobody can tell silence from nothing new
    last_message  arrival of the newest message of a source that is fed by intake
    counts_from   from when on the age counts, where that is later: time outside of opening hours does not
    """

    looked_at: datetime | None = None
    can_look: bool = True
    last_message: datetime | None = None
    counts_from: datetime | None = None

    @property
    def as_of(self) -> datetime | None:
        return self.counts_from or self.looked_at


@dataclass(frozen=True, slots=True)
class Undelivered:
    """The oldest that a store has not: each is the moment as of which the store lacks it, None where there is none.

    waiting   messages on their way, quarantined ones that will be tried again included
    person    messages that wait for a person, and those behind them
    """

    waiting: datetime | None = None
    person: datetime | None = None


@dataclass(frozen=True, slots=True)
class OperatingState:
    """The state of one flow of one store at a moment.

    delivery     `flowing`; `held` while the target system takes no calls; `stopped` while people keep the gate closed
    age          age of what the store has: the older of the last successful look at the source and the oldest message
                 that the store lacks; None where it is unknown, which is never fresh
    allowed      greatest age that the tier allows; None where the tier states none
    mode         what the store may do now
    fresh_until  until when what the store has is within that age, as far as is known now; None where unknown
    looked_at    the last successful look at the source
    unread       the source was not looked at successfully within the allowed age
    """

    delivery: str
    age: timedelta | None
    allowed: timedelta | None
    mode: str
    fresh_until: datetime | None
    looked_at: datetime | None = None
    unread: bool = False

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
    source: SourceLook,
    lacks: Undelivered,
    ever_delivered: bool,
    allowed: timedelta | None,
    declared: str | None,
    at: datetime,
) -> OperatingState:
    """The state at a moment. A flow is degraded while its target system takes no calls, while people keep its gate
    closed, while its source was not looked at within the age that the tier allows, or while a message on its way is
    older than that.

    A message that waits for a person counts in the age, for the store lacks it, but does not degrade the flow: one
    price that a person must decide on does not stop a store. Where the manifest declares no mode, the flow queues
    while the target system takes no calls or its source is not read, and stops while people keep the gate closed.
    """
    delivery = FLOWING if permitted and takes_calls else HELD if permitted else STOPPED_BY_PEOPLE
    seen = source.as_of if ever_delivered else None
    as_of = min(one for one in (seen, lacks.waiting, lacks.person) if one is not None) if seen is not None else None
    unread = is_unread(source, allowed, at)
    late = allowed is not None and (unread or _older(lacks.waiting, allowed, at) or (seen is None and source.can_look))
    fallback = STOPPED if delivery == STOPPED_BY_PEOPLE else QUEUE
    return OperatingState(
        delivery,
        None if as_of is None else max(at - as_of, timedelta(0)),
        allowed,
        (declared or fallback) if delivery != FLOWING or late else NORMAL,
        None if as_of is None or allowed is None else as_of + allowed,
        source.looked_at,
        unread,
    )


def is_unread(source: SourceLook, allowed: timedelta | None, at: datetime) -> bool:
    """Whether a source that can be looked at was not, within the allowed age. Never looked at is unread."""
    if allowed is None or not source.can_look:
        return False
    return source.as_of is None or _older(source.as_of, allowed, at)


def _older(moment: datetime | None, allowed: timedelta, at: datetime) -> bool:
    return moment is not None and at - moment > allowed
