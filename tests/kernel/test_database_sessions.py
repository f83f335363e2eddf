"""Sessions of the database: checked for being writable, limited in time, and errors that say whether to try again."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import InterfaceError, InternalError, connection
from psycopg import errors as states

from kernel import prepared_queries
from kernel.postgresql import errors, sessions
from portal import settings as product

PASSING = [
    psycopg.OperationalError("the connection is lost"),
    psycopg.InterfaceError("the connection is closed"),
    states.ReadOnlySqlTransaction("cannot execute INSERT in a read-only transaction"),
    states.DiskFull("could not extend file"),
    states.TooManyConnections("sorry, too many clients already"),
    states.AdminShutdown("terminating connection due to administrator command"),
    states.CannotConnectNow("the database system is starting up"),
    states.LockNotAvailable("canceling statement due to lock timeout"),
    states.QueryCanceled("canceling statement due to statement timeout"),
    states.DeadlockDetected("deadlock detected"),
    states.IdleInTransactionSessionTimeout("terminating connection due to idle-in-transaction timeout"),
    states.TransactionTimeout("terminating connection due to transaction timeout"),
]
LASTING = [
    states.UndefinedTable('relation "x" does not exist'),
    states.SyntaxError("syntax error"),
    states.InFailedSqlTransaction("current transaction is aborted"),
    states.UniqueViolation("duplicate key"),
    ValueError("no matter of the database"),
]


def as_django(error: psycopg.Error) -> Exception:
    """The same error as Django's cursors raise it."""
    try:
        with connection.wrap_database_errors:
            raise error
    except Exception as wrapped:
        return wrapped


@pytest.mark.parametrize("error", PASSING, ids=lambda e: type(e).__name__)
def test_what_passes_is_told_from_what_lasts_raw_and_wrapped(error: psycopg.Error) -> None:
    assert errors.unavailable(error)
    assert errors.unavailable(as_django(error))


@pytest.mark.parametrize("error", LASTING, ids=lambda e: type(e).__name__)
def test_what_lasts_is_no_outage(error: Exception) -> None:
    assert not errors.unavailable(error)
    assert not isinstance(error, psycopg.Error) or not errors.unavailable(as_django(error))


@pytest.fixture
def own_session(transactional_db: None) -> Iterator[Any]:
    connection.close()
    connection.ensure_connection()
    yield connection
    connection.close()


def test_a_prepared_query_replaces_a_connection_that_was_closed(own_session: Any) -> None:
    assert prepared_queries.rows("select 1", []) == [(1,)]
    own_session.connection.close()
    assert prepared_queries.rows("select 1", []) == [(1,)]


def test_an_old_session_is_replaced_and_kept_while_the_server_has_no_room(
    own_session: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who closes first and opens then has none while others take each one that gets free."""
    old = own_session.connection

    def crowded(*_: Any) -> None:
        raise states.TooManyConnections("sorry, too many clients already")

    with monkeypatch.context() as full:
        full.setattr(own_session, "get_new_connection", crowded)
        own_session.close_at = 0.0
        own_session.close_if_unusable_or_obsolete()
        assert own_session.connection is old
        assert prepared_queries.rows("select 1", []) == [(1,)]
    own_session.close_at = 0.0
    own_session.close_if_unusable_or_obsolete()
    assert own_session.connection is not old
    assert old.closed
    assert prepared_queries.rows("select 1", []) == [(1,)]


def test_a_session_that_is_old_and_broken_is_closed(own_session: Any) -> None:
    own_session.connection.close()
    own_session.errors_occurred = True
    own_session.close_at = 0.0
    own_session.close_if_unusable_or_obsolete()
    assert own_session.connection is None


def test_a_session_that_takes_no_writes_is_not_usable(own_session: Any) -> None:
    assert own_session.is_usable()
    with own_session.cursor() as cursor:
        cursor.execute("set default_transaction_read_only = on")
    assert not own_session.is_usable()


def test_a_read_only_session_raises_what_the_front_door_takes_for_an_outage(own_session: Any) -> None:
    with own_session.cursor() as cursor:
        cursor.execute("set default_transaction_read_only = on")
        with pytest.raises(InternalError) as raised:
            cursor.execute("create table x ()")
    assert errors.unavailable(raised.value)
    assert errors.reason(raised.value)[0] == "database.read_only"


def test_a_closed_connection_of_django_is_an_outage(own_session: Any) -> None:
    own_session.connection.close()
    with pytest.raises((InterfaceError, Exception)) as raised, own_session.cursor() as cursor:
        cursor.execute("select 1")
    assert errors.unavailable(raised.value)


def url(name: str = "") -> str:
    known = connection.settings_dict
    return psycopg.conninfo.make_conninfo(
        host=known["HOST"], port=known["PORT"], user=known["USER"], password=known["PASSWORD"], dbname=known["NAME"]
    )


def test_a_server_that_stands_still_is_not_waited_for_without_end(db: None) -> None:
    """The statement limit is the server's; here it is none, as of a server that is frozen."""
    with sessions.BoundedConnection.connect(url(), autocommit=True) as conn:
        conn.answer_within = 0.05
        began = time.monotonic()
        with pytest.raises(psycopg.OperationalError, match="no answer within"):
            conn.execute("select pg_sleep(30)")
        assert time.monotonic() - began < 20
        assert conn.closed


def test_a_session_has_the_limits_of_its_role(db: None) -> None:
    limits = sessions.TimeLimits(statement=30, lock=5, idle=20, transaction=60)
    with psycopg.connect(url(), autocommit=True) as conn:
        conn.execute(*sessions.set_statement(sessions.settings_of(limits, conn.info.server_version)))
        names = "statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"
        assert [conn.execute(f"show {name}").fetchone()[0] for name in names] == ["30s", "5s", "20s"]


def test_a_transaction_that_stands_still_after_a_pipeline_is_ended(db: None) -> None:
    """Frozen processes stand there: an append locks its lanes in a pipeline, and another one is its last statement.
    With psycopg's own pipeline the server mostly waits without end."""
    with sessions.BoundedConnection.connect(url(), autocommit=True) as conn:
        conn.execute("set idle_in_transaction_session_timeout = '50ms'")
        conn.execute("begin")
        with conn.pipeline():
            conn.execute("select 1")
        with pytest.raises((psycopg.OperationalError, states.IdleInTransactionSessionTimeout)):
            list(conn.notifies(timeout=20.0))


def test_limits_are_changed_by_the_environment_one_by_one() -> None:
    given = "web.statement=90s, intake.idle=500ms web.lock=1min"
    assert sessions.limits_of("web", given) == sessions.TimeLimits(90, 60, 20, 60)
    assert sessions.limits_of("intake", given).idle == 0.5
    assert sessions.limits_of("worker", given) == sessions.LIMITS["worker"]


@pytest.mark.parametrize("given", ["web=3", "till.lock=3", "web.speed=3", "web.lock=soon"])
def test_a_limit_that_nobody_knows_is_refused_with_what_may_be_said(given: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=r"DATABASE_LIMITS.*Roles: web, intake"):
        sessions.limits_of("web", given)


def test_an_old_server_is_not_asked_for_a_limit_that_it_does_not_have() -> None:
    limits = sessions.LIMITS["intake"]
    assert "transaction_timeout" in sessions.settings_of(limits, 170000)
    assert "transaction_timeout" not in sessions.settings_of(limits, 160004)


def test_an_address_may_name_several_servers() -> None:
    found = product.database(
        "postgresql://till:p%40ss@10.0.0.1:5541,10.0.0.2:5542/shop?target_session_attrs=read-write"
    )
    assert (found["HOST"], found["PORT"], found["NAME"]) == ("10.0.0.1,10.0.0.2", "5541,5542", "shop")
    assert (found["USER"], found["PASSWORD"]) == ("till", "p@ss")
    assert found["OPTIONS"]["target_session_attrs"] == "read-write"


@pytest.mark.parametrize("address", ["mysql://a/b", "postgresql://host", "postgresql://host:port:port/db?x=%zz"])
def test_an_address_that_cannot_be_used_is_refused_in_one_sentence(address: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="DATABASE_URL looks like postgresql://"):
        product.database(address)
