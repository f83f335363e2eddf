"""What the catalog says of an API version, and how two contracts stand to each other."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from catalog.domain.facts import VersionFacts
from catalog.selectors import contracts, gate_asking
from governance.selectors.agreed_breaks import AgreedBreak
from governance.services import upgrade_order
from governance.services.gate_evidence.asked import Asked, counted
from kernel.errors import DomainError

SUGGESTED = 5
"""For so many unknown versions of a question it is looked up what is written alike; each costs as much as all the rest
of a small question."""


def unregistered(references: Iterable[str]) -> dict[str, dict[str, Any]]:
    """The words of those that the catalog does not have, by reference; the first few with what is written alike."""
    unknown = list(references)
    near = gate_asking.near_versions(unknown[:SUGGESTED])
    return {one: {"state": "unregistered", "near": counted(near.get(one, []))} for one in unknown}


def words(asked: Asked, version: VersionFacts) -> dict[str, Any]:
    return {
        "state": version.state,
        "origin": version.origin,
        "judged": version.judged,
        "enforced_from": version.enforced_from.isoformat() if version.enforced_from else "now",
        "owner_team": version.owner_team_key or None,
        "deprecated_at": version.deprecated_at.isoformat() if version.deprecated_at else "never",
        "sunset_at": version.sunset_at.isoformat() if version.sunset_at else "never",
        # One that the asker may not see is none that they could move to.
        "successor": "none"
        if version.successor_reference in asked.restricted
        else version.successor_reference or "none",
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
        found = contracts.compare(pin, present, as_of=as_of.date())
    except DomainError:
        return "uncompared"
    return "breaking" if found.breaking else "uncompared" if found.unread else "compatible"


def agreed_words(found: AgreedBreak | None) -> dict[str, Any] | str:
    """What a consumer agreed to, or `none`."""
    return {"change": found.change, "migrate_by": found.migrate_by.isoformat()} if found else "none"


def relation(old: str | None, new: str | None) -> str:
    """How going from one contract to the other stands to order; a contract that is missing cannot be compared."""
    if old is None or new is None:
        return "uncompared"
    try:
        return upgrade_order.relation(old, new)
    except DomainError:
        return "uncompared"


def worst(relations: Iterable[str]) -> str:
    """The one that asks for most; `none` where nothing is replaced."""
    order: Sequence[str] = ("uncompared", "breaking", "backward", "forward", "full", "none")
    return min(relations, key=order.index, default="none")
