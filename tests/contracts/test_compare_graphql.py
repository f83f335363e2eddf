"""GraphQL schemas: every labelled pair gets its verdict and its rule."""

from __future__ import annotations

import pytest

from tests.contracts.labelled_pairs import graphql_schema as schema
from tests.contracts.labelled_pairs import pairs
from tillgate_contracts.compare import ComparisonPolicy, ComparisonReport, compare
from tillgate_contracts.reading import read


def told(before: str, after: str, **policy: object) -> ComparisonReport:
    old, new = (read(text.encode(), name="shop.graphql") for text in (before, after))
    return compare(old, new, policy=ComparisonPolicy.from_mapping(policy))


PAIRS = pairs("graphql")


@pytest.mark.parametrize(
    ("section", "before", "after", "verdict", "rule"), PAIRS, ids=[f"{n} {pair[0]}" for n, pair in enumerate(PAIRS)]
)
def test_a_pair_is_judged_as_the_specification_says(section, before, after, verdict, rule):
    found = told(schema(before), schema(after))
    rules = {finding.rule for finding in found.findings}
    assert (found.verdict, rule if rule in rules else sorted(rules)) == (verdict, rule or [])


def test_a_new_type_behind_an_interface_that_clients_query_is_told() -> None:
    base = "type Query { i: N }\ninterface N { id: ID }\ntype T implements N { id: ID }"
    found = told(base, base + "\ntype Z implements N { id: ID }")
    assert (found.verdict, "graphql-interface-added" in {one.rule for one in found.findings}) == ("warning", True)
    alone = told(base, base + "\ninterface M { id: ID }\ntype Z implements M { id: ID }")
    assert alone.verdict == "compatible", "nobody queries M yet"
