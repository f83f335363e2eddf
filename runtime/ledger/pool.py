"""A few ledger connections, shared by the threads of a process that accepts messages."""

from __future__ import annotations

import atexit
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from threading import BoundedSemaphore, Condition

import psycopg

from kernel import measures
from kernel.errors import Unavailable
from kernel.postgresql import errors
from runtime.ledger import connections
from runtime.ledger.connections import Connection

SIZE = 8
WAIT_SECONDS = 3.0  # for a free connection
TRUSTED_SECONDS = 1.0  # a connection that answered within this time is used without a check
_CHECK = "select current_setting('transaction_read_only') = 'off'"


@dataclass(slots=True)
class StoringHealth:
    """How storing went in this process: when it last failed because of the database, with which words, and when it last
    succeeded, in monotonic seconds."""

    failed_at: float = 0.0
    succeeded_at: float = 0.0
    reason: str = ""

    @property
    def failing(self) -> bool:
        return self.failed_at > self.succeeded_at

    def passed(self) -> None:
        """A message was stored, or could have been."""
        self.succeeded_at = time.monotonic()


@dataclass(slots=True)
class _Pool:
    """The connection used last is taken first. A new one is opened by the thread that needs it, at once: a pool that
    opens them in the background and pauses between its tries is not back when the database is. Where the server has no
    room for another one, those that are open serve all, one call after another."""

    free: BoundedSemaphore = field(default_factory=lambda: BoundedSemaphore(SIZE))
    idle: list[tuple[Connection, float]] = field(default_factory=list)  # with the moment of its last answer
    lock: Condition = field(default_factory=Condition)
    taken: int = 0
    closed: bool = False

    def take(self) -> Connection:
        ends = time.monotonic() + WAIT_SECONDS
        while True:
            with self.lock:
                conn, answered = self.idle.pop() if self.idle else (None, 0.0)
            if conn is None:
                conn = self._opened(ends)
            elif not _usable(conn, answered):
                conn.close()
                continue
            if conn is not None:
                with self.lock:
                    self.taken += 1
                return conn

    def _opened(self, ends: float) -> Connection | None:
        """A new one; None where one of ours may be free instead. Raises OperationalError."""
        try:
            return connections.connect(name="tillgate-intake", role="intake")
        except psycopg.OperationalError as error:
            if not errors.crowded(error):
                raise
            with self.lock:
                if not self.idle and (not self.taken or not self.lock.wait(ends - time.monotonic())):
                    raise
            return None

    def give_back(self, conn: Connection) -> None:
        with self.lock:
            self.taken -= 1
            keep = not self.closed and conn.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
            if keep:
                self.idle.append((conn, time.monotonic()))
            self.lock.notify(1 if keep or self.taken else SIZE)
        if not keep:
            conn.close()

    def close(self) -> None:
        with self.lock:
            self.closed, idle, self.idle = True, self.idle, []
        for conn, _ in idle:
            conn.close()


def _usable(conn: Connection, answered: float) -> bool:
    if time.monotonic() - answered <= TRUSTED_SECONDS and answered > health.failed_at:
        return True
    with suppress(psycopg.Error):
        row = conn.execute(_CHECK).fetchone()
        return bool(row and row[0])
    return False


health = StoringHealth()
_pool = _Pool()
IN_USE = measures.gauge("pool_connections_in_use", "Connections of intake in use, of all web processes.")
WAITING = measures.gauge("pool_waiting_calls", "Calls that wait for a free connection of intake.")


@contextmanager
def connection() -> Iterator[Connection]:
    """A live, writable connection for the length of the block. Raises Unavailable, also from inside, when the database
    cannot store now."""
    pool = _pool
    with WAITING.track_inprogress():
        free = pool.free.acquire(timeout=WAIT_SECONDS)
    if not free:
        raise _unavailable(f"all {SIZE} connections have been busy for {WAIT_SECONDS:g} s")
    conn: Connection | None = None
    IN_USE.inc()
    try:
        conn = pool.take()
        yield conn
    except Exception as error:
        if conn is not None and errors.read_only(error):
            conn.close()  # a session that began while the database was read-only stays so
        if not errors.unavailable(error):
            raise
        if errors.busy(error):
            raise Unavailable(*errors.reason(error)) from error  # the database works: others hold what this needs
        raise _unavailable(errors.first_line(error)) from error
    finally:
        if conn is not None:
            pool.give_back(conn)
        pool.free.release()
        IN_USE.dec()


def _unavailable(reason: str) -> Unavailable:
    health.failed_at, health.reason = time.monotonic(), reason
    return Unavailable("intake.database", "The message could not be stored now; send it again.")


def hold_one() -> None:
    """Have at least one connection open, for the next call. Raises OperationalError where there can be none."""
    pool = _pool
    with pool.lock:
        if pool.idle or pool.taken:
            return
    conn = pool.take()
    pool.give_back(conn)


def close() -> None:
    """Close all connections; the next use opens new ones."""
    global _pool
    _pool.close()
    _pool = _Pool()


atexit.register(close)
