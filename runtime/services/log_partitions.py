"""When partitions of the message log are made: by `migrate`, and by the scheduler afterwards."""

from __future__ import annotations

import logging

import psycopg
from django.db import connections as databases

from runtime.ledger import connections, partitions
from runtime.selectors.sql_rows import row

log = logging.getLogger(__name__)
_AHEAD = """
select count(*) as months
  from pg_inherits i
  join pg_class c on c.oid = i.inhrelid
 where i.inhparent = 'runtime_message'::regclass
   and c.relname ~ '^runtime_message_[0-9]{6}$'
   and c.relname > 'runtime_message_' || to_char(clock_timestamp() at time zone 'utc', 'YYYYMM')"""


def make_ahead() -> bool:
    """Make what is missing; whether the months ahead are all there now. Others may have been in the way."""
    with connections.connected(name="tillgate-partitions", role="scheduler") as conn:
        partitions.ensure(conn)
        return partitions.ahead(conn) >= partitions.AHEAD


def months_ahead() -> int:
    """How many months after this one have a partition, for a probe."""
    return int((row(_AHEAD) or {"months": 0})["months"])


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
