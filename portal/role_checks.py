"""A role that may do more than serve is said by each process that starts, also in the demo (`portal.guard` refuses it
elsewhere)."""

from __future__ import annotations

import logging

import psycopg

from kernel.postgresql import role_strength

log = logging.getLogger(__name__)
SAID = "the role of %s may do more than serve: %s. %s."


def say() -> None:
    """In the log of a process that starts; where the database is away, its next start says it."""
    try:
        found = role_strength.too_strong()
    except psycopg.Error:
        return
    for name, what in found.items():
        log.warning(SAID, name, "; ".join(what), role_strength.ADVICE)
