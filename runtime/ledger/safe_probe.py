"""How a target of class U probes a vendor or connection that was in trouble: by a read, not by a message.

A message that gets no answer there can neither be asked about nor be sent again: each one that serves as a probe goes
to a person. Where the connection has nothing to read, one such message is enough; the next probe follows the decision
about it.
"""

from __future__ import annotations

from runtime.domain.retry import UNDECIDED_PROBE, VENDOR_UNAVAILABLE
from runtime.ledger import circuit_breaker, measures, sql
from runtime.ledger.claimed import Claim
from runtime.ledger.claims import renew
from runtime.ledger.connections import Connection
from runtime.ledger.vendor_client import CannotAsk, VendorClient

_UNDECIDED = sql.read("undecided_since_fault")


def is_needed(taken: Claim) -> bool:
    """Whether this claim probes, and with a message that could not be asked about."""
    return taken.lease.probe and taken.target.idempotency == "U"


def lane_waits(conn: Connection, taken: Claim, client: VendorClient) -> float | None:
    """For how many seconds the claimed lane waits, because nothing shows that a message would be answered. None: it
    goes on."""
    renew(conn, taken, client.deadline)
    return message_waits(conn, taken, client)


def message_waits(conn: Connection, taken: Claim, client: VendorClient, *, decided: bool = False) -> float | None:
    """The same for one message. `decided`: a person has said that it is to be sent."""
    try:
        found = client.check()
    except CannotAsk:
        return None if decided else _for_decision(conn, taken)
    if found.status == "confirmed":
        return None
    if found.fault is not None:
        circuit_breaker.record_fault_of(conn, taken, found.fault, found.detail)
    else:
        measures.count_answer(conn, taken, "unanswered")
        circuit_breaker.record_failure(conn, taken.target.vendor, found.detail, retry_after=found.retry_after or 0.0)
    return VENDOR_UNAVAILABLE.pause()


def _for_decision(conn: Connection, taken: Claim) -> float | None:
    """A fault of the connection that has cost a message here, about which nobody has decided yet."""
    row = conn.execute(_UNDECIDED, {"subscription": taken.subscription, "own": taken.target.at_fault}).fetchone()
    if row is None or not row[0]:
        return None
    circuit_breaker.end_probe(conn, taken)  # others of this vendor may have something that can be asked about
    return UNDECIDED_PROBE.pause()
