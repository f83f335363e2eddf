"""Which fields of messages no mapping reads, and in how many messages they are: what a flow has, and nobody uses."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from runtime.mapping.formula import Aggregate, FormulaOperation, FunctionCall, Node, Read
from runtime.mapping.model import Mapping
from runtime.mapping.paths import Path, show

Names = tuple[str, ...]
"""Members from the document on; elements of lists have no names."""
_DEEPEST = 12
_MOST = 2_000  # paths of one document


class UnusedField(NamedTuple):
    """`path` as a mapping writes it. `present` of `of` messages have it, with a value."""

    path: str
    present: int
    of: int

    @property
    def percent(self) -> int:
        """Whole percents; never 100 where one message lacks it, nor 0 where one has it."""
        rounded = round(100 * self.present / self.of)
        return rounded if self.present in (0, self.of) else min(max(rounded, 1), 99)


@dataclass(frozen=True, slots=True)
class FieldReads:
    """`whole`: what is copied with everything in it. `exact`: single values that formulas and conditions read."""

    whole: frozenset[Names]
    exact: frozenset[Names]

    def reads(self, names: Names) -> bool:
        return names in self.exact or any(names[:length] in self.whole for length in range(len(names) + 1))


def reads_of(mapping: Mapping) -> FieldReads:
    """What a mapping reads of a document."""
    whole: set[Names] = set()
    exact: set[Names] = set()
    for one, around in mapping.walk():
        place: Names = ()
        for outer in around:
            place = _from(outer.source, place)
        inside = _from(one.source, place) if one.each is not None else place
        if one.source is not None and one.each is None:
            whole.add(_from(one.source, place))
        exact.update(_matched(one.source, place))
        for node in (one.formula, one.when):
            exact.update(_of_formula(node, inside if node is one.when else place))
        if one.type is not None and isinstance(one.type.currency, Path):
            exact.add(_from(one.type.currency, place))
    return FieldReads(frozenset(whole), frozenset(exact))


def reads_of_formula(formula: Node) -> FieldReads:
    return FieldReads(frozenset(), frozenset(_of_formula(formula, ())))


def reads_of_pointers(pointers: Iterable[str]) -> FieldReads:
    """Of JSON Pointers."""
    steps = [pointer.split("/")[1:] for pointer in pointers if pointer.startswith("/")]
    return FieldReads(
        frozenset(tuple(s.replace("~1", "/").replace("~0", "~") for s in one) for one in steps), frozenset()
    )


def unused(documents: Sequence[Any], reads: Sequence[FieldReads]) -> list[UnusedField]:
    """Fields that none of them reads, the most frequent first. A field counts where it has a value: null, empty text
    and empty lists have none."""
    counted: Counter[tuple[Names, str]] = Counter()
    for document in documents:
        counted.update(dict(_leaves(document)).items())
    found = [
        UnusedField(shown, present, len(documents))
        for (names, shown), present in counted.items()
        if not any(one.reads(names) for one in reads)
    ]
    return sorted(found, key=lambda one: (-one.present, one.path))


def _from(path: Path | None, place: Names) -> Names:
    if path is None:
        return place
    names = tuple(one for one in path.segments if isinstance(one, str))
    return names if path.root else place + names


def _matched(path: Path | None, place: Names) -> Iterator[Names]:
    """The members by which elements of lists are chosen: `Language` of `texts[Language='EN']`."""
    if path is None:
        return
    names: Names = () if path.root else place
    for segment in path.segments:
        if isinstance(segment, str):
            names = (*names, segment)
        elif (key := getattr(segment, "key", None)) is not None:
            yield (*names, key)


def _of_formula(node: Node | None, place: Names) -> Iterator[Names]:
    if isinstance(node, Read):
        yield _from(node.path, place)
        yield from _matched(node.path, place)
    elif isinstance(node, Aggregate):
        yield _from(node.items, place) + tuple(node.rest)
        yield from _matched(node.items, place)
    elif isinstance(node, FormulaOperation | FunctionCall):
        for inner in node.args:
            yield from _of_formula(inner, place)


def _leaves(document: Any) -> Iterator[tuple[Names, str]]:
    """(names, path as it is shown) of everything in a document that has a value."""
    waiting: list[tuple[Any, Names, str]] = [(document, (), "")] if isinstance(document, dict) else []
    seen = 0
    while waiting and seen < _MOST:
        value, names, shown = waiting.pop()
        seen += 1
        if isinstance(value, dict) and len(names) < _DEEPEST:
            for name, inner in value.items():
                step = show((str(name),))
                waiting.append((inner, (*names, str(name)), f"{shown}.{step}" if shown else step))
        elif isinstance(value, list) and len(names) < _DEEPEST:
            waiting.extend((inner, names, shown if shown.endswith("[]") else f"{shown}[]") for inner in value)
        elif value is not None and value != "" and names:
            yield names, shown


__all__ = ["FieldReads", "UnusedField", "reads_of", "reads_of_formula", "reads_of_pointers", "unused"]
