"""REST services that move rows, repeat pages, cap sizes, commit late, and answer in charsets and codings of their own.

Each test's server keeps its own journal; what was read is compared with what the server had.
"""

import gzip
import json
import zlib

import pytest

from runtime.connectors.protocols import Refused, Retriable
from runtime.connectors.registry import open_source
from tests.runtime.connectors.conformance import call, read_all
from tests.runtime.connectors.server import Server


def reader(server, **more):
    settings = {"base_url": server.url, "path": "/rows", "items": "data", "key_fields": ["id"]}
    return open_source("rest", {**settings, **more})


def keys_of(pages):
    return [record.key for page in pages for record in page.records]


def by_offset(rows, size, asked=None):
    def answer(seen):
        start = int(seen.query["offset"])
        if asked is not None:
            asked(start)
        return 200, {}, {"data": rows[start : start + min(size, int(seen.query.get("limit", size)))]}

    return answer


# -- paging ------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("moved", [1, 2, 9, 25])
def test_rows_that_move_to_the_end_during_the_run_hide_no_other(moved):
    """A changed row goes to the end; every row behind its old place moves up, over the edge of the next page."""
    rows = [{"id": f"r{n:03}", "v": 0} for n in range(60)]

    def change(start):
        if start > 0 and not any(row["v"] for row in rows):
            gone = rows[:moved]
            del rows[:moved]
            rows.extend({**row, "v": 1} for row in gone)

    with Server(by_offset(rows, 10, change)) as server:
        source = reader(server, paging={"strategy": "offset", "size": 10})
        pages = read_all(source, circumstances=call())
        source.close()
    assert set(keys_of(pages)) == {f"r{n:03}" for n in range(60)}


def test_rows_that_never_stand_still_end_the_run_with_a_reason():
    rows = [{"id": n} for n in range(10_000)]

    def everything_is_new(start):
        rows[:] = [{"id": row["id"] + 10_000} for row in rows]

    with Server(by_offset(rows, 100, everything_is_new)) as server:
        source = reader(server, paging={"strategy": "offset", "size": 100})
        with pytest.raises(Refused, match="move faster"):
            read_all(source, {"at": 9_000, "tail": {"gone": "x"}}, circumstances=call())
        source.close()


BROKEN = ['{"id":true,"n":%d}', '{"n":%d}', '{"id":"x%d","n":"\\ud800"}']


@pytest.mark.parametrize("broken", BROKEN)
@pytest.mark.parametrize("size", [1, 2, 5])
def test_rows_that_cannot_be_read_do_not_look_like_rows_that_move(broken, size):
    """Forty in a row, then one at every end of a page; each is rejected once."""
    bad = {*range(10, 50), *range(50, 150, size)}
    rows = [broken % n if n in bad else json.dumps({"id": n}) for n in range(200)]

    def answer(seen):
        start = int(seen.query["offset"])
        return 200, {}, ('{"data":[' + ",".join(rows[start : start + size + 1]) + "]}").encode()

    with Server(answer) as server:
        source = reader(server, paging={"strategy": "offset"})
        pages = read_all(source, circumstances=call(), limit=500)
        source.close()
    assert set(keys_of(pages)) == {str(n) for n in range(200) if n not in bad}
    assert [one.payload.decode() for page in pages for one in page.rejected] == [rows[n] for n in sorted(bad)]


def test_a_last_page_of_rows_that_cannot_be_read_ends_the_reading_by_page_number():
    pages = [[{"id": 1}], [{"id": 2}], [{"n": 3}]]
    with Server(lambda seen: (200, {}, {"data": pages[min(int(seen.query["page"]), 3) - 1]})) as server:
        source = reader(server, paging={"strategy": "page"})
        assert keys_of(read_all(source, circumstances=call(), limit=10)) == ["1", "2"]
        source.close()


def test_a_run_after_one_that_failed_because_rows_moved_begins_anew():
    rows = [{"id": n} for n in range(300)]
    cursor = {"at": 200, "tail": {"gone": "x"}, "back": 18, "since": "2026-03-01", "high": "2026-03-02"}
    with Server(by_offset(rows, 10)) as server:
        source = reader(server, paging={"strategy": "offset", "size": 10}, changes=CHANGES)
        pages = read_all(source, cursor, circumstances=call())
        source.close()
        assert server.seen[0].query == {"offset": "0", "limit": "10", "since": "2026-02-28"}
    assert set(keys_of(pages)) == {str(n) for n in range(300)}


def test_a_place_inside_of_a_run_that_cannot_be_found_again_is_left_for_the_beginning():
    """The steps back of the run that failed were never stored, so only the reading itself can show it."""
    rows = [{"id": n} for n in range(3000)]
    with Server(by_offset(rows, 10)) as server:
        source = reader(server, paging={"strategy": "offset", "size": 10})
        pages = read_all(source, {"at": 2500, "tail": {"gone": "x"}}, circumstances=call(), limit=1000)
        source.close()
    assert set(keys_of(pages)) == {str(n) for n in range(3000)}


def test_a_server_that_gives_fewer_than_asked_for_is_read_to_its_end():
    rows = [{"id": n} for n in range(1000)]
    with Server(by_offset(rows, 100)) as server:
        source = reader(server, paging={"strategy": "offset", "size": 500})
        assert len(set(keys_of(read_all(source, circumstances=call())))) == 1000
        source.close()


@pytest.mark.parametrize("strategy", ["offset", "page"])
def test_a_server_that_ignores_the_place_is_refused_instead_of_read_for_ever(strategy):
    with Server(lambda seen: (200, {}, {"data": [{"id": 1}, {"id": 2}]})) as server:
        source = reader(server, paging={"strategy": strategy})
        with pytest.raises(Refused, match="never end"):
            read_all(source, circumstances=call(), limit=10)
        source.close()


def test_a_server_that_gives_its_last_page_for_every_higher_number_is_read_to_its_end():
    pages = [[{"id": 1}, {"id": 2}], [{"id": 3}, {"id": 4}], [{"id": 5}]]
    with Server(lambda seen: (200, {}, {"data": pages[min(int(seen.query["page"]), 3) - 1]})) as server:
        source = reader(server, paging={"strategy": "page", "size": 2})
        assert sorted(set(keys_of(read_all(source, circumstances=call(), limit=10)))) == ["1", "2", "3", "4", "5"]
        source.close()


def test_a_circle_of_pages_is_refused():
    circle = {"c0": "c1", "c1": "c2", "c2": "c3", "c3": "c1"}
    with Server(
        lambda seen: (200, {}, {"data": [{"id": 1}], "next": circle[seen.query.get("cursor", "c0")]})
    ) as server:
        source = reader(server, paging={"strategy": "cursor", "next": "next"})
        with pytest.raises(Refused, match="never end"):
            read_all(source, circumstances=call(), limit=20)
        source.close()


# -- changes -----------------------------------------------------------------------------------------------------------
class Changes:
    def __init__(self, rows, *, strict=False):
        self.rows, self.strict = rows, strict

    def answer(self, seen):
        since = seen.query.get("since", "")
        found = [r for r in self.rows if (r["at"] > since if self.strict else r["at"] >= since)]
        return 200, {}, {"data": sorted(found, key=lambda r: r["at"])}


CHANGES = {"param": "since", "field": "at"}


def test_a_row_that_was_committed_late_with_an_earlier_time_is_read():
    service = Changes([{"id": 1, "at": "2026-03-01T10:00:00Z"}])
    with Server(service.answer) as server:
        source = reader(server, changes=CHANGES)
        end = read_all(source, circumstances=call())[-1].cursor
        service.rows.append({"id": 2, "at": "2026-03-01T09:59:30Z"})
        assert "2" in keys_of(read_all(source, end, circumstances=call()))
        source.close()


def test_ties_at_the_boundary_of_a_service_that_means_greater_are_read():
    service = Changes([{"id": 1, "at": "2026-03-01T10:00:00Z"}], strict=True)
    with Server(service.answer) as server:
        source = reader(server, changes=CHANGES)
        end = read_all(source, circumstances=call())[-1].cursor
        service.rows += [{"id": n, "at": "2026-03-01T10:00:00Z"} for n in range(2, 62)]
        assert len(set(keys_of(read_all(source, end, circumstances=call())))) == 61
        source.close()


@pytest.mark.parametrize(
    ("value", "asked"),
    [
        ("2026-03-01T10:00:00Z", "2026-03-01T09:58:00Z"),
        ("2026-03-01T10:00:00.500Z", "2026-03-01T09:58:00.500Z"),
        ("2026-03-01T00:00:00.123456+02:00", "2026-02-28T23:58:00.123456+02:00"),
        ("2026-03-01 10:00:00", "2026-03-01 09:58:00"),
        ("2026-03-01", "2026-02-28"),
        ("1000", "880"),
        ("5", "0"),
        ("AB-7", "AB-7"),
    ],
)
def test_the_overlap_keeps_the_form_in_which_the_service_writes(value, asked):
    with Server(lambda seen: (200, {}, {"data": []})) as server:
        source = reader(server, changes=CHANGES)
        source.read({"since": value}, call=call())
        source.close()
        assert server.seen[0].query["since"] == asked


def test_without_overlap_the_service_is_asked_for_the_last_value_itself():
    with Server(lambda seen: (200, {}, {"data": []})) as server:
        source = reader(server, changes={**CHANGES, "overlap": 0})
        source.read({"since": "2026-03-01"}, call=call())
        source.close()
        assert server.seen[0].query["since"] == "2026-03-01"


def end_of(rows, cursor=None, **changes):
    with Server(Changes(rows).answer) as server:
        source = reader(server, changes={**CHANGES, **changes})
        pages = read_all(source, cursor, circumstances=call())
        source.close()
    return pages[-1].cursor


FAR = [
    "2999-01-01T00:00:00Z",
    "2999-01-01T00:00:00",
    "2999-01-01 00:00:00",
    "2999-01-01",
    "2999-01-01T00:00:00.5+02:00",
]


@pytest.mark.parametrize("far", FAR)
def test_a_row_of_the_far_future_leaves_the_cursor_at_the_highest_time_that_can_be_true(far):
    good = "2026-03-01" + "T10:00:00Z"[: len(far) - 10]
    assert end_of([{"id": 1, "at": good}, {"id": 2, "at": far}]) == {"since": good}
    assert end_of([{"id": 2, "at": far}]) == {}
    assert end_of([{"id": 2, "at": far}], {"since": good}) == {"since": good}


@pytest.mark.parametrize("far", FAR)
def test_a_cursor_that_stands_in_the_far_future_begins_anew(far):
    assert end_of([{"id": 1, "at": "2026-03-01T10:00:00Z"}], {"since": far}) == {"since": "2026-03-01T10:00:00Z"}


@pytest.mark.parametrize("odd", ["N/A", "2026-13-45T00:00:00Z", "zzz", "\u0663", "99999999", ""])
def test_a_change_value_that_is_no_time_does_not_move_a_cursor_of_times(odd):
    good = "2026-03-01T10:00:00Z"
    assert end_of([{"id": 1, "at": good}, {"id": 2, "at": odd}]) == {"since": good}
    assert end_of([{"id": 2, "at": odd}], {"since": good}, overlap=0, initial=good) == {"since": good}


def test_a_change_value_that_is_no_number_does_not_move_a_cursor_of_numbers():
    for odd in ("N/A", "2026-03-01T10:00:00Z"):
        assert end_of([{"id": 1, "at": "41"}, {"id": 3, "at": "42"}, {"id": 2, "at": odd}]) == {"since": "42"}
        assert end_of([{"id": 2, "at": odd}], {"since": "1"}) == {"since": "1"}


def test_a_cursor_that_is_no_time_gives_way_to_one_that_is():
    with Server(lambda seen: (200, {}, {"data": [{"id": 1, "at": "2026-03-01T10:00:00Z"}]})) as server:
        source = reader(server, changes=CHANGES)
        page = source.read({"since": "N/A"}, call=call())
        source.close()
    assert page.cursor == {"since": "2026-03-01T10:00:00Z"}


def test_times_of_several_offsets_are_compared_as_times():
    early, late = "2026-03-01T10:00:00+02:00", "2026-03-01T09:30:00+00:00"
    assert end_of([{"id": 1, "at": early}, {"id": 2, "at": late}]) == {"since": late}


# -- rows and charsets -------------------------------------------------------------------------------------------------
ODD = {
    "half a surrogate pair": b'{"id":"odd","n":"\\ud800"}',
    "half a pair and a quote": b'{"id":"odd","n":"\\ud800\\""}',
    "a NUL": b'{"id":"odd","n":"\\u0000"}',
    "a raw NUL": b'{"id":"odd","n":"a\x00b"}',
    "a raw line end": b'{"id":"odd","n":"a\nb"}',
    "a number out of range": b'{"id":"odd","n":1e400,"m":"\\ud800"}',
    "bytes of another charset": b'{"id":"odd","n":"K\xe4se"}',
    "Infinity": b'{"id":"odd","n":-Infinity}',
    "endless lists": b'{"id":"odd","n":' + b"[" * 1200 + b'"]\\"["' + b"]" * 1200 + b"}",
    "endless objects and a half pair": b'{"n":' + b'{"n":' * 5000 + b'"\\ud800"' + b"}" * 5000 + b',"id":"odd"}',
}


@pytest.mark.parametrize("odd", ODD)
def test_a_row_that_cannot_be_read_is_rejected_and_its_neighbours_are_read(odd):
    body = b'{"data":[{"id":"a","t":"\\ud83d\\ude00"},' + ODD[odd] + b',{"id":"b","t":"K\xc3\xa4se"}]}'
    with Server(lambda seen: (200, {"Content-Type": "application/json"}, body)) as server:
        source = reader(server)
        page = source.read(None, call=call())
        source.close()
    assert [r.key for r in page.records] == ["a", "b"]
    assert page.records[1].payload == b'{"id":"b","t":"K\xc3\xa4se"}'
    assert [(r.key, r.payload) for r in page.rejected] == [("odd", ODD[odd])]


def answered(body, content_type="application/json", **settings):
    with Server(lambda seen: (200, {"Content-Type": content_type}, body)) as server:
        source = reader(server, **settings)
        try:
            return source.read(None, call=call())
        finally:
            source.close()


TEXT = '{"data":[{"id":"1","n":"Käse €"}]}'


@pytest.mark.parametrize(
    ("body", "content_type", "settings"),
    [
        (TEXT.encode(), "application/json", {}),
        (TEXT.encode("utf-8-sig"), "application/json", {}),
        (TEXT.encode("utf-16"), "application/json", {}),
        (TEXT.encode("utf-16-le"), "application/json", {}),
        (TEXT.encode("utf-16-be"), "application/json; charset=utf-16be", {}),
        (TEXT.encode("utf-32"), "application/json", {}),
        (TEXT.encode("iso-8859-15"), "application/json; charset=iso-8859-15", {}),
        (TEXT.encode("cp1252"), 'application/json;charset="windows-1252"', {}),
        (TEXT.encode("cp1252"), "application/json", {"charset": "cp1252"}),
        (TEXT.encode("cp1252"), "application/json; charset=iso-8859-1", {"charset": "cp1252"}),
    ],
)
def test_declared_charsets_and_byte_order_marks_are_decoded(body, content_type, settings):
    page = answered(body, content_type, **settings)
    assert [json.loads(r.payload)["n"] for r in page.records] == ["Käse €"]


def test_utf8_that_is_declared_as_something_else_is_utf8_and_says_so():
    page = answered(TEXT.encode(), "application/json; charset=iso-8859-1")
    assert json.loads(page.records[0].payload)["n"] == "Käse €"
    assert "iso-8859-1" in page.warnings[0]


def test_a_charset_that_cannot_be_the_right_one_rejects_the_rows_that_show_it():
    rows = '{"data":[{"id":"1","n":"Käse"},{"id":"2","n":"5 €"}]}'
    page = answered(rows.encode("cp1252"), "application/json; charset=iso-8859-1")
    assert [json.loads(r.payload)["n"] for r in page.records] == ["Käse"]
    assert "cp1252" in page.rejected[0].reason


def test_a_charset_that_nobody_knows_is_refused_with_what_to_do():
    with pytest.raises(Refused, match="set 'charset'"):
        answered(TEXT.encode("cp1252"), "application/json; charset=x-none")


@pytest.mark.parametrize("key", ["true", '{"a":1}', "[1]"])
def test_a_key_that_is_no_text_or_number_is_rejected(key):
    page = answered(b'{"data":[{"id":' + key.encode() + b'},{"id":7}]}')
    assert [r.key for r in page.records] == ["7"]
    assert "key field" in page.rejected[0].reason


# -- codings -----------------------------------------------------------------------------------------------------------
RAW = zlib.compressobj(wbits=-15)
CODED = {
    "gzip": ("gzip", gzip.compress(TEXT.encode())),
    "x-gzip": ("x-gzip", gzip.compress(TEXT.encode())),
    "several members": ("gzip", b"".join(gzip.compress(TEXT.encode()[i : i + 9]) for i in range(0, 99, 9))),
    "padding behind": ("GZIP", gzip.compress(TEXT.encode()) + b"\0" * 512),
    "deflate": ("deflate", zlib.compress(TEXT.encode())),
    "raw deflate": ("deflate", RAW.compress(TEXT.encode()) + RAW.flush()),
}


@pytest.mark.parametrize("coding", CODED)
def test_compressed_answers_of_every_kind_are_unpacked(coding):
    name, body = CODED[coding]
    with Server(lambda seen: (200, {"Content-Encoding": name}, body)) as server:
        source = reader(server)
        page = source.read(None, call=call())
        source.close()
    assert json.loads(page.records[0].payload)["n"] == "Käse €"


@pytest.mark.parametrize("cut", [-1, -9, 3])
def test_a_compressed_answer_that_is_cut_is_not_taken_for_whole(cut):
    body = (gzip.compress(TEXT.encode()[:20]) + gzip.compress(TEXT.encode()[20:]))[:cut]
    with Server(lambda seen: (200, {"Content-Encoding": "gzip"}, body)) as server:
        source = reader(server)
        with pytest.raises(Retriable, match="broke off"):
            source.read(None, call=call())
        source.close()


def test_many_small_members_do_not_get_past_the_limit_of_an_answer():
    body = gzip.compress(b" " * 100_000) * 50
    with Server(lambda seen: (200, {"Content-Encoding": "gzip"}, body)) as server:
        source = reader(server, max_response=1_000_000)
        with pytest.raises(Refused, match="larger than"):
            source.read(None, call=call())
        source.close()
