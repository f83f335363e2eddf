"""Values and statements of a source of rows: nothing is lost in a value, and what cannot be read costs its row."""

from __future__ import annotations

import json

import pytest

from kernel.errors import Invalid
from runtime.connectors.protocols import Refused, Retriable
from runtime.connectors.registry import open_source
from tests.runtime.connectors.databases import Postgres, postgres
from tests.runtime.connectors.sql_rows import database, maria, maria_server, pg, pg_server, rows_of, run, sales

pytestmark = pytest.mark.django_db
__all__ = ["database", "maria", "maria_server", "pg", "pg_server"]  # fixtures


# -- values ------------------------------------------------------------------------------------------------------------
def test_values_of_postgresql_are_told_without_loss(pg):
    pg.run(
        """create table t (id int primary key, n numeric, f float8, b boolean, d date, ts timestamp, tz timestamptz,
        j jsonb, u uuid, a int[], i interval, big bigint, e text, z numeric)"""
    )
    pg.run(
        """insert into t values (1, 12345678901234567890.1234567890, 0.1, true, '2026-02-28', '2026-03-29 02:30:00.5',
        '2026-03-29 02:30:00.123456+02', '{"a": 1.10, "b": [null]}', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '{1,2}',
        '1 day', 9223372036854775807, E'tab\\t"quote" \\\\ €', null)"""
    )
    records, rejected, _, _ = run(pg, table="t")
    assert rejected == []
    assert json.loads(records[0].payload, parse_float=str, parse_int=str) == {
        "id": "1",
        "n": "12345678901234567890.1234567890",
        "f": "0.1",
        "b": True,
        "d": "2026-02-28",
        "ts": "2026-03-29T02:30:00.5",
        "tz": "2026-03-29T00:30:00.123456Z",
        "j": {"a": "1.10", "b": [None]},
        "u": "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
        "a": "{1,2}",
        "i": "P1D",
        "big": "9223372036854775807",
        "e": 'tab\t"quote" \\ €',
        "z": None,
    }


def test_values_of_mariadb_are_told_without_loss(maria):
    maria.run(
        """create table t (id int primary key, n decimal(38, 10), f double, b boolean, d date, ts datetime(6),
        tz timestamp(6) null, j json, y year, big bigint unsigned, e text, bits bit(12), z int(6) zerofill,
        zero datetime)"""
    )
    maria.run("set time_zone = '+02:00', sql_mode = ''")
    maria.run(
        """insert into t values (1, 1234567890123456789012345678.1234567890, 0.1, true, '2026-02-28',
        '2026-03-29 02:30:00.5', '2026-03-29 04:30:00.123456', '{"a": 1}', 2026, 18446744073709551615, 'ta\\t"€', 2050,
        42, '0000-00-00')"""
    )
    records, rejected, _, _ = run(maria, table="t")
    assert rejected == []
    assert json.loads(records[0].payload, parse_float=str, parse_int=str) == {
        "id": "1",
        "n": "1234567890123456789012345678.1234567890",
        "f": "0.1",
        "b": "1",
        "d": "2026-02-28",
        "ts": "2026-03-29T02:30:00.500000",
        "tz": "2026-03-29T02:30:00.123456Z",
        "j": '{"a": 1}',
        "y": "2026",
        "big": "18446744073709551615",
        "e": 'ta\t"€',
        "bits": "2050",
        "z": "42",
        "zero": "0000-00-00 00:00:00",
    }


def test_a_value_that_no_json_has_costs_its_row_alone(pg):
    pg.run("create table t (id int primary key, n numeric, f float8, tz timestamptz)")
    pg.run(
        "insert into t values (1, 'NaN', 1, now()), (2, 1, 'Infinity', now()), (3, 1, 1, 'infinity'), (4, 1, 1, now())"
    )
    records, rejected, _, _ = run(pg, table="t")
    assert [record.key for record in records] == ["3", "4"]
    assert json.loads(records[0].payload)["tz"] == "infinity"
    assert [one.key for one in rejected] == ["1", "2"]
    assert "'n' is NaN" in rejected[0].reason


def test_bytes_that_are_no_text_cost_their_row_alone():
    with postgres("SQL_ASCII") as ascii_only:
        ascii_only.run("create table t (id int primary key, e text)")
        ascii_only.run("set client_encoding = 'SQL_ASCII'")
        ascii_only.run("insert into t values (1, 'good'), (2, 'K' || E'\\xE4' || 'se'), (3, 'better')")
        records, rejected, _, _ = run(ascii_only, table="t")
    assert ([record.key for record in records], [one.key for one in rejected]) == (["1", "3"], ["2"])
    assert "0xe4" in rejected[0].reason


def test_bytes_are_refused_or_told_as_base64(database):
    kind = "bytea" if isinstance(database, Postgres) else "blob"
    database.run(f"create table t (id int primary key, picture {kind})")
    database.run("insert into t values (1, %s)", [b"\x00\xff\x10"])
    with pytest.raises(Refused, match="binary: base64"):
        run(database, table="t")
    found, _ = rows_of(database, table="t", binary="base64")
    assert found == [{"id": 1, "picture": "AP8Q"}]


def test_rows_without_a_key_are_one_reject_each(database):
    database.run("create table t (a int, b varchar(5), changed timestamp null)")
    database.run("insert into t (a, b) values (1, 'x'), (null, 'y'), (2, null), (3, 'z')")
    records, rejected, _, _ = run(database, table="t", key_fields=["a", "b"], page_size=2)
    assert sorted(record.key for record in records) == ["1/x", "3/z"]
    assert len(rejected) == 2


# -- what is asked for -------------------------------------------------------------------------------------------------
def test_conditions_are_bound_and_names_are_quoted(database):
    quote = database.open(table="x").session.dialect.quote
    odd = 'Odd "name" % `x'
    column = f"{quote}{odd.replace(quote, quote * 2)}{quote}"
    database.run(f"create table {quote}Sales{quote} (id int primary key, {column.replace('%', '%%')} varchar(40))", [])
    for number, value in enumerate(["a", "b'; drop table x", "100%", "%s"]):
        database.run(f"insert into {quote}Sales{quote} values (%s, %s)", [number, value])

    def found(**condition):
        return [r["id"] for r in rows_of(database, table="Sales", where=[{"column": odd, **condition}])[0]]

    assert found(value="b'; drop table x") == [1]
    assert found(**{"is": "in", "value": ["100%", "%s"]}) == [2, 3]
    assert found(**{"is": "<>", "value": "a"}) == [1, 2, 3]
    assert found(**{"is": "null"}) == []
    assert found(**{"is": "not null"}) == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, "one thing to read"),
        ({"table": "a", "query": "select 1"}, "one thing to read"),
        ({"query": "delete from a"}, "begins with SELECT"),
        ({"query": "select 1; delete from a"}, "without a ';'"),
        ({"query": "select 1) t; --"}, "bracket is closed|';'"),
        ({"query": "select 1) as t union (select 2"}, "bracket is closed"),
        ({"query": "select (1"}, "not closed"),
        ({"query": "with x as (delete from a returning id) select * from x"}, "'DELETE'"),
        ({"query": "select id into b from a"}, "'INTO'"),
        ({"query": "select id from a for update"}, "'FOR'"),
        ({"query": "select id -- all\nfrom a"}, "comments"),
        ({"query": "select id /* all */ from a"}, "comments"),
        ({"query": "select $$a$$"}, "comments"),
        ({"query": r"select 'a\'' from b"}, "cannot stand"),
        ({"query": "select id from a where b = :c"}, "no value"),
        ({"query": "select id from a", "values": {"c": 1}}, "no place"),
        ({"table": "a", "key_fields": []}, "identify a row"),
        ({"table": "a", "change": "c", "outbox": "d"}, "rows that only come"),
        ({"table": "a", "columns": ["id"], "change": "c"}, "'c' is needed"),
        ({"table": "a", "overlap": 10}, "'overlap'"),
        ({"table": "a", "change": "c", "zone": "Europe/Berlin"}, "an hour comes twice"),
        ({"table": "a..b"}, "no name"),
        ({"table": "a", "where": [{"column": "c", "is": "in", "value": 1}]}, "list"),
        ({"table": "a", "where": [{"column": "c", "is": "like", "value": 1}]}, "Invalid enum"),
        ({"table": "a", "base_url": "nothing"}, "no database"),
        ({"table": "a", "base_url": "postgresql://a.example.com/b?sslmode=disable"}, "no database"),
        ({"table": "a", "tls": "none"}, "'tls' is not a setting"),
    ],
)
def test_settings_that_read_nothing_are_refused(settings, said):
    with pytest.raises(Invalid, match=said):
        open_source("sql", {"key_fields": ["id"], "base_url": "postgresql://a.example.com/b", **settings})


def test_a_query_with_words_in_quotes_and_casts_is_read(pg):
    pg.run('create table t (id int primary key, "for" text)')
    pg.run("insert into t values (1, 'delete; -- it'), (2, null)")
    query = """select id, "for", 'it''s; 5%' as said from t where coalesce("for", '') like '%it' and id::text <> :no"""
    found, _ = rows_of(pg, query=query, values={"no": "7"})
    assert found == [{"id": 1, "for": "delete; -- it", "said": "it's; 5%"}]


def test_nothing_is_changed_whatever_a_query_calls(pg):
    pg.run("create table t (id int primary key)")
    pg.run("create function f() returns int language sql volatile as 'insert into t values (1) returning id'")
    with pytest.raises(Refused, match="read-only"):
        run(pg, query="select f() as id")
    assert pg.run("select count(*) from t") == [(0,)]


def test_a_function_of_mariadb_that_writes_is_refused(maria):
    maria.run("create table t (id int primary key)")
    maria.run("create function f() returns int begin insert into t values (1); return 1; end")
    with pytest.raises((Refused, Retriable)):
        run(maria, query="select f() as id")
    assert maria.run("select count(*) from t") == ((0,),) or maria.run("select count(*) from t") == [(0,)]


@pytest.mark.parametrize(
    ("settings", "said"), [({"table": "nothing"}, "nothing"), ({"table": "sales", "change": "none"}, "none")]
)
def test_what_is_not_there_is_refused_in_words(database, settings, said):
    sales(database, 1)
    with pytest.raises(Refused, match=said):
        run(database, **settings)
    source = database.open(**settings)
    health = source.check(call=database.call())
    source.close()
    assert (health.ok, said in health.detail) == (False, True)


def test_two_columns_of_one_name_are_refused(database):
    sales(database, 1)
    with pytest.raises(Refused, match=r"Two columns|[Dd]uplicate|ambiguous"):
        run(database, query="select a.id, b.id from sales a join sales b on a.id = b.id")


def test_discovering_names_tables_keys_and_columns_of_change(database):
    sales(database, 1)
    source = database.open(table="sales")
    found = {one.name.rpartition(".")[2]: one for one in source.discover(call=database.call())}["sales"]
    source.close()
    assert (list(found.key_fields), list(found.change_fields)) == (["id"], ["changed"])
    assert list(found.fields) == ["id", "amount", "changed"]
