"""Poolers between us and the server. One in session mode is not noticed; one in transaction mode gives each
transaction to any session, so a session holds neither prepared statements nor settings, LISTEN hears nothing, and the
process id that a lease names is not its owner's."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import psycopg

_TRIES = 3
_PID = "select pg_backend_pid()"
ADVICE = (
    "this address is a pooler in transaction mode, and intake, workers and scheduler need sessions of their own. Give "
    "them the address of the server, or of a pool in session mode, in DATABASE_DIRECT_URL (with DATABASE_POOLER="
    "transaction), or set pool_mode = session"
)

STATEMENT_MODE = (
    "this address is a pooler in statement mode, which allows no transactions; nothing of Tillgate can use it. Set "
    "pool_mode = session, or give the address of the server"
)


class PoolerInTheWay(psycopg.OperationalError):
    """Sessions here are shared between clients from transaction to transaction."""


def refuse_transaction_mode(conn: psycopg.Connection[Any], another: Callable[[], psycopg.Connection[Any]]) -> None:
    """Raises PoolerInTheWay where `conn` and another connection are given the same session in turn. `another` opens
    one; it is not called where the server itself answers.

    `conn` is in autocommit: one that has a transaction open keeps its session, and would prove nothing.
    """
    if not conn.autocommit:
        raise ValueError("a connection without autocommit cannot tell whether a pooler is in the way")
    try:
        shared = _pid(conn) != conn.info.backend_pid and _shares_sessions(conn, another)
    except psycopg.Error as error:
        if "statement pooling" in str(error):
            raise PoolerInTheWay(STATEMENT_MODE) from error
        raise
    if shared:
        raise PoolerInTheWay(ADVICE)


def _shares_sessions(conn: psycopg.Connection[Any], another: Callable[[], psycopg.Connection[Any]]) -> bool:
    """The server names the session that serves; a pooler names one that it made up when the client connected."""
    before = _pid(conn)
    with ExitStack() as stack:
        for _ in range(_TRIES):
            other = stack.enter_context(another())
            stack.enter_context(other.transaction())
            if _pid(other) == before or _pid(conn) != before:
                return True
    return False


def _pid(conn: psycopg.Connection[Any]) -> int:
    row = conn.execute(_PID, prepare=False).fetchone()
    return int(row[0]) if row else 0
