"""A dialect that is not the one in which schemas are read is said, and a change of it is no agreement."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contracts.contract_documents import judge, rules, with_event, with_response
from tillgate_contracts.reading import Document

SEVEN = "http://json-schema.org/draft-07/schema#"
NOW = "https://json-schema.org/draft/2020-12/schema"
KIND = {"schemas": {"Kind": {"type": "string"}}}


def _api(**more: Any) -> dict[str, Any]:
    return with_response({"$ref": "#/components/schemas/Kind", "maxLength": 3}, components=KIND, **more)


def _embedded(dialect: str) -> dict[str, Any]:
    inner = {
        "$id": "https://e.example/a",
        "$schema": dialect,
        "definitions": {"k": {"type": "string"}},
        "properties": {"z": {"$ref": "#/definitions/k", "maxLength": 3}},
    }
    return {"$schema": NOW, "$defs": {"a": inner}, "properties": {"a": {"$ref": "https://e.example/a"}}}


def _own(name: str, kind: str = "string") -> dict[str, Any]:
    return {"$schema": name, "type": kind}


def _problems(contract: dict[str, Any]) -> list[tuple[str, str]]:
    return [(problem.code, problem.pointer) for problem in Document.from_value(contract).problems]


@pytest.mark.parametrize(
    ("base", "revision", "place"),
    [
        (_api(), _api(jsonSchemaDialect=SEVEN), "/jsonSchemaDialect"),
        (_api(jsonSchemaDialect=SEVEN), _api(), "/jsonSchemaDialect"),
        (_embedded(SEVEN), _embedded(NOW), "/$defs/a/$schema"),
        (_own("https://e.example/1"), _own("https://e.example/2"), "/$schema"),
        (_own(NOW), _own("https://e.example/2"), "/$schema"),
        (
            with_event({"type": "string"}),
            with_event(_own(NOW)),
            "/channels/orders/messages/OrderPlaced/payload/$schema",
        ),
    ],
    ids=["comes", "goes", "embedded", "unknown", "becomes unknown", "event"],
)
def test_another_dialect_is_not_decided(base, revision, place):
    found = judge(base, revision)
    assert found.verdict == "warning"
    told = [finding for finding in found.findings if finding.rule == "contract-not-read"]
    assert {finding.base_pointer or finding.revision_pointer for finding in told} == {place}


def test_an_unknown_dialect_that_stays_is_listed_and_changes_are_judged():
    name = "https://e.example/1"
    assert _problems(_own(name)) == [("dialect.unknown", "/$schema")]
    assert judge(_own(name), {**_own(name), "title": "T"}).verdict == "none"
    assert "contract-not-read" not in rules(judge(_own(name), _own(name, "integer")))


@pytest.mark.parametrize(
    "contract",
    [
        _own(NOW),
        _own(SEVEN),
        _own("http://json-schema.org/draft-04/schema#"),
        _own("http://json-schema.org/schema#"),
        _api(jsonSchemaDialect="https://spec.openapis.org/oas/3.1/dialect/base"),
        _api(jsonSchemaDialect="https://spec.openapis.org/oas/3.1/dialect/2024-11-10"),
        with_response(_own(NOW)),
        with_response({"type": "object", "example": {"$schema": "https://e.example/1"}}),
        with_response({"type": "object", "properties": {"$schema": {"type": "string"}}}),
        with_response(_own(SEVEN), version="3.0.3"),
        with_event(_own(SEVEN)),
    ],
)
def test_the_dialect_in_which_schemas_are_read_is_no_problem(contract):
    assert _problems(contract) == []
