"""A page counts as read only where its answer is a whole success: an empty page of a source that failed is no look."""

from __future__ import annotations

from typing import Any

import pytest

from runtime.connectors.protocols import Page, Retriable
from runtime.connectors.registry import open_source
from tests.runtime.connectors.conformance import call
from tests.runtime.connectors.server import Server

NOT_READ = {
    "success is false": (200, {}, {"success": False, "message": "search cluster red", "data": []}),
    "success is false beside rows": (200, {}, {"success": False, "data": [{"id": "1"}]}),
    "success in another spelling": (200, {}, {"IS_SUCCESS": "N", "data": []}),
    "a status of error": (200, {}, {"status": "ERROR ", "data": []}),
    "a status of 503": (200, {}, {"statusCode": 503, "message": "later", "data": []}),
    "an error code": (200, {}, {"errorCode": "E17", "data": []}),
    "an error behind its rows": (200, {}, {"data": [{"id": "1"}], "error": "shard 3 is down"}),
    "a failure in an envelope": (200, {}, {"result": {"ok": False}, "data": []}),
    "a failure after a row that is there before": (200, {}, {"x": [{"id": "1"}], "ok": False, "data": [{"id": "1"}]}),
    "only accepted": (202, {}, {"data": [], "message": "export is being prepared"}),
    "part of something": (206, {}, {"data": [{"id": "1"}]}),
    "problem details": (200, {"Content-Type": "application/problem+json"}, {"title": "no", "data": []}),
}


def page_of(answer: Any, **settings: Any) -> Page:
    with Server(lambda seen: answer) as server:
        given = {"base_url": server.url, "path": "rows", "items": "data", "key_fields": ["id"], **settings}
        source = open_source("rest", given)
        try:
            return source.read(None, call=call())
        finally:
            source.close()


@pytest.mark.parametrize("name", NOT_READ)
def test_a_source_that_fails_beside_its_rows_has_not_been_read(name: str) -> None:
    with pytest.raises(Retriable):
        page_of(NOT_READ[name])


def test_what_a_page_says_of_itself_without_harm_is_left_alone() -> None:
    rows = [{"id": "1", "success": False, "status": "failed", "error": "of the row alone"}]
    for around in (
        {},
        {"status": "ok", "message": "1 of 1", "success": True, "errors": [], "error": None, "code": 0},
        {"status": 200, "result": "complete", "response": {"status": "active"}},
    ):
        page = page_of((200, {}, {**around, "data": rows}))
        assert [record.key for record in page.records] == ["1"], around
        assert page.done
    assert page_of((204, {}, b"")).records == []
    assert len(page_of((200, {}, rows), items="").records) == 1, "a list says nothing of itself"
    assert len(page_of((200, {}, {"data": {"rows": rows}}), items="data.rows").records) == 1


def test_a_source_whose_success_has_such_a_member_says_so_in_its_settings() -> None:
    answer = (200, {}, {"errorCode": "OK", "data": [{"id": "1"}]})
    with pytest.raises(Retriable):
        page_of(answer)
    assert len(page_of(answer, success={"absent": ["errors"]}).records) == 1


@pytest.mark.parametrize(
    "answer",
    [
        (200, {}, {"error": {"code": "1"}, "d": {"results": []}}),
        (200, {}, {"d": {"results": [], "error": "no"}}),
        (206, {}, {"d": {"results": []}}),
        (202, {}, {"d": {"results": []}}),
    ],
)
def test_an_odata_page_is_read_with_the_same_eyes(answer: Any) -> None:
    with Server(lambda seen: answer) as server:
        source = open_source(
            "odata_v2", {"base_url": server.url, "service": "/s", "entity_set": "E", "key_fields": ["Id"]}
        )
        with pytest.raises(Retriable):
            source.read(None, call=call())
        source.close()
