"""Paging by a key, and runs in slices: nothing is lost while rows change, and nothing is read without end. The witness
is the list of the server."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from kernel import clock
from runtime.connectors.protocols import Refused
from runtime.connectors.registry import open_source
from tests.runtime.connectors.conformance import call, read_all
from tests.runtime.connectors.server import Server

PAGED = {"strategy": "keyset", "keyset": {"fields": ["id"], "param": "where", "value": "id > {id}"}}


def source_of(server, **more):
    settings = {"base_url": server.url, "path": "/rows", "items": "data", "key_fields": ["id"]}
    return open_source("rest", {**settings, **more})


def keys_of(server, cursor=None, **more):
    source = source_of(server, **more)
    try:
        return [r.key for page in read_all(source, cursor, circumstances=call()) for r in page.records]
    finally:
        source.close()


def test_rows_that_come_and_go_while_pages_are_read_cost_no_other_row():
    rows = [{"id": n} for n in range(0, 400, 2)]

    def answer(seen):
        behind = int(seen.query.get("where", "id > -1").removeprefix("id > "))
        page = sorted((row for row in rows if row["id"] > behind), key=lambda row: row["id"])[:20]
        rows[:] = [row for row in rows if row["id"] not in (behind, behind - 2)]  # what was read goes away
        rows.append({"id": max(row["id"] for row in rows) + 1} if len(server.seen) < 5 else {"id": 1})
        return 200, {}, {"data": page}

    with Server(answer) as server:
        found = keys_of(server, paging=PAGED)
    assert set(map(str, range(0, 400, 2))) <= set(found)
    assert len(found) == len(set(found))


def test_a_service_that_gives_fewer_than_it_is_asked_for_is_read_to_its_end():
    def answer(seen):
        assert seen.query["limit"] == "500"
        behind = int(seen.query.get("where", "id > 0").removeprefix("id > "))
        return 200, {}, {"data": [{"id": n} for n in range(behind + 1, min(behind + 100, 1000) + 1)]}

    with Server(answer) as server:
        assert len(keys_of(server, paging={**PAGED, "size": 500})) == 1000


def test_a_service_that_ignores_the_condition_is_refused_instead_of_read_for_ever():
    rows = [{"id": 1}, {"id": 2}]
    with Server(lambda seen: (200, {}, {"data": rows})) as server, pytest.raises(Refused, match="never end") as told:
        keys_of(server, paging=PAGED)
    assert told.value.code == "rest.loop"


@pytest.mark.parametrize(
    ("quote", "name", "asked"),
    [
        ("single", "O'Neill", "name > 'O''Neill'"),
        ("double", 'say "x" \\', 'name > "say \\"x\\" \\\\"'),
        ("", "2026-01-01T00:00:00Z", "name > 2026-01-01T00:00:00Z"),
        ("single", 7, "name > 7"),
    ],
)
def test_a_text_of_the_vendor_is_quoted_and_never_changes_the_condition(quote, name, asked):
    given = {"fields": ["name"], "param": "q", "value": "name > {name}", "quote": quote}

    def answer(seen):
        return 200, {}, {"data": [] if "q" in seen.query else [{"id": 1, "name": name}]}

    with Server(answer) as server:
        assert keys_of(server, paging={"strategy": "keyset", "keyset": given}) == ["1"]
    assert server.seen[1].query["q"] == asked


@pytest.mark.parametrize("name", ["1 or 1=1", "a'b", "", None, True, ["x"], "a\nb", "x" * 2000])
def test_what_cannot_stand_in_a_condition_stops_the_run_in_words(name):
    given = {"fields": ["name"], "param": "q", "value": "name > {name}"}
    row = {"id": 1, "name": name}
    with Server(lambda seen: (200, {}, {"data": [row]})) as server, pytest.raises(Refused) as told:
        keys_of(server, paging={"strategy": "keyset", "keyset": given})
    assert told.value.code == "rest.shape"
    assert len(server.seen) == 1


def test_condition_and_changes_go_into_one_parameter():
    with Server(lambda seen: (200, {}, {"data": [] if "id >" in seen.query["where"] else [{"id": 3}]})) as server:
        changes = {"param": "where", "field": "at", "value": 'at >= "{since}"', "initial": "2026-01-01T00:00:00Z"}
        keys_of(server, paging=PAGED, changes=changes)
    assert server.seen[1].query["where"] == 'at >= "2026-01-01T00:00:00Z" and id > 3'


# -- slices and ends ------------------------------------------------------------------------------------------------


def stamp(moment):
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def test_a_run_in_slices_reads_each_row_once_and_asks_for_no_longer_span_than_the_window():
    now = clock.now()
    rows = [{"id": n, "at": stamp(now - timedelta(hours=n))} for n in range(1, 100, 3)]

    def answer(seen):
        since, until = (datetime.fromisoformat(seen.query[name]) for name in ("since", "until"))
        assert until - since <= timedelta(hours=24)
        found = [row for row in rows if since <= datetime.fromisoformat(row["at"]) < until]
        return 200, {}, {"data": found}

    feed = {
        "param": "since",
        "field": "at",
        "until_param": "until",
        "window": "24h",
        "initial": stamp(now - timedelta(hours=100)),
    }
    with Server(answer) as server:
        source = source_of(server, changes=feed)
        pages = read_all(source, circumstances=call())
        end = pages[-1].cursor
        assert sorted(int(r.key) for page in pages for r in page.records) == [row["id"] for row in rows]
        assert len(pages) == len(server.seen) == 5
        rows.append({"id": 1000, "at": stamp(now - timedelta(seconds=30))})
        again = [r.key for page in read_all(source, end, circumstances=call()) for r in page.records]
        source.close()
    assert again == ["1000"]
    assert len(server.seen) == 6, "what was read in slices is not asked for slice by slice again"


def test_a_run_ends_where_it_began_and_the_next_one_goes_on_from_there():
    with Server(lambda seen: (200, {}, {"data": [{"id": 1, "at": "2026-03-01T00:00:00Z"}]})) as server:
        source = source_of(server, changes={"param": "s", "field": "at", "until_param": "u", "literal": "seconds"})
        before = int(clock.now().timestamp())
        page = source.read(None, call=call())
        source.close()
    asked = server.seen[0].query
    assert "s" not in asked
    assert before <= int(asked["u"]) <= int(clock.now().timestamp())
    assert page.cursor == {"since": "2026-03-01T00:00:00Z"}


@pytest.mark.parametrize(
    ("literal", "asked"),
    [
        ("", "2026-03-01T11:58:00+02:00"),
        ("iso", "2026-03-01T09:58:00Z"),
        ("date", "2026-03-01"),
        ("seconds", "1772359080"),
        ("milliseconds", "1772359080000"),
        ("odata_v2", "datetimeoffset'2026-03-01T09:58:00Z'"),
    ],
)
def test_a_change_is_asked_for_in_the_form_that_the_parameter_has(literal, asked):
    with Server(lambda seen: (200, {}, {"data": []})) as server:
        source = source_of(server, changes={"param": "s", "field": "at", "literal": literal})
        source.read({"since": "2026-03-01T12:00:00+02:00"}, call=call())
        source.close()
    assert server.seen[0].query["s"] == asked


@pytest.mark.parametrize(
    ("operator", "since", "asked"),
    [
        ("ge", "2026-03-01T12:00:00Z", "2026-03-01T12:00:00Z"),
        ("gt", "2026-03-01T12:00:00Z", "2026-03-01T11:59:59Z"),
        ("gt", "41", "40"),
        ("gt", "2026-03-02", "2026-03-01"),
    ],
)
def test_greater_than_goes_back_by_one_so_that_rows_of_one_moment_are_not_lost(operator, since, asked):
    with Server(lambda seen: (200, {}, {"data": []})) as server:
        source = source_of(server, changes={"param": "s", "field": "at", "operator": operator, "overlap": 0})
        source.read({"since": since}, call=call())
        source.close()
    assert server.seen[0].query["s"] == asked


def test_a_reader_that_takes_up_a_run_in_slices_goes_on_in_its_slice():
    now = clock.now()

    def answer(seen):
        at = int(seen.query.get("cursor", 0))
        span = seen.query["since"]
        return 200, {}, {"data": [{"id": f"{span} {at}", "at": span}], "next": at + 1 if at < 1 else None}

    feed = {"param": "since", "field": "at", "until_param": "until", "window": "24h"}
    feed["initial"] = stamp(now - timedelta(hours=40))
    settings = {"changes": feed, "paging": {"strategy": "cursor", "next": "next"}}
    with Server(answer) as server:
        cursor, keys = None, []
        for _ in range(10):
            source = source_of(server, **settings)
            page = source.read(cursor, call=call())
            source.close()
            keys += [record.key for record in page.records]
            cursor = page.cursor
            if page.done:
                break
    assert page.done
    assert len(keys) == len(set(keys)) == 4
    assert set(page.cursor) == {"since"}
    assert all(re.match(r"\d{4}-", key) for key in keys)
