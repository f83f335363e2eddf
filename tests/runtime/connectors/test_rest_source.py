"""Every way of paging, against a real server that pages that way."""

import json

import pytest

from kernel.errors import Invalid
from runtime.connectors.protocols import ConnectionFault, Refused, Retriable
from runtime.connectors.registry import open_source
from runtime.connectors.rest.paging import link_next
from tests.runtime.connectors.conformance import HttpSourceConformance, call, read_all
from tests.runtime.connectors.server import Server

ROWS = [{"id": n, "updated": f"2026-03-{n:02}T00:00:00Z", "price": "1.10"} for n in range(1, 12)]
SIZE = 4


def chosen(seen, start, size=SIZE):
    rows = [r for r in ROWS if r["updated"] >= seen.query.get("since", "")]
    return rows[start : start + size], start + size < len(rows)


def link(seen):
    start = int(seen.query.get("from", 0))
    rows, more = chosen(seen, start)
    head = {"Link": f'<{seen.path}?from={start + SIZE}>; rel="next", </first>; rel="first"'} if more else {}
    return 200, head, {"data": rows}


def next_url(seen):
    start = int(seen.query.get("from", 0))
    rows, more = chosen(seen, start)
    url = f"http://{seen.headers['host']}{seen.path}?from={start + SIZE}"
    return 200, {}, {"data": rows, "links": {"next": url if more else None}}


def offset(seen):
    """Gives three where four were asked for: who adds up what was asked for loses rows."""
    start = int(seen.query["offset"])
    rows, more = chosen(seen, start, SIZE - 1)
    return 200, {}, {"data": rows, "hasMore": more}


def cursor(seen):
    start = int(seen.query.get("cursor", "c0")[1:])
    rows, more = chosen(seen, start)
    return 200, {}, {"data": rows} | ({"cursor": f"c{start + SIZE}"} if more else {})


def numbered(seen):
    rows, _ = chosen(seen, (int(seen.query["page"]) - 1) * SIZE)
    return 200, {}, {"data": rows}


def relative(seen):
    start = int(seen.query.get("from", 0))
    rows, more = chosen(seen, start)
    return 200, {}, {"data": rows} | ({"@odata.nextLink": f"rows?from={start + SIZE}"} if more else {})


def head(seen):
    """The position in a header, both ways."""
    start = int(seen.headers.get("x-at", "0"))
    rows, more = chosen(seen, start)
    return 200, {"X-Next": str(start + SIZE)} if more else {}, {"data": rows}


def ranged(seen):
    start, end = map(int, seen.headers["rest-range"].removeprefix("resources=").split("-"))
    rows, _ = chosen(seen, start, end - start + 1)
    total = len(chosen(seen, 0, len(ROWS))[0])
    if not rows and start:
        return 416, {}, {}
    return 206, {"REST-Content-Range": f"resources {start}-{start + len(rows) - 1}/{total}"}, {"data": rows}


def keyed(seen):
    """`id > 4 and updated >= …`, sorted by id."""
    since, _, behind = seen.query["where"].removeprefix("since ").partition(" and id > ")
    behind = int(behind or 0)
    rows = [r for r in ROWS if r["id"] > behind and r["updated"] >= since]
    return 200, {}, {"data": rows[:SIZE]}


def posted(seen):
    """A query by POST, whose rows lie as GraphQL has them."""
    said = json.loads(seen.body)
    assert said["query"] == "rows"
    start = int((said["variables"].get("after") or "c0")[1:])
    rows = [r for r in ROWS if r["updated"] >= said["variables"].get("since", "")]
    page = {"edges": [{"node": row, "cursor": "x"} for row in rows[start : start + SIZE]]}
    more = start + SIZE < len(rows)
    page["pageInfo"] = {"hasNextPage": more, "endCursor": f"c{start + SIZE}"}
    return 200, {}, {"data": {"rows": page}}


STRATEGIES = {
    "link": (link, {"strategy": "link"}),
    "next": (next_url, {"strategy": "next", "next": "links.next"}),
    "offset": (offset, {"strategy": "offset", "size": SIZE, "more": "hasMore"}),
    "cursor": (cursor, {"strategy": "cursor", "next": "cursor", "size": SIZE}),
    "page": (numbered, {"strategy": "page", "size": SIZE}),
    "relative": (relative, {"strategy": "next"}),
    "header": (
        head,
        {"strategy": "cursor", "next_header": "X-Next", "cursor_param": "X-At", "place": "header", "size": SIZE},
    ),
    "range": (
        ranged,
        {
            "strategy": "range",
            "size": SIZE,
            "range_header": "REST-Range",
            "range_unit": "resources",
            "total_header": "REST-Content-Range",
        },
    ),
    "keyset": (
        keyed,
        {"strategy": "keyset", "keyset": {"fields": ["id"], "param": "where", "value": "id > {id}"}, "size": SIZE},
    ),
    "posted": (posted, {"strategy": "cursor", "cursor_param": "variables.after", "size": SIZE, "size_param": "first"}),
}
BESIDE = {  # what such a service is told as well
    "relative": {"select": {"next": '"@odata.nextLink"'}},
    "keyset": {"changes": {"param": "where", "field": "updated", "value": "since {since}", "initial": "2026-01-01"}},
    "posted": {
        "items": "",
        "request": {"method": "POST", "body": {"query": "rows", "variables": {"kind": "all"}}},
        "select": {
            "rows": "data.rows.edges[].node",
            "next": "data.rows.pageInfo.endCursor",
            "more": "data.rows.pageInfo.hasNextPage",
        },
    },
}
SINCE = {"keyset": BESIDE["keyset"]["changes"], "posted": {"param": "variables.since", "field": "updated"}}


@pytest.mark.parametrize("strategy", STRATEGIES)
class TestSource(HttpSourceConformance):
    @pytest.fixture
    def server(self, strategy):
        answer = STRATEGIES[strategy][0]
        with Server(
            lambda seen: (
                answer(seen)
                if seen.headers.get("authorization") == "Bearer good-token"
                else (401, {}, {"message": "who?"})
            )
        ) as made:
            yield made

    @pytest.fixture
    def make(self, server, strategy):
        settings = {
            "base_url": server.url,
            "path": "/rows",
            "items": "data",
            "key_fields": ["id"],
            "auth": {"kind": "bearer"},
        }
        settings |= {"paging": STRATEGIES[strategy][1], **BESIDE.get(strategy, {})}
        return lambda **more: open_source("rest", {**settings, **more})

    @pytest.fixture
    def circumstances(self):
        return call({"token": "good-token"})

    @pytest.fixture
    def wrong(self):
        return call({"token": "wrong-token"})

    @pytest.fixture
    def expected(self):
        return [str(r["id"]) for r in ROWS]

    @pytest.fixture
    def fault(self, server):
        plain = server.answer

        def order(kind, *, next=1, status=503, retry_after=1, **_):
            def once(seen):
                server.answer, server.raw = plain, None
                return status, {"Retry-After": str(retry_after)}, {}

            def cut(handler, seen):
                server.raw = None

            def hang(handler, seen):
                server.raw = None
                server.released.wait(5)

            if kind == "status":
                server.answer = once
            else:
                server.raw = cut if kind == "cut_before" else hang

        return order

    def test_the_next_run_starts_at_the_highest_change(self, make, server, circumstances, strategy):
        source = make(changes=SINCE.get(strategy, {"param": "since", "field": "updated"}))
        end = read_all(source, circumstances=circumstances)[-1].cursor
        assert end == {"since": "2026-03-11T00:00:00Z"}
        again = [r.key for p in read_all(source, end, circumstances=circumstances) for r in p.records]
        assert again == ["11"]
        source.close()

    def test_every_call_carries_correlation_and_trace(self, source, server, circumstances):
        source.read(None, call=circumstances)
        assert server.seen[0].headers["x-correlation-id"] == "till-9-42"
        assert server.seen[0].headers["traceparent"] == circumstances.traceparent


def plain(server, **more):
    return open_source("rest", {"base_url": server.url, "path": "/rows", "items": "data", "key_fields": ["id"], **more})


def test_a_page_that_points_to_itself_is_refused_instead_of_read_for_ever():
    with Server(lambda seen: (200, {}, {"data": [{"id": 1}], "cursor": "same"})) as server:
        source = plain(server, paging={"strategy": "cursor", "next": "cursor"})
        with pytest.raises(Refused, match="never end"):
            read_all(source, circumstances=call(), limit=5)
        source.close()


def test_a_next_link_to_another_host_is_not_followed():
    with Server(lambda seen: (200, {}, {"data": [{"id": 1}], "next": "http://169.254.169.254/latest"})) as server:
        source = plain(server, paging={"strategy": "next", "next": "next"})
        page = source.read(None, call=call())
        with pytest.raises(ConnectionFault, match="may only reach"):
            source.read(page.cursor, call=call())
        source.close()


def test_records_without_a_key_are_rejected_with_their_place_and_the_rest_is_read():
    rows = [{"id": 1}, {"name": "no key"}, {"id": 2.50}, {"id": None}, 7]
    with Server(lambda seen: (200, {}, {"data": rows})) as server:
        source = plain(server)
        page = source.read(None, call=call())
        source.close()
    assert [r.key for r in page.records] == ["1", "2.5"]
    assert [r.origin[-2:] for r in page.rejected] == ["#1", "#3", "#4"]
    assert page.done


def test_the_payload_keeps_the_vendors_digits():
    with Server(lambda seen: (200, {}, b'{"data":[{"id":1,"price":1.10}]}')) as server:
        source = plain(server)
        assert source.read(None, call=call()).records[0].payload == b'{"id":1,"price":1.10}'
        source.close()


@pytest.mark.parametrize("body", [b"", b"<html>", b"[1", b'{"data":7}', b'{"data":"x"}'])
def test_an_answer_that_is_not_the_expected_json_is_asked_for_again(body):
    with Server(lambda seen: (200, {}, body)) as server:
        source = plain(server)
        with pytest.raises(Retriable, match="expected JSON"):
            source.read(None, call=call())
        source.close()


def test_a_list_at_the_top_needs_no_path():
    with Server(lambda seen: (200, {}, json.dumps(ROWS).encode())) as server:
        source = plain(server, items="")
        assert len(source.read(None, call=call()).records) == len(ROWS)
        source.close()


def test_reading_needs_key_fields():
    with pytest.raises(Invalid, match="key_fields"):
        open_source("rest", {"base_url": "http://x", "path": "p"})


def test_paths_that_lie_inside_one_another_are_refused():
    for settings in (
        {"key_fields": ["a", "a.b"]},
        {"key_fields": ["a.b", "a"]},
        {"key_fields": ["id"], "items": "data", "paging": {"strategy": "cursor", "next": "data.next"}},
    ):
        with pytest.raises(Invalid, match="inside one another"):
            open_source("rest", {"base_url": "http://x", "path": "p", **settings})


def test_link_headers_are_read_in_every_spelling():
    assert link_next('</a?x=1,2>; rel="prev", </b>; title="t"; rel="next last"') == "/b"
    assert link_next("</c>; rel=next") == "/c"
    assert link_next('</d>; rel="first"') is None
    assert link_next("") is None
