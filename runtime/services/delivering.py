"""One claim of work, served: a lane of a table or vendor target, an open question, or one parked message."""

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
from runtime.services.bindings import Binder
from runtime.services.repeating import bind_chosen, deliver_dry, serve_chosen

log = logging.getLogger(__name__)
MAX_BATCHES = 20  # then the lane goes back, so that no lane keeps a worker for itself


@dataclass(slots=True)
class Served:
    """What one round did. `fenced`: the lane was lost on the way, which is an everyday event after a pause."""

    what: str
    passed: int = 0
    late: float | None = None
    fenced: bool = False


def serve_one(
    conn: Connection,
    binder: Binder,
    *,
    owner: str,
    scope: Scope = EVERYTHING,
    lease: float = LEASE_SECONDS,
    parked_first: bool = False,
    apart: Run = here,
) -> Served | None:
    """Claim one piece of work and do it. None when there is nothing to do.

    `parked_first`: look at parked messages before lanes. Who never does so leaves them lying for as long as lanes are busy.
    `apart`: how a message is tried that may end its process.
    """
    if parked_first and (waiting := claim_parked(conn, scope=scope, lease=lease)) is not None:
        hit("parked.claimed")
        return _serve_parked(conn, binder, waiting, apart)
    taken = claim(conn, owner=owner, scope=scope, lease=lease)
    if taken is not None:
        hit("worker.claimed")
        return _serve(conn, binder, taken)
    waiting = None if parked_first else claim_parked(conn, scope=scope, lease=lease)
    if waiting is None:
        taken = claim_to_ask(conn, owner=owner, scope=scope, lease=lease)
        if taken is not None:
            return _serve(conn, binder, taken)
        waiting = claim_parked(conn, scope=scope, to_ask=True, lease=lease)
    if waiting is None:
        return None
    hit("parked.claimed")
    return _serve_parked(conn, binder, waiting, apart)


def _serve(conn: Connection, binder: Binder, taken: Claim) -> Served:
    try:
        if taken.kind == "database":
            table, mapper = serve_chosen(conn, taken, binder.table(taken))
            passed = database_target.deliver(conn, taken, table, mapper, max_batches=MAX_BATCHES)
        elif taken.kind == "dry":
            passed = deliver_dry(conn, taken, binder, max_batches=MAX_BATCHES)
        else:
            passed = vendor_target.deliver(
                conn, taken, bind_chosen(conn, taken, binder.vendor(taken)), max_batches=MAX_BATCHES
            )
        return Served(taken.kind, passed, taken.late)
    except Fenced:
        return Served(taken.kind, 0, taken.late, fenced=True)
    except DomainError as error:  # no endpoint, no secret, no place: the vendor's state says why nothing moves
        vendors.failed(conn, taken.vendor, f"{error.message} [{error.code}]")
        release(conn, taken, wait=retry.MISCONFIGURED.pause())
        return Served(taken.kind, 0, taken.late)
    except (psycopg.OperationalError, DjangoOperationalError):
        raise
    except (
        Exception
    ):  # a fault of ours, of a mapping or of a connector: the lane passes on at once, and this counts as a lost owner
        log.exception("subscription %s lane %s at %s", taken.subscription, taken.lane, taken.position)
        hand_back(conn, taken, wait=retry.WORKER_FAILURE.pause(taken.attempt))
        return Served(taken.kind, 0, taken.late)


def _serve_parked(conn: Connection, binder: Binder, taken: ParkedClaim, apart: Run) -> Served:
    run = apart if taken.suspect else here
    try:
        if taken.kind == "database":
            parked.retry_in_database(conn, taken, binder.table(taken), run=run)
        else:
            bind = binder.vendor(taken) if run is here else binder.unconnected(taken)
            parked.retry_at_vendor(conn, taken, bind, run=run)
        return Served("parked", 1)
    except Fenced:
        return Served("parked", 0, fenced=True)
    except Ended as error:
        log.warning(
            "subscription %s lane %s, parked message %s, try %s: %s",
            taken.subscription,
            taken.lane,
            taken.position,
            taken.attempt,
            error,
        )
        parked.hand_back(conn, taken, str(error), wait=max(error.wait, retry.WORKER_FAILURE.pause(taken.attempt)))
        return Served("parked", 0)
    except DomainError as error:
        vendors.failed(conn, taken.vendor, f"{error.message} [{error.code}]")
        parked.hand_back(conn, taken, f"{error.message} [{error.code}]", wait=retry.MISCONFIGURED.pause(), counts=False)
        return Served("parked", 0)
    except (psycopg.OperationalError, DjangoOperationalError):
        raise
    except Exception as error:
        log.exception("subscription %s lane %s, parked message %s", taken.subscription, taken.lane, taken.position)
        parked.hand_back(
            conn, taken, f"{type(error).__name__}: {error}", wait=retry.WORKER_FAILURE.pause(taken.attempt)
        )
        return Served("parked", 0)
