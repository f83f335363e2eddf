"""Parked messages are the one row-by-row path: the head of each key first, each with lease and token of its own."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

from psycopg.errors import InsufficientPrivilege
from psycopg.rows import dict_row

from runtime.domain import retry
from runtime.ledger import vendors
from runtime.ledger.append import Fenced
from runtime.ledger.claims import EVERYTHING, GATE_CLOSED, LEASE_SECONDS, Abandoned, Claim, Scope, admit, spend
from runtime.ledger.connections import Connection
from runtime.ledger.database_target import REFUSED_BY_TABLE, Table, upsert
from runtime.ledger.exchange import Exchange, Outcome, item_key
from runtime.ledger.faultpoints import hit
from runtime.ledger.parking import Ended, Mapper, Run, Skipped, Stop, Unmappable, fingerprint, here
from runtime.ledger.reading import Message, decode, take
from runtime.ledger.vendor_target import VendorOfRelease, note, note_late, stop_for
from runtime.ledger.vendors import Outgoing


@dataclass(slots=True)
class ParkedClaim(Claim):
    """The right to try one parked message."""

    key: str = ""
    was: str = "retry"
    because: str = ""
    payload: bytes | None = None

    @property
    def suspect(self) -> bool:
        """Its last owner, or that of its batch, has ended over it, or has not said what became of it."""
        return self.was == "sending" or self.because == "poison"


_PICK = """
       select f.*, q.state as was, q.intent_release
         from (select o.subscription_id, o.lane, o.position, d.release_id, s.deployment_id, s.stream_id, t.salt, s.target, s.instance, s.kind, s.idempotency,
                      s.coalesce, s.batch, s.max_attempts, s.pace, s.vendor_id, coalesce(s.replay_of_id, s.id) as origin,
                      v.breaker <> 'closed' or v.concurrency is not null as limited, v.rate is not null or v.budget is not null as metered
                 from runtime_parked o join runtime_subscription s on s.id = o.subscription_id join runtime_stream t on t.id = s.stream_id
                      join runtime_deployment d on d.id = s.deployment_id join runtime_vendorstate v on v.id = s.vendor_id
                where s.tier = any(%(tiers)s) and (%(only)s::bigint[] is null or s.id = any(%(only)s))
                  and (%(shards)s::int[] is null or s.id %% 16 = any(%(shards)s)) and o.state {states}
                  and o.lease_until < clock_timestamp() and o.not_before < clock_timestamp() {vendor}
                  and (s.pace is null or exists (select from runtime_progress g where g.subscription_id = o.subscription_id and g.lane = o.lane
                                                    and g.not_before < clock_timestamp()))
                  and not exists (select from runtime_parked e where e.subscription_id = o.subscription_id and e.key = o.key and e.position < o.position)
                order by s.tier, o.not_before, o.position offset 0) f
              join runtime_parked q on q.subscription_id = f.subscription_id and q.lane = f.lane and q.position = f.position
        where q.state {states} and q.lease_until < clock_timestamp() and q.not_before < clock_timestamp() and {gate}
        limit 1 for update of q skip locked"""
_TAKE = """
with c as materialized ({pick})
update runtime_parked p set token = p.token + 1, attempt = p.attempt + 1, lease_until = clock_timestamp() + make_interval(secs => %(lease)s), ask_only = {ask},
       state = 'sending', intent_release = case when c.was = 'sending' then coalesce(p.intent_release, c.release_id) else c.release_id end
  from c where p.subscription_id = c.subscription_id and p.lane = c.lane and p.position = c.position
returning p.subscription_id as subscription, p.lane, p.position, p.key, p.token, p.attempt, p.intent_release, p.payload, p.reason_class as because, c.was, c.stream_id as stream, c.salt,
          c.target, c.instance, c.kind, c.idempotency, c.coalesce, c.batch, c.max_attempts, c.pace, c.vendor_id as vendor, c.release_id as release,
          c.deployment_id as deployment, c.origin, c.limited, c.metered"""
_CLAIM = _TAKE.format(
    ask="false",
    pick=_PICK.format(
        states="in ('retry', 'behind', 'sending')",
        vendor="and v.not_before <= clock_timestamp() and (v.breaker = 'closed' or (v.open_until <= clock_timestamp() and v.probe_until <= clock_timestamp()))",
        gate="runtime_may_take(f.subscription_id, f.release_id)",
    ),
)
_CLAIM_TO_ASK = _TAKE.format(
    ask="true",
    pick=_PICK.format(
        states="= 'sending'",
        vendor="and s.kind = 'vendor' and v.breaker = 'closed' and o.intent_release is not null",  # nobody's: asked about already
        gate="not exists (select from runtime_permitted g where g.subscription_id = f.subscription_id)",
    ),
)

# A parked message takes its turn in the pace of its lane, and its part of the vendor's quota.
_TURN = """
update runtime_progress set not_before = clock_timestamp() + make_interval(secs => 1 / %s::float8)
 where subscription_id = %s and lane = %s and not_before < clock_timestamp()"""
_HAND_BACK = """
update runtime_parked set reason = %s, lease_until = 'epoch', not_before = clock_timestamp() + make_interval(secs => %s), attempt = attempt - %s
 where subscription_id = %s and lane = %s and position = %s and token = %s"""


@dataclass(frozen=True, slots=True)
class MappedTable:
    """A table with the mapper of one release."""

    table: Table
    mapper: Mapper


def claim_parked(
    conn: Connection, *, scope: Scope = EVERYTHING, to_ask: bool = False, lease: float = LEASE_SECONDS
) -> ParkedClaim | None:
    """The parked message that is due longest and has none of its key before it."""
    started = time.monotonic()
    arguments = {"lease": lease} | scope.arguments()
    try:
        with conn.transaction(), conn.cursor(row_factory=dict_row) as cursor:
            row = cursor.execute(_CLAIM_TO_ASK if to_ask else _CLAIM, arguments).fetchone()
            if row is None:
                return None
            limited = row.pop("limited")
            taken = ParkedClaim(**row, upto=None, intent=None, late=None, deadline=started + lease, ask_only=to_ask)
            if limited and not to_ask:
                admit(conn, taken, lease)
            if not to_ask:
                _keep_pace(conn, taken)
    except Abandoned:
        return None
    except InsufficientPrivilege as error:
        if GATE_CLOSED not in str(error):
            raise
        return None  # the guard saw the gate close while the claim was under way
    return taken


def _keep_pace(conn: Connection, taken: ParkedClaim) -> None:
    """Inside the claim's transaction. Raises Abandoned when it is not this lane's turn, or nothing of the quota is left."""
    if taken.pace is not None and conn.execute(_TURN, (taken.pace, taken.subscription, taken.lane)).rowcount != 1:
        raise Abandoned
    if taken.metered and taken.kind == "vendor" and not spend(conn, taken.vendor, 1):
        raise Abandoned


def _message(conn: Connection, taken: ParkedClaim) -> Message:
    found = take(conn, taken, taken.position - 1, 1, upto=taken.position)
    if not found:
        raise LookupError(f"message {taken.lane}/{taken.position} is gone from the log")
    if taken.payload is not None:
        return found[0]._replace(document=decode(taken.payload))
    return found[0]


def retry_in_database(conn: Connection, taken: ParkedClaim, serving: MappedTable, *, run: Run = here) -> bool:
    """Try one parked message for a table. Answers whether it is delivered. `run` decides in which process it is mapped; raises
    Ended when that process is gone."""
    message = _message(conn, taken)
    stop: Stop | None = None
    if taken.attempt > taken.max_attempts + 1:
        stop = Stop(taken.position, taken.key, "dead", "poison", "too many attempts")
    else:
        try:
            row = run(lambda: serving.mapper(message), taken.deadline)
            with conn.transaction():
                _remove(conn, taken)
                upsert(conn, serving.table, [(message.position, row)])
                note(conn, taken, taken.position, taken.position, "confirmed", "")
                hit("parked.before_commit")
            return True
        except Skipped:
            return _skip(conn, taken)
        except Unmappable as error:
            stop = Stop(taken.position, taken.key, "dead", error.reason_class, error.reason, error.pattern)
        except REFUSED_BY_TABLE as error:
            stop = Stop(
                taken.position, taken.key, "dead", "refused", (error.diag.message_primary or str(error)).strip()
            )
    with conn.transaction():
        _keep(conn, taken, stop)
    return False


def retry_at_vendor(conn: Connection, taken: ParkedClaim, bind: VendorOfRelease, *, run: Run = here) -> bool:
    """Try one parked message at its vendor: asked about first when it may have been sent. Answers whether it is delivered.

    `run` decides in which process it is mapped, asked about and sent; raises Ended when that process is gone. Nothing of that work
    uses the database."""
    message = _message(conn, taken)
    if (
        taken.attempt > taken.max_attempts + 1
    ):  # not even a question survives: whether an earlier try arrived, a person finds out
        with conn.transaction():
            _keep(
                conn,
                taken,
                Stop(taken.position, taken.key, "unknown", "poison", f"{taken.attempt - 1} tries ended their workers"),
            )
        return False
    switched = taken.was == "sending" and taken.intent_release not in (None, taken.release)
    binding = bind(taken.intent_release if switched and taken.intent_release else taken.release)
    exhausted = taken.attempt > taken.max_attempts
    item = Outgoing(message.position, message.key, item_key(taken, message.position), message.correlation, None)
    exchange = Exchange(
        taken,
        binding.vendor,
        ask_first=taken.was == "sending" or taken.repeats,
        send=not (switched or taken.ask_only or exhausted),
    )

    def try_it() -> tuple[Outcome, str | None]:
        try:
            return exchange.run([replace(item, document=binding.mapper(message))]), None
        except Fenced as error:
            return exchange.outcome, str(error)

    try:
        outcome, fenced = run(try_it, taken.deadline)
    except Skipped:
        return _skip(conn, taken)
    except Unmappable as error:
        with conn.transaction():
            _keep(conn, taken, Stop(taken.position, taken.key, "dead", error.reason_class, error.reason, error.pattern))
        return False
    except Ended as error:
        error.wait = binding.vendor.deadline
        raise
    if fenced is not None:
        note_late(conn, taken, outcome.late)
        raise Fenced(fenced)
    hit("parked.after_call")
    answer = outcome.answers[item.position]
    try:
        with conn.transaction():
            if answer.status == "confirmed":
                _remove(conn, taken)
                note(conn, taken, taken.position, taken.position, "confirmed", answer.detail, answer.reference)
                vendors.works(conn, taken.vendor)
            else:
                _keep_after(conn, taken, item, outcome, exhausted=exhausted)
            hit("parked.before_commit")
    except Fenced:
        note_late(conn, taken, outcome.late)
        raise
    return answer.status == "confirmed"


def _keep_after(conn: Connection, taken: ParkedClaim, item: Outgoing, outcome: Outcome, *, exhausted: bool) -> None:
    """Only refusals and lost leases count as attempts: a vendor that is down or silent does not make a message dead."""
    answer = outcome.answers[item.position]
    stop = stop_for(item, answer, taken)
    if stop is None:
        raise AssertionError("a confirmed message is not kept")
    own_fault = True
    if answer.status == "unsent" and exhausted:
        stop = Stop(item.position, item.key, "dead", "poison", f"tried {taken.attempt - 1} times without an end")
    elif answer.status == "unsent":
        own_fault = False
        if taken.was == "sending":  # whoever sends it asks once more: an earlier request may still have been under way
            stop = Stop(item.position, item.key, "sending", stop.reason_class, stop.reason, stop.pattern, stop.delay)
        if outcome.retry_after:
            vendors.throttled(conn, taken.vendor, outcome.failure, retry_after=outcome.retry_after)
        elif outcome.failure:
            vendors.failed(conn, taken.vendor, outcome.failure)
    elif answer.status == "unknown":
        own_fault = False
        if outcome.failure:
            vendors.failed(conn, taken.vendor, outcome.failure)
        elif taken.idempotency in (
            "K",
            "N",
        ):  # nobody can ask, and this claim may not repeat it: the vendor has not failed
            if exhausted:
                stop = Stop(
                    item.position,
                    item.key,
                    "unknown",
                    "poison",
                    f"tried {taken.attempt - 1} times; the vendor cannot be asked",
                )
            elif taken.intent_release not in (None, taken.release):
                stop = Stop(
                    item.position,
                    item.key,
                    "unknown",
                    "unknown",
                    "sent by another release, and the vendor cannot be asked",
                )
            else:
                stop.delay = retry.CANNOT_ASK.pause()
    elif answer.status == "retry":
        stop.delay = max(stop.delay, retry.MESSAGE.pause(taken.attempt))
        if taken.attempt >= taken.max_attempts:
            stop = Stop(item.position, item.key, "dead", "attempts", answer.detail or "too many attempts")
    _keep(conn, taken, stop, own_fault=own_fault)


def hand_back(conn: Connection, taken: ParkedClaim, reason: str, *, wait: float, counts: bool = True) -> None:
    """Give one parked message back after a failure of this process, which `counts` as a try unless it is no fault of the message.
    It stays `sending`, so it is asked about before it is sent again."""
    conn.execute(
        _HAND_BACK,
        (reason[:2000], wait, 0 if counts else 1, taken.subscription, taken.lane, taken.position, taken.token),
    )


def _skip(conn: Connection, taken: ParkedClaim) -> bool:
    with conn.transaction():
        _remove(conn, taken)
        note(conn, taken, taken.position, taken.position, "skipped", "not for this target")
    return True


def _remove(conn: Connection, taken: ParkedClaim) -> None:
    gone = conn.execute(
        "delete from runtime_parked where subscription_id = %s and lane = %s and position = %s and token = %s",
        (taken.subscription, taken.lane, taken.position, taken.token),
    )
    if gone.rowcount != 1:
        raise Fenced(f"parked {taken.subscription}/{taken.lane}/{taken.position}: token {taken.token} is not current")


def _keep(conn: Connection, taken: ParkedClaim, stop: Stop, *, own_fault: bool = True) -> None:
    print_of = fingerprint(taken.target, stop.reason_class, stop.pattern or stop.reason) if stop.reason_class else ""
    kept = conn.execute(
        """update runtime_parked set state = %s, reason_class = %s, fingerprint = %s, reason = %s, lease_until = 'epoch', ask_only = false,
                  not_before = clock_timestamp() + make_interval(secs => %s), intent_release = %s, attempt = attempt - %s
            where subscription_id = %s and lane = %s and position = %s and token = %s""",
        (
            stop.state,
            stop.reason_class,
            print_of,
            stop.reason[:2000],
            stop.delay,
            stop.intent_release,
            0 if own_fault else 1,
            taken.subscription,
            taken.lane,
            taken.position,
            taken.token,
        ),
    )
    if kept.rowcount != 1:
        raise Fenced(f"parked {taken.subscription}/{taken.lane}/{taken.position}: token {taken.token} is not current")
    note(conn, taken, taken.position, taken.position, stop.state, stop.reason)


__all__ = ["MappedTable", "ParkedClaim", "claim_parked", "retry_at_vendor", "retry_in_database"]
