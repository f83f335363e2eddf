"""The state of one subscription, as the gate asks for it."""

from __future__ import annotations

from datetime import datetime

from catalog.domain.facts import SubscriptionState
from catalog.domain.subscription_state import state_at
from catalog.models import Subscription


def state(application_key: str, version_id: int, environment: str, at: datetime) -> SubscriptionState:
    """The state of an application's subscription to a version in an environment, see `state_at`."""
    rows = Subscription.objects.filter(
        application__key=application_key, version_id=version_id, environment__key=environment
    )
    return state_at(list(rows.values_list("state", "valid_from", "valid_until")), at)
