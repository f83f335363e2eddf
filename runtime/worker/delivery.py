"""One claim of work, served: a lane of a table or vendor target, an open question, or one quarantined message."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from kernel import log_lines, tracing
from kernel.errors import DomainError
from kernel.postgresql import errors as database_errors
from runtime.connectors.protocols import ConnectionFault
from runtime.domain import retry
from runtime.domain.correlation import correlation_id
from runtime.ledger import (
    circuit_breaker,
    database_target,
    delivery_spans,
    measures,
    quarantine_retry,
    replay_order,
    vendor_target,
)
from runtime.ledger.append import Fenced
from runtime.ledger.claimed import EVERYTHING, Claim, ClaimScope
from runtime.ledger.claims import claim, claim_to_ask, release, release_after_failure
from runtime.ledger.connections import Connection
from runtime.ledger.faultpoints import hit
from runtime.ledger.lane_sleep import wake_lanes
from runtime.ledger.leases import LEASE_SECONDS
from runtime.ledger.quarantine_claims import QuarantineClaim, claim_quarantined, let_sleep
from runtime.ledger.trial import TrialEnded, TrialRunner, in_this_process
from runtime.worker.replay_delivery import deliver_dry, why_left_out
from runtime.worker.target_clients import TargetClients

log = logging.getLogger(__name__)
NEWER = "a newer state of this key has come since, which a replay does not undo"
TARGET_SENDS = "waits for a moment in which the target itself sends nothing from this lane"
MAX_BATCHES = 20  # then the lane is released, so that no lane occupies a worker for long


@dataclass(slots=True)
class Served:
    """What one round did. `fenced`: the lane was lost on the way, which is an everyday event after a pause."""

    what: str
    passed: int = 0
    overdue_by: float | None = None
    fenced: bool = False


def serve_one(
    conn: Connection,
    clients: TargetClients,
    *,
    owner: str,
    scope: ClaimScope = EVERYTHING,
    lease: float = LEASE_SECONDS,
    quarantine_first: bool = False,
    wake_first: bool = False,
    trial: TrialRunner = in_this_process,
) -> Served | None:
    """Claim one piece of work and do it. None when there is nothing to do.

    `quarantine_first`: look at quarantined messages before lanes. A worker that never does so leaves them waiting while
    lanes are busy. `wake_first`: so with lanes that sleep. `trial`: how to try a message that may end its process.
    """
    began, at = time.monotonic(), time.time_ns()
    if quarantine_first and (waiting := _quarantined(conn, scope, lease)) is not None:
        hit("quarantine.claimed")
        with _observed(conn, waiting, at):
            return _serve_quarantined(conn, clients, waiting, trial)
    if wake_first:
        wake_lanes(conn)
    taken = claim(conn, owner=owner, scope=scope, lease=lease)
    if taken is None and not wake_first and wake_lanes(conn):
        taken = claim(conn, owner=owner, scope=scope, lease=lease)
    measures.count_claim("lane", began, taken)
    if taken is not None:
        hit("worker.claimed")
        with _observed(conn, taken, at):
            return _serve(conn, clients, taken)
    waiting = None if quarantine_first else _quarantined(conn, scope, lease)
    if waiting is None:
        taken = claim_to_ask(conn, owner=owner, scope=scope, lease=lease)
        if taken is not None:
            with _observed(conn, taken, at):
                return _serve(conn, clients, taken)
        waiting = claim_quarantined(conn, scope=scope, to_ask=True, lease=lease)
    if waiting is None:
        return None
    hit("quarantine.claimed")
    with _observed(conn, waiting, at):
        return _serve_quarantined(conn, clients, waiting, trial)


@contextmanager
def _observed(conn: Connection, taken: Claim, began: int) -> Iterator[None]:
    """What the log says of this claim; where traces are wanted, a span of it and spans of its messages."""
    environment, integration = measures.names_of(conn, taken.target.stream)
    at = taken.position if isinstance(taken, QuarantineClaim) else taken.position + 1
    first = correlation_id(taken.target.stream_salt, taken.target.stream, taken.lane, at)
    place: dict[str, str | int] = {"integration": integration, "environment": environment, "target": taken.target.name}
    with log_lines.about(**place, correlation_id=first):
        if not tracing.on():
            yield
            return
        values = {f"tillgate.{name}": value for name, value in place.items()}
        values |= {"tillgate.lane": taken.lane, "tillgate.attempt": taken.lease.attempt}
        taken.spans = delivery_spans.of_claim(began, values)
        try:
            with tracing.span("serve", values):
                yield
        finally:
            if taken.spans is not None:
                taken.spans.close()


def _quarantined(conn: Connection, scope: ClaimScope, lease: float) -> QuarantineClaim | None:
    let_sleep(conn)
    began = time.monotonic()
    waiting = claim_quarantined(conn, scope=scope, lease=lease)
    measures.count_claim("quarantined", began, waiting)
    return waiting


def _serve(conn: Connection, clients: TargetClients, taken: Claim) -> Served:
    try:
        return Served(taken.target.kind, _deliver(conn, clients, taken), taken.lease.overdue_by)
    except Fenced:
        measures.LOST.inc()
        return Served(taken.target.kind, 0, taken.lease.overdue_by, fenced=True)
    except ConnectionFault as error:  # the client cannot be opened: the vendor's state says why nothing moves
        circuit_breaker.record_fault_of(conn, taken, error.kind, error.message)
        release(conn, taken, wait=retry.MISCONFIGURED.pause())
    except DomainError as error:  # a mapping that cannot be read
        circuit_breaker.record_failure(conn, taken.target.vendor, f"{error.message} [{error.code}]")
        release(conn, taken, wait=retry.MISCONFIGURED.pause())
    except Exception as error:
        # Others hold rows of the table: nothing here is to blame. A vendor may have been called: see lost owners.
        if taken.target.kind == "database" and database_errors.in_the_way(error):
            release(conn, taken, wait=retry.LOCKED_OUT.pause())
            return Served(taken.target.kind, 0, taken.lease.overdue_by)
        if database_errors.unavailable(error):
            raise
        # a defect of the product, of a mapping or of a connector; it counts as a lost owner
        measures.FAILED.inc()
        log.exception("subscription %s lane %s at %s", taken.subscription, taken.lane, taken.position)
        release_after_failure(conn, taken, wait=retry.WORKER_FAILURE.pause(taken.lease.attempt))
    return Served(taken.target.kind, 0, taken.lease.overdue_by)


def _deliver(conn: Connection, clients: TargetClients, taken: Claim) -> int:
    if not taken.is_replay:
        return _sent(conn, clients, taken)
    try:
        with replay_order.target_waits(conn, taken, first=taken.position + 1):
            return _sent(conn, clients.for_replay(taken), taken)
    except replay_order.LaneUnderWay:
        release(conn, taken, wait=retry.TARGET_UNDER_WAY.pause())
        return 0


def _sent(conn: Connection, clients: TargetClients, taken: Claim) -> int:
    if taken.target.kind == "database":
        target = clients.table(taken)
        return database_target.deliver(conn, taken, target.table, target.mapper, max_batches=MAX_BATCHES)
    if taken.target.kind == "dry":
        return deliver_dry(conn, taken, clients.mapper(taken), max_batches=MAX_BATCHES)
    return vendor_target.deliver(conn, taken, clients.vendor(taken), max_batches=MAX_BATCHES)


def _serve_quarantined(conn: Connection, clients: TargetClients, taken: QuarantineClaim, trial: TrialRunner) -> Served:
    run = trial if taken.poison_suspect else in_this_process
    message = f"subscription {taken.subscription} lane {taken.lane}, quarantined message {taken.position}"
    try:
        with replay_order.target_waits(conn, taken, first=taken.position):
            if taken.is_replay and not taken.target.facts and replay_order.has_newer(conn, taken, taken.key):
                quarantine_retry.skip(conn, taken, NEWER)
            elif taken.is_replay and (why := why_left_out(conn, taken)):
                quarantine_retry.skip(conn, taken, why)
            elif taken.target.kind == "database":
                quarantine_retry.retry_in_database(conn, taken, clients.table(taken), run=run)
            else:
                vendor_of = clients.vendor(taken, connected=run is in_this_process)
                quarantine_retry.retry_at_vendor(conn, taken, vendor_of, run=run)
        return Served("quarantined", 1)
    except replay_order.LaneUnderWay:
        wait = retry.TARGET_UNDER_WAY.pause()
        quarantine_retry.release_after_failure(conn, taken, TARGET_SENDS, wait=wait, called=False)
        return Served("quarantined", 0)
    except Fenced:
        measures.LOST.inc()
        return Served("quarantined", 0, fenced=True)
    except TrialEnded as error:
        log.warning("%s, attempt %s: %s", message, taken.lease.attempt, error)
        quarantine_retry.release_after_failure(
            conn, taken, str(error), wait=max(error.wait, retry.WORKER_FAILURE.pause(taken.lease.attempt))
        )
    except ConnectionFault as error:
        circuit_breaker.record_fault_of(conn, taken, error.kind, error.message)
        wait = retry.MISCONFIGURED.pause()
        quarantine_retry.release_after_failure(conn, taken, error.message, wait=wait, called=False)
    except DomainError as error:
        reason, wait = f"{error.message} [{error.code}]", retry.MISCONFIGURED.pause()
        circuit_breaker.record_failure(conn, taken.target.vendor, reason)
        quarantine_retry.release_after_failure(conn, taken, reason, wait=wait, called=False)
    except Exception as error:
        if taken.target.kind == "database" and database_errors.in_the_way(error):
            wait = retry.LOCKED_OUT.pause()
            quarantine_retry.release_after_failure(
                conn, taken, database_errors.first_line(error), wait=wait, called=False
            )
            return Served("quarantined", 0)
        if database_errors.unavailable(error):
            raise
        measures.FAILED.inc()
        log.exception(message)
        quarantine_retry.release_after_failure(
            conn, taken, f"{type(error).__name__}: {error}", wait=retry.WORKER_FAILURE.pause(taken.lease.attempt)
        )
    return Served("quarantined", 0)
