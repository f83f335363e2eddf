"""Every schema keyword, tightened and loosened, seen from both sides of the wire."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contracts.contract_documents import judge, rules, with_event, with_request, with_response
from tillgate_contracts.errors import ContractError

OBJECT = {"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "integer"}}}
#: (name, loose schema, tight schema): the tight one accepts a proper subset of what the loose one accepts.
SUBSETS: list[tuple[str, Any, Any]] = [
    ("type number to integer", {"type": "number"}, {"type": "integer"}),
    ("type any to string", {}, {"type": "string"}),
    ("type list", {"type": ["string", "integer"]}, {"type": "string"}),
    ("null", {"type": ["string", "null"]}, {"type": "string"}),
    ("enum value", {"enum": ["a", "b"]}, {"enum": ["a"]}),
    ("enum at all", {"type": "string"}, {"type": "string", "enum": ["a"]}),
    ("const at all", {"type": "string"}, {"type": "string", "const": "a"}),
    ("const in enum", {"enum": ["a", "b"]}, {"const": "a"}),
    ("format", {"type": "string"}, {"type": "string", "format": "date"}),
    ("format int64 to int32", {"type": "integer", "format": "int64"}, {"type": "integer", "format": "int32"}),
    ("minimum", {"type": "integer", "minimum": 1}, {"type": "integer", "minimum": 2}),
    ("maximum", {"type": "integer", "maximum": 9}, {"type": "integer", "maximum": 8}),
    ("exclusiveMinimum", {"type": "number", "minimum": 1}, {"type": "number", "exclusiveMinimum": 1}),
    ("exclusiveMaximum", {"type": "number", "exclusiveMaximum": 9}, {"type": "number", "exclusiveMaximum": 8}),
    ("multipleOf", {"type": "integer", "multipleOf": 2}, {"type": "integer", "multipleOf": 6}),
    ("multipleOf at all", {"type": "integer"}, {"type": "integer", "multipleOf": 6}),
    ("minLength", {"type": "string", "minLength": 1}, {"type": "string", "minLength": 2}),
    ("maxLength", {"type": "string", "maxLength": 9}, {"type": "string", "maxLength": 8}),
    ("pattern at all", {"type": "string"}, {"type": "string", "pattern": "^[a-z]+$"}),
    ("contentEncoding", {"type": "string"}, {"type": "string", "contentEncoding": "base64"}),
    ("minItems", {"type": "array"}, {"type": "array", "minItems": 1}),
    ("maxItems", {"type": "array", "maxItems": 9}, {"type": "array", "maxItems": 8}),
    ("uniqueItems", {"type": "array"}, {"type": "array", "uniqueItems": True}),
    ("items", {"type": "array", "items": {"type": "number"}}, {"type": "array", "items": {"type": "integer"}}),
    ("prefixItems", {"type": "array", "prefixItems": [{}]}, {"type": "array", "prefixItems": [{"type": "string"}]}),
    ("contains", {"type": "array"}, {"type": "array", "contains": {"type": "string"}}),
    (
        "minContains",
        {"type": "array", "contains": {"const": 1}},
        {"type": "array", "contains": {"const": 1}, "minContains": 2},
    ),
    (
        "maxContains",
        {"type": "array", "contains": {"const": 1}, "maxContains": 3},
        {"type": "array", "contains": {"const": 1}, "maxContains": 2},
    ),
    ("required", OBJECT, {**OBJECT, "required": ["a"]}),
    ("required without a property", {"type": "object"}, {"type": "object", "required": ["x"]}),
    ("minProperties", OBJECT, {**OBJECT, "minProperties": 1}),
    ("maxProperties", OBJECT, {**OBJECT, "maxProperties": 1}),
    ("additionalProperties closed", OBJECT, {**OBJECT, "additionalProperties": False}),
    ("additionalProperties typed", OBJECT, {**OBJECT, "additionalProperties": {"type": "string"}}),
    (
        "additionalProperties value",
        {"type": "object", "additionalProperties": {"type": "number"}},
        {"type": "object", "additionalProperties": {"type": "integer"}},
    ),
    ("patternProperties", {"type": "object"}, {"type": "object", "patternProperties": {"^x": {"type": "string"}}}),
    ("propertyNames", {"type": "object"}, {"type": "object", "propertyNames": {"maxLength": 3}}),
    ("dependentRequired", OBJECT, {**OBJECT, "dependentRequired": {"a": ["b"]}}),
    ("dependentSchemas", OBJECT, {**OBJECT, "dependentSchemas": {"a": {"required": ["b"]}}}),
    ("unevaluatedProperties", OBJECT, {**OBJECT, "unevaluatedProperties": False}),
    ("not", {"type": "string"}, {"type": "string", "not": {"const": "a"}}),
    ("not, turned round", {"not": {"type": "string", "maxLength": 5}}, {"not": {"type": "string", "maxLength": 9}}),
    ("if", OBJECT, {**OBJECT, "if": {"required": ["a"]}, "then": {"required": ["b"]}}),
    ("anyOf branch", {"anyOf": [{"minimum": 3}, {"type": "string"}]}, {"anyOf": [{"type": "string"}]}),
    (
        "oneOf branch",
        {"oneOf": [{"type": "string", "minLength": 1}, {"type": "array", "items": {}}]},
        {"oneOf": [{"type": "string", "minLength": 1}]},
    ),
    (
        "allOf branch",
        {"allOf": [{"type": "string"}]},
        {"allOf": [{"type": "string"}, {"maxLength": 5, "minLength": 2}]},
    ),
    (
        "nested property",
        {"type": "object", "properties": {"a": OBJECT}},
        {"type": "object", "properties": {"a": {**OBJECT, "required": ["b"]}}},
    ),
    ("schema false", {"type": "object"}, {"type": "object", "properties": {"a": False}}),
]
#: A new value or a free pattern in a response: debatable, so the default is a warning and the policy decides.
NEW_VALUES = {"enum value", "const in enum", "pattern at all"}
IDS = [name for name, _, _ in SUBSETS]


@pytest.mark.parametrize(("name", "loose", "tight"), SUBSETS, ids=IDS)
def test_narrowing_a_request_hurts_and_widening_it_does_not(name: str, loose: Any, tight: Any) -> None:
    assert judge(with_request(loose), with_request(tight)).verdict == "breaking"
    assert judge(with_request(tight), with_request(loose)).verdict in {"compatible", "none"}


@pytest.mark.parametrize(("name", "loose", "tight"), SUBSETS, ids=IDS)
def test_widening_a_response_hurts_and_narrowing_it_does_not(name: str, loose: Any, tight: Any) -> None:
    worse = judge(with_response(tight), with_response(loose)).verdict
    assert worse == ("warning" if name in NEW_VALUES else "breaking")
    assert judge(with_response(loose), with_response(tight)).verdict in {"compatible", "none"}


@pytest.mark.parametrize(("name", "loose", "tight"), SUBSETS, ids=IDS)
def test_events_follow_who_sends(name: str, loose: Any, tight: Any) -> None:
    strict = {"content_model": "strict"}
    assert (
        judge(with_event(loose, action="receive"), with_event(tight, action="receive"), **strict).verdict == "breaking"
    )
    assert (
        judge(with_event(tight, action="receive"), with_event(loose, action="receive"), **strict).verdict
        == "compatible"
    )
    assert judge(with_event(loose, action="send"), with_event(tight, action="send"), **strict).verdict == "compatible"
    assert judge(with_event(tight, action="send"), with_event(loose, action="send"), **strict).verdict in {
        "breaking",
        "warning",
    }


#: A bound where none was declared: callers may or may not have sent more, the document does not say.
NEW_BOUNDS = [
    ({"type": "string"}, {"type": "string", "maxLength": 8}, "max-length-set"),
    ({"type": "integer"}, {"type": "integer", "minimum": 1}, "min-set"),
    ({"type": "integer"}, {"type": "integer", "maximum": 1}, "max-set"),
    ({"type": "number"}, {"type": "number", "exclusiveMaximum": 1}, "exclusive-max-set"),
    ({"type": "array"}, {"type": "array", "maxItems": 1}, "max-items-set"),
]


@pytest.mark.parametrize(("free", "bound", "kind"), NEW_BOUNDS)
def test_a_bound_where_none_was_is_a_warning_for_requests_and_a_break_when_it_goes_from_responses(
    free: Any, bound: Any, kind: str
) -> None:
    result = judge(with_request(free), with_request(bound))
    assert (result.verdict, rules(result)) == ("warning", {f"request-body-{kind}"})
    assert judge(with_response(bound), with_response(free)).verdict == "breaking"


#: Pairs that say the same in another way.
EQUAL: list[tuple[str, Any, Any]] = [
    ("const and enum", {"const": 1}, {"enum": [1]}),
    ("enum order", {"enum": ["a", "b"]}, {"enum": ["b", "a"]}),
    ("numbers by value", {"enum": [1]}, {"enum": [1.0]}),
    ("type as list", {"type": ["string"]}, {"type": "string"}),
    ("null branch", {"anyOf": [{"type": "string"}, {"type": "null"}]}, {"type": ["string", "null"]}),
    ("union of types", {"oneOf": [{"type": "string"}, {"type": "integer"}]}, {"type": ["integer", "string"]}),
    ("single anyOf", {"anyOf": [OBJECT]}, OBJECT),
    ("single oneOf", {"oneOf": [OBJECT]}, OBJECT),
    ("single allOf", {"allOf": [OBJECT]}, OBJECT),
    ("split allOf", {"allOf": [{"type": "object"}, {"properties": OBJECT["properties"]}]}, OBJECT),
    ("empty required", {**OBJECT, "required": []}, OBJECT),
    ("required order", {**OBJECT, "required": ["a", "b"]}, {**OBJECT, "required": ["b", "a"]}),
    ("additionalProperties true", {**OBJECT, "additionalProperties": True}, OBJECT),
    ("additionalProperties {}", {**OBJECT, "additionalProperties": {}}, OBJECT),
    ("integer bounds", {"type": "integer", "exclusiveMinimum": 0}, {"type": "integer", "minimum": 1}),
    ("minLength 0", {"type": "string", "minLength": 0}, {"type": "string"}),
    ("free pattern", {"type": "string", "minLength": 1}, {"type": "string", "minLength": 1, "uniqueItems": False}),
    ("branch order", {"anyOf": [OBJECT, {"type": "string"}]}, {"anyOf": [{"type": "string"}, OBJECT]}),
    ("boolean enum", {"type": "boolean"}, {"type": "boolean", "enum": [True, False]}),
]


@pytest.mark.parametrize(("name", "one", "other"), EQUAL, ids=[name for name, _, _ in EQUAL])
def test_another_spelling_of_the_same_schema_is_no_change(name: str, one: Any, other: Any) -> None:
    for wrap in (with_request, with_response):
        assert rules(judge(wrap(one), wrap(other))) == set()
        assert rules(judge(wrap(other), wrap(one))) == set()


def test_nullable_of_openapi_3_0_is_the_type_list_of_3_1() -> None:
    old = with_request({"type": "object", "properties": {"a": {"type": "string", "nullable": True}}}, version="3.0.3")
    new = with_request({"type": "object", "properties": {"a": {"type": ["string", "null"]}}})
    assert judge(old, new).findings == []
    assert judge(new, old).findings == []


def test_boolean_exclusive_bounds_of_3_0_are_the_numbers_of_3_1() -> None:
    old = with_request({"type": "number", "minimum": 0, "exclusiveMinimum": True}, version="3.0.3")
    assert judge(old, with_request({"type": "number", "exclusiveMinimum": 0})).findings == []


def test_a_nullable_reference_of_3_0_is_the_null_branch_of_3_1() -> None:
    parts = {"components": {"schemas": {"Money": {"type": "object", "properties": {"value": {"type": "integer"}}}}}}
    ref = {"$ref": "#/components/schemas/Money"}
    old = with_request(
        {"type": "object", "properties": {"m": {"nullable": True, "allOf": [ref]}}}, version="3.0.3", **parts
    )
    new = with_request({"type": "object", "properties": {"m": {"anyOf": [ref, {"type": "null"}]}}}, **parts)
    assert judge(old, new).findings == []


def test_keywords_beside_a_reference_count_in_3_1_and_not_in_3_0() -> None:
    parts = {"components": {"schemas": {"Name": {"type": "string"}}}}
    plain, bound = {"$ref": "#/components/schemas/Name"}, {"$ref": "#/components/schemas/Name", "maxLength": 5}
    assert judge(with_request(plain, **parts), with_request(bound, **parts)).verdict == "warning"
    old, new = (with_request(schema, version="3.0.3", **parts) for schema in (plain, bound))
    assert judge(old, new).findings == []


def test_a_change_in_a_recursive_component_is_found_once_with_all_operations() -> None:
    def document(kind: str) -> dict[str, Any]:
        node = {
            "type": "object",
            "properties": {
                "value": {"type": kind},
                "next": {"$ref": "#/components/schemas/Node"},
                "all": {"type": "array", "items": {"$ref": "#/components/schemas/Node"}},
            },
        }
        ref = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Node"}}}}
        paths = {
            f"/{name}": {"post": {"requestBody": ref, "responses": {"200": {"description": "OK"}}}} for name in "abc"
        }
        return {
            "openapi": "3.1.0",
            "info": {"title": "t", "version": "1"},
            "paths": paths,
            "components": {"schemas": {"Node": node}},
        }

    result = judge(document("number"), document("integer"))
    assert rules(result) == {"request-property-type-changed"}
    assert result.findings[0].operations == ("POST /a", "POST /b", "POST /c")
    assert result.findings[0].revision_pointer == "/components/schemas/Node/properties/value"


def test_a_break_behind_two_mutually_recursive_components_is_not_hidden_by_the_memo() -> None:
    def document(limit: int) -> dict[str, Any]:
        schemas = {
            "A": {
                "type": "object",
                "properties": {"b": {"$ref": "#/components/schemas/B"}, "x": {"anyOf": _branches(limit)}},
            },
            "B": {"type": "object", "properties": {"a": {"$ref": "#/components/schemas/A"}}},
        }
        return with_request({"$ref": "#/components/schemas/B"}, components={"schemas": schemas})

    def _branches(limit: int) -> list[Any]:
        return [{"$ref": "#/components/schemas/B"}, {"type": "string", "maxLength": limit}]

    assert judge(document(9), document(5)).verdict == "breaking"
    assert judge(document(5), document(9)).verdict == "compatible"


def test_read_only_fields_do_not_count_in_requests_nor_write_only_ones_in_responses() -> None:
    def schema(flag: str, kind: str) -> dict[str, Any]:
        return {"type": "object", "properties": {"id": {"type": kind, flag: True}}, "required": ["id"]}

    assert judge(with_request(schema("readOnly", "number")), with_request(schema("readOnly", "integer"))).breaking == 0
    assert (
        judge(with_response(schema("writeOnly", "integer")), with_response(schema("writeOnly", "number"))).breaking == 0
    )
    assert (
        judge(with_request(schema("writeOnly", "number")), with_request(schema("writeOnly", "integer"))).breaking == 1
    )
    assert (
        judge(with_response(schema("readOnly", "integer")), with_response(schema("readOnly", "number"))).breaking == 1
    )


def test_a_required_field_that_stops_being_read_only_is_a_new_demand_on_requests() -> None:
    def schema(*, hidden: bool) -> dict[str, Any]:
        return {"type": "object", "properties": {"id": {"type": "string", "readOnly": hidden}}, "required": ["id"]}

    result = judge(with_request(schema(hidden=True)), with_request(schema(hidden=False)))
    assert rules(result, "breaking") == {"request-required-property-became-not-read-only"}


def test_an_open_list_may_grow_in_responses_and_not_shrink_in_requests() -> None:
    few = {"type": "string", "x-extensible-enum": ["a"]}
    many = {"type": "string", "x-extensible-enum": ["a", "b"]}
    assert judge(with_response(few), with_response(many)).verdict == "compatible"
    assert judge(with_request(many), with_request(few)).verdict == "breaking"


def test_a_new_property_is_judged_by_the_content_model() -> None:
    small = {"type": "object", "properties": {"a": {"type": "string"}}}
    large = {"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "integer"}}}
    assert judge(with_request(small), with_request(large)).verdict == "compatible"
    assert judge(with_request(small), with_request(large), content_model="strict").verdict == "breaking"


def test_one_of_only_widens_where_its_branches_exclude_each_other() -> None:
    text, number = {"type": "string", "maxLength": 5}, {"type": "integer", "maximum": 5}
    short = {"type": "string", "maxLength": 3}
    apart = judge(with_request(text), with_request({"oneOf": [text, number]}))
    assert apart.verdict == "compatible"
    overlapping = judge(with_request(text), with_request({"oneOf": [text, short]}))
    assert rules(overlapping, "breaking") == {"request-body-wrapped-in-one-of"}


def test_all_of_around_any_of_is_seen_through() -> None:
    both = {"type": "number", "allOf": [{"maximum": 100}, {"multipleOf": 6}]}
    either = {"type": "number", "anyOf": [{"maximum": 100}, {"multipleOf": 6}]}
    assert judge(with_request(both), with_request(either)).verdict == "compatible"
    assert judge(with_request(either), with_request(both)).verdict == "breaking"


def test_what_cannot_be_decided_is_a_warning_with_its_reason() -> None:
    one, other = {"type": "string", "pattern": "^[a-z]+$"}, {"type": "string", "pattern": "^[a-z0-9]+$"}
    for wrap in (with_request, with_response):
        finding = judge(wrap(one), wrap(other)).findings[0]
        assert finding.level == "warning"
        assert "whether the new pattern is stricter" in finding.message


def test_a_changed_unknown_keyword_is_never_silent() -> None:
    result = judge(with_request({"type": "string", "wombat": 1}), with_request({"type": "string", "wombat": 2}))
    assert result.verdict == "warning"
    assert "wombat" in result.findings[0].message


def test_descriptions_examples_and_extensions_are_shown_and_never_judged() -> None:
    one = {"type": "string", "description": "a", "example": "x", "x-team": "a"}
    other = {"type": "string", "description": "b", "example": "y", "x-team": "b"}
    result = judge(with_request(one), with_request(other))
    assert result.verdict == "none"
    assert rules(result) == {"annotation-changed"}


def test_a_changed_default_warns_for_bodies_because_callers_that_leave_the_field_out_get_something_else() -> None:
    one, other = {"type": "string", "default": "a"}, {"type": "string", "default": "b"}
    assert judge(with_request(one), with_request(other)).verdict == "warning"
    assert judge(with_response(one), with_response(other)).verdict == "compatible"


DISCRIMINATED = {
    "oneOf": [{"$ref": "#/components/schemas/Card"}, {"$ref": "#/components/schemas/Cash"}],
    "discriminator": {
        "propertyName": "kind",
        "mapping": {"card": "#/components/schemas/Card", "cash": "#/components/schemas/Cash"},
    },
}


def _tender(name: str = "kind", mapping: dict[str, str] | None = None) -> Any:
    schemas = {
        word: {"type": "object", "properties": {"kind": {"type": "string"}, word.lower(): {"type": "string"}}}
        for word in ("Card", "Cash")
    }
    discriminator = {"propertyName": name, "mapping": mapping or DISCRIMINATED["discriminator"]["mapping"]}
    return {**DISCRIMINATED, "discriminator": discriminator}, {"components": {"schemas": schemas}}


@pytest.mark.parametrize("wrap", [with_request, with_response])
def test_the_tag_of_a_union_is_a_promise_in_both_directions(wrap: Any) -> None:
    base, parts = _tender()
    renamed, _ = _tender("type")
    gone, _ = _tender(mapping={"card": "#/components/schemas/Card", "CASH": "#/components/schemas/Cash"})
    turned, _ = _tender(mapping={"card": "#/components/schemas/Cash", "cash": "#/components/schemas/Card"})
    for other in (renamed, gone, turned):
        assert judge(wrap(base, **parts), wrap(other, **parts)).verdict == "breaking"
    assert judge(wrap(base, **parts), wrap(base, **parts)).findings == []


def _linked(count: int, limit: int, targets: Any) -> dict[str, Any]:
    schemas: dict[str, Any] = {f"C{count}": {"type": "string"}}
    for index in range(count):
        branches = [{"$ref": f"#/components/schemas/C{target}"} for target in targets(index)]
        union = {"anyOf": [*branches, {"type": "string", "maxLength": limit}]}
        schemas[f"C{index}"] = {
            "type": "object",
            "properties": {"value": {"type": "string", "maxLength": limit}, "next": union},
        }
    return with_request({"$ref": "#/components/schemas/C0"}, components={"schemas": schemas})


def test_unions_that_all_refer_to_each_other_are_compared_with_each_finding_once() -> None:
    old, new = (_linked(6, limit, lambda index: range(6)) for limit in (9, 5))
    found = [finding for finding in judge(old, new).findings if finding.rule == "request-property-max-length-decreased"]
    assert len(found) == len({finding.revision_pointer for finding in found}) == 12


def test_schemas_nested_in_unions_without_measure_are_refused_in_bounds() -> None:
    old, new = (_linked(400, limit, lambda index: [index + 1]) for limit in (9, 5))
    with pytest.raises(ContractError) as caught:
        judge(old, new)
    assert caught.value.code == "contract.comparison_too_deep"


def test_what_was_required_and_forbidden_at_once_and_is_free_now_widens() -> None:
    """JSON Schema 2020-12 Core 10.3.2: nothing was accepted before, so every value is new."""
    closed = {"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": False}
    asked = {"type": "object", "required": ["kind"], "properties": {"kind": {"type": "string"}}}
    for word in ("oneOf", "anyOf"):
        old, new = (
            {**closed, word: [branch, {"type": "object", "required": ["a"]}]} for branch in (asked, {"type": "object"})
        )
        assert judge(with_response(old), with_response(new), content_model="strict").verdict in ("breaking", "warning")
    both = {"allOf": [closed, asked]}
    result = judge(with_response(both), with_response({"allOf": [closed, {**asked, "required": []}]}))
    assert result.verdict == "breaking"
