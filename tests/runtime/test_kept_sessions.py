"""A session outlives a test only as it was opened (`tests/kept_sessions.py`)."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import pytest

from runtime.ledger.connections import Connection
from tests import kept_sessions

pytestmark = pytest.mark.django_db


def after(work: Callable[[Connection], object]) -> tuple[int, int]:
    """The server's process of a session in which this was done, and of the session that the next test gets."""
    with kept_sessions.of_the_ledger() as session:
        before = session.info.backend_pid
        work(session)
    with kept_sessions.of_the_ledger() as session:
        return before, session.info.backend_pid


def test_a_session_in_which_nothing_is_left_serves_the_next_test() -> None:
    before, now = after(lambda session: session.execute("select 1"))
    assert now == before


LEFT: dict[str, Callable[[Connection], object]] = {
    "a setting": lambda session: session.execute("set enable_seqscan = off"),
    "a temporary table": lambda session: session.execute("create temporary table kept_for_nobody (id int)"),
    "a lock": lambda session: session.execute("select pg_advisory_lock(4711)"),
    "a channel": lambda session: session.execute("listen kept_for_nobody"),
    "a transaction": lambda session: session.execute("begin"),
    "a cursor": lambda session: session.execute("declare kept_for_nobody cursor with hold for select 1"),
    "another way to prepare": lambda session: setattr(session, "prepare_threshold", None),
    "another form of rows": lambda session: setattr(session, "row_factory", psycopg.rows.dict_row),
    "a limit of time": lambda session: setattr(session, "answer_within", 1.0),
    "its end": lambda session: session.close(),
}


@pytest.mark.parametrize("left", LEFT)
def test_a_session_in_which_something_is_left_does_not(left: str) -> None:
    before, now = after(LEFT[left])
    assert now != before


def test_what_writes_beneath_the_triggers_outlives_the_end_of_all_sessions() -> None:
    with kept_sessions.of_the_ledger() as session:
        ended = kept_sessions.beneath_triggers().info.backend_pid
        session.execute("select pg_terminate_backend(%s, 5000)", (ended,))
        beneath = kept_sessions.beneath_triggers()
        assert beneath.info.backend_pid != ended
        assert beneath.execute("show session_replication_role").fetchone() == ("replica",)
