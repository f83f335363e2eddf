"""A question with the catalog's facts about it, as every part of the evidence reads it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from catalog.domain.facts import VersionFacts
from catalog.selectors.gate_facts import GateApplication
from governance.domain.subject import SubjectFacts


@dataclass(frozen=True, slots=True)
class Asked:
    """`question` is normalised. `versions` holds those that the catalog knows, by reference; `integrations` the facts
    of each integration that somebody registered at exactly the digest of the question, by key."""

    question: Mapping[str, Any]
    as_of: datetime
    versions: Mapping[str, VersionFacts]
    asking: GateApplication
    integrations: Mapping[str, SubjectFacts]
    hidden: frozenset[str] = frozenset()  # what the asker may not see: it is told like what does not exist

    @property
    def environment(self) -> str:
        return str(self.question["environment"])

    @property
    def subjects(self) -> list[str]:
        """The id of everything that the question names, as waivers name it."""
        named = [entry["ref"] for key in ("consumes", "provides") for entry in self.question[key] or ()]
        return [*named, *(entry["ref"] for entry in self.question["integrations"])]


@dataclass(frozen=True, slots=True)
class TouchedItem:
    """One item of the question with the dimensions that freeze windows and rules go by. None (and an empty tuple of
    systems) is unknown."""

    name: str
    tier: int | None
    domain: str | None
    systems: tuple[str, ...]


def touched(asked: Asked) -> list[TouchedItem]:
    """Every item of the question, known or not."""
    found = []
    for key in ("consumes", "provides"):
        for entry in asked.question[key] or ():
            version = asked.versions.get(entry["ref"])
            name = f"version {entry['ref']}"
            if version is None:
                found.append(TouchedItem(name, None, None, ()))
            else:
                systems = (version.system_key,) if version.system_key else ()
                found.append(TouchedItem(name, version.tier, version.domain_key or None, systems))
    for entry in asked.question["integrations"]:
        facts = asked.integrations.get(entry["ref"])
        name = f"integration {entry['ref']}"
        if facts is None:
            found.append(TouchedItem(name, None, None, ()))
        else:
            found.append(TouchedItem(name, facts.tier, facts.domain_key, facts.system_keys))
    return found


def counted(items: Mapping[str, Any] | Sequence[Any]) -> dict[str, Any]:
    """A collection of the evidence: it carries its size, so that a deleted member shows."""
    return {"total": len(items), "items": items}
