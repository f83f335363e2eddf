"""Schemas that take the same values in other words, and their neighbours that do not."""

from __future__ import annotations

from typing import Any

import jsonschema_rs
import pytest

from tests.contracts.contract_documents import judge, rules, with_request, with_response
from tillgate_contracts.compare.soap.simple import is_within

WHOLE: dict[str, Any] = {"type": "integer"}
VALUES: list[Any] = [None, True, 1, 2, 3, 4, 6, 12, 1.5, "a", [], [1], [1, 1], {}, {"a": 1}, {"b": 1}, {"a": 1, "b": 1}]
EQUAL: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("a text among whole numbers", {**WHOLE, "enum": [1, "a"]}, {**WHOLE, "enum": [1]}),
    ("null by type and by value", {"type": "null"}, {"const": None}),
    ("one item is unique", {"type": "array", "maxItems": 1}, {"type": "array", "maxItems": 1, "uniqueItems": True}),
    ("what depends on itself", {"type": "object"}, {"type": "object", "dependentRequired": {"a": ["a"]}}),
    ("halves of whole numbers", WHOLE, {**WHOLE, "multipleOf": 0.5}),
    ("two and three", {**WHOLE, "allOf": [{"multipleOf": 2}, {"multipleOf": 3}]}, {**WHOLE, "multipleOf": 6}),
]
NUMBER, THINGS, LIST = {"type": "number"}, {"type": "object"}, {"type": "array"}
A: dict[str, Any] = {"required": ["a"]}
#: In JSON Schema 2020-12; one finding less than "compatible": none.
SAME: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("multiples of one are integers", {**NUMBER, "multipleOf": 1}, WHOLE),
    ("multiples of two are integers", {**NUMBER, "multipleOf": 2}, {**WHOLE, "multipleOf": 2.0}),
    ("integers above", {**NUMBER, "multipleOf": 1, "exclusiveMinimum": 0}, {**WHOLE, "minimum": 1}),
    ("multiples of one and null", {"type": ["number", "null"], "multipleOf": 1}, {"type": ["integer", "null"]}),
    ("one of one required", {**THINGS, **A}, {**THINGS, **A, "minProperties": 1}),
    ("two of two required", {**THINGS, "required": ["a", "b"]}, {**THINGS, "required": ["a", "b"], "minProperties": 2}),
    ("an item of any kind", {**LIST, "contains": True}, {**LIST, "minItems": 1}),
    (
        "one or two items of any kind",
        {**LIST, "contains": {"description": "any"}, "minContains": 1, "maxContains": 2},
        {**LIST, "minItems": 1, "maxItems": 2},
    ),
    ("a branch that never counts", {**THINGS, "if": True, "else": A}, THINGS),
    ("the other branch that never counts", {**THINGS, "if": {"not": {}}, "then": A}, THINGS),
    ("a branch that always counts", {**THINGS, "if": True, "then": A}, {**THINGS, **A}),
    ("the other branch that always counts", {**THINGS, "if": False, "else": A}, {**THINGS, **A}),
    ("a condition without a consequence", {**THINGS, "if": A, "then": True, "else": {}}, THINGS),
    ("no name at all", {**THINGS, "propertyNames": False}, {**THINGS, "maxProperties": 0}),
    ("no name by negation", {**THINGS, "propertyNames": {"not": {}}}, {**THINGS, "maxProperties": 0}),
]
NARROWER: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("a number among whole numbers", {**WHOLE, "enum": [1, 2]}, {**WHOLE, "enum": [1]}),
    ("null or a text", {"type": ["null", "string"]}, {"const": None}),
    ("two items are unique", {"type": "array", "maxItems": 2}, {"type": "array", "maxItems": 2, "uniqueItems": True}),
    ("what depends on another", {"type": "object"}, {"type": "object", "dependentRequired": {"a": ["a", "b"]}}),
    ("one and a half", WHOLE, {**WHOLE, "multipleOf": 1.5}),
    ("multiples of a half", {**NUMBER, "multipleOf": 0.5}, WHOLE),
    ("multiples of two", WHOLE, {**NUMBER, "multipleOf": 2}),
    ("two beside one required", {**THINGS, **A}, {**THINGS, **A, "minProperties": 2}),
    ("an item of one kind", {**LIST, "minItems": 1}, {**LIST, "contains": {"type": "string"}}),
    ("a condition that may hold", THINGS, {**THINGS, "if": A, "else": {"required": ["b"]}}),
    ("a branch that counts now", {**THINGS, "if": True, "else": A}, {**THINGS, "if": False, "else": A}),
    ("names of one letter", {**THINGS, "propertyNames": {"enum": ["a"]}}, {**THINGS, "maxProperties": 0}),
    ("two and four", {**WHOLE, "allOf": [{"multipleOf": 2}, {"multipleOf": 4}]}, {**WHOLE, "multipleOf": 12}),
]


def taken(schema: dict[str, Any]) -> list[Any]:
    return [value for value in VALUES if jsonschema_rs.is_valid(schema, value)]


@pytest.mark.parametrize(("name", "one", "other"), EQUAL, ids=[case[0] for case in EQUAL])
def test_equal_forms_break_nobody(name: str, one: dict[str, Any], other: dict[str, Any]) -> None:
    assert taken(one) == taken(other)
    for place in (with_request, with_response):
        for old, new in ((one, other), (other, one)):
            result = judge({**place(old), "openapi": "3.1.0"}, {**place(new), "openapi": "3.1.0"})
            assert result.verdict in ("none", "compatible"), (name, rules(result))


@pytest.mark.parametrize(("name", "one", "other"), SAME, ids=[case[0] for case in SAME])
def test_the_same_values_in_other_words_are_no_change(name: str, one: dict[str, Any], other: dict[str, Any]) -> None:
    assert taken(one) == taken(other)
    for place in (with_request, with_response):
        for old, new in ((one, other), (other, one)):
            result = judge({**place(old), "openapi": "3.1.0"}, {**place(new), "openapi": "3.1.0"})
            assert result.verdict == "none", (name, rules(result))


def test_a_whole_float_is_no_integer_before_2020_12() -> None:
    old, new = ({**with_request(one), "openapi": "3.0.3"} for one in ({**NUMBER, "multipleOf": 1}, WHOLE))
    assert judge(old, new).verdict == "breaking"


def test_a_property_that_a_request_does_not_send_is_none_that_it_has() -> None:
    hidden = {**THINGS, **A, "properties": {"a": {"readOnly": True}}}
    old, new = ({**with_request(one), "openapi": "3.1.0"} for one in (hidden, {**hidden, "minProperties": 1}))
    assert judge(old, new).verdict == "breaking"


def test_what_any_item_evaluates_is_told_where_the_rest_is_refused() -> None:
    closed = {**LIST, "unevaluatedItems": False}
    old, new = ({**closed, "contains": True}, {**closed, "minItems": 1})
    result = judge(*({**with_request(one), "openapi": "3.1.0"} for one in (old, new)))
    assert result.verdict in ("breaking", "warning")


@pytest.mark.parametrize(("name", "wide", "narrow"), NARROWER, ids=[case[0] for case in NARROWER])
def test_their_neighbours_are_told_for_whom_they_refuse(
    name: str, wide: dict[str, Any], narrow: dict[str, Any]
) -> None:
    assert set(map(str, taken(narrow))) < set(map(str, taken(wide)))
    for place, old, new in ((with_request, wide, narrow), (with_response, narrow, wide)):
        result = judge({**place(old), "openapi": "3.1.0"}, {**place(new), "openapi": "3.1.0"})
        assert result.verdict in ("breaking", "warning"), (name, rules(result))


def test_every_text_of_a_float_of_xml_schema_is_one_of_a_double() -> None:
    """XML Schema 1.1 part 2, sections 3.3.4 and 3.3.5: the same texts, and more values."""
    assert is_within("xs:float", "xs:double")
    assert is_within("xs:int", "xs:float")
    assert not is_within("xs:double", "xs:float")


@pytest.mark.parametrize("free", [{}, True, {"title": "anything"}])
def test_a_branch_that_an_inner_union_has_as_well_takes_no_place_of_it(free: Any) -> None:
    """`oneOf` in `oneOf`: a value that matches two of the inner branches matches none, and may match the outer one."""
    inner = {"oneOf": [{"type": "object"}, free, {"type": "string"}]}
    old, new = {"oneOf": [{"const": 1}, inner]}, {"oneOf": [free, inner]}
    assert {} not in taken(old)
    assert {} in taken(new)
    for place, one, other in ((with_request, new, old), (with_response, old, new)):
        result = judge({**place(one), "openapi": "3.1.0"}, {**place(other), "openapi": "3.1.0"})
        assert result.verdict in ("breaking", "warning"), rules(result)
