"""A question with the catalog's facts about it, as every part of the evidence reads it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from catalog.domain.facts import VersionFacts
from catalog.selectors.gate_asking import GateApplication, GateEnvironment, GateStore, RecentUse
from governance.domain.subject import SubjectFacts
from governance.selectors.records import OwnRecords, ProviderPlaces


@dataclass(frozen=True, slots=True)
class Asked:
    """`question` is normalised. `versions` holds those that the catalog knows, by reference: the question's own and
    those that it would take away. `integrations` holds the facts of each integration that somebody registered at
    exactly the digest of the question, by key. `own` and `places` are the records of what runs."""

    question: Mapping[str, Any]
    as_of: datetime
    versions: Mapping[str, VersionFacts]
    asking: GateApplication
    there: GateEnvironment
    store: GateStore | None
    integrations: Mapping[str, SubjectFacts]
    own: OwnRecords
    places: Mapping[str, ProviderPlaces]
    called: Mapping[str, RecentUse]
    hidden: frozenset[str] = frozenset()  # what the asker may not see: it is told like what does not exist

    @property
    def environment(self) -> str:
        return str(self.question["environment"])

    @property
    def instance(self) -> str:
        return str(self.question["instance"])

    @property
    def known_place(self) -> bool:
        """Whether application and environment exist at all."""
        return self.asking.known and self.there.known

    @property
    def all_recorded(self) -> bool:
        """Whether everything that runs there is recorded, so that no record means that nothing runs."""
        since = self.there.records_complete_since
        return since is not None and since <= self.as_of

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
