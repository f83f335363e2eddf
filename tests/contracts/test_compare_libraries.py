"""Documents without operations hold schemas for other contracts: a change of one is no silence."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contracts.contract_documents import judge, openapi, rules

TEXT, WHOLE = {"type": "string"}, {"type": "integer"}


def shared(**schemas: Any) -> dict[str, Any]:
    return openapi({}, components={"schemas": schemas})


def events(**schemas: Any) -> dict[str, Any]:
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Shared", "version": "1.0.0"},
        "channels": {},
        "components": {"schemas": schemas},
    }


def swagger(**schemas: Any) -> dict[str, Any]:
    return {"swagger": "2.0", "info": {"title": "Shared", "version": "1"}, "paths": {}, "definitions": schemas}


@pytest.mark.parametrize("library", [shared, events, swagger])
def test_a_schema_of_a_library_is_compared_for_both_sides(library: Any) -> None:
    thing = {"type": "object", "properties": {"a": TEXT}}
    other = {"type": "object", "properties": {"a": WHOLE}}
    result = judge(library(Thing=thing, Code=TEXT), library(Thing=other, Code=TEXT))
    assert result.verdict == "breaking"
    assert {"event-receive-property-type-changed", "event-send-property-type-changed"} <= rules(result, "breaking")
    assert all(finding.operations in ((), ("schema Thing",)) for finding in result.findings)
    assert judge(library(Thing=thing), library(Thing={**thing, "description": "words"})).verdict == "none"


@pytest.mark.parametrize("library", [shared, events, swagger])
def test_a_schema_that_goes_breaks_its_users_and_one_that_comes_does_not(library: Any) -> None:
    gone = judge(library(Thing=TEXT, Code=TEXT), library(Thing=TEXT))
    assert rules(gone, "breaking") == {"schema-removed"}
    come = judge(library(Thing=TEXT), library(Thing=TEXT, Code=TEXT))
    assert (come.verdict, rules(come)) == ("compatible", {"schema-added"})


def test_other_components_of_a_library_are_not_decided() -> None:
    def library(schema: Any) -> dict[str, Any]:
        answer = {"description": "OK", "content": {"application/json": {"schema": schema}}}
        return openapi({}, components={"responses": {"Fine": answer}, "examples": {"one": {"value": schema}}})

    assert rules(judge(library(TEXT), library(WHOLE)), "warning") == {"component-undecided"}
    assert judge(library(TEXT), openapi({})).verdict == "warning"
    assert judge(openapi({}), library(TEXT)).verdict == "compatible"


def test_where_there_are_operations_only_what_they_reach_counts() -> None:
    paths = {"/a": {"get": {"responses": {"200": {"description": "OK"}}}}}
    old, new = (openapi(paths, components={"schemas": {"Unused": one}}) for one in (TEXT, WHOLE))
    assert judge(old, new).verdict == "none"


@pytest.mark.parametrize("word", ["$defs", "definitions"])
def test_a_schema_of_definitions_alone_is_compared_by_them(word: str) -> None:
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Shared"}
    assert judge({**head, word: {"A": TEXT}}, {**head, word: {"A": WHOLE}}).verdict == "breaking"
    assert rules(judge({**head, word: {"A": TEXT}}, {**head, word: {}}), "breaking") == {"schema-removed"}
    used = {**head, "type": "object"}
    assert judge({**used, word: {"A": TEXT}}, {**used, word: {"A": WHOLE}}).verdict == "none"
