"""Locks that say that one process at a time does a job, and who holds them.

They are locks of tables: an advisory lock can be held by anybody who may connect, one of the mode `share update
exclusive` only by who may write to the table. Readers and writers of the table do not wait for it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

from django.db import OperationalError, connection, transaction
from psycopg import sql
from psycopg.errors import LockNotAvailable

log = logging.getLogger(__name__)
ALONE = ("ShareUpdateExclusiveLock", "ShareLock", "ShareRowExclusiveLock", "ExclusiveLock", "AccessExclusiveLock")
_HOLDERS = """
select a.application_name = current_setting('application_name'),
       coalesce(a.usename, a.backend_type) || ' (process ' || a.pid
       || coalesce(', ' || nullif(a.application_name, ''), '') || ')'
       || coalesce(' since ' || to_char(a.xact_start at time zone 'utc', 'YYYY-MM-DD HH24:MI:SS') || ' UTC', '')
  from pg_stat_activity a
 where a.pid <> pg_backend_pid()
   and a.pid in (
       select l.pid
         from pg_locks l
        where l.granted
          and l.locktype = 'relation'
          and l.database = (select d.oid from pg_database d where d.datname = current_database())
          and l.relation = any(%s::text[]::regclass[])
          and l.mode = any(%s::text[]))
   and coalesce(a.xact_start <= clock_timestamp() - make_interval(secs => %s), true)
 order by a.xact_start, a.pid
 limit 5"""
ANY_MODE = ("AccessShareLock", "RowShareLock", "RowExclusiveLock", *ALONE)


def holders(execute: Callable[[str, Any], Any], tables: Sequence[str], *, seconds: float) -> list[str]:
    """Who holds a lock on one of the tables for so long, the oldest transaction first: role, process, application,
    since when."""
    return [said for _, said in execute(_HOLDERS, (list(tables), list(ANY_MODE), seconds)).fetchall()]


def alone(job: str, table: str) -> bool:
    """Inside a transaction of Django's connection: whether no other process does this job before its end. Who is in the
    way is said in the log, but for another process of the same kind."""
    statement = sql.SQL("lock table {} in share update exclusive mode nowait").format(sql.Identifier(table))
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)
        return True
    except OperationalError as error:
        if not isinstance(error.__cause__, LockNotAvailable):
            raise
    with connection.cursor() as cursor:
        cursor.execute(_HOLDERS, [[table], list(ALONE), 0])
        others = [said for alike, said in cursor.fetchall() if not alike]
    if others:
        log.warning("%s could not run: %s holds a lock on %s", job, ", ".join(others), table)
    return False
