"""Numbers of events within one resource, that are given without a gap and come in any order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

Range = tuple[int, int]
MOST_RANGES = 100  # of one resource; of more the oldest are no longer waited for


class Numbers(NamedTuple):
    """The highest number that came, and the ranges below it that have not, both ends included, in order."""

    highest: int
    missing: tuple[Range, ...] = ()


def with_number(known: Numbers | None, number: int) -> Numbers:
    """What is known once a number has come. The first that comes is the beginning: what was before it, nobody expects;
    one that comes again changes nothing."""
    if known is None:
        return Numbers(number)
    if number > known.highest:
        gap = ((known.highest + 1, number - 1),) if number > known.highest + 1 else ()
        return Numbers(number, (*known.missing, *gap)[-MOST_RANGES:])
    missing: list[Range] = []
    for first, last in known.missing:
        if first <= number <= last:
            missing += [part for part in ((first, number - 1), (number + 1, last)) if part[0] <= part[1]]
        else:
            missing.append((first, last))
    return Numbers(known.highest, tuple(missing[-MOST_RANGES:]))


def said(missing: Sequence[Sequence[int]]) -> str:
    """Missing numbers for a person: `4, 7 to 9`."""
    shown = [f"{first}" if first == last else f"{first} to {last}" for first, last in missing[:5]]
    more = len(missing) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")
