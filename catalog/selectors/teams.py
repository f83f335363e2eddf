"""Teams: groups of people who own things."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db.models import QuerySet

from catalog.domain.facts import TeamFacts
from catalog.models import BusinessEntity, Team
from kernel.models import User
from kernel.viewer import Viewer

_COLUMNS = ("group_id", "key", "name", "kind", "email")


def by_key(key: str) -> TeamFacts | None:
    row = Team.objects.filter(key=key).values_list(*_COLUMNS).first()
    return TeamFacts(*row) if row else None


def by_id(group_id: int) -> TeamFacts | None:
    row = Team.objects.filter(pk=group_id).values_list(*_COLUMNS).first()
    return TeamFacts(*row) if row else None


def all_teams() -> list[TeamFacts]:
    return [TeamFacts(*row) for row in Team.objects.filter(retired_at=None).values_list(*_COLUMNS)]


def of_user(user: Any) -> list[TeamFacts]:
    """The teams that the user belongs to now."""
    if user is None or user.pk is None:
        return []
    return [TeamFacts(*row) for row in Team.objects.filter(group__user=user).values_list(*_COLUMNS)]


def members(group_id: int) -> list[int]:
    """Ids of the active people of a team, in stable order. Service accounts do not count: they decide nothing."""
    return list(
        User.objects.filter(groups=group_id, is_active=True, kind=User.Kind.PERSON)
        .order_by("id")
        .values_list("id", flat=True)
    )


def owners_of_entities(entity_keys: Iterable[str]) -> list[int]:
    """Group ids of the teams that own the domains of these business entities, in key order, each once: the owners of
    record."""
    owners = (
        BusinessEntity.objects.filter(key__in=set(entity_keys), domain__owner_team__isnull=False)
        .order_by("key")
        .values_list("domain__owner_team_id", flat=True)
    )
    return list(dict.fromkeys(owners))


def among(viewer: Viewer, keys: Iterable[str]) -> QuerySet[Team]:
    """Those of the named teams that the viewer is in, as a part of another query."""
    return Team.objects.filter(key__in=list(keys), group__in=viewer.team_ids)
