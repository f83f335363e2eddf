"""GraphQL schemas: recognised by content, read with extensions in place, refused with line and reason, bounded."""

from __future__ import annotations

import time

import pytest

from tillgate_contracts.errors import ContractError
from tillgate_contracts.reading import Document, ReadingLimits, read

SHOP = b'''
"""The shop"""
schema @link(url: "https://specs.apollo.dev/federation/v2.0", import: ["@key"]) { query: Query mutation: Mutation }
# A comment: with a colon
"An order"
type Order @key(fields: "id") {
  id: ID!
  lines(first: Int = 10, sort: [Sort!] = [NAME]): [Line!]!
  old: String @deprecated(reason: "use lines")
}
enum Sort { NAME PRICE @deprecated }
type Line { id: ID }
extend type Line { sku: String! }
extend type Product @key(fields: "id") { id: ID! @external }
union Hit = Order | Line
input In @oneOf { a: Int b: String }
type Query {
  """Order by id
  with its lines"""
  order(id: ID!, by: In): Order
}
type Mutation { place(order: In!): Order @deprecated }
scalar Date @specifiedBy(url: "https://example.com/date")
directive @cached(seconds: Int!) repeatable on FIELD | QUERY
'''


def refusal(text: str, name: str | None = None) -> ContractError:
    with pytest.raises(ContractError) as caught:
        read(text.encode(), name=name)
    return caught.value


def test_operations_have_the_types_that_they_take_and_give():
    document = read(SHOP)
    assert (document.format, document.family) == ("graphql-sdl", "graphql")
    shown = [(o.method, o.path, o.request, o.response, o.summary, o.deprecated) for o in document.operations]
    assert shown == [
        ("QUERY", "order", "id: ID!, by: In", "Order", "Order by id", False),
        ("MUTATION", "place", "order: In!", "Order", "", True),
    ]
    assert document.pointer_line(document.operations[0].pointer) == 20
    assert document.origin(document.operations[0].pointer) == "Query.order"
    assert document.origin("/types/Order/fields/lines/args/first") == "Order.lines(first:)"
    assert set(document.schemas) == {"Order", "Sort", "Line", "Product", "Hit", "In", "Date"}
    assert {"lines", "first", "sku"} <= set(document.fields)
    assert not document.problems


def test_a_stored_schema_is_the_same_contract_and_keeps_its_places():
    document = read(SHOP)
    again = Document.from_canonical(document.canonical)
    assert (again.digest, again.format, again.operations[0].path) == (document.digest, "graphql-sdl", "order")
    assert again.origin("/types/Order/fields/id") == "Order.id"


def test_what_an_extension_adds_counts_as_written_in_place():
    split = b'type Query { a: Int } extend type Query { b: Int } extend schema @link(url: "u")'
    whole = b'schema @link(url: "u") { query: Query } type Query { a: Int, b: Int }'
    assert read(split).digest == read(whole).digest


@pytest.mark.parametrize(
    "text",
    [
        "type Query { a: Int }",
        "# words\n\n  type Query { a: Int }",
        '"""Words: with a colon\nand more"""\ntype Query { a: Int }',
        '"a # mark" type Query { a: Int }',
        "extend type Query { a: Int }",
        "directive @a on FIELD\ntype Query { a: Int }",
        "schema { query: Q } type Q { a: Int }",
        'schema @link(url: "u") { query: Q } type Q { a: Int }',
        "\ufefftype Query { a: Int }",
        "scalar Date\ntype Query { a: Date }",
    ],
)
def test_a_schema_is_recognised_by_its_text_alone(text):
    assert read(text.encode()).format == "graphql-sdl"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("type: object\nproperties: {}", "jsonschema-2020-12"),
        ("enum: [a]\n", "jsonschema-2020-12"),
        ('"type": object\n"properties": {}\n', "jsonschema-2020-12"),
        ("# type Query {\nopenapi: 3.1.0\ninfo: {title: a, version: '1'}\npaths: {}", "openapi-3.1"),
    ],
)
def test_other_formats_are_not_taken_for_it(text, kind):
    assert read(text.encode()).format == kind


@pytest.mark.parametrize(
    ("text", "code", "line", "part"),
    [
        ("type A {\n a: String\n", "contract.graphql_syntax", 3, "Expected Name"),
        ("type A { a: Int }\ntype A { b: Int }", "contract.duplicate_key", 2, "at line 1 and at line 2"),
        ("type A { a: Int\n a: Int }", "contract.duplicate_key", 2, "A.a is defined twice"),
        ("type A { a: Int }\nextend type A { a: Int }", "contract.duplicate_key", 2, "A.a"),
        ("type A { a(x: Int, x: Int): Int }", "contract.duplicate_key", 1, "x is defined twice"),
        ("enum E { A A }", "contract.duplicate_key", 1, "E.A"),
        ("type A { a: Int }\nextend input A { b: Int }", "contract.wrong_type", 2, "extends A as input"),
        ("query Orders { a }", "contract.not_a_contract", 1, "holds a GraphQL query"),
        ("type Q { a: Int }\nfragment F on Q { a }", "contract.not_a_contract", 2, "holds a GraphQL query"),
        ("schema { query: A }", "contract.not_a_contract", None, "defines no type"),
        ("schema { query: A }\nschema { query: B }", "contract.duplicate_key", 2, "schema is defined twice"),
    ],
)
def test_a_broken_schema_is_refused_with_its_line(text, code, line, part):
    error = refusal(text)
    assert (error.code, error.findings[0].get("line")) == (code, line)
    assert part in error.message


def test_an_introspection_result_is_named():
    assert "introspection" in refusal('{"__schema": {"types": []}}').message


def test_a_type_that_nothing_defines_is_a_problem_at_its_place():
    [problem] = read(b"type Query { a: Gone }").problems
    assert (problem.code, problem.pointer) == ("ref.unresolved", "/types/Query/fields/a")


def test_json_that_only_looks_like_a_stored_schema_is_no_contract():
    assert refusal('{"graphql": "sdl", "types": 3}').code == "contract.not_a_contract"


@pytest.mark.parametrize(
    "text",
    [
        "type Query { a: " + "[" * 100_000 + "Int" + "]" * 100_000 + " }",
        "type Query { a(x: In = " + "{a:" * 50_000 + "1" + "}" * 50_000 + "): Int }",
        "type Query { a(x: [Int] = " + "[" * 50_000 + "): Int }",
        "type Query { " + "a: Int " * 100_000 + "}",
        '"' * 1_000_001,
    ],
    ids=["lists", "objects", "open", "tokens", "quotes"],
)
def test_hostile_text_ends_within_bounds(text):
    start = time.monotonic()
    with pytest.raises(ContractError) as caught:
        read(text.encode(), name="a.graphql", limits=ReadingLimits(max_values=50_000))
    error = caught.value
    assert error.code.startswith("contract.")
    assert time.monotonic() - start < 20
