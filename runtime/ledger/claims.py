"""Claim, step, release: the only statements that move delivery state.

A claim carries the gate: the release is approved, active, not paused, unfrozen, not past the sunset of what it pins;
the vendor's circuit breaker is closed (or this claim is its one probe), quota and concurrency are left. Leases run on
the database's clock; the owner keeps a deadline of its own on the monotonic clock, which is never later.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from psycopg.errors import InsufficientPrivilege
from psycopg.rows import dict_row

from runtime.ledger import sql
from runtime.ledger.append import Fenced
from runtime.ledger.connections import Connection
from runtime.ledger.evidence import DeliveryEvidence, evidence_arguments
from runtime.ledger.sql import SHARDS

LEASE_SECONDS = float(os.environ.get("TILLGATE_LEASE_SECONDS", "15"))
CALL_MARGIN = LEASE_SECONDS / 5  # what a lease lasts longer than the call under it
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
        return max(0.0, -(self.overdue_by or 0.0))

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
    it, and for how many it keeps our keys (None: it keeps none, or for ever)."""

    batch: int
    coalesce: bool
    max_attempts: int
    pace: float | None
    metered: bool
    settle: float = 0.0
    key_kept: float | None = None


@dataclass(slots=True)
class Claim:
    """The right to move one lane of one subscription. `position` was delivered last, `upto` ends a replay; `intent` is
    the last position of a call without an answer, made by `intent_release`.

    `first_sent` and `last_sent` are bounds in monotonic seconds: before the one, nothing of what is claimed was sent;
    after the other, nothing of it was sent by an owner before. None: never sent. `rounds` counts the claims after which
    its outcome was still unknown. The database went back, and what these rows take for unsent up to `ask_until` may
    have been sent. `fresh_key`: how often a redrive gave this one message another key, because the vendor knows the one
    before from another message.
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

    @property
    def poison_suspect(self) -> bool:
        """What comes next, or what was sent, has ended several owners: it is quarantined, so that other keys pass."""
        return self.lease.attempt >= POISON_SUSPECT_AFTER

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


_PARTS = {"claim_columns": sql.CLAIM_COLUMNS, "claim_returning": sql.CLAIM_RETURNING, "claim_scope": sql.CLAIM_SCOPE}
_CLAIM = sql.read(
    "claim_lane",
    candidate_is_free=sql.read("lane_is_free", lane="o"),
    locked_is_free=sql.read("lane_is_free", lane="q"),
    **_PARTS,
)
_CLAIM_TO_ASK = sql.read("claim_lane_to_ask", **_PARTS)
_ADMIT = sql.read("admit")
_STEP = sql.read("step")
_QUOTA = {"today": sql.read("quota_today"), "allowance": sql.read("quota_allowance")}
_QUOTA_LEFT = sql.read("quota_left", **_QUOTA)
_QUOTA_SPEND = sql.read("quota_spend", **_QUOTA)
_RELEASE = """
update runtime_progress
set lease_until = clock_timestamp(),
    owner = null,
    not_before = greatest(not_before, clock_timestamp() + make_interval(secs => %s))
where subscription_id = %s and lane = %s and token = %s"""
# After a failure of our own the owner stays in the row, so that the next claim counts it as a lost one.
_RELEASE_AFTER_FAILURE = """
update runtime_progress
set lease_until = clock_timestamp(), not_before = clock_timestamp() + make_interval(secs => %s)
where subscription_id = %s and lane = %s and token = %s"""
_RELEASE_UNANSWERED = """
update runtime_progress
set lease_until = clock_timestamp(),
    owner = null,
    not_before = greatest(not_before, clock_timestamp() + make_interval(secs => %s)),
    sent_at = clock_timestamp() - make_interval(secs => %s),
    rounds = rounds + 1
where subscription_id = %s and lane = %s and token = %s"""
_RENEW = """
update runtime_progress
set lease_until = clock_timestamp() + make_interval(secs => %s)
where subscription_id = %s and lane = %s and token = %s"""
_PROBE = """
update runtime_vendorstate
set probe_subscription = %s, probe_lane = %s, probe_until = clock_timestamp() + make_interval(secs => %s)
where id = %s"""
_HOLD_OTHERS = """
update runtime_subscription
set held_until = clock_timestamp() + make_interval(secs => %s)
where id = %s and held_until <= clock_timestamp()"""
GATE_CLOSED = (
    "runtime_gate_closed"  # the name that the guard in the database gives (`runtime/sql/20_progress_guards.sql`)
)


class ClaimAbandoned(Exception):
    """The claim was released before it began."""


def claim(
    conn: Connection, *, owner: str, scope: ClaimScope = EVERYTHING, lease: float = LEASE_SECONDS
) -> Claim | None:
    """The lane that has waited longest in the most critical tier, or None."""
    arguments = {"me": owner, "lease": lease} | scope.arguments()
    try:
        with conn.transaction():
            taken = _take(conn, _CLAIM, arguments, lease)
            if taken is not None and taken[1]:
                admit(conn, taken[0], lease)
            if taken is not None:
                hold_others(conn, taken[0], lease)
    except ClaimAbandoned:
        return None
    except InsufficientPrivilege as error:
        if not gate_closed(error):
            raise
        return None  # the guard saw the gate close while the claim was under way
    return taken[0] if taken else None


def gate_closed(error: InsufficientPrivilege) -> bool:
    """Whether the database's guard refused a claim because the gate is closed."""
    return error.diag.constraint_name == GATE_CLOSED


def claim_to_ask(
    conn: Connection, *, owner: str, scope: ClaimScope = EVERYTHING, lease: float = LEASE_SECONDS
) -> Claim | None:
    """A lane whose gate is closed and whose last call has no answer yet. It may be asked about, and nothing else."""
    taken = _take(conn, _CLAIM_TO_ASK, {"me": owner, "lease": lease} | scope.arguments(), lease)
    if taken is None:
        return None
    taken[0].lease.ask_only = True
    return taken[0]


def _take(conn: Connection, statement: str, arguments: dict[str, Any], lease: float) -> tuple[Claim, bool] | None:
    started = time.monotonic()
    with conn.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(statement, arguments).fetchone()
    if row is None:
        return None
    held = Lease(row["token"], row["attempt"], started + lease, row["overdue_by"])
    taken = Claim(
        row["subscription"],
        row["lane"],
        row["position"],
        row["upto"],
        row["intent"],
        row["intent_release"],
        held,
        target_of(row),
        limits_of(row),
        row["ask_until"],
        first_sent=ago(started, row["first_sent_ago"]),
        last_sent=ago(started, row["sent_ago"]),
        rounds=row["rounds"],
    )
    return taken, row["limited"]


def ago(now: float, seconds: float | None) -> float | None:
    """The monotonic time that was `seconds` ago by the database's clock."""
    return None if seconds is None else now - seconds


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


def admit(conn: Connection, taken: Claim, lease: float) -> None:
    """Inside the claim's transaction: take one of the vendor's places, or the one probe. Raises ClaimAbandoned."""
    vendor = taken.target.vendor
    conn.execute("select from runtime_vendorstate where id = %s for update", (vendor,))
    row = conn.execute(_ADMIT, (vendor,)).fetchone()
    if row is None or not row[0]:
        raise ClaimAbandoned
    if row[1]:
        taken.lease.probe = True
        conn.execute(_PROBE, (taken.subscription, taken.lane, lease, vendor))


def hold_others(conn: Connection, taken: Claim, lease: float) -> None:
    """Inside the claim's transaction: where the connection of this target is at fault, this claim is the one that
    probes it. Raises ClaimAbandoned."""
    if taken.target.at_fault:
        taken.lease.probe = True
        if conn.execute(_HOLD_OTHERS, (lease, taken.subscription)).rowcount != 1:
            raise ClaimAbandoned


def step(
    conn: Connection,
    taken: Claim,
    position: int,
    *,
    evidence: DeliveryEvidence | None = None,
    intent: int | None = None,
    gated: bool = True,
    lease: float = LEASE_SECONDS,
) -> bool:
    """Move to `position`. Answers whether the gate is open for more.

    Raises Fenced when the token is not the present one, or when `gated` and the gate is closed: roll back.
    """
    started, held = time.monotonic(), taken.lease
    arguments = evidence_arguments(evidence) | {
        "subscription": taken.subscription,
        "lane": taken.lane,
        "token": held.token,
        "release": taken.target.release,
        "vendor": taken.target.vendor,
        "position": position,
        "intent": intent,
        "after": taken.target.after,
        "gated": gated,
        "lease": lease,
    }
    row = conn.execute(_STEP, arguments).fetchone()
    if row is None:
        place = f"subscription {taken.subscription} lane {taken.lane}"
        raise Fenced(f"{place}: token {held.token} is not current, or the gate is closed")
    held.deadline = started + lease
    return bool(row[0])


def quota_left(conn: Connection, vendor: int) -> int:
    """How many messages this vendor may be sent now, by its rate and its budget of the day; 10,000 where neither
    limits."""
    row = conn.execute(_QUOTA_LEFT, (vendor,)).fetchone()
    return max(0, int(row[0])) if row else 0


def spend(conn: Connection, vendor: int, count: int) -> bool:
    """Take `count` messages from the vendor's quota. False, and nothing is taken, when that many are not left."""
    return conn.execute(_QUOTA_SPEND, {"vendor": vendor, "count": count}).rowcount == 1


def release(conn: Connection, taken: Claim, *, wait: float = 0.0) -> None:
    """Release the lane for the next claim, `wait` seconds from now at the earliest. It carries the present time as its
    lease end, so that released lanes do not starve expired ones."""
    conn.execute(_RELEASE, (wait, taken.subscription, taken.lane, taken.lease.token))


def release_unanswered(conn: Connection, taken: Claim, *, wait: float, last_sent: float | None) -> None:
    """Release the lane with its intent open: some outcome is unknown. It counts as a round, and `last_sent` is on
    record for the next claim."""
    place = taken.subscription, taken.lane, taken.lease.token
    conn.execute(_RELEASE_UNANSWERED, (wait, seconds_since(last_sent), *place))


def lease_for_call(deadline: float) -> float:
    """Seconds that a lease has to last so that a call of that length ends within it."""
    return max(LEASE_SECONDS, deadline + CALL_MARGIN)


def renew(conn: Connection, taken: Claim, deadline: float) -> None:
    """Make the lease last for one more call of that length. Raises Fenced where the lane is lost."""
    started, seconds = time.monotonic(), lease_for_call(deadline)
    place = taken.subscription, taken.lane, taken.lease.token
    if conn.execute(_RENEW, (seconds, *place)).rowcount != 1:
        raise Fenced(f"subscription {taken.subscription} lane {taken.lane}: token {taken.lease.token} is not current")
    taken.lease.deadline = started + seconds


def release_after_failure(conn: Connection, taken: Claim, *, wait: float) -> None:
    """Release the lane after a failure of this process: it counts as a lost owner, without the wait for the lease's
    end."""
    conn.execute(_RELEASE_AFTER_FAILURE, (wait, taken.subscription, taken.lane, taken.lease.token))


__all__ = [
    "EVERYTHING",
    "LEASE_SECONDS",
    "POISON_SUSPECT_AFTER",
    "SHARDS",
    "Claim",
    "ClaimAbandoned",
    "ClaimLimits",
    "ClaimScope",
    "ClaimTarget",
    "Lease",
    "admit",
    "claim",
    "claim_to_ask",
    "hold_others",
    "quota_left",
    "release",
    "release_after_failure",
    "release_unanswered",
    "renew",
    "spend",
    "step",
]
