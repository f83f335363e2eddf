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


URLENCODED = "application/x-www-form-urlencoded"
FILE, LIST = {"type": "string", "format": "binary"}, {"type": "array", "items": {"type": "string"}}


@pytest.mark.parametrize(
    ("name", "field", "encoding", "media"),
    [
        # OpenAPI 3.0.4 Encoding Object: the default of a file, and of a list that of its items.
        ("a file", FILE, {"contentType": "application/octet-stream"}, "multipart/form-data"),
        ("a list of texts", LIST, {"contentType": "text/plain"}, "multipart/form-data"),
        # The default style, where the field is neither a list nor an object as well.
        ("style of a list", LIST, {"style": "form", "explode": True}, URLENCODED),
        ("a text is not exploded", TEXT, {"explode": False}, URLENCODED),
        # OpenAPI 3.0.4 section 4.7.14.1: `encoding` is for multipart and form bodies alone.
        ("a JSON body", TEXT, {"contentType": "text/xml"}, "application/json"),
    ],
)
def test_words_that_a_field_has_anyway_say_nothing(name: str, field: Any, encoding: Any, media: str) -> None:
    assert judge(form(field, None, media), form(field, encoding, media)).verdict == "none", name
    assert judge(form(field, encoding, media), form(field, None, media)).verdict == "none", name


@pytest.mark.parametrize(
    ("name", "field", "encoding", "media"),
    [
        ("a file is an image", FILE, {"contentType": "image/png"}, "multipart/form-data"),
        ("a list of XML", LIST, {"contentType": "text/xml"}, "multipart/form-data"),
        ("a list in one", LIST, {"style": "form", "explode": False}, URLENCODED),
        ("blanks", LIST, {"style": "spaceDelimited"}, URLENCODED),
        ("an object without style is JSON", OBJECT, {"style": "form", "explode": True}, URLENCODED),
    ],
)
def test_words_that_change_how_a_field_is_written_break(name: str, field: Any, encoding: Any, media: str) -> None:
    assert judge(form(field, None, media), form(field, encoding, media)).verdict == "breaking", name
    assert judge(form(field, encoding, media), form(field, None, media)).verdict == "breaking", name


@pytest.mark.parametrize(
    ("old", "new", "verdict"),
    [
        ("image/png, image/jpeg", "image/jpeg,image/png", "none"),
        ("image/png", "image/png, image/jpeg", "compatible"),
        ("image/png", "image/*", "compatible"),
        ("image/png, image/jpeg", "image/png", "breaking"),
        ("image/*", "image/png", "breaking"),
        ("image/png", "image/jpeg", "breaking"),
    ],
)
def test_a_longer_list_of_content_types_takes_what_the_shorter_took(old: str, new: str, verdict: str) -> None:
    assert judge(form(FILE, {"contentType": old}), form(FILE, {"contentType": new})).verdict == verdict


def test_the_encoding_of_a_field_that_the_schema_does_not_have_is_ignored() -> None:
    """OpenAPI 3.1.1 section 4.8.14: the key has to be a property of the schema."""
    schema = {"type": "object", "properties": {"a": TEXT}}
    said = {"schema": schema, "encoding": {"z": {"contentType": "text/xml"}}}
    old, new = (
        with_operation({"requestBody": {"content": {"multipart/form-data": media}}, "responses": OK})
        for media in ({"schema": schema}, said)
    )
    assert judge(old, new).verdict == "none"
