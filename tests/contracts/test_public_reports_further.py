"""Further bug reports of comparison tools of OpenAPI, rebuilt in words of our own.

docs/reference/public-reports.md lists the reports and who is right.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.contracts.contract_documents import OK, judge, openapi, rules, with_request, with_response
from tests.contracts.test_public_reports import NULL, NUMBER, ROLE, TEXT, named, order


def secured(*scopes: str, scheme: Any = None, asked: bool = True) -> dict[str, Any]:
    known = scheme or {
        "type": "oauth2",
        "flows": {"implicit": {"authorizationUrl": "https://id.example.test/a", "scopes": {"write": "w", "read": "r"}}},
    }
    operation = {"responses": OK, **({"security": [{"login": list(scopes)}]} if asked else {})}
    return openapi({"/orders": {"get": operation}}, components={"securitySchemes": {"login": known}})


def keyed(**more: str) -> dict[str, Any]:
    return secured(scheme={"type": "apiKey", "in": "header", "name": "X-Till", **more})


def both_ways(number: int) -> dict[str, Any]:
    key = {"type": "apiKey", "in": "header", "name": "X-Till"}
    security = [{"token": []}, {"key": []}][:number]
    operation = {"responses": OK, "security": security}
    schemes = {"key": key, "token": {"type": "http", "scheme": "bearer"}}
    return openapi({"/orders": {"get": operation}}, components={"securitySchemes": schemes})


MOMENT = {"type": "string", "format": "date-time"}
STATES = {"type": "string", "enum": ["open", "shut", "held"]}
FEWER = {"type": "string", "enum": ["open", "shut"]}
EXPORT = {
    "200": {
        "description": "OK",
        "content": {"text/csv": {"schema": {"type": "string", "format": "binary", "example": "a;b"}}},
    }
}


def branch(*required: str) -> dict[str, Any]:
    schemas = {"Fault": order({"code": TEXT, "hint": TEXT}, *required), "Note": order({"note": NUMBER}, "note")}
    several = [{"$ref": f"#/components/schemas/{name}"} for name in schemas]
    return with_response({"oneOf": several}, components={"schemas": schemas})


FURTHER: list[tuple[str, str, Any, Any, str, str]] = [
    (
        "oasdiff/oasdiff#398",
        "a date of an answer becomes `anyOf` of the date and null",
        with_response(order({"at": MOMENT}, "at")),
        with_response(order({"at": {"anyOf": [MOMENT, NULL]}}, "at"), version="3.1.0"),
        "breaking",
        "response-property-became-nullable",
    ),
    (
        "oasdiff/oasdiff#595",
        "the list of an answer's values loses one",
        with_response(STATES),
        with_response(FEWER),
        "compatible",
        "",
    ),
    (
        "oasdiff/oasdiff#929",
        "a branch of `anyOf` that stood in place is referred to",
        with_request(
            order({"role": {"anyOf": [{"type": "string", "enum": ["cashier", "manager"], "title": "Role"}, NULL]}}),
            version="3.1.0",
            components={"schemas": {"Role": {"type": "string", "enum": ["cashier", "manager"]}}},
        ),
        named({"role": {"anyOf": [ROLE, NULL]}}),
        "none",
        "",
    ),
    (
        "oasdiff/oasdiff#314",
        "a property of a branch of `oneOf` may be missing from an answer",
        branch("code"),
        branch(),
        "breaking",
        "response-property-became-optional",
    ),
    (
        "oasdiff/oasdiff#175",
        "an operation demands one scope less",
        secured("write", "read"),
        secured("write"),
        "compatible",
        "",
    ),
    ("oasdiff/oasdiff#1175", "the key is sent in another header", keyed(), keyed(name="X-Store"), "breaking", ""),
    (
        "oasdiff/oasdiff#1175",
        "the key moves from the header to the query",
        keyed(),
        keyed(**{"in": "query"}),
        "breaking",
        "",
    ),
    (
        "oasdiff/oasdiff#1090",
        "a property of an answer goes from a list to an object",
        with_response(order({"lines": {"type": "array", "items": TEXT}})),
        with_response(order({"lines": {"type": "object"}})),
        "breaking",
        "response-property-type-changed",
    ),
    (
        "OpenAPITools/openapi-diff#814",
        "a file of an answer has an example, and nothing changed",
        openapi({"/export": {"get": {"responses": EXPORT}}}),
        openapi({"/export": {"get": {"responses": EXPORT}}}),
        "none",
        "",
    ),
    (
        "OpenAPITools/openapi-diff#330",
        "an operation no longer takes one of two ways to sign in",
        both_ways(2),
        both_ways(1),
        "breaking",
        "api-security-alternative-removed",
    ),
    (
        "pb33f/openapi-changes#203",
        "an answer that takes further properties gets one of its own",
        with_response(order({"test": TEXT}, additionalProperties=True)),
        with_response(order({"test": TEXT, "more": TEXT}, additionalProperties=True)),
        "compatible",
        "response-optional-property-added",
    ),
    (
        "Netcracker/qubership-apihub#531",
        "`nullable` with an enum in 3.0 becomes a list of types in 3.1",
        with_request(order({"price": {"type": "string", "nullable": True, "enum": ["a", "b", None]}}), version="3.0.3"),
        with_request(order({"price": {"type": ["string", "null"], "enum": ["a", "b", None]}}), version="3.1.0"),
        "none",
        "",
    ),
    (
        "docktape/swagger-brake#199",
        "an open operation asks for a sign-in",
        secured(asked=False),
        secured("read"),
        "breaking",
        "",
    ),
    (
        "docktape/swagger-brake#199",
        "an operation demands a further scope",
        secured("read"),
        secured("read", "write"),
        "breaking",
        "",
    ),
]


@pytest.mark.parametrize(
    ("report", "what", "base", "revision", "verdict", "rule"), FURTHER, ids=[f"{r} {w}" for r, w, *_ in FURTHER]
)
def test_a_further_pair_of_openapi_is_judged_as_the_standard_says(report, what, base, revision, verdict, rule):
    found = judge(base, revision)
    assert found.verdict == verdict, [(one.level, one.rule, one.message) for one in found.findings]
    assert not rule or rule in rules(found)
