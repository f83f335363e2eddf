"""Partitions of the message log come and go beside it: nobody who reads or writes waits for them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime

import psycopg
import pytest
from django.db import connection

from runtime.ledger import connections, partitions
from runtime.ledger.append import append
from runtime.ledger.connections import Connection
from runtime.services import log_partitions
from tests import serving_role
from tests.runtime.make import Flow

LATER = datetime(2031, 1, 15, tzinfo=UTC)


def tables(conn: Connection) -> set[str]:
    found = conn.execute(
        "select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid "
        "where i.inhparent = 'runtime_message'::regclass"
    )
    return {name for (name,) in found.fetchall()}


@pytest.fixture
def log(ledger: Connection) -> Iterator[Connection]:
    """The ledger; partitions that a test adds are removed and those it drops are made again."""
    before = tables(ledger)
    yield ledger
    ledger.execute("set session_replication_role = replica")
    ledger.execute("delete from runtime_message")
    for name in tables(ledger) - before - {"runtime_message_default"}:
        ledger.execute(f"drop table {name}")
    partitions.ensure(ledger)


def store(conn: Connection, flow: Flow, position: int, at: str) -> None:
    conn.execute(
        "insert into runtime_message (stream_id, lane, position, received_at, key, version, payload) "
        'values (%s, 0, %s, %s, %s, 1, \'{"key": "a", "version": 1}\')',
        (flow.stream, position, at, f"k{position}"),
    )


def only_default(conn: Connection) -> int:
    row = conn.execute("select count(*) from only runtime_message_default").fetchone()
    assert row
    return int(row[0])


def test_a_new_month_is_there_after_migrate_and_before_the_first_message(log: Connection) -> None:
    this_month = f"runtime_message_{datetime.now(UTC):%Y%m}"
    assert this_month in tables(log)


def test_intake_goes_on_while_a_new_month_waits_for_a_long_reader(log: Connection) -> None:
    flow = Flow(log, lanes=1)
    with (
        connections.connected(role="unlimited") as reader,
        connections.connected() as maker,
        connections.connected() as till,
    ):
        till.execute("set lock_timeout = '3s'")
        with reader.transaction():
            reader.execute("select count(*) from runtime_message").fetchone()
            made: list[str] = []
            making = threading.Thread(target=lambda: made.extend(partitions.ensure(maker, at=LATER)))
            making.start()
            while making.is_alive() and not _waits(log, maker):
                making.join(0.01)
            assert append(till, flow.ref, [flow.item("a", 1)]).accepted == 1
        making.join()
    assert set(partitions.ensure(log, at=LATER)) | set(made) == {
        "runtime_message_203101",
        "runtime_message_203102",
        "runtime_message_203103",
    }


def _waits(conn: Connection, other: Connection) -> bool:
    found = conn.execute(
        "select wait_event_type = 'Lock' from pg_stat_activity where pid = %s", (other.info.backend_pid,)
    ).fetchone()
    return found == (True,)


def test_a_partition_has_what_the_log_has(log: Connection) -> None:
    partitions.ensure(log, at=LATER)
    assert (
        log.execute("select count(*) from pg_index where indrelid = 'runtime_message_203101'::regclass").fetchone()
        == log.execute("select count(*) from pg_index where indrelid = 'runtime_message'::regclass").fetchone()
    )
    flow = Flow(log, lanes=1)
    store(log, flow, 1, "2031-01-20")
    with pytest.raises(Exception, match="append-only"):
        log.execute("update runtime_message_203101 set key = 'other'")


def test_months_that_already_are_in_the_default_partition_become_a_partition_of_their_own(log: Connection) -> None:
    flow = Flow(log, lanes=1)
    store(log, flow, 1, "2030-12-31 23:59+00")
    store(log, flow, 2, "2031-01-20 00:00+00")
    made = partitions.ensure(log, at=LATER)
    assert "runtime_message_203012_203101" in made
    assert only_default(log) == 0
    assert log.execute("select array_agg(position order by position) from runtime_message").fetchone() == ([1, 2],)
    store(log, flow, 3, "2031-01-31 23:59+00")
    assert log.execute("select count(*) from runtime_message_203012_203101").fetchone() == (3,)
    with pytest.raises(Exception, match="append-only"):
        log.execute("update runtime_message set key = 'other'")
    assert partitions.ensure(log, at=LATER) == []
    held = next(one for one in partitions.present(log) if one.name == "runtime_message_203012_203101")
    assert held.until == datetime(2031, 2, 1, tzinfo=UTC)


def test_who_is_in_the_way_of_a_month_is_named_and_once_they_are_gone_all_months_are_made(
    log: Connection, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(partitions, "LOCK", "20ms")
    monkeypatch.setattr(partitions, "LONG", 0.0)
    names = ["runtime_message_203101", "runtime_message_203102", "runtime_message_203103"]
    with connections.connected(name="a-long-report", role="unlimited") as reader, reader.transaction():
        reader.execute("select count(*) from runtime_message").fetchone()
        pauses: list[float] = []
        assert partitions.ensure(log, at=LATER, wait=pauses.append) == []
        assert len(pauses) == 3  # not once more for each month
        said = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
        assert len(said) == 1
        assert "runtime_message_203101" in said[0]
        assert f"process {reader.info.backend_pid}, a-long-report) since " in said[0]
    assert [one.name for one in partitions.lacking(partitions.present(log), at=LATER)] == names
    assert partitions.ensure(log, at=LATER) == names
    assert partitions.lacking(partitions.present(log), at=LATER) == []


def test_months_far_ahead_do_not_stand_for_the_next_ones(log: Connection) -> None:
    partitions.ensure(log, at=datetime(2032, 1, 15, tzinfo=UTC))
    assert len(partitions.lacking(partitions.present(log), at=LATER)) == 3


def test_readiness_says_which_month_is_missing_and_who_is_in_the_way(
    log: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(partitions, "LONG", 0.0)
    assert log_partitions.lacking() == ""
    last = partitions.present(log)[-1]
    log.execute(f"drop table {last.name}")
    assert log_partitions.lacking() == f"none for {last.since:%Y-%m}: is a scheduler running?"
    with connections.connected(name="a-long-report", role="unlimited") as reader, reader.transaction():
        reader.execute("select count(*) from runtime_message").fetchone()
        with connection.cursor() as cursor:
            cursor.execute("select pg_stat_clear_snapshot()")  # the test is one transaction, and sees one
        assert f"process {reader.info.backend_pid}, a-long-report)" in log_partitions.lacking()
    assert log_partitions.make_ahead() == log_partitions.MadeAhead((last.name,), True)


def test_dropping_gives_up_behind_a_reader_and_comes_back(log: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partitions, "LOCK", "20ms")
    partitions.ensure(log, at=LATER)
    with connections.connected(role="unlimited") as reader, reader.transaction():
        reader.execute("select count(*) from runtime_message").fetchone()
        assert not partitions.drop_one(log, "runtime_message_203101", wait=lambda _: None)
        assert "runtime_message_203101" in tables(log)
    assert partitions.drop_one(log, "runtime_message_203101", wait=lambda _: None)
    assert "runtime_message_203101" not in tables(log)


def test_a_month_is_indexed_by_its_keys_when_it_is_over_and_known_keys_of_it_were_dropped(log: Connection) -> None:
    partitions.ensure(log, at=LATER)
    during, over = datetime(2031, 1, 31, tzinfo=UTC), datetime(2031, 2, 1, tzinfo=UTC)
    flow = Flow(log, lanes=1, immutable=True)
    assert partitions.index_keys(log, at=over) == ""
    log.execute(
        "insert into runtime_dropped (data_class, stream_id, day, number) values ('heads', %s, '2031-01-10', 1)",
        (flow.stream,),
    )
    try:
        assert partitions.index_keys(log, at=during) == ""
        with (
            Connection.connect(**serving_role.address(), autocommit=True) as serving,
            pytest.raises(psycopg.errors.InvalidParameterValue, match="is not over yet"),
        ):
            partitions.index_keys(serving, at=over)  # the server's clock says so
    finally:
        log.execute("delete from runtime_dropped")
