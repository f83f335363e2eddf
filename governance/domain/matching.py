"""Maximum matching of people to slots: if every slot can be filled by a different person, the assignment is found.

Augmenting paths (Kuhn, 1955), deterministic in the order given, O(slots × eligibilities): a change has fewer than
twenty slots. With delegations, filling a slot also uses up the right that was lent: a delegate and the delegator
never fill two slots together.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

Slot = TypeVar("Slot", bound=Hashable)
Person = TypeVar("Person", bound=Hashable)


def fill(eligible: Mapping[Slot, Sequence[Person]]) -> dict[Slot, Person]:
    """The largest assignment of distinct persons to slots. `eligible` lists who may fill each slot, in preferred
    order.
    """
    taken: dict[Person, Slot] = {}

    def find_person(slot: Slot, tried: set[Person]) -> bool:
        for person in eligible[slot]:
            if person in tried:
                continue
            tried.add(person)
            if person not in taken or find_person(taken[person], tried):
                taken[person] = slot
                return True
        return False

    for slot in eligible:
        find_person(slot, set())
    return {slot: person for person, slot in taken.items()}


def unfilled(eligible: Mapping[Slot, Sequence[Person]]) -> list[Slot]:
    """The slots that stay empty in a largest assignment, in the given order."""
    filled = fill(eligible)
    return [slot for slot in eligible if slot not in filled]


@dataclass(frozen=True, slots=True, order=True)
class ExercisedRight:
    """The account `person` fills a slot by the right of `right_of`: the same account, or a delegator's. `people` are
    the persons behind both, each by one number, where somebody has several accounts."""

    person: int
    right_of: int
    people: frozenset[int] = field(default=frozenset(), compare=False)

    @property
    def used(self) -> frozenset[int]:
        """Who is used up."""
        return self.people or frozenset({self.person, self.right_of})

    def clashes(self, other: ExercisedRight) -> bool:
        """Whether both cannot count on one change: somebody would count twice, in person, by another account or
        through a delegate."""
        return bool(self.used & other.used)


def assign(rights: Mapping[Slot, Sequence[ExercisedRight]]) -> dict[Slot, ExercisedRight]:
    """The largest assignment of rights to slots in which no two clash. `rights` lists a person's membership before
    delegations.

    Two rights that clash are never used together, whichever slots they fill, so one of them is left out: branch on
    which. Without delegations nothing clashes, and `fill` alone decides.
    """
    best: dict[Slot, ExercisedRight] = {}

    def search(left_out: frozenset[ExercisedRight]) -> None:
        nonlocal best
        allowed = {
            slot: {right.person: right for right in reversed(listed) if right not in left_out}
            for slot, listed in rights.items()
        }
        chosen = {
            slot: allowed[slot][person] for slot, person in fill({s: sorted(r) for s, r in allowed.items()}).items()
        }
        if len(chosen) <= len(best):
            return
        clash = next(_clashes(list(chosen.values())), None)
        if clash is None:
            best = chosen
            return
        # Where both are as good, the membership stays and the delegation is left out.
        for right in sorted(clash, key=lambda r: r.person == r.right_of):
            search(left_out | {right})

    search(frozenset())
    return best


def _clashes(chosen: Sequence[ExercisedRight]) -> Iterator[tuple[ExercisedRight, ExercisedRight]]:
    return ((one, other) for n, one in enumerate(chosen) for other in chosen[n + 1 :] if one.clashes(other))
