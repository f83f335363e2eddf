"""The quick half of a contract check accepts nothing that the full validator refuses, and misses little of what it
accepts."""

import json
import random

import jsonschema_rs
import pytest

from runtime.connectors.acceptance import compile_acceptance

NAMES = ["id", "name", "größe", "a/b", "x.y", "on", "class"]
PATTERNS = ["^ORD-[0-9]{3}$", "[A-Z]+", r"^\d{1,2}\.[a-c_-]$", "^a$", "^[a-z]*", r"\d$", "^x{2,}:?$"]
TEXTS = [
    "",
    "a",
    "ORD-123",
    "ORD-123\n",
    "ORD-1234",
    "ABC",
    "1.a",
    "12._",
    "٣",
    "٣.a",
    "a\n",
    "xx:",
    "xxx",
    "😀😀😀",
    "ä",
    "line\nend",
    "7",
    "-",
]
NUMBERS = [
    0,
    1,
    -1,
    7,
    7.0,
    6.999999999999999,
    7.000000000000001,
    2**53,
    2**53 + 1,
    -(2**60),
    10**30,
    1.5,
    -0.0,
    1e300,
    True,
]


def schema(chance, depth=0):
    kind = chance.choice(
        ["string", "integer", "number", "boolean", "object", "object", "array", "choice", "any"]
        if depth < 3
        else ["string", "integer"]
    )
    made = {}
    if kind == "any":
        return chance.choice([True, {}])
    if kind == "choice":
        made = chance.choice(
            [
                {"enum": ["a", "7", ""]},
                {"enum": ["ORD-123", None]},
                {"const": "ABC"},
                {"enum": [1, "a"]},
                {"type": "string", "enum": ["a", "b"]},
            ]
        )
        return dict(made)
    made["type"] = [kind, "null"] if chance.random() < 0.25 else kind
    if kind == "string":
        made |= chance.choice(
            [
                {},
                {"minLength": 1},
                {"maxLength": 3},
                {"minLength": 3, "maxLength": 7},
                {"pattern": chance.choice(PATTERNS)},
                {"format": "date"},
            ]
        )
    elif kind in ("integer", "number"):
        made |= chance.choice(
            [
                {},
                {"minimum": 1},
                {"maximum": 7},
                {"exclusiveMaximum": 7, "minimum": 0},
                {"exclusiveMinimum": 0},
                {"maximum": 2**53 - 1},
            ]
        )
    elif kind == "array":
        made |= chance.choice(
            [
                {},
                {"items": schema(chance, depth + 1)},
                {"minItems": 1, "items": schema(chance, depth + 1)},
                {"maxItems": 2},
                {"uniqueItems": True},
            ]
        )
    elif kind == "object":
        names = chance.sample(NAMES, chance.randrange(4))
        made["properties"] = {name: schema(chance, depth + 1) for name in names}
        if chance.random() < 0.6:
            made["required"] = sorted({*chance.sample(NAMES, chance.randrange(2)), *names[:1]})
        if chance.random() < 0.3:
            made["additionalProperties"] = chance.choice([False, True])
    return made


def document(chance, shape, depth=0):
    """Mostly what the schema asks for, now and then something else."""
    shape = shape if isinstance(shape, dict) else {}
    kinds = shape.get("type", "string")
    kind = kinds if isinstance(kinds, str) else chance.choice(kinds)
    if chance.random() < 0.06:
        kind = chance.choice(["string", "integer", "null", "object", "array", "boolean"])
    if "enum" in shape and chance.random() < 0.9:
        return chance.choice(shape["enum"])
    if kind == "string":
        return chance.choice(TEXTS)
    if kind in ("integer", "number"):
        return chance.choice(NUMBERS)
    if kind == "boolean":
        return chance.random() < 0.5
    if kind == "array":
        return [document(chance, shape.get("items"), depth + 1) for _ in range(chance.randrange(3))]
    if kind == "object":
        names = {name for name in [*shape.get("properties", {}), *shape.get("required", [])] if chance.random() < 0.9}
        names |= set(chance.sample(NAMES, 1)) if chance.random() < 0.1 else set()
        return {name: document(chance, shape.get("properties", {}).get(name), depth + 1) for name in sorted(names)}
    return None


def test_nothing_is_accepted_that_the_validator_refuses():
    accepted = valid = understood = 0
    for seed in range(1500):
        chance = random.Random(seed)
        made = schema(chance)
        accepts = compile_acceptance(made) if isinstance(made, dict) else None
        if accepts is None:
            continue
        understood += 1
        full = jsonschema_rs.validator_for(made)
        for _ in range(8):
            found = document(chance, made)
            text = json.dumps(found, ensure_ascii=chance.random() < 0.5).encode()
            good, quick = full.is_valid(json.loads(text)), accepts([text])
            assert good or not quick, f"seed {seed}: {text!r} is accepted and does not satisfy {made}"
            valid, accepted = valid + good, accepted + quick
    assert understood > 900
    assert valid > 2000
    assert accepted > 0.9 * valid


ORDER = {
    "openapi": "3.1.0",
    "components": {
        "schemas": {
            "Order": {
                "type": "object",
                "required": ["id"],
                "properties": {
                    "id": {"$ref": "#/components/schemas/Id"},
                    "lines": {"type": "array", "items": {"$ref": "#/components/schemas/Line"}},
                },
            },
            "Id": {"type": "string", "pattern": "^[0-9]+$"},
            "Line": {
                "type": "object",
                "required": ["sku"],
                "properties": {"sku": {"type": "string"}, "parts": {"type": "integer"}},
            },
            "Tree": {"type": "object", "properties": {"below": {"$ref": "#/components/schemas/Tree"}}},
        }
    },
}
ORDER_PARTS = ORDER["components"]["schemas"]
WITH_FREE_PART = {
    "components": {
        "schemas": {
            **ORDER_PARTS,
            "Order": {
                "type": "object",
                "required": ["id"],
                "properties": {**ORDER_PARTS["Order"]["properties"], "free": {}},
            },
        }
    }
}


def test_a_pattern_is_tested_for_many_records_at_once_as_for_each():
    """Values that run into one another when they are put together, in members that are optional, nullable and
    nested."""
    inner = {
        "type": ["object", "null"],
        "properties": {"a": {"type": ["string", "null"], "pattern": "^[a-z]*[a-z]*b?$"}},
    }
    shape = {
        "type": "object",
        "properties": {
            "x": inner,
            "n": {"type": "string", "pattern": "^ORD-[0-9]{2}$"},
            "l": {"type": "array", "items": inner},
        },
    }
    accepts, full = compile_acceptance(shape), jsonschema_rs.validator_for(shape)
    values = [
        {"n": n} for n in ("ORD-12", "ORD-12\n", "ORD-12\nORD-13", "", "\n", "ORD-1", "ORD-123", "\nORD-12", "ORD-٣٣")
    ]
    values += [{"x": {"a": a}} for a in ("", "b", "ab", "abc", "a\nb", "\n", "9", None)] + [
        {"x": None},
        {"x": {}},
        {},
        {"l": [{"a": "9"}]},
        {"l": [{"a": "ab"}, None]},
    ]
    good = [value for value in values if full.is_valid(value)]
    assert len(good) == 10
    assert accepts([json.dumps(value).encode() for value in good] * 50)
    for value in values:
        assert accepts([json.dumps(one).encode() for one in [*good, value, *good]]) == (value in good), value


def test_a_pattern_that_fails_at_the_end_of_many_records_is_found_out_in_no_time():
    accepts = compile_acceptance(
        {"type": "object", "properties": {"x": {"type": "string", "pattern": "^[a-z]*[a-z]*[a-z]*c$"}}}
    )
    payloads = [b'{"x": "aaaaaaaaaac"}'] * 3000
    assert accepts(payloads)
    assert not accepts([*payloads, b'{"x": "aaaaaaaaaaaa"}'])


def test_a_schema_inside_an_openapi_document_is_found_by_its_pointer():
    accepts = compile_acceptance(ORDER, "/components/schemas/Order")
    assert accepts([b'{"id": "7", "lines": [{"sku": "a"}]}', b'{"id": "8", "other": null}'])
    assert not accepts([b'{"id": "7"}', b'{"id": "x"}'])
    assert not accepts([b'{"id": "7", "lines": [{"parts": 1}]}'])


@pytest.mark.parametrize(
    "shape",
    [
        {"anyOf": [{"type": "string"}]},
        {"type": "object", "properties": {"a": {"not": {}}}},
        {"type": "object", "patternProperties": {}},
        {"type": "number", "multipleOf": 0.1},
        {"type": "string", "pattern": r"^\w+$"},
        {"type": "string", "pattern": "(a|b)"},
        {"type": ["string", "integer"]},
        {"$schema": "http://json-schema.org/draft-07/schema#", "type": "string", "format": "date"},
        {"type": "integer", "minimum": 0.5},
        False,
        {"type": "number", "maximum": 2**53},
        {"type": "object", "additionalProperties": {"type": "string"}},
        {"$ref": "https://elsewhere.example/schema"},
        {"type": "object", "$ref": "#/x", "x": {}},
        {"enum": [1, 2]},
        {"$ref": "#/missing"},
    ],
)
def test_a_schema_that_says_more_is_left_to_the_validator(shape):
    assert (
        compile_acceptance(
            {"properties": {"member": shape}, "$schema": shape.get("$schema", "")}
            if shape is not False
            else {"items": False}
        )
        is None
    )


def test_a_schema_that_contains_itself_is_left_to_the_validator():
    assert compile_acceptance(ORDER, "/components/schemas/Tree") is None


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"{",
        b'{"id": "7"} {"id": "8"}',
        b'{"id": "7"},',
        b'{"id": "7", "x": "\\ud83d"}',
        b"\xff",
        b'{"id": "7", "id": "x"}',
    ],
)
def test_what_is_no_whole_json_document_is_not_accepted(payload):
    assert not compile_acceptance(ORDER, "/components/schemas/Order")([payload])


@pytest.mark.parametrize(
    "row",
    [
        b'{"id": "7", "id": "8"}',
        b'{"id": "7", "lines": [{"sku": "a", "sku": "a"}]}',
        b'{"id": "7", "lines": [], "lines": []}',
        b'{"id": "7", "more": {"x": 1, "x": 2}}',
        b'{"id": "7", "lines": [{"sku": "\\u003a", "sku": "a"}]}',
        b'{"id": "7", "free": {"x": 1, "x": 2}}',
        b'{"id": "7", "free": null, "lines": [{"sku": "a", "sku": "a"}]}',
    ],
)
@pytest.mark.parametrize("before", [0, 255, 256])
def test_what_was_read_never_proves_names_that_stand_twice(row, before):
    check = compile_acceptance(WITH_FREE_PART, "/components/schemas/Order")
    good = [b'{"id": "7", "lines": [{"sku": "a:b"}], "free": {"t": "12:30"}}'] * before
    assert check.judge([*good, row], names=True) == (True, False)


def test_what_was_read_proves_that_no_name_stands_twice_where_the_contract_has_all_members():
    check = compile_acceptance(WITH_FREE_PART, "/components/schemas/Order")
    rows = [
        b'{"id": "7"}',
        b'{ "id" : "7", "lines": [{"sku": "a:b", "parts": 1}, {"sku": "\\":"}] }',
        b'{"id": "8", "free": {"lines": [{"free": "12:30"}]}}',
    ]
    assert check.judge(rows, names=True) == (True, True)
    assert check.judge(rows) == (True, False)  # nobody asked
    assert check.judge([*rows, b'{"id": "9", "other": 1}'], names=True) == (True, False)


def test_a_contract_with_a_free_part_bounds_no_depth():
    assert compile_acceptance(ORDER, "/components/schemas/Order").closed
    assert not compile_acceptance(WITH_FREE_PART, "/components/schemas/Order").closed
    assert not compile_acceptance({"type": "object"}).closed
    assert not compile_acceptance({"properties": {"a": {"type": "array"}}}).closed
