"""G4: if a valid assignment of people to seats exists, it is found."""

from __future__ import annotations

import itertools
import random

from governance.domain.matching import fill, unfilled


def most_by_brute_force(eligible: dict[int, list[int]]) -> int:
    """The largest number of seats with distinct people, by trying everything."""

    def best(seats: tuple[int, ...], used: frozenset[int]) -> int:
        if not seats:
            return 0
        skipped = best(seats[1:], used)
        return max([skipped] + [1 + best(seats[1:], used | {person}) for person in eligible[seats[0]] if person not in used])

    return best(tuple(eligible), frozenset())


def test_every_situation_of_three_people_and_three_seats_is_filled_as_well_as_brute_force_can():
    subsets = [[p for p in range(3) if mask >> p & 1] for mask in range(8)]
    for choice in itertools.product(subsets, repeat=3):
        eligible = dict(enumerate(choice))
        assert len(fill(eligible)) == most_by_brute_force(eligible)


def test_random_situations_up_to_eight_people_and_six_seats_are_filled_as_well_as_brute_force_can():
    chance = random.Random(4)
    for _ in range(2500):
        people, seats = chance.randint(1, 8), chance.randint(1, 6)
        share = chance.choice((0.15, 0.3, 0.5))
        eligible = {seat: [p for p in chance.sample(range(people), people) if chance.random() < share] for seat in range(seats)}
        assigned = fill(eligible)
        assert len(assigned) == most_by_brute_force(eligible)
        assert len(set(assigned.values())) == len(assigned)
        assert all(person in eligible[seat] for seat, person in assigned.items())
        assert set(unfilled(eligible)) == set(eligible) - set(assigned)


def test_a_person_who_fits_two_seats_gives_way_to_one_who_fits_only_one():
    assert fill({"architect": ["ada", "ben"], "owner": ["ada"]}) == {"architect": "ben", "owner": "ada"}
