"""Which system owns which data: the rules, without the database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Final

from catalog.domain.facts import BoundaryFacts

DIMENSIONS: Final = ("banner", "region", "channel")
MAX_POINTS: Final = 20_000


def _place(boundary: BoundaryFacts) -> tuple[str | None, ...]:
    return (boundary.attribute_group, *(boundary.scope.get(name) for name in DIMENSIONS))


def is_partial(boundary: BoundaryFacts, asked: Sequence[str | None]) -> bool:
    """True where the boundary alone does not cover everything that was asked."""
    return any(have is not None and have != want for have, want in zip(_place(boundary), asked, strict=True))


def sole_system(
    boundaries: Sequence[BoundaryFacts], asked: Sequence[str | None], known: Sequence[Sequence[str]]
) -> str | None:
    """The key of the one system that is the system of record for all of the question, or None.

    `asked` is (attribute group, banner, region, channel), None where the question is about all of them; `known`
    holds the values that exist in each of these dimensions. The answer is None when two systems share the question,
    and when a part of it has no system of record: a gap is unknown, it belongs to nobody.
    """
    systems = {b.system.key for b in boundaries}
    if len(systems) != 1:
        return None
    places = [_place(b) for b in boundaries]
    axes: list[Sequence[str | None]] = [
        [want] if want is not None else (values or [None]) for want, values in zip(asked, known, strict=True)
    ]
    if all(is_partial(b, asked) for b in boundaries):
        points = 1
        for axis in axes:
            points *= len(axis)
        if points > MAX_POINTS:
            return None
        for point in product(*axes):
            if not any(
                all(have is None or have == want for have, want in zip(place, point, strict=True)) for place in places
            ):
                return None
    return systems.pop()


def overlaps(first: BoundaryFacts, second: BoundaryFacts) -> bool:
    """The same rule as the database's EXCLUDE constraint, for a friendly answer before it."""
    if first.entity != second.entity:
        return False
    if any(a is not None and b is not None and a != b for a, b in zip(_place(first), _place(second), strict=True)):
        return False
    starts_late = (
        second.valid_until is not None and first.valid_from is not None and first.valid_from >= second.valid_until
    )
    ends_early = (
        first.valid_until is not None and second.valid_from is not None and first.valid_until <= second.valid_from
    )
    return not (starts_late or ends_early)


def scope_words(scope: Mapping[str, str]) -> str:
    """ "channel store, region islands", or "everywhere"."""
    return ", ".join(f"{name} {scope[name]}" for name in DIMENSIONS if scope.get(name)) or "everywhere"


Box = tuple[str | None, ...]


def divided(wide: Box, part: Box, known: Sequence[Sequence[str]]) -> list[Box]:
    """What remains of a boundary when a part of it moves: places without overlap that cover all of `wide` except
    `part`.

    Places are (attribute group, banner, region, channel), None is all. "All" is divided into the values that are
    `known` in that dimension. Where the two do not meet, `wide` remains whole.
    """
    if any(w is not None and p is not None and w != p for w, p in zip(wide, part, strict=True)):
        return [wide]
    left: list[Box] = []
    present = list(wide)
    for n, wanted in enumerate(part):
        if wanted is None or present[n] is not None:
            continue
        left += [(*present[:n], value, *present[n + 1 :]) for value in known[n] if value != wanted]
        present[n] = wanted
    return left
