"""Query languages against the emulators of a CRM (SOQL) and of an ERP (SuiteQL)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import pytest

from kernel.errors import Invalid
from runtime.connectors.protocols import ConnectionFault, Refused, Retriable
from runtime.connectors.registry import open_source
from sandbox.client import Sandbox
from tests.runtime.connectors.conformance import HttpSourceConformance, call, read_all
from tests.runtime.connectors.server import Server

TOKEN = {"token": "sandbox"}
FRESH: dict[str, dict[str, Any]] = {"crm": {"batch": 10, "quota": True}, "suite": {"page": 7, "ceiling": 100_000}}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    state = tmp_path_factory.mktemp("queries")
    with Sandbox(state=state, ports={"crm": 0, "suite": 0}, seed=7) as sandbox:
        yield sandbox


@pytest.fixture
def crm(running: Sandbox) -> Iterator[Any]:
    running.crm.control(clear=True, release=True, set=FRESH["crm"])
    yield running.crm
    running.crm.control(clear=True, release=True, set=FRESH["crm"], auth="restore")


@pytest.fixture
def suite(running: Sandbox) -> Iterator[Any]:
    running.suite.control(clear=True, release=True, set=FRESH["suite"])
    yield running.suite
    running.suite.control(clear=True, release=True, set=FRESH["suite"], auth="restore")


@pytest.fixture
def circumstances() -> Any:
    return call(TOKEN)


@pytest.fixture
def wrong() -> Any:
    return call({"token": "another"})


def suiteql(url: str, **more: Any) -> dict[str, Any]:
    own = {"dialect": "suiteql", "table": "item", "fields": ["itemid"], "changed": "lastmodifieddate", "size": 7}
    return {"base_url": url, "auth": {"kind": "bearer"}, "overlap": 0, **own, **more}


def soql(url: str, **more: Any) -> dict[str, Any]:
    own = {"dialect": "soql", "table": "Account", "fields": ["Name"], "changed": "SystemModstamp", "size": 25}
    return {"base_url": url, "auth": {"kind": "bearer"}, "overlap": 0, **own, **more}


class TestSuiteQL(HttpSourceConformance):
    @pytest.fixture
    def make(self, suite: Any) -> Any:
        return lambda **more: open_source("query", suiteql(suite.url, **more))

    @pytest.fixture
    def fault(self, suite: Any) -> Any:
        return suite.fault

    @pytest.fixture
    def expected(self) -> list[str]:
        return [str(number * 3) for number in range(1, 41)]

    def test_more_rows_of_one_second_than_a_page_has_are_all_read(self, suite: Any, circumstances: Any) -> None:
        suite.control(set={"page": 2})
        with closing(open_source("query", suiteql(suite.url, size=2))) as source:
            pages = read_all(source, circumstances=circumstances)
        assert len({one.key for page in pages for one in page.records}) == 40

    def test_what_lies_behind_the_ceiling_of_one_query_is_read(self, suite: Any, circumstances: Any) -> None:
        suite.control(set={"ceiling": 14})
        with closing(open_source("query", suiteql(suite.url))) as source:
            pages = read_all(source, circumstances=circumstances)
        assert len([one for page in pages for one in page.records]) > 7

    def test_a_row_that_changes_during_the_run_hides_no_other(
        self, suite: Any, make: Any, circumstances: Any, expected: list[str]
    ) -> None:
        with closing(make()) as source:
            page = source.read(None, call=circumstances)
            seen = [one.key for one in page.records]
            suite.control(change={"id": seen[0]})
            while not page.done:
                page = source.read(page.cursor, call=circumstances)
                seen += [one.key for one in page.records]
            assert sorted(seen) == sorted([*expected, seen[0]])
            later = read_all(source, page.cursor, circumstances=circumstances)
        assert [one.key for page in later for one in page.records] == [seen[0]]

    def test_without_a_change_field_everything_is_read_by_id(
        self, suite: Any, circumstances: Any, expected: list[str]
    ) -> None:
        with closing(open_source("query", suiteql(suite.url, changed=None, where="itemid != 'Item 1'"))) as source:
            pages = read_all(source, circumstances=circumstances)
        assert [one.key for page in pages for one in page.records] == expected[1:]
        assert pages[-1].cursor == {}

    def test_a_column_that_is_not_there_is_said(self, suite: Any, circumstances: Any) -> None:
        source = open_source("query", suiteql(suite.url, fields=["colour"]))
        with pytest.raises(Refused, match="colour"):
            source.read(None, call=circumstances)
        source.close()


class TestSOQL(HttpSourceConformance):
    @pytest.fixture
    def make(self, crm: Any) -> Any:
        return lambda **more: open_source("query", soql(crm.url, **more))

    @pytest.fixture
    def fault(self, crm: Any) -> Any:
        return crm.fault

    @pytest.fixture
    def expected(self) -> list[str]:
        return [f"001{number:012}AAA" for number in range(1, 41) if number % 10]

    def test_a_batch_that_the_service_makes_smaller_than_was_asked_loses_nothing(
        self, crm: Any, circumstances: Any, expected: list[str]
    ) -> None:
        crm.control(set={"batch": 3})
        with closing(open_source("query", soql(crm.url))) as source:
            pages = read_all(source, circumstances=circumstances)
        assert sorted({one.key for page in pages for one in page.records}) == expected

    def test_what_was_deleted_comes_as_deleted_where_it_is_asked_for(self, crm: Any, circumstances: Any) -> None:
        with closing(open_source("query", soql(crm.url, deleted=True))) as source:
            records = [one for page in read_all(source, circumstances=circumstances) for one in page.records]
        assert len(records) == 40
        assert sorted(one.key[-5:] for one in records if one.deleted) == ["10AAA", "20AAA", "30AAA", "40AAA"]
        assert all(json.loads(one.payload)["IsDeleted"] == one.deleted for one in records)

    def test_a_later_run_asks_for_what_has_changed(self, crm: Any, make: Any, circumstances: Any) -> None:
        with closing(make()) as source:
            end = read_all(source, circumstances=circumstances)[-1].cursor
            crm.control(change={"Id": "001000000000005AAA"})
            later = read_all(source, end, circumstances=circumstances)
        assert "001000000000005AAA" in {one.key for page in later for one in page.records}

    def test_a_quota_that_is_used_up_is_a_fault_of_the_connection_or_what_a_rule_says(
        self, crm: Any, circumstances: Any
    ) -> None:
        crm.control(set={"quota": False})
        rule = {"says": "retry", "status": [403], "codes": ["REQUEST_LIMIT_EXCEEDED"], "wait": 3600}
        for more, expected in (({}, ConnectionFault), ({"reads": [rule]}, Retriable)):
            source = open_source("query", soql(crm.url, **more))
            with pytest.raises(expected, match="TotalRequests"):
                source.read(None, call=circumstances)
            source.close()


QUERIES = [
    (
        suiteql("", where="isinactive = 'F'"),
        "SELECT id, itemid, TO_CHAR(lastmodifieddate, 'YYYY-MM-DD\"T\"HH24:MI:SS') AS changed FROM item "
        "WHERE (isinactive = 'F') ORDER BY lastmodifieddate, id",
        {"id": "7", "changed": "2026-03-01T10:00:00"},
        "WHERE (isinactive = 'F') AND (lastmodifieddate > TO_DATE('2026-03-01T10:00:00', 'YYYY-MM-DD\"T\"HH24:MI:SS') "
        "OR (lastmodifieddate = TO_DATE('2026-03-01T10:00:00', 'YYYY-MM-DD\"T\"HH24:MI:SS') AND id > 7)) ORDER BY",
    ),
    (
        soql("", where="Type = 'Customer' OR Type = 'Partner'"),
        "SELECT Id, Name, SystemModstamp FROM Account WHERE (Type = 'Customer' OR Type = 'Partner') "
        "ORDER BY SystemModstamp, Id LIMIT 25",
        {"Id": "001x1", "SystemModstamp": "2026-03-01T10:00:00.000+0000"},
        "AND (SystemModstamp > 2026-03-01T10:00:00.000+0000 OR (SystemModstamp = 2026-03-01T10:00:00.000+0000 "
        "AND Id > '001x1')) ORDER BY",
    ),
]


@pytest.mark.parametrize(("settings", "first", "row", "behind"), QUERIES)
def test_a_query_asks_for_what_lies_behind_the_last_row_within_its_own_condition(
    settings: dict[str, Any], first: str, row: dict[str, str], behind: str
) -> None:
    rows = [[row], []]

    def says(seen: Any) -> Any:
        page = rows.pop(0)
        return 200, {}, {"items": page, "records": page, "hasMore": bool(page), "done": True, "totalSize": len(page)}

    with Server(says) as server, closing(open_source("query", {**settings, "base_url": server.url})) as source:
        read_all(source, circumstances=call(TOKEN))
    asked = [seen.json()["q"] if seen.method == "POST" else seen.query["q"] for seen in server.seen]
    assert asked[0] == first
    assert behind in asked[1]


LATER = [
    (suiteql, "2026-03-01T10:02:00", "lastmodifieddate >= TO_DATE('2026-03-01T10:00:00', 'YYYY-MM-DD\"T\"HH24:MI:SS')"),
    (soql, "2026-03-01T10:02:00.000+0000", "SystemModstamp >= 2026-03-01T10:00:00.000+00:00"),
    (soql, "2026-03-01T10:02:00.000Z", "SystemModstamp >= 2026-03-01T10:00:00.000Z"),
]


@pytest.mark.parametrize(("make", "since", "asked"), LATER)
def test_a_later_run_goes_back_by_the_overlap_in_the_form_of_the_vendor(make: Any, since: str, asked: str) -> None:
    empty = {"items": [], "records": [], "hasMore": False, "done": True}
    with Server(lambda seen: (200, {}, empty)) as server:
        source = open_source("query", make(server.url, overlap=120))
        source.read({"since": since}, call=call(TOKEN))
        source.close()
    (seen,) = server.seen
    assert f"({asked})" in (seen.json()["q"] if seen.method == "POST" else seen.query["q"])


def test_a_run_from_a_date_asks_in_the_form_of_the_vendor_and_early_enough_for_any_zone() -> None:
    moment = datetime(2026, 3, 2, 10, tzinfo=UTC)
    found = [open_source("query", make("http://127.0.0.1:1")).cursor_at(moment) for make in (suiteql, soql)]
    assert found == [{"since": "2026-03-01T10:00:00"}, {"since": "2026-03-02T10:00:00Z"}]


@pytest.mark.parametrize("value", ["7' OR '1'='1", "7 OR 1=1", "x; y", "7'"])
def test_a_value_of_a_row_cannot_change_the_query(value: str) -> None:
    page = {"items": [{"id": value, "changed": "2026-03-01T10:00:00"}], "hasMore": True}
    with Server(lambda seen: (200, {}, page)) as server:
        source = open_source("query", suiteql(server.url))
        with pytest.raises(Refused, match="cannot stand in a condition"):
            read_all(source, circumstances=call(TOKEN))
        source.close()
    assert len(server.seen) == 1


WRONG = [
    (suiteql, {"dialect": "sql"}, "/dialect"),
    (suiteql, {"table": "item; drop"}, "/table"),
    (suiteql, {"fields": ["id", "a b"]}, "/fields/1"),
    (suiteql, {"where": "a = 1 ORDER BY b"}, "/where"),
    (suiteql, {"where": "a = 1) OR (1 = 1"}, "/where"),
    (suiteql, {"where": "a = 'x"}, "/where"),
    (suiteql, {"where": "(a = 1"}, "/where"),
    (suiteql, {"where": "a = '{id}'"}, "/where"),
    (suiteql, {"deleted": True}, "/deleted"),
    (soql, {"changed": None, "initial": "2026-01-01"}, "/initial"),
    (soql, {"overlap": -1}, "/overlap"),
]


@pytest.mark.parametrize(("make", "more", "pointer"), WRONG)
def test_settings_that_cannot_work_are_refused_with_a_pointer(make: Any, more: dict[str, Any], pointer: str) -> None:
    with pytest.raises(Invalid) as refused:
        open_source("query", make("http://127.0.0.1:1", **more))
    assert [one["pointer"] for one in refused.value.findings] == [pointer]
