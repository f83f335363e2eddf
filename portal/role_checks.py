"""A role that may do more than serve is said by each process that starts, also in the demo (`portal.guard` refuses it
elsewhere)."""

from __future__ import annotations

import logging

import psycopg

from kernel.postgresql import role_strength
from runtime.ledger import connections

log = logging.getLogger(__name__)
SAID = "the role of DATABASE_URL may do more than serve"


def too_strong() -> list[str]:
    """What about it is. Raises psycopg.Error where the database does not answer."""
    with connections.connected(name="tillgate-start", role="probe") as conn:
        return [str(row[0]) for row in conn.execute(role_strength.LOOK).fetchall()]


def say() -> None:
    """In the log of a process that starts; where the database is away, its next start says it."""
    try:
        found = too_strong()
    except psycopg.Error:
        return
    if found:
        log.warning("%s: %s. %s.", SAID, "; ".join(found), role_strength.ADVICE)
