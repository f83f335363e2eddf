"""Small edits of real contracts: what is inside a branch, which branches there are, tags, references and inheritance.

Only places that an operation reaches are edited, so each edit means something. The walk is its own, apart from the
engine's: it follows `$ref`, the mapping of a discriminator, and the children of a parent that has one.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

UNREADABLE = "elsewhere.yaml#/gone"
_OTHER = {"string": "boolean", "boolean": "string", "integer": "boolean", "number": "boolean"}
_DATA = ("example", "examples", "default", "enum", "const")
Place = tuple[str | int, ...]


class Mutation(NamedTuple):
    """An edited copy. `kind` names what was edited, `place` where."""

    kind: str
    place: Place
    tree: dict[str, Any]


def at(tree: Any, place: Place) -> Any:
    for token in place:
        tree = tree[token]
    return tree


def _target(tree: dict[str, Any], ref: str) -> Place | None:
    if not ref.startswith("#/"):
        return None
    found: list[str | int] = []
    value: Any = tree
    for token in ref[2:].split("/"):
        name = token.replace("~1", "/").replace("~0", "~")
        if isinstance(value, list) and name.isdecimal() and int(name) < len(value):
            found.append(int(name))
            value = value[int(name)]
        elif isinstance(value, dict) and name in value:
            found.append(name)
            value = value[name]
        else:
            return None
    return tuple(found)


def _children(tree: dict[str, Any]) -> dict[Place, list[Place]]:
    """Parent -> the components that name it in their allOf."""
    found: dict[Place, list[Place]] = {}
    for name, raw in tree.get("components", {}).get("schemas", {}).items():
        for item in raw.get("allOf", ()) if isinstance(raw, dict) else ():
            parent = _target(tree, item.get("$ref", "")) if isinstance(item, dict) else None
            if parent is not None:
                found.setdefault(parent, []).append(("components", "schemas", name))
    return found


def reached(tree: dict[str, Any]) -> list[Place]:
    """The places of all schemas and other objects that paths, webhooks or channels reach."""
    children = _children(tree)
    starts = [(word,) for word in ("paths", "webhooks", "channels", "operations") if word in tree]
    stack: list[Place] = list(starts)
    seen: set[Place] = set()
    while stack:
        place = stack.pop()
        if place in seen:
            continue
        seen.add(place)
        value = at(tree, place)
        if isinstance(value, list):
            stack += [(*place, index) for index, item in enumerate(value) if isinstance(item, dict | list)]
            continue
        ref = value.get("$ref")
        if isinstance(ref, str):
            found = _target(tree, ref)
            stack += [] if found is None else [found]
            if "asyncapi" not in tree and not tree.get("openapi", "").startswith("3.1"):
                continue  # keys beside a reference mean nothing here
        if isinstance(value.get("discriminator"), dict):
            stack += _family(children, place)
        stack += [
            (*place, key)
            for key, item in value.items()
            if isinstance(item, dict | list) and not str(key).startswith("x-") and _is_structure(place, key, value)
        ]
    return sorted(seen, key=str)


def _family(children: dict[Place, list[Place]], place: Place) -> list[Place]:
    found: list[Place] = []
    stack = [place]
    while stack:
        for child in children.get(stack.pop(), ()):
            if child not in found:
                found.append(child)
                stack.append(child)
    return found


def _is_structure(place: Place, key: Any, value: dict[str, Any]) -> bool:
    named = bool(place) and place[-1] in ("properties", "patternProperties", "schemas")
    return named or (key not in _DATA and key not in ("security", "servers", "tags", "links"))


def mutations(tree: dict[str, Any], chance: random.Random, limit: int) -> Iterator[Mutation]:
    """At most `limit` edits of each kind, each in a copy of its own."""
    places = reached(tree)
    for kind, edit in KINDS.items():
        probe = copy.deepcopy(tree)  # an edit of a named branch changes more than the value that it is given
        possible = [place for place in places if edit(copy.deepcopy(at(probe, place)), probe, place) is not None]
        chance.shuffle(possible)
        for place in possible[:limit]:
            made = copy.deepcopy(tree)
            changed = edit(at(made, place), made, place)
            if place:
                at(made, place[:-1])[place[-1]] = changed
            yield Mutation(kind, place, made)


def _branches(value: Any) -> tuple[str, list[Any]] | None:
    """The word and the branches of a union of objects."""
    if not isinstance(value, dict):
        return None
    for word in ("oneOf", "anyOf"):
        listed = value.get(word)
        if isinstance(listed, list) and len(listed) > 1 and all(isinstance(item, dict) for item in listed):
            return word, listed
    return None


def _retype(schema: Any) -> Any | None:
    """The schema with another type for its first property that has a scalar one."""
    if not isinstance(schema, dict) or not isinstance(schema.get("properties"), dict):
        return None
    for item in schema["properties"].values():
        if (
            isinstance(item, dict)
            and "$ref" not in item
            and isinstance(item.get("type"), str)
            and item["type"] in _OTHER
        ):
            if "enum" in item or "const" in item or "default" in item:
                continue
            item["type"] = _OTHER[item["type"]]
            for word in ("format", "pattern", "minLength", "maxLength", "minimum", "maximum", "multipleOf"):
                item.pop(word, None)
            return schema
    return None


def _branch_property(value: Any, tree: dict[str, Any], place: Place) -> Any | None:
    """A property of an inline or named branch changes its type."""
    union = _branches(value)
    for branch in union[1] if union else ():
        target = _target(tree, branch.get("$ref", ""))
        named = at(tree, target) if target is not None else branch
        if target is not None:
            if isinstance(named, dict) and _retype(copy.deepcopy(named)) is not None:
                _retype(named)
                return value
        elif _retype(branch) is not None:
            return value
    return None


def _branch_gone(value: Any, tree: dict[str, Any], place: Place) -> Any | None:
    union = _branches(value)
    if union is None or union[1][-1] in union[1][:-1]:
        return None
    union[1].pop()
    return value


def _branch_new(value: Any, tree: dict[str, Any], place: Place) -> Any | None:
    union = _branches(value)
    if union is None or any("items" not in item and item.get("type") == "array" for item in union[1]):
        return None
    union[1].append({"type": "array", "items": {"type": "object", "required": ["brandNew"]}})
    return value


def _mapping(value: Any) -> dict[str, Any] | None:
    tag = value.get("discriminator") if isinstance(value, dict) else None
    found = tag.get("mapping") if isinstance(tag, dict) else None
    return found if isinstance(found, dict) and found else None


def _tag_respelled(value: Any, tree: dict[str, Any], place: Place) -> Any | None:
    mapping = _mapping(value)
    if mapping is None:
        return None
    name = sorted(mapping)[0]
    mapping[name + "New"] = mapping.pop(name)
    return value


def _tags_swapped(value: Any, tree: dict[str, Any], place: Place) -> Any | None:
    mapping = _mapping(value)
    if mapping is None or len(set(mapping.values())) < 2:
        return None
    first, second = sorted({target: name for name, target in mapping.items()}.values())[:2]
    mapping[first], mapping[second] = mapping[second], mapping[first]
    return value


def _tag_gone(value: Any, tree: dict[str, Any], place: Place) -> Any | None:
    mapping = _mapping(value)
    if mapping is None:
        return None
    name = sorted(mapping)[0]
    if mapping[name].rsplit("/", 1)[-1] == name and list(mapping.values()).count(mapping[name]) == 1:
        return None  # the name of the schema is the same tag
    del mapping[name]
    return value


def _tag_property(value: Any, tree: dict[str, Any], place: Place) -> Any | None:
    tag = value.get("discriminator") if isinstance(value, dict) else None
    if not isinstance(tag, dict) or "propertyName" not in tag:
        return None
    tag["propertyName"] += "New"
    return value


def _reference(value: Any, tree: dict[str, Any], place: Place) -> Any | None:
    """What a reference led to cannot be read any more."""
    if not isinstance(value, dict) or not isinstance(value.get("$ref"), str) or "examples" in place:
        return None
    value["$ref"] = UNREADABLE
    return value


def _child_property(value: Any, tree: dict[str, Any], place: Place) -> Any | None:
    """A property that a child adds to its parent changes its type."""
    if not isinstance(value, dict) or not isinstance(value.get("allOf"), list):
        return None
    if not any(isinstance(item, dict) and "$ref" in item for item in value["allOf"]):
        return None
    if any(_retype(item) is not None for item in value["allOf"]):
        return value
    return _retype(value)


def _child_orphaned(value: Any, tree: dict[str, Any], place: Place) -> Any | None:
    """A child no longer extends a parent that says something."""
    if not isinstance(value, dict) or not isinstance(value.get("allOf"), list) or len(value["allOf"]) < 2:
        return None
    for index, item in enumerate(value["allOf"]):
        target = _target(tree, item.get("$ref", "")) if isinstance(item, dict) else None
        parent = at(tree, target) if target is not None else {}
        rest = [other for other in value["allOf"] if other is not item]
        own = set().union(*(other.get("properties", {}) for other in [*rest, value] if isinstance(other, dict)))
        if isinstance(parent, dict) and set(parent.get("properties", {})) - own:
            del value["allOf"][index]
            return value
    return None


KINDS: dict[str, Callable[[Any, dict[str, Any], Place], Any | None]] = {
    "a property of a branch": _branch_property,
    "a branch goes": _branch_gone,
    "a branch comes": _branch_new,
    "a tag is respelled": _tag_respelled,
    "two tags change places": _tags_swapped,
    "a tag goes": _tag_gone,
    "another property is the tag": _tag_property,
    "a reference leads nowhere": _reference,
    "a property of a child": _child_property,
    "a child leaves its parent": _child_orphaned,
}
