"""A dynamic reference that several schemas may answer is never read in silence as one of them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contracts.contract_documents import judge, rules, with_response
from tillgate_contracts.reading import Document

DRAFT = "https://json-schema.org/draft/2020-12/schema"
OLDER = "https://json-schema.org/draft/2019-09/schema"


def _list(kind: str, key: str = "$dynamicAnchor", own: str = "$dynamicAnchor") -> dict[str, Any]:
    general = {
        "$id": "https://e.example/general",
        "type": "array",
        "items": {"$dynamicRef": "#item"},
        "$defs": {"any": {own: "item"}},
    }
    return {
        "$schema": DRAFT,
        "$id": "https://e.example/list",
        "$ref": "general",
        "$defs": {"item": {key: "item", "type": kind}, "general": general},
    }


def _tree(kind: str, *, open_end: bool = True) -> dict[str, Any]:
    tree = {
        "$id": "https://e.example/tree",
        "$recursiveAnchor": open_end,
        "type": "object",
        "properties": {"children": {"type": "array", "items": {"$recursiveRef": "#"}}},
    }
    return {
        "$schema": OLDER,
        "$id": "https://e.example/strict",
        "$recursiveAnchor": True,
        "$ref": "tree",
        "properties": {"name": {"type": kind}},
        "$defs": {"tree": tree},
    }


def _problems(schema: dict[str, Any]) -> list[tuple[str, str]]:
    return [(problem.code, problem.pointer) for problem in Document.from_value(schema).problems]


@pytest.mark.parametrize(
    "new", [_list("number"), _list("string", "$anchor"), _list("string", "$comment")], ids=["type", "anchor", "gone"]
)
def test_what_a_dynamic_anchor_puts_in_place_is_not_decided(new):
    found = judge(_list("string"), new)
    assert found.verdict in ("warning", "breaking")
    place = next(finding for finding in found.findings if finding.rule == "contract-not-read")
    assert place.level == "warning"
    assert place.base_pointer == "/$defs/general/items/$ref"
    assert "$dynamicRef #item" in place.message


def test_reading_lists_the_reference_and_says_how_it_was_read():
    problem = Document.from_value(_list("string")).problems[0]
    assert (problem.code, problem.pointer) == ("ref.dynamic", "/$defs/general/items/$ref")
    assert "#/$defs/general/$defs/any" in problem.message


def test_a_recursive_reference_that_two_schemas_answer_is_not_decided():
    assert _problems(_tree("string")) == [("ref.dynamic", "/$defs/tree/properties/children/items/$ref")]
    assert "contract-not-read" in rules(judge(_tree("string"), {**_tree("string"), "title": "T"}))


def test_schemas_of_an_api_are_asked_as_well():
    base, revision = (
        with_response({"$ref": "#/components/schemas/List"}, components={"schemas": {"List": _list(kind)}})
        for kind in ("string", "number")
    )
    assert "contract-not-read" in rules(judge(base, revision))


@pytest.mark.parametrize(
    "schema",
    [
        {"$schema": DRAFT, "$dynamicAnchor": "n", "properties": {"next": {"$dynamicRef": "#n"}}},
        _list("string", own="$anchor"),
        _tree("string", open_end=False),
    ],
    ids=["one answer", "no dynamic anchor", "no recursive anchor"],
)
def test_a_reference_with_one_answer_is_read_as_that(schema):
    assert _problems(schema) == []


def test_the_same_contract_has_no_change():
    assert judge(_list("string"), _list("string")).verdict == "none"
