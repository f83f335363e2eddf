"""What workers, collectors and intake count for Prometheus: once a batch, after its commit.

Names of integrations are looked up once a stream and process. Stores are never told apart.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

from kernel import measures
from runtime.ledger.claimed import Claim
from runtime.ledger.connections import Connection
from runtime.ledger.evidence import DeliveryEvidence

_SOURCE = ("environment", "integration")
_FLOW = (*_SOURCE, "target")

RECEIVED = measures.counter(
    "received_messages",
    "Messages that came in by intake or polling: accepted, duplicate, older, conflict or refused.",
    (*_SOURCE, "way", "outcome"),
)
DELIVERED = measures.counter(
    "delivery_messages",
    "Messages by what became of them at the target: confirmed, declined, superseded, skipped, refused, unknown; "
    "quarantined ones come once more when they end.",
    (*_FLOW, "outcome"),
)
REPLAYED = measures.counter(
    "replay_messages", "The same of messages that a replay delivers again.", (*_FLOW, "outcome")
)
READ = measures.counter(
    "source_readings",
    "Claims of a source by how they ended: read, asked_to_wait, fault, failed, lost.",
    (*_SOURCE, "outcome"),
)
CLAIMS = measures.counter(
    "claims", "Looks for work by a worker, by whether there was some: taken or none.", ("kind", "result")
)
CLAIM_SECONDS = measures.histogram("claim_duration_seconds", "Time of one look for work in the database.", ("kind",))
TAKEOVERS = measures.counter("lease_takeovers", "Lanes taken over from a worker that was lost.")
LOST = measures.counter("lanes_lost", "Claims that ended because another worker had taken the lane.")
FAILED = measures.counter("worker_failures", "Claims that ended with an error of our own; the log says which.")
UNTOUCHED = measures.gauge(
    "untouched_lanes",
    "Lanes with ready and permitted work that no worker has touched for a minute: a worker hangs, or none runs.",
)
CALL_SECONDS = measures.histogram(
    "vendor_call_duration_seconds",
    "Calls of vendors by how they ended: answered, refused, unsent, unknown, fault.",
    ("system", "call", "outcome"),
)
ANSWERS = measures.counter(
    "vendor_answers",
    "Claims that called a vendor, by whether it answered: answered (a refusal is an answer), unanswered, or fault "
    "where the connection is at fault.",
    ("environment", "system", "outcome"),
)
COMMIT_SECONDS = measures.histogram("intake_commit_duration_seconds", "Checks and commit of one group of intake calls.")
COMMIT_SIZE = measures.histogram(
    "intake_commit_messages", "Messages that were stored together by intake.", buckets=(1, 2, 5, 10, 50, 100, 500, 5000)
)

_names: dict[int, tuple[str, str]] = {}
_vendors: dict[int, tuple[str, str]] = {}


def names_of(conn: Connection, stream: int) -> tuple[str, str]:
    """(environment, integration) of a stream."""
    known = _names.get(stream)
    if known is None:
        row = conn.execute(
            "select t.environment, i.key from runtime_stream t join runtime_integration i on i.id = t.integration_id "
            "where t.id = %s",
            (stream,),
        ).fetchone()
        known = (str(row[0]), str(row[1])) if row else ("", "")
        _names[stream] = known
    return known


def vendor_of(conn: Connection, vendor: int) -> tuple[str, str]:
    """(environment, system) of a vendor's state; its stores are not told apart."""
    known = _vendors.get(vendor)
    if known is None:
        row = conn.execute(
            "select environment, system_key from runtime_vendorstate where id = %s", (vendor,)
        ).fetchone()
        known = (str(row[0]), str(row[1])) if row else ("", "")
        _vendors[vendor] = known
    return known


def count_answer(conn: Connection, taken: Claim, outcome: str) -> None:
    """One claim that called its vendor: `answered`, `unanswered` or `fault`."""
    ANSWERS.labels(*vendor_of(conn, taken.target.vendor), outcome).inc()


def count_batch(conn: Connection, taken: Claim, evidence: DeliveryEvidence | None) -> None:
    """A batch whose evidence is committed."""
    if evidence is None:
        return
    if taken.spans is not None:
        taken.spans.end_batch(evidence.first, evidence.last, evidence.outcomes)
    counts = {
        "confirmed": evidence.confirmed,
        "declined": evidence.declined,
        "superseded": evidence.superseded,
        "skipped": evidence.skipped,
        "refused": evidence.refused,
        "quarantined": evidence.waiting,
    }
    metric, place = REPLAYED if taken.is_replay else DELIVERED, names_of(conn, taken.target.stream)
    for outcome, count in counts.items():
        if count:
            metric.labels(*place, taken.target.name, outcome).inc(count)


def count_one(conn: Connection, taken: Claim, outcome: str) -> None:
    """One message of the quarantine that ends, or waits for a person from now on: in the transaction that says so."""
    outcome = {"dead": "refused"}.get(outcome, outcome)
    if taken.spans is not None:
        taken.spans.end(taken.position, outcome)
    if outcome in ("retry", "sending", "behind"):
        return
    metric = REPLAYED if taken.is_replay else DELIVERED
    metric.labels(*names_of(conn, taken.target.stream), taken.target.name, outcome).inc()


def count_received(place: tuple[str, str], way: str, counts: Mapping[str, int]) -> None:
    for outcome, count in counts.items():
        if count:
            RECEIVED.labels(*place, way, outcome).inc(count)


def count_claim(kind: str, began: float, taken: Claim | None) -> None:
    """One look for work that began at this monotonic time."""
    CLAIM_SECONDS.labels(kind).observe(time.monotonic() - began)
    CLAIMS.labels(kind, "none" if taken is None else "taken").inc()
    if taken is not None and taken.lease.overdue_by is not None:
        TAKEOVERS.inc()
