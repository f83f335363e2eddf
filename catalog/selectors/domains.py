"""Business domains and who answers for them."""

from __future__ import annotations

from dataclasses import dataclass

from catalog.models import Domain


@dataclass(frozen=True, slots=True)
class DomainFacts:
    """A business domain. `owner_team_id` None: the domain has no owner, and nothing of it can be approved."""

    key: str
    name: str
    owner_team_id: int | None


def all_domains() -> list[DomainFacts]:
    """In their order."""
    rows = Domain.objects.order_by("position", "key").values_list("key", "name", "owner_team_id")
    return [DomainFacts(*row) for row in rows]


def by_key(key: str) -> DomainFacts | None:
    return next((found for found in all_domains() if found.key == key), None)
