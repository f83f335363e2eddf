"""What a freeze can be about: registered environments, domains, systems, channels and banners, and tiers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from catalog.domain.typo_correction import nearest
from catalog.selectors import domains, record_matrix, systems
from kernel.errors import finding


def known() -> dict[str, list[tuple[str, str]]]:
    """Key and name of each value that a dimension of a scope can have."""
    found: dict[str, list[tuple[str, str]]] = {
        "environment": [(key, name) for key, name, _ in systems.environments()],
        "domain": [(domain.key, domain.name) for domain in domains.all_domains()],
        "system": [(system.key, system.name) for system in systems.all_systems()],
    }
    values = record_matrix.scopes()
    return found | {name: [(key, said) for at, key, said in values if at == name] for name in ("channel", "banner")}


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
    return found


def _unknown(name: str, value: str, keys: list[str]) -> str:
    near = nearest(value, keys, limit=1)
    meant = f"Did you mean {near[0]}?" if near else f"Known: {', '.join(keys[:20]) or 'none'}."
    return f"There is no {name} {value[:80]!r}. {meant}"
