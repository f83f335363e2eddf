"""Freeze windows that bear on the question, and what each item of the question says of their dimensions.

A window counts by its own calendar, compiled for the time of the question; the stored occurrences may only add to it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from governance.domain.freeze import EVERYTHING, OF_STORES, FreezeReach
from governance.selectors import freezes
from governance.services.gate_evidence.asked import Asked, TouchedItem, counted, touched


def gather(asked: Asked, carried: Collection[str] = ()) -> dict[str, Any]:
    """By window: its words, its dimensions (`any` where it names none), and what the items do not know of those.
    `all_there` says that no planned window is missing. An integration that a break-glass carries now passes freezes, as
    it does where it is deployed (`approvals.require`): a question about nothing else falls under none."""
    everything = touched(asked)
    items = [item for item in everything if item.name not in {f"integration {key}" for key in carried}]
    found = {}
    for window in freezes.at(asked.as_of, reach_of(items, asked)) if items or not everything else ():
        unknown = _not_known(window.scope, items, asked)
        if unknown is None:
            continue
        found[str(window.id)] = {
            "name": window.name,
            "strictness": window.strictness,
            "compiled": window.compiled,
            "ends_at": window.ends.isoformat() if window.ends else "unknown",
            "dimensions": {key: "any" if value is None else str(value) for key, value in window.scope.items()},
            "unresolved": counted([f"{key} {name[:80]}" for key, name in sorted(window.unresolved.items())]),
            "not_known": counted({name: counted(sorted(missing)) for name, missing in sorted(unknown.items())}),
        }
    return {**counted(found), "all_there": freezes.all_there()}


def reach_of(items: Sequence[TouchedItem], asked: Asked) -> FreezeReach:
    """By dimension the values that some item has: no less than `_not_known` goes by."""
    if not items:
        return EVERYTHING
    tiers, domains = {item.tier for item in items}, {item.domain for item in items}
    stores = {dimension: _of_store(dimension, asked) for dimension in OF_STORES}
    return FreezeReach(
        environments=(asked.environment,),
        tier=None if None in tiers else min(tier for tier in tiers if tier is not None),
        domains=None if None in domains else tuple(sorted(domain for domain in domains if domain is not None)),
        systems=tuple(sorted({key for item in items for key in item.systems}))
        if all(item.systems for item in items)
        else None,
        channels=stores["channel"],
        banners=stores["banner"],
        regions=stores["region"],
        store_zones=stores["store_zone"],
    )


def _of_store(dimension: str, asked: Asked) -> tuple[str, ...] | None:
    """As `_has_store` goes by it."""
    if asked.store is not None:
        value = asked.store.zone if dimension == "store_zone" else getattr(asked.store, dimension)
        return None if value is None else (value,)
    return () if not asked.instance and asked.there.is_fleet is False else None


def _not_known(scope: dict[str, Any], items: Sequence[TouchedItem], asked: Asked) -> dict[str, list[str]] | None:
    """None where the window is about something else: one of its dimensions is known, and no item has that value.
    Otherwise by item the dimensions that nobody can tell; empty where some item has each of them."""
    missing: dict[str, list[str]] = {}
    for dimension, value in scope.items():
        if value is None:
            continue
        said = {item.name: _has(item, dimension, value, asked) for item in items}
        if any(word is True for word in said.values()):
            continue
        unknown = [name for name, word in said.items() if word is None]
        if not unknown:
            return None
        for name in unknown:
            missing.setdefault(name, []).append(dimension)
    return missing


def _has(item: TouchedItem, dimension: str, value: Any, asked: Asked) -> bool | None:
    """Whether the item has this value of the dimension; None: nobody knows."""
    if dimension == "environment":
        return bool(value == asked.environment)
    if dimension == "tier":
        return None if item.tier is None else item.tier <= value
    if dimension == "domain":
        return None if item.domain is None else item.domain == value
    if dimension == "system":
        return value in item.systems if item.systems else None
    return _has_store(dimension, value, asked)


def _has_store(dimension: str, value: str, asked: Asked) -> bool | None:
    """By the store of the instance. Without an instance a release goes to the whole environment: to every store of a
    fleet, and to none where the environment has no stores."""
    if asked.store is not None:
        of_store = asked.store.zone if dimension == "store_zone" else getattr(asked.store, dimension)
        return None if of_store is None else bool(of_store == value)
    if asked.instance:
        return None
    return asked.there.is_fleet
