"""Freeze windows that bear on the question, and what each item of the question says of their dimensions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from governance.domain.freeze import FreezeScope
from governance.selectors import freezes
from governance.services.gate_evidence.asked import Asked, TouchedItem, counted, touched


def gather(asked: Asked) -> dict[str, Any]:
    """By window: its words, its dimensions (`any` where it names none), and which of them an item does not know."""
    items = touched(asked)
    found = {
        str(o.id): {
            "name": o.name,
            "strictness": o.strictness,
            "compiled": True,
            "ends_at": o.ends.isoformat(),
            "dimensions": {key: "any" if value is None else str(value) for key, value in o.scope.items()},
            "not_known": counted({item.name: dims for item in items if (dims := _not_known(item, o.scope))}),
        }
        for o in freezes.active(_scope(asked.environment, items), asked.as_of)
    }
    return counted(found)


def _scope(environment: str, items: Sequence[TouchedItem]) -> FreezeScope:
    levels = [item.tier for item in items]
    domains = {item.domain for item in items}
    return FreezeScope(
        environment,
        None if not levels or None in levels else min(level for level in levels if level is not None),
        next(iter(domains)) if len(domains) == 1 else None,
        tuple(sorted({system for item in items for system in item.systems})),
    )


def _not_known(item: TouchedItem, dimensions: dict[str, Any]) -> dict[str, Any]:
    """The dimensions that the window names and this item does not have, as a counted list; empty where there are
    none."""
    known = {"tier": item.tier is not None, "domain": item.domain is not None, "system": bool(item.systems)}
    missing = sorted(key for key, is_known in known.items() if dimensions[key] is not None and not is_known)
    return counted(missing) if missing else {}
