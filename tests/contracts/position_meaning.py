"""What a position accepts, apart from the engine: its effective schema as plain JSON Schema, judged by jsonschema-rs.

The reading is that of docs/reference: a discriminator's tag chooses the schema, a parent stands for its children,
`nullable` adds null to a type or around alternatives. Values that travel as text are tried as each value that the text
could spell.
"""

from __future__ import annotations

import copy
import itertools
import json
import random
from typing import Any

import jsonschema_rs

from tests.contracts.position_pairs import OLD, Position, Side

_VALUES_OF = ("properties", "patternProperties")
_COMPOSED = ("allOf", "anyOf", "oneOf")
_ONE = frozenset(
    (
        *("items", "additionalProperties", "not", "if", "then", "else", "contains", "propertyNames"),
        *("unevaluatedProperties", "unevaluatedItems"),
    )
)
_PREFIX = "#/components/schemas/"
Raw = dict[str, Any]


class Meaning:
    """One side as JSON Schema: `schema` for what is accepted; `accepts(wire)` answers for a value as it travels."""

    def __init__(self, side: Side, position: Position) -> None:
        side = side._replace(components=_unwrapped(side.components), schema=_unwrapped(side.schema))
        self.side, self.position = side, position
        self.old = side.version == OLD
        self.children = self._children()
        self.defs: Raw = {}
        for name, raw in side.components.items():
            self.defs[name] = self._schema(raw, inside=True)
            if self._is_parent(raw):
                self.defs[f"{name}~"] = self._by_tag(raw, [(child, child) for child in self.children.get(name, ())])
        self.root = self._schema(side.schema)
        self.document = {"$defs": self.defs, **_as_object(self.root)}
        self.open = jsonschema_rs.Draft202012Validator(self.document)
        self._closed: Any = None

    @property
    def closed(self) -> Any:
        """The same where nobody sends a property that the schema does not name."""
        if self._closed is None:
            defs = {name: _closed_below(raw) for name, raw in self.defs.items()}
            self._closed = jsonschema_rs.Draft202012Validator({"$defs": defs, **_as_object(_closed(self.root))})
        return self._closed

    def _children(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for name, raw in self.side.components.items():
            for item in raw.get("allOf", ()) if isinstance(raw, dict) else ():
                if isinstance(item, dict) and str(item.get("$ref", "")).startswith(_PREFIX):
                    found.setdefault(item["$ref"].removeprefix(_PREFIX), []).append(name)
        return found

    def _is_parent(self, raw: Any) -> bool:
        return isinstance(raw, dict) and isinstance(raw.get("discriminator"), dict) and not _unions(raw)

    def _tags(self, raw: Raw, listed: list[tuple[str, str]]) -> dict[str, str]:
        """Tag -> name of the schema. `listed`: the schemas that can be chosen, by name."""
        tags: dict[str, str] = {}
        written = raw["discriminator"]
        for tag, target in written.get("mapping", {}).items():
            tags[tag] = target.removeprefix(_PREFIX)
        for name, _ in listed:
            if name in set(tags.values()):
                continue
            values = self._listed_values(name, written["propertyName"])
            for tag in [name] if not values or name in values else values:
                tags.setdefault(tag, name)
        return tags

    def _listed_values(self, name: str, word: str) -> list[str]:
        """The values that a schema lists for its tag property."""
        sets: list[list[Any]] = []
        stack = [self.side.components[name]]
        while stack:
            raw = stack.pop()
            if "$ref" in raw:
                stack.append(self.side.components[raw["$ref"].removeprefix(_PREFIX)])
                if self.old:
                    continue
            stack += [item for item in raw.get("allOf", ()) if isinstance(item, dict)]
            kind = raw.get("properties", {}).get(word)
            if isinstance(kind, dict) and "enum" in kind:
                sets.append(kind["enum"])
            elif isinstance(kind, dict) and "const" in kind:
                sets.append([kind["const"]])
        values = [value for value in sets[0] if all(value in other for other in sets)] if sets else []
        return [value for value in values if isinstance(value, str)]

    def _by_tag(self, raw: Raw, listed: list[tuple[str, str]]) -> Raw:
        """The alternatives that a tag can choose, each with its tag."""
        word = raw["discriminator"]["propertyName"]
        branches = [
            {
                "allOf": [
                    {"type": "object", "required": [word], "properties": {word: {"const": tag}}},
                    {"$ref": f"#/$defs/{name}"},
                ]
            }
            for tag, name in self._tags(raw, listed).items()
        ]
        return {"anyOf": branches} if branches else {"not": {}}

    def _schema(self, raw: Any, *, inside: bool = False) -> Any:
        """`inside`: a member of `allOf`, or a component itself, where a parent is its own assertions alone."""
        if not isinstance(raw, dict):
            return raw
        if isinstance(raw.get("$ref"), str):
            name = raw["$ref"].removeprefix(_PREFIX)
            parent = self._is_parent(self.side.components.get(name)) and not inside
            found: Raw = {"$ref": f"#/$defs/{name}{'~' if parent and self.children.get(name) else ''}"}
            rest = {key: value for key, value in raw.items() if key != "$ref"}
            return found if self.old or not rest else {**self._schema(rest, inside=True), **found}
        made = {
            key: self._keyword(key, value, inside=inside)
            for key, value in raw.items()
            if key not in ("nullable", "discriminator")
        }
        if self.old:
            self._bounds(made)
        union = _unions(raw)
        if isinstance(raw.get("discriminator"), dict) and union:
            made.pop(union)
            listed = [
                (item["$ref"].removeprefix(_PREFIX), "")
                for item in raw[union]
                if isinstance(item, dict) and "$ref" in item
            ]
            loose = [item for item in raw[union] if not (isinstance(item, dict) and "$ref" in item)]
            made["anyOf"] = [*self._by_tag(raw, listed).get("anyOf", ()), *(self._schema(item) for item in loose)]
        return self._nullable(raw, made)

    def _nullable(self, raw: Raw, made: Raw) -> Any:
        listed = raw.get("enum")
        refuses = isinstance(listed, list) and None not in listed
        if not self.old or raw.get("nullable") is not True or refuses:
            return made
        if any(word in raw for word in _COMPOSED):
            return {"anyOf": [made, {"type": "null"}]}
        kinds = made.get("type")
        if kinds is not None:
            made["type"] = sorted({*([kinds] if isinstance(kinds, str) else kinds), "null"})
        return made

    def _keyword(self, key: str, value: Any, *, inside: bool) -> Any:
        if key in (*_VALUES_OF, "dependentSchemas") and isinstance(value, dict):
            return {name: self._schema(item) for name, item in value.items()}
        if key in ("anyOf", "oneOf", "prefixItems") and isinstance(value, list):
            return [self._schema(item) for item in value]
        if key == "allOf" and isinstance(value, list):
            return [self._schema(item, inside=inside) for item in value]
        if key in _ONE:
            return self._schema(value)
        return value

    def _bounds(self, made: Raw) -> None:
        for word in ("inimum", "aximum"):
            exclusive = made.pop("exclusiveM" + word, None)
            if exclusive is True and "m" + word in made:
                made["exclusiveM" + word] = made.pop("m" + word)

    # Values as they travel.

    def accepts(self, wire: Any, *, closed: bool = False) -> bool:
        """`wire` is None (nothing is sent), or what `written` gives."""
        if wire is None:
            return not self.side.required
        validator = self.closed if closed else self.open
        kind, value = wire
        if kind in ("request", "response"):
            media, plain = value
            return has_media(self.side.media, media) and validator.is_valid(plain)
        return any(validator.is_valid(one) for one in self._spelled(kind, value))

    def _spelled(self, kind: str, value: Any) -> list[Any]:
        """Every value that a text, several texts or named texts could mean."""
        if isinstance(value, dict):
            names = list(value)
            options = [self._part(kind, value[name]) for name in names]
            return [dict(zip(names, chosen, strict=True)) for chosen in itertools.product(*options)]
        exploded = self.position.explode
        texts: list[str] = list(value)
        found: list[Any] = list(_scalars(texts[0])) if len(texts) == 1 else []
        items = texts if exploded or len(texts) != 1 else texts[0].split(",")
        if len(items) <= 7:
            found += [list(chosen) for chosen in itertools.product(*map(_scalars, items))]
        return found

    def _part(self, kind: str, part: Any) -> list[Any]:
        if isinstance(part, tuple):  # a part of its own: JSON
            return [part[0]]
        if isinstance(part, list):
            found = [list(chosen) for chosen in itertools.product(*map(_scalars, part))]
            return [*found, *(_scalars(part[0]) if len(part) == 1 else ())]
        return [*_scalars(part), *([item] for item in _scalars(part))]


def written(value: Any, position: Position, media: str) -> Any:
    """A value as it travels at a position; None where it cannot."""
    kind = position.kind
    if kind in ("request", "response"):
        return kind, (media, value)
    if isinstance(value, dict):
        parts: Raw = {}
        for name, item in value.items():
            if isinstance(item, dict):
                if kind != "multipart":
                    return None
                parts[name] = (item,)
            elif isinstance(item, list):
                if kind not in ("form", "multipart") or not item or any(_text(one) is None for one in item):
                    return None
                parts[name] = [_text(one) for one in item]
            elif (text := _text(item)) is not None:
                parts[name] = text
            else:
                return None
        return (kind, parts) if kind in ("form", "multipart") or position.style == "deepObject" else None
    if kind in ("form", "multipart") or position.style == "deepObject":
        return None
    if isinstance(value, list):
        texts = [_text(item) for item in value]
        if not texts or None in texts:
            return None
        return kind, tuple(texts) if position.explode else (",".join(map(str, texts)),)
    text = _text(value)
    return None if text is None else (kind, (text,))


def _text(value: Any) -> str | None:
    if isinstance(value, str):
        return value
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    return None


def _scalars(text: str) -> list[Any]:
    found: list[Any] = [text]
    if text in ("true", "false"):
        found.append(text == "true")
    try:
        number = json.loads(text)
    except ValueError:
        return found
    if isinstance(number, int | float) and not isinstance(number, bool) and json.dumps(number) == text:
        found.append(number)
    return found


def _unwrapped(node: Any) -> Any:
    """A composition of one schema, with nothing beside it, is that schema."""
    if isinstance(node, list):
        return [_unwrapped(item) for item in node]
    if not isinstance(node, dict):
        return node
    if node.keys() == {"allOf"} and len(node["allOf"]) == 1:
        return _unwrapped(node["allOf"][0])
    return {key: _unwrapped(value) for key, value in node.items()}


def has_media(listed: tuple[str, ...], media: str) -> bool:
    names = [name.partition(";")[0] for name in listed]
    return media in names or "*/*" in names or f"{media.partition('/')[0]}/*" in names


def _unions(raw: Any) -> str:
    return next((word for word in ("oneOf", "anyOf") if isinstance(raw, dict) and isinstance(raw.get(word), list)), "")


def _as_object(schema: Any) -> Raw:
    return {"allOf": [schema]}


def _closed(raw: Any) -> Any:
    """A value's schema where no property is sent that it does not name."""
    return raw if isinstance(raw, bool) else {"allOf": [_closed_below(raw)], "unevaluatedProperties": False}


def _closed_below(raw: Any) -> Any:
    if not isinstance(raw, dict):
        return raw
    made = copy.copy(raw)
    for key, value in raw.items():
        if key in _VALUES_OF and isinstance(value, dict):
            made[key] = {name: _closed(item) for name, item in value.items()}
        elif key == "prefixItems":
            made[key] = [_closed(item) for item in value]
        elif key == "additionalProperties" and value is True:
            del made[key]  # said or not, an open object is open
        elif key in ("items", "additionalProperties"):
            made[key] = _closed(value)
        elif key in _COMPOSED:
            made[key] = [_closed_below(item) for item in value]
        elif key in ("then", "else"):
            made[key] = _closed_below(value)
        elif key == "dependentSchemas":
            made[key] = {name: _closed_below(item) for name, item in value.items()}
    return made


_ANY: tuple[Any, ...] = (None, True, False, 0, 1, 2, 7, -1, 1.5, "", "a", "b", "ab", "7", "true", "x,y", "abc")


def near(rng: random.Random, meaning: Meaning, node: Any, depth: int = 5) -> Any:
    """A value that tries to fit a schema, with a chance of a slip at every step."""
    if depth <= 0 or not isinstance(node, dict) or rng.random() < 0.05:
        return _anything(rng, depth)
    if "$ref" in node:
        found = near(rng, meaning, meaning.defs[node["$ref"].removeprefix("#/$defs/")], depth - 1)
        rest = {key: value for key, value in node.items() if key != "$ref"}
        return _joined(rng, meaning, found, rest, depth)
    for word in _COMPOSED:
        branches = node.get(word)
        if isinstance(branches, list) and branches:
            rest = {key: value for key, value in node.items() if key != word}
            if word == "allOf":
                found = near(rng, meaning, branches[0], depth)
                for branch in branches[1:]:
                    found = _joined(rng, meaning, found, branch, depth)
                return _joined(rng, meaning, found, rest, depth)
            return _joined(rng, meaning, near(rng, meaning, rng.choice(branches), depth - 1), rest, depth)
    if isinstance(node.get("enum"), list) and node["enum"] and rng.random() < 0.9:
        return rng.choice(node["enum"])
    if "const" in node and rng.random() < 0.9:
        return node["const"]
    kinds = node.get("type")
    kind = rng.choice(kinds) if isinstance(kinds, list) and kinds else kinds
    if kind is None and {"properties", "required", "additionalProperties"} & node.keys():
        kind = "object"
    return _of_kind(rng, meaning, node, kind, depth)


def _joined(rng: random.Random, meaning: Meaning, found: Any, rest: Any, depth: int) -> Any:
    if not isinstance(rest, dict) or not rest:
        return found
    if not isinstance(found, dict):
        return near(rng, meaning, rest, depth - 1) if rng.random() < 0.3 and "type" in rest else found
    more = near(rng, meaning, {**rest, "type": "object"} if "type" not in rest else rest, depth - 1)
    return {**found, **more} if isinstance(more, dict) else found


def _of_kind(rng: random.Random, meaning: Meaning, node: Raw, kind: Any, depth: int) -> Any:
    if kind == "object":
        properties = node.get("properties", {})
        names = {name for name in properties if rng.random() < 0.6}
        names |= {name for name in node.get("required", ()) if rng.random() < 0.96}
        if rng.random() < 0.15:
            names.add(rng.choice("abc"))
        rest = node.get("additionalProperties", True)
        return {name: near(rng, meaning, properties.get(name, rest), depth - 1) for name in sorted(names)}
    if kind == "array":
        size = max(0, rng.randint(0, 3), node.get("minItems", 0) if rng.random() < 0.8 else 0)
        return [near(rng, meaning, node.get("items", True), depth - 1) for _ in range(size)]
    if kind in ("integer", "number"):
        edges = [value for word, value in node.items() if "imum" in word and isinstance(value, int | float)]
        base = rng.choice(edges) if edges and rng.random() < 0.8 else rng.choice((-1, 0, 1, 2, 3, 7))
        return base + rng.choice((0, 0, 1, -1, 0.5 if kind == "number" else 2))
    if kind == "string":
        return rng.choice(("", "a", "b", "ab", "abc", "7", "true", "x,y", "aab"))
    if kind == "boolean":
        return rng.choice((True, False))
    return None if kind == "null" else _anything(rng, depth)


def _anything(rng: random.Random, depth: int) -> Any:
    if rng.random() < 0.75 or depth <= 0:
        return rng.choice(_ANY)
    if rng.random() < 0.6:
        return {name: _anything(rng, depth - 2) for name in rng.sample(("a", "b", "c", "kind"), rng.randint(0, 3))}
    return [_anything(rng, depth - 2) for _ in range(rng.randint(0, 2))]
