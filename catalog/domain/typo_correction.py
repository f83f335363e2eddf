"""Finds the known words that a mistyped word may stand for."""

from __future__ import annotations

from collections.abc import Iterable


def distance(first: str, second: str, *, limit: int) -> int:
    """Edits between two words: a letter more, less, other, or two neighbours swapped (optimal string alignment).
    Counting ends above `limit`."""
    if abs(len(first) - len(second)) > limit:
        return limit + 1
    before: list[int] = []
    last = list(range(len(second) + 1))
    for n, a in enumerate(first, start=1):
        row = [n]
        for m, b in enumerate(second, start=1):
            cost = min(last[m] + 1, row[m - 1] + 1, last[m - 1] + (a != b))
            if n > 1 and m > 1 and a == second[m - 2] and first[n - 2] == b:
                cost = min(cost, before[m - 2] + 1)
            row.append(cost)
        if min(row) > limit:
            return limit + 1
        before, last = last, row
    return last[-1]


def nearest(word: str, known: Iterable[str], *, limit: int) -> list[str]:
    """The closest of the known words, closest first: one edit for short words, two for longer ones. Long words may have
    grown an ending: then the beginning counts."""
    allowed = 1 if len(word) <= 5 else 2
    found = []
    for candidate in known:
        edits = distance(word, candidate, limit=allowed)
        if edits > allowed and len(word) >= 5 and len(candidate) > len(word):
            edits = distance(word, candidate[: len(word)], limit=1)
            edits += edits > 0
        if edits <= allowed:
            found.append((edits, abs(len(candidate) - len(word)), candidate))
    best = min((edits for edits, _, _ in found), default=0)
    return [candidate for edits, _, candidate in sorted(found)[:limit] if edits == best]
