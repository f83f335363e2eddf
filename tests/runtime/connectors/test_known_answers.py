"""Rules about answers that a vendor is known to give, to writes and to reads: the first one that fits decides."""

from __future__ import annotations

from typing import Any

import pytest

from kernel.errors import Invalid
from runtime.connectors.protocols import ConnectionFault, OutboundMessage, Refused, Retriable
from runtime.connectors.registry import open_sink, open_source
from tests.runtime.connectors.conformance import call, read_all
from tests.runtime.connectors.server import Server

THROTTLED = {"errors": [{"message": "slow down", "extensions": {"code": "THROTTLED"}}]}


def written(answer: Any, rules: list[dict[str, Any]], **more: Any) -> Any:
    with Server(lambda seen: answer) as server:
        sink = open_sink("rest", {"base_url": server.url, "path": "/x", "answers": rules, **more})
        try:
            return sink.write([OutboundMessage("k", "tg-1", b"{}")], call=call())[0]
        finally:
            sink.close()


@pytest.mark.parametrize(
    ("says", "status", "retriable"),
    [
        ("item", "refused", False),
        ("refused", "refused", False),
        ("business", "declined", False),
        ("declined", "declined", False),
        ("duplicate", "confirmed", False),
        ("retry", "refused", True),
        ("accepted", "accepted", False),
        ("unknown", "unknown", False),
    ],
)
def test_a_rule_says_what_an_answer_means_by_an_expression_over_it(says: str, status: str, retriable: bool) -> None:
    answer = (200, {}, {"data": {"create": {"userErrors": [{"code": "TAKEN", "message": "is taken"}]}}, "id": 9})
    rule = {"says": says, "when": "data.*.userErrors[] | [?code=='TAKEN']"}
    result = written(answer, [rule])
    assert (result.status, result.retriable) == (status, retriable)
    assert result.there_before == (says == "duplicate")
    assert written((200, {}, {"id": 9}), [rule]).status == "confirmed"


def test_the_connection_is_at_fault_where_a_rule_says_so() -> None:
    rule = {"says": "connection", "status": [400], "when": "error=='invalid_session'"}
    with pytest.raises(ConnectionFault) as told:
        written((400, {}, {"error": "invalid_session"}), [rule])
    assert told.value.kind == "credentials"
    assert written((400, {}, {"error": "other"}), [rule]).status == "refused"


def test_a_rule_by_media_type_and_the_first_that_fits_wins() -> None:
    rules = [{"says": "not_now", "media": ["text/plain"], "status": [500]}, {"says": "item", "status": [500]}]
    with pytest.raises(Retriable):
        written((500, {"Content-Type": "text/plain; charset=utf-8"}, b"busy"), rules)
    assert written((500, {}, {"message": "no"}), rules).status == "refused"


def test_a_page_of_html_is_no_success_whatever_a_rule_says() -> None:
    answer = (200, {"Content-Type": "text/html"}, b"<html>done</html>")
    for says in ("confirmed", "accepted", "duplicate"):
        assert written(answer, [{"says": says, "status": [200]}]).status == "unknown"


def opened(server: Server, *rules: dict[str, Any], **more: Any) -> Any:
    settings = {"base_url": server.url, "path": "/rows", "items": "data", "key_fields": ["id"], "reads": list(rules)}
    return open_source("rest", {**settings, "errors": {"code": ["error"], "message": ["message"]}, **more})


def read(answer: Any, *rules: dict[str, Any]) -> Any:
    with Server(lambda seen: answer) as server:
        source = opened(server, *rules)
        try:
            return read_all(source, circumstances=call(), limit=5)
        finally:
            source.close()


def test_a_read_that_a_vendor_refuses_for_now_is_asked_again_whatever_its_status() -> None:
    rule = {"says": "retry", "status": [400, 403], "codes": ["SSS_REQUEST_LIMIT_EXCEEDED"], "wait": 12}
    with pytest.raises(Retriable, match="too many") as told:
        read((400, {}, {"error": "SSS_REQUEST_LIMIT_EXCEEDED", "message": "too many"}), rule)
    assert told.value.after == 12
    with pytest.raises(Refused, match="bad query"):
        read((400, {}, {"error": "BAD", "message": "bad query"}), rule)
    with pytest.raises(Retriable) as told:
        read((403, {"Retry-After": "7"}, {"error": "x"}), {"says": "retry", "status": [403]})
    assert told.value.after == 7


def test_a_200_that_is_none_is_known_by_an_expression() -> None:
    by_code = {"when": "errors[?extensions.code=='THROTTLED']"}
    with pytest.raises(Retriable, match="200"):
        read((200, {}, THROTTLED), {"says": "retry", **by_code})
    with pytest.raises(ConnectionFault):
        read((200, {}, THROTTLED), {"says": "connection", **by_code})
    with pytest.raises(Refused):
        read((200, {}, THROTTLED), {"says": "refused", **by_code})


def test_nothing_there_is_an_empty_run_where_a_vendor_says_it_by_a_404() -> None:
    pages = read((404, {}, {"error": "no_rows"}), {"says": "nothing", "status": [404], "codes": ["no_rows"]})
    assert [len(page.records) for page in pages] == [0]
    with pytest.raises(ConnectionFault):
        read((404, {}, {"error": "no such path"}), {"says": "nothing", "status": [404], "codes": ["no_rows"]})


@pytest.mark.parametrize(
    ("role", "rule", "pointer"),
    [
        ("sink", {"says": "item"}, "/answers/0"),
        ("sink", {"says": "item", "when": "a["}, "/answers/0/when"),
        ("source", {"says": "retry"}, "/reads/0"),
        ("source", {"says": "retry", "when": "sort(a)"}, "/reads/0/when"),
        ("source", {"says": "confirmed", "status": [200]}, "/reads/0/says"),
    ],
)
def test_a_rule_that_cannot_be_used_is_refused_with_its_place(role: str, rule: dict[str, Any], pointer: str) -> None:
    settings = {"base_url": "http://127.0.0.1:1", "path": "p", "key_fields": ["id"]}
    name, opener = ("answers", open_sink) if role == "sink" else ("reads", open_source)
    with pytest.raises(Invalid) as refused:
        opener("rest", settings | {name: [rule]})
    assert refused.value.findings[0]["pointer"] == pointer
