"""Lint rules for GraphQL: each finds its mistake, and finds nothing in a schema that is right."""

from __future__ import annotations

import pytest

from tillgate_contracts.lint import built_in_rules, lint
from tillgate_contracts.reading import read

GOOD = """
"A thing with a key" interface Node { id: ID! }
"An order" type Order implements Node { id: ID! total: Decimal! old: Int @deprecated(reason: "Use total") }
"Sums of money" scalar Decimal
"What an order is sorted by" enum Sort { NAME PRICE }
"What to look for" input Search { text: String! = "" page: Int }
type Query { "Orders by page" orders(first: Int!, by: Sort, search: Search): [Order!]! }
"""
CASES = [
    ("graphql-described", '"An order" type', "type"),
    ("graphql-described", '"Orders by page" orders', "orders"),
    ("graphql-names", "Order ", "order_line "),
    ("graphql-names", "total:", "Total:"),
    ("graphql-names", "first:", "First:"),
    ("graphql-names", "NAME PRICE", "name PRICE"),
    ("graphql-reserved-name", "total:", "__total:"),
    ("graphql-resolved", "total: Decimal!", "total: Gone!"),
    ("graphql-implements", "implements Node { id: ID!", "implements Node {"),
    ("graphql-deprecation-reason", '@deprecated(reason: "Use total")', "@deprecated"),
    ("graphql-deprecation-reason", "NAME PRICE", "NAME @deprecated PRICE"),
    ("graphql-deprecated-required", 'text: String! = ""', "text: String! @deprecated"),
    ("graphql-deprecated-required", "first: Int!,", "first: Int! @deprecated,"),
    ("graphql-list-bounded", "first: Int!, ", ""),
    ("graphql-money-not-float", "total: Decimal!", "total: Float!"),
    ("graphql-list-items", "[Order!]!", "[Order]!"),
]


def found(text: str, **context: object) -> dict[str, str]:
    report = lint(read(text.encode()), **context)  # type: ignore[arg-type]
    return {finding.rule: finding.level for finding in report.findings}


def test_a_good_schema_has_no_finding():
    assert found(GOOD) == {}


@pytest.mark.parametrize(("rule", "good", "bad"), CASES, ids=[f"{n}-{case[0]}" for n, case in enumerate(CASES)])
def test_each_rule_finds_its_mistake(rule, good, bad):
    assert good in GOOD
    assert rule in found(GOOD.replace(good, bad))


def test_every_graphql_rule_has_a_case():
    assert {rule.id for rule in built_in_rules() if "graphql" in rule.families} == {case[0] for case in CASES}


def test_rules_of_other_formats_say_that_they_do_not_apply():
    outcomes = {item.rule: item.reason for item in lint(read(GOOD.encode())).outcomes if item.status != "passed"}
    assert outcomes["operation-id"] == "for openapi only"
    assert not set(outcomes) & {case[0] for case in CASES}


def test_a_finding_names_operation_and_coordinate():
    [finding] = lint(read(GOOD.replace("first: Int!, ", "").encode())).findings
    assert (finding.operation, finding.path, finding.pointer) == ("QUERY orders", "orders", "Query.orders")
    assert finding.line == 7
