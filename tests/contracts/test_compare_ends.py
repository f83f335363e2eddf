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
