"""How the parts of a multipart request are written: their headers, and content types that are written out."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contracts.contract_documents import OK, judge, with_operation

TEXT, OBJECT = {"type": "string"}, {"type": "object", "properties": {"x": {"type": "string"}}}
QUIET, LOUD = {"schema": TEXT}, {"required": True, "schema": TEXT}


def form(field: Any, encoding: Any = None, media: str = "multipart/form-data") -> dict[str, Any]:
    schema = {"type": "object", "properties": {"a": field}}
    content = {"schema": schema} if encoding is None else {"schema": schema, "encoding": {"a": encoding}}
    return with_operation({"requestBody": {"content": {media: content}}, "responses": OK})


def headers(**named: Any) -> dict[str, Any]:
    return {"headers": {name.replace("_", "-"): header for name, header in named.items()}}


@pytest.mark.parametrize(
    ("name", "old", "new", "verdict"),
    [
        ("required header comes", None, headers(X_Q=LOUD), "breaking"),
        ("optional header comes", None, headers(X_Q=QUIET), "compatible"),
        ("becomes required", headers(X_Q=QUIET), headers(X_Q=LOUD), "breaking"),
        ("becomes optional", headers(X_Q=LOUD), headers(X_Q=QUIET), "compatible"),
        ("goes", headers(X_Q=LOUD), None, "warning"),
        ("letter case", headers(X_Q=LOUD), headers(x_q=LOUD), "none"),
        ("content type is said elsewhere", None, headers(Content_Type=LOUD), "none"),
        ("another type", headers(X_Q=LOUD), headers(X_Q={**LOUD, "schema": {"type": "integer"}}), "breaking"),
    ],
)
def test_headers_of_a_part_are_compared(name: str, old: Any, new: Any, verdict: str) -> None:
    assert judge(form(TEXT, old), form(TEXT, new)).verdict == verdict, name
    urlencoded = "application/x-www-form-urlencoded"
    assert judge(form(TEXT, old, urlencoded), form(TEXT, new, urlencoded)).verdict == "none"


def test_the_content_type_that_a_part_has_anyway_says_nothing() -> None:
    for field, written in ((OBJECT, "application/json"), (TEXT, "text/plain"), ({"type": "integer"}, "text/plain")):
        for old, new in ((None, {"contentType": written}), ({"contentType": written}, None)):
            assert judge(form(field, old), form(field, new)).verdict == "none"
        assert judge(form(field), form(field, {"contentType": "application/xml"})).verdict == "breaking"
    file = {"type": "string", "format": "binary"}
    assert judge(form(file), form(file, {"contentType": "text/plain"})).verdict == "breaking"


@pytest.mark.parametrize("word", ["prefixEncoding", "itemEncoding"])
def test_the_encoding_of_parts_by_their_order_is_compared(word: str) -> None:
    def body(kind: str) -> dict[str, Any]:
        one = {"contentType": kind}
        content = {"schema": {"type": "array"}, word: [one] if word == "prefixEncoding" else one}
        return with_operation(
            {"requestBody": {"content": {"multipart/mixed": content}}, "responses": OK}, version="3.2.0"
        )

    assert judge(body("application/json"), body("application/xml")).verdict == "breaking"
    assert judge(body("application/json"), body("application/json")).verdict == "none"


def test_the_items_of_a_sequence_are_compared_beside_its_whole() -> None:
    def answer(item: dict[str, Any]) -> dict[str, Any]:
        content = {"application/jsonl": {"schema": {"type": "array"}, "itemSchema": item}}
        return with_operation({"responses": {"200": {"description": "OK", "content": content}}}, version="3.2.0")

    assert judge(answer(TEXT), answer(OBJECT)).verdict == "breaking"
