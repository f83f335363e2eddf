"""A question counts as answered only by what is a success and can be read to its end: everything else is asked again,
for "not there" sends a message again and "there" never sends it."""

from __future__ import annotations

from typing import Any

import pytest

from runtime.connectors.protocols import Secrets
from runtime.connectors.registry import open_sink
from runtime.domain.manifest import DeclaredWrite, ManifestTarget
from runtime.services.sink_vendor import SinkVendor
from tests.runtime.connectors.server import Server
from tests.runtime.connectors.test_lying_vendors import Vendor, messages, sent, statuses

NOT_ANSWERED = {
    "success is false": (200, {}, {"success": False, "message": "index is being rebuilt", "found": {}}),
    "an error code": (200, {}, {"errorCode": "E17", "found": {}}),
    "a status of error": (200, {}, {"status": "error", "found": {}}),
    "a status of 500": (200, {}, {"statusCode": 500, "message": "boom", "found": {}}),
    "ok is false": (200, {}, {"ok": False, "found": {}}),
    "a failure inside of its envelope": (200, {}, {"result": {"success": False}, "found": {}}),
    "a member that is there twice": (200, {}, b'{"found": {"k0": {"id": "R1"}}, "found": {}}'),
    "a key that is there twice": (200, {}, b'{"found": {"k0": {"id": "R1"}, "k0": null}}'),
    "part of something": (206, {}, {"found": {}}),
    "only accepted": (202, {}, {"found": {}}),
    "nothing at all": (204, {}, b""),
    "problem details": (200, {"Content-Type": "application/problem+json"}, {"title": "no", "found": {}}),
    "an entry of a list without its key": (200, {}, {"found": [{"id": "R1"}]}),
    "an entry of a list whose key is null": (200, {}, {"found": [{"key": None, "id": "R1"}]}),
    "a list of texts": (200, {}, {"found": ["k0"]}),
    "a list of lists": (200, {}, {"found": [["k0", "R1"]]}),
    "a key that nobody asked for": (200, {}, {"found": {"000k0": {"id": "R1"}}}),
    "a key in other capitals": (200, {}, {"found": [{"key": "K0", "id": "R1"}]}),
}


PAGES = {
    "a next page": {"next": "/lookup?page=2"},
    "a cursor": {"next_cursor": "abc"},
    "more": {"hasMore": True},
    "links": {"_links": {"self": {"href": "/1"}, "next": {"href": "/2"}}},
    "a list of links": {"links": [{"rel": "self", "href": "/1"}, {"rel": "next", "href": "/2"}]},
    "a total": {"total": 3},
    "page 1 of 3": {"page": {"number": 0, "totalPages": 3}},
    "information about the page": {"pageInfo": {"hasNextPage": True}},
    "cut off": {"truncated": True},
}


@pytest.mark.parametrize("name", [*PAGES, "a header"])
def test_what_one_page_of_several_does_not_show_is_not_known_to_be_missing(name: str) -> None:
    headers = {"Link": '</lookup?page=2>; rel="next"'} if name == "a header" else {}
    body = {"found": {"k0": {"id": "R1"}}, **PAGES.get(name, {})}
    results, _ = sent(Vendor((200, headers, body), acts=False), 2, ask=True)
    assert statuses(results) == ["confirmed", "unknown"], name


def test_an_answer_that_has_no_next_page_is_whole() -> None:
    for beside in (
        {"next": None, "hasMore": False, "total": 1, "count": 1},
        {"_links": {"self": {"href": "/1"}}, "page": {"number": 0, "totalPages": 1}},
        {"pageInfo": {"hasNextPage": False}, "pagination": {"next": ""}},
    ):
        body = {"found": {"k0": {"id": "R1"}}, **beside}
        results, _ = sent(Vendor((200, {}, body), acts=False), 2, ask=True)
        assert statuses(results) == ["confirmed", "unsent"], beside


@pytest.mark.parametrize("name", NOT_ANSWERED)
def test_a_lookup_that_fails_or_cannot_be_read_never_says_not_there(name: str) -> None:
    results, _ = sent(Vendor(NOT_ANSWERED[name], acts=False), ask=True)
    assert statuses(results) == ["unknown"], name


def test_only_a_readable_success_says_not_there() -> None:
    for body in (
        {"found": {}},
        {"found": []},
        {"found": {"k0": None}},
        {"found": {}, "missing": ["k0"]},
        {"success": True, "status": "ok", "message": "0 of 1 found", "errors": [], "found": {}},
        {"status": 200, "error": None, "found": {}},
    ):
        assert statuses(sent(Vendor((200, {}, body), acts=False), ask=True)[0]) == ["unsent"], body


def test_what_nobody_asked_for_leaves_what_was_found_as_it_is() -> None:
    body = {"found": {"k0": {"id": "A"}, "x": {"id": "B"}}}
    assert statuses(sent(Vendor((200, {}, body), acts=False), 2, ask=True)[0]) == ["confirmed", "unknown"]


NAMES_NOTHING = {
    "an empty text": "",
    "blanks": "  ",
    "zero": 0,
    "zeros": "000",
    "a word for nothing": "null",
    "an empty object": {},
    "an object without content": {"id": None, "amount": None},
    "a name of nothing": {"id": 0, "amount": 3},
    "one that calls itself failed": {"status": "failed", "id": None},
    "one that calls itself failed under a name": {"status": "failed", "id": "R1"},
    "one that says no": {"success": "N", "id": "R1"},
    "words for not there": "not found",
    "a code for not there": "NOT_FOUND",
    "a status of HTTP": "404 Not Found",
    "a word for false": "false",
    "a number below zero": -1,
    "a state without a name": {"state": "missing"},
    "an entry that is not found, under its key": {"key": "k0", "found": False},
    "a name that says not found": {"id": "not found"},
}
NOT_THERE = {
    "found is false": {"found": False},
    "exists is false": {"exists": False},
    "nothing but the key": {},
    "a document of null": {"document": None},
    "a state": {"state": "NOT_FOUND"},
    "a status in words": {"status": "404 Not Found"},
    "a code and words": {"code": 404, "message": "not found"},
    "a message": {"message": "no such document"},
    "no documents": {"count": 0, "documents": []},
    "an amount and nothing else": {"amount": 12},
}


@pytest.mark.parametrize("name", NAMES_NOTHING)
def test_an_entry_that_names_nothing_or_calls_itself_failed_confirms_nothing(name: str) -> None:
    body = {"found": {"k0": NAMES_NOTHING[name]}}
    assert statuses(sent(Vendor((200, {}, body), acts=False), ask=True)[0]) == ["unknown"], name


@pytest.mark.parametrize("name", NOT_THERE)
def test_an_entry_that_only_says_its_key_again_confirms_nothing(name: str) -> None:
    body = {"found": [{"key": "k0", **NOT_THERE[name]}]}
    assert statuses(sent(Vendor((200, {}, body), acts=False), ask=True)[0]) == ["unknown"], name
    body = {"found": [{"id": "k0", **NOT_THERE[name]}]}
    asked = sent(Vendor((200, {}, body), acts=False), ask=True, lookup={"path": "lookup", "key": "id"})
    assert statuses(asked[0]) == ["unknown"], f"{name}: the key is no name that the target gave"
    named = sent(
        Vendor((200, {}, body), acts=False), ask=True, lookup={"path": "lookup", "key": "id", "reference": "id"}
    )
    said = "unknown" if name == "a status in words" else "confirmed"  # the settings say that it is the target's name
    assert statuses(named[0]) == [said]


def test_several_entries_of_one_key_count_only_where_they_say_the_same() -> None:
    def asked(*entries: dict[str, Any], lookup: dict[str, Any] | None = None) -> Any:
        body = {"found": [{"key": "k0", **entry} for entry in entries]}
        return sent(Vendor((200, {}, body), acts=False), ask=True, lookup={"path": "lookup", **(lookup or {})})[0][0]

    both = asked({"id": "A"}, {"id": "B"})
    assert (both.status, both.reference) == ("confirmed", "A,B")
    states = {"status": "state", "refused": ["refused"]}
    assert asked({"id": "A", "state": "refused"}, {"id": "A", "state": "posted"}, lookup=states).status == "unknown"
    assert asked({"id": "A"}, {"id": "B", "status": "failed"}).status == "unknown"


# -- OData -------------------------------------------------------------------------------------------------------------

ROW = {"Ref": "k0", "Order": "7"}
ODATA = {
    "an error beside its rows": (200, {}, {"error": {"code": "1"}, "d": {"results": []}}),
    "d is there twice": (200, {}, b'{"d":{"results":[{"Ref":"k0","Order":"7"}]},"d":{"results":[]}}'),
    "a count that contradicts its rows": (200, {}, {"d": {"__count": "1", "results": []}}),
    "a count of the newer protocol": (200, {}, {"@odata.count": 1, "d": {"results": []}}),
    "a count that nobody can read": (200, {}, {"d": {"__count": "one", "results": []}}),
    "a row that nobody asked for": (200, {}, {"d": {"results": [{"Ref": "00000k0", "Order": "7"}]}}),
    "part of something": (206, {}, {"d": {"results": []}}),
    "only accepted": (202, {}, {"d": {"results": []}}),
    "rows that are no list": (200, {}, {"d": {"results": {}}}),
    "a row without an order": (200, {}, {"d": {"results": [{"Ref": "k0", "Order": ""}]}}),
    "a row with zeros for an order": (200, {}, {"d": {"results": [{"Ref": "k0", "Order": "0000000000"}]}}),
    "an order of null": (200, {}, {"d": {"results": [{"Ref": "k0", "Order": None}]}}),
}


def odata_says(answer: Any) -> str:
    with Server(lambda seen: answer) as server:
        lookup = {"field": "Ref", "reference": "Order"}
        settings = {"base_url": server.url, "service": "/s", "entity_set": "E", "key_fields": ["Order"]}
        made = ManifestTarget("t", "s", {}, [DeclaredWrite("sale", "command")], "L")
        client = SinkVendor(open_sink("odata_v2", settings | {"lookup": lookup}), Secrets(), made, "")
        (result,) = client.ask(messages())
        client.close()
        return result.status


@pytest.mark.parametrize("name", ODATA)
def test_an_odata_answer_that_is_in_doubt_is_asked_for_again(name: str) -> None:
    assert odata_says(ODATA[name]) == "unknown", name


def test_an_odata_answer_without_doubt_says_there_or_not_there() -> None:
    assert odata_says((200, {}, {"d": {"results": []}})) == "unsent"
    assert odata_says((200, {}, {"d": {"__count": "0", "results": []}})) == "unsent"
    assert odata_says((200, {}, {"d": {"__count": "1", "results": [ROW]}})) == "confirmed"
