"""Counts that end somewhere: a list says "more than 10,000" instead of reading all of it."""

from __future__ import annotations

MOST_COUNTED = 10_000


class CountedSoFar(int):
    """A count that ended there: so many, and more."""


def counted_up_to(number: int, most: int) -> int:
    """What a statement counted that looks at one row more than `most`."""
    return CountedSoFar(most) if number > most else number
