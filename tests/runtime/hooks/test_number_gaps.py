"""Numbers without a gap, in any order: against a set of all that came."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from runtime.domain.number_gaps import Numbers, said, with_number


@given(st.lists(st.integers(0, 40), min_size=1, max_size=60))
def test_what_is_missing_is_what_lies_between_the_first_and_the_highest_and_has_not_come(numbers):
    known: Numbers | None = None
    for number in numbers:
        known = with_number(known, number)
    assert known is not None
    missing = {one for first, last in known.missing for one in range(first, last + 1)}
    seen, first = set(), numbers[0]
    for number in numbers:
        seen.add(number)
    assert known.highest == max(numbers)
    assert missing == {one for one in range(first + 1, max(numbers)) if one not in seen}
    assert list(known.missing) == sorted(known.missing)


def test_missing_numbers_are_told_in_short():
    assert said([[4, 4], [7, 9]]) == "4, 7 to 9"
    assert said([[n * 2, n * 2] for n in range(9)]) == "0, 2, 4, 6, 8 and 4 more"
