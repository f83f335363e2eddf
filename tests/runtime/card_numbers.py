"""Numbers that look like cards by chance, as numbers of receipts and orders do."""

from __future__ import annotations

from hypothesis import strategies as st

from kernel.redaction import passes_check_digit


def like_a_card(middle: int, first: str = "400010", last: str = "2556") -> str:
    """16 digits of an issuer with the check digit of cards; `middle`: which one, 0 to 99,999."""
    tries = (f"{first}{middle:05}{digit}{last}" for digit in range(10))
    return next(one for one in tries if passes_check_digit(one))


TWINS = st.lists(st.integers(0, 99_999), min_size=2, max_size=4, unique=True).map(
    lambda middles: [like_a_card(one) for one in middles]
)
"""Numbers that are one once they are masked."""
