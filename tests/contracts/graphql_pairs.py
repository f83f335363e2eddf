"""Labelled pairs of GraphQL schemas. The label follows from the GraphQL specification, September 2025, section named.

A pair is (section, before, after, verdict, rule that has to be among the findings). What both have in common stands in
`REST`, unless the pair defines `Query` itself.
"""

from __future__ import annotations

import re

REST = (
    "type Query { order(id: ID!): Order search(text: In, by: Sort): [Hit] } type Mutation { place(order: In!): Order }"
)
DEFAULTS = {
    "Order": "type Order { id: ID! total: Float }",
    "In": "input In { sku: String! }",
    "Sort": "enum Sort { NAME PRICE }",
    "Hit": "union Hit = Order",
}

PAIRS: tuple[tuple[str, str, str, str, str], ...] = (
    # 3.3 Schema, root operation types
    ("3.3.1 root type", "schema { query: Query mutation: Mutation } type Mutation { a: Int }",
     "schema { query: Query }",
     "breaking", "graphql-root-removed"),
    ("3.3.1 root type", "schema { query: Query }",
     "schema { query: Query mutation: Mutation } type Mutation { a: Int }",
     "compatible", "graphql-root-added"),
    ("3.3.1 root type renamed", "schema { query: Q } type Q { a: Int }", "schema { query: R } type R { a: Int }",
     "breaking", "graphql-root-type-renamed"),
    # 3.4 Types
    ("3.4 type removed", "type Old { id: ID } type Order { id: ID! old: Old }", "type Order { id: ID! }",
     "breaking", "graphql-type-removed"),
    ("3.4 type added", "", "type New { id: ID }", "compatible", "graphql-type-added"),
    ("3.4 kind", "interface Item { id: ID } type Order { id: ID! i: Item }",
     "type Item { id: ID } type Order { id: ID! i: Item }", "breaking", "graphql-type-kind-changed"),
    # 3.5 Scalars
    ("3.5 specifiedBy", 'scalar Date @specifiedBy(url: "https://a.example/1") type Order { d: Date }',
     'scalar Date @specifiedBy(url: "https://a.example/2") type Order { d: Date }',
     "warning", "graphql-scalar-specification-changed"),
    ("3.5 scalar type of a field", "type Order { id: ID! n: Int }", "type Order { id: ID! n: Float }",
     "breaking", "graphql-field-type-changed"),
    # 3.6 Objects
    ("3.6 field removed", "type Order { id: ID! a: Int }", "type Order { id: ID! }", "breaking",
     "graphql-field-removed"),
    ("3.6 deprecated field removed", "type Order { id: ID! a: Int @deprecated }", "type Order { id: ID! }",
     "warning", "graphql-field-removed-with-deprecation"),
    ("3.6 field added", "type Order { id: ID! }", "type Order { id: ID! a: Int }", "compatible", "graphql-field-added"),
    ("3.12 non-null output", "type Order { id: ID! a: Int }", "type Order { id: ID! a: Int! }",
     "compatible", "graphql-field-became-non-null"),
    ("3.12 nullable output", "type Order { id: ID! a: Int! }", "type Order { id: ID! a: Int }",
     "breaking", "graphql-field-became-nullable"),
    ("3.11 list output", "type Order { id: ID! a: Int }", "type Order { id: ID! a: [Int] }",
     "breaking", "graphql-field-type-changed"),
    ("3.12 item of a list output", "type Order { id: ID! a: [Int!]! }", "type Order { id: ID! a: [Int]! }",
     "breaking", "graphql-field-became-nullable"),
    ("3.12 item of a list output", "type Order { id: ID! a: [Int] }", "type Order { id: ID! a: [Int!]! }",
     "compatible", "graphql-field-became-non-null"),
    ("3.6.1 required argument", "type Order { a: Int }", "type Order { a(n: Int!): Int }",
     "breaking", "graphql-required-argument-added"),
    ("3.6.1 required argument with default", "type Order { a: Int }", "type Order { a(n: Int! = 1): Int }",
     "compatible", "graphql-optional-argument-added"),
    ("3.6.1 optional argument", "type Order { a: Int }", "type Order { a(n: Int): Int }",
     "compatible", "graphql-optional-argument-added"),
    ("5.4.1 argument removed", "type Order { a(n: Int): Int }", "type Order { a: Int }",
     "breaking", "graphql-argument-removed"),
    ("3.12 argument non-null", "type Order { a(n: Int): Int }", "type Order { a(n: Int!): Int }",
     "breaking", "graphql-argument-became-non-null"),
    ("3.12 argument non-null with default", "type Order { a(n: Int = 1): Int }", "type Order { a(n: Int! = 1): Int }",
     "breaking", "graphql-argument-became-non-null"),
    ("3.12 argument nullable", "type Order { a(n: Int!): Int }", "type Order { a(n: Int): Int }",
     "compatible", "graphql-argument-became-nullable"),
    ("5.8.5 argument type", "type Order { a(n: Int): Int }", "type Order { a(n: Float): Int }",
     "breaking", "graphql-argument-type-changed"),
    ("5.8.5 argument becomes a list", "type Order { a(n: Int): Int }", "type Order { a(n: [Int]): Int }",
     "breaking", "graphql-argument-type-changed"),
    ("3.12 item of an argument list", "type Order { a(n: [Int]): Int }", "type Order { a(n: [Int!]): Int }",
     "breaking", "graphql-argument-became-non-null"),
    ("3.6.1 default changed", "type Order { a(n: Int = 1): Int }", "type Order { a(n: Int = 2): Int }",
     "warning", "graphql-argument-default-changed"),
    ("3.6.1 default added", "type Order { a(n: Int): Int }", "type Order { a(n: Int = 2): Int }",
     "warning", "graphql-argument-default-changed"),
    ("3.6.1 default removed", "type Order { a(n: Int = 1): Int }", "type Order { a(n: Int): Int }",
     "warning", "graphql-argument-default-changed"),
    ("3.6.1 default of a required argument removed", "type Order { a(n: Int! = 1): Int }",
     "type Order { a(n: Int!): Int }", "breaking", "graphql-argument-became-required"),
    ("3.6.1 default given to a required argument", "type Order { a(n: Int!): Int }",
     "type Order { a(n: Int! = 1): Int }", "compatible", "graphql-argument-became-optional"),
    ("2.9 one number, spelled twice", "type Order { a(n: Float = 1): Int }", "type Order { a(n: Float = 1.0): Int }",
     "none", ""),
    # 3.7 Interfaces
    ("3.7 implements removed", "interface Node { id: ID! } type Order implements Node { id: ID! }",
     "interface Node { id: ID! } type Order { id: ID! }", "breaking", "graphql-interface-removed"),
    ("3.7 implements added", "interface Node { id: ID! } type Order { id: ID! }",
     "interface Node { id: ID! } type Order implements Node { id: ID! }", "warning", "graphql-interface-added"),
    ("3.7 field of an interface", "interface Node { id: ID! at: Int } type Order implements Node { id: ID! at: Int }",
     "interface Node { id: ID! } type Order implements Node { id: ID! at: Int }", "breaking", "graphql-field-removed"),
    # 3.8 Unions
    ("3.8 member removed", "type A { x: Int } union Hit = Order | A", "type A { x: Int } union Hit = Order",
     "breaking", "graphql-union-member-removed"),
    ("3.8 member added", "type A { x: Int } union Hit = Order", "type A { x: Int } union Hit = Order | A",
     "warning", "graphql-union-member-added"),
    ("3.8 order of members", "type A { x: Int } union Hit = Order | A", "type A { x: Int } union Hit = A | Order",
     "none", ""),
    # 3.9 Enums
    ("3.9 value removed, input", "", "enum Sort { NAME }", "breaking", "graphql-enum-value-removed"),
    ("3.9 value added, input", "", "enum Sort { NAME PRICE DATE }", "compatible", "graphql-enum-value-added"),
    ("3.9 value removed, output", "enum S { A B } type Order { s: S }", "enum S { A } type Order { s: S }",
     "compatible", "graphql-enum-value-no-longer-sent"),
    ("3.9 value added, output", "enum S { A } type Order { s: S }", "enum S { A B } type Order { s: S }",
     "warning", "graphql-enum-value-newly-sent"),
    ("3.9 value added, both ways", "type Order { s: Sort }", "enum Sort { NAME PRICE DATE } type Order { s: Sort }",
     "warning", "graphql-enum-value-newly-sent"),
    ("3.9 value removed, both ways", "type Order { s: Sort }", "enum Sort { NAME } type Order { s: Sort }",
     "breaking", "graphql-enum-value-removed"),
    # 3.10 Input objects
    ("3.10 required field added", "", "input In { sku: String! n: Int! }", "breaking",
     "graphql-required-input-field-added"),
    ("3.10 optional field added", "", "input In { sku: String! n: Int }", "compatible",
     "graphql-optional-input-field-added"),
    ("3.10 required field with default added", "", "input In { sku: String! n: Int! = 1 }", "compatible",
     "graphql-optional-input-field-added"),
    ("3.10 Input Coercion: unknown field", "input In { sku: String! n: Int }", "", "breaking",
     "graphql-input-field-removed"),
    ("3.12 input non-null", "input In { sku: String }", "input In { sku: String! }", "breaking",
     "graphql-input-field-became-non-null"),
    ("3.12 input nullable", "", "input In { sku: String }", "compatible", "graphql-input-field-became-nullable"),
    ("3.10 type of a field", "", "input In { sku: ID! }", "breaking", "graphql-input-field-type-changed"),
    ("3.10 default", "input In { n: Int = 1 }", "input In { n: Int = 2 }", "warning",
     "graphql-input-field-default-changed"),
    ("3.10 oneOf", "input In { a: Int b: Int }", "input In @oneOf { a: Int b: Int }", "breaking",
     "graphql-one-of-added"),
    ("3.10 oneOf", "input In @oneOf { a: Int b: Int }", "input In { a: Int b: Int }", "compatible",
     "graphql-one-of-removed"),
    ("3.10 oneOf field added", "input In @oneOf { a: Int }", "input In @oneOf { a: Int b: Int }", "compatible",
     "graphql-optional-input-field-added"),
    # 3.13 Directives
    ("3.13 executable directive removed", "directive @cache on FIELD", "directive @other on OBJECT", "breaking",
     "graphql-directive-removed"),
    ("3.13 type system directive removed", "directive @a on OBJECT directive @b on FIELD", "directive @b on FIELD",
     "compatible", "graphql-directive-removed"),
    ("3.13 location removed", "directive @a on FIELD | QUERY", "directive @a on FIELD", "breaking",
     "graphql-directive-location-removed"),
    ("3.13 required argument", "directive @a on FIELD", "directive @a(n: Int!) on FIELD", "breaking",
     "graphql-required-argument-added"),
    ("3.13 repeatable removed", "directive @a repeatable on FIELD", "directive @a on FIELD", "breaking",
     "graphql-directive-not-repeatable"),
    ("3.13.3 deprecated", "type Order { id: ID! }", "type Order { id: ID! @deprecated }", "compatible",
     "graphql-deprecated"),
    ("3.13.3 no longer deprecated", "type Order { id: ID! @deprecated }", "type Order { id: ID! }", "compatible",
     "graphql-reactivated"),
    ("3.13 a directive whose meaning is not in the schema", "type Order { id: ID! }",
     "type Order { id: ID! @auth(role: ADMIN) }", "warning", "graphql-directive-usage-changed"),
    ("Federation 2 @inaccessible", "type Order { id: ID! a: Int }", "type Order { id: ID! a: Int @inaccessible }",
     "breaking", "graphql-element-hidden"),
    ("Federation 2 @key", 'type Order @key(fields: "id") { id: ID! }', 'type Order @key(fields: "a") { id: ID! }',
     "warning", "graphql-directive-usage-changed"),
    # Equal, or words only
    ("2.10 descriptions", "type Order { id: ID! }", '"Words" type Order { id: ID! }', "none", "annotation-changed"),
    ("2.1 order and white space", "type Order { id: ID! a: Int }", "type Order {\n a: Int, id: ID!\n}", "none", ""),
    ("3.6.3 extension", "type Order { id: ID! a: Int }", "type Order { id: ID! } extend type Order { a: Int }",
     "none", ""),
    ("a name that nothing defines", "type Order { id: ID! x: Gone }", "type Order { id: ID! x: Gone a: Int }",
     "warning", "graphql-reference-unresolved"),
)  # fmt: skip


def schema(part: str) -> str:
    """A whole schema around a part of a pair."""
    parts = [part]
    if "schema {" in part and "type Query" not in part and "query: Query" in part:
        parts.append("type Query { a: Int }")
    elif "schema {" not in part:
        parts.append(REST)
        parts += [text for name, text in DEFAULTS.items() if not re.search(rf"(?<!extend )\b[a-z]+ {name}\b", part)]
    return "\n".join(parts)
