"""What the catalog says of an API version, and how two contracts stand to each other."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from catalog.domain.facts import VersionFacts
from catalog.selectors import contracts, versions
from governance.services import upgrade_order
from kernel.errors import DomainError

UNREGISTERED = {"state": "unregistered", "origin": "none", "judged": False, "enforced_from": "now"}


def words(version: VersionFacts) -> dict[str, Any]:
    return {
        "state": version.state,
        "origin": version.origin,
        "judged": version.judged,
        "enforced_from": version.enforced_from.isoformat() if version.enforced_from else "now",
        "owner_team": version.owner_team_key or None,
        "deprecated_at": version.deprecated_at.isoformat() if version.deprecated_at else "never",
        "sunset_at": version.sunset_at.isoformat() if version.sunset_at else "never",
        "successor": version.successor_reference or "none",
    }


def pinned(pin: str, present: str | None, as_of: datetime) -> str:
    """How the contract that the application was built against stands to the present one."""
    if not pin:
        return "unpinned"
    if present is None:
        return "uncompared"
    if pin == present:
        return "same"
    try:
        return "breaking" if contracts.compare(pin, present, as_of=as_of.date()).breaking else "compatible"
    except DomainError:
        return "uncompared"


def relation_to_predecessor(version: VersionFacts) -> str:
    before = versions.neighbour_before(version.id)
    return relation(before.contract_digest if before else None, version.contract_digest)


def relation(old: str | None, new: str | None) -> str:
    if old is None:
        return "none"
    if new is None:
        return "uncompared"
    try:
        return upgrade_order.relation(old, new)
    except DomainError:
        return "uncompared"


def worst(relations: Sequence[str]) -> str:
    order = ("uncompared", "breaking", "backward", "forward", "full", "none")
    return min(relations, key=order.index) if relations else "none"
