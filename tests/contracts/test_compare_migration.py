"""A contract that moves between OpenAPI 3.0 and 3.1 by the book: nothing changes on the wire, in either direction."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contracts.contract_documents import OK, judge, openapi, with_operation, with_parameter
from tests.contracts.migration_rows import FILES, OTHER, SAME, SHARED, TEXT, listed
from tillgate_contracts.compare import ComparisonReport

FINE = ("none", "compatible")
OLD, NEW = "3.0.3", "3.1.0"
TREE = {"type": "object", "properties": {"next": {"$ref": "#/components/schemas/Tree"}}}
COMPONENTS = {"components": {"schemas": {**SHARED, "Tree": TREE}}}


def _body(schema: Any, version: str, media: str = "application/json") -> dict[str, Any]:
    content = {media: {} if schema is None else {"schema": schema}}
    return with_operation({"requestBody": {"required": True, "content": content}}, version=version, **COMPONENTS)


def _answer(schema: Any, version: str, media: str = "application/json") -> dict[str, Any]:
    content = {media: {} if schema is None else {"schema": schema}}
    return with_operation(
        {"responses": {"200": {"description": "OK", "content": content}}}, version=version, **COMPONENTS
    )


def _part(schema: Any, version: str) -> dict[str, Any]:
    """Below a property, as what a caller sends."""
    return _body({"type": "object", "properties": {"p": schema}, "required": ["p"]}, version)


def _header(schema: Any, version: str) -> dict[str, Any]:
    answer = {"description": "OK", "headers": {"X-A": {"required": True, "schema": schema}}}
    return with_operation({"responses": {"200": answer}}, version=version, **COMPONENTS)


def _query(schema: Any, version: str) -> dict[str, Any]:
    parameter = {"name": "q", "in": "query", "required": True, "schema": schema}
    return {**with_parameter(parameter, version=version), **COMPONENTS}


def _callback(schema: Any, version: str) -> dict[str, Any]:
    body = {"required": True, "content": {"application/json": {"schema": schema}}}
    call = {"{$request.query.url}": {"post": {"requestBody": body, "responses": OK}}}
    return with_operation({"callbacks": {"done": call}}, version=version, **COMPONENTS)


PLACES = (_body, _answer, _part, _header, _query, _callback)


def _said(result: ComparisonReport) -> list[tuple[str, str]]:
    return [(finding.level, finding.message) for finding in result.findings]


@pytest.mark.parametrize("wrap", PLACES)
@pytest.mark.parametrize(("name", "old", "new"), SAME, ids=[row[0] for row in SAME])
def test_the_same_values_in_another_dialect_are_no_change(name: str, old: Any, new: Any, wrap: Any) -> None:
    forth = judge(wrap(old, OLD), wrap(new, NEW))
    back = judge(wrap(new, NEW), wrap(old, OLD))
    assert forth.verdict in FINE, _said(forth)
    assert back.verdict in FINE, _said(back)


@pytest.mark.parametrize(("name", "old", "new", "effect"), OTHER, ids=[row[0] for row in OTHER])
def test_what_reads_alike_and_means_something_else_is_said(name: str, old: Any, new: Any, effect: str) -> None:
    for wrap in (_body, _part, _answer, _callback):
        sends = wrap in (_body, _part)
        for first, second, change in (
            (wrap(old, OLD), wrap(new, NEW), effect),
            (wrap(new, NEW), wrap(old, OLD), {"narrows": "widens", "widens": "narrows"}.get(effect, effect)),
        ):
            result = judge(first, second)
            harmful = change == "both" or (change == "narrows") == sends
            assert (result.verdict in ("breaking", "warning")) == harmful, _said(result)
            assert result.findings


@pytest.mark.parametrize("wrap", [_body, _answer])
@pytest.mark.parametrize(("media", "old", "new"), FILES)
def test_files_are_described_in_either_way(media: str, old: Any, new: Any, wrap: Any) -> None:
    forth = judge(wrap(old, OLD, media), wrap(new, NEW, media))
    back = judge(wrap(new, NEW, media), wrap(old, OLD, media))
    assert forth.verdict in FINE, _said(forth)
    assert back.verdict in FINE, _said(back)


@pytest.mark.parametrize("media", ["multipart/form-data", "application/json"])
def test_a_part_that_was_a_file_and_is_text_is_another_one(media: str) -> None:
    file, text = (
        {"type": "object", "properties": {"f": schema}} for schema in ({**TEXT, "format": "byte"}, {"type": "integer"})
    )
    assert judge(_body(file, OLD, media), _body(text, NEW, media)).verdict == "breaking"


def test_a_swagger_file_is_a_file() -> None:
    def swagger(**answer: Any) -> dict[str, Any]:
        upload = {"name": "file", "in": "formData", "type": "file", "required": True}
        operation = {
            "consumes": ["multipart/form-data"],
            "produces": ["application/octet-stream"],
            "parameters": [upload],
            "responses": {"200": {"description": "OK", **answer}},
        }
        return {"swagger": "2.0", "info": {"title": "t", "version": "1"}, "paths": {"/f": {"post": operation}}}

    def modern(part: Any, whole: Any) -> dict[str, Any]:
        form = {"type": "object", "required": ["file"], "properties": {"file": part}}
        answer = {"description": "OK", "content": {"application/octet-stream": {"schema": whole}}}
        body = {"required": True, "content": {"multipart/form-data": {"schema": form}}}
        return openapi({"/f": {"post": {"requestBody": body, "responses": {"200": answer}}}})

    old = swagger(schema={"type": "file"})
    for part, whole in (({}, {}), ({"contentMediaType": "application/octet-stream"}, {})):
        assert judge(old, modern(part, whole)).verdict in FINE
        assert judge(modern(part, whole), old).verdict in FINE


def test_example_and_examples_of_bodies_and_parameters_are_words() -> None:
    def document(version: str, example: dict[str, Any]) -> dict[str, Any]:
        content = {"application/json": {"schema": TEXT, **example}}
        parameter = {"name": "q", "in": "query", "schema": TEXT, **example}
        body = {"required": True, "content": content}
        return with_operation({"requestBody": body, "parameters": [parameter]}, version=version)

    old, new = document(OLD, {"example": "a"}), document(NEW, {"examples": {"one": {"value": "a"}}})
    assert judge(old, new).verdict == judge(new, old).verdict == "none"


def test_webhooks_are_the_extension_of_before() -> None:
    hook = {"paid": {"post": {"requestBody": {"content": {"application/json": {"schema": TEXT}}}, "responses": OK}}}
    other = {
        "paid": {"post": {"requestBody": {"content": {"application/json": {"schema": listed(TEXT)}}}, "responses": OK}}
    }
    old = openapi({}, version=OLD, **{"x-webhooks": hook})
    assert judge(old, openapi({}, webhooks=hook)).verdict == "none"
    assert judge(openapi({}, webhooks=hook), old).verdict == "none"
    assert judge(old, openapi({}, webhooks=other)).verdict == "breaking"
    assert judge(old, openapi({}, webhooks={})).verdict == "breaking"


def test_the_table_of_the_documentation_has_a_row_for_each_spelling() -> None:
    from pathlib import Path

    page = (Path(__file__).resolve().parents[2] / "docs/reference/openapi-migration.md").read_text()
    missing = [name for name, *_ in (*SAME, *OTHER) if f"| {name} |" not in page]
    assert missing == []
