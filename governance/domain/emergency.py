"""How the review of a break-glass stands."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal

from governance.domain import limits

ReviewState = Literal["owed", "overdue", "done"]


def review_due(ends_at: datetime) -> datetime:
    """Until when the review of a break-glass that ended then is written."""
    return ends_at + timedelta(days=limits.BREAK_GLASS_REVIEW_DAYS)


def review_state(ends_at: datetime, reviewed_at: datetime | None, at: datetime) -> ReviewState:
    """As of a moment: a review that was written later does not count yet."""
    if reviewed_at is not None and reviewed_at <= at:
        return "done"
    return "overdue" if review_due(ends_at) <= at else "owed"
