"""A question with the catalog's facts about it, as every part of the evidence reads it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.crypto import salted_hmac

from catalog.domain.facts import VersionFacts
from catalog.selectors.gate_asking import GateApplication, GateEnvironment, GateStore, RecentUse
from catalog.selectors.gate_facts import DeclaredNeed
from governance.domain.subject import SubjectFacts
from governance.selectors.records import OwnRecords, ProviderPlaces


@dataclass(frozen=True, slots=True)
class GrantedWaiver:
    """A waiver in force. `digest` is what its approval binds, over all that it says."""

    id: int
    digest: str
    rule: str
    subject_kind: str
    subject_id: str
    subject_digest: str | None
    seen_findings: list[dict[str, Any]] | None
    pointer: str
    application: str
    environment: str
    reason: str
    starts_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Asked:
    """`question` is normalised. `versions` holds those that the catalog knows, by reference: the question's own and
    those that it would take away. `integrations` holds the facts of each integration that somebody registered at
    exactly the digest of the question, by key. `own` and `places` are the records of what runs, `recorded` where
    anything is recorded to run; `stores` those of a fleet, None where rows vanished. `called` is None where reports of
    usage vanished."""

    question: Mapping[str, Any]
    as_of: datetime
    versions: Mapping[str, VersionFacts]
    asking: GateApplication
    there: GateEnvironment
    store: GateStore | None
    integrations: Mapping[str, SubjectFacts]
    own: OwnRecords
    places: Mapping[str, ProviderPlaces]
    called: Mapping[str, RecentUse] | None
    needs: Mapping[int, list[DeclaredNeed] | None]
    waivers: tuple[GrantedWaiver, ...]
    hidden: frozenset[str] = frozenset()
    """What the question names and the asker may not see: it is told like what does not exist."""
    restricted: frozenset[str] = frozenset()
    """What the catalog and the records bring in, and the asker may not see: it counts, without its name."""
    hidden_contracts: frozenset[str] = frozenset()
    """Pins to contracts of what the asker may not see: they are compared like one that nobody knows."""
    kept_back: frozenset[int] = frozenset()
    """Waivers about integrations that the asker may not see."""
    recorded: frozenset[str] = frozenset()
    stores: frozenset[str] | None = frozenset()

    @property
    def environment(self) -> str:
        return str(self.question["environment"])

    @property
    def instance(self) -> str:
        return str(self.question["instance"])

    def told(self, reference: str) -> str:
        """A version or API that the catalog or the records bring in, as the asker is told of it. One that they may not
        see counts without its name, under one that is always its own: two never become one, and a waiver of one is
        never that of another."""
        return f"a restricted API ({_veiled(reference)})" if reference in self.restricted else reference

    def told_consumer(self, application: str, reference: str) -> str:
        """A consumer of that version; who uses what the asker may not see is not named either."""
        return f"a consumer ({_veiled(application)})" if reference in self.restricted else application

    @property
    def known_place(self) -> bool:
        """Whether application and environment exist at all."""
        return self.asking.known and self.there.known

    @property
    def all_recorded(self) -> bool:
        """Whether everything that runs there is recorded, so that no record means that nothing runs."""
        since = self.there.records_complete_since
        return since is not None and since <= self.as_of


def _veiled(name: str) -> str:
    """The same for the same name, and nobody can tell the name from it."""
    return str(salted_hmac("governance.gate_evidence", name).hexdigest()[:16])


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
