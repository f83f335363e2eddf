"""A reading that ends although its last page says that there is more has not read everything. And rows that come in
front while pages are read are no loop. The witness is the list of the server itself."""

import pytest

from runtime.connectors.protocols import Refused
from runtime.connectors.registry import open_source
from tests.runtime.connectors.conformance import call, read_all
from tests.runtime.connectors.server import Server
from tests.runtime.connectors.test_moving_rows import Shop, read
from tests.runtime.connectors.test_rest_faults import keys_of

MORE = {
    "next": {"next": "/rows?page=2"},
    "hasMore": {"hasMore": True},
    "total": {"total": 3},
    "page.totalPages": {"page": {"number": 1, "totalPages": 4}},
    "links": {"links": [{"rel": "next", "href": "/2"}]},
    "Link": {},
}


def pages_of(answers, paging, items="data"):
    given = list(answers)

    def answer(seen):
        head, said = given.pop(0) if len(given) > 1 else given[0]
        return 200, head, said

    with Server(answer) as server:
        settings = {"base_url": server.url, "path": "/rows", "items": items, "key_fields": ["id"], "paging": paging}
        source = open_source("rest", settings)
        try:
            return read_all(source, circumstances=call(), limit=20)
        finally:
            source.close()


def one(name, **rows):
    head = {"Link": '</rows?page=2>; rel="next"'} if name == "Link" else {}
    return head, {**(rows or {"data": [{"id": 1}, {"id": 2}]}), **MORE[name]}


@pytest.mark.parametrize("mark", MORE)
def test_one_answer_that_says_that_there_is_more_is_not_the_whole(mark):
    with pytest.raises(Refused, match="'paging' reads one page") as told:
        pages_of([one(mark)], {})
    assert told.value.code == "rest.more"
    assert f"'{mark}'" in str(told.value)
    assert len(keys_of(pages_of([one(mark)], {"whole": True}))) == 2


@pytest.mark.parametrize("mark", [name for name in MORE if name != "next"])
@pytest.mark.parametrize("strategy", ["cursor", "next"])
def test_pages_that_end_without_a_position_although_there_is_more_are_not_the_whole(strategy, mark):
    head, said = one(mark)
    with pytest.raises(Refused, match=f"by '{mark}' that there is more") as told:
        pages_of([(head, {**said, "position": None})], {"strategy": strategy, "next": "position"})
    assert told.value.code == "rest.more"


def test_a_link_that_ends_although_the_page_says_more_is_not_the_whole():
    with pytest.raises(Refused, match="'hasMore'"):
        pages_of([one("hasMore")], {"strategy": "link"})


def test_a_mark_beside_rows_that_stand_deeper_counts_too():
    with pytest.raises(Refused, match=r"'result\.hasMore'"):
        pages_of([({}, {"result": {"rows": [{"id": 1}], "hasMore": True}})], {}, "result.rows")


def test_a_field_of_a_page_that_is_missing_where_it_should_say_more_ends_nothing():
    """`more` names a member that this service does not have."""
    with pytest.raises(Refused, match="'hasMore'"):
        pages_of([one("hasMore")], {"strategy": "offset", "more": "goes_on"})


def test_totals_are_those_of_all_pages_of_the_run():
    def three(total):
        rows = [{"data": [{"id": n}], "next": n + 1 if n < 3 else None} for n in (1, 2, 3)]
        return [({}, {**page, "total": total, "totalPages": 3, "count": 1}) for page in rows]

    paging = {"strategy": "cursor", "next": "next"}
    assert keys_of(pages_of(three(3), paging)) == ["1", "2", "3"]
    with pytest.raises(Refused, match="'total'"):
        pages_of(three(4), paging)


ENDS = [
    {"next": None, "hasMore": False, "total": 2, "count": 2, "totalPages": 1, "more": 0},
    {"_links": {"self": {"href": "/1"}}, "pageInfo": {"hasNextPage": False}, "pagination": {"next": ""}},
    {"truncated": "false", "page": 1, "pages": 1, "total": "12.50"},
]


@pytest.mark.parametrize("said", ENDS)
@pytest.mark.parametrize("strategy", ["none", "link", "cursor"])
def test_a_page_that_says_that_it_is_the_last_one_is(strategy, said):
    assert len(keys_of(pages_of([({}, {"data": [{"id": 1}, {"id": 2}], **said})], {"strategy": strategy}))) == 2


def test_rows_that_are_the_answer_itself_are_asked_for_their_header_alone():
    answer = [{"id": 1, "total": 99, "next": "x"}]
    assert len(keys_of(pages_of([({}, answer)], {}, ""))) == 1
    with pytest.raises(Refused, match="'Link'"):
        pages_of([({"Link": '</2>; rel="next"'}, answer)], {}, "")


# -- rows that come in front -------------------------------------------------------------------------------------------
def come(number, at):
    def change(shop):
        if shop.calls == at:
            shop.rows[:0] = [{"id": 1000 * at + n, "at": "2026-03-01T10:00:00Z"} for n in range(number)]

    return change


@pytest.mark.parametrize("strategy", ["page", "offset"])
@pytest.mark.parametrize("size", [2, 3, 5])
@pytest.mark.parametrize("at", [1, 2, 3])
@pytest.mark.parametrize("number", [1, 2, 4, 5])
def test_rows_that_come_in_front_while_pages_are_read_hide_no_other(strategy, size, at, number):
    shop = Shop(20, size, come(number, at))
    assert {str(n) for n in range(20)} <= set(keys_of(read(shop, strategy)))


@pytest.mark.parametrize("strategy", ["page", "offset"])
def test_a_service_that_ignores_where_it_is_asked_is_refused(strategy):
    with pytest.raises(Refused) as told:
        pages_of([({}, {"data": [{"id": 1}, {"id": 2}, {"id": 3}]})], {"strategy": strategy})
    assert told.value.code == "rest.loop"


def test_a_service_that_gives_its_last_page_for_every_higher_number_is_read_to_its_end():
    rows = [[{"id": 1}, {"id": 2}], [{"id": 3}, {"id": 4}], [{"id": 5}, {"id": 6}]]

    def answer(seen):
        return 200, {}, {"data": rows[min(int(seen.query["page"]), 3) - 1]}

    with Server(answer) as server:
        settings = {"base_url": server.url, "path": "/rows", "items": "data", "key_fields": ["id"]}
        source = open_source("rest", {**settings, "paging": {"strategy": "page"}})
        found = keys_of(read_all(source, circumstances=call(), limit=20))
        source.close()
    assert set(found) == {"1", "2", "3", "4", "5", "6"}
