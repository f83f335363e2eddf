"""The state of a subscription at a moment, from its rows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from catalog.domain.facts import SubscriptionState

SubscriptionRow = tuple[str, datetime | None, datetime | None]
"""(stored state, valid from, valid until)"""


def state_at(rows: Sequence[SubscriptionRow], at: datetime) -> SubscriptionState:
    """`active` when an approved period holds `at`; `expired` when one was approved but its period does not hold `at` or
    it was ended; `pending` while the owner has not decided or the period begins later; `none` without a request, or
    when the owner refused."""
    decided = [(state, begin, end) for state, begin, end in rows if begin is not None and state in {"active", "ended"}]
    if any(
        (state == "active" or (end is not None and at < end)) and begin <= at and (end is None or at < end)
        for state, begin, end in decided
    ):
        return "active"
    if any(state == "requested" for state, _, _ in rows):
        return "pending"
    if any(state == "active" and begin > at for state, begin, _ in decided):
        return "pending"
    return "expired" if decided else "none"
