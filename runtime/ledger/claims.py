"""Claim, step, release: the only statements that move delivery state.

A claim carries the gate: the release is approved, active, not paused, unfrozen, not past the sunset of what it pins;
the vendor's circuit breaker is closed (or this claim is its one probe), quota and concurrency are left. Leases run on
the database's clock; the owner keeps a deadline of its own on the monotonic clock, which is never later.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

from psycopg.errors import InsufficientPrivilege, LockNotAvailable
from psycopg.rows import dict_row

from runtime.domain.shards import SHARDS
from runtime.ledger import clock_steps, replay_order, sql
from runtime.ledger.append import Fenced
from runtime.ledger.claimed import (
    EVERYTHING,
    Claim,
    ClaimScope,
    Lease,
    ago,
    first_ago,
    limits_of,
    seconds_since,
    target_of,
)
from runtime.ledger.connections import Connection
from runtime.ledger.evidence import DeliveryEvidence, evidence_arguments
from runtime.ledger.lane_locks import LOCK_WAIT, usual_wait
from runtime.ledger.leases import LEASE_SECONDS, lease_for_call

_PARTS = {"claim_columns": sql.CLAIM_COLUMNS, "claim_returning": sql.CLAIM_RETURNING, "claim_scope": sql.CLAIM_SCOPE}
_CLAIM = sql.read("claim_lane", shards=str(SHARDS), kept=str(sql.KEPT_FOR_QUESTION), **_PARTS)
_CLAIM_TO_ASK = sql.read("claim_lane_to_ask", lease_is_over=sql.lease_is_over("q.lease_until"), **_PARTS)
_ADMIT = sql.read("admit", probe_is_free=sql.probe_is_free("%(asking)s::bigint"))
MAY_GO = "(g.open and coalesce(greatest(%(position)s, %(intent)s::bigint) <= p.upto, true))"
_STEP = sql.read("step", may_go=MAY_GO)
_QUOTA = {"today": sql.read("quota_today"), "allowance": sql.read("quota_allowance")}
_QUOTA_LEFT = sql.read("quota_left", **_QUOTA)
_QUOTA_SPEND = sql.read("quota_spend", **_QUOTA)
_RELEASE = """
update runtime_progress
set lease_until = clock_timestamp(),
    waits_since = runtime_end_of_line(waits_since),
    owner = null,
    not_before = greatest(not_before, clock_timestamp() + make_interval(secs => nullif(%s::float8, 0)))
where subscription_id = %s and lane = %s and token = %s"""
# After a failure of our own the owner stays in the row, so that the next claim counts it as a lost one.
_RELEASE_AFTER_FAILURE = """
update runtime_progress
set lease_until = clock_timestamp(),
    waits_since = runtime_end_of_line(waits_since),
    session = null,
    not_before = clock_timestamp() + make_interval(secs => %s)
where subscription_id = %s and lane = %s and token = %s"""
_RELEASE_UNANSWERED = """
update runtime_progress
set lease_until = clock_timestamp(),
    waits_since = runtime_end_of_line(waits_since),
    owner = null,
    not_before = greatest(not_before, clock_timestamp() + make_interval(secs => nullif(%s::float8, 0))),
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
VENDOR_SOON = "100ms"  # longer than a claim that others have under way holds the vendor's row
LOCK_VENDOR = "select from runtime_vendorstate where id = %s for update"
# Read where somebody keeps the row of a vendor locked, and not in a usual claim.
OF_OTHER_VENDORS = """
select array_agg(id)
from runtime_subscription
where vendor_id <> all(%s::bigint[]) and (%s::bigint[] is null or id = any(%s::bigint[]))"""
_HOLD_OTHERS = """
update runtime_subscription
set held_until = clock_timestamp() + make_interval(secs => %s)
where id = %s and held_until <= clock_timestamp()"""
GATE_CLOSED = (
    "runtime_gate_closed"  # the name that the guard in the database gives (`runtime/sql/20_progress_guards.sql`)
)


class ClaimAbandoned(Exception):
    """The claim was released before it began."""


class VendorHeld(ClaimAbandoned):
    """Somebody keeps the row of this vendor locked, so that nobody can say whether it takes one more."""

    def __init__(self, vendor: int) -> None:
        super().__init__(f"vendor {vendor}")
        self.vendor = vendor


def claim(
    conn: Connection, *, owner: str, scope: ClaimScope = EVERYTHING, lease: float = LEASE_SECONDS
) -> Claim | None:
    """The lane that has waited longest in the most critical tier, or None.

    Lanes of a vendor whose row somebody keeps locked are passed over, so that others have their turn.
    """
    held: list[int] = []
    while True:
        try:
            return _claim_once(conn, owner, without(conn, scope, held), lease)
        except VendorHeld as busy:
            held.append(busy.vendor)


def _claim_once(conn: Connection, owner: str, scope: ClaimScope, lease: float) -> Claim | None:
    """Raises VendorHeld."""
    arguments = {"me": owner, "lease": lease} | scope.arguments()
    try:
        with conn.short_transaction():
            taken = _take(conn, _CLAIM, arguments, lease)
            if taken is not None and taken[1]:
                admit(conn, taken[0], lease)
            if taken is not None:
                hold_others(conn, taken[0], lease)
    except VendorHeld:
        raise
    except ClaimAbandoned:
        return None
    except InsufficientPrivilege as error:
        if not gate_closed(error):
            raise
        return None  # the guard saw the gate close while the claim was under way
    return taken[0] if taken else None


def without(conn: Connection, scope: ClaimScope, held: list[int]) -> ClaimScope:
    """The scope without the targets of these vendors."""
    if not held:
        return scope
    only = None if scope.only is None else list(scope.only)
    row = conn.execute(OF_OTHER_VENDORS, (held, only, only)).fetchone()
    return replace(scope, only=tuple(row[0] or ()) if row else ())


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
        with conn.pipeline():  # with its BEGIN
            cursor.execute(statement, arguments)
        row = cursor.fetchone()
    if row is None:
        return None
    answered = time.monotonic()
    clock_steps.watch.noted(row["database_time"], answered - started)
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
        first_sent=first_ago(started, row["first_sent_ago"]),
        last_sent=ago(answered, clock_steps.watch.at_least_ago(row["sent_ago"])),
        rounds=row["rounds"],
    )
    return taken, row["limited"]


def admit(conn: Connection, taken: Claim, lease: float, *, quarantined: bool = False) -> None:
    """Inside the claim's transaction: take one of the vendor's places, or the one probe; a quarantined message may take
    the one that is kept for a person's question. Raises ClaimAbandoned; VendorHeld where somebody keeps the vendor's
    row locked."""
    vendor, asking = taken.target.vendor, taken.subscription if quarantined else None
    try:
        with conn.pipeline():
            conn.execute(LOCK_WAIT, (VENDOR_SOON,))
            conn.execute(LOCK_VENDOR, (vendor,))
            conn.execute(LOCK_WAIT, (usual_wait(conn),))
    except LockNotAvailable as error:
        raise VendorHeld(vendor) from error
    row = conn.execute(_ADMIT, {"vendor": vendor, "asking": asking}).fetchone()
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
    with conn.pipeline():  # with its BEGIN
        found = conn.execute(_STEP, arguments)
    row = found.fetchone()
    if row is None:
        place = f"subscription {taken.subscription} lane {taken.lane}"
        raise Fenced(f"{place}: token {held.token} is not current, or the gate is closed")
    if taken.target_waits is not None:
        replay_order.keep_waiting(conn, taken, lease)
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


def renew(conn: Connection, taken: Claim, deadline: float) -> None:
    """Make the lease last for one more call of that length. Raises Fenced where the lane is lost."""
    started, seconds = time.monotonic(), lease_for_call(deadline)
    place = taken.subscription, taken.lane, taken.lease.token
    if conn.execute(_RENEW, (seconds, *place)).rowcount != 1:
        raise Fenced(f"subscription {taken.subscription} lane {taken.lane}: token {taken.lease.token} is not current")
    if taken.target_waits is not None:
        replay_order.keep_waiting(conn, taken, seconds)
    taken.lease.deadline = started + seconds


def release_after_failure(conn: Connection, taken: Claim, *, wait: float) -> None:
    """Release the lane after a failure of this process: it counts as a lost owner, without the wait for the lease's
    end."""
    conn.execute(_RELEASE_AFTER_FAILURE, (wait, taken.subscription, taken.lane, taken.lease.token))
