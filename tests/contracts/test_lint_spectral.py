"""Spectral rule files mean here what they mean in Spectral: paths, fields, functions, places and counts.

The rules and contracts are our own; the places are those that Spectral CLI 6.16 reports of them.
"""

from __future__ import annotations

from typing import Any

import pytest

from tillgate_contracts.lint import LintReport, lint, parse_rules
from tillgate_contracts.lint.jsonpath import PathTree, compile_path
from tillgate_contracts.lint.patterns import to_regex
from tillgate_contracts.reading import Document, read

SHOP = read(
    b"""openapi: 3.0.3
info: {title: Shop, version: '1', contact: {name: Shop team}}
paths:
  /baskets/{id}:
    parameters: [{$ref: '#/components/parameters/Id'}]
    get:
      operationId: readBasket
      responses:
        '200': {$ref: '#/components/responses/Basket'}
        '404': {$ref: '#/components/responses/Problem'}
    put:
      operationId: replaceBasket
      requestBody: {content: {application/json: {schema: {$ref: '#/components/schemas/Basket'}}}}
      responses:
        '204': {description: stored}
        '404': {$ref: '#/components/responses/Problem'}
  /hooks/paid/:
    post: {operationId: paid, responses: {'202': {description: later}}}
components:
  parameters:
    Id: {name: id, in: path, required: true, schema: {type: string}}
  responses:
    Basket:
      description: a basket
      content: {application/vnd.shop+json: {schema: {$ref: '#/components/schemas/Basket'}}}
    Problem: {description: none, content: {application/problem+json: {schema: {type: object}}}}
  schemas:
    Basket:
      type: object
      properties:
        state: {type: string, enum: [open, PAID]}
        lines: {type: array, items: {$ref: '#/components/schemas/Line'}}
        parent: {$ref: '#/components/schemas/Basket'}
    Line: {type: object, properties: {kind: {type: string, enum: [gift]}, Qty: {type: integer}}}
    Unused: {type: object, properties: {kind: {type: string, enum: [never]}}}
"""
)


def checked(rule: dict[str, Any], document: Document = SHOP, **more: Any) -> LintReport:
    loaded = parse_rules({"rules": {"it": rule}, **more})
    assert not loaded.unmapped, loaded.unmapped
    return lint(document, rules=loaded.rules)


def places(rule: dict[str, Any], document: Document = SHOP, **more: Any) -> list[str]:
    return [finding.pointer for finding in checked(rule, document, **more).findings]


def test_two_slashes_are_a_pattern_and_not_an_empty_one_between_slashes() -> None:
    rule = {"given": "$.paths.*~", "then": {"function": "pattern", "functionOptions": {"notMatch": "//"}}}
    assert places(rule) == []
    rule["then"]["functionOptions"] = {"notMatch": "/$"}
    assert places(rule) == ["/paths/~1hooks~1paid~1"]


def test_a_field_is_a_key_of_that_name_before_it_is_a_path() -> None:
    rule = {
        "given": "$.components.responses.Basket.content",
        "then": {"field": "application/vnd.shop+json", "function": "truthy"},
    }
    assert places(rule) == []
    assert places({**rule, "then": {"field": "application/vnd.cart+json", "function": "truthy"}}) == [
        "/components/responses/Basket/content"
    ]


@pytest.mark.parametrize(
    "field", ["content", "content.application/problem+json", "content['application/problem+json']"]
)
def test_the_last_step_of_a_path_goes_through_a_reference(field: str) -> None:
    rule = {"given": "$.paths[*].get.responses['404']", "then": {"field": field, "function": "truthy"}}
    assert places(rule) == []


def test_a_finding_behind_a_reference_stands_once_at_what_it_refers_to() -> None:
    rule = {"given": "$.paths[*][*].responses[*]", "then": {"field": "x-owner", "function": "truthy"}}
    assert places(rule) == [
        "/paths/~1baskets~1{id}/put/responses/204",
        "/paths/~1hooks~1paid~1/post/responses/202",
        "/components/responses/Basket",
        "/components/responses/Problem",
    ]


def test_a_deep_path_enters_references_and_visits_each_place_once() -> None:
    rule = {"given": "$.paths..[?(@ && @.type == 'string')].enum", "then": {"function": "undefined"}}
    assert places(rule) == [
        "/components/schemas/Basket/properties/state/enum",
        "/components/schemas/Line/properties/kind/enum",
    ]
    names = {
        "given": "$.paths..schema..properties.*~",
        "then": {"function": "casing", "functionOptions": {"type": "camel"}},
    }
    assert places(names) == ["/components/schemas/Line/properties/Qty"]


def test_raw_rules_see_references_as_they_are_written() -> None:
    rule = {"given": "$.paths..$ref", "resolved": False, "then": {"function": "undefined"}}
    assert len(places(rule)) == 5
    assert places({**rule, "given": "$..properties[?(@.$ref == undefined)].type"}) == [
        "/components/schemas/Basket/properties/state/type",
        "/components/schemas/Basket/properties/lines/type",
        "/components/schemas/Line/properties/Qty/type",
        "/components/schemas/Line/properties/kind/type",
        "/components/schemas/Unused/properties/kind/type",
    ]


@pytest.mark.parametrize(
    ("path", "pointers"),
    [
        ("$.paths[?(/^\\/hooks\\//.test(@property))].post", ["/paths/~1hooks~1paid~1/post"]),
        ("$.paths[?(!/[\\])'\"]|hooks/i.test(@property))]~", ["/paths/~1baskets~1{id}"]),
        (
            "$.paths[*][?(/^re/.test(@.operationId))].operationId",
            ["/paths/~1baskets~1{id}/get/operationId", "/paths/~1baskets~1{id}/put/operationId"],
        ),
        (
            "$.paths[*].[get,post].operationId",
            ["/paths/~1baskets~1{id}/get/operationId", "/paths/~1hooks~1paid~1/post/operationId"],
        ),
        ("$.components.schemas.Line.[?(@.type == 'integer')]", ["/components/schemas/Line/properties/Qty"]),
        (
            "$.components.schemas.Line..[kind,Qty]",
            ["/components/schemas/Line/properties/kind", "/components/schemas/Line/properties/Qty"],
        ),
        (
            "$.components...enum[0]",
            [
                "/components/schemas/Basket/properties/state/enum/0",
                "/components/schemas/Line/properties/kind/enum/0",
                "/components/schemas/Unused/properties/kind/enum/0",
            ],
        ),
        ("$.paths[*].get.responses.404.description", ["/components/responses/Problem/description"]),
        (
            "$.paths[*].get.responses[200, 404].description",
            ["/components/responses/Basket/description", "/components/responses/Problem/description"],
        ),
        ("$.paths[*].put.requestBody.content.application/json.schema.type", ["/components/schemas/Basket/type"]),
        ("$.paths[*][*].responses[?(@property >= 400)].description", ["/components/responses/Problem/description"]),
        (
            "$.components.schemas.Basket.properties.state.enum[1:]",
            ["/components/schemas/Basket/properties/state/enum/1"],
        ),
        (
            "$.components.schemas.Basket.properties.state.enum[?(@ == 'PAID')]",
            ["/components/schemas/Basket/properties/state/enum/1"],
        ),
        (
            "$.components.schemas[?(@object() && @.properties.kind)]~",
            ["/components/schemas/Line", "/components/schemas/Unused"],
        ),
        (
            "$.components.schemas..[?(@property === 'type' && @ === 'integer')]^",
            ["/components/schemas/Line/properties/Qty"],
        ),
        ("$.paths[?(!@path.match(/\\/'\\]$/))].get", ["/paths/~1baskets~1{id}/get"]),
        ("$.paths[*][?(@.operationId in ['paid', 'other'])]", ["/paths/~1hooks~1paid~1/post"]),
        ("$.paths[*][?(@.summary == null && @property.length == 4)]", ["/paths/~1hooks~1paid~1/post"]),
    ],
)
def test_idioms_of_rule_files_find_what_they_name(path: str, pointers: list[str]) -> None:
    assert [match.pointer for match in compile_path(path)(PathTree(SHOP.tree))] == pointers


def test_what_is_mapped_in_part_says_so() -> None:
    rules = {
        "parents": {"given": "$.paths..schema^~", "then": {"function": "truthy"}},
        "old": {"given": "$.definitions", "formats": ["oas2"], "then": {"function": "truthy"}},
        "whole": {"given": "$.paths..schema^", "then": {"function": "truthy"}},
    }
    loaded = parse_rules({"rules": rules})
    assert {item.rule for item in loaded.partly} == {"parents", "old"}
    assert all(item.reason for item in loaded.partly)
    assert {rule.id for rule in loaded.rules} == set(rules)


def test_rules_of_one_version_of_a_format_are_for_that_version() -> None:
    rule = {"given": "$.info", "then": {"field": "license", "function": "truthy"}}
    older = read(b"openapi: 3.1.0\ninfo: {title: a, version: '1'}\npaths: {}\n")
    swagger = read(b"swagger: '2.0'\ninfo: {title: a, version: '1'}\npaths: {}\n")
    for formats, answers in (
        (["oas2"], [0, 0, 1]),
        (["oas3"], [1, 1, 0]),
        (["oas3_0"], [1, 0, 0]),
        (["oas3.1"], [0, 1, 0]),
        (["oas2", "oas3_1"], [0, 1, 1]),
    ):
        found = [len(places({**rule, "formats": formats}, document)) for document in (SHOP, older, swagger)]
        assert found == answers, formats


def test_a_missing_value_does_not_satisfy_a_schema() -> None:
    rule = {"given": "$.info", "then": {"field": "license", "function": "schema", "functionOptions": {"schema": {}}}}
    assert places(rule) == ["/info"]


def test_a_schema_sees_what_references_refer_to() -> None:
    contains = {"contains": {"required": ["name"], "properties": {"name": {"const": "id"}}}}
    rule = {"given": "$.paths[*].parameters", "then": {"function": "schema", "functionOptions": {"schema": contains}}}
    assert places(rule) == []
    contains["contains"]["properties"]["name"]["const"] = "number"
    assert places(rule) == ["/paths/~1baskets~1{id}/parameters"]


def test_a_schema_that_looks_at_everything_ends_at_a_circle() -> None:
    rule = {
        "given": "$.components.schemas",
        "then": {"function": "schema", "functionOptions": {"schema": {"not": {"const": {"a": 1}}}}},
    }
    assert places(rule) == []


def test_a_field_of_a_text_is_the_text() -> None:
    rule = {
        "given": "$.paths[*]~",
        "then": {"field": "name", "function": "enumeration", "functionOptions": {"values": ["/baskets/{id}"]}},
    }
    assert places(rule) == ["/paths/~1hooks~1paid~1"]


def test_objects_are_not_looked_up_in_an_enumeration() -> None:
    rule = {"given": "$.info.contact", "then": {"function": "enumeration", "functionOptions": {"values": ["a"]}}}
    assert places(rule) == []


def test_keys_of_a_list_are_its_numbers() -> None:
    rule = {
        "given": "$.components.schemas.Basket.properties.state.enum",
        "then": {"field": "@key", "function": "pattern", "functionOptions": {"notMatch": "1"}},
    }
    assert places(rule) == ["/components/schemas/Basket/properties/state/enum/1"]


def test_a_field_that_begins_with_a_dollar_may_be_a_key() -> None:
    rule = {"given": "$.paths[*][*].responses[*]", "resolved": False, "then": {"field": "$ref", "function": "truthy"}}
    assert places(rule) == ["/paths/~1baskets~1{id}/put/responses/204", "/paths/~1hooks~1paid~1/post/responses/202"]


def test_a_field_may_be_a_path_of_its_own() -> None:
    rule = {
        "given": "$.components.schemas.Basket",
        "then": {
            "field": "$.properties[lines,state].type",
            "function": "pattern",
            "functionOptions": {"match": "^[aso]"},
        },
    }
    assert places(rule) == []
    rule["then"]["functionOptions"] = {"match": "^s"}
    assert places(rule) == ["/components/schemas/Basket/properties/lines/type"]


def test_names_that_lead_to_one_value_are_one_finding_that_says_the_places() -> None:
    text = b"""openapi: 3.0.3
info: {title: a, version: '1'}
paths: {}
components:
  schemas:
    Order: {properties: {Home: {$ref: '#/components/schemas/Address'}, Work: {$ref: '#/components/schemas/Address'}}}
    Address: {type: object}
"""
    rule = {
        "given": "$..properties.*~",
        "description": "Names are small",
        "then": {"function": "pattern", "functionOptions": {"match": "^[a-z]"}},
    }
    (finding,) = checked(rule, read(text)).findings
    assert finding.pointer == "/components/schemas/Order/properties/Home"
    assert finding.message == (
        "Names are small: Home does not match ^[a-z]; Work does not match ^[a-z]. "
        "Also at /components/schemas/Order/properties/Work."
    )
    assert len(checked({**rule, "message": "{{value}} is large"}, read(text)).findings) == 2


def test_several_faults_of_one_place_are_one_finding_unless_the_message_tells_them_apart() -> None:
    steps = [{"field": "license", "function": "truthy"}, {"field": "termsOfService", "function": "truthy"}]
    found = checked({"given": "$.info", "description": "Terms are known", "then": steps}).findings
    assert [finding.message for finding in found] == [
        "Terms are known: license is missing or empty; termsOfService is missing or empty."
    ]
    assert len(checked({"given": "$.info", "message": "{{property}} is missing", "then": steps}).findings) == 2


@pytest.mark.parametrize(
    ("pattern", "flags", "text", "found"),
    [
        (r"\.$", "", "A sentence.\n", False),
        ("^b", "m", "a\nb", True),
        (r"^\w+$", "", "größe", False),
        (r"^\d$", "", "٣", False),
        ("[]", "", "a", False),
        ("a[^]b", "", "a\nb", True),
        (r"[[a&&b]$", "", "&", True),
        (r"^\\/x$", "", "\\/x", True),
        (r"^(?<word>a)\k<word>$", "", "aa", True),
        (r"^\e\_$", "", "e_", True),
        (r"^\u0041$", "", "A", True),
        (r"\$$", "", "US$", True),
        ("[$]$", "", "US$", True),
    ],
)
def test_patterns_have_the_meaning_of_javascript(pattern: str, flags: str, text: str, found: bool) -> None:
    assert (to_regex(pattern, flags).search(text) is not None) is found


def test_long_texts_are_looked_at_whole() -> None:
    text = b"openapi: 3.0.3\ninfo: {title: a, version: '1', description: '" + b"long " * 2000 + b"end'}\npaths: {}\n"
    rule = {"given": "$.info.description", "then": {"function": "pattern", "functionOptions": {"match": "end$"}}}
    assert places(rule, read(text)) == []


def test_a_rule_that_matches_too_much_is_not_run_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tillgate_contracts.lint.jsonpath.MAX_MATCHES", 20)
    outcome = checked({"given": "$..*", "then": {"function": "defined"}}).outcomes[0]
    assert (outcome.status, outcome.total) == ("not_run", 0)
    assert "more than 20" in outcome.reason
