"""When partitions of the message log are made: by `migrate`, and by the scheduler afterwards."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import psycopg
from django.db import connection
from django.db import connections as databases

from kernel.postgresql import lock_holders
from runtime.ledger import connections, partitions

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class MadeAhead:
    """`ran` is False while a month is missing: others were in the way, or the default partition holds some of it."""

    made: tuple[str, ...]
    ran: bool


def make_ahead() -> MadeAhead:
    """Make what is missing."""
    with connections.connected(name="tillgate-partitions", role="scheduler") as conn:
        made = partitions.ensure(conn)
        return MadeAhead(tuple(made), not partitions.lacking(partitions.present(conn)))


def lacking() -> str:
    """Which months have no partition, and why, for a probe; empty where none is missing."""
    with connection.cursor() as cursor:
        cursor.execute(partitions.PARTITIONS)
        months = partitions.lacking(partitions.of_bounds(cursor.fetchall()))
        if not months:
            return ""
        who = lock_holders.holders(cursor.execute, ["runtime_message_default"], seconds=partitions.LONG)
    why = f"in the way is {', '.join(who)}" if who else "is a scheduler running?"
    return f"none for {', '.join(f'{one.since:%Y-%m}' for one in months)}: {why}"


def after_migrate(using: str) -> None:
    """The same when the database has been migrated. A failure stops no migration: the scheduler tries again."""
    wrapper = databases[using]
    wrapper.ensure_connection()
    raw = wrapper.connection
    try:
        with raw.cursor(row_factory=psycopg.rows.tuple_row) as cursor:
            there = cursor.execute("select to_regclass('runtime_message_default') is not null").fetchone()
        if there == (True,):
            partitions.ensure(raw)
    except psycopg.Error as error:
        log.warning("the log has not all its partitions yet, the scheduler makes them: %s", error)
