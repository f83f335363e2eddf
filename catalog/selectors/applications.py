"""Applications, and their subscriptions to several versions at once, as the gate asks for them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from catalog.domain.facts import SubscriptionState
from catalog.models import Application, Subscription


@dataclass(frozen=True, slots=True)
class ApplicationFacts:
    """`team_id` None: nobody answers for it."""

    key: str
    name: str
    team_id: int | None
    team_key: str


def by_key(key: str) -> ApplicationFacts | None:
    row = Application.objects.filter(key=key, retired_at=None).values_list("key", "name", "team_id", "team__key").first()
    return ApplicationFacts(row[0], row[1], row[2], row[3] or "") if row else None


def subscription_states(
    application_key: str, version_ids: Iterable[int], environment: str, at: datetime
) -> dict[int, SubscriptionState]:
    """`subscriptions.state` for many versions in one query; a version without a row is `none`."""
    ids = list(version_ids)
    rows = Subscription.objects.filter(application__key=application_key, version_id__in=ids, environment__key=environment)
    found: dict[int, list[tuple[str, datetime | None, datetime | None]]] = {}
    for version, state, begin, end in rows.values_list("version_id", "state", "valid_from", "valid_until"):
        found.setdefault(version, []).append((state, begin, end))
    return {version: _state(found.get(version, []), at) for version in ids}


def _state(rows: list[tuple[str, datetime | None, datetime | None]], at: datetime) -> SubscriptionState:
    decided = [(state, begin, end) for state, begin, end in rows if begin is not None and state in {"active", "ended"}]
    if any(
        (s == "active" or (end is not None and at < end)) and begin <= at and (end is None or at < end)
        for s, begin, end in decided
    ):
        return "active"
    if any(s == "requested" for s, _, _ in rows) or any(s == "active" and begin > at for s, begin, _ in decided):
        return "pending"
    return "expired" if decided else "none"
