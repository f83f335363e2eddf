"""Environments and what they say of their records."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from catalog.models import Environment


@dataclass(frozen=True, slots=True)
class EnvironmentFacts:
    key: str
    name: str
    is_fleet: bool
    records_complete_since: datetime | None
    records_enforced_from: datetime | None


def by_key(key: str) -> EnvironmentFacts | None:
    row = Environment.objects.filter(key=key).first() if "\x00" not in key else None
    return _facts(row) if row else None


def all_environments() -> list[EnvironmentFacts]:
    return [_facts(row) for row in Environment.objects.all()]


def _facts(row: Environment) -> EnvironmentFacts:
    return EnvironmentFacts(row.key, row.name, row.is_fleet, row.records_complete_since, row.records_enforced_from)
