"""Break-glass cases by what they let through, and those whose review is late."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from governance.domain import limits
from governance.domain.emergency import ReviewState, review_state
from governance.models import BreakGlass


@dataclass(frozen=True, slots=True)
class CarriedBy:
    """The break-glass behind an approval: why, which two people, until when, and how its review stands."""

    id: int
    reason: str
    opened_by: str
    confirmed_by: str
    ends_at: datetime
    review: ReviewState


def behind(approval_id: int, at: datetime) -> CarriedBy | None:
    """None where the approval is not one of a break-glass, or its case is not there or not confirmed."""
    case = (
        BreakGlass.objects.select_related("opened_by", "confirmed_by")
        .filter(approval=approval_id, confirmed_by__isnull=False)
        .first()
    )
    if case is None or case.ends_at is None:
        return None
    review = review_state(case.ends_at, case.reviewed_at, at)
    return CarriedBy(case.pk, case.reason, str(case.opened_by), str(case.confirmed_by), case.ends_at, review)


def overdue(at: datetime) -> list[BreakGlass]:
    """Cases whose review should have been written by now."""
    late = at - timedelta(days=limits.BREAK_GLASS_REVIEW_DAYS)
    return list(BreakGlass.objects.filter(ends_at__lte=late, reviewed_at=None).order_by("pk"))
