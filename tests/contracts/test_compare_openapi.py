"""Paths, parameters, bodies, responses, security, servers and callbacks: one change each, with the verdict it
deserves."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from tests.contracts.contract_documents import OK, judge, openapi, rules, with_operation, with_parameter

QUERY = {"name": "page", "in": "query", "schema": {"type": "integer"}}
LIST = {"name": "ids", "in": "query", "schema": {"type": "array", "items": {"type": "string"}}}
STRING = {"type": "string"}


def changed(original: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {**copy.deepcopy(original), **more}


PARAMETERS: list[tuple[str, Any, Any, str]] = [
    ("required added", None, {**QUERY, "required": True}, "breaking"),
    ("optional added", None, QUERY, "compatible"),
    ("optional removed", QUERY, None, "warning"),
    ("became required", QUERY, {**QUERY, "required": True}, "breaking"),
    ("became optional", {**QUERY, "required": True}, QUERY, "compatible"),
    ("moved", QUERY, {**QUERY, "in": "header"}, "breaking"),
    ("style", LIST, {**LIST, "style": "spaceDelimited", "explode": True}, "breaking"),
    ("explode", LIST, {**LIST, "explode": False}, "breaking"),
    ("explode of a scalar", QUERY, {**QUERY, "explode": False}, "none"),
    ("default style written out", LIST, {**LIST, "style": "form", "explode": True}, "none"),
    ("allowReserved", QUERY, {**QUERY, "allowReserved": True}, "breaking"),
    ("allowEmptyValue gone", {**QUERY, "allowEmptyValue": True}, QUERY, "breaking"),
    (
        "header letter case",
        {"name": "X-Id", "in": "header", "schema": STRING},
        {"name": "x-id", "in": "header", "schema": STRING},
        "none",
    ),
    ("ignored header", {"name": "Accept", "in": "header", "schema": STRING}, None, "none"),
    ("integer to string is wider as text", QUERY, {**QUERY, "schema": STRING}, "compatible"),
    ("string to integer", {**QUERY, "schema": STRING}, QUERY, "breaking"),
    ("scalar to list", QUERY, {**QUERY, "schema": {"type": "array", "items": {"type": "integer"}}}, "compatible"),
    ("list to scalar", {**QUERY, "schema": {"type": "array", "items": {"type": "integer"}}}, QUERY, "breaking"),
    (
        "schema to content",
        QUERY,
        {"name": "page", "in": "query", "content": {"application/json": {"schema": STRING}}},
        "breaking",
    ),
    ("enum value removed", {**QUERY, "schema": {"enum": ["a", "b"]}}, {**QUERY, "schema": {"enum": ["a"]}}, "breaking"),
    ("enum value added", {**QUERY, "schema": {"enum": ["a"]}}, {**QUERY, "schema": {"enum": ["a", "b"]}}, "compatible"),
    ("enum as text", {**QUERY, "schema": {"enum": [1]}}, {**QUERY, "schema": {"enum": ["1"]}}, "none"),
    (
        "default changed",
        {**QUERY, "schema": {"type": "integer", "default": 1}},
        {**QUERY, "schema": {"type": "integer", "default": 2}},
        "breaking",
    ),
    ("deprecated", QUERY, {**QUERY, "deprecated": True}, "compatible"),
]


@pytest.mark.parametrize(("name", "old", "new", "verdict"), PARAMETERS, ids=[row[0] for row in PARAMETERS])
def test_parameters(name: str, old: Any, new: Any, verdict: str) -> None:
    assert judge(with_parameter(old), with_parameter(new)).verdict == verdict


def test_parameters_hoisted_to_the_path_are_the_same_parameters() -> None:
    inside = openapi(
        {"/orders": {"get": {"parameters": [QUERY], "responses": OK}, "post": {"parameters": [QUERY], "responses": OK}}}
    )
    hoisted = openapi({"/orders": {"parameters": [QUERY], "get": {"responses": OK}, "post": {"responses": OK}}})
    assert judge(inside, hoisted).findings == []
    assert judge(hoisted, inside).findings == []


def test_a_renamed_path_variable_is_a_note_and_a_trailing_slash_is_another_path() -> None:
    def document(template: str, name: str) -> dict[str, Any]:
        parameter = {"name": name, "in": "path", "required": True, "schema": STRING}
        return openapi({template: {"get": {"parameters": [parameter], "responses": OK}}})

    renamed = judge(document("/orders/{id}", "id"), document("/orders/{orderId}", "orderId"))
    assert (renamed.verdict, rules(renamed)) == ("none", {"api-path-parameter-renamed"})
    slash = judge(document("/orders/{id}", "id"), document("/orders/{id}/", "id"))
    assert rules(slash) == {"api-path-removed-without-deprecation", "endpoint-added"}


def test_two_templates_of_one_shape_are_reported() -> None:
    document = openapi({"/o/{a}": {"get": {"responses": OK}}, "/o/{b}": {"get": {"responses": OK}}})
    assert "api-path-ambiguous" in rules(judge(openapi({"/o/{a}": {"get": {"responses": OK}}}), document), "warning")


JSON = {"application/json": {"schema": STRING}}
BODIES: list[tuple[str, Any, Any, str]] = [
    ("required body added", {}, {"requestBody": {"required": True, "content": JSON}}, "breaking"),
    ("optional body added", {}, {"requestBody": {"content": JSON}}, "compatible"),
    ("body removed", {"requestBody": {"content": JSON}}, {}, "breaking"),
    (
        "body became required",
        {"requestBody": {"content": JSON}},
        {"requestBody": {"required": True, "content": JSON}},
        "breaking",
    ),
    (
        "body became optional",
        {"requestBody": {"required": True, "content": JSON}},
        {"requestBody": {"content": JSON}},
        "compatible",
    ),
    (
        "media type removed",
        {"requestBody": {"content": {**JSON, "text/plain": {}}}},
        {"requestBody": {"content": JSON}},
        "breaking",
    ),
    (
        "media type added",
        {"requestBody": {"content": JSON}},
        {"requestBody": {"content": {**JSON, "text/plain": {}}}},
        "compatible",
    ),
    (
        "media range",
        {"requestBody": {"content": JSON}},
        {"requestBody": {"content": {"application/*": JSON["application/json"]}}},
        "compatible",
    ),
    (
        "media letter case",
        {"requestBody": {"content": JSON}},
        {"requestBody": {"content": {"Application/JSON": JSON["application/json"]}}},
        "none",
    ),
    (
        "schema on a free body",
        {"requestBody": {"content": {"application/json": {}}}},
        {"requestBody": {"content": JSON}},
        "breaking",
    ),
    ("success status removed", {"responses": {"200": {}, "204": {}}}, {"responses": {"200": {}}}, "breaking"),
    ("success status added", {"responses": {"200": {}}}, {"responses": {"200": {}, "204": {}}}, "compatible"),
    ("error status removed", {"responses": {"200": {}, "404": {}}}, {"responses": {"200": {}}}, "compatible"),
    (
        "status covered by its range",
        {"responses": {"200": {"content": JSON}}},
        {"responses": {"2XX": {"content": JSON}}},
        "compatible",
    ),
    (
        "status as a number",
        {"responses": {"200": {"content": JSON}}},
        {"responses": {"200": {"content": JSON}}},
        "none",
    ),
    (
        "response media type removed",
        {"responses": {"200": {"content": {**JSON, "text/csv": {}}}}},
        {"responses": {"200": {"content": JSON}}},
        "breaking",
    ),
    (
        "response media type wider",
        {"responses": {"200": {"content": {"application/problem+json": {"schema": STRING}}}}},
        {"responses": {"200": {"content": JSON}}},
        "breaking",
    ),
    (
        "required header removed",
        {"responses": {"200": {"headers": {"X-Rate": {"required": True, "schema": STRING}}}}},
        {"responses": {"200": {"headers": {}}}},
        "breaking",
    ),
    (
        "optional header removed",
        {"responses": {"200": {"headers": {"X-Rate": {"schema": STRING}}}}},
        {"responses": {"200": {}}},
        "warning",
    ),
    (
        "header letter case",
        {"responses": {"200": {"headers": {"X-Rate": {"schema": STRING}}}}},
        {"responses": {"200": {"headers": {"x-rate": {"schema": STRING}}}}},
        "none",
    ),
    (
        "header may be missing",
        {"responses": {"200": {"headers": {"X-Rate": {"required": True, "schema": STRING}}}}},
        {"responses": {"200": {"headers": {"X-Rate": {"schema": STRING}}}}},
        "breaking",
    ),
    ("operationId renamed", {"operationId": "a"}, {"operationId": "b"}, "warning"),
    ("tag changed", {"tags": ["a"]}, {"tags": ["b"]}, "compatible"),
    ("summary changed", {"summary": "a"}, {"summary": "b"}, "none"),
]


@pytest.mark.parametrize(("name", "old", "new", "verdict"), BODIES, ids=[row[0] for row in BODIES])
def test_bodies_and_responses(name: str, old: Any, new: Any, verdict: str) -> None:
    assert judge(with_operation(old), with_operation(new)).verdict == verdict


SCHEMES = {
    "components": {
        "securitySchemes": {
            "key": {"type": "apiKey", "in": "header", "name": "X-Key"},
            "oauth": {
                "type": "oauth2",
                "flows": {
                    "clientCredentials": {"tokenUrl": "https://id.example/token", "scopes": {"read": "r", "write": "w"}}
                },
            },
        }
    }
}
SECURITY: list[tuple[str, Any, Any, str]] = [
    ("demanded from now on", None, [{"key": []}], "breaking"),
    ("no longer demanded", [{"key": []}], None, "compatible"),
    ("anonymous is still an alternative", None, [{"key": []}, {}], "compatible"),
    ("alternative added", [{"key": []}], [{"key": []}, {"oauth": ["read"]}], "compatible"),
    ("alternative removed", [{"key": []}, {"oauth": ["read"]}], [{"key": []}], "breaking"),
    ("second scheme demanded", [{"key": []}], [{"key": [], "oauth": ["read"]}], "breaking"),
    ("scope added", [{"oauth": ["read"]}], [{"oauth": ["read", "write"]}], "breaking"),
    ("scope removed", [{"oauth": ["read", "write"]}], [{"oauth": ["read"]}], "compatible"),
    ("scheme replaced", [{"key": []}], [{"oauth": ["read"]}], "breaking"),
]


@pytest.mark.parametrize(("name", "old", "new", "verdict"), SECURITY, ids=[row[0] for row in SECURITY])
def test_security_for_one_operation_and_for_the_whole_document(name: str, old: Any, new: Any, verdict: str) -> None:
    one, other = ({} if side is None else {"security": side} for side in (old, new))
    assert judge(with_operation(one, **SCHEMES), with_operation(other, **SCHEMES)).verdict == verdict
    assert judge(with_operation({}, **SCHEMES, **one), with_operation({}, **SCHEMES, **other)).verdict == verdict


def test_a_global_requirement_moved_to_its_operations_is_no_change() -> None:
    need = {"security": [{"key": []}]}
    assert judge(with_operation({}, **SCHEMES, **need), with_operation(need, **SCHEMES)).findings == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("key", "in"), "query"),
        (("key", "name"), "X-Other"),
        (("key", "type"), "http"),
        (("oauth", "flows", "clientCredentials", "tokenUrl"), "https://id.example/other"),
    ],
)
def test_a_changed_scheme_breaks_where_an_operation_demands_it(path: tuple[str, ...], value: str) -> None:
    new = copy.deepcopy(SCHEMES)
    node: Any = new["components"]["securitySchemes"]
    for step in path[:-1]:
        node = node[step]
    node[path[-1]] = value
    need = {"security": [{"key": []}, {"oauth": ["read"]}]}
    assert judge(with_operation(need, **SCHEMES), with_operation(need, **new)).verdict == "breaking"
    assert judge(with_operation({}, **SCHEMES), with_operation({}, **new)).verdict == "compatible"


def test_a_base_url_is_deployment_data_unless_the_policy_says_otherwise() -> None:
    one, other = ({"servers": [{"url": f"https://api.example/v{n}"}]} for n in (1, 2))
    assert judge(with_operation({}, **one), with_operation({}, **other)).verdict == "warning"
    assert (
        judge(with_operation({}, **one), with_operation({}, **other), server_url_changed="breaking").verdict
        == "breaking"
    )
    more = {"servers": [*one["servers"], *other["servers"]]}
    assert judge(with_operation({}, **one), with_operation({}, **more)).verdict == "compatible"


def test_a_lost_value_of_a_server_variable_breaks() -> None:
    def servers(*values: str) -> dict[str, Any]:
        return {
            "servers": [{"url": "https://{r}.example", "variables": {"r": {"default": "eu", "enum": list(values)}}}]
        }

    assert judge(with_operation({}, **servers("eu", "us")), with_operation({}, **servers("eu"))).verdict == "breaking"


def _callback(schema: Any, **more: Any) -> dict[str, Any]:
    body = {
        "requestBody": {"required": True, "content": {"application/json": {"schema": schema}}},
        "responses": OK,
        **more,
    }
    return {"callbacks": {"onPaid": {"{$request.body#/url}": {"post": body}}}}


ORDER = {"type": "object", "properties": {"id": STRING, "note": STRING}, "required": ["id"]}


def test_callbacks_flow_the_other_way() -> None:
    loose, tight = (
        {"type": "object", "required": []},
        {"type": "object", "required": ["id"], "properties": {"id": STRING}},
    )
    assert judge(with_operation(_callback(tight)), with_operation(_callback(loose))).verdict == "breaking"
    assert judge(with_operation(_callback(loose)), with_operation(_callback(tight))).verdict == "compatible"
    assert judge(with_operation(_callback(ORDER)), with_operation({})).verdict == "breaking"
    assert judge(with_operation({}), with_operation(_callback(ORDER))).verdict == "compatible"


def test_webhooks_flow_the_other_way() -> None:
    def document(schema: Any) -> dict[str, Any]:
        body = {"content": {"application/json": {"schema": schema}}}
        return openapi({}, webhooks={"paid": {"post": {"requestBody": body, "responses": OK}}})

    removed = {"type": "object", "properties": {"note": STRING}}
    assert judge(document(ORDER), document(removed)).verdict == "breaking"
    assert rules(judge(document(ORDER), openapi({})), "breaking") == {"webhook-removed"}
    assert judge(openapi({}), document(ORDER)).verdict == "compatible"


def test_a_component_renamed_everywhere_is_no_change_on_the_wire() -> None:
    def document(name: str) -> dict[str, Any]:
        body = {"content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{name}"}}}}
        return with_operation({"requestBody": body}, components={"schemas": {name: ORDER}})

    assert judge(document("Order"), document("CustomerOrder")).findings == []


def test_form_bodies_carry_text() -> None:
    def document(kind: str) -> dict[str, Any]:
        schema = {"type": "object", "properties": {"n": {"type": kind}}}
        return with_operation({"requestBody": {"content": {"application/x-www-form-urlencoded": {"schema": schema}}}})

    assert judge(document("integer"), document("string")).verdict == "compatible"
    assert judge(document("string"), document("integer")).verdict == "breaking"


def test_findings_name_the_place_and_what_the_author_can_do() -> None:
    result = judge(with_parameter(None), with_parameter({**QUERY, "required": True}))
    finding = result.findings[0]
    assert finding.operation == "GET /orders"
    assert finding.path == "/orders"
    assert finding.method == "GET"
    assert finding.pointer == "/paths/~1orders/get/parameters/0"
    assert finding.line == 1
    assert finding.hint
    assert (
        finding.fingerprint
        == judge(with_parameter(None), with_parameter({**QUERY, "required": True})).findings[0].fingerprint
    )


def test_the_result_is_the_same_bytes_every_time() -> None:
    old, new = with_parameter(None), with_parameter({**QUERY, "required": True})
    assert judge(old, new).as_json() == judge(old, new).as_json()


def test_an_unresolvable_reference_never_passes_as_equal() -> None:
    def document(title: str) -> dict[str, Any]:
        body = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Missing"}}}}
        return {**with_operation({"requestBody": body}), "x-title": title}

    result = judge(document("a"), document("b"))
    assert rules(result, "warning") == {"request-body-reference-unresolved"}
