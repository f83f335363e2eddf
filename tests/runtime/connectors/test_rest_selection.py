"""What is taken out of a page by JMESPath: rows keep their digits, bad rows cost themselves alone, and no expression
works without end."""

import json

import pytest

from kernel.errors import Invalid
from runtime.connectors.protocols import Refused, Retriable
from runtime.connectors.registry import open_source
from tests.runtime.connectors.conformance import call, read_all
from tests.runtime.connectors.server import Server


def source_of(server, **more):
    return open_source("rest", {"base_url": server.url, "path": "/rows", "key_fields": ["id"], **more})


def page_of(body, **more):
    with Server(lambda seen: (200, {}, body)) as server:
        source = source_of(server, **more)
        try:
            return source.read(None, call=call())
        finally:
            source.close()


def test_a_selection_that_is_a_path_keeps_the_bytes_that_the_vendor_sent():
    page = page_of(b'{"a.b":{"rows":[{ "id" : 1, "price":1.10 }]}}', select={"rows": '"a.b".rows'})
    assert [record.payload for record in page.records] == [b'{ "id" : 1, "price":1.10 }']


def test_rows_that_are_gathered_keep_every_digit_and_the_order_of_their_members():
    body = b'{"data":{"edges":[{"node":{"id":7,"price":1.10,"big":123456789012345678901234567890,"far":1e400}}]}}'
    page = page_of(body, select={"rows": "data.edges[].node"})
    shown = [one.payload for one in (*page.records, *page.rejected)]
    assert shown == [b'{"id":7,"price":1.10,"big":123456789012345678901234567890,"far":1E+400}']


def test_rows_that_cannot_be_read_are_rejected_alone():
    nodes = [
        b'{"id":1,"name":"\xc3\xa4"}',
        b'{"id":2,"name":"\\ud800"}',
        b'{"id":3,"name":"x\xff"}',
        b'{"id":4,"name":NaN}',
        b'{"id":5,"id":6}',
        b'{"id":7}',
    ]
    body = b'{"data":{"edges":[' + b",".join(b'{"node":' + one + b"}" for one in nodes) + b"]}}"
    page = page_of(body, select={"rows": "data.edges[].node"})
    assert [record.key for record in page.records] == ["1", "6", "7"]
    assert page.records[1].payload == b'{"id":5,"id":6}', "what stands twice is refused where the row is judged"
    assert len(page.rejected) == 3
    reasons = " ".join(one.reason for one in page.rejected)
    assert "half" in reasons
    assert "UTF-8" in reasons


def test_a_page_that_names_a_member_of_its_own_twice_is_asked_for_again():
    with pytest.raises(Retriable, match="twice"):
        page_of(b'{"next":1,"next":2,"data":[{"node":{"id":1}}]}', select={"rows": "data[].node"})


def test_the_next_page_is_found_among_links_by_their_rel():
    def answer(seen):
        at = int(seen.query.get("at", 0))
        links = [{"rel": "self", "href": "/rows"}, *([{"rel": "next", "href": f"/rows?at={at + 1}"}] if at < 2 else [])]
        return 200, {}, {"items": [{"id": at}], "links": links}

    with Server(answer) as server:
        source = source_of(
            server, items="items", paging={"strategy": "next"}, select={"next": "links[?rel=='next'] | [0].href"}
        )
        pages = read_all(source, circumstances=call())
        source.close()
    assert [record.key for page in pages for record in page.records] == ["0", "1", "2"]


def test_what_an_error_selection_finds_says_that_the_page_is_not_whole():
    with pytest.raises(Retriable, match="shard 3"):
        page_of(
            {"items": [], "notes": [{"level": "error", "text": "shard 3"}]},
            items="items",
            select={"error": "notes[?level=='error'].text"},
        )


def test_a_row_whose_own_status_is_error_is_no_failure_of_its_page():
    rows = [{"id": 1, "status": "error"}, {"id": 2, "errors": ["x"]}]
    page = page_of({"data": rows}, select={"rows": "data[?id > `0`]"})
    assert [record.key for record in page.records] == ["1", "2"]


def test_no_list_where_the_rows_are_to_be_is_refused():
    with pytest.raises(Refused, match="no list"):
        page_of({"data": {"rows": 7}}, select={"rows": "data.rows[0].x[]"})


WRONG = [
    ({"rows": "data["}, "/select/rows"),
    ({"next": "sort_by(a, &b)"}, "/select/next"),
    ({"rows": "a[][][][]"}, "/select/rows"),
    ({"rows": ".".join("a" * 61)}, "/select/rows"),
    ({"rows": "a" * 501}, "/select/rows"),
    ({"pages": "a"}, "/select/pages"),
]


@pytest.mark.parametrize(("select", "pointer"), WRONG)
def test_what_is_no_selection_is_refused_with_its_place(select, pointer):
    with pytest.raises(Invalid) as refused:
        open_source("rest", {"base_url": "http://127.0.0.1:1", "path": "p", "key_fields": ["id"], "select": select})
    assert refused.value.findings[0]["pointer"] == pointer


@pytest.mark.parametrize(
    ("name", "beside"),
    [("rows", {"items": "data"}), ("next", {"paging": {"next": "links.next"}}), ("total", {"paging": {"total": "n"}})],
)
def test_a_selection_beside_its_path_is_refused(name, beside):
    given = {"base_url": "http://127.0.0.1:1", "path": "p", "key_fields": ["id"], "select": {name: "a[0]"}}
    with pytest.raises(Invalid, match="both are given"):
        open_source("rest", given | beside)


def test_parameters_with_several_values_stand_once_for_each():
    with Server(lambda seen: (200, {}, {"data": []})) as server:
        source = source_of(server, items="data", parameters={"f": ["id", "name & co"], "q": "x"})
        source.read(None, call=call())
        source.close()
    assert server.seen[0].target == "/rows?f=id&f=name%20%26%20co&q=x"


def test_a_body_goes_with_every_page_and_is_never_changed_itself():
    bodies = []

    def answer(seen):
        bodies.append(json.loads(seen.body))
        return 200, {}, {"rows": [{"id": len(bodies)}], "next": "c" if len(bodies) == 1 else None}

    with Server(answer) as server:
        source = source_of(
            server,
            items="rows",
            request={"method": "POST", "body": {"filter": {"kind": "all"}}},
            paging={"strategy": "cursor", "cursor_param": "filter.cursor"},
        )
        read_all(source, circumstances=call())
        read_all(source, circumstances=call())
        source.close()
    assert bodies[0] == {"filter": {"kind": "all"}}
    assert bodies[1] == {"filter": {"kind": "all", "cursor": "c"}}
    assert bodies[2] == bodies[0]
    assert {seen.method for seen in server.seen} == {"POST"}


@pytest.mark.parametrize(
    ("more", "pointer"),
    [
        ({"request": {"body": {"a": 1}}}, "/request/body"),
        ({"paging": {"strategy": "cursor", "place": "body"}}, "/paging/place"),
        ({"changes": {"param": "a", "field": "b", "place": "body"}}, "/changes/place"),
        ({"paging": {"strategy": "range"}}, "/paging/size"),
        ({"paging": {"strategy": "keyset"}}, "/paging/keyset"),
        (
            {"paging": {"strategy": "keyset", "keyset": {"fields": ["id"], "param": "w", "value": "a > {a}"}}},
            "/paging/keyset/value",
        ),
        (
            {"paging": {"strategy": "keyset", "keyset": {"fields": ["a", "b"], "param": "w", "value": "a > {a}"}}},
            "/paging/keyset/fields",
        ),
        ({"changes": {"param": "a", "field": "b", "window": "1h"}}, "/changes/window"),
        ({"changes": {"param": "a", "field": "b", "until_value": "{since}"}}, "/changes/until_value"),
    ],
)
def test_requests_that_cannot_be_made_are_refused_with_their_place(more, pointer):
    with pytest.raises(Invalid) as refused:
        open_source("rest", {"base_url": "http://127.0.0.1:1", "path": "p", "key_fields": ["id"], **more})
    assert refused.value.findings[0]["pointer"] == pointer
