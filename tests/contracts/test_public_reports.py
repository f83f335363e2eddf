"""Bug reports of other comparison tools, rebuilt in words of our own: what the standard asks for is what is said here.

docs/reference/public-reports.md lists the reports and who is right.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.contracts.contract_documents import OK, judge, openapi, rules, with_event, with_request, with_response
from tests.contracts.test_compare_payloads import event
from tillgate_contracts.compare import compare
from tillgate_contracts.messages import check_documents
from tillgate_contracts.reading import read

TEXT, NUMBER = {"type": "string"}, {"type": "integer"}
CLOSED = {"type": "object", "additionalProperties": False}


def order(properties: dict[str, Any], *required: str, **more: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, **({"required": list(required)} if required else {}), **more}


def shared(schema: Any, kind: str = "query", *, place: str = "components") -> dict[str, Any]:
    """A parameter that an operation refers to, or that stands at the path."""
    parameter = {"name": "scope", "in": kind, "schema": schema, **({"required": True} if kind == "path" else {})}
    path = "/orders/{scope}" if kind == "path" else "/orders"
    if place == "components":
        operation = {"get": {"parameters": [{"$ref": "#/components/parameters/Scope"}], "responses": OK}}
        return openapi({path: operation}, components={"parameters": {"Scope": parameter}})
    return openapi({path: {"parameters": [parameter], "get": {"responses": OK}}})


def named(use: Any, *, version: str = "3.1.0") -> dict[str, Any]:
    role = {"type": "string", "enum": ["cashier", "manager"]}
    card = order({"pan": TEXT, "exp": TEXT}, "pan")
    return with_request(order(use), version=version, components={"schemas": {"Role": role, "Card": card}})


ROLE, CARD = {"$ref": "#/components/schemas/Role"}, {"$ref": "#/components/schemas/Card"}
NULL = {"type": "null"}


def either(*names: str, direction: Any = with_response) -> dict[str, Any]:
    schemas = {"Cash": order({"drawer": TEXT}, "drawer"), "Card": order({"auth": TEXT}, "auth")}
    several = [{"$ref": f"#/components/schemas/{name}"} for name in names]
    return direction({"oneOf": several}, components={"schemas": schemas})


def filtered(values: list[str]) -> dict[str, Any]:
    schema = order({"origin": {"type": "string", "enum": values}})
    parameter = {"name": "filter", "in": "query", "style": "deepObject", "explode": True, "schema": schema}
    answer = {"200": {"description": "OK", "content": {"application/json": {"schema": schema}}}}
    return openapi({"/orders": {"get": {"parameters": [parameter], "responses": answer}}})


#: (report, what, base, revision, verdict, a rule that must be there at that level or "")
OPENAPI: list[tuple[str, str, Any, Any, str, str]] = [
    (
        "oasdiff/oasdiff#549",
        "a required request property is added with a default",
        with_request(order({"sku": TEXT})),
        with_request(order({"sku": TEXT, "lane": {"type": "string", "default": "1"}}, "lane")),
        "breaking",
        "new-required-request-property-with-default",
    ),
    (
        "oasdiff/oasdiff#567",
        "a query parameter behind a reference gets another type",
        shared(TEXT),
        shared(NUMBER),
        "breaking",
        "request-parameter-type-changed",
    ),
    (
        "oasdiff/oasdiff#567",
        "a property of a parameter behind a reference gets another type",
        shared(order({"a": TEXT})),
        shared(order({"a": NUMBER})),
        "breaking",
        "request-parameter-property-type-specialized",
    ),
    (
        "oasdiff/oasdiff#608",
        "a parameter that stands at the path gets another type",
        shared(TEXT, "path", place="path"),
        shared({"type": "string", "format": "uuid"}, "path", place="path"),
        "breaking",
        "",
    ),
    (
        "oasdiff/oasdiff#610",
        "an answer may be of a further alternative",
        either("Cash"),
        either("Cash", "Card"),
        "breaking",
        "",
    ),
    (
        "oasdiff/oasdiff#861",
        "a value is taken from a property of a deepObject parameter; the answer loses it as well",
        filtered(["till", "web", "kiosk"]),
        filtered(["till", "web"]),
        "breaking",
        "",
    ),
    (
        "oasdiff/oasdiff#1088",
        "a list of values may now be null",
        named({"r": ROLE}),
        named({"r": {"oneOf": [NULL, ROLE]}}),
        "compatible",
        "",
    ),
    (
        "oasdiff/oasdiff#1088",
        "an object may now be null",
        named({"c": CARD}),
        named({"c": {"oneOf": [NULL, CARD]}}),
        "compatible",
        "",
    ),
    (
        "oasdiff/oasdiff#1091",
        "a list of values may no longer be null",
        named({"r": {"oneOf": [NULL, ROLE]}}),
        named({"r": ROLE}),
        "breaking",
        "request-property-became-not-nullable",
    ),
    (
        "oasdiff/oasdiff#1091",
        "an object may no longer be null",
        named({"c": {"oneOf": [NULL, CARD]}}),
        named({"c": CARD}),
        "breaking",
        "request-property-became-not-nullable",
    ),
    (
        "opticdev/optic#2372",
        "a request property takes further types",
        with_request(order({"a": TEXT})),
        with_request(order({"a": {"type": ["string", "integer"]}})),
        "compatible",
        "",
    ),
    (
        "opticdev/optic#2372",
        "an answer's property has fewer types",
        with_response(order({"a": {"type": ["string", "integer"]}}, "a")),
        with_response(order({"a": TEXT}, "a")),
        "compatible",
        "",
    ),
    (
        "opticdev/optic#2417",
        "a list of types becomes alternatives of the same types",
        with_request(order({"a": {"type": ["string", "integer"]}})),
        with_request(order({"a": {"oneOf": [TEXT, NUMBER]}})),
        "none",
        "",
    ),
    (
        "pb33f/openapi-changes#160",
        "a property of an answer is renamed while another one is added",
        with_response(order({"result": TEXT, "at": TEXT}, "result")),
        with_response(order({"testResult": TEXT, "at": TEXT, "test": TEXT}, "testResult")),
        "breaking",
        "response-required-property-removed",
    ),
    (
        "pb33f/openapi-changes#159",
        "a closed object stays closed while keys move",
        with_request({**CLOSED, "properties": {"a": TEXT, "b": TEXT}}),
        with_request({"properties": {"b": TEXT, "a": TEXT}, **CLOSED}),
        "none",
        "",
    ),
    (
        "OpenAPITools/openapi-diff#375",
        "a property of an answer goes from integer to string in 3.1",
        with_response(order({"id": NUMBER}, "id")),
        with_response(order({"id": TEXT}, "id")),
        "breaking",
        "response-property-type-changed",
    ),
    (
        "docktape/swagger-brake#213",
        "a request property becomes a closed list of values",
        with_request(order({"status": TEXT})),
        with_request(order({"status": {"type": "string", "enum": ["open", "closed"]}})),
        "breaking",
        "request-property-became-enum",
    ),
    (
        "docktape/swagger-brake#214",
        "an answer's list of values grows",
        with_response(order({"status": {"type": "string", "enum": ["open"]}})),
        with_response(order({"status": {"type": "string", "enum": ["open", "closed"]}})),
        "warning",
        "response-property-enum-value-added",
    ),
]


@pytest.mark.parametrize(
    ("report", "what", "base", "revision", "verdict", "rule"), OPENAPI, ids=[f"{r} {w}" for r, w, *_ in OPENAPI]
)
def test_a_reported_pair_of_openapi_is_judged_as_the_standard_says(report, what, base, revision, verdict, rule):
    found = judge(base, revision)
    assert found.verdict == verdict, [(one.level, one.rule, one.message) for one in found.findings]
    assert not rule or rule in rules(found, verdict)


def test_asyncapi_cli_550_a_published_field_that_is_newly_required_breaks_who_sends_it():
    old, new = (with_event(order({"id": TEXT}, *needed), action="receive") for needed in ((), ("id",)))
    assert judge(old, new).verdict == "breaking"


def fields(*several: dict[str, Any], name: str = "Sale") -> dict[str, Any]:
    return {"type": "record", "name": name, "fields": list(several)}


def avro(old: Any, new: Any, direction: str) -> bool | None:
    pair = [read(event("avro", json.dumps(one), "receive")) for one in (old, new)]
    return check_documents(pair, direction=direction, content_model="tolerant").compatible


NAME = {"name": "sku", "type": "string"}
FUEL = {"type": "enum", "name": "Fuel", "symbols": ["DIESEL", "LPG"]}
MORE = {**FUEL, "symbols": ["DIESEL", "LPG", "HYDROGEN"]}
AVRO: list[tuple[str, str, Any, Any, str, bool]] = [
    (
        "confluentinc/schema-registry#253",
        "a record within a union gets a field without a default",
        fields({"name": "m", "type": ["null", fields(NAME, name="Line")]}),
        fields({"name": "m", "type": ["null", fields(NAME, {"name": "n", "type": "string"}, name="Line")]}),
        "backward",
        False,
    ),
    (
        "confluentinc/schema-registry#253",
        "a record within a union gets a field with a default",
        fields({"name": "m", "type": ["null", fields(NAME, name="Line")]}),
        fields(
            {"name": "m", "type": ["null", fields(NAME, {"name": "n", "type": "string", "default": ""}, name="Line")]}
        ),
        "backward",
        True,
    ),
    (
        "Apicurio/apicurio-registry#2572",
        "an enum grows, old readers",
        fields({"name": "f", "type": FUEL}),
        fields({"name": "f", "type": MORE}),
        "forward",
        False,
    ),
    (
        "Apicurio/apicurio-registry#2572",
        "an enum grows, new readers",
        fields({"name": "f", "type": FUEL}),
        fields({"name": "f", "type": MORE}),
        "backward",
        True,
    ),
    (
        "redpanda-data/redpanda#24032",
        "a new field is null by default",
        fields(NAME),
        fields(NAME, {"name": "n", "type": ["null", "string"], "default": None}),
        "backward",
        True,
    ),
    (
        "redpanda-data/redpanda#24032",
        "a new field may be null and has no default",
        fields(NAME),
        fields(NAME, {"name": "n", "type": ["null", "string"]}),
        "backward",
        False,
    ),
]


@pytest.mark.parametrize(
    ("report", "what", "old", "new", "direction", "answer"), AVRO, ids=[f"{r} {w}" for r, w, *_ in AVRO]
)
def test_a_reported_pair_of_avro_is_judged_as_schema_resolution_says(report, what, old, new, direction, answer):
    assert avro(old, new, direction) is answer


PROTO = 'syntax = "proto3";\n'
PROTOBUF: list[tuple[str, str, str, str, str]] = [
    (
        "bufbuild/buf#1389",
        "a reserved range grows",
        "message M { reserved 1 to 3; string a = 5; }",
        "message M { reserved 1 to 4; string a = 5; }",
        "compatible",
    ),
    (
        "bufbuild/buf#80",
        "an enum moves out of its message",
        "message M { enum E { NONE = 0; A = 1; } E e = 1; }",
        "enum E { NONE = 0; A = 1; }\nmessage M { E e = 1; }",
        "compatible",
    ),
    (
        "bufbuild/buf#2886",
        "a oneof gets a further field",
        "message M { oneof s { string a = 1; } }",
        "message M { oneof s { string a = 1; string b = 2; } }",
        "compatible",
    ),
    (
        "bufbuild/buf#732",
        "a bool becomes an int32",
        "message M { bool a = 1; }",
        "message M { int32 a = 1; }",
        "not breaking",
    ),
]


@pytest.mark.parametrize(
    ("report", "what", "old", "new", "verdict"), PROTOBUF, ids=[f"{r} {w}" for r, w, *_ in PROTOBUF]
)
def test_a_reported_pair_of_protobuf_is_judged_by_its_bytes(report, what, old, new, verdict):
    found = compare(*(read(event("protobuf", PROTO + text, "receive")) for text in (old, new)))
    said = [(one.level, one.rule, one.message) for one in found.findings]
    assert found.verdict in ("none", "compatible") if verdict == "compatible" else found.verdict != "breaking", said


GRAPHQL: list[tuple[str, str, str, str, str]] = [
    (
        "graphql-hive/graphql-inspector#140",
        "an input field of a custom scalar takes null now",
        "scalar Money type Query { a(i: In): Int } input In { m: Money! }",
        "scalar Money type Query { a(i: In): Int } input In { m: Money }",
        "compatible",
    ),
    (
        "graphql-hive/graphql-inspector#140",
        "a field of a custom scalar is never null any more",
        "scalar Money type Query { m: Money }",
        "scalar Money type Query { m: Money! }",
        "compatible",
    ),
    (
        "graphql/graphql-js#519",
        "a required input field is added",
        "type Query { a(i: In): Int } input In { m: Int }",
        "type Query { a(i: In): Int } input In { m: Int n: Int! }",
        "breaking",
    ),
    (
        "graphql/graphql-js#519",
        "an argument takes null now",
        "type Query { a(i: Int!): Int }",
        "type Query { a(i: Int): Int }",
        "compatible",
    ),
]


@pytest.mark.parametrize(("report", "what", "old", "new", "verdict"), GRAPHQL, ids=[f"{r} {w}" for r, w, *_ in GRAPHQL])
def test_a_reported_pair_of_graphql_is_judged_as_the_specification_says(report, what, old, new, verdict):
    found = compare(*(read(text.encode(), name="schema.graphql") for text in (old, new)))
    assert found.verdict == verdict, [(one.level, one.rule, one.message) for one in found.findings]
