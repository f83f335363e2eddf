"""Random JSON Schemas, small edits of them, and values near their edges. One seed gives one case."""

from __future__ import annotations

import copy
import random
from typing import Any

NAMES = ("a", "b", "ab", "c")
WORDS = ("", "a", "b", "ab", "aa", "abc", "abcd", "1", "c1")
SCALARS: tuple[Any, ...] = (None, True, False, 0, 1, 2, 3, -1, 1.5, 4, 6, 10, *WORDS)
SIZES = {f"{end}{what}" for end in ("min", "max") for what in ("Length", "Items", "Properties", "Contains")}
TYPES = ("null", "boolean", "integer", "number", "string", "array", "object")
PATTERNS = ("^a", "b$", "^[a-z]*$", "1")


def schema(rng: random.Random, depth: int = 3, *, refs: bool = True) -> Any:
    """A random schema of the 2020-12 dialect."""
    roll = rng.random()
    if depth <= 0 or roll < 0.12:
        return _leaf(rng)
    if refs and roll < 0.18:
        return {"$ref": rng.choice(["#/$defs/A", "#/$defs/B"])}
    if roll < 0.45:
        return _object(rng, depth, refs=refs)
    if roll < 0.6:
        return _array(rng, depth, refs=refs)
    if roll < 0.8:
        return _combined(rng, depth, refs=refs)
    return _leaf(rng)


def _leaf(rng: random.Random) -> Any:
    kind = rng.choice(("any", "type", "types", "number", "string", "enum", "const", "number", "string", "bool"))
    if kind == "any":
        return rng.choice(({}, True, {"title": "x"}))
    if kind == "bool":
        return rng.choice((True, False, {"type": "boolean"}))
    if kind == "type":
        return {"type": rng.choice(TYPES)}
    if kind == "types":
        return {"type": rng.sample(TYPES, rng.randint(1, 3))}
    if kind == "enum":
        found: dict[str, Any] = {"enum": rng.sample(SCALARS, rng.randint(1, 4))}
        if rng.random() < 0.3:
            found["type"] = rng.choice(("string", "integer", ["string", "null"]))
        return found
    if kind == "const":
        return {"const": rng.choice(SCALARS)}
    found = {
        "type": kind
        if kind == "string"
        else rng.choice(("integer", "number", ["integer", "string"], ["number", "null"]))
    }
    if rng.random() < 0.15:
        del found["type"]
    if kind == "string":
        _maybe(rng, found, "minLength", rng.randint(0, 3))
        _maybe(rng, found, "maxLength", rng.randint(0, 4))
        _maybe(rng, found, "pattern", rng.choice(PATTERNS), 0.2)
    else:
        _maybe(rng, found, "minimum", rng.choice((-1, 0, 1, 1.5, 2)))
        _maybe(rng, found, "maximum", rng.choice((1, 2, 3.5, 4, 6)))
        _maybe(rng, found, "exclusiveMinimum", rng.choice((-1, 0, 1, 2)), 0.15)
        _maybe(rng, found, "exclusiveMaximum", rng.choice((2, 3, 4, 6)), 0.15)
        _maybe(rng, found, "multipleOf", rng.choice((1, 2, 3, 0.5)), 0.2)
    return found


def _maybe(rng: random.Random, found: dict[str, Any], key: str, value: Any, chance: float = 0.35) -> None:
    if rng.random() < chance:
        found[key] = value


def _object(rng: random.Random, depth: int, *, refs: bool) -> dict[str, Any]:
    def inner() -> Any:
        return schema(rng, depth - 1, refs=refs)

    found: dict[str, Any] = {"type": "object"} if rng.random() < 0.85 else {}
    names = rng.sample(NAMES, rng.randint(0, 3))
    if names:
        found["properties"] = {name: inner() for name in names}
    _maybe(rng, found, "required", rng.sample(NAMES, rng.randint(0, 2)), 0.5)
    _maybe(rng, found, "additionalProperties", rng.choice((False, True, inner())), 0.4)
    _maybe(rng, found, "patternProperties", {rng.choice(("^a", "b$")): inner() for _ in range(rng.randint(1, 2))}, 0.15)
    _maybe(rng, found, "minProperties", rng.randint(0, 2), 0.15)
    _maybe(rng, found, "maxProperties", rng.randint(0, 3), 0.15)
    _maybe(
        rng,
        found,
        "propertyNames",
        rng.choice(({"maxLength": 1}, {"pattern": "^a"}, {"enum": ["a", "b"]}, {"minLength": 1}, False)),
        0.1,
    )
    _maybe(rng, found, "dependentRequired", {rng.choice(NAMES): rng.sample(NAMES, rng.randint(0, 2))}, 0.12)
    _maybe(rng, found, "dependentSchemas", {rng.choice(NAMES): inner()}, 0.1)
    _maybe(rng, found, "unevaluatedProperties", rng.choice((False, True, inner())), 0.1)
    return found


def _array(rng: random.Random, depth: int, *, refs: bool) -> dict[str, Any]:
    def inner() -> Any:
        return schema(rng, depth - 1, refs=refs)

    found: dict[str, Any] = {"type": "array"} if rng.random() < 0.85 else {}
    _maybe(rng, found, "items", inner(), 0.6)
    _maybe(rng, found, "prefixItems", [inner() for _ in range(rng.randint(1, 2))], 0.3)
    _maybe(rng, found, "contains", inner(), 0.2)
    if "contains" in found:
        _maybe(rng, found, "minContains", rng.randint(0, 2), 0.3)
        _maybe(rng, found, "maxContains", rng.randint(1, 2), 0.2)
    _maybe(rng, found, "minItems", rng.randint(0, 2), 0.25)
    _maybe(rng, found, "maxItems", rng.randint(0, 3), 0.25)
    _maybe(rng, found, "uniqueItems", rng.choice((True, False)), 0.15)
    _maybe(rng, found, "unevaluatedItems", rng.choice((False, inner())), 0.08)
    return found


def _combined(rng: random.Random, depth: int, *, refs: bool) -> dict[str, Any]:
    def inner() -> Any:
        return schema(rng, depth - 1, refs=refs)

    kind = rng.choice(("allOf", "anyOf", "oneOf", "anyOf", "oneOf", "not", "if"))
    if kind == "not":
        found: dict[str, Any] = {"not": inner()}
    elif kind == "if":
        found = {"if": inner()}
        _maybe(rng, found, "then", inner(), 0.7)
        _maybe(rng, found, "else", inner(), 0.6)
    else:
        found = {kind: [inner() for _ in range(rng.randint(1, 3))]}
    if rng.random() < 0.3:
        beside = rng.choice((_leaf, lambda r: _object(r, 1, refs=False)))(rng)
        if isinstance(beside, dict):
            found = {**beside, **found}
    return found


def document(rng: random.Random) -> dict[str, Any]:
    """A root schema with two definitions that may refer to each other."""
    root = schema(rng)
    found = root if isinstance(root, dict) else {"allOf": [root]}
    if "$ref" in found:
        found = {"properties": {"a": found}}
    return {**found, "$defs": {"A": _definition(rng), "B": _definition(rng)}}


def _definition(rng: random.Random) -> Any:
    """A definition whose references only stand below a property or item, so that reading always ends."""
    if rng.random() < 0.5:
        return schema(rng, 2, refs=False)
    ref = {"$ref": rng.choice(("#/$defs/A", "#/$defs/B"))}
    if rng.random() < 0.5:
        return {
            **_object(rng, 1, refs=False),
            "properties": {rng.choice(NAMES): ref, rng.choice(NAMES): schema(rng, 1, refs=False)},
        }
    return {"type": ["array", "string"], "items": ref}


def edit(rng: random.Random, original: dict[str, Any]) -> dict[str, Any]:
    """The same document after one to three small edits."""
    found = copy.deepcopy(original)
    for _ in range(rng.randint(1, 3)):
        places: list[tuple[Any, Any]] = []
        _places(found, places)
        owner, key = rng.choice(places)
        roll = rng.random()
        value = owner[key]
        if roll < 0.25 and isinstance(owner, dict) and key not in {"$defs", "A", "B"}:
            del owner[key]
        elif isinstance(value, dict) and key not in {
            "properties",
            "$defs",
            "patternProperties",
            "dependentSchemas",
            "dependentRequired",
        }:
            owner[key] = _changed(rng, value)
        elif isinstance(value, dict) and value:
            name = rng.choice(sorted(value))
            value[name] = _changed(rng, value[name]) if isinstance(value[name], dict) else value[name]
        elif (
            isinstance(value, bool) and key not in {"uniqueItems"} and isinstance(owner, dict) and key not in {"const"}
        ):
            owner[key] = schema(rng, 1, refs=False)
        elif isinstance(value, int | float) and not isinstance(value, bool) and key not in {"const"}:
            least = 1 if key == "multipleOf" else 0 if key in SIZES else -2
            owner[key] = max(value + rng.choice((-1, 1)), least)
        elif isinstance(value, list) and key in {"enum", "required", "anyOf", "oneOf", "allOf", "prefixItems", "type"}:
            _edit_list(rng, owner, key)
        elif key == "type":
            owner[key] = rng.choice((rng.choice(TYPES), [value, "null"] if value != "null" else "null"))
    return found


def _edit_list(rng: random.Random, owner: Any, key: str) -> None:
    value = owner[key]
    pool: Any
    if key == "enum":
        pool = rng.choice(SCALARS)
    elif key == "required":
        pool = rng.choice(NAMES)
    elif key == "type":
        pool = rng.choice(TYPES)
    else:
        pool = schema(rng, 1, refs=False)
    if len(value) > 1 and rng.random() < 0.5:
        value.pop(rng.randrange(len(value)))
    elif (key in {"required", "type"} and pool in value) or (
        key == "enum" and any(repr(pool) == repr(item) for item in value)
    ):
        return
    else:
        value.insert(rng.randint(0, len(value)), pool)


def _changed(rng: random.Random, value: dict[str, Any]) -> Any:
    roll = rng.random()
    if roll < 0.2:
        return schema(rng, 1, refs=False)
    if roll < 0.35:
        return {rng.choice(("anyOf", "oneOf")): [value, schema(rng, 1, refs=False)]}
    if roll < 0.45:
        return {"allOf": [value, schema(rng, 1, refs=False)]}
    extra = rng.choice((_leaf, lambda r: _object(r, 1, refs=False), lambda r: _array(r, 1, refs=False)))(rng)
    return {**value, **extra} if isinstance(extra, dict) else extra


def _places(node: Any, found: list[tuple[Any, Any]]) -> None:
    if isinstance(node, dict):
        for key, value in node.items():
            found.append((node, key))
            _places(value, found)
    elif isinstance(node, list):
        for index, value in enumerate(node):
            if isinstance(value, dict):
                found.append((node, index))
            _places(value, found)


def value_near(rng: random.Random, root: Any, node: Any, depth: int = 4) -> Any:
    """A value that tries to fit a schema, with a chance of a slip at every step."""
    if depth <= 0 or rng.random() < 0.08 or isinstance(node, bool) or not isinstance(node, dict):
        return _anything(rng, depth)
    if "$ref" in node:
        return value_near(rng, root, root["$defs"][node["$ref"][-1]], depth - 1)
    for kind in ("anyOf", "oneOf", "allOf"):
        if kind in node and node[kind] and rng.random() < 0.6:
            base = value_near(rng, root, rng.choice(node[kind]), depth - 1)
            if isinstance(base, dict) and rng.random() < 0.7:
                rest = {key: value for key, value in node.items() if key != kind}
                more = value_near(rng, root, rest, depth - 1) if rest else {}
                if isinstance(more, dict):
                    return {**more, **base}
            return base
    for kind in ("if", "then", "else"):
        if kind in node and rng.random() < 0.4:
            return value_near(rng, root, node[kind], depth - 1)
    if "enum" in node and rng.random() < 0.8 and node["enum"]:
        return rng.choice(node["enum"])
    if "const" in node and rng.random() < 0.8:
        return node["const"]
    kinds = node.get("type", rng.choice(TYPES))
    kind = rng.choice(kinds) if isinstance(kinds, list) and kinds else kinds
    if "properties" in node or "required" in node or "additionalProperties" in node:
        kind = "object" if rng.random() < 0.9 else kind
    if "items" in node or "prefixItems" in node or "contains" in node:
        kind = "array" if rng.random() < 0.9 else kind
    return _of_kind(rng, root, node, kind, depth)


def _of_kind(rng: random.Random, root: Any, node: dict[str, Any], kind: Any, depth: int) -> Any:
    if kind == "object":
        properties = node.get("properties", {})
        names = {name for name in properties if rng.random() < 0.6}
        names |= {name for name in node.get("required", []) if rng.random() < 0.95}
        if rng.random() < 0.3:
            names.add(rng.choice(NAMES))
        rest = node.get("additionalProperties", True)
        return {name: value_near(rng, root, properties.get(name, rest), depth - 1) for name in sorted(names)}
    if kind == "array":
        size = rng.randint(0, 3)
        prefix = node.get("prefixItems", [])
        items = node.get("items", node.get("contains", True))
        return [value_near(rng, root, prefix[i] if i < len(prefix) else items, depth - 1) for i in range(size)]
    if kind in {"integer", "number"}:
        edges = [
            node[key]
            for key in ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf")
            if key in node
        ]
        base = rng.choice(edges) if edges and rng.random() < 0.8 else rng.choice((-1, 0, 1, 2, 3, 6))
        return base + rng.choice((0, 0, 1, -1, 0.5))
    if kind == "string":
        return rng.choice(WORDS)
    if kind == "boolean":
        return rng.choice((True, False))
    return None if kind == "null" else _anything(rng, depth)


def _anything(rng: random.Random, depth: int) -> Any:
    roll = rng.random()
    if roll < 0.7 or depth <= 0:
        return rng.choice(SCALARS)
    if roll < 0.87:
        return {name: _anything(rng, depth - 1) for name in rng.sample(NAMES, rng.randint(0, 3))}
    return [_anything(rng, depth - 1) for _ in range(rng.randint(0, 3))]
