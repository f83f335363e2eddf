"""Which fields a mapping uses: those of the source that it reads, and those of the target that it writes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from runtime.mapping.formula import Aggregate, FormulaOperation, FunctionCall, Node, Read
from runtime.mapping.model import Field, Mapping
from runtime.mapping.paths import Path, PathMatch
from runtime.mapping.places import ELEMENT, Step


@dataclass(frozen=True, slots=True)
class MappedField:
    """One field, from the document on, and for what it is used.

    `fills`: of a field that is read, the target's field; `pointer` leads into the spec of the mapping. `whole`:
    whatever is in the field is used, too.
    """

    steps: tuple[Step, ...]
    fills: str
    pointer: str
    whole: bool = False


def read_fields(mapping: Mapping) -> Iterator[MappedField]:
    """Every field of the source that the mapping reads: values, conditions, currencies, the lists that it goes through,
    the members by which it finds an element, and what sums are over."""
    for one, around in mapping.walk():
        base = _base(around)
        fills = target_of(one, around)
        if one.source is not None:
            whole = one.type is not None and one.type.name == "any"
            yield from _of_path(one.source, base, fills, f"{one.pointer}/from", whole=whole)
        if one.formula is not None:
            yield from _of_formula(one.formula, base, fills, f"{one.pointer}/formula")
        if one.when is not None:
            yield from _of_formula(one.when, _base((*around, one)), fills, f"{one.pointer}/when")
        if one.type is not None and isinstance(one.type.currency, Path):
            yield from _of_path(one.type.currency, base, fills, f"{one.pointer}/currency/from")


def written_fields(mapping: Mapping) -> Iterator[MappedField]:
    """Every field of the target that the mapping writes."""
    for one, around in mapping.walk():
        steps: tuple[Step, ...] = ()
        for outer in around:
            steps += (*outer.target, ELEMENT)
        at, fills, pointer = (*steps, *one.target), target_of(one, around), f"{one.pointer}/to"
        yield MappedField(at, fills, pointer, whole=one.type is not None and one.type.name == "any")
        inner: Any = one.constant if one.has_constant else {}
        if one.type is not None and one.type.name == "money" and one.type.write == "object":
            inner = {"amount": 0, "currency": ""}
        for path in dict.fromkeys(_paths(inner)):
            yield MappedField((*at, *path), fills, pointer)


def _paths(value: Any) -> Iterator[tuple[Step, ...]]:
    """Every member in a constant."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield (name,)
            yield from ((name, *path) for path in _paths(inner))
    elif isinstance(value, list):
        for inner in value:
            yield from ((ELEMENT, *path) for path in _paths(inner))


def target_of(one: Field, around: tuple[Field, ...]) -> str:
    """The target of a field as people read it: `lines[].amount`."""
    prefix = "".join(f"{'.'.join(outer.target)}[]." for outer in around)
    return (prefix + ".".join(one.target)).removesuffix(".")


def _base(around: tuple[Field, ...]) -> tuple[Step, ...]:
    """Where the paths inside these lists start."""
    base: tuple[Step, ...] = ()
    for outer in around:
        assert outer.source is not None
        base = (*_steps(outer.source, base), ELEMENT)
    return base


def _steps(path: Path, base: tuple[Step, ...]) -> tuple[Step, ...]:
    return (
        *(() if path.root else base),
        *(segment if isinstance(segment, str) else ELEMENT for segment in path.segments),
    )


def _of_path(
    path: Path, base: tuple[Step, ...], fills: str, pointer: str, *, whole: bool = False
) -> Iterator[MappedField]:
    yield MappedField(_steps(path, base), fills, pointer, whole)
    for number, segment in enumerate(path.segments):
        if isinstance(segment, PathMatch):
            yield MappedField(
                (*_steps(Path(path.segments[: number + 1], path.root), base), segment.key), fills, pointer
            )


def _of_formula(node: Node, base: tuple[Step, ...], fills: str, pointer: str) -> Iterator[MappedField]:
    if isinstance(node, Read):
        yield from _of_path(node.path, base, fills, pointer)
    elif isinstance(node, Aggregate):
        yield from _of_path(node.items, base, fills, pointer)
        if node.rest:
            yield MappedField((*_steps(node.items, base), ELEMENT, *node.rest), fills, pointer)
    elif isinstance(node, FormulaOperation | FunctionCall):
        for inner in node.args:
            yield from _of_formula(inner, base, fills, pointer)


__all__ = ["MappedField", "read_fields", "target_of", "written_fields"]
