"""OData V2 with change stamps as services really keep them: none, finer than what is shown, one for thousands of rows.

The service is scripted: it keeps rows, understands the filters that are asked, and counts what it was asked.
"""

import json
import re

import pytest

from runtime.connectors.protocols import Refused
from runtime.connectors.registry import open_source
from tests.runtime.connectors.conformance import call, read_all
from tests.runtime.connectors.server import Server

_STAMP = r"datetimeoffset'1970-01-01T00:(\d\d):(\d\d)(?:\.(\d{3}))?Z'"


def _ms(found):
    minutes, seconds, thousandths = found.groups()
    return (int(minutes) * 60 + int(seconds)) * 1000 + int(thousandths or 0)


class Service:
    """`rows`: key → microseconds of its change, None for none. Shows milliseconds; sorts by what it keeps."""

    def __init__(self, rows, *, size=50, nulls_first=True):
        self.rows, self.size, self.nulls_first = dict(rows), size, nulls_first

    def answer(self, seen):
        asked = seen.query.get("$filter", "")
        rows = [(key, at) for key, at in self.rows.items() if self._fits(asked, key, at)]
        none = -1 if self.nulls_first else 1 << 60
        by_stamp = seen.query["$orderby"].startswith("changed")
        rows.sort(key=lambda row: ((none if row[1] is None else row[1]) if by_stamp else 0, row[0]))
        page = [
            {"id": key, "changed": None if at is None else f"/Date({at // 1000}+0000)/"}
            for key, at in rows[: self.size]
        ]
        more = {"__next": "more"} if len(rows) > self.size else {}
        return 200, {}, {"d": {"results": page, **more}}

    def _fits(self, asked, key, at):
        if "changed eq null" in asked and at is not None:
            return False
        if "changed ne null" in asked and at is None:
            return False
        if (found := re.search("changed ge " + _STAMP, asked)) and (at is None or at < _ms(found) * 1000):
            return False
        if (found := re.search("changed lt " + _STAMP, asked)) and at >= _ms(found) * 1000:
            return False
        if found := re.search(r"id gt '(\w+)'", asked):
            return key > found[1]
        return True


def reader(server, **more):
    settings = {"base_url": server.url, "service": "s", "entity_set": "Rows", "key_fields": ["id"], "overlap": 0.0}
    return open_source("odata_v2", {**settings, "changed": "changed", **more})


CASES = {
    "more rows than a page in one stamp": {f"k{n:04}": 60_000_000 for n in range(150)},
    "stamps one microsecond apart": {f"k{(n * 37) % 150:04}": 60_000_000 + n for n in range(150)},
    "stamps ten microseconds apart, keys against the order": {
        f"k{999 - n:04}": 60_000_000 + 10 * n for n in range(300)
    },
    "stamps of whole seconds": {f"k{n:04}": (n // 40) * 1_000_000 for n in range(400)},
    "a page ends inside of a millisecond": {f"k{n:04}": 60_000_000 + (n // 3) * 1_000 + n % 3 for n in range(200)},
    "many without a stamp": {f"k{n:04}": None if n < 120 else n * 1_000_000 for n in range(300)},
    "none with a stamp": {f"k{n:04}": None for n in range(120)},
}


@pytest.mark.parametrize("nulls_first", [True, False], ids=["nulls first", "nulls last"])
@pytest.mark.parametrize("size", [pytest.param(1, marks=pytest.mark.thorough), 7, 50])
@pytest.mark.parametrize("case", CASES)
def test_every_row_is_read_whatever_its_stamp(case, size, nulls_first):
    service = Service(CASES[case], size=size, nulls_first=nulls_first)
    with Server(service.answer) as server:
        source = reader(server)
        pages = read_all(source, circumstances=call(), limit=2000)
        source.close()
    read = [record.key for page in pages for record in page.records]
    assert set(read) == set(service.rows)
    assert not any(page.rejected for page in pages)


@pytest.mark.parametrize("size", [1, 50])
def test_a_stamp_of_the_far_future_leaves_the_cursor_at_the_highest_that_can_be_true(size):
    far = 32_503_680_000_000_000
    service = Service({"a": 1_000_000, "b": 2_000_000, "far": far}, size=size)

    def answer(seen):
        asked = seen.query.get("$filter", "")
        return (200, {}, {"d": {"results": []}}) if "3000-" in asked else service.answer(seen)

    with Server(answer) as server:
        source = reader(server)
        assert read_all(source, circumstances=call())[-1].cursor["changed"] == 2000
        service.rows = {"far": far}
        assert "changed" not in read_all(source, circumstances=call())[-1].cursor
        source.close()


def test_a_stamp_that_no_calendar_holds_is_a_reject():
    rows = [{"id": "odd", "changed": "/Date(999999999999999)/"}, {"id": "good", "changed": "/Date(1000)/"}]
    with Server(lambda seen: (200, {}, {"d": {"results": rows}})) as server:
        source = reader(server)
        page = source.read(None, call=call())
        source.close()
    assert [one.key for one in page.rejected] == ["odd"]
    assert [one.key for one in page.records] == ["good"]
    assert page.cursor == {"changed": 1000}


def test_rows_without_a_stamp_are_read_again_by_every_run_that_knows_of_them():
    service = Service({"a": None, "b": 1_000_000, "c": 2_000_000})
    with Server(service.answer) as server:
        source = reader(server)
        end = read_all(source, circumstances=call())[-1].cursor
        assert end == {"changed": 2000, "nulls": True}
        service.rows["d"] = None
        again = [r.key for page in read_all(source, end, circumstances=call()) for r in page.records]
        source.close()
    assert again == ["a", "d", "c"]


def test_a_row_that_changes_within_the_millisecond_is_not_taken_for_known():
    service = Service({f"k{n:02}": 60_000_000 for n in range(3)}, size=2)
    with Server(service.answer) as server:
        source = reader(server, changed="changed")
        page = source.read(None, call=call())
        assert page.cursor["mode"] == "within"
        page = source.read({**page.cursor, "seen": {"k00": "another content"}}, call=call())
        source.close()
    assert "k00" in [record.key for record in page.records]


def test_a_cursor_of_an_earlier_release_inside_of_a_run_goes_on():
    service = Service({f"k{n:02}": n * 1_000_000 for n in range(20)}, size=4)
    with Server(service.answer) as server:
        source = reader(server)
        pages = read_all(source, {"changed": 7000, "keys": ["k07"]}, circumstances=call())
        source.close()
    assert {r.key for page in pages for r in page.records} == {f"k{n:02}" for n in range(7, 20)}


def test_by_itself_a_new_run_goes_back_two_minutes_for_rows_that_were_committed_late():
    service = Service({"a": 600_000_000})
    with Server(service.answer) as server:
        settings = {"base_url": server.url, "service": "s", "entity_set": "Rows", "key_fields": ["id"]}
        source = open_source("odata_v2", {**settings, "changed": "changed"})
        end = read_all(source, circumstances=call())[-1].cursor
        service.rows["late"] = 590_000_000
        late = [r.key for page in read_all(source, end, circumstances=call()) for r in page.records]
        source.close()
    assert "late" in late


def test_a_service_that_cannot_be_asked_for_rows_without_a_stamp_is_read_all_the_same():
    service = Service({f"k{n}": n * 1_000_000 for n in range(9)}, size=4)

    def answer(seen):
        if "eq null" in seen.query.get("$filter", ""):
            return 400, {}, {"error": {"code": "x", "message": {"lang": "en", "value": "no null here"}}}
        return service.answer(seen)

    with Server(answer) as server:
        source = reader(server)
        pages = read_all(source, circumstances=call())
        source.close()
    assert len({r.key for page in pages for r in page.records}) == 9
    assert "no null here" in pages[-1].warnings[0]
    assert pages[-1].cursor == {"changed": 8000}


def test_a_service_that_ignores_the_filter_is_refused_instead_of_read_for_ever():
    rows = [{"id": f"k{n}", "changed": f"/Date({n * 1000})/"} for n in range(3)]
    with Server(lambda seen: (200, {}, {"d": {"results": rows, "__next": "more"}})) as server:
        source = reader(server)
        with pytest.raises(Refused, match="never end"):
            read_all(source, circumstances=call(), limit=10)
        source.close()


ODD = {
    "half a surrogate pair": b'{"id":"odd","changed":"/Date(1000)/","n":"\\ud800"}',
    "a NUL": b'{"id":"odd","changed":"/Date(1000)/","n":"\\u0000"}',
    "a raw control character": b'{"id":"odd","changed":"/Date(1000)/","n":"a\x01b"}',
    "a wrong escape": b'{"id":"odd","changed":"/Date(1000)/","n":"\\x41"}',
    "bytes of another charset": b'{"id":"odd","changed":"/Date(1000)/","n":"K\xe4se"}',
    "NaN": b'{"id":"odd","changed":"/Date(1000)/","n":NaN}',
    "endless nesting": b'{"id":"odd","n":' + b"[" * 1200 + b"]" * 1200 + b',"changed":"/Date(1000)/"}',
}


@pytest.mark.parametrize("odd", ODD)
def test_a_row_that_cannot_be_read_is_rejected_and_its_page_read_on(odd):
    good = json.dumps({"id": "good", "changed": "/Date(2000)/"}).encode()
    first = b'{"d":{"results":[' + ODD[odd] + b'],"__next":"x"}}'
    second = b'{"d":{"results":[' + good + b"]}}"
    answers = iter([first, second])
    with Server(lambda seen: (200, {"Content-Type": "application/json"}, next(answers))) as server:
        source = reader(server)
        page = source.read(None, call=call())
        assert [(one.key, one.payload) for one in page.rejected] == [("odd", ODD[odd])]
        pages = [source.read({"mode": "main", "at": 1000}, call=call())]
        source.close()
    assert [r.key for p in pages for r in p.records] == ["good"]
