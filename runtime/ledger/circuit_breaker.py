"""The circuit breaker of a vendor: what all workers share about whether it may be called (`runtime_vendorstate`)."""

from __future__ import annotations

from kernel.retry import PAUSE_SQL
from runtime.connectors.protocols import FaultKind
from runtime.domain.retry import CIRCUIT_BREAKER, CONNECTION_FAULT
from runtime.ledger import measures, sql
from runtime.ledger.claimed import Claim
from runtime.ledger.connections import Connection

_RECORD_FAILURE = sql.read(
    "record_failure",
    pause=PAUSE_SQL.format(count="openings"),
    opens_anew="(breaker = 'open' or failures + 1 >= %(limit)s)"
    " and (breaker = 'closed' or open_until <= clock_timestamp())",
)
_RECORD_FAULT = sql.read(
    "record_fault",
    pause=PAUSE_SQL.format(count="(case when fault = %(kind)s then openings else 0 end)"),
    opens_anew="(breaker = 'closed' or open_until <= clock_timestamp() or fault <> %(kind)s)",
)
_RECORD_OWN_FAULT = sql.read(
    "record_own_fault", pause=PAUSE_SQL.format(count="(case when fault = %(kind)s then fault_tries else 0 end)")
)
_END_OWN_FAULT = """
update runtime_subscription
set fault = '', fault_detail = '', fault_since = null, fault_tries = 0, held_until = 'epoch'
where id = %s and fault <> ''"""
_END_PROBE = """
update runtime_vendorstate
set probe_subscription = null, probe_lane = null, probe_until = 'epoch'
where id = %s and probe_subscription = %s"""
# Written when it is new or has other words; told to people when it begins and when it is over.
_RECORD_QUESTION_FAULT = """
update runtime_subscription
set question_fault = %(kind)s,
    question_fault_detail = %(detail)s,
    question_fault_since = coalesce(question_fault_since, clock_timestamp())
where id = %(subscription)s and (question_fault, question_fault_detail) is distinct from (%(kind)s, %(detail)s)"""
_END_QUESTION_FAULT = """
update runtime_subscription
set question_fault = '', question_fault_detail = '', question_fault_since = null
where id = %s and question_fault <> ''"""
_RECORD_THROTTLING = """
update runtime_vendorstate
set not_before = greatest(not_before, clock_timestamp() + make_interval(secs => %(retry_after)s)),
    last_error = %(error)s,
    last_error_at = clock_timestamp(),
    probe_subscription = null,
    probe_lane = null,
    probe_until = 'epoch'
where id = %(vendor)s"""
_RECORD_SUCCESS = sql.read("record_success")


def record_failure(conn: Connection, vendor: int, error: str, *, retry_after: float = 0.0) -> None:
    """The vendor did not answer, or answered with a failure of its own. Three in a row open the circuit breaker, with
    growing pauses (`runtime.domain.retry.CIRCUIT_BREAKER`)."""
    conn.execute(
        _RECORD_FAILURE,
        CIRCUIT_BREAKER.parameters()
        | {"vendor": vendor, "error": error[:500], "retry_after": retry_after, "limit": CIRCUIT_BREAKER.attempts},
    )


def record_fault(
    conn: Connection, vendor: int, kind: FaultKind, detail: str, *, subscription: int | None = None
) -> None:
    """The connection is set up wrongly, or no longer right: the circuit breaker opens at once and says why. One message
    at a time probes it, with growing pauses (`runtime.domain.retry.CONNECTION_FAULT`), until a call succeeds.
    `subscription` is the target that met it."""
    given = {"vendor": vendor, "kind": kind, "detail": detail[:500], "subscription": subscription}
    conn.execute(_RECORD_FAULT, CONNECTION_FAULT.parameters() | given)


def record_fault_of(conn: Connection, taken: Claim, kind: FaultKind, detail: str) -> None:
    """A claim met a fault of the connection: the vendor's, or that of its target alone where others are known to
    work."""
    measures.count_answer(conn, taken, "fault")
    if not taken.target.at_fault:
        record_fault(conn, taken.target.vendor, kind, detail, subscription=taken.subscription)
        return
    given = {"kind": kind, "detail": detail[:500], "subscription": taken.subscription}
    conn.execute(_RECORD_OWN_FAULT, CONNECTION_FAULT.parameters() | given)
    end_probe(conn, taken)


def end_probe(conn: Connection, taken: Claim) -> None:
    """A claim does not use its probe: others may."""
    conn.execute(_END_PROBE, (taken.target.vendor, taken.subscription))


def record_question_fault(conn: Connection, taken: Claim, kind: FaultKind, detail: str) -> None:
    """The question about messages of this target is wrong, and what is sent may well be right: nothing is held, people
    are told, and another claim may be the probe."""
    given = {"kind": kind, "detail": detail[:500], "subscription": taken.subscription}
    conn.execute(_RECORD_QUESTION_FAULT, given)
    if taken.lease.probe:
        conn.execute(_END_PROBE, (taken.target.vendor, taken.subscription))


def end_question_fault(conn: Connection, taken: Claim) -> None:
    """A question of this target has an answer."""
    conn.execute(_END_QUESTION_FAULT, (taken.subscription,))


def record_throttling(conn: Connection, vendor: int, error: str, *, retry_after: float) -> None:
    """The vendor said when to come back (Retry-After, RFC 9110 §10.2.3). That is an answer, not a failure."""
    conn.execute(_RECORD_THROTTLING, {"vendor": vendor, "error": error[:500], "retry_after": retry_after})


def record_success(conn: Connection, vendor: int, *, subscription: int = 0) -> None:
    """The vendor answered a target: the circuit breaker closes, and a fault of the connection is over, but for a target
    of its own that had met it. Writes at most once a minute while all is well."""
    conn.execute(_RECORD_SUCCESS, {"vendor": vendor, "subscription": subscription})


def record_answer(conn: Connection, taken: Claim) -> None:
    """The vendor answered a claim: no fault of its connection is left."""
    measures.count_answer(conn, taken, "answered")
    record_success(conn, taken.target.vendor, subscription=taken.subscription)
    if taken.target.at_fault:
        conn.execute(_END_OWN_FAULT, (taken.subscription,))
        taken.target.at_fault = False
