"""What the question consumes: subscriptions, pins, and whether somebody provides it here."""

from __future__ import annotations

from typing import Any

from catalog.domain.facts import VersionFacts
from catalog.selectors import gate_facts
from governance.selectors import agreed_breaks
from governance.selectors.records import ProviderPlaces, RanContract
from governance.services.gate_evidence import versions
from governance.services.gate_evidence.asked import Asked, counted

NAMED_AT_MOST = 20


def gather(asked: Asked) -> dict[str, Any]:
    entries = {entry["ref"]: entry for entry in asked.question["consumes"] or ()}
    items: dict[str, Any] = versions.unregistered(reference for reference in entries if reference not in asked.versions)
    for reference, entry in entries.items():
        if reference in asked.versions:
            items[reference] = _one(asked, entry, asked.versions[reference])
    return counted(items)


def _one(asked: Asked, entry: dict[str, str], version: VersionFacts) -> dict[str, Any]:
    pin = entry["contract_digest"]
    unknown = pin in asked.hidden_contracts
    contract = "uncompared" if unknown else versions.pinned(pin, version.contract_digest, asked.as_of)
    agreed = None
    if contract == "breaking":
        found = agreed_breaks.agreed(
            version.reference, entry["contract_digest"], version.contract_digest, asked.environment
        )
        agreed = found.get(str(asked.question["application"]))
    return versions.words(asked, version) | {
        "subscription": asked.asking.states[version.id] if asked.known_place else "unasked",
        "contract": contract,
        "agreed": versions.agreed_words(agreed),
        "pins": version.pins or "unstated",
        **_provider(asked, version),
    }


def _provider(asked: Asked, version: VersionFacts) -> dict[str, Any]:
    """`running`: in every place that counts for the question somebody runs this version. `older`: in at least one of
    them only other versions of the API run; `relation` is the worst of theirs to this one. `unserved` names instances
    in which nobody is recorded to run the API."""
    places = asked.places[version.api_slug]
    if not places.sound:
        return {"provider": None, "runs": None, "relation": None, "unserved": None}
    relevant = _relevant(places, version.per_instance, asked.instance)
    lacking = [there for there in relevant if version.reference not in there]
    runs = sorted({name for there in lacking for name in there})
    if lacking:
        told = [RanContract.of(name).told() if " " in name else name for name in runs]
        relation = _relation_to(runs, version)
        return {"provider": "older", "runs": counted(told), "relation": relation, "unserved": counted([])}
    unserved = [] if asked.instance else _unserved(asked, places, version.per_instance)
    if unserved is None:
        return {"provider": None, "runs": None, "relation": None, "unserved": None}
    return {
        "provider": "running" if relevant and not unserved else _where_nothing_is_recorded(asked, version),
        "runs": counted([]),
        "relation": "not_needed",
        "unserved": counted(unserved[:NAMED_AT_MOST]),
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


def _unserved(asked: Asked, places: ProviderPlaces, per_instance: bool | None) -> list[str] | None:
    """A release without an instance goes to all: to every store of a fleet, to wherever else something runs there (a
    store that was retired and still has something), and wherever the application runs. A provider for no single one of
    them serves none where each has its own. None: nobody knows them all."""
    if per_instance is False or not (places.elsewhere or places.central) or (places.central and not per_instance):
        return []
    if asked.stores is None:
        return None
    fleet = asked.stores | asked.recorded if asked.there.is_fleet else frozenset()
    return sorted((fleet | asked.own.instances) - places.instances)


def _where_nothing_is_recorded(asked: Asked, version: VersionFacts) -> str:
    if version.third_party:
        return "third_party"
    return "none" if asked.all_recorded else "unrecorded"


def _relation_to(runs: list[str], version: VersionFacts) -> str:
    """A version that is not in the catalog any more, or has no contract, cannot be compared."""
    known = gate_facts.versions(name for name in runs if " " not in name)
    old = [RanContract.of(name).digest if name not in known else known[name].contract_digest for name in runs]
    return versions.worst(versions.relation(digest, version.contract_digest) for digest in old)
