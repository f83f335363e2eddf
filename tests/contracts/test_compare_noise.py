"""Findings that say too much, twice, or what was so before."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contracts.contract_documents import OK, judge, openapi, rules, with_request, with_response

TEXT = {"type": "string"}


def _shared(description: str, **more: Any) -> dict[str, Any]:
    """One schema, sent and received, with a read-only and a write-only property."""
    group = {
        "type": "object",
        "properties": {
            "id": {"type": "string", "readOnly": True, "description": description, **more},
            "secret": {"type": "string", "writeOnly": True, "description": description, **more},
        },
    }
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Group"}}}
    answer = {"200": {"description": "OK", "content": content}}
    operation = {"requestBody": {"content": content}, "responses": answer}
    return openapi({"/groups": {"post": operation}}, components={"schemas": {"Group": group}})


def test_a_read_only_property_of_which_only_the_words_changed_did_not_change() -> None:
    result = judge(_shared("a"), _shared("b"))
    assert (result.verdict, rules(result)) == ("none", {"annotation-changed"})
    changed = judge(_shared("a"), _shared("a", maxLength=5))
    assert {"request-read-only-property-changed", "response-write-only-property-changed"} <= rules(changed)


def test_a_read_only_property_that_requires_something_else_inside_is_a_note_of_its_own() -> None:
    default = judge(_shared("a"), _shared("a", default="x"))
    assert "request-read-only-property-changed" in rules(default)
    assert "response-write-only-property-changed" in rules(default)


def _swagger(default: Any, **more: Any) -> dict[str, Any]:
    parameter = {
        "name": "includedData",
        "in": "query",
        "type": "array",
        "items": {"type": "string"},
        "collectionFormat": "csv",
        "default": default,
        **more,
    }
    operation = {"parameters": [parameter], "responses": OK}
    return {"swagger": "2.0", "info": {"title": "t", "version": "1"}, "paths": {"/a": {"get": operation}}}


@pytest.mark.parametrize(
    ("old", "new", "verdict"),
    [
        # Swagger 2.0 "Parameter Object": a default is the value that is used, and `summaries` is the list of it.
        ("summaries", ["summaries"], "none"),
        (["summaries"], "summaries", "none"),
        ("summaries", ["images"], "breaking"),
        (["summaries"], ["summaries", "images"], "breaking"),
    ],
)
def test_a_default_that_is_written_as_the_list_of_it_is_the_same(old: Any, new: Any, verdict: str) -> None:
    assert judge(_swagger(old), _swagger(new)).verdict == verdict


def test_a_default_that_reads_the_same_as_text_is_the_same() -> None:
    def document(default: Any) -> dict[str, Any]:
        parameter = {"name": "q", "in": "query", "schema": {"type": "integer", "default": default}}
        return openapi({"/a": {"get": {"parameters": [parameter], "responses": OK}}})

    assert judge(document(7), document("7")).verdict in ("none", "compatible")
    assert judge(document(7), document(8)).verdict == "breaking"


def _ambiguous(description: str, *templates: str) -> dict[str, Any]:
    operation = {"description": description, "responses": OK}
    return openapi(
        {template: {method: operation} for template, method in zip(templates, ("get", "delete"), strict=False)}
    )


def test_two_templates_of_one_shape_are_told_once_and_only_where_they_are_new() -> None:
    both = ("/f/{a}", "/f/{b}")
    result = judge(_ambiguous("x", *both), _ambiguous("y", *both))
    assert (result.verdict, rules(result)) == ("compatible", {"api-path-ambiguous", "annotation-changed"})
    assert len([item for item in result.findings if item.rule == "api-path-ambiguous"]) == 1
    new = judge(_ambiguous("x", "/f/{a}"), _ambiguous("x", *both))
    assert "api-path-ambiguous" in rules(new, "warning")


def test_operations_behind_two_templates_of_one_shape_are_compared() -> None:
    """OpenAPI 3.1.1 section 4.8.8.2: such templates are identical: one path, written in two parts."""
    demand = {"parameters": [{"name": "q", "in": "query", "required": True, "schema": TEXT}], "responses": OK}
    old = openapi({"/f/{a}": {"get": {"responses": OK}}, "/f/{b}": {"delete": {"responses": OK}}})
    new = openapi({"/f/{a}": {"get": {"responses": OK}}, "/f/{b}": {"delete": demand}})
    assert "new-required-request-parameter" in rules(judge(old, new), "breaking")
    gone = openapi({"/f/{a}": {"get": {"responses": OK}}})
    assert judge(old, gone).verdict == "breaking"
    assert judge(gone, old).verdict == "warning"


FIRST = {"type": "object", "required": ["a"], "properties": {"a": {"enum": ["x"]}}, "additionalProperties": False}
SECOND = {"type": "object", "required": ["a"], "properties": {"a": {"enum": ["y"]}}, "additionalProperties": False}
THIRD = {"type": "object", "required": ["a"], "properties": {"a": {"enum": ["z"]}}, "additionalProperties": False}


@pytest.mark.parametrize("wrap", [with_request, with_response])
@pytest.mark.parametrize("word", ["oneOf", "anyOf"])
def test_an_alternative_that_is_null_is_called_null(wrap: Any, word: str) -> None:
    """`nullable` around alternatives: one finding, in words that a reader knows."""
    old = {"nullable": True, word: [FIRST, SECOND]}
    new = {word: [FIRST, SECOND]}
    for base, revision, phrase in ((old, new, "may no longer be null"), (new, old, "may now be null")):
        result = judge(wrap(base, version="3.0.3"), wrap(revision, version="3.0.3"))
        harmful = (wrap is with_request) == (revision is new)
        assert result.verdict == ("breaking" if harmful else "compatible")
        told = [item.message for item in result.findings if "null" in item.message or "alternative" in item.message]
        assert len(told) == 1
        assert phrase in told[0]


def test_three_alternatives_that_exclude_each_other_are_one_answer() -> None:
    """The same set of values, so the same answer for both words."""
    levels = {
        word: judge(with_response({word: [FIRST, SECOND]}), with_response({word: [FIRST, SECOND, THIRD]})).verdict
        for word in ("oneOf", "anyOf")
    }
    assert levels["oneOf"] == levels["anyOf"]


def test_a_closed_answer_that_gains_a_property_is_a_warning() -> None:
    """A reader that checks the closed object refuses the new property; a tolerant one ignores it."""
    old = {"type": "object", "properties": {"a": TEXT}, "additionalProperties": False}
    new = {"type": "object", "properties": {"a": TEXT, "b": TEXT}, "additionalProperties": False}
    assert judge(with_response(old), with_response(new)).verdict == "warning"
    assert judge(with_request(old), with_request(new)).verdict == "compatible"
    assert judge(with_response(old), with_response(new), content_model="strict").verdict == "breaking"


def test_what_a_list_holds_is_no_property() -> None:
    old, new = {"type": "array", "items": {"type": "object", "properties": {"a": TEXT}}}, {"type": "array"}
    result = judge(with_request(old), with_request(new))
    assert result.verdict == "compatible"
    assert all(item.pointer for item in result.findings)
