"""What the question consumes: subscriptions, pins, and whether somebody provides it here."""

from __future__ import annotations

from typing import Any

from catalog.domain.facts import VersionFacts
from catalog.selectors import gate_facts
from governance.selectors.records import ProviderPlaces
from governance.services.gate_evidence import versions
from governance.services.gate_evidence.asked import Asked, counted


def gather(asked: Asked) -> dict[str, Any]:
    items: dict[str, Any] = {}
    for entry in asked.question["consumes"] or ():
        version = asked.versions.get(entry["ref"])
        items[entry["ref"]] = versions.unregistered(entry["ref"]) if version is None else _one(asked, entry, version)
    return counted(items)


def _one(asked: Asked, entry: dict[str, str], version: VersionFacts) -> dict[str, Any]:
    return versions.words(version) | {
        "subscription": asked.asking.states[version.id] if asked.known_place else "unasked",
        "contract": versions.pinned(entry["contract_digest"], version.contract_digest, asked.as_of),
        "pins": version.pins or "advised",
        **_provider(asked, version),
    }


def _provider(asked: Asked, version: VersionFacts) -> dict[str, Any]:
    """`running`: in every place that counts for the question somebody runs this version. `older`: in at least one of
    them only other versions of the API run; `relation` is the worst of theirs to this one."""
    places = asked.places[version.api_slug]
    if not places.sound:
        return {"provider": None, "runs": None, "relation": None}
    relevant = _relevant(places, version.per_instance, asked.instance)
    lacking = [there for there in relevant if version.reference not in there]
    runs = sorted({reference for there in lacking for reference in there})
    if lacking:
        return {"provider": "older", "runs": counted(runs), "relation": _relation_to(runs, version)}
    return {
        "provider": "running" if relevant else _where_nothing_is_recorded(asked, version),
        "runs": counted([]),
        "relation": "not_needed",
    }


def _relevant(places: ProviderPlaces, per_instance: bool | None, instance: str) -> tuple[frozenset[str], ...]:
    """The places that must serve the question, each with what runs there. A store is served by its own provider or by
    a central one; where the API is declared to have one for each instance, by its own alone; where it is declared to
    have one for all, by any."""
    everything = places.here + places.central + places.elsewhere
    if per_instance is False:
        return (frozenset().union(*everything),) if everything else ()
    if not instance:
        return everything
    if per_instance:
        return places.here
    return places.here or places.central


def _where_nothing_is_recorded(asked: Asked, version: VersionFacts) -> str:
    if version.third_party:
        return "third_party"
    return "none" if asked.all_recorded else "unrecorded"


def _relation_to(runs: list[str], version: VersionFacts) -> str:
    """A version that is not in the catalog any more, or has no contract, cannot be compared."""
    known = gate_facts.versions(runs)
    old = [known[reference].contract_digest if reference in known else None for reference in runs]
    return versions.worst(versions.relation(digest, version.contract_digest) for digest in old)
