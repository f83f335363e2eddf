"""Sessions that outlive a test, so that the server plans and compiles once for many tests.

A new session plans each statement anew, and so does one that took the role of replication, which ends every plan it
had. So a test of the ledger gets the session of the test before it, where that is as it was opened, and what is written
beneath the triggers goes through a session of its own (`beneath_triggers`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import django.test
import psycopg
from django.db import connections as django_connections
from psycopg.pq import TransactionStatus

from kernel.postgresql import sessions
from runtime.ledger import connections, rewind

# What a test may leave in a session: settings, temporary tables, locks, channels that it listens to, open cursors.
_LEFT = """
select pg_my_temp_schema(),
       (select count(*) from pg_locks where pid = pg_backend_pid() and locktype = 'advisory'),
       array(select pg_listening_channels()),
       (select count(*) from pg_cursors where is_holdable),
       (select jsonb_object_agg(name, setting) from pg_settings where source = 'session')
"""
_HANDED_OUT = ("prepare_threshold", "answer_within", "lock_wait", "autocommit", "row_factory", "cursor_factory")
_kept: dict[str, connections.Connection] = {}
_as_opened: dict[str, Any] = {}


def left_in(session: psycopg.Connection[Any]) -> Any:
    """What stands in the session beside its plans; None where it is no use any more."""
    if session.closed or session.info.transaction_status != TransactionStatus.IDLE:
        return None
    try:
        said = psycopg.Connection.cursor(session, row_factory=psycopg.rows.tuple_row).execute(_LEFT).fetchone()
    except psycopg.Error:
        return None
    return [getattr(session, name, None) for name in _HANDED_OUT], said


@contextmanager
def of_the_ledger() -> Iterator[connections.Connection]:
    """A session as `connections.connected` opens it. It is kept for the next test unless this one left something in
    it."""
    name = "ledger"
    session = _kept.pop(name, None)
    if session is None or left_in(session) != _as_opened[name]:
        if session is not None:
            session.close()
        session = connections.connect(name="tillgate-test")
        _as_opened[name] = left_in(session)
    else:  # what a new session says of the clock and of the database
        connections._set_up(session, sessions.limits_of("worker"))
        rewind.notice(session)
    try:
        yield session
    finally:
        if left_in(session) == _as_opened[name]:
            _kept[name] = session
        else:
            session.close()


def beneath_triggers() -> psycopg.Connection[Any]:
    """A session that fires no trigger and commits each statement, for what a builder or the emptying writes where the
    code under test has committed."""
    session = _kept.get("beneath")
    if session is None or not _answers(session):
        session = _kept["beneath"] = connections.connect(name="tillgate-test-beneath")
        session.execute("set session_replication_role = replica")
    return session


@contextmanager
def beneath_triggers_of(conn: connections.Connection) -> Iterator[psycopg.Connection[Any]]:
    """The same for the database of this session; one of another server or database writes so itself."""
    own = connections._arguments()
    if (conn.info.host, conn.info.port, conn.info.dbname) == (own["host"], int(own["port"]), own["dbname"]):
        yield beneath_triggers()
        return
    with conn.transaction():
        conn.execute("set local session_replication_role = replica")
        yield conn
        conn.execute("set local session_replication_role = origin")  # a savepoint's end does not


def _answers(session: psycopg.Connection[Any]) -> bool:
    """False also where a test has ended all sessions of the database."""
    try:
        session.execute("select")
    except psycopg.Error:
        session.close()
    return not session.closed and session.info.transaction_status == TransactionStatus.IDLE


def must_be_opened_anew(self: django.test.TransactionTestCase) -> bool:
    """Stands in for `TransactionTestCase._should_reload_connections`: Django's session is kept as well, where the test
    left nothing in it."""
    opened = [one.connection for one in django_connections.all(initialized_only=True) if one.connection is not None]
    return not all(_is_as_django_opens(one) for one in opened)


def _is_as_django_opens(session: psycopg.Connection[Any]) -> bool:
    if "django" not in _as_opened:
        fresh = django_connections["default"].copy()
        fresh.ensure_connection()
        _as_opened["django"] = left_in(fresh.connection)
        fresh.close()
    return left_in(session) == _as_opened["django"]


def close() -> None:
    """At the end of the process."""
    for session in _kept.values():
        session.close()
    _kept.clear()
