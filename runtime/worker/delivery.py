"""One claim of work, served: a lane of a table or vendor target, an open question, or one quarantined message."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import psycopg
from django.db import OperationalError as DjangoOperationalError

from kernel.errors import DomainError
from runtime.domain import retry
from runtime.ledger import database_target, parked, vendor_target, vendors
from runtime.ledger.append import Fenced
from runtime.ledger.claims import EVERYTHING, LEASE_SECONDS, Claim, Scope, claim, claim_to_ask, hand_back, release
from runtime.ledger.connections import Connection
from runtime.ledger.faultpoints import hit
from runtime.ledger.parked import ParkedClaim, claim_parked
from runtime.ledger.parking import Ended, Run, here
from runtime.worker.replay_delivery import deliver_dry
from runtime.worker.target_clients import TargetClients

log = logging.getLogger(__name__)
MAX_BATCHES = 20  # then the lane is released, so that no lane occupies a worker for long


@dataclass(slots=True)
class Served:
    """What one round did. `fenced`: the lane was lost on the way, which is an everyday event after a pause."""

    what: str
    passed: int = 0
    late: float | None = None
    fenced: bool = False


def serve_one(
    conn: Connection,
    clients: TargetClients,
    *,
    owner: str,
    scope: Scope = EVERYTHING,
    lease: float = LEASE_SECONDS,
    parked_first: bool = False,
    trial: Run = here,
) -> Served | None:
    """Claim one piece of work and do it. None when there is nothing to do.

    `parked_first`: look at quarantined messages before lanes. A worker that never does so leaves them waiting while lanes are busy.
    `trial`: how to try a message that may end its process.
    """
    if parked_first and (waiting := claim_parked(conn, scope=scope, lease=lease)) is not None:
        hit("parked.claimed")
        return _serve_parked(conn, clients, waiting, trial)
    taken = claim(conn, owner=owner, scope=scope, lease=lease)
    if taken is not None:
        hit("worker.claimed")
        return _serve(conn, clients, taken)
    waiting = None if parked_first else claim_parked(conn, scope=scope, lease=lease)
    if waiting is None:
        taken = claim_to_ask(conn, owner=owner, scope=scope, lease=lease)
        if taken is not None:
            return _serve(conn, clients, taken)
        waiting = claim_parked(conn, scope=scope, to_ask=True, lease=lease)
    if waiting is None:
        return None
    hit("parked.claimed")
    return _serve_parked(conn, clients, waiting, trial)


def _serve(conn: Connection, clients: TargetClients, taken: Claim) -> Served:
    try:
        return Served(taken.kind, _deliver(conn, clients, taken), taken.late)
    except Fenced:
        return Served(taken.kind, 0, taken.late, fenced=True)
    except DomainError as error:  # no endpoint, secret or place: the vendor's state says why nothing moves
        vendors.failed(conn, taken.vendor, f"{error.message} [{error.code}]")
        release(conn, taken, wait=retry.MISCONFIGURED.pause())
    except (psycopg.OperationalError, DjangoOperationalError):
        raise
    except Exception:  # a defect of the product, of a mapping or of a connector; it counts as a lost owner
        log.exception("subscription %s lane %s at %s", taken.subscription, taken.lane, taken.position)
        hand_back(conn, taken, wait=retry.WORKER_FAILURE.pause(taken.attempt))
    return Served(taken.kind, 0, taken.late)


def _deliver(conn: Connection, clients: TargetClients, taken: Claim) -> int:
    if taken.repeats:
        clients = clients.for_replay(taken)
    if taken.kind == "database":
        target = clients.table(taken)
        return database_target.deliver(conn, taken, target.table, target.mapper, max_batches=MAX_BATCHES)
    if taken.kind == "dry":
        return deliver_dry(conn, taken, clients.mapper(taken), max_batches=MAX_BATCHES)
    return vendor_target.deliver(conn, taken, clients.vendor(taken), max_batches=MAX_BATCHES)


def _serve_parked(conn: Connection, clients: TargetClients, taken: ParkedClaim, trial: Run) -> Served:
    run = trial if taken.suspect else here
    message = f"subscription {taken.subscription} lane {taken.lane}, quarantined message {taken.position}"
    try:
        if taken.kind == "database":
            parked.retry_in_database(conn, taken, clients.table(taken), run=run)
        else:
            parked.retry_at_vendor(conn, taken, clients.vendor(taken, connected=run is here), run=run)
        return Served("parked", 1)
    except Fenced:
        return Served("parked", 0, fenced=True)
    except Ended as error:
        log.warning("%s, attempt %s: %s", message, taken.attempt, error)
        parked.hand_back(conn, taken, str(error), wait=max(error.wait, retry.WORKER_FAILURE.pause(taken.attempt)))
    except DomainError as error:
        vendors.failed(conn, taken.vendor, f"{error.message} [{error.code}]")
        parked.hand_back(conn, taken, f"{error.message} [{error.code}]", wait=retry.MISCONFIGURED.pause(), counts=False)
    except (psycopg.OperationalError, DjangoOperationalError):
        raise
    except Exception as error:
        log.exception(message)
        parked.hand_back(
            conn, taken, f"{type(error).__name__}: {error}", wait=retry.WORKER_FAILURE.pause(taken.attempt)
        )
    return Served("parked", 0)
