"""Built-in lint rules: each finds its mistake, and finds nothing in a contract that is right."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from tillgate_contracts.errors import ContractError
from tillgate_contracts.lint import LintReport, built_in_rules, lint
from tillgate_contracts.reading import read

Tree = dict[str, Any]


def good() -> Tree:
    """An experience API for orders that breaks no rule."""
    problem = {
        "description": "Refused",
        "content": {"application/problem+json": {"schema": {"type": "object", "title": "Problem"}, "example": {}}},
    }
    errors = {"4XX": problem, "5XX": problem}
    money = {"type": "string", "pattern": "^[0-9]+[.][0-9]{2}$", "description": "Amount"}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Orders",
            "version": "1.2.0",
            "description": "Orders of all channels, from the basket to the delivery, for apps and tills.",
            "contact": {"name": "Order team", "email": "orders@example.com"},
        },
        "servers": [{"url": "https://api.example.com/orders/v1"}],
        "security": [{"oauth": ["orders"]}],
        "paths": {
            "/orders": {
                "get": {
                    "operationId": "listOrders",
                    "summary": "List orders",
                    "tags": ["orders"],
                    "parameters": [
                        {
                            "name": "limit",
                            "in": "query",
                            "description": "Page size",
                            "schema": {"type": "integer", "maximum": 100},
                        },
                        {
                            "name": "cursor",
                            "in": "query",
                            "description": "Where to go on",
                            "schema": {"type": "string"},
                        },
                    ],
                    "responses": {
                        "200": {
                            "description": "Orders",
                            "content": {
                                "application/json": {
                                    "schema": {
                                        "type": "object",
                                        "properties": {
                                            "items": {
                                                "type": "array",
                                                "description": "Orders",
                                                "items": {"$ref": "#/components/schemas/Order"},
                                            }
                                        },
                                    },
                                    "example": {"items": []},
                                }
                            },
                        },
                        "429": {
                            "description": "Later",
                            "headers": {"Retry-After": {"schema": {"type": "integer"}}},
                            "content": problem["content"],
                        },
                        **errors,
                    },
                },
                "post": {
                    "operationId": "placeOrder",
                    "summary": "Place an order",
                    "tags": ["orders"],
                    "parameters": [
                        {
                            "name": "Idempotency-Key",
                            "in": "header",
                            "description": "Repeat safely",
                            "schema": {"type": "string"},
                        }
                    ],
                    "requestBody": {
                        "content": {
                            "application/json": {"schema": {"$ref": "#/components/schemas/Order"}, "example": {}}
                        }
                    },
                    "responses": {"201": {"description": "Placed"}, **errors},
                },
            },
            "/orders/{order-id}": {
                "parameters": [
                    {
                        "name": "order-id",
                        "in": "path",
                        "required": True,
                        "description": "Order",
                        "schema": {"type": "string"},
                    }
                ],
                "put": {
                    "operationId": "changeOrder",
                    "summary": "Change an order",
                    "tags": ["orders"],
                    "parameters": [
                        {"name": "If-Match", "in": "header", "description": "Version", "schema": {"type": "string"}}
                    ],
                    "requestBody": {
                        "content": {
                            "application/json": {"schema": {"$ref": "#/components/schemas/Order"}, "example": {}}
                        }
                    },
                    "responses": {"204": {"description": "Changed"}, **errors},
                },
            },
        },
        "components": {
            "securitySchemes": {"oauth": {"type": "oauth2", "flows": {}}},
            "schemas": {
                "Order": {
                    "type": "object",
                    "required": ["total"],
                    "properties": {
                        "totalPrice": money,
                        "total": money,
                        "currency": {"type": "string", "pattern": "^[A-Z]{3}$", "description": "ISO 4217"},
                        "placedAt": {"type": "string", "format": "date-time", "description": "When"},
                        "deliveryDate": {"type": "string", "format": "date", "description": "Day"},
                        "gtin": {"type": "string", "description": "Article"},
                        "channel": {"type": "string", "enum": ["STORE", "WEB"], "description": "Channel"},
                        "tags": {"type": "array", "maxItems": 5, "items": {"type": "string"}, "description": "Marks"},
                    },
                }
            },
        },
    }


def report(tree: Tree, **context: Any) -> LintReport:
    return lint(
        read(json.dumps(tree).encode()), **{"tier": 0, "layer": "experience", "data_class": "internal", **context}
    )


def found(tree: Tree, **context: Any) -> set[str]:
    return {finding.rule for finding in report(tree, **context).findings}


def test_a_good_contract_has_no_finding() -> None:
    checked = report(good())
    assert checked.findings == ()
    assert checked.verdict == "passed"
    assert {outcome.status for outcome in checked.outcomes} == {"passed", "not_applicable"}
    assert len([outcome for outcome in checked.outcomes if outcome.status == "passed"]) >= 45


def at(tree: Tree, *keys: str) -> Any:
    value: Any = tree
    for key in keys:
        value = value[key]
    return value


GET, POST, PUT = ("paths", "/orders", "get"), ("paths", "/orders", "post"), ("paths", "/orders/{order-id}", "put")
ORDER = ("components", "schemas", "Order", "properties")


def setting(*keys: str, value: Any) -> Callable[[Tree], None]:
    def change(tree: Tree) -> None:
        at(tree, *keys[:-1])[keys[-1]] = value

    return change


def without(*keys: str) -> Callable[[Tree], None]:
    def change(tree: Tree) -> None:
        del at(tree, *keys[:-1])[keys[-1]]

    return change


def parameter(place: tuple[str, ...], number: int, **values: Any) -> Callable[[Tree], None]:
    return lambda tree: at(tree, *place)["parameters"][number].update(values)


CASES: list[tuple[str, Callable[[Tree], None]]] = [
    ("info-title", setting("info", "title", value=" ")),
    ("info-version", setting("info", "version", value="%VERSION%")),
    ("info-version", setting("info", "version", value="")),
    ("info-description", setting("info", "description", value="Orders")),
    ("owner-named", without("info", "contact", "name")),
    ("support-contact", without("info", "contact", "email")),
    ("operation-described", without(*GET, "summary")),
    ("operation-id", without(*GET, "operationId")),
    ("operation-id-unique", setting(*POST, "operationId", value="listOrders")),
    ("operation-tagged", without(*GET, "tags")),
    ("parameter-described", parameter(GET, 0, description="")),
    ("property-described", without(*ORDER, "gtin", "description")),
    ("example-given", without(*POST, "requestBody", "content", "application/json", "example")),
    ("deprecated-has-sunset", setting(*GET, "deprecated", value=True)),
    ("component-used", setting("components", "schemas", "Unused", value={"type": "string"})),
    ("path-casing", lambda tree: tree["paths"].update({"/PriceLists": tree["paths"].pop("/orders")})),
    ("path-form", lambda tree: tree["paths"].update({"/orders/": tree["paths"].pop("/orders")})),
    ("path-form", lambda tree: tree["paths"].update({"/orders.json": tree["paths"].pop("/orders")})),
    ("path-without-verb", lambda tree: tree["paths"].update({"/create-orders": tree["paths"].pop("/orders")})),
    ("path-variables-declared", without("paths", "/orders/{order-id}", "parameters")),
    (
        "path-variables-declared",
        setting("paths", "/orders", "parameters", value=[{"name": "x", "in": "path", "required": True, "schema": {}}]),
    ),
    ("path-shape-unique", lambda tree: tree["paths"].update({"/orders/{number}": {}})),
    ("property-casing", setting(*ORDER, "store_id", value={"type": "string", "description": "Store"})),
    (
        "query-parameter-casing",
        lambda tree: at(tree, *GET)["parameters"].extend(
            {"name": name, "in": "query"} for name in ("pageSize", "sortKey", "store_id")
        ),
    ),
    ("schema-casing", setting("components", "schemas", "order_line", value={"type": "string"})),
    ("enum-casing", setting(*ORDER, "channel", "enum", value=["STORE", "web"])),
    ("version-visible", setting("servers", value=[{"url": "https://api.example.com"}])),
    ("no-vendor-names", setting("components", "schemas", "AdyenPayment", value={"type": "string"})),
    ("no-vendor-names", setting(*ORDER, "sapOrderId", value={"type": "string"})),
    ("no-vendor-names", setting("servers", value=[{"url": "https://shop.sap.example.com/v1"}])),
    (
        "error-problem-json",
        setting(*POST, "responses", "4XX", value={"description": "no", "content": {"application/json": {}}}),
    ),
    ("error-responses-declared", without(*POST, "responses", "5XX")),
    ("success-response-declared", without(*POST, "responses", "201")),
    ("response-has-schema", without(*GET, "responses", "200", "content", "application/json", "schema")),
    ("retry-after-declared", without(*GET, "responses", "429", "headers")),
    ("pagination", without(*GET, "parameters")),
    ("page-size-bounded", parameter(GET, 0, schema={"type": "integer"})),
    (
        "list-in-object",
        setting(
            *GET, "responses", "200", "content", "application/json", "schema", value={"type": "array", "items": {}}
        ),
    ),
    ("idempotency-key", without(*POST, "parameters")),
    ("conditional-update", without(*PUT, "parameters")),
    ("request-array-bounded", without(*ORDER, "tags", "maxItems")),
    ("delete-without-body", setting(*GET, "requestBody", value={"content": {}})),
    ("security-required", without("security")),
    ("security-required", setting(*GET, "security", value=[{}])),
    ("security-scheme-declared", setting(*GET, "security", value=[{"key": []}])),
    (
        "security-no-key-in-query",
        setting("components", "securitySchemes", "key", value={"type": "apiKey", "in": "query", "name": "k"}),
    ),
    ("security-no-key-in-query", parameter(GET, 1, name="access_token")),
    ("transport-encrypted", setting("servers", value=[{"url": "http://api.example.com/v1"}])),
    ("no-personal-data-in-url", parameter(GET, 1, name="email")),
    ("cardholder-data-never-returned", setting(*ORDER, "cvv", value={"type": "string"})),
    ("cardholder-data-classified", setting(*ORDER, "cardNumber", value={"type": "string"})),
    ("personal-data-classified", setting(*ORDER, "firstName", value={"type": "string"})),
    ("money-not-float", setting(*ORDER, "unitPrice", value={"type": "number"})),
    (
        "money-not-float",
        setting(*ORDER, "unitPrice", value={"type": ["number", "null"], "format": "double", "multipleOf": 0.01}),
    ),
    (
        "money-has-currency",
        setting("components", "schemas", "Fee", value={"type": "object", "properties": {"fee": {"type": "integer"}}}),
    ),
    ("currency-code", without(*ORDER, "currency", "pattern")),
    ("moment-has-zone", without(*ORDER, "placedAt", "format")),
    ("date-has-format", without(*ORDER, "deliveryDate", "format")),
    ("product-code-is-text", setting(*ORDER, "gtin", "type", value="integer")),
    ("type-declared", setting(*ORDER, "note", value={"description": "Anything"})),
    ("array-has-items", without(*ORDER, "tags", "items")),
    ("required-exists", setting("components", "schemas", "Order", "required", value=["totl"])),
]


@pytest.mark.parametrize(("rule", "change"), CASES, ids=[f"{number}-{rule}" for number, (rule, _) in enumerate(CASES)])
def test_each_rule_finds_its_mistake(rule: str, change: Callable[[Tree], None]) -> None:
    tree = copy.deepcopy(good())
    change(tree)
    assert rule in found(tree)


def test_weak_schemes_are_refused_for_personal_data_only() -> None:
    tree = good()
    tree["components"]["securitySchemes"]["oauth"] = {"type": "http", "scheme": "basic"}
    assert "security-strong" in found(tree, data_class="personal")
    assert "security-strong" not in found(tree, data_class="internal")


def test_every_openapi_rule_has_a_case() -> None:
    tried = {rule for rule, _ in CASES} | {"security-strong"}
    assert {rule.id for rule in built_in_rules() if "openapi" in rule.families} == tried


ASYNC = {
    "asyncapi": "3.0.0",
    "info": good()["info"],
    "servers": {"log": {"host": "kafka.example.com", "protocol": "kafka"}},
    "channels": {"orders": {"address": "orders", "messages": {"placed": {"$ref": "#/components/messages/Placed"}}}},
    "components": {
        "messages": {
            "Placed": {
                "correlationId": {"location": "$message.header#/correlationId"},
                "bindings": {"kafka": {"key": {"type": "string"}}},
                "payload": {
                    "type": "object",
                    "properties": {
                        "id": {"type": "string", "description": "Event"},
                        "time": {"type": "string", "format": "date-time", "description": "When"},
                    },
                },
            }
        }
    },
}


@pytest.mark.parametrize(
    ("rule", "key"),
    [
        ("event-identified", "payload"),
        ("event-has-payload", "payload"),
        ("event-correlated", "correlationId"),
        ("event-key", "bindings"),
    ],
)
def test_each_event_rule_finds_its_mistake(rule: str, key: str) -> None:
    assert not found(ASYNC)
    tree = copy.deepcopy(ASYNC)
    del tree["components"]["messages"]["Placed"][key]
    assert rule in found(tree)


def test_levels_follow_the_tier_and_an_unknown_tier_is_not_the_mildest() -> None:
    tree = good()
    del tree["paths"]["/orders"]["post"]["parameters"]
    levels = {
        tier: next(finding.level for finding in report(tree, tier=tier).findings if finding.rule == "idempotency-key")
        for tier in (0, 2, 3, None)
    }
    assert levels == {0: "error", 2: "warning", 3: "info", None: "error"}


def test_a_rule_that_does_not_apply_says_why() -> None:
    reasons = {outcome.rule: outcome.reason for outcome in report(good(), layer=None, data_class=None).outcomes}
    assert reasons["no-vendor-names"] == "the layer is not known"
    assert reasons["personal-data-classified"] == "the data class is not known"
    assert reasons["event-identified"] == "for asyncapi only"


def test_findings_carry_pointer_and_line_of_the_authors_file() -> None:
    text = (
        b"swagger: '2.0'\ninfo: {title: a, version: '1'}\npaths: {}\n"
        b"definitions:\n  Price:\n    type: object\n    properties:\n      price: {type: number}\n"
    )
    finding = next(finding for finding in lint(read(text), tier=0).findings if finding.rule == "money-not-float")
    assert (finding.pointer, finding.line) == ("/definitions/Price/properties/price", 8)


def test_every_finding_of_one_rule_is_listed() -> None:
    schemas = {f"S{number}": {"type": "object", "properties": {"price": {"type": "number"}}} for number in range(500)}
    checked = report({"openapi": "3.1.0", "components": {"schemas": schemas}})
    assert sum(1 for finding in checked.findings if finding.rule == "money-not-float") == 500
    assert next(outcome.total for outcome in checked.outcomes if outcome.rule == "money-not-float") == 500


@pytest.mark.parametrize("context", [{"tier": 4}, {"tier": True}, {"layer": "edge"}, {"data_class": "secret"}])
def test_an_unknown_context_is_refused(context: dict[str, Any]) -> None:
    with pytest.raises(ContractError) as caught:
        report(good(), **context)
    assert caught.value.code == "lint.context"


def paths_reported(rule: str, *paths: str) -> list[str]:
    tree = good()
    tree["paths"] = {path: {"get": {"responses": {"200": {"description": "x"}}}} for path in paths}
    return [finding.path for finding in report(tree).findings if finding.rule == rule]


@pytest.mark.parametrize(
    "path",
    [
        "/api/v3.1/carriers",
        "/v2.0/orders",
        "/3.1/orders",
        "/v1.0-beta/orders",
        "/v2beta1/orders",
        "/2026-11-30/orders",
        "/.well-known/openid-configuration",
        "/openapi.yaml",
        "/price-lists.json",
        "/orders/$batch",
        "/orders/{id}:cancel",
        "/orders/",
        "/orders?status=OPEN",
        "/orders#New",
    ],
)
def test_versions_and_names_by_convention_are_no_other_spelling(path: str) -> None:
    assert paths_reported("path-casing", path) == []


@pytest.mark.parametrize(
    "path", ["/PriceLists", "/price_lists", "/v3.1/priceLists", "/order.Lines", "/V3.1x/a", "/a..b", "/-a", "/.hidden"]
)
def test_another_spelling_is_found_beside_a_version(path: str) -> None:
    assert paths_reported("path-casing", path) == [path]


@pytest.mark.parametrize(
    "path", ["/v3.1/orders", "/V1/orders", "/v1beta1/orders", "/v2-preview/orders", "/v3_1/orders"]
)
def test_a_version_of_any_form_is_visible(path: str) -> None:
    tree = good()
    tree["servers"] = [{"url": "https://api.example.com"}]
    tree["paths"] = {path: tree["paths"]["/orders"]}
    assert "version-visible" not in found(tree)
    tree["paths"] = {path.replace("v", "w").replace("V", "W"): tree["paths"][path]}
    assert "version-visible" in found(tree)


def test_query_parameters_of_a_protocol_have_no_spelling() -> None:
    names = ["orderId", "storeId", "filter[date-from]", "fields[order-line]", "$top", "a.b-c"]
    tree = good()
    at(tree, *GET)["parameters"] += [
        {"name": name, "in": "query", "description": "x", "schema": {"type": "string"}} for name in names
    ]
    assert "query-parameter-casing" not in found(tree)
    at(tree, *GET)["parameters"].append({"name": "store-name", "in": "query", "schema": {"type": "string"}})
    assert "query-parameter-casing" in found(tree)
