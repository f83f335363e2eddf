"""What a freeze can be about: registered environments, domains, systems, channels, banners and regions, the time zones
of stores, and tiers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from catalog.domain.typo_correction import nearest
from catalog.selectors import domains, record_matrix, store_scopes, systems
from governance.domain.freeze import DIMENSIONS
from kernel.errors import finding

NAMES = {"store_zone": "store in the time zone"}
_VALUES = ("channel", "banner", "region")


def known() -> dict[str, list[tuple[str, str]]]:
    """Key and name of each value that a dimension of a scope can have."""
    found: dict[str, list[tuple[str, str]]] = {
        "environment": [(key, name) for key, name, _ in systems.environments()],
        "domain": [(domain.key, domain.name) for domain in domains.all_domains()],
        "system": [(system.key, system.name) for system in systems.all_systems()],
        "store_zone": [(zone, zone) for zone in store_scopes.zones()],
    }
    values = record_matrix.scopes()
    return found | {name: [(key, said) for at, key, said in values if at == name] for name in _VALUES}


def findings(scope: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One finding for each dimension whose value is not registered: such a freeze would never hold."""
    found = []
    tier = scope.get("tier")
    if tier is not None and (isinstance(tier, bool) or tier not in range(4)):
        found.append(finding("/tier", "Give a tier from 0 to 3."))
    for name, values in known().items():
        value, keys = scope.get(name), [key for key, _ in values]
        if value is not None and value not in keys:
            found.append(finding(f"/{name}", _unknown(name, str(value), keys)))
    for name, was in (scope.get("unresolved") or {}).items():
        found.append(finding(f"/{name}", f"{unresolved_words(name, was)} Name one that is, or null for all."))
    return found


def columns(scope: Mapping[str, Any]) -> dict[str, Any]:
    """A scope without findings, as the columns of a window hold it."""
    made = {name: scope.get(name) for name in DIMENSIONS if name not in _VALUES}
    keys = {f"{name}_id": made.pop(name) for name in ("environment", "domain", "system")}
    given = {name: scope.get(name) for name in _VALUES}
    return made | keys | {f"{name}_id": store_scopes.value_id(name, v) if v else None for name, v in given.items()}


def unresolved_words(dimension: str, name: str) -> str:
    return f"The {dimension.replace('_', ' ')} {name[:80]!r} is not in the catalog."


def _unknown(name: str, value: str, keys: list[str]) -> str:
    near = nearest(value, keys, limit=1)
    meant = f"Did you mean {near[0]}?" if near else f"Known: {', '.join(keys[:20]) or 'none'}."
    return f"There is no {NAMES.get(name, name)} {value[:80]!r}. {meant}"
