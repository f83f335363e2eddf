"""How often a connection speaks to the server. The witness is libpq's own record of what went over the line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import LiteralString

import psycopg
import pytest

from kernel.postgresql import sessions
from kernel.postgresql.round_trips import FewRoundTrips, JoinedPipeline
from tests.kernel.test_database_sessions import url
from tests.round_trips import record

pytestmark = pytest.mark.django_db


@pytest.fixture
def conn(db: None) -> Iterator[sessions.BoundedConnection]:
    with sessions.BoundedConnection.connect(url(), autocommit=True) as made:
        yield made


def test_a_pipeline_that_has_not_ended_has_sent_nothing(conn: FewRoundTrips) -> None:
    """A process that freezes within one holds no lock that nobody would end."""
    with sessions.BoundedConnection.connect(url(), autocommit=True) as other, conn.pipeline():
        conn.execute("select pg_advisory_lock(4711)")
        conn.execute("select 1")
        assert other.execute("select pg_try_advisory_lock(4711), pg_advisory_unlock(4711)").fetchone() == (True, True)


def test_an_answer_that_is_read_within_a_pipeline_is_there(conn: FewRoundTrips) -> None:
    with conn.pipeline():
        first = conn.execute("select 1")
        assert first.fetchone() == (1,)
        found = [conn.execute("select %s::int", (number,)) for number in range(600)]
    assert [one.fetchone() for one in found] == [(number,) for number in range(600)]


def test_a_short_transaction_is_two_round_trips(conn: FewRoundTrips, tmp_path: Path) -> None:
    conn.execute("create temporary table kept (id int)")
    with record(conn, tmp_path) as line, conn.short_transaction():
        with conn.pipeline():
            conn.execute("select set_config('lock_timeout', '1s', true)")
            found = conn.execute("select count(*) from kept")
        assert found.fetchone() == (0,)
        with conn.committing_pipeline():
            conn.execute("insert into kept values (1)")
    assert line.round_trips == 2
    assert conn.execute("select count(*) from kept").fetchone() == (1,)
    assert conn.info.transaction_status is psycopg.pq.TransactionStatus.IDLE


def given_up(conn: FewRoundTrips, statement: LiteralString) -> None:
    with conn.short_transaction():
        conn.execute(statement)
        raise ZeroDivisionError


def refused(conn: FewRoundTrips) -> None:
    with conn.short_transaction(), conn.committing_pipeline():
        conn.execute("insert into kept values (4)")
        conn.execute("insert into kept values (1)")


def copied(conn: FewRoundTrips) -> None:
    with conn.short_transaction():
        with conn.cursor() as cursor, cursor.copy("copy kept from stdin") as copy:
            copy.write_row((1,))
        raise ZeroDivisionError


def test_a_short_transaction_is_kept_whole_however_it_is_used(conn: FewRoundTrips) -> None:
    conn.execute("create temporary table kept (id int primary key)")

    def kept() -> list[int]:
        return sorted(number for (number,) in conn.execute("select id from kept").fetchall())

    with conn.short_transaction():
        pass  # nothing was done, so nothing begins
    with conn.short_transaction():
        conn.execute("insert into kept values (1)")
    assert kept() == [1]
    with pytest.raises(ZeroDivisionError):
        given_up(conn, "insert into kept values (2)")
    assert kept() == [1]
    with conn.short_transaction():
        conn.execute("insert into kept values (3)")
        raise psycopg.Rollback
    assert kept() == [1]
    with pytest.raises(psycopg.errors.UniqueViolation):
        refused(conn)
    assert kept() == [1]
    with conn.short_transaction(), pytest.raises(psycopg.errors.UniqueViolation), conn.transaction():
        conn.execute("insert into kept values (1)")
    assert conn.info.transaction_status is psycopg.pq.TransactionStatus.IDLE


def test_within_another_transaction_a_short_one_is_a_savepoint(conn: FewRoundTrips) -> None:
    conn.execute("create temporary table kept (id int primary key)")
    with conn.transaction():
        conn.execute("insert into kept values (1)")
        with pytest.raises(ZeroDivisionError):
            given_up(conn, "insert into kept values (2)")
        with conn.short_transaction(), conn.committing_pipeline():
            conn.execute("insert into kept values (3)")
        assert conn.info.transaction_status is psycopg.pq.TransactionStatus.INTRANS
        raise psycopg.Rollback
    with conn.short_transaction():
        with conn.transaction(), conn.committing_pipeline():
            conn.execute("insert into kept values (5)")
        assert conn.info.transaction_status is psycopg.pq.TransactionStatus.INTRANS
        conn.execute("insert into kept values (6)")
    assert conn.execute("select array_agg(id order by id) from kept").fetchone() == ([5, 6],)


def test_a_copy_in_a_short_transaction_is_part_of_it(conn: FewRoundTrips) -> None:
    conn.execute("create temporary table kept (id int)")
    with pytest.raises(ZeroDivisionError):
        copied(conn)
    assert conn.execute("select count(*) from kept").fetchone() == (0,)


NEVER_SEEN = "select 2 + %s::int"


def failing(conn: FewRoundTrips) -> None:
    with conn.pipeline():
        conn.execute("select 1 / %s::int", (0,))
        conn.execute(NEVER_SEEN, (1,), prepare=True)


def failing_shortly(conn: FewRoundTrips) -> None:
    with conn.short_transaction():
        failing(conn)


@pytest.mark.parametrize("fails", [failing, failing_shortly])
def test_a_statement_behind_one_that_failed_is_prepared_anew(conn: FewRoundTrips, fails: Callable[..., None]) -> None:
    """The server passes over the rest of a pipeline, its preparations too, and the client has noted them as done."""
    conn.prepare_threshold = 1
    for _ in range(2):
        with pytest.raises(psycopg.errors.DivisionByZero):
            fails(conn)
        assert conn.execute(NEVER_SEEN, (1,)).fetchone() == (3,)
        assert conn.execute(NEVER_SEEN, (2,)).fetchone() == (4,)
    assert conn.info.transaction_status is psycopg.pq.TransactionStatus.IDLE


class TornPipeline(JoinedPipeline):
    """The answers come in two pieces: the error first, and later that the rest was passed over."""

    def _enqueue_sync(self) -> None: ...

    def _communicate_gen(self) -> Iterator[None]:
        yield
        raise psycopg.errors.DivisionByZero("division by zero")

    def _fetch_gen(self, *, flush: bool) -> Iterator[None]:
        yield
        raise psycopg.errors.PipelineAborted("pipeline aborted")


def test_the_error_that_came_first_is_the_one_that_is_raised():
    with pytest.raises(psycopg.errors.DivisionByZero):
        list(TornPipeline.__new__(TornPipeline)._exit_gen())
