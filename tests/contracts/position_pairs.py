"""Random pairs of small OpenAPI documents about one position: a body, a parameter, a header or a form.

Schemas have unions with and without discriminator, parents with children, compositions, null in the words of 3.0 and of
3.1, and media types. One seed gives one pair; the revision is an edit of the base, or the base in the other dialect.
"""

from __future__ import annotations

import copy
import json
import random
from typing import Any, NamedTuple

from tests.contracts.schema_pairs import schema as free_schema

NAMES = ("a", "b", "c")
MEMBERS = ("Cash", "Card", "Gift")
PLAIN = ("One", "Two")
WORDS = ("a", "b", "ab", "x,y", "", "7", "true")
JSON_BODIES = ("application/json", "application/json; charset=utf-8", "application/*", "*/*")
OLD, NEW = "3.0.3", "3.1.0"
Raw = dict[str, Any]


class Position(NamedTuple):
    """Where a schema stands. `kind`: request, response, query, header, path, answer-header, form, multipart."""

    kind: str
    style: str = ""
    explode: bool | None = None

    @property
    def outward(self) -> bool:
        return self.kind in ("response", "answer-header")


class Side(NamedTuple):
    """One document: its dialect, components, the schema at the position, whether a value must be there, and the media
    types of a body."""

    version: str
    components: Raw
    schema: Any
    required: bool
    media: tuple[str, ...]


class Pair(NamedTuple):
    position: Position
    old: Side
    new: Side


def ref(name: str) -> Raw:
    return {"$ref": f"#/components/schemas/{name}"}


def pair(rng: random.Random) -> Pair:
    position = _position(rng)
    old = _side(rng, position)
    roll = rng.random()
    if roll < 0.08:
        new = old._replace(version=NEW if old.version == OLD else OLD)
        new = new._replace(components=respelled(old.components, old.version), schema=respelled(old.schema, old.version))
    elif roll < 0.12:
        new = _side(rng, position)
    else:
        new = _edited(rng, old, position)
    return Pair(position, old, new)


def _position(rng: random.Random) -> Position:
    kind = rng.choices(
        ("request", "response", "query", "header", "path", "answer-header", "form", "multipart"),
        (34, 34, 10, 3, 3, 6, 4, 6),
    )[0]
    if kind == "query":
        style = rng.choice(("form", "form", "form", "deepObject"))
        return Position(kind, style, True if style == "deepObject" else rng.choice((True, False)))
    if kind in ("header", "path", "answer-header"):
        return Position(kind, "simple", False)
    return Position(kind)


def _side(rng: random.Random, position: Position) -> Side:
    version = rng.choice((OLD, NEW))
    make = _Maker(rng, version)
    if position.kind in ("request", "response"):
        components = make.components()
        schema = make.schema(3)
        components = _reached(components, schema)
        media = tuple(rng.sample(JSON_BODIES, rng.choice((1, 1, 1, 2))))
    else:
        components = {}
        schema = make.text_schema(position)
        media = {"form": ("application/x-www-form-urlencoded",), "multipart": ("multipart/form-data",)}.get(
            position.kind, ()
        )
    return Side(version, components, schema, rng.random() < 0.6 or position.kind == "path", media)


def _reached(components: Raw, schema: Any) -> Raw:
    """The components that a schema can lead to, through references, mappings and parents, with their children."""
    found: Raw = {}
    stack: list[Any] = [schema]
    while stack:
        text = json.dumps(stack.pop())
        for name, raw in components.items():
            listed = f'"{ref(name)["$ref"]}"' in text or f'": "{name}"' in text
            child = "Tender" in found and "allOf" in raw
            if name not in found and (listed or child):
                found[name] = raw
                stack.append(raw)
    return {name: raw for name, raw in components.items() if name in found}


class _Maker:
    """Makes schemas in the words of one dialect."""

    def __init__(self, rng: random.Random, version: str) -> None:
        self.rng = rng
        self.old = version == OLD
        self.known: tuple[str, ...] = ()

    def components(self) -> Raw:
        rng = self.rng
        found: Raw = {name: self.object(1, refs=False) for name in PLAIN}
        tag = rng.choice(("plain", "value", "listed"))
        inherits = rng.random() < 0.4
        parent: Raw = {
            "type": "object",
            "required": ["kind"],
            "properties": {"kind": {"type": "string"}},
            "discriminator": {"propertyName": "kind"},
        }
        if rng.random() < 0.5:
            parent["properties"]["a"] = self.leaf()
        found["Tender"] = parent
        for name in MEMBERS:
            own = self.object(1, refs=False)
            own.pop("additionalProperties", None)
            properties = own.setdefault("properties", {})
            if not inherits or tag != "plain":
                kinds = {"plain": {"type": "string"}, "value": self.constant(name.lower())}
                properties["kind"] = kinds.get(tag, {"type": "string", "enum": [name.lower(), name]})
                own["required"] = sorted({*own.get("required", ()), "kind"})
            if rng.random() < 0.25 and not inherits:
                own["additionalProperties"] = False
            found[name] = {"allOf": [ref("Tender"), own]} if inherits else own
        word = rng.choice(("oneOf", "anyOf"))
        union: Raw = {word: [ref(name) for name in MEMBERS[: rng.randint(2, 3)]]}
        if rng.random() < 0.6:
            union["discriminator"] = {"propertyName": "kind"}
            if rng.random() < 0.6:
                union["discriminator"]["mapping"] = {
                    name.lower(): ref(name)["$ref"] if rng.random() < 0.7 else name for name in MEMBERS[:2]
                }
        found["Union"] = union
        if inherits and rng.random() < 0.4:
            parent["discriminator"]["mapping"] = {"cash": ref("Cash")["$ref"]}
        return found

    def constant(self, value: Any) -> Raw:
        return {"type": "string", "enum": [value]} if self.old or self.rng.random() < 0.5 else {"const": value}

    def schema(self, depth: int) -> Any:
        rng = self.rng
        roll = rng.random()
        if depth <= 0 or roll < 0.15:
            return self.leaf()
        if roll < 0.4:
            return self.pointing()
        if roll < 0.65:
            return self.object(depth)
        if roll < 0.75:
            return self.nullable({"type": "array", "items": self.schema(depth - 1), **self.sizes("Items", 3)})
        if roll < 0.95 or self.old:
            return self.composed(depth)
        return free_schema(rng, 2, refs=False)

    def pointing(self) -> Raw:
        rng = self.rng
        name = rng.choice((*PLAIN, "Union", "Union", "Tender", "Tender", *MEMBERS))
        roll = rng.random()
        if roll < 0.7:
            return ref(name)
        if roll < 0.8:
            return {**ref(name), "description": "x"}
        if roll < 0.9 and self.old:
            return {"allOf": [ref(name)], "nullable": True}
        return (
            {rng.choice(("oneOf", "anyOf")): [ref(name), {"type": "null"}]} if not self.old else {"allOf": [ref(name)]}
        )

    def composed(self, depth: int) -> Raw:
        rng = self.rng
        roll = rng.random()
        if roll < 0.35:
            return {"allOf": [ref(rng.choice((*PLAIN, *MEMBERS))), self.object(1, refs=False)]}
        word = rng.choice(("oneOf", "anyOf"))
        found: Raw = {word: [self.schema(depth - 1) for _ in range(rng.randint(2, 3))]}
        if self.old and rng.random() < 0.25:
            found["nullable"] = True
        if rng.random() < 0.2:
            found = {**self.object(1, refs=False), **found}
            found.pop("nullable", None)
        return found

    def object(self, depth: int, *, refs: bool = True) -> Raw:
        rng = self.rng
        names = rng.sample(NAMES, rng.randint(0, 3))
        found: Raw = {
            "type": "object",
            "properties": {name: self.schema(depth - 1) if refs else self.leaf() for name in names},
        }
        required = [name for name in (names if rng.random() < 0.85 else NAMES) if rng.random() < 0.4]
        if required:
            found["required"] = required
        if rng.random() < 0.3:
            found["additionalProperties"] = rng.choice((False, False, True, self.leaf()))
        if rng.random() < 0.1:
            found.update(self.sizes("Properties", 3))
        return self.nullable(found) if refs else found

    def nullable(self, found: Raw) -> Raw:
        if self.rng.random() < 0.2:
            if self.old:
                found["nullable"] = True
            elif isinstance(found.get("type"), str):
                found["type"] = [found["type"], "null"]
        return found

    def sizes(self, what: str, most: int) -> Raw:
        rng = self.rng
        found: Raw = {}
        if rng.random() < 0.3:
            found[f"min{what}"] = rng.randint(0, 2)
        if rng.random() < 0.3:
            found[f"max{what}"] = rng.randint(0, most)
        return found

    def leaf(self) -> Raw:
        rng = self.rng
        kind = rng.choice(("string", "string", "integer", "number", "boolean", "enum"))
        if kind == "enum":
            found: Raw = {"type": "string", "enum": rng.sample(("a", "b", "ab", "7"), rng.randint(1, 3))}
            if self.old and rng.random() < 0.2:
                found["enum"] = [*found["enum"], None]
        elif kind == "string":
            found = {"type": "string", **self.sizes("Length", 3)}
            if rng.random() < 0.15:
                found["pattern"] = rng.choice(("^a", "b$", "a*", "^[a-z]*$"))
        elif kind == "boolean":
            found = {"type": "boolean"}
        else:
            found = {"type": kind, **self.bounds()}
        return self.nullable(found)

    def bounds(self) -> Raw:
        rng = self.rng
        found: Raw = {}
        for word, end in (("inimum", rng.choice((-1, 0, 1))), ("aximum", rng.choice((2, 5, 7)))):
            plain, exclusive = ("m" + word, "exclusiveM" + word)
            roll = rng.random()
            if roll < 0.3:
                found[plain] = end
            elif roll < 0.45:
                found.update({plain: end, exclusive: True} if self.old else {exclusive: end})
        if rng.random() < 0.1:
            found["multipleOf"] = rng.choice((1, 2))
        return found

    def text_schema(self, position: Position) -> Any:
        """A schema of what is written as text: a single value, a list or an object of single values."""
        rng = self.rng
        if position.kind in ("form", "multipart") or position.style == "deepObject":
            found = self.object(1, refs=False)
            found["additionalProperties"] = False
            for name in list(found["properties"]):
                roll = rng.random()
                if position.kind in ("form", "multipart") and roll < 0.25:
                    found["properties"][name] = {"type": "array", "items": self.leaf(), **self.sizes("Items", 3)}
                elif position.kind == "multipart" and roll < 0.4:
                    found["properties"][name] = self.object(1, refs=False)
            return found
        if rng.random() < 0.3:
            return self.nullable({"type": "array", "items": self.leaf(), **self.sizes("Items", 3)})
        if rng.random() < 0.15 and not self.old:
            return {"type": rng.sample(("string", "integer", "boolean"), 2)}
        return self.leaf()


def respelled(node: Any, version: str) -> Any:
    """The same schemas in the words of the other dialect."""
    if isinstance(node, list):
        return [respelled(item, version) for item in node]
    if not isinstance(node, dict):
        return node
    found = {key: respelled(value, version) for key, value in node.items()}
    return _to_new(found) if version == OLD else _to_old(found)


def _to_new(found: Raw) -> Raw:
    if isinstance(found.get("$ref"), str):
        return {key: found[key] for key in ("$ref", "description") if key in found}
    for word in ("inimum", "aximum"):
        if found.pop("exclusiveM" + word, None) is True:
            found["exclusiveM" + word] = found.pop("m" + word)
    if found.pop("nullable", None) is True:
        if isinstance(found.get("type"), str) and not {"allOf", "oneOf", "anyOf"} & found.keys():
            found["type"] = [found["type"], "null"]
        elif {"allOf", "oneOf", "anyOf"} & found.keys():
            return {"anyOf": [found, {"type": "null"}]}
    return found


def _to_old(found: Raw) -> Raw:
    """Only what 3.0 can say; the rest stays and is judged by the words of 3.0."""
    for word in ("inimum", "aximum"):
        plain, exclusive = "m" + word, "exclusiveM" + word
        bound, other = found.get(exclusive), found.get(plain)
        if bound is None or isinstance(bound, bool):
            continue
        del found[exclusive]
        tighter = other is None or (bound >= other if word == "inimum" else bound <= other)
        if tighter:
            found[plain], found[exclusive] = bound, True
    if isinstance(found.get("type"), list) and len(found["type"]) == 2 and "null" in found["type"]:
        found["type"] = next(name for name in found["type"] if name != "null")
        found["nullable"] = True
    if "const" in found:
        found["enum"] = [found.pop("const")]
    return found


def _edited(rng: random.Random, old: Side, position: Position) -> Side:
    make = _Maker(rng, old.version)
    make.known = tuple(old.components)
    world = {"components": copy.deepcopy(old.components), "schema": copy.deepcopy(old.schema)}
    for _ in range(rng.choice((1, 1, 2))):
        places = [place for place in _places(world) if isinstance(place[0][place[1]], dict)]
        holder, key = rng.choice(places) if places else (world, "schema")
        value = holder[key]
        if isinstance(value, dict):
            _edit(rng, make, holder, key, value)
    required, media = old.required, old.media
    roll = rng.random()
    if roll < 0.06 and position.kind != "path":
        required = not required
    elif roll < 0.12 and position.kind in ("request", "response"):
        media = tuple(rng.sample(JSON_BODIES, rng.choice((1, 2))))
    return Side(old.version, world["components"], world["schema"], required, media)


def _places(node: Any) -> list[tuple[Any, Any]]:
    """Every schema, by the object or list that holds it."""
    found: list[tuple[Any, Any]] = []
    if isinstance(node, dict):
        for key, value in node.items():
            if key in ("discriminator", "mapping", "enum", "required", "type"):
                continue
            if key not in ("properties", "components", "patternProperties", "dependentSchemas", "dependentRequired"):
                found.append((node, key))
            found += _places(value)
    elif isinstance(node, list):
        for index, value in enumerate(node):
            if isinstance(value, dict):
                found.append((node, index))
            found += _places(value)
    return found


def _edit(rng: random.Random, make: _Maker, holder: Any, key: Any, value: Raw) -> None:
    choices = ["replace"]
    if isinstance(value.get("properties"), dict):
        choices += ["property", "required", "closed", "property"]
    for word in ("oneOf", "anyOf"):
        if isinstance(value.get(word), list):
            choices += ["branch", "branch", "word"]
    if isinstance(value.get("discriminator"), dict):
        choices += ["tag", "tag"]
    if any(word in value for word in ("minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems")):
        choices += ["bound", "bound"]
    if isinstance(value.get("enum"), list):
        choices += ["enum", "enum"]
    choices += ["type", "null", "wrap"]
    kind = rng.choice(choices)
    if kind == "replace":
        holder[key] = make.leaf() if make.rng.random() < 0.6 else make.object(1, refs=False)
    elif kind == "property":
        name = rng.choice(NAMES)
        if name in value["properties"] and rng.random() < 0.5:
            del value["properties"][name]
        else:
            value["properties"][name] = make.leaf()
    elif kind == "required":
        value["required"] = sorted({*value.get("required", ())} ^ {rng.choice(NAMES)})
    elif kind == "closed":
        value["additionalProperties"] = rng.choice((True, False, make.leaf()))
    elif kind in ("branch", "word"):
        word = "oneOf" if "oneOf" in value else "anyOf"
        branches = value[word]
        if kind == "word":
            value["anyOf" if word == "oneOf" else "oneOf"] = value.pop(word)
        elif len(branches) > 1 and rng.random() < 0.4:
            branches.pop(rng.randrange(len(branches)))
        elif rng.random() < 0.5:
            there = [name for name in MEMBERS if name in make.known]
            branches.append(ref(rng.choice(there)) if "discriminator" in value and there else make.leaf())
        else:
            rng.shuffle(branches)
    elif kind == "tag":
        mapping = value["discriminator"].setdefault("mapping", {})
        name = rng.choice([name for name in MEMBERS if name in make.known] or list(make.known))
        if name.lower() in mapping and rng.random() < 0.5:
            del mapping[name.lower()]
        else:
            mapping[rng.choice((name.lower(), name, "new"))] = ref(name)["$ref"]
        if not mapping:
            del value["discriminator"]["mapping"]
    elif kind == "bound":
        word = rng.choice([word for word in value if word.startswith(("min", "max"))])
        if isinstance(value[word], int | float):
            least = 0 if word not in ("minimum", "maximum") else -3
            value[word] = max(least, value[word] + rng.choice((-1, 1)))
    elif kind == "enum":
        pool = rng.choice(("a", "b", "ab", "7", "z"))
        listed = [item for item in value["enum"] if item != pool]
        value["enum"] = listed if pool in value["enum"] and listed else [*listed, pool]
    elif kind == "type":
        if isinstance(value.get("type"), str) and not {"properties", "items"} & value.keys():
            value["type"] = rng.choice(("string", "integer", "number", "boolean"))
    elif kind == "null":
        if make.old and "type" in value:
            value["nullable"] = not value.get("nullable", False)
        elif isinstance(value.get("type"), str) and value["type"] != "null":
            value["type"] = [value["type"], "null"]
        elif isinstance(value.get("type"), list) and "null" in value["type"] and len(value["type"]) > 1:
            value["type"] = [name for name in value["type"] if name != "null"]
    elif "nullable" not in value and not isinstance(holder, list):
        holder[key] = {"allOf": [value]}
