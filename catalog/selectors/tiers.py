"""SLA tiers as compiled rules."""

from __future__ import annotations

from catalog.domain import tiers
from catalog.domain.facts import TierFacts
from catalog.models import SlaTier


def by_level(level: int) -> TierFacts | None:
    row = SlaTier.objects.filter(level=level).values_list("level", "name", "rules").first()
    return tiers.read(*row) if row else None


def all_tiers() -> list[TierFacts]:
    return [tiers.read(*row) for row in SlaTier.objects.values_list("level", "name", "rules")]
