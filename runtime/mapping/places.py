"""Where the fields of a message stand in a contract: paths into a document followed through its schemas.

A schema is JSON-Schema- or OpenAPI-shaped. A field may stand at several places: in each branch of `oneOf`, in each part
of `allOf`, behind each reference. Places are JSON Pointers into the contract's normal form.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, NamedTuple
from urllib.parse import unquote

Resolver = Callable[[str], Any]


class Each(Enum):
    """The step into the elements of a list."""

    ELEMENT = "[]"


ELEMENT = Each.ELEMENT
Step = str | Each
_PARTS = ("allOf", "oneOf", "anyOf")
_MEMBERS = frozenset({"properties", "patternProperties", "additionalProperties", "dependentSchemas"})
_ANYTHING: Mapping[str, Any] = {}
_MOST = 5_000


class _Node(NamedTuple):
    pointer: str | None
    schema: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class FieldPlaces:
    """Where one field stands. `leaves` are its own places, `way` those of what is around it.

    `missing` is the number of the step that no schema names (counted from 0), None where the field is declared by its
    name. `open`: what is around that step may have members that no schema names.
    """

    leaves: tuple[str, ...] = ()
    own: frozenset[str] = frozenset()
    below: frozenset[str] = frozenset()
    way: frozenset[str] = frozenset()
    last: tuple[str, ...] = ()
    missing: int | None = None
    open: bool = False

    @property
    def declared(self) -> bool:
        return self.missing is None

    def touched_by(self, pointer: str) -> bool:
        """Whether a difference at this place is one of the field, of what is in it, or of what is around it."""
        if pointer in self.below:
            return True
        return any(_is_of(pointer, place) for place in (*self.own, *self.way))


def _is_of(pointer: str, place: str) -> bool:
    """Whether a pointer is a schema, or a keyword of it that names no other field."""
    if pointer == place:
        return True
    if not pointer.startswith(f"{place}/"):
        return False
    return _MEMBERS.isdisjoint(pointer[len(place) + 1 :].split("/"))


class SchemaPlaces:
    """The fields below one schema of a contract. `pointer` is where that schema stands, `resolve` gives what a
    reference names; without it, `#/…` is looked up in the schema itself."""

    def __init__(self, schema: Any, pointer: str = "", resolve: Resolver | None = None) -> None:
        self.root = _Node(pointer, schema if isinstance(schema, Mapping) else _ANYTHING)
        self.resolve = resolve or self._local

    def _local(self, reference: str) -> Any:
        found: Any = self.root.schema
        for token in _tokens(reference.partition("#")[2]):
            found = found.get(token) if isinstance(found, Mapping) else None
        return found

    @property
    def readable(self) -> bool:
        """Whether the schema says anything of fields."""
        return any(
            isinstance(node.schema.get(word), Mapping | list)
            for node in self._whole(self.root)
            for word in ("properties", "items", "prefixItems", "additionalProperties", "patternProperties")
        )

    def find(self, steps: Sequence[Step], *, whole: bool = False) -> FieldPlaces:
        """The places of a field. `whole`: everything in it is used, so that its inner places count as its own."""
        around = [self.root]
        way = set[str]()
        for number, step in enumerate(steps):
            present = [inner for node in around for inner in self._whole(node)]
            way |= {node.pointer for node in present if node.pointer is not None}
            inside = list(_inside(present, step))
            if not inside:
                last = tuple(dict.fromkeys(node.pointer for node in around if node.pointer is not None))
                return FieldPlaces(way=frozenset(way), last=last, missing=number, open=_is_open(present, step))
            around = inside
        own = {inner.pointer for node in around for inner in self._whole(node) if inner.pointer is not None}
        leaves = tuple(dict.fromkeys(node.pointer for node in around if node.pointer is not None))
        below = self._below(around) if whole else frozenset()
        return FieldPlaces(leaves, frozenset(own), below, frozenset(way), leaves)

    def members(self, steps: Sequence[Step]) -> dict[str, tuple[Step, ...]]:
        """Every field that is declared below this one, by its first place: each place once, so that a schema which
        contains itself is told to its first level."""
        waiting: deque[tuple[tuple[Step, ...], _Node]] = deque()
        around = [self.root]
        for step in steps:
            around = list(_inside([inner for node in around for inner in self._whole(node)], step))
        waiting.extend((tuple(steps), node) for node in around)
        found: dict[str, tuple[Step, ...]] = {}
        seen = set[tuple[str | None, int]]()
        while waiting and len(seen) < _MOST:
            at, node = waiting.popleft()
            for one in self._whole(node):
                if (one.pointer, id(one.schema)) in seen:
                    continue
                seen.add((one.pointer, id(one.schema)))
                waiting.extend(((*at, ELEMENT), inner) for inner in _inside([one], ELEMENT))
                properties = one.schema.get("properties")
                for name in properties if isinstance(properties, Mapping) else ():
                    for inner in _inside([one], name):
                        if inner.pointer is not None:
                            found.setdefault(inner.pointer, (*at, name))
                        waiting.append(((*at, name), inner))
        return found

    def _whole(self, node: _Node) -> Iterator[_Node]:
        """The schema with what it refers to and is composed of."""
        waiting, seen = deque([node]), set[tuple[str | None, int]]()
        while waiting and len(seen) < _MOST:
            one = waiting.popleft()
            if (one.pointer, id(one.schema)) in seen:
                continue
            seen.add((one.pointer, id(one.schema)))
            yield one
            reference = one.schema.get("$ref")
            if isinstance(reference, str) and isinstance(named := self.resolve(reference), Mapping):
                waiting.append(_Node(_pointer_of(reference), named))
            for word in _PARTS:
                parts = one.schema.get(word)
                if isinstance(parts, list):
                    waiting += [
                        _Node(_join(one.pointer, word, str(number)), part)
                        for number, part in enumerate(parts)
                        if isinstance(part, Mapping)
                    ]

    def _below(self, nodes: Iterable[_Node]) -> frozenset[str]:
        """Every place in these fields."""
        waiting, seen, found = list(nodes), set[tuple[str | None, int]](), set[str]()
        while waiting and len(seen) < _MOST:
            node = waiting.pop()
            for one in self._whole(node):
                if (one.pointer, id(one.schema)) in seen:
                    continue
                seen.add((one.pointer, id(one.schema)))
                if one.pointer is not None:
                    found.add(one.pointer)
                properties = one.schema.get("properties")
                waiting += [
                    _Node(_join(one.pointer, "properties", name), inner)
                    for name, inner in (properties.items() if isinstance(properties, Mapping) else ())
                    if isinstance(inner, Mapping)
                ]
                waiting += _inside([one], ELEMENT)
        return frozenset(found)


def _inside(nodes: Iterable[_Node], step: Step) -> Iterator[_Node]:
    """The schemas that name a member, or that elements of a list have. A step in digits is an element where no member
    has that name."""
    for node in nodes:
        properties = node.schema.get("properties")
        if isinstance(step, str):
            if isinstance(properties, Mapping) and step in properties:
                yield _Node(_join(node.pointer, "properties", step), _schema(properties[step]))
                continue
            if not (step.isascii() and step.isdecimal()):
                continue
        items = node.schema.get("items")
        if isinstance(items, Mapping):
            yield _Node(_join(node.pointer, "items"), items)
        several = items if isinstance(items, list) else node.schema.get("prefixItems")
        if isinstance(several, list):
            yield from (
                _Node(_join(node.pointer, "items" if several is items else "prefixItems", str(number)), _schema(one))
                for number, one in enumerate(several)
            )


def _schema(value: Any) -> Mapping[str, Any]:
    """`true` says nothing of a field that it allows."""
    return value if isinstance(value, Mapping) else _ANYTHING


def _is_open(nodes: Sequence[_Node], step: Step) -> bool:
    """Whether a member, or elements, may be there although nothing declares them."""
    if step is ELEMENT:
        return all(node.schema.get("type") in (None, "array") for node in nodes)
    if any(node.schema.get("additionalProperties") is False for node in nodes):
        return False
    return any(
        isinstance(node.schema.get("additionalProperties"), Mapping) or node.schema.get("patternProperties")
        for node in nodes
    ) or not any(node.schema.get("properties") for node in nodes)


def _join(pointer: str | None, *tokens: str) -> str | None:
    if pointer is None:
        return None
    return "/".join([pointer, *(token.replace("~", "~0").replace("/", "~1") for token in tokens)])


def _pointer_of(reference: str) -> str | None:
    """The pointer that a reference is; None for one by an anchor or into another file."""
    file, _, fragment = reference.partition("#")
    return unquote(fragment) if not file and (not fragment or fragment.startswith("/")) else None


def _tokens(pointer: str) -> list[str]:
    return [token.replace("~1", "/").replace("~0", "~") for token in unquote(pointer).split("/")[1:]]


def spelled(steps: Sequence[Step]) -> str:
    """`lines[].sku`; `.` for the whole message."""
    said = ""
    for step in steps:
        said += "[]" if step is ELEMENT else f".{step}" if said else str(step)
    return said or "."


__all__ = ["ELEMENT", "Each", "FieldPlaces", "SchemaPlaces", "Step", "spelled"]
