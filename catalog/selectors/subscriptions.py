"""Subscriptions as the gate asks for them."""

from __future__ import annotations

from datetime import datetime

from catalog.domain.facts import SubscriptionState
from catalog.models import Subscription


def state(application_key: str, version_id: int, environment: str, at: datetime) -> SubscriptionState:
    """`active` at this time; `expired` when one was active but its period does not hold `at` or it was ended; `pending`
    while the owner has not decided; `none` where nobody ever asked or the owner refused."""
    rows = list(
        Subscription.objects.filter(
            application__key=application_key, version_id=version_id, environment__key=environment
        ).values_list("state", "valid_from", "valid_until")
    )
    decided = [(found, begin, end) for found, begin, end in rows if begin is not None and found in {"active", "ended"}]
    if any(
        (found == "active" or (end is not None and at < end)) and begin <= at and (end is None or at < end)
        for found, begin, end in decided
    ):
        return "active"
    if any(found == "requested" for found, _, _ in rows) or any(
        found == "active" and begin > at for found, begin, _ in decided
    ):
        return "pending"
    return "expired" if decided else "none"
