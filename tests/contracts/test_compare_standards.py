"""Single rules against the text of the standards, each in both directions. The label stands beside its source."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contracts.contract_documents import (
    judge,
    openapi,
    rules,
    with_event,
    with_parameter,
    with_request,
    with_response,
)
from tests.contracts.test_compare_odata import EDMX
from tests.contracts.test_compare_odata import judge as judge_metadata


def _agrees(verdict: str, label: str) -> bool:
    return verdict in ("none", "compatible") if label == "fine" else verdict == label


CLOSED = {"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "string"}}}
FEWER = {"type": "object", "properties": {"a": {"type": "string"}}}
RENAMED = {"type": "object", "properties": {"a": {"type": "string"}, "c": {"type": "string"}}}


@pytest.mark.parametrize("word", ["additionalProperties", "unevaluatedProperties"])
@pytest.mark.parametrize("after", [FEWER, RENAMED])
def test_a_property_that_a_closed_object_lost_is_refused(word: str, after: dict[str, Any]) -> None:
    """JSON Schema 2020-12 Core 10.3.2.3 and 11.3: `false` refuses every name that is not evaluated."""
    old, new = {**CLOSED, word: False}, {**after, word: False}
    for wrap in (with_request, lambda schema: with_event(schema, action="receive")):
        result = judge(wrap(old), wrap(new))
        assert result.verdict == "breaking"
        assert not any("does not say" in finding.message for finding in result.findings)
        assert judge(wrap(FEWER | {word: False}), wrap(old)).verdict == "compatible"
    assert (
        judge(with_request(old), with_request(new), levels={"request-property-removed-and-refused": "info"}).breaking
        == 0
    )
    assert judge(with_request(CLOSED), with_request(FEWER)).verdict == "warning"


def _query(schema: Any) -> dict[str, Any]:
    return with_parameter({"name": "q", "in": "query", "required": True, "schema": schema})


def _header(schema: Any) -> dict[str, Any]:
    answer = {"description": "OK", "headers": {"X-Count": {"required": True, "schema": schema}}}
    return openapi({"/orders": {"get": {"responses": {"200": answer}}}})


BOUND = [
    {"type": "string", "format": "date"},
    {"type": "string", "format": "uuid"},
    {"type": "string", "pattern": "^[A-Z]{3}$"},
    {"type": "string", "maxLength": 2},
    {"type": "string", "minLength": 30},
]


@pytest.mark.parametrize("text", BOUND)
@pytest.mark.parametrize("other", ["integer", "number", "boolean"])
def test_a_bound_text_does_not_hold_every_number(text: dict[str, Any], other: str) -> None:
    """OpenAPI 3.1.1 section 4.8.12.3: a query or header carries text; a text with a form holds texts of that form."""
    assert judge(_query({"type": other}), _query(text)).verdict == "breaking"
    assert judge(_query(text), _query({"type": other})).verdict == "breaking"
    assert judge(_header(text), _header({"type": other})).verdict == "breaking"
    assert judge(_header({"type": other}), _header(text)).verdict == "breaking"


@pytest.mark.parametrize("other", ["integer", "number", "boolean"])
def test_a_free_text_holds_every_number(other: str) -> None:
    free = {"type": "string"}
    assert judge(_query({"type": other}), _query(free)).verdict == "compatible"
    assert judge(_query(free), _query({"type": other})).verdict == "breaking"
    assert judge(_header(free), _header({"type": other})).verdict == "compatible"
    assert judge(_header({"type": other}), _header(free)).verdict == "breaking"


@pytest.mark.parametrize("text", BOUND)
def test_a_text_that_loses_its_bound_is_said_once(text: dict[str, Any]) -> None:
    assert judge(_query(text), _query({"type": "string"})).verdict == "compatible"
    assert "request-parameter-type-compatible" not in rules(judge(_query(text), _query({"type": "string"})))
    assert judge(_header(text), _header({"type": "string"})).verdict in ("breaking", "warning")
    both = {**text, "type": ["string", "integer"]}
    assert judge(_query(both), _query(text)).verdict == "breaking"


FORMATS = [
    # JSON Schema Validation 7: a format restricts the values of its type. OpenAPI format registry: int64, float, …
    ({"type": "integer", "format": "int64"}, {"type": "number", "format": "float"}, "breaking", "breaking"),
    ({"type": "integer", "format": "int32"}, {"type": "number", "format": "double"}, "fine", "breaking"),
    ({"type": "integer", "format": "int32"}, {"type": "number"}, "fine", "breaking"),
    (
        {"type": "string", "format": "date-time"},
        {"type": ["string", "integer"], "format": "date"},
        "breaking",
        "breaking",
    ),
    ({"type": "string", "format": "date"}, {"type": ["string", "null"], "format": "date-time"}, "breaking", "breaking"),
    ({"type": "string"}, {"type": ["string", "integer"], "format": "uuid"}, "breaking", "breaking"),
    ({"type": "string", "format": "uuid"}, {"type": ["string", "integer"]}, "fine", "breaking"),
    ({"type": "string", "format": "date"}, {"type": "integer", "format": "int64"}, "breaking", "breaking"),
]


@pytest.mark.parametrize(("old", "new", "request_label", "response_label"), FORMATS)
def test_a_format_counts_beside_a_change_of_type(old: Any, new: Any, request_label: str, response_label: str) -> None:
    assert _agrees(judge(with_request(old), with_request(new)).verdict, request_label)
    assert _agrees(judge(with_response(old), with_response(new)).verdict, response_label)
    assert _agrees(judge(with_response(new), with_response(old)).verdict, request_label)
    assert _agrees(judge(with_request(new), with_request(old)).verdict, response_label)


def _form(media: str, **fields: Any) -> dict[str, Any]:
    return with_request({"type": "object", "properties": fields}, media=media)


@pytest.mark.parametrize("media", ["multipart/form-data", "multipart/mixed"])
def test_an_object_within_a_multipart_is_json(media: str) -> None:
    """OpenAPI 3.1.1 section 4.8.15.1: the part of an object is `application/json`, that of a single value is text."""
    number, text = {"type": "integer"}, {"type": "string"}
    inside = [{"type": "object", "properties": {"n": schema}} for schema in (number, text)]
    assert judge(_form(media, n=number), _form(media, n=text)).verdict == "compatible"
    assert judge(_form(media, meta=inside[0]), _form(media, meta=inside[1])).verdict == "breaking"
    lists = [{"type": "array", "items": schema} for schema in (number, text)]
    assert judge(_form(media, n=lists[0]), _form(media, n=lists[1])).verdict == "compatible"
    objects = [{"type": "array", "items": schema} for schema in inside]
    assert judge(_form(media, n=objects[0]), _form(media, n=objects[1])).verdict == "breaking"


def _not(schema: Any) -> dict[str, Any]:
    return {"type": "object", "not": schema}


def _having(schema: Any) -> dict[str, Any]:
    return {"properties": {"a": schema}, "required": ["a"]}


A, B = {"type": "string"}, {"type": "string"}
NEGATED = [
    # JSON Schema 2020-12 Core 10.2.1.4: `not` accepts what its schema refuses.
    ({"properties": {"a": A, "b": B}, "required": ["a", "b"]}, {"properties": {"b": B}, "required": ["b"]}),
    ({"required": ["a", "b"]}, {"required": ["b"]}),
    (
        {"properties": {"a": {"enum": ["x"]}}, "required": ["a"]},
        {"properties": {"a": {"enum": ["x", "y"]}}, "required": ["a"]},
    ),
    ({"properties": {"a": {"maxLength": 3}}, "required": ["a"]}, {"properties": {"a": {}}, "required": ["a"]}),
    (
        {"properties": {"a": {"type": "integer"}}, "required": ["a"]},
        {"properties": {"a": {"type": "number"}}, "required": ["a"]},
    ),
    (
        {"properties": {"a": A, "b": B}, "required": ["a"], "additionalProperties": False},
        {"properties": {"a": A, "b": B, "c": A}, "required": ["a"], "additionalProperties": False},
    ),
]


@pytest.mark.parametrize(("tight", "loose"), NEGATED)
def test_below_a_negation_the_flipped_effect_decides(tight: Any, loose: Any) -> None:
    """The negated schema is loosened, so the whole refuses more."""
    assert judge(with_request(_not(tight)), with_request(_not(loose))).verdict == "breaking"
    assert judge(with_response(_not(tight)), with_response(_not(loose))).verdict == "compatible"
    assert judge(with_request(_not(loose)), with_request(_not(tight))).verdict == "compatible"
    assert judge(with_response(_not(loose)), with_response(_not(tight))).verdict in ("breaking", "warning")


SALE = {"type": "object", "xml": {"name": "Sale"}, "properties": {"id": {"type": "string", "xml": {"attribute": True}}}}
LINES = {"type": "array", "items": {"type": "string", "xml": {"name": "line"}}, "xml": {"wrapped": True}}


def _sale(**more: Any) -> dict[str, Any]:
    return {**SALE, "properties": {**SALE["properties"], **more}}


XML = [
    # OpenAPI 3.1.1 section 4.8.26 (XML Object): name, namespace, attribute and wrapped are how the value is written.
    (SALE, {**SALE, "xml": {"name": "SaleV2"}}, "breaking"),
    (SALE, {**SALE, "xml": {"name": "Sale", "namespace": "urn:shop"}}, "breaking"),
    (SALE, _sale(id={"type": "string"}), "breaking"),
    (_sale(lines=LINES), _sale(lines={**LINES, "xml": {"wrapped": False}}), "breaking"),
    (_sale(lines=LINES), _sale(lines={**LINES, "items": {"type": "string", "xml": {"name": "row"}}}), "breaking"),
    (SALE, {**SALE, "xml": {"name": "Sale", "prefix": "s"}}, "warning"),
    (SALE, _sale(id={"type": "string", "xml": {"attribute": True, "name": "id"}}), "none"),
    (SALE, {**SALE, "xml": {"name": "Sale", "wrapped": False, "x-note": "a"}}, "none"),
]


@pytest.mark.parametrize(("old", "new", "label"), XML)
@pytest.mark.parametrize("wrap", [with_request, with_response])
def test_names_of_xml_count_where_the_body_is_xml(old: Any, new: Any, label: str, wrap: Any) -> None:
    for media in ("application/xml", "text/xml; charset=utf-8", "application/vnd.shop+xml"):
        assert judge(wrap(old, media=media), wrap(new, media=media)).verdict == label
        assert judge(wrap(new, media=media), wrap(old, media=media)).verdict == label
    assert judge(wrap(old), wrap(new)).verdict == "none"


MEMBERS = '<Member Name="Open" Value="0"/><Member Name="Paid" Value="1"/>'


@pytest.mark.parametrize(
    ("after", "verdict"),
    [
        (MEMBERS.replace('"1"', '"7"'), "warning"),
        ('<Member Name="Open"/><Member Name="Paid"/>', "none"),
        ('<Member Name="Paid"/><Member Name="Open"/>', "warning"),
        ('<Member Name="Paid" Value="1"/><Member Name="Open" Value="0"/>', "none"),
    ],
)
def test_the_number_behind_a_member_of_an_enumeration_is_said(after: str, verdict: str) -> None:
    """OData CSDL XML 4.01 section 10.3: a member without a value has the next number; JSON 4.01 may carry numbers."""
    assert MEMBERS in EDMX
    result = judge_metadata(EDMX.replace(MEMBERS, after))
    assert result.verdict == verdict
    assert rules(result) - {"annotation-changed"} <= {
        f"{side}-property-odata-enum-number-changed" for side in ("request", "response")
    }
