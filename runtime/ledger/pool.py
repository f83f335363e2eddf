"""A few ledger connections, shared by the threads of a process that accepts messages."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any

import psycopg
from django.db import OperationalError as DjangoOperationalError
from psycopg_pool import ConnectionPool

from kernel.errors import Unavailable
from runtime.ledger import connections
from runtime.ledger.connections import Connection

TRUSTED_SECONDS = 1.0  # a connection that answered within this time is used without a check
_pool: ConnectionPool[Any] | None = None
_lock = Lock()
_failed_at = 0.0  # when a connection was last found broken: none that answered before is trusted without a check


class _Pooled(psycopg.Connection[Any]):
    answered: float

    @classmethod
    def connect(cls, conninfo: str = "", **kwargs: Any) -> Any:
        made = connections.connect(name="tillgate-intake")
        made.answered = time.monotonic()  # type: ignore[attr-defined]
        return made


def _check(conn: Any) -> None:
    if time.monotonic() - conn.answered > TRUSTED_SECONDS or conn.answered <= _failed_at:
        ConnectionPool.check_connection(conn)
        conn.answered = time.monotonic()


@contextmanager
def connection() -> Iterator[Connection]:
    """A live connection for the length of the block. Raises Unavailable, also from inside, when the database does not
    answer."""
    global _failed_at, _pool
    with _lock:
        if _pool is None:
            _pool = ConnectionPool(
                open=False, min_size=0, max_size=8, timeout=10, connection_class=_Pooled, check=_check
            )
            _pool.open()
        pool = _pool
    try:
        with pool.connection() as conn:
            try:
                yield conn
            except psycopg.errors.ReadOnlySqlTransaction:
                conn.close()  # a session of a server that was a standby when it began stays read-only
                raise
            conn.answered = time.monotonic()
    except (psycopg.OperationalError, DjangoOperationalError, psycopg.errors.ReadOnlySqlTransaction) as error:
        _failed_at = time.monotonic()
        raise Unavailable("intake.database", "The message could not be stored now; send it again.") from error


def close() -> None:
    """Close all connections; the next use opens new ones."""
    global _pool
    with _lock:
        if _pool is not None:
            _pool.close()
        _pool = None
