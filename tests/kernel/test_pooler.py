"""A pooler in transaction mode is told from one in session mode and from the server itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from django.core import management
from django.core.exceptions import ImproperlyConfigured
from django.db import connection

import manage
from kernel import prepared_queries
from kernel.postgresql import pooler, sessions
from portal import settings as product
from runtime.ledger import connections as ledger_connections


class Pool:
    """Clients in front of a few sessions; `shared`: a session belongs to a client for one transaction only."""

    def __init__(self, shared: bool, *, pick: str = "last") -> None:
        self.shared, self.pick = shared, pick
        self.free, self.made, self.clients = [], 100, 0

    def take(self) -> int:
        if self.free:
            return self.free.pop(-1 if self.pick == "last" else 0)
        self.made += 1
        return self.made

    def client(self) -> Any:
        self.clients += 1
        return Client(self, self.clients)


class Client:
    autocommit = True

    def __init__(self, pool: Pool, number: int) -> None:
        self.pool, self.held = pool, None
        self.info = SimpleNamespace(backend_pid=90_000 + number)  # made up by the pooler

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: Any) -> None: ...

    @contextmanager
    def transaction(self) -> Iterator[None]:
        self.held = self.held or self.pool.take()
        yield

    def execute(self, *_: Any, **__: Any) -> Any:
        pid = self.held or self.pool.take()
        if self.pool.shared and self.held is None:
            self.pool.free.append(pid)
        else:
            self.held = pid
        return SimpleNamespace(fetchone=lambda: (pid,))


@pytest.mark.parametrize("pick", ["last", "first"])
def test_sessions_that_are_shared_are_noticed(pick: str) -> None:
    pool = Pool(shared=True, pick=pick)
    pool.free = [11, 12, 13] if pick == "first" else []
    with pytest.raises(pooler.PoolerInTheWay, match="DATABASE_DIRECT_URL"):
        pooler.refuse_transaction_mode(pool.client(), pool.client)


def test_a_pooler_in_session_mode_is_no_reason_to_refuse() -> None:
    pool = Pool(shared=False)
    pooler.refuse_transaction_mode(pool.client(), pool.client)


def test_the_server_itself_is_asked_once_and_no_second_connection_is_made() -> None:
    pool = Pool(shared=False)
    conn = pool.client()
    conn.info.backend_pid = pool.made + 1

    def never() -> Any:
        raise AssertionError("another connection")

    pooler.refuse_transaction_mode(conn, never)


def test_a_connection_that_keeps_its_session_by_a_transaction_is_no_proof() -> None:
    conn = Pool(shared=True).client()
    conn.autocommit = False
    with pytest.raises(ValueError, match="autocommit"):
        pooler.refuse_transaction_mode(conn, Pool(shared=True).client)


def test_a_pooler_in_statement_mode_is_refused_with_what_to_do() -> None:
    pool = Pool(shared=True)
    said = "transaction blocks not allowed in statement pooling mode"

    def another() -> Any:
        raise psycopg.errors.ProtocolViolation(said)

    with pytest.raises(pooler.PoolerInTheWay, match="pool_mode = session"):
        pooler.refuse_transaction_mode(pool.client(), another)


@pytest.mark.parametrize("command", ["migrate", "boot"])
def test_migrations_refuse_a_pooler_in_the_way_before_they_do_anything(command, monkeypatch, capsys) -> None:
    def in_the_way(**_: Any) -> Any:
        raise pooler.PoolerInTheWay(pooler.ADVICE)

    monkeypatch.setattr(ledger_connections, "connect", in_the_way)
    monkeypatch.setattr(management, "execute_from_command_line", lambda _: pytest.fail("it began"))
    monkeypatch.setattr(sessions, "serve_as", lambda _: None)
    assert manage.main(["manage.py", command]) == 2
    said = capsys.readouterr().err
    assert len(said.splitlines()) == 1
    assert "DATABASE_DIRECT_URL" in said


def test_a_report_behind_a_pooler_ends_in_one_line_and_not_in_a_traceback(monkeypatch, capsys) -> None:
    def command(_: Any) -> None:
        raise pooler.PoolerInTheWay(pooler.ADVICE)

    monkeypatch.setattr(management, "execute_from_command_line", command)
    monkeypatch.setattr(sessions, "serve_as", lambda _: None)
    assert manage.main(["manage.py", "retention", "--dry-run"]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


@pytest.mark.django_db(transaction=True)
def test_behind_a_pooler_in_transaction_mode_a_query_leaves_nothing_in_its_session(settings: Any) -> None:
    connection.close()
    settings.DATABASE_POOLER = "transaction"
    for _ in range(7):
        assert prepared_queries.rows("select 7", []) == [(7,)]
    with connection.cursor() as cursor:
        cursor.execute("select count(*) from pg_prepared_statements")
        assert cursor.fetchone() == (0,)
        cursor.execute("show plan_cache_mode")
        assert cursor.fetchone() == ("auto",)
    connection.close()


def read_settings(monkeypatch: pytest.MonkeyPatch, **environment: str) -> dict[str, Any]:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    source = compile(Path(product.__file__).read_text(), product.__file__, "exec")
    found: dict[str, Any] = {"__file__": product.__file__, "__name__": "read"}
    exec(source, found)
    return found


def test_transaction_mode_without_an_address_for_sessions_is_refused_in_one_sentence(monkeypatch) -> None:
    monkeypatch.delenv("DATABASE_DIRECT_URL", raising=False)
    with pytest.raises(ImproperlyConfigured, match="needs DATABASE_DIRECT_URL"):
        read_settings(monkeypatch, DATABASE_POOLER="transaction")


def test_pages_go_through_the_pooler_and_everything_else_past_it(monkeypatch) -> None:
    given = {
        "DATABASE_POOLER": "transaction",
        "DATABASE_URL": "postgresql://u:p@pooler:6432/shop",
        "DATABASE_DIRECT_URL": "postgresql://u:p@server:5432/shop",
    }
    found = read_settings(monkeypatch, **given)
    assert found["DATABASES"]["default"]["HOST"] == "pooler"
    assert found["DATABASES"]["default"]["DISABLE_SERVER_SIDE_CURSORS"]
    assert found["DATABASE_DIRECT"]["host"] == "server"
    monkeypatch.setattr("kernel.postgresql.sessions.process_role", "worker")
    found = read_settings(monkeypatch, **given)
    assert found["DATABASES"]["default"]["HOST"] == "server"
    assert found["DATABASE_POOLER"] == "none"
