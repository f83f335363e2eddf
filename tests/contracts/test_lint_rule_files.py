"""Own rules as data, and Spectral rule files: what maps is applied, what does not is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from tillgate_contracts.errors import ContractError
from tillgate_contracts.lint import LoadedRules, built_in_rules, lint, load_rules, parse_rules
from tillgate_contracts.lint.jsonpath import JsonPathError, PathTree, compile_path
from tillgate_contracts.reading import read

API = read(
    b"""openapi: 3.0.3
info: {title: Prices, version: '1', x-cost-center: '12'}
paths:
  /prices:
    get:
      tags: [b, a]
      operationId: list_prices
      parameters: [{$ref: '#/components/parameters/Store'}, {name: Page, in: query, schema: {type: integer}}]
      responses: {'200': {description: ok}, '404': {description: none}}
    post: {operationId: addPrice, deprecated: true, responses: {'201': {description: made}}}
components:
  parameters:
    Store: {name: X-Store, in: header, schema: {type: string}}
  schemas:
    Price: {type: object, properties: {amount: {type: string, enum: [1, a]}}}
"""
)

SPECTRAL = """
extends: [spectral:oas]
aliases:
  Operations: $.paths[*][get,post]
  OperationIds: ['#Operations.operationId']
rules:
  operation-tags: off
  info-title: false
  info-contact: error
  id-camel:
    description: Operation ids are camelCase
    message: "{{property}} is {{value}}"
    given: '#OperationIds'
    severity: error
    then: {function: casing, functionOptions: {type: camel}}
  cost-center:
    given: $.info
    levels: ew-i
    then:
      - {field: x-cost-center, function: pattern, functionOptions: {match: '^[0-9]{4}$'}}
      - {field: x-budget, function: truthy}
  tags-sorted: {given: '$..tags', then: {function: alphabetical}}
  enum-typed: {given: "$..[?(@.enum)]", then: {function: typedEnum}}
  header-kebab:
    given: "$.paths[*][*].parameters[?(@.in == 'header')].name"
    then: {function: pattern, functionOptions: {match: '/^[a-z]+$/i'}}
  only-experience: {given: $, layers: [experience], then: {field: security, function: defined}}
  body-shape:
    given: $.info
    then: {function: schema, functionOptions: {schema: {required: [license]}}}
  not-ours: {given: $, then: {function: oasOp2xxResponse}}
  bad-path: {given: '$..[(@.length-1)]', then: {function: truthy}}
  bad-regex: {given: $, then: {function: pattern, functionOptions: {match: '(?<!a+)b'}}}
  bad-key: {given: $, then: {function: truthy}, onlyOn: monday}
  raw: {given: $, resolved: false, then: {function: truthy}}
"""


@pytest.fixture
def loaded(tmp_path: Path) -> LoadedRules:
    (tmp_path / "rules.yaml").write_text(SPECTRAL)
    return load_rules(tmp_path / "rules.yaml")


def test_a_spectral_file_is_applied_where_it_maps(loaded: LoadedRules) -> None:
    report = lint(API, tier=0, rules=loaded.rules)
    assert {(finding.rule, finding.level, finding.pointer) for finding in report.findings} == {
        ("id-camel", "error", "/paths/~1prices/get/operationId"),
        ("cost-center", "error", "/info/x-cost-center"),
        ("cost-center", "error", "/info"),
        ("tags-sorted", "warning", "/paths/~1prices/get/tags"),
        ("enum-typed", "warning", "/components/schemas/Price/properties/amount"),
        ("header-kebab", "warning", "/components/parameters/Store/name"),
        ("body-shape", "warning", "/info"),
    }
    by_rule = {finding.rule: finding for finding in report.findings}
    assert by_rule["id-camel"].message == "operationId is list_prices"
    assert by_rule["id-camel"].line == 7


def test_what_does_not_map_is_said_with_its_reason(loaded: LoadedRules) -> None:
    assert {item.rule for item in loaded.unmapped} == {
        "extends",
        "info-contact",
        "not-ours",
        "bad-path",
        "bad-regex",
        "bad-key",
    }
    assert all(item.reason for item in loaded.unmapped)
    assert set(loaded.off) == {"operation-tags", "info-title"}


def test_references_are_followed_by_child_steps(loaded: LoadedRules) -> None:
    find = compile_path("$.paths[*].get.parameters[*].name")
    assert [(match.pointer, match.value) for match in find(PathTree(API.tree))] == [
        ("/components/parameters/Store/name", "X-Store"),
        ("/paths/~1prices/get/parameters/1/name", "Page"),
    ]


def test_levels_per_tier_and_layers_are_respected(loaded: LoadedRules) -> None:
    rules = {rule.id: rule for rule in loaded.rules}
    assert [rules["cost-center"].level(tier) for tier in (0, 1, 2, 3)] == ["error", "warning", "off", "info"]
    outcomes = {outcome.rule: outcome for outcome in lint(API, tier=2, layer="system", rules=loaded.rules).outcomes}
    assert outcomes["cost-center"].reason == "off for this tier"
    assert outcomes["only-experience"].reason == "the layer is system"
    assert {finding.rule for finding in lint(API, layer="experience", rules=loaded.rules).findings} >= {
        "only-experience"
    }


@pytest.mark.parametrize(
    ("path", "values"),
    [
        ("$.info.title", ["Prices"]),
        ("$['info']['title']", ["Prices"]),
        ("$.paths.*~", ["/prices"]),
        ("$.paths[*]~", ["/prices"]),
        ("$..operationId", ["list_prices", "addPrice"]),
        ("$.paths[*][?(@property === 'get')].operationId", ["list_prices"]),
        ("$.paths[*][?(@.deprecated == true)].operationId", ["addPrice"]),
        ("$.paths[*][?(!@.deprecated)].operationId", ["list_prices"]),
        ("$.paths[*][?(@.deprecated || @.tags)].operationId", ["list_prices", "addPrice"]),
        ("$.paths[*][?(@.tags && @.tags.length > 1)].operationId", ["list_prices"]),
        ("$.paths[*][?(@.operationId.match(/^add/))].operationId", ["addPrice"]),
        ("$.paths[*].get.responses[?(@property.match(/^(4|5)/))].description", ["none"]),
        ("$.paths[*].get.tags[0]", ["b"]),
        ("$.paths[*].get.tags[-1]", ["a"]),
        ("$..[?(@.operationId == 'addPrice')]^~", ["/prices"]),
        ("$.nothing.here", []),
    ],
)
def test_paths_find_what_they_name(path: str, values: list[str]) -> None:
    assert [match.value for match in compile_path(path)(PathTree(API.tree))] == values


@pytest.mark.parametrize(
    "path",
    [
        "info",
        "$.a[",
        "$.a[?(@.b ~ 1)]",
        "$.a[1:2:0]",
        "$.a[]",
        "$.a b",
        "$[?(@nobody == 'x')]",
        "$.a[?(@.b.match(/(/))]",
        "$...",
    ],
)
def test_unsupported_paths_are_named(path: str) -> None:
    with pytest.raises(JsonPathError):
        compile_path(path)


@pytest.mark.parametrize("text", ["[]", "a: 1", "rules: 3", "rules:\n  a: 1\n  a: 2"])
def test_a_file_that_is_no_rule_file_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.yaml").write_text(text)
    with pytest.raises(ContractError):
        load_rules(tmp_path / "x.yaml")


def test_own_rules_stand_beside_the_built_in_ones() -> None:
    own = parse_rules(
        {"rules": {"has-license": {"given": "$.info", "then": {"field": "license", "function": "truthy"}}}}
    )
    report = lint(API, rules=[*built_in_rules(), *own.rules])
    assert {"has-license", "owner-named"} <= {finding.rule for finding in report.findings}
