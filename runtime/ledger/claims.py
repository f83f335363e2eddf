"""Claim, step, release: the only statements that move delivery state.

A claim carries the gate: the release is approved, active, not paused, unfrozen, not past the sunset of what it pins; the
vendor's breaker is closed (or this claim is its one probe), quota and concurrency are left. Leases run on the database's
clock; the owner keeps its own, never later, idea of their end on the monotonic clock.
"""
# ruff: noqa: S608 - statements are assembled from constants of this module

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import Any

from psycopg.errors import InsufficientPrivilege
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from runtime.ledger.append import Fenced
from runtime.ledger.connections import Connection

LEASE_SECONDS = float(os.environ.get("TILLGATE_LEASE_SECONDS", "15"))
SUSPECT_AFTER = 2  # owners lost at one place before what they worked on is set aside and tried message by message
SHARDS = 16


@dataclass(frozen=True, slots=True)
class Scope:
    """What a worker serves: SLA tiers, and, where given, only some subscriptions or shards (subscription id modulo 16)."""

    tiers: tuple[int, ...] = (0, 1, 2, 3)
    only: tuple[int, ...] | None = None
    shards: tuple[int, ...] | None = None

    def arguments(self) -> dict[str, Any]:
        return {
            "tiers": list(self.tiers),
            "only": None if self.only is None else list(self.only),
            "shards": None if self.shards is None else list(self.shards),
        }


EVERYTHING = Scope()


@dataclass(slots=True)
class Claim:
    """The right to move one lane of one subscription until `deadline` (monotonic seconds)."""

    subscription: int
    lane: int
    position: int
    upto: int | None
    intent: int | None
    intent_release: int | None
    attempt: int
    token: int
    stream: int
    salt: int
    target: str
    instance: str
    kind: str
    idempotency: str
    coalesce: bool
    batch: int
    max_attempts: int
    pace: float | None
    vendor: int
    release: int
    deployment: int
    origin: int
    late: float | None
    deadline: float
    ask_only: bool = False
    metered: bool = False

    @property
    def early(self) -> float:
        """Seconds that the lease of a former owner would still have run, whose database session had gone: until then it may,
        cut off from us, be sending what its open intent names, and nothing else."""
        return max(0.0, -(self.late or 0.0))

    @property
    def suspect(self) -> bool:
        """What comes next, or what is called, has ended several owners: it is set aside, so that other keys pass."""
        return self.attempt >= SUSPECT_AFTER

    def batch_size(self) -> int:
        """A batch that killed its owner comes back smaller, so that a poison message is alone after a few takeovers."""
        return max(1, self.batch >> (3 * max(0, self.attempt - 2)))

    @property
    def repeats(self) -> bool:
        """A replay: what it sends was sent before by the subscription `origin`, under the same keys."""
        return self.origin != self.subscription

    def time_left(self) -> float:
        return self.deadline - time.monotonic()


_COLUMNS = """s.stream_id, t.salt, s.target, s.instance, s.kind, s.idempotency, s.coalesce, s.batch, s.max_attempts, s.pace, s.vendor_id,
               coalesce(s.replay_of_id, s.id) as origin"""
_RETURNING = """returning p.subscription_id as subscription, p.lane, p.position, p.upto, p.intent, p.intent_release, p.attempt, p.token, c.stream_id as stream,
          c.salt, c.target, c.instance, c.kind, c.idempotency, c.coalesce, c.batch, c.max_attempts, c.pace, c.vendor_id as vendor, c.release_id as release,
          c.deployment_id as deployment, c.origin, c.limited, c.metered, case when c.owner is not null then extract(epoch from clock_timestamp() - c.was)::float8 end as late"""

# Candidates are found by cheap conditions and put in order first; the gate is asked for one after the other until one is open, so
# the price of a claim does not grow with the number of lanes that wait (600 stores of a fleet, say). `offset 0` keeps the two apart;
# `materialized` is no matter of speed: a subselect with a limit may be run once for every row that is updated.
# A lane is free when its lease has ended, or when the database session of its owner has: a token fences what such an owner could
# still write, and what it could still send (its open intent) is set aside until its lease ends. Lanes of
# lost owners come first, or busy ones would always be before them. Who is wrongly taken for gone, behind a connection pooler say, is
# fenced and loses time; who is wrongly taken for alive keeps the lane to the end of its lease.
_FREE = """({0}.lease_until < clock_timestamp()
                        or ({0}.owner is not null and {0}.session is not null and not exists (select from pg_stat_get_activity({0}.session))))"""
_CLAIM = f"""
with c as materialized (
       select f.*, q.owner, q.lease_until as was
          from (select o.subscription_id, o.lane, s.deployment_id, d.release_id, {_COLUMNS}, v.breaker <> 'closed' or v.concurrency is not null as limited,
                       v.rate is not null or v.budget is not null as metered
                  from runtime_progress o join runtime_subscription s on s.id = o.subscription_id join runtime_stream t on t.id = s.stream_id
                       join runtime_lane l on l.stream_id = s.stream_id and l.lane = o.lane
                       join runtime_deployment d on d.id = s.deployment_id join runtime_vendorstate v on v.id = s.vendor_id
                 where s.open and d.active and not d.paused and s.tier = any(%(tiers)s) and (%(only)s::bigint[] is null or s.id = any(%(only)s))
                   and (%(shards)s::int[] is null or s.id %% 16 = any(%(shards)s)) and {_FREE.format("o")} and o.not_before < clock_timestamp()
                   and (o.position < least(l.next - 1, coalesce(o.upto, l.next - 1)) or o.intent is not null)
                   and v.not_before <= clock_timestamp() and (v.breaker = 'closed' or (v.open_until <= clock_timestamp() and v.probe_until <= clock_timestamp()))
                   and (v.concurrency is null or v.concurrency > (select count(*) from runtime_progress h join runtime_subscription hs on hs.id = h.subscription_id
                                                                    where hs.vendor_id = v.id and h.owner is not null and h.lease_until > clock_timestamp()))
                 order by s.tier, o.owner is null, o.lease_until offset 0) f
               join runtime_progress q on q.subscription_id = f.subscription_id and q.lane = f.lane
         where {_FREE.format("q")} and q.not_before < clock_timestamp()
           and runtime_may_take(f.subscription_id, f.release_id)
         limit 1 for update of q skip locked)
update runtime_progress p set token = p.token + 1, owner = %(me)s, session = pg_backend_pid(), ask_only = false, attempt = p.attempt + (c.owner is not null)::int,
                              lease_until = clock_timestamp() + make_interval(secs => %(lease)s)
  from c where p.subscription_id = c.subscription_id and p.lane = c.lane {_RETURNING}"""

# What was already called may be asked about while the gate is closed: nothing new is taken, nothing is sent.
_CLAIM_TO_ASK = f"""
with c as materialized (
       select q.subscription_id, q.lane, q.owner, q.lease_until as was, coalesce(q.intent_release, d.release_id) as release_id,
               s.deployment_id, {_COLUMNS}, false as limited, false as metered
          from runtime_progress q join runtime_subscription s on s.id = q.subscription_id
               join runtime_stream t on t.id = s.stream_id join runtime_deployment d on d.id = s.deployment_id join runtime_vendorstate v on v.id = s.vendor_id
         where s.tier = any(%(tiers)s) and (%(only)s::bigint[] is null or s.id = any(%(only)s))
           and (%(shards)s::int[] is null or s.id %% 16 = any(%(shards)s)) and q.intent is not null
           and q.lease_until < clock_timestamp() and q.not_before < clock_timestamp()
           and v.breaker = 'closed' and v.not_before <= clock_timestamp()
           and not exists (select from runtime_permitted g where g.subscription_id = q.subscription_id)
         order by q.lease_until limit 1 for update of q skip locked)
update runtime_progress p set token = p.token + 1, owner = %(me)s, session = pg_backend_pid(), ask_only = true, attempt = p.attempt + (c.owner is not null)::int,
                              lease_until = clock_timestamp() + make_interval(secs => %(lease)s)
  from c where p.subscription_id = c.subscription_id and p.lane = c.lane {_RETURNING}"""

# A limited vendor is decided under its row lock, in a statement of its own, which therefore sees what others committed.
_ADMIT = """
select (v.concurrency is null or v.concurrency >= (select count(*) from runtime_progress o join runtime_subscription os on os.id = o.subscription_id
                                                    where os.vendor_id = v.id and o.owner is not null and o.lease_until > clock_timestamp()))
   and (v.breaker = 'closed' or (v.open_until <= clock_timestamp() and v.probe_until <= clock_timestamp())), v.breaker <> 'closed'
  from runtime_vendorstate v where v.id = %s"""

# Move the position, record the evidence of the batch before, store the intent of the batch after: one statement, one round trip.
# A closed gate, or a release that is no longer the deployed one, refuses a further step inside the database and any new
# intent, but never the recording of a call that was made.
_STEP = """
with g as (select exists (select from runtime_gate where subscription_id = %(subscription)s and release_id = %(release)s)
               or exists (select from runtime_permitted p join runtime_vendorstate v on v.id = p.vendor_id
                           where p.subscription_id = %(subscription)s and p.release_id = %(release)s
                             and v.probe_subscription = %(subscription)s and v.probe_lane = %(lane)s and v.not_before <= clock_timestamp()) as open),
     m as (update runtime_progress p set position = %(position)s, intent = case when g.open then %(intent)s::bigint end,
                  intent_release = case when g.open and %(intent)s::bigint is not null then %(release)s::bigint end, attempt = 0,
                  lease_until = clock_timestamp() + make_interval(secs => %(lease)s)
             from g where p.subscription_id = %(subscription)s and p.lane = %(lane)s and p.token = %(token)s and (g.open or not %(gated)s) returning g.open),
     d as (insert into runtime_delivery (subscription_id, lane, token, release_id, at, first, last, outcome, confirmed, superseded, skipped, refused, waiting, refs)
           select %(subscription)s, %(lane)s, %(token)s, %(release)s, clock_timestamp(), %(first)s, %(last)s, %(outcome)s,
                  %(confirmed)s, %(superseded)s, %(skipped)s, %(refused)s, %(waiting)s, %(references)s
             from m where %(first)s::bigint is not null)
select open from m"""

# What is left of a vendor's quota, and taking some of it: all of what is asked for, or nothing, so that no race overdraws it.
_TODAY = "case when v.spent_on = (clock_timestamp() at time zone 'UTC')::date then v.spent else 0 end"
_ALLOWED = "least(v.burst, v.allowance + v.rate * extract(epoch from clock_timestamp() - v.refilled_at))"
_LEFT = f"select least(coalesce(v.budget - {_TODAY}, 10000), coalesce(floor({_ALLOWED}), 10000))::bigint from runtime_vendorstate v where v.id = %s"
_SPEND = f"""
update runtime_vendorstate v set spent = {_TODAY} + %(count)s, spent_on = (clock_timestamp() at time zone 'UTC')::date,
       allowance = case when v.rate is null then v.allowance else {_ALLOWED} - %(count)s end, refilled_at = clock_timestamp()
 where v.id = %(vendor)s and (v.budget is null or {_TODAY} + %(count)s <= v.budget) and (v.rate is null or {_ALLOWED} >= %(count)s)"""

_RELEASE = """
update runtime_progress set lease_until = clock_timestamp(), owner = null, not_before = greatest(not_before, clock_timestamp() + make_interval(secs => %s))
 where subscription_id = %s and lane = %s and token = %s"""

# After a failure of our own: the owner stays, so that the next claim counts it as a lost one.
_HAND_BACK = """
update runtime_progress set lease_until = clock_timestamp(), not_before = clock_timestamp() + make_interval(secs => %s)
 where subscription_id = %s and lane = %s and token = %s"""

_PROBE = """
update runtime_vendorstate set probe_subscription = %s, probe_lane = %s, probe_until = clock_timestamp() + make_interval(secs => %s) where id = %s"""
GATE_CLOSED = "gate closed"  # begins the message of the database's own guard


class Abandoned(Exception):
    """The claim was given back before it began."""


@dataclass(slots=True)
class Proof:
    """Evidence of one batch: positions `first` to `last` and what became of them. `outcome` is one word."""

    first: int
    last: int
    outcome: str
    confirmed: int = 0
    superseded: int = 0
    skipped: int = 0
    refused: int = 0
    waiting: int = 0
    references: list[Any] | None = None


_NO_PROOF: dict[str, Any] = {
    "first": None, "last": None, "outcome": None, "confirmed": 0, "superseded": 0,
    "skipped": 0, "refused": 0, "waiting": 0, "references": None,
}  # fmt: skip


def evidence_of(proof: Proof | None) -> dict[str, Any]:
    if proof is None:
        return _NO_PROOF
    return {
        "first": proof.first,
        "last": proof.last,
        "outcome": proof.outcome,
        "confirmed": proof.confirmed,
        "superseded": proof.superseded,
        "skipped": proof.skipped,
        "refused": proof.refused,
        "waiting": proof.waiting,
        "references": Jsonb(proof.references) if proof.references else None,
    }


def claim(conn: Connection, *, owner: str, scope: Scope = EVERYTHING, lease: float = LEASE_SECONDS) -> Claim | None:
    """The lane that has waited longest in the most critical tier, or None."""
    arguments = {"me": owner, "lease": lease} | scope.arguments()
    try:
        with conn.transaction():
            taken = _take(conn, _CLAIM, arguments, lease)
            if taken is not None and taken[1]:
                admit(conn, taken[0], lease)
    except Abandoned:
        return None
    except InsufficientPrivilege as error:
        if GATE_CLOSED not in str(error):
            raise
        return None  # the guard saw the gate close while the claim was under way
    return taken[0] if taken else None


def claim_to_ask(
    conn: Connection, *, owner: str, scope: Scope = EVERYTHING, lease: float = LEASE_SECONDS
) -> Claim | None:
    """A lane whose gate is closed and whose last call has no answer yet. It may be asked about, and nothing else."""
    taken = _take(conn, _CLAIM_TO_ASK, {"me": owner, "lease": lease} | scope.arguments(), lease)
    if taken is None:
        return None
    taken[0].ask_only = True
    return taken[0]


def _take(conn: Connection, statement: str, arguments: dict[str, Any], lease: float) -> tuple[Claim, bool] | None:
    started = time.monotonic()
    with conn.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(statement, arguments).fetchone()
    if row is None:
        return None
    limited = row.pop("limited")
    return Claim(**row, deadline=started + lease), limited


def admit(conn: Connection, taken: Claim, lease: float) -> None:
    """Inside the claim's transaction: take one of the vendor's places, or the one probe. Raises Abandoned."""
    conn.execute("select from runtime_vendorstate where id = %s for update", (taken.vendor,))
    row = conn.execute(_ADMIT, (taken.vendor,)).fetchone()
    if row is None or not row[0]:
        raise Abandoned
    if row[1]:
        conn.execute(_PROBE, (taken.subscription, taken.lane, lease, taken.vendor))


def step(
    conn: Connection,
    taken: Claim,
    position: int,
    *,
    proof: Proof | None = None,
    intent: int | None = None,
    gated: bool = True,
    lease: float = LEASE_SECONDS,
) -> bool:
    """Move to `position`. Answers whether the gate is open for more.

    Raises Fenced when the token is not the present one, or when `gated` and the gate is closed: roll back.
    """
    started = time.monotonic()
    row = conn.execute(
        _STEP,
        evidence_of(proof)
        | {
            "subscription": taken.subscription,
            "lane": taken.lane,
            "token": taken.token,
            "release": taken.release,
            "vendor": taken.vendor,
            "position": position,
            "intent": intent,
            "gated": gated,
            "lease": lease,
        },
    ).fetchone()
    if row is None:
        raise Fenced(
            f"subscription {taken.subscription} lane {taken.lane}: token {taken.token} is not current, or the gate is closed"
        )
    taken.deadline = started + lease
    return bool(row[0])


def quota_left(conn: Connection, vendor: int) -> int:
    """How many messages this vendor may be sent now, by its rate and its budget of the day; 10,000 where neither limits."""
    row = conn.execute(_LEFT, (vendor,)).fetchone()
    return max(0, int(row[0])) if row else 0


def spend(conn: Connection, vendor: int, count: int) -> bool:
    """Take `count` messages from the vendor's quota. False, and nothing is taken, when that many are not left."""
    return conn.execute(_SPEND, {"vendor": vendor, "count": count}).rowcount == 1


def release(conn: Connection, taken: Claim, *, wait: float = 0.0) -> None:
    """Give the lane back. It carries the present time as its lease end, so that expired lanes are not starved by released ones."""
    conn.execute(_RELEASE, (wait, taken.subscription, taken.lane, taken.token))


def hand_back(conn: Connection, taken: Claim, *, wait: float) -> None:
    """Give the lane back after a failure of this process: it counts as a lost owner, without the wait for the lease's end."""
    conn.execute(_HAND_BACK, (wait, taken.subscription, taken.lane, taken.token))
