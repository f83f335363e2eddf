"""What was not read is never agreed to: a reference that leads nowhere is a finding, whatever it stands for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.contracts.contract_documents import TODAY, judge, openapi, rules, with_request, with_response
from tillgate_contracts.compare import ComparisonReport, compare
from tillgate_contracts.messages import check_documents
from tillgate_contracts.reading import Document, read, read_file

OK = {"200": {"description": "OK"}}
SCHEMA = {"type": "object", "required": ["price"], "properties": {"price": {"type": "string"}}}
CONTENT = {"application/json": {"schema": SCHEMA}}


def _operation(**more: Any) -> dict[str, Any]:
    return openapi({"/a": {"post": {"responses": OK, **more}}})


def _body(item: Any) -> dict[str, Any]:
    return _operation(requestBody=item)


def _parameter(item: Any) -> dict[str, Any]:
    return _operation(parameters=[item])


def _shared_parameter(item: Any) -> dict[str, Any]:
    return openapi({"/a": {"parameters": [item], "post": {"responses": OK}}})


def _response(item: Any) -> dict[str, Any]:
    return _operation(responses={"200": item})


def _header(item: Any) -> dict[str, Any]:
    return _response({"description": "OK", "headers": {"X-Page": item}})


def _path(item: Any) -> dict[str, Any]:
    return openapi({"/a": item})


def _webhook(item: Any) -> dict[str, Any]:
    return openapi({}, webhooks={"sold": item})


def _callback(item: Any) -> dict[str, Any]:
    return _operation(callbacks={"sold": item})


def _expression(item: Any) -> dict[str, Any]:
    return _operation(callbacks={"sold": {"{$request.body#/url}": item}})


def _media(item: Any) -> dict[str, Any]:
    return {**_response({"description": "OK", "content": {"application/json": item}}), "openapi": "3.2.0"}


def _scheme(item: Any) -> dict[str, Any]:
    return {**_operation(security=[{"key": []}]), "components": {"securitySchemes": {"key": item}}}


def _swagger(operation: dict[str, Any]) -> dict[str, Any]:
    info = {"title": "t", "version": "1.0.0"}
    return {"swagger": "2.0", "info": info, "paths": {"/a": {"post": {"responses": OK, **operation}}}}


def _swagger_parameter(item: Any) -> dict[str, Any]:
    return _swagger({"parameters": [item]})


def _swagger_response(item: Any) -> dict[str, Any]:
    return _swagger({"responses": {"200": item}})


def _event_2(item: Any) -> dict[str, Any]:
    info = {"title": "t", "version": "1.0.0"}
    return {"asyncapi": "2.6.0", "info": info, "channels": {"a": {"subscribe": {"message": item}}}}


def _one_of_2(item: Any) -> dict[str, Any]:
    return _event_2({"oneOf": [{"name": "x", "payload": SCHEMA}, item]})


def _event_3(item: Any) -> dict[str, Any]:
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "t", "version": "1.0.0"},
        "channels": {"a": {"address": "a", "messages": {"m": item}}},
        "operations": {"s": {"action": "send", "channel": {"$ref": "#/channels/a"}}},
    }


def _trait(item: Any) -> dict[str, Any]:
    return _event_3({"payload": SCHEMA, "traits": [item]})


def _channel(item: Any) -> dict[str, Any]:
    return {**_event_3({}), "channels": {"a": item}}


def _event_operation(item: Any) -> dict[str, Any]:
    return {**_event_3({"payload": SCHEMA}), "operations": {"s": item}}


def _reply(item: Any) -> dict[str, Any]:
    operation = {"action": "send", "channel": {"$ref": "#/channels/a"}, "reply": item}
    return {**_event_3({"payload": SCHEMA}), "operations": {"s": operation}}


QUERY = {"name": "q", "in": "query", "required": True, "schema": {"type": "string"}}
CALLED = {"post": {"requestBody": {"content": CONTENT}, "responses": OK}}
PLACES: dict[str, tuple[Any, Any]] = {
    "request body": (_body, {"required": True, "content": CONTENT}),
    "parameter": (_parameter, QUERY),
    "parameter of a path": (_shared_parameter, QUERY),
    "response": (_response, {"description": "OK", "content": CONTENT}),
    "header": (_header, {"required": True, "schema": {"type": "string"}}),
    "path": (_path, {"post": {"responses": OK}}),
    "webhook": (_webhook, CALLED),
    "callback": (_callback, {"{$request.body#/url}": CALLED}),
    "callback by expression": (_expression, CALLED),
    "media type (OpenAPI 3.2)": (_media, {"schema": SCHEMA}),
    "security scheme": (_scheme, {"type": "http", "scheme": "basic"}),
    "parameter of Swagger 2": (_swagger_parameter, {"name": "b", "in": "body", "schema": SCHEMA}),
    "response of Swagger 2": (_swagger_response, {"description": "OK", "schema": SCHEMA}),
    "message of AsyncAPI 2": (_event_2, {"payload": SCHEMA}),
    "one of the messages of AsyncAPI 2": (_one_of_2, {"name": "y", "payload": SCHEMA}),
    "message of AsyncAPI 3": (_event_3, {"payload": SCHEMA}),
    "trait of AsyncAPI 3": (_trait, {"headers": SCHEMA}),
    "channel of AsyncAPI 3": (_channel, {"address": "a", "messages": {"m": {"payload": SCHEMA}}}),
    "operation of AsyncAPI 3": (_event_operation, {"action": "send", "channel": {"$ref": "#/channels/a"}}),
    "reply of AsyncAPI 3": (_reply, {"channel": {"$ref": "#/channels/a"}}),
}
ONE, OTHER, MISSING = {"$ref": "common.yaml#/one"}, {"$ref": "common.yaml#/other"}, {"$ref": "#/components/x/None"}


def _not_decided(result: ComparisonReport) -> list[str]:
    found = {"reference-unresolved", "contract-not-read"}
    return [finding.pointer for finding in result.findings if finding.rule in found]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("turn", ["another", "read before", "read now", "the same", "missing"])
def test_a_reference_that_leads_nowhere_is_not_decided_at_its_place(place: str, turn: str) -> None:
    wrap, whole = PLACES[place]
    old, new = {
        "another": (ONE, OTHER),
        "read before": (whole, OTHER),
        "read now": (ONE, whole),
        "the same": (ONE, ONE),
        "missing": (MISSING, {"$ref": "#/components/x/Gone"}),
    }[turn]
    result = judge(wrap(old), wrap(new))
    assert result.verdict == "warning", [(finding.rule, finding.message) for finding in result.findings]
    assert _not_decided(result)


def test_the_finding_names_the_reference_the_place_and_the_operation() -> None:
    result = judge(_body({"content": CONTENT}), _body(OTHER))
    (found,) = result.findings
    assert (found.rule, found.level, found.operations) == ("reference-unresolved", "warning", ("POST /a",))
    assert found.revision_pointer == "/paths/~1a/post/requestBody"
    assert found.message == (
        "Cannot tell automatically what changed: common.yaml#/other was not read. It stands in the revision."
    )


def test_what_stands_elsewhere_is_compared_all_the_same() -> None:
    parameter = {"name": "q", "in": "query", "schema": {"type": "string"}}
    old = _operation(requestBody=ONE, parameters=[parameter])
    new = _operation(requestBody=OTHER, parameters=[{**parameter, "schema": {"type": "integer"}}])
    assert rules(judge(old, new), "breaking") == {"request-parameter-type-changed"}


def test_the_same_reference_to_a_schema_is_found_at_each_of_its_places() -> None:
    content = {"application/json": {"schema": ONE}}
    document = _operation(
        requestBody={"content": content}, responses={"200": {"description": "OK", "content": content}}
    )
    found = {finding.pointer for finding in judge(document, document).findings}
    assert found == {
        "/paths/~1a/post/requestBody/content/application~1json/schema",
        "/paths/~1a/post/responses/200/content/application~1json/schema",
    }


@pytest.mark.parametrize("wrap", [with_request, with_response])
@pytest.mark.parametrize("whole", [SCHEMA, {"allOf": [SCHEMA, {"type": "object"}]}, {"type": "string"}, {}])
def test_a_schema_that_was_not_read_neither_breaks_nor_holds(wrap: Any, whole: Any) -> None:
    for unread in (ONE, {"allOf": [ONE, {"type": "object"}]}):
        for old, new in ((whole, unread), (unread, whole)):
            result = judge(wrap(old), wrap(new))
            assert result.verdict == "warning", [finding.message for finding in result.findings]


def test_keys_beside_the_reference_of_a_path_count_as_well() -> None:
    """OpenAPI 3.1.1 Path Item Object: `$ref` may stand beside other fields."""
    shared = {"pathItems": {"common": {"get": {"responses": OK}}}}
    body = {"required": True, "content": CONTENT}
    base = {"/a": {"$ref": "#/components/pathItems/common", "post": {"responses": OK}}}
    revision = {"/a": {"$ref": "#/components/pathItems/common", "post": {"responses": OK, "requestBody": body}}}
    result = judge(openapi(base, components=shared), openapi(revision, components=shared))
    assert rules(result, "breaking") == {"request-body-added-required"}


@pytest.mark.parametrize("ref", ["https://example.com/a.json#/A", "../outside.yaml", "absent.yaml", "broken.yaml"])
def test_what_the_reading_could_not_read_is_a_warning_though_no_operation_uses_it(tmp_path: Path, ref: str) -> None:
    (tmp_path / "outside.yaml").write_text("type: string")
    folder = tmp_path / "api"
    folder.mkdir()
    (folder / "broken.yaml").write_text("a: [")
    main = folder / "api.json"
    paths = {"/a": {"get": {"responses": {"200": {"description": "OK"}}}}}
    main.write_text(json.dumps(openapi(paths, components={"schemas": {"A": {"$ref": ref}}})))
    document = read_file(main)
    result = compare(document, document, as_of=TODAY)
    assert result.verdict == "warning"
    assert [(finding.rule, finding.pointer) for finding in result.findings] == [
        ("contract-not-read", "/components/schemas/A")
    ]
    assert ref.split("#")[0].split("/")[-1] in result.findings[0].message


def test_a_policy_may_decide_about_it() -> None:
    documents = _body(ONE), _body(OTHER)
    assert judge(*documents, levels={"reference-unresolved": "breaking"}).verdict == "breaking"
    assert judge(*documents, levels={"reference-unresolved": "info"}).verdict == "compatible"


def _events(message: Any) -> Document:
    return read(json.dumps(_event_3(message)).encode())


@pytest.mark.parametrize(("old", "new"), [(ONE, ONE), ({"payload": SCHEMA}, ONE), (ONE, {"payload": SCHEMA})])
def test_the_compatibility_of_a_message_that_was_not_read_is_not_decided(old: Any, new: Any) -> None:
    result = check_documents([_events(old), _events(new)], direction="full", content_model="tolerant")
    assert result.compatible is None
    assert [finding.level for finding in result.findings] == ["warning"]


@pytest.mark.parametrize("wrap", [with_request, with_response])
@pytest.mark.parametrize("missing", [{"$ref": "#/components/schemas/None"}, ONE])
def test_what_is_new_and_was_not_read_is_not_decided(wrap: Any, missing: Any) -> None:
    """A new property, branch or item that leads nowhere may be anything."""
    old = {"type": "object", "properties": {"a": {"type": "string"}}}
    for before, after in (
        (old, {**old, "properties": {**old["properties"], "b": missing}}),
        ({"anyOf": [old, {"type": "string"}]}, {"anyOf": [old, {"type": "string"}, missing]}),
        ({"type": "array"}, {"type": "array", "items": missing}),
        (old, {**old, "additionalProperties": missing}),
    ):
        result = judge(wrap(before), wrap(after))
        assert result.verdict in ("warning", "breaking")
        assert result.unread


def test_a_reference_to_nothing_that_no_operation_reaches_is_no_doubt_about_them() -> None:
    document = openapi({"/a": {"get": {"responses": OK}}}, components={"schemas": {"Unused": MISSING}})
    assert judge(document, document).findings == []


def test_several_problems_of_one_place_are_told_each() -> None:
    def schema(*locations: str) -> bytes:
        imports = "".join(
            f'<xs:import namespace="urn:{one}" schemaLocation="http://x/{one}.xsd"/>' for one in locations
        )
        text = f'<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema">{imports}<xs:element name="a" type="xs:int"/>'
        return f"{text}</xs:schema>".encode()

    for old, new in ((schema("a", "b"), schema("a", "b")), (schema(), schema("a", "b")), (schema("a", "b"), schema())):
        result = compare(read(old), read(new), as_of=TODAY)
        said = " ".join(one.message for one in result.findings if one.rule == "contract-not-read")
        assert "a.xsd" in said
        assert "b.xsd" in said
