"""What a claim holds: what a worker serves, the lease, the target with its limits, and what the rows say of messages
that may have been sent."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from runtime.ledger import clock_steps
from runtime.ledger.delivery_spans import DeliverySpans

POISON_SUSPECT_AFTER = 2  # owners lost at one place, after which its messages are quarantined and tried one by one


@dataclass(frozen=True, slots=True)
class ClaimScope:
    """What a worker serves: SLA tiers and, where given, only some subscriptions or shards (subscription id modulo
    SHARDS)."""

    tiers: tuple[int, ...] = (0, 1, 2, 3)
    only: tuple[int, ...] | None = None
    shards: tuple[int, ...] | None = None

    def arguments(self) -> dict[str, Any]:
        return {
            "clock": clock_steps.watch.latest(),
            "tiers": list(self.tiers),
            "only": None if self.only is None else list(self.only),
            "shards": None if self.shards is None else list(self.shards),
        }


EVERYTHING = ClaimScope()


@dataclass(slots=True)
class Lease:
    """How long, and under which token, a claim holds.

    `deadline` in monotonic seconds. `attempt` counts the owners lost here without progress (of a quarantined message:
    its tries). `overdue_by`: seconds since the lease of a lost owner ended, negative while it would still run; None
    where nobody was lost. `ask_only`: the gate is closed; what was sent may be asked about, and nothing else.
    `probe`: the vendor's circuit breaker is open, and this claim tries it with one message.
    """

    token: int
    attempt: int
    deadline: float
    overdue_by: float | None = None
    ask_only: bool = False
    probe: bool = False

    @property
    def remaining_of_dead_owner(self) -> float:
        """Seconds that the lease of an owner would still run whose database session has gone. Until then that owner,
        cut off from us, may be sending what its open intent names, and nothing else."""
        return min(clock_steps.LONGEST_LEASE, max(0.0, -(self.overdue_by or 0.0)))

    def time_left(self) -> float:
        return self.deadline - time.monotonic()


@dataclass(slots=True)
class ClaimTarget:
    """Where a claim delivers to, and by which release. `original_subscription` differs from the claim's own for a
    replay: the subscription under whose idempotency keys the messages were sent first. `key_epochs` are pairs of first
    position and salt; none unless the database went back. `at_fault`: the connection of this target alone is at
    fault. `after`: the subscription that must have a message first. `facts`: its messages are facts, and no states."""

    name: str
    instance: str
    kind: str
    idempotency: str
    vendor: int
    release: int
    deployment: int
    stream: int
    stream_salt: int
    original_subscription: int
    key_epochs: Sequence[Sequence[int]] = ()
    at_fault: bool = False
    after: int | None = None
    facts: bool = False


@dataclass(slots=True)
class ClaimLimits:
    """Messages per batch, whether only the last one of a key is sent, tries of one message, messages per second (None:
    no limit), whether the vendor has a rate or a daily budget, for how many seconds after a call it may still act on
    it, and for how many it keeps our keys (None: it keeps none, or for ever). `batch_at_pace`: a batch is no more than
    the pace gives in a second, so that what is to be spared gets no burst."""

    batch: int
    coalesce: bool
    max_attempts: int
    pace: float | None
    metered: bool
    settle: float = 0.0
    key_kept: float | None = None

    @property
    def batch_at_pace(self) -> int:
        return self.batch if self.pace is None else max(1, min(self.batch, int(self.pace)))


@dataclass(slots=True)
class Claim:
    """The right to move one lane of one subscription. `position` was delivered last, `upto` ends a replay; `intent` is
    the last position of a call without an answer, made by `intent_release`.

    `first_sent` and `last_sent` are bounds in monotonic seconds: before the one, nothing of what is claimed was sent;
    after the other, nothing of it was sent by an owner before. None: never sent. `rounds` counts the claims after which
    its outcome was still unknown. The database went back, and what these rows take for unsent up to `ask_until` may
    have been sent. `fresh_key`: how often a redrive gave this one message another key, because the vendor knows the one
    before from another message. `vendor_works`: it is known to have answered others since this came into quarantine.
    `target_waits`: a replay of states sends, and these lanes of the target itself wait, each under this token and at
    this position of it (`replay_order`).
    """

    subscription: int
    lane: int
    position: int
    upto: int | None
    intent: int | None
    intent_release: int | None
    lease: Lease
    target: ClaimTarget
    limits: ClaimLimits
    ask_until: int | None = None
    fresh_key: int = 0
    first_sent: float | None = None
    last_sent: float | None = None
    rounds: int = 0
    vendor_works: bool = False
    spans: DeliverySpans | None = None
    target_waits: Sequence[tuple[int, int, int]] | None = None

    @property
    def poison_suspect(self) -> bool:
        """What comes next, or what was sent, has ended several owners: it is quarantined, so that other keys pass."""
        return self.lease.attempt >= POISON_SUSPECT_AFTER

    @property
    def states_overwrite_each_other(self) -> bool:
        """An older state that takes effect again replaces a newer one: the target orders by no version. Then one call
        carries one state of a key, so that no newer one is under way when an older one has to be sent again."""
        return self.target.idempotency == "N" and self.limits.settle > 0

    @property
    def is_replay(self) -> bool:
        """What it sends was sent before by another subscription, under the same keys."""
        return self.target.original_subscription != self.subscription

    def same_recovery_until(self, position: int) -> int | None:
        """The last position that is to be treated as this one after the database went back; None: all that follow."""
        if self.ask_until is None or position > self.ask_until:
            return None
        first = self._first_epoch
        return min(first - 1, self.ask_until) if position < first else self.ask_until

    def asks_first(self, position: int) -> bool:
        """Whether the database went back and the message at this position may have been sent before that.

        Class N is sent again instead: it has one effect, and the natural key of a state says nothing of its version.
        """
        if self.ask_until is None or position > self.ask_until or self.target.idempotency == "N":
            return False
        return position < self._first_epoch or self.lost_key(position)

    def lost_key(self, position: int) -> bool:
        """Whether the vendor may know the message at this position by a key that was lost with the database: it came
        again since then, be it after this rewind or one before. Only a question by business reference can tell. A state
        that is sent again does no harm."""
        if self.ask_until is None or not self._first_epoch <= position <= self.ask_until:
            return False
        return self.target.idempotency == "U" or (self.target.facts and self.target.idempotency in "KL")

    @property
    def _first_epoch(self) -> int:
        return self.target.key_epochs[0][0] if self.target.key_epochs else 0

    def shrunk_batch(self) -> int:
        """A batch that ended its owner comes back smaller, so that a poison message is alone after a few takeovers."""
        return max(1, self.limits.batch >> (3 * max(0, self.lease.attempt - 2)))


def ago(now: float, seconds: float | None) -> float | None:
    """The monotonic time of a last send, `seconds` ago by the database's clock. It must not be taken for earlier than
    it was, so `now` is read after the answer: a worker may stand still in between. None lies further ahead than the
    longest lease (until whose end a lost owner may send): a clock that was set back a moment ago says so of what it
    stamped before."""
    return None if seconds is None else now - max(seconds, -clock_steps.LONGEST_LEASE)


def first_ago(now: float, seconds: float | None) -> float | None:
    """The same of a first send, from which on a vendor keeps a key. It must not be taken for later than it was: `now`
    is read before the question, and a clock that was set back proves nothing (`ClockWatch.no_less_ago`)."""
    longest = clock_steps.watch.no_less_ago(seconds)
    return None if longest is None else now - longest


def seconds_since(moment: float | None) -> float | None:
    """How long ago a monotonic time was; negative where it is still to come."""
    return None if moment is None else time.monotonic() - moment


def target_of(row: dict[str, Any]) -> ClaimTarget:
    """The target in what a claim's statement answers (`sql/claim_returning.sql`)."""
    return ClaimTarget(
        row["target"],
        row["instance"],
        row["kind"],
        row["idempotency"],
        row["vendor"],
        row["release"],
        row["deployment"],
        row["stream"],
        row["stream_salt"],
        row["original_subscription"],
        row["key_epochs"] or (),
        row["at_fault"],
        row["after"],
        row["facts"],
    )


def limits_of(row: dict[str, Any]) -> ClaimLimits:
    """The limits in what a claim's statement answers."""
    return ClaimLimits(
        row["batch"], row["coalesce"], row["max_attempts"], row["pace"], row["metered"], row["settle"], row["key_kept"]
    )
