"""Maximum matching of people to seats: if every seat can be filled by a person of its own, the assignment is found.

Augmenting paths (Kuhn, 1955), deterministic in the order given, O(seats × eligibilities): a change has fewer than twenty seats.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import TypeVar

Seat = TypeVar("Seat", bound=Hashable)
Person = TypeVar("Person", bound=Hashable)


def fill(eligible: Mapping[Seat, Sequence[Person]]) -> dict[Seat, Person]:
    """The largest assignment of distinct persons to seats. `eligible` lists who may fill each seat, in preferred order."""
    taken: dict[Person, Seat] = {}

    def seat_somebody(seat: Seat, tried: set[Person]) -> bool:
        for person in eligible[seat]:
            if person in tried:
                continue
            tried.add(person)
            if person not in taken or seat_somebody(taken[person], tried):
                taken[person] = seat
                return True
        return False

    for seat in eligible:
        seat_somebody(seat, set())
    return {seat: person for person, seat in taken.items()}


def unfilled(eligible: Mapping[Seat, Sequence[Person]]) -> list[Seat]:
    """The seats that stay empty in a largest assignment, in the given order."""
    filled = fill(eligible)
    return [seat for seat in eligible if seat not in filled]
