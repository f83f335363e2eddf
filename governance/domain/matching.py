"""Maximum matching of people to seats: if every seat can be filled by a person of its own, the assignment is found.

Augmenting paths (Kuhn, 1955), deterministic in the order given, O(seats × eligibilities): a change has fewer than twenty seats.
With delegations a seat also uses up the right that was lent: a person and whoever sits by this person's right never hold two seats.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True, order=True)
class Option:
    """`person` sits by the right of `right_of`, which is the person's own or that of a delegator."""

    person: int
    right_of: int

    def clashes(self, other: Option) -> bool:
        """Whether both cannot sit on one change: somebody would count twice, in person or through a delegate."""
        return bool({self.person, self.right_of} & {other.person, other.right_of})


def seat(options: Mapping[Seat, Sequence[Option]]) -> dict[Seat, Option]:
    """The largest assignment of options to seats in which no two clash. `options` lists the own right first.

    Two options that clash are never used together, wherever they sit, so one of them is left out: branch on which. Without
    delegations nothing clashes and it is `fill` alone.
    """
    best: dict[Seat, Option] = {}

    def search(left_out: frozenset[Option]) -> None:
        nonlocal best
        allowed = {
            place: {option.person: option for option in reversed(listed) if option not in left_out}
            for place, listed in options.items()
        }
        chosen = {
            place: allowed[place][person] for place, person in fill({p: sorted(o) for p, o in allowed.items()}).items()
        }
        if len(chosen) <= len(best):
            return
        clash = next(_clashes(list(chosen.values())), None)
        if clash is None:
            best = chosen
            return
        for option in sorted(clash, key=lambda o: o.person == o.right_of):  # the own right stays where both are as good
            search(left_out | {option})

    search(frozenset())
    return best


def _clashes(chosen: Sequence[Option]) -> Iterator[tuple[Option, Option]]:
    return ((one, other) for n, one in enumerate(chosen) for other in chosen[n + 1 :] if one.clashes(other))
