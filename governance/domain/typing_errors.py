"""Whether one name is another one, mistyped: spelled otherwise, or one letter away from it."""

from __future__ import annotations

import unicodedata

SHORTEST = 4
"""Of shorter names every other one is near."""


def is_one(said: str, meant: str) -> bool:
    """Two names that are told apart by a number alone (`node-1`, `node-2`) are two, and no error."""
    one, other = _plain(said), _plain(meant)
    if one == other:
        return said != meant
    if min(len(one), len(other)) < SHORTEST or abs(len(one) - len(other)) > 1:
        return False
    return _letters(one) != _letters(other) and _is_one_step(one, other)


def _plain(name: str) -> str:
    """Without capitals, punctuation, and what only looks otherwise (wide, raised or invisible signs)."""
    return "".join(sign for sign in unicodedata.normalize("NFKC", name).casefold() if sign.isalnum())


def _letters(name: str) -> str:
    return "".join(sign for sign in name if not sign.isdecimal())


def _is_one_step(one: str, other: str) -> bool:
    """A letter too many, too few, another one, or two that changed places."""
    begin = 0
    while begin < min(len(one), len(other)) and one[begin] == other[begin]:
        begin += 1
    rest, its = one[begin:], other[begin:]
    return (
        rest[1:] == its[1:]
        or rest[1:] == its
        or rest == its[1:]
        or (rest[:2] == its[1::-1] and len(its) > 1 and rest[2:] == its[2:])
    )
