"""Rows of databases: real servers, with writers beside the reader. Nothing is lost, and nothing comes twice."""

from __future__ import annotations

import json
import random
import threading
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.runtime.connectors.conformance import SourceConformance
from tests.runtime.connectors.databases import Maria, Postgres
from tests.runtime.connectors.sql_rows import database, maria, maria_server, pg, pg_server, run, sales

pytestmark = pytest.mark.django_db
__all__ = ["database", "maria", "maria_server", "pg", "pg_server"]  # fixtures


class TestRows(SourceConformance):
    @pytest.fixture
    def expected(self, database):
        sales(database)
        return [str(number) for number in range(1, 8)]

    @pytest.fixture
    def circumstances(self, database):
        return database.call()

    @pytest.fixture
    def make(self, database, expected):
        return lambda: database.open(table="sales", change="changed", page_size=2)


class TestOutbox(TestRows):
    @pytest.fixture
    def make(self, database, expected):
        return lambda: database.open(table="sales", outbox="id", page_size=2)


class TestWholeTables(TestRows):
    @pytest.fixture
    def make(self, database, expected):
        return lambda: database.open(table="sales", page_size=2)


class TestQueries(TestRows):
    @pytest.fixture
    def make(self, database, expected):
        query = "select s.id, s.amount, s.changed from sales s where s.amount >= :least and s.amount % 1 <> 0.25"
        return lambda: database.open(query=query, values={"least": 0}, change="changed", page_size=2)


# -- what changes ------------------------------------------------------------------------------------------------------
def test_the_next_run_has_what_changed_and_nothing_else(database):
    sales(database)
    _, _, _, cursor = run(database, table="sales", change="changed")
    assert run(database, cursor, table="sales", change="changed")[0] == []
    database.run("update sales set amount = 9, changed = current_timestamp(6) where id = 3")
    records, _, _, cursor = run(database, cursor, table="sales", change="changed")
    assert [record.key for record in records] == ["3"]


def test_many_rows_of_one_moment_are_read_page_by_page(database):
    database.run(f"create table sales (id {database.serial}, changed {database.clock})")
    database.run("insert into sales (changed) values " + ", ".join(["('2026-11-01 10:00:00.123456')"] * 50))
    records, _, _, _ = run(database, table="sales", change="changed", page_size=7)
    assert sorted(int(record.key) for record in records) == list(range(1, 51))


def test_rows_that_do_not_say_when_they_changed_are_read_by_each_run(database):
    database.run(f"create table sales (id {database.serial}, changed timestamp null)")
    database.run("insert into sales (changed) values (null), (null), (null), ('2026-11-01 10:00:00')")
    records, _, _, cursor = run(database, table="sales", change="changed", page_size=2)
    assert [record.key for record in records] == ["1", "2", "3", "4"]
    assert [record.key for record in run(database, cursor, table="sales", change="changed")[0]] == ["1", "2", "3"]


def test_rows_of_the_future_are_said_and_keep_nothing_from_being_read(database):
    sales(database, 2)
    database.run("update sales set changed = '2037-01-01 00:00:00' where id = 1")
    records, _, warnings, cursor = run(database, table="sales", change="changed")
    assert ([record.key for record in records], len(warnings)) == (["2"], 1)
    assert "1 rows have 'changed' in the future" in warnings[0]
    database.run("insert into sales (amount) values (1)")
    assert [record.key for record in run(database, cursor, table="sales", change="changed")[0]] == ["3"]


def test_a_source_begins_at_a_date(database):
    sales(database, 2)
    database.run("update sales set changed = '2026-01-01 00:00:00' where id = 1")
    source = database.open(table="sales", change="changed")
    cursor = source.cursor_at(datetime(2026, 6, 1, tzinfo=UTC))
    source.close()
    assert [record.key for record in run(database, cursor, table="sales", change="changed")[0]] == ["2"]
    whole = database.open(table="sales")
    assert whole.cursor_at(datetime(2026, 6, 1, tzinfo=UTC)) is None
    whole.close()


def test_keys_of_several_columns_and_texts_are_gone_through_in_the_order_of_the_database(database):
    database.run("create table stock (store varchar(20), sku varchar(20), quantity int, primary key (store, sku))")
    keys = [(store, sku) for store in ("Köln", "a", "B", "10", "9", "") for sku in ("x'y", "%s", "ä", "A-1", "\\")]
    for store, sku in keys:
        database.run("insert into stock values (%s, %s, 1)", [store, sku])
    records, _, _, _ = run(database, table="stock", key_fields=["store", "sku"], page_size=4)
    assert Counter((json.loads(r.payload)["store"], json.loads(r.payload)["sku"]) for r in records) == Counter(keys)


def test_numbers_of_changes_beyond_what_a_float_holds_are_exact(database):
    database.run("create table stock (id int primary key, version bigint)")
    first = 9_007_199_254_740_993
    for number in range(6):
        database.run("insert into stock values (%s, %s)", [number, first + number])
    records, _, _, cursor = run(database, table="stock", change="version", page_size=1)
    assert [record.version for record in records] == [str(first + number) for number in range(6)]
    _, _, _, cursor = run(database, cursor, table="stock", change="version")
    database.run("update stock set version = %s where id = 0", [first + 6])
    assert "0" in [record.key for record in run(database, cursor, table="stock", change="version")[0]]


def test_a_run_with_an_overlap_begins_before_the_last_one_ended(database):
    sales(database, 2)
    settings = {"table": "sales", "change": "changed", "overlap": 600.0}
    _, _, _, cursor = run(database, **settings)
    earlier, long_ago = (datetime.now(UTC) - timedelta(seconds=one) for one in (300, 3_000))
    for moment in (earlier, long_ago):  # a writer whose clock is behind
        stamp = moment.strftime("%Y-%m-%d %H:%M:%S") + ("+00" if isinstance(database, Postgres) else "")
        database.run("insert into sales (amount, changed) values (1, %s)", [stamp])
    keys = [record.key for record in run(database, cursor, **settings)[0]]
    assert keys == ["3", "1", "2"]


def test_times_without_a_zone_are_held_to_the_clock_of_their_zone(database):
    kind = "timestamp" if isinstance(database, Postgres) else "datetime"
    database.run(f"create table sales (id int primary key, changed {kind})")
    zone = ZoneInfo("Asia/Tokyo")
    there = datetime.now(zone).replace(tzinfo=None)
    for number, seconds in enumerate((-7_200, -3, 600)):
        database.run("insert into sales values (%s, %s)", [number, there + timedelta(seconds=seconds)])
    settings = {"table": "sales", "change": "changed", "settle": 1.0}
    assert [r.key for r in run(database, **settings, zone="Asia/Tokyo", overlap=3_660.0)[0]] == ["0", "1"]
    assert run(database, **settings)[0] == []  # at UTC it is hours earlier


# -- numbers that commit late ------------------------------------------------------------------------------------------
def test_a_number_that_is_committed_late_is_not_passed(database):
    sales(database, 2)
    settings = {"table": "sales", "outbox": "id", "settle": 0.0}
    records, _, _, cursor = run(database, **settings)
    late = database.connect()
    database.run(database.begin, conn=late)
    database.run("insert into sales (amount) values (3)", conn=late)
    database.run("insert into sales (amount) values (4)")
    settings["settle"] = 3600.0 if isinstance(database, Maria) else 0.0
    for _ in range(3):
        records, _, warnings, cursor = run(database, cursor, **settings)
        assert records == []
        assert "Number 3 may be missing before 4" in warnings[0]
    database.run("commit", conn=late)
    late.close()
    assert [record.key for record in run(database, cursor, **settings)[0]] == ["3", "4"]


def test_a_number_that_never_comes_is_passed_once_its_time_is_over(database):
    sales(database, 2)
    settings = {"table": "sales", "outbox": "id", "settle": 0.0}
    _, _, _, cursor = run(database, **settings)
    late = database.connect()
    database.run(database.begin, conn=late)
    database.run("insert into sales (amount) values (3)", conn=late)
    database.run("rollback", conn=late)
    late.close()
    database.run("insert into sales (amount) values (4)")
    found, reads = [], 0
    while not found and reads < 5:
        records, _, _, cursor = run(database, cursor, **settings)
        found, reads = [record.key for record in records], reads + 1
    assert found == ["4"]


def test_numbers_that_the_conditions_leave_out_are_no_gap_and_those_that_come_late_are(database):
    database.run(f"create table sales (id {database.serial}, kind varchar(9))")
    database.run("insert into sales (kind) values ('sale'), ('other'), (null), ('sale')")
    settings = {"table": "sales", "outbox": "id", "where": [{"column": "kind", "value": "sale"}], "settle": 3600.0}
    records, _, _, cursor = run(database, **settings)
    assert [record.key for record in records] == ["1", "4"]
    late = database.connect()
    database.run(database.begin, conn=late)
    database.run("insert into sales (kind) values ('sale')", conn=late)
    database.run("insert into sales (kind) values ('other'), ('sale')")
    records, _, warnings, cursor = run(database, cursor, **settings)
    assert (records, len(warnings)) == ([], 1)
    database.run("commit", conn=late)
    late.close()
    assert [record.key for record in run(database, cursor, **settings)[0]] == ["5", "7"]


def test_a_row_of_an_outbox_without_a_key_is_a_reject_and_no_gap(database):
    database.run(f"create table sales (id {database.serial}, receipt varchar(9))")
    database.run("insert into sales (receipt) values ('a'), (null), ('b')")
    records, rejected, _, _ = run(database, table="sales", outbox="id", key_fields=["receipt"], settle=3600.0)
    assert ([record.key for record in records], len(rejected)) == (["a", "b"], 1)


def test_a_lower_number_of_a_change_that_is_committed_late_is_read(database):
    database.run("create table stock (id int primary key, version bigint)")
    database.run("insert into stock values (1, 10), (2, 20)")
    settings = {"table": "stock", "change": "version"}
    _, _, _, cursor = run(database, settle=3600.0, **settings)
    database.run("insert into stock values (3, 15)")
    assert "3" in [record.key for record in run(database, cursor, settle=3600.0, **settings)[0]]


@pytest.mark.parametrize("way", ["outbox", "change"])
def test_ten_thousand_rows_with_writers_beside_the_reader_are_all_read(database, way):
    rows, writers = 10_000, 5
    database.run(f"create table sales (id {database.serial}, writer int, changed {database.clock})")
    failed: list[BaseException] = []

    def write(number: int) -> None:
        chance, left, conn = random.Random(number), rows // writers, database.connect()
        try:
            while left:
                count = min(left, chance.randint(1, 60))
                database.run(database.begin, conn=conn)
                for _ in range(count):
                    database.run("insert into sales (writer) values (%s)", [number], conn=conn)
                if chance.random() < 0.1:
                    database.run("rollback", conn=conn)
                    continue
                database.run("commit", conn=conn)
                left -= count
        except BaseException as error:
            failed.append(error)
        finally:
            conn.close()

    threads = [threading.Thread(target=write, args=(number,)) for number in range(writers)]
    for one in threads:
        one.start()
    found: Counter[str] = Counter()
    settings: dict[str, Any] = {"table": "sales", way: "id" if way == "outbox" else "changed", "page_size": 500}
    cursor, ends = None, time.monotonic() + 120
    while time.monotonic() < ends and not failed:
        written = not any(one.is_alive() for one in threads)
        records, _, _, cursor = run(database, cursor, settle=1.0, **settings)
        found.update(record.key for record in records)
        if written and sum(found.values()) >= rows:
            break
    for one in threads:
        one.join()
    records, _, _, _ = run(database, cursor, settle=0.0, **settings)
    found.update(record.key for record in records)
    assert failed == []
    there = {str(row[0]) for row in database.run("select id from sales")}
    assert (set(found) ^ there, max(found.values()), len(there)) == (set(), 1, rows)
