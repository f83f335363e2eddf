"""Others have taken every session of the server: what intake has open goes on."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from kernel.errors import Unavailable
from kernel.postgresql import errors
from runtime.ledger import connections, pool

pytestmark = pytest.mark.django_db(transaction=True)
FULL = "connection failed: FATAL:  sorry, too many clients already"


@pytest.fixture(autouse=True)
def own_pool(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(pool, "health", pool.StoringHealth())
    pool.close()
    yield
    pool.close()


def no_more(monkeypatch: pytest.MonkeyPatch, said: str = FULL) -> list[str]:
    tried: list[str] = []

    def refused(**_: Any) -> Any:
        tried.append(said)
        raise psycopg.OperationalError(said)

    monkeypatch.setattr(connections, "connect", refused)
    return tried


def test_a_call_waits_for_a_connection_that_another_call_has(monkeypatch: pytest.MonkeyPatch) -> None:
    """It was 503: of 161 calls 71."""
    with ThreadPoolExecutor(1) as other:
        with pool.connection() as first:
            tried = no_more(monkeypatch)
            waiting = other.submit(lambda: _used(threading.current_thread().name))
            while not tried:
                assert not waiting.done()
        assert waiting.result(10) == first.info.backend_pid
    assert not pool.health.failing


def _used(_: str) -> int:
    with pool.connection() as conn:
        return conn.info.backend_pid


def test_where_none_is_open_it_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    no_more(monkeypatch)
    with pytest.raises(Unavailable), pool.connection():
        pass
    assert pool.health.failing


def test_where_none_comes_back_in_time_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with pool.connection():
        monkeypatch.setattr(pool, "WAIT_SECONDS", 0.01)
        no_more(monkeypatch)
        with pytest.raises(Unavailable), pool.connection():
            pass


def test_a_server_that_is_away_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    with pool.connection():
        no_more(monkeypatch, "connection refused")
        with pytest.raises(Unavailable), pool.connection():
            pass
        assert pool._pool.taken == 1


def test_a_refusal_for_lack_of_sessions_is_known_as_such() -> None:
    assert errors.reason(psycopg.OperationalError(FULL))[0] == "database.crowded"
    assert errors.reason(psycopg.OperationalError("connection refused"))[0] == "database.unavailable"
