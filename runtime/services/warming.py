"""What the first messages that are handed in would have to wait for, done before: connections, plans of statements,
what is deployed, and its contracts, compiled. It stores nothing."""

from __future__ import annotations

import logging
from contextlib import ExitStack

import psycopg

from kernel.errors import DomainError
from runtime.ledger import pool
from runtime.ledger.append import IncomingMessage, append
from runtime.ledger.connections import Connection
from runtime.ledger.lane_locks import LanesHeld
from runtime.ledger.streams import ChangedMeanwhile
from runtime.services import intake_place
from runtime.services.message_checks import ContractChecks

log = logging.getLogger(__name__)
CONNECTIONS = 4  # of the pool; the others are opened when they are needed
MOST_PLACES = 64  # as many as a process keeps
KEY = "tillgate: is it warm?"
_PLACES = """
select i.key, d.environment
  from runtime_deployment d
  join runtime_integration i on i.id = d.integration_id
 where d.active
 order by d.environment = 'production' desc, d.id desc
 limit %s"""


def warm(count: int = CONNECTIONS) -> int:
    """Returns how many deployments were loaded. Raises Unavailable where the database cannot store now."""
    with ExitStack() as held:
        open_now = [held.enter_context(pool.connection()) for _ in range(count)]
        places = [(key, where) for key, where in open_now[0].execute(_PLACES, (MOST_PLACES,)).fetchall()]
        loaded = sum(_load(open_now[0], place) for place in places)
        for conn in open_now if places else ():
            _plan(conn, places[0])
        return loaded


def _load(conn: Connection, place: intake_place.Place) -> bool:
    try:
        _, _, manifest = intake_place.deployment(intake_place.deployed_row(conn, place))
        for source in manifest.sources:
            bool(ContractChecks(manifest, source))
    except DomainError as error:
        log.info("%s in %s was not loaded ahead: %s", *place, error)
        return False
    return True


def _plan(conn: Connection, place: intake_place.Place) -> None:
    """By an append that is undone: sessions plan a statement, and read the catalog for it, when they first run it.
    Twice, because the driver keeps a statement from its second use on. A lane that others hold is not waited for."""
    try:
        stream, release, _ = intake_place.deployment(intake_place.deployed_row(conn, place))
        for _ in range(2):
            with conn.transaction(force_rollback=True):
                item = IncomingMessage(KEY, 0, b"null")
                append(conn, stream, [item], release_id=release, ordered=True, tell_held=True, patient=False)
    except (DomainError, LanesHeld, ChangedMeanwhile, psycopg.errors.QueryCanceled) as error:
        log.info("statements were not planned ahead: %s", error)
