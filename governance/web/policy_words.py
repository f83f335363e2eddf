"""A policy's rules in words: what a rule looks at and whom it asks. Keys that nobody knows here are shown as they
stand.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

_PEOPLE = {
    "owner": ("owner", "owners"),
    "owner_of_record": ("owner of the system of record", "owners of the systems of record"),
    "architect": ("architect", "architects"),
    "security": ("security reviewer", "security reviewers"),
    "release_manager": ("release manager", "release managers"),
    "consumer_owner": ("owner of each consumer", "owners of each consumer"),
}
_CONDITIONS = {
    "kinds": "change",
    "environments": "environment",
    "tiers": "tier",
    "data_classes": "data",
    "entities": "entity",
    "consumers_at_least": "consumers, at least",
    "breaking": "breaking",
    "unknown_impact": "affected consumers unknown",
}


def people(key: str, count: int) -> str:
    """`2 architects`, `1 member of price`."""
    if key.startswith("team:"):
        return f"{count} member{'s' if count != 1 else ''} of {key.removeprefix('team:')}"
    one, many = _PEOPLE.get(key, (key, key))
    return f"{count} {one if count == 1 else many}"


def rules(found: Iterable[Mapping[str, Any]], kinds: Mapping[str, str]) -> list[dict[str, Any]]:
    """Each rule with `when` as `(label, words)` pairs and `asks` as sentences; `kinds` names the kinds of change."""
    return [
        dict(rule)
        | {
            "when": [
                (_CONDITIONS.get(key, key), _value(value, kinds)) for key, value in (rule.get("when") or {}).items()
            ],
            "asks": ", ".join(people(key, count) for key, count in (rule.get("slots") or {}).items()),
        }
        for rule in found
    ]


def _value(value: Any, kinds: Mapping[str, str]) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(kinds.get(str(item), str(item)) for item in value)
    return str(value)
