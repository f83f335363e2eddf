"""What comes to an end: the last property of a schema, a property that no value can have any more."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.contracts.contract_documents import judge, rules, with_event, with_request, with_response

STRING = {"type": "string"}
ONE = {"properties": {"k": STRING}}
SIDES: dict[str, Callable[..., dict[str, Any]]] = {"request": with_request, "response": with_response}
#: (name, before, after): a schema without `type` loses its last property.
LAST: list[tuple[str, Any, Any]] = [
    ("empty properties", ONE, {"properties": {}}),
    ("nothing left", ONE, {}),
    ("true", ONE, True),
    ("required", {**ONE, "required": ["k"]}, {"properties": {}}),
    ("two go at once", {"properties": {"k": STRING, "l": STRING}}, {"properties": {}}),
    ("of a property", {"type": "object", "properties": {"o": ONE}}, {"type": "object", "properties": {"o": {}}}),
    ("of a map", {"type": "object", "additionalProperties": ONE}, {"type": "object", "additionalProperties": {}}),
    ("of an item", {"type": "array", "items": ONE}, {"type": "array", "items": {"properties": {}}}),
    ("of a part", {"allOf": [ONE]}, {"allOf": [{"properties": {}}]}),
]


@pytest.mark.parametrize("version", ["3.0.3", "3.1.0"])
@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize(("name", "old", "new"), LAST, ids=[row[0] for row in LAST])
def test_a_schema_without_a_type_tells_of_its_last_property(
    name: str, old: Any, new: Any, side: str, version: str
) -> None:
    report = judge(SIDES[side](old, version=version), SIDES[side](new, version=version))
    assert report.verdict in {"warning", "breaking"}, report.findings
    assert any("property-removed" in rule for rule in rules(report))


def test_a_required_name_that_no_property_describes_is_told_when_everything_is_allowed() -> None:
    before = {"required": ["k"]}
    assert judge(with_response(before), with_response({})).verdict == "breaking"
    assert judge(with_request(before), with_request({})).verdict == "compatible"
    assert judge(with_event(before), with_event({})).verdict == "breaking"


@pytest.mark.parametrize("union", ["anyOf", "oneOf"])
def test_a_branch_without_a_type_tells_of_its_last_property(union: str) -> None:
    other = {"type": "object", "properties": {"a": STRING}}
    for side in SIDES.values():
        assert judge(side({union: [ONE, other]}), side({union: [{"properties": {}}, other]})).findings


#: Schemas that no value fits.
NOTHING: dict[str, Any] = {
    "false": False,
    "not anything": {"not": {}},
    "another type beside": {"allOf": [STRING, {"type": "integer"}]},
    "no type in common": {"allOf": [{"type": ["string", "null"]}, {"type": "integer"}]},
    "no value in common": {"allOf": [{"type": "string", "enum": ["x"]}, {"enum": ["y"]}]},
    "a value of another type": {"type": "integer", "enum": ["x"]},
    "bounds": {"type": "integer", "minimum": 5, "maximum": 1},
    "open bounds": {"type": "number", "exclusiveMinimum": 1, "maximum": 1},
    "lengths": {"type": "string", "minLength": 5, "maxLength": 1},
    "counts": {"type": "array", "minItems": 5, "maxItems": 1},
    "sizes": {"type": "object", "minProperties": 5, "maxProperties": 1},
}


@pytest.mark.parametrize("name", NOTHING)
@pytest.mark.parametrize("required", [False, True])
def test_a_property_that_can_never_come_again_is_told_to_readers_as_one_that_is_gone(name: str, required: bool) -> None:
    def one(schema: Any) -> dict[str, Any]:
        more = {"required": ["a"]} if required else {}
        return {"type": "object", "properties": {"a": schema, "b": STRING}, **more}

    for old in (STRING, {"type": ["integer", "string", "array", "object"]}):
        for make, direction in ((with_response, "response"), (with_event, "event-send")):
            found = rules(judge(make(one(old)), make(one(NOTHING[name]))))
            assert f"{direction}-{'required' if required else 'optional'}-property-removed" in found
        assert judge(with_response(one(old)), with_response(one(NOTHING[name]))).verdict != "compatible"
        assert judge(with_request(one(old)), with_request(one(NOTHING[name]))).verdict == "breaking"
    assert judge(with_response(one(NOTHING[name])), with_response(one(False))).verdict in {"none", "compatible"}


@pytest.mark.parametrize("name", NOTHING)
def test_a_body_that_no_value_fits_any_more_is_told_to_readers(name: str) -> None:
    report = judge(with_response(STRING), with_response(NOTHING[name]))
    assert "response-media-type-removed" in rules(report, "breaking")


def test_a_schema_that_some_value_fits_is_no_end() -> None:
    for schema in (
        {"type": ["integer", "string"], "minimum": 5, "maximum": 1},
        {"minimum": 5, "maximum": 1},
        {"type": "integer", "minimum": 5, "maximum": 5},
        {"type": ["string", "null"], "minLength": 5, "maxLength": 1},
    ):
        old, new = ({"type": "object", "properties": {"a": side}} for side in ({}, schema))
        assert "response-optional-property-removed" not in rules(judge(with_response(old), with_response(new)))


@pytest.mark.parametrize("nothing", NOTHING.values(), ids=NOTHING)
@pytest.mark.parametrize(
    ("word", "rule", "holder"),
    [("items", "items-ended", {"type": "array"}), ("additionalProperties", "entries-ended", {"type": "object"})],
)
def test_a_list_or_a_map_that_can_have_nothing_in_it_any_more_is_a_warning(
    word: str, rule: str, holder: dict[str, Any], nothing: Any
) -> None:
    old, new = ({**holder, word: inner} for inner in (STRING, nothing))
    result = judge(with_response(old), with_response(new))
    assert result.verdict in ("warning", "breaking"), [finding.message for finding in result.findings]
    assert f"response-body-{rule}" in rules(result, "warning")
    below = [{"type": "object", "properties": {"a": one}} for one in (old, new)]
    assert f"response-property-{rule}" in rules(judge(*(with_response(one) for one in below)), "warning")
    for pair in ((with_response(new), with_response(old)), (with_request(old), with_request(new))):
        assert not any(rule in one for one in rules(judge(*pair), "warning"))


def test_an_object_with_named_properties_that_is_closed_has_not_come_to_an_end() -> None:
    old = {"type": "object", "properties": {"a": STRING}, "additionalProperties": STRING}
    assert judge(with_response(old), with_response({**old, "additionalProperties": False})).verdict == "compatible"
