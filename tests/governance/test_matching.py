"""G4: if a valid assignment of people to slots exists, it is found."""

from __future__ import annotations

import itertools
import random

from governance.domain.matching import ExercisedRight, assign, fill, unfilled


def most_by_brute_force(eligible: dict[int, list[int]]) -> int:
    """The largest number of slots with distinct people, by trying everything."""

    def best(slots: tuple[int, ...], used: frozenset[int]) -> int:
        if not slots:
            return 0
        skipped = best(slots[1:], used)
        return max(
            [skipped] + [1 + best(slots[1:], used | {person}) for person in eligible[slots[0]] if person not in used]
        )

    return best(tuple(eligible), frozenset())


def test_every_situation_of_three_people_and_three_slots_is_filled_as_well_as_brute_force_can():
    subsets = [[p for p in range(3) if mask >> p & 1] for mask in range(8)]
    for choice in itertools.product(subsets, repeat=3):
        eligible = dict(enumerate(choice))
        assert len(fill(eligible)) == most_by_brute_force(eligible)


def test_random_situations_up_to_eight_people_and_six_slots_are_filled_as_well_as_brute_force_can():
    chance = random.Random(4)
    for _ in range(2500):
        people, slots = chance.randint(1, 8), chance.randint(1, 6)
        share = chance.choice((0.15, 0.3, 0.5))
        eligible = {
            slot: [p for p in chance.sample(range(people), people) if chance.random() < share] for slot in range(slots)
        }
        assigned = fill(eligible)
        assert len(assigned) == most_by_brute_force(eligible)
        assert len(set(assigned.values())) == len(assigned)
        assert all(person in eligible[slot] for slot, person in assigned.items())
        assert set(unfilled(eligible)) == set(eligible) - set(assigned)


def test_a_person_who_fits_two_slots_gives_way_to_one_who_fits_only_one():
    assert fill({"architect": ["ada", "ben"], "owner": ["ada"]}) == {"architect": "ben", "owner": "ada"}


def most_without_counting_twice(options: dict[int, list[ExercisedRight]]) -> int:
    """The largest number of slots in which nobody counts twice, in person or through a delegate, by trying
    everything."""

    def best(places: tuple[int, ...], used: frozenset[int]) -> int:
        if not places:
            return 0
        skipped = best(places[1:], used)
        return max(
            [skipped]
            + [
                1 + best(places[1:], used | {option.person, option.right_of})
                for option in options[places[0]]
                if not used & {option.person, option.right_of}
            ]
        )

    return best(tuple(options), frozenset())


def test_with_delegations_slots_are_filled_as_well_as_brute_force_can_and_nobody_counts_twice():
    chance = random.Random(8)
    clashed = 0
    for _ in range(2500):
        people, slots = chance.randint(2, 7), chance.randint(1, 6)
        own = {place: [p for p in range(people) if chance.random() < 0.3] for place in range(slots)}
        lent = [tuple(chance.sample(range(people), 2)) for _ in range(chance.randint(0, 4))]
        options = {
            place: [ExercisedRight(p, p) for p in here]
            + [ExercisedRight(to, by) for by, to in dict.fromkeys(lent) if by in here and to not in here]
            for place, here in own.items()
        }
        chosen = assign(options)
        assert len(chosen) == most_without_counting_twice(options)
        assert all(option in options[place] for place, option in chosen.items())
        counted = [someone for option in chosen.values() for someone in {option.person, option.right_of}]
        assert len(counted) == len(set(counted))
        clashed += len(fill({place: [o.person for o in listed] for place, listed in options.items()})) > len(chosen)
    assert clashed > 100, "without situations in which a delegate is turned away nothing is shown"
