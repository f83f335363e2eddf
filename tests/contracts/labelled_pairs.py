"""Labelled pairs of contracts: before, after, the verdict that the named section of the standard gives, and a rule that
has to be among the findings."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import NamedTuple

REST = (
    "type Query { order(id: ID!): Order search(text: In, by: Sort): [Hit] } type Mutation { place(order: In!): Order }"
)
DEFAULTS = {
    "Order": "type Order { id: ID! total: Float }",
    "In": "input In { sku: String! }",
    "Sort": "enum Sort { NAME PRICE }",
    "Hit": "union Hit = Order",
}


class Pair(NamedTuple):
    """One labelled pair. `rule` is empty where nothing may be found."""

    section: str
    before: str
    after: str
    verdict: str
    rule: str


def pairs(name: str) -> list[Pair]:
    """The pairs of one format."""
    text = Path(__file__).with_name("pairs").joinpath(f"{name}.toml").read_text()
    return [Pair(**row) for row in tomllib.loads(text)["pair"]]


def graphql_schema(part: str) -> str:
    """A whole schema around a part of a pair."""
    parts = [part]
    if "schema {" in part and "type Query" not in part and "query: Query" in part:
        parts.append("type Query { a: Int }")
    elif "schema {" not in part:
        parts.append(REST)
        parts += [text for name, text in DEFAULTS.items() if not re.search(rf"(?<!extend )\b[a-z]+ {name}\b", part)]
    return "\n".join(parts)
