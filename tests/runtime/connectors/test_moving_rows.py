"""Rows that go away or move while a collection is read by page number or offset, and services that say how many rows
they have. The witness is the list of the server itself."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from runtime.connectors.protocols import Refused
from runtime.connectors.registry import open_source
from tests.runtime.connectors.conformance import call, read_all
from tests.runtime.connectors.server import Server
from tests.runtime.connectors.test_rest_faults import keys_of

STAMP = "2026-03-01T10:00:00Z"


class Shop:
    """A collection of rows with one stamp, which changes between two calls as the test says. `calls` counts them."""

    def __init__(self, count, size, change=None, total=None):
        self.rows = [{"id": n, "at": STAMP} for n in range(count)]
        self.size, self.change, self.total, self.calls, self.starts = size, change, total, 0, []

    def answer(self, seen):
        self.calls += 1
        start = int(seen.query["offset"]) if "offset" in seen.query else (int(seen.query["page"]) - 1) * self.size
        self.starts.append(start)
        page = self.rows[start : start + self.size]
        total = len(self.rows) if self.total is None else self.total
        if self.change is not None:
            self.change(self)
        return 200, {"X-Total": str(total)}, {"data": page, "meta": {"total": total}}


def reader(server, strategy, **paging):
    settings = {"base_url": server.url, "path": "/rows", "items": "data", "key_fields": ["id"]}
    return open_source("rest", {**settings, "paging": {"strategy": strategy, **paging}})


def read(shop, strategy, cursor=None, **paging):
    return read_from(shop.answer, strategy, cursor, **paging)


def read_from(answer, strategy, cursor=None, **paging):
    with Server(answer) as server:
        source = reader(server, strategy, **paging)
        try:
            return read_all(source, cursor, circumstances=call(), limit=500)
        finally:
            source.close()


def gone(number, at):
    """So many of the first rows go away once, before the call with that number."""

    def change(shop):
        if shop.calls == at - 1:
            del shop.rows[:number]

    return change


@pytest.mark.parametrize("strategy", ["page", "offset"])
@pytest.mark.parametrize("at", [2, 3, 4, 5, 6, 7, 8, 9])
@pytest.mark.parametrize("number", [1, 5, 7, 13])
def test_rows_that_go_away_while_pages_are_read_hide_no_other(strategy, at, number):
    shop = Shop(20, 5, gone(number, at))
    found = set(keys_of(read(shop, strategy)))
    assert {str(row["id"]) for row in shop.rows} <= found


@pytest.mark.parametrize("strategy", ["page", "offset"])
def test_a_row_that_goes_away_at_every_other_call_hides_no_other(strategy):
    def change(shop):
        if shop.calls % 2 and shop.calls < 16:
            del shop.rows[:1]

    shop = Shop(60, 5, change)
    assert {str(row["id"]) for row in shop.rows} <= set(keys_of(read(shop, strategy)))


def test_the_last_row_that_slips_into_a_page_that_was_read_is_found_behind_an_empty_page():
    shop = Shop(11, 10, gone(1, 2))
    assert "10" in keys_of(read(shop, "page"))


@pytest.mark.parametrize("sizes", [[1], [4, 1], [4, 1, 1, 3], [3, 1, 5], [2, 1]])
@pytest.mark.parametrize("change", [None, 2, 3, 4, 5, 6, 7, 8, 9, 12])
def test_a_page_of_one_row_in_the_middle_is_no_end(sizes, change):
    """A service that fills its pages by bytes gives what fits, sometimes one row."""
    shop = Shop(12, 4, gone(1, change) if change else None)

    def answer(seen):
        shop.size = sizes[shop.calls % len(sizes)]
        return shop.answer(seen)

    found = set(keys_of(read_from(answer, "offset")))
    assert {str(row["id"]) for row in shop.rows} <= found


def test_a_page_of_one_row_is_no_end_while_the_service_says_that_there_is_more():
    rows = [{"id": n, "at": STAMP} for n in range(6)]

    def answer(seen):
        start = int(seen.query["offset"])
        return 200, {}, {"data": rows[start : start + 1], "hasMore": start + 1 < len(rows)}

    for more in ({"more": "hasMore"}, {}):
        assert len(set(keys_of(read_from(answer, "offset", **more)))) == 6


@pytest.mark.parametrize(
    ("strategy", "page"),
    [
        ("offset", {"total": 12}),
        ("page", {"total": 12}),
        ("offset", {"hasMore": True}),
        ("cursor", {"next": "abc"}),
        ("next", {"next": "/rows?page=2"}),
        ("link", {}),
    ],
)
def test_no_content_in_the_place_of_a_page_that_was_promised_is_no_end(strategy, page):
    def answer(seen):
        if seen.query.get("offset") == "4" or set(seen.query) & {"cursor"} or seen.query.get("page") == "2":
            return 204, {}, b""
        link = {"Link": '</rows?page=2>; rel="next"'} if strategy == "link" else {}
        return 200, link, {"data": [{"id": n} for n in range(5)], **page}

    settings = {"total": "total"} if "total" in page else {}
    with pytest.raises(Refused) as refused:
        read_from(answer, strategy, **settings)
    assert refused.value.code == "rest.incomplete"


@pytest.mark.parametrize("strategy", ["offset", "page"])
def test_no_content_behind_the_last_row_is_the_end(strategy):
    def answer(seen):
        start = int(seen.query["offset"]) if strategy == "offset" else (int(seen.query["page"]) - 1) * 5
        rows = [{"id": n} for n in range(start, 10)[:5]]
        return (200, {}, {"data": rows, "total": 10}) if rows else (204, {}, b"")

    assert len(set(keys_of(read_from(answer, strategy, total="total")))) == 10


def test_a_cursor_on_the_last_page_is_no_more_where_the_page_says_so():
    def answer(seen):
        start = int(seen.query.get("cursor", "0"))
        end = min(start + 4, 9)
        return 200, {}, {"data": [{"id": n} for n in range(start, end)], "cursor": str(end), "has_more": end < 9}

    with pytest.raises(Refused, match="read already"):
        read_from(answer, "cursor", next="cursor")
    assert len(keys_of(read_from(answer, "cursor", next="cursor", more="has_more"))) == 9


@pytest.mark.parametrize("strategy", ["page", "offset"])
def test_rows_that_come_in_front_cost_a_repetition_and_nothing_else(strategy):
    def change(shop):
        if shop.calls == 2:
            shop.rows[:0] = [{"id": 100 + n, "at": STAMP} for n in range(3)]

    shop = Shop(30, 5, change)
    pages = read(shop, strategy)
    assert {str(n) for n in range(30)} <= set(keys_of(pages))
    assert shop.calls < 20


def test_pages_that_move_all_the_time_end_the_run_with_a_reason():
    def change(shop):
        shop.rows[:] = [{"id": row["id"] + 1_000, "at": STAMP} for row in shop.rows]

    shop = Shop(100, 5, change)
    with pytest.raises(Refused, match="move faster") as told:
        read(shop, "page", {"at": 15, "tail": {"gone": "x"}, "page": "y", "back": 0})
    assert "by page number" in str(told.value)


def test_a_run_that_takes_up_a_place_among_moved_pages_begins_anew():
    shop = Shop(300, 5)
    pages = read(shop, "page", {"at": 50, "tail": {"gone": "x"}, "page": "y"})
    assert set(keys_of(pages)) == {str(n) for n in range(300)}


def test_where_rows_never_go_away_each_page_is_asked_for_once():
    shop = Shop(20, 5)
    assert len(keys_of(read(shop, "page", append_only=True))) == 20
    assert shop.calls == 5
    checked = Shop(20, 5)
    read(checked, "page")
    assert checked.calls == 9


# -- totals ------------------------------------------------------------------------------------------------------------
TOTALS = [{"total": "meta.total"}, {"total_header": "X-Total"}]


@pytest.mark.parametrize("total", TOTALS)
@pytest.mark.parametrize("strategy", ["page", "offset"])
def test_fewer_rows_than_the_service_says_that_it_has_are_read_once_more_and_then_refused(strategy, total):
    """A service that leaves out a row, or stops giving pages early."""
    shop = Shop(20, 5, total=23)
    with pytest.raises(Refused, match="says that it has 23 rows, and gave 20") as told:
        read(shop, strategy, **total)
    assert told.value.code == "rest.incomplete"
    assert shop.calls > 9


@pytest.mark.parametrize("total", TOTALS)
@pytest.mark.parametrize("strategy", ["page", "offset"])
def test_what_is_there_on_the_second_reading_is_read_and_the_run_says_so(strategy, total):
    def change(shop):
        if shop.starts[-1] == 0 and len(shop.starts) > 4:
            shop.total = None

    shop = Shop(20, 5, change, total=21)
    pages = read(shop, strategy, **total)
    assert set(keys_of(pages)) == {str(n) for n in range(20)}
    assert any("21" in said for page in pages for said in page.warnings)


def test_a_run_after_an_incomplete_one_begins_anew_with_what_it_asked_for_before():
    shop = Shop(20, 5)
    pages = read(shop, "page", {"at": 4, "again": 1, "count": 3, "tail": {"14": "x"}, "page": "y"}, total="meta.total")
    assert len(set(keys_of(pages))) == 20


def test_a_page_without_the_total_that_is_promised_says_that_nothing_proves_the_reading():
    pages = read(Shop(3, 5), "page", total="meta.count")
    assert any("meta.count" in said for page in pages for said in page.warnings)


@pytest.mark.parametrize("told", ["items 0-4/9", "9", "*/9"])
def test_the_total_of_a_range_is_understood(told):
    def answer(seen):
        return (
            200,
            {"Content-Range": told},
            {"data": [{"id": n} for n in range(9)] if seen.query["page"] == "1" else []},
        )

    with Server(answer) as server:
        source = reader(server, "page", total_header="Content-Range")
        assert len(set(keys_of(read_all(source, circumstances=call())))) == 9
        source.close()


def test_one_answer_that_holds_less_than_it_says_is_refused():
    with Server(lambda seen: (200, {}, {"data": [{"id": 1}], "total": 1000})) as server:
        source = reader(server, "none", total="total")
        with pytest.raises(Refused, match="gave 1"):
            read_all(source, circumstances=call())
        source.close()


# -- the whole, once in a while ----------------------------------------------------------------------------------------
def changes(server, **more):
    feed = {"param": "since", "field": "at", **more}
    settings = {"base_url": server.url, "path": "/rows", "items": "data", "key_fields": ["id"], "changes": feed}
    return open_source("rest", settings)


def since_asked(server):
    return [seen.query.get("since") for seen in server.seen]


def test_a_source_may_be_read_in_full_once_in_a_while():
    with Server(lambda seen: (200, {}, {"data": [{"id": 1, "at": STAMP}]})) as server:
        source = changes(server, full_every="24h")
        end = read_all(source, circumstances=call())[-1].cursor
        read_all(source, end, circumstances=call())
        read_all(source, {**end, "full": "2026-01-01T00:00:00+00:00"}, circumstances=call())
        read_all(source, {"since": STAMP}, circumstances=call())
        source.close()
        assert since_asked(server) == [None, "2026-03-01T09:58:00Z", None, None]
    assert end["since"] == STAMP


def test_without_that_a_cursor_is_as_it_was():
    with Server(lambda seen: (200, {}, {"data": [{"id": 1, "at": STAMP}]})) as server:
        source = changes(server)
        assert read_all(source, circumstances=call())[-1].cursor == {"since": STAMP}
        source.close()


# -- rows that change while they are read ------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "form", ["{:%Y-%m-%dT%H:%M:%SZ}", "{:%Y-%m-%dT%H:%M:%S.000+00:00}", "{:%Y-%m-%dT%H:%M:%S}+02:00"]
)
def test_a_row_that_changed_and_moved_forward_during_a_long_run_is_asked_for_by_the_next_one(form):
    """Row 7 of the second page changes after the first page was read, and comes in front of it; a row behind changes
    an hour later, and is read. By the clock of the service the run began before both."""
    began = datetime(2026, 3, 1, 10, tzinfo=UTC)
    zone = timedelta(hours=2) if form.endswith("+02:00") else timedelta(0)

    def stamp(minutes):
        return form.format(began + timedelta(minutes=minutes) + zone)

    rows = [{"id": n, "at": stamp(-60)} for n in range(20)]

    def answer(seen):
        start = (int(seen.query["page"]) - 1) * 5
        page = rows[start : start + 5]
        if start == 0 and len(page) == 5 and rows[0]["id"] == 0:
            rows.insert(0, {**rows.pop(7), "at": stamp(10)})
            rows[-1] = {**rows[-1], "at": stamp(70)}
        return 200, {"Date": format_datetime(began, usegmt=True)}, {"data": page}

    with Server(answer) as server:
        settings = {"base_url": server.url, "path": "/rows", "items": "data", "key_fields": ["id"]}
        feed = {"param": "since", "field": "at"}
        source = open_source("rest", {**settings, "paging": {"strategy": "page"}, "changes": feed})
        pages = read_all(source, circumstances=call())
        source.close()
    assert "7" not in keys_of(pages)
    assert pages[-1].cursor == {"since": stamp(0)}


@pytest.mark.parametrize(
    ("since", "asked"),
    [
        ("2026-10-25T02:50:00", "2026-10-25T01:48:00"),
        ("2026-10-25 03:10:00", "2026-10-25 02:08:00"),
        ("2026-10-25T02:50:00+02:00", "2026-10-25T02:48:00+02:00"),
        ("2026-10-25T12:00:00", "2026-10-25T11:58:00"),
    ],
)
def test_times_without_a_zone_go_back_over_the_hour_that_comes_twice(since, asked):
    """A row that changes at 02:10 for the second time lies before 02:50 of the first."""
    with Server(lambda seen: (200, {}, {"data": []})) as server:
        source = changes(server)
        source.read({"since": since}, call=call())
        source.close()
        assert since_asked(server) == [asked]


# -- positions that the service gives ----------------------------------------------------------------------------------
def by_position(answer, strategy, **more):
    with Server(answer) as server:
        settings = {"base_url": server.url, "path": "/rows", "items": "data", "key_fields": ["id"], **more}
        source = open_source("rest", {**settings, "paging": {"strategy": strategy, "next": "next"}})
        try:
            return keys_of(read_all(source, circumstances=call(), limit=50))
        finally:
            source.close()


@pytest.mark.parametrize("strategy", ["cursor", "next", "link"])
def test_a_service_that_gives_the_same_rows_under_ever_new_positions_is_refused(strategy):
    asked = []

    def answer(seen):
        asked.append(seen)
        at = f"/rows?p={len(asked)}"
        return 200, {"Link": f'<{at}>; rel="next"'}, {"data": [{"id": 1}, {"id": 2}], "next": at}

    with pytest.raises(Refused, match="same rows 6 times"):
        by_position(answer, strategy)


@pytest.mark.parametrize("strategy", ["cursor", "next"])
def test_empty_pages_in_the_middle_end_nothing(strategy):
    pages = [[{"id": 1}], *[[]] * 10, [{"id": 2}]]

    def answer(seen):
        at = int(seen.query.get("p", seen.query.get("cursor", "0").rpartition("=")[2]))
        more = {"next": f"/rows?p={at + 1}"} if at + 1 < len(pages) else {}
        return 200, {}, {"data": pages[at], **more}

    assert by_position(answer, strategy) == ["1", "2"]


@pytest.mark.parametrize("strategy", ["cursor", "next"])
@pytest.mark.parametrize("odd", [{"href": "/rows?p=2"}, ["/rows?p=2"], True, 1.5])
def test_a_next_page_that_is_no_position_is_refused_and_not_taken_for_the_end(strategy, odd):
    with pytest.raises(Refused, match="no position"):
        by_position(lambda seen: (200, {}, {"data": [{"id": 1}], "next": odd}), strategy)


LINKS = [
    '</rows?p=2>; rel="next"',
    "</rows?a=1,2;3&p=2>; rel=next",
    '</a>; rel="last", </rows?p=2>; title="a, b; rel=prev"; rel="next"',
    '</a>; title="say \\"next\\", or; rel=next"; rel="prev", </rows?p=2>; rel="last next"; foo',
]


@pytest.mark.parametrize("link", LINKS)
def test_the_next_link_is_found_whatever_stands_beside_it(link):
    def answer(seen):
        return 200, {} if seen.query.get("p") == "2" else {"Link": link}, {"data": [{"id": seen.query.get("p", "1")}]}

    assert by_position(answer, "link") == ["1", "2"]
