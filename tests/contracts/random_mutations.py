"""Random edits of a real contract, one at a time: types, required names, values, bounds, properties, parameters,
answers, and what `polymorphic_mutations` edits (branches, tags, references, inheritance).

Only places that an operation reaches are edited, so each edit means something.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

import orjson

from tests.contracts.polymorphic_mutations import KINDS as POLYMORPHIC
from tests.contracts.polymorphic_mutations import Mutation, Place, at, reached

_SCALARS = ("string", "integer", "number", "boolean")
_BOUNDS = ("format", "pattern", "minLength", "maxLength", "minimum", "maximum", "multipleOf", "default", "example")
Edit = Callable[[Any, random.Random], Any]


def _type(schema: Any, chance: random.Random) -> Any:
    """Another scalar type, and no keyword of the old one."""
    if not isinstance(schema, dict) or schema.get("type") not in _SCALARS or {"enum", "const", "in"} & schema.keys():
        return None
    wrong = "boolean" if schema["type"] != "boolean" else "integer"
    made = {key: value for key, value in schema.items() if key not in _BOUNDS}
    return {**made, "type": chance.choice([wrong, "array"])}


def _null(schema: Any, chance: random.Random) -> Any:
    if not isinstance(schema, dict) or not isinstance(schema.get("type"), str) or {"enum", "in"} & schema.keys():
        return None
    if schema["type"] not in (*_SCALARS, "array", "object"):
        return None
    if schema.pop("nullable", False) is True:
        return schema
    return {**schema, "type": schema["type"], "nullable": True}


def _required(schema: Any, chance: random.Random) -> Any:
    names = schema.get("properties") if isinstance(schema, dict) else None
    if not isinstance(names, dict) or not names:
        return None
    name = chance.choice(sorted(names))
    item = names[name]
    if isinstance(item, dict) and (item.get("readOnly") or item.get("writeOnly")):
        return None
    listed = list(schema.get("required", ()))
    made = [one for one in listed if one != name] if name in listed else [*listed, name]
    return {**schema, "required": made} if made else {key: schema[key] for key in schema if key != "required"}


def _value_goes(schema: Any, chance: random.Random) -> Any:
    listed = schema.get("enum") if isinstance(schema, dict) else None
    if not isinstance(listed, list) or len(listed) < 2:
        return None
    gone = chance.choice([one for one in listed if one is not None] or listed)
    return {**schema, "enum": [one for one in listed if one != gone]}


def _value_comes(schema: Any, chance: random.Random) -> Any:
    listed = schema.get("enum") if isinstance(schema, dict) else None
    if not isinstance(listed, list) or not all(isinstance(one, str) for one in listed):
        return None
    return {**schema, "enum": [*listed, "BRAND_NEW"]}


def _bound(schema: Any, chance: random.Random) -> Any:
    if not isinstance(schema, dict) or schema.get("type") not in ("string", "array", "integer") or "enum" in schema:
        return None
    word = {"string": "maxLength", "array": "maxItems", "integer": "maximum"}[schema["type"]]
    known = schema.get(word)
    return {**schema, word: known - 1 if isinstance(known, int) and known > 1 else 3 if known != 3 else 4}


def _property_goes(schema: Any, chance: random.Random) -> Any:
    names = schema.get("properties") if isinstance(schema, dict) else None
    if not isinstance(names, dict) or len(names) < 2:
        return None
    gone = chance.choice(sorted(names))
    return {**schema, "properties": {name: item for name, item in names.items() if name != gone}}


def _property_comes(schema: Any, chance: random.Random) -> Any:
    names = schema.get("properties") if isinstance(schema, dict) else None
    if not isinstance(names, dict) or not names:
        return None
    return {**schema, "properties": {**names, "brandNew": {"type": "string"}}}


def _parameter(parameter: Any, chance: random.Random) -> Any:
    if not isinstance(parameter, dict) or parameter.get("in") not in ("query", "header", "cookie"):
        return None
    if parameter["in"] == "header" and parameter.get("name", "").lower() in ("accept", "content-type", "authorization"):
        return None
    if chance.random() < 0.5:
        return {**parameter, "required": parameter.get("required") is not True}
    return {**parameter, "name": parameter.get("name", "") + "New"}


def _answer(operation: Any, chance: random.Random) -> Any:
    answers = operation.get("responses") if isinstance(operation, dict) else None
    if not isinstance(answers, dict) or len(answers) < 2:
        return None
    gone = chance.choice(sorted(answers))
    return {**operation, "responses": {code: item for code, item in answers.items() if code != gone}}


def _media(body: Any, chance: random.Random) -> Any:
    content = body.get("content") if isinstance(body, dict) else None
    if not isinstance(content, dict) or not content:
        return None
    name = chance.choice(sorted(content))
    return {
        **body,
        "content": {**{k: v for k, v in content.items() if k != name}, "application/brand-new": content[name]},
    }


PLAIN: dict[str, Edit] = {
    "a type changes": _type,
    "null comes or goes": _null,
    "a name is required or no longer": _required,
    "a value goes": _value_goes,
    "a value comes": _value_comes,
    "a bound changes": _bound,
    "a property goes": _property_goes,
    "a property comes": _property_comes,
    "a parameter changes": _parameter,
    "an answer goes": _answer,
    "a media type changes": _media,
}
_NAME_MAPS = frozenset(("properties", "patternProperties"))


def is_sharp(edit: Mutation) -> bool:
    """True for an edit that changes the accepted values in both directions, so that it hurts whoever sends or reads. As
    text, a single value and a list of it are written alike."""
    return edit.kind == "a type changes" and not {"parameters", "headers"} & set(edit.place)


def _is_map(place: Place) -> bool:
    """True for a map of names, in which a name may be spelt like a keyword."""
    names = False
    for token in place:
        names = not names and token in _NAME_MAPS
    return names


def random_edits(tree: dict[str, Any], chance: random.Random, count: int) -> Iterator[Mutation]:
    """`count` edits, each in a copy of its own: the kinds take turns, the place and the value are by chance."""
    stored = orjson.dumps(tree, option=orjson.OPT_NON_STR_KEYS)
    places = [place for place in reached(tree) if not _is_map(place)]
    nullable = str(tree.get("openapi", "")).startswith("3.0")
    by_kind: dict[str, list[Place]] = {}
    for kind, edit in PLAIN.items():
        if kind == "null comes or goes" and not nullable:
            continue
        by_kind[kind] = [place for place in places if edit(_copy(at(tree, place)), chance) is not None]
    probe = orjson.loads(stored)
    for kind, change in POLYMORPHIC.items():
        by_kind[kind] = [place for place in places if change(_copy(at(probe, place)), probe, place) is not None]
    kinds = [kind for kind, possible in by_kind.items() if possible]
    made, tries = 0, 0
    while made < count and kinds and tries < count * 20:
        tries += 1
        kind = kinds[tries % len(kinds)]
        place = chance.choice(by_kind[kind])
        copied = orjson.loads(stored)
        if kind in PLAIN:
            changed = PLAIN[kind](at(copied, place), chance)
        else:
            changed = POLYMORPHIC[kind](at(copied, place), copied, place)
        if changed is None:
            continue
        if place:
            at(copied, place[:-1])[place[-1]] = changed
        made += 1
        yield Mutation(kind, place, copied)


def _copy(value: Any) -> Any:
    return orjson.loads(orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS))
