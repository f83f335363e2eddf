"""The connections that intake shares: none that is dead or read-only is handed out, and none keeps others waiting."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from kernel.errors import Unavailable
from runtime.ledger import connections, pool

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def fresh_pool() -> Iterator[None]:
    pool.close()
    yield
    pool.close()


def session() -> int:
    with pool.connection() as conn:
        return conn.execute("select pg_backend_pid()").fetchone()[0]


def write_while_read_only() -> None:
    with pool.connection() as conn:
        conn.execute("set default_transaction_read_only = on")
        conn.execute("create table x ()")


def test_a_session_is_used_again() -> None:
    assert session() == session()


def test_a_session_that_became_read_only_is_not_handed_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "TRUSTED_SECONDS", -1.0)
    with pool.connection() as conn:
        first = conn.info.backend_pid
        conn.execute("set default_transaction_read_only = on")
    assert session() != first


def test_a_read_only_spell_is_an_outage_and_its_session_is_dropped() -> None:
    first = session()
    with pytest.raises(Unavailable):
        write_while_read_only()
    assert session() != first


def test_after_an_outage_the_next_call_connects_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pool that pauses between its tries is back later than the database."""
    connect, tries = connections.connect, []

    def refuse(**arguments: Any) -> Any:
        tries.append(arguments)
        if len(tries) <= 6:
            raise psycopg.OperationalError("connection refused")
        return connect(**arguments)

    monkeypatch.setattr(connections, "connect", refuse)
    monkeypatch.setattr(pool, "WAIT_SECONDS", 0.2, raising=False)
    for _ in range(6):
        with pytest.raises(Unavailable), pool.connection():
            pass
    assert session()
    assert len(tries) == 7


def test_a_call_that_finds_every_connection_busy_is_told_so_within_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "WAIT_SECONDS", 0.01)
    for _ in range(pool.SIZE):
        pool._pool.free.acquire()
    with pytest.raises(Unavailable), pool.connection():
        pass


def test_storing_says_whether_it_works() -> None:
    pool.health.passed()
    assert not pool.health.failing
    with pytest.raises(Unavailable):
        write_while_read_only()
    assert pool.health.failing
    assert "read-only" in pool.health.reason
    session()
    assert pool.health.failing  # reading is not storing
    pool.health.passed()
    assert not pool.health.failing
