"""What the question provides: how it stands to what runs now, what it needs itself, who uses it; and what it takes
away."""

from __future__ import annotations

from typing import Any

from catalog.domain.facts import VersionFacts
from catalog.selectors import gate_facts
from governance.selectors import records
from governance.services.gate_evidence import versions
from governance.services.gate_evidence.asked import Asked, counted

_VERDICTS = {
    "none": "same",
    "full": "compatible",
    "forward": "compatible",
    "backward": "compatible",
    "breaking": "breaking",
}


def gather(asked: Asked) -> dict[str, Any]:
    wanted = [entry["ref"] for entry in asked.question["provides"]]
    known = {reference: asked.versions[reference] for reference in wanted if reference in asked.versions}
    before = {reference: _before(asked, version) for reference, version in known.items()}
    needs = gate_facts.needs({version.api_id for version in known.values()}) if known else {}
    used = {old.id for olds in before.values() for old in olds} | {version.id for version in known.values()}
    live = gate_facts.live_consumers(used, asked.environment) if used else {}
    consuming = records.consuming(
        [*known, *(old.reference for olds in before.values() for old in olds)], asked.environment, asked.instance
    )
    items: dict[str, Any] = {}
    for reference in wanted:
        version = known.get(reference)
        if version is None:
            items[reference] = versions.unregistered(reference)
            continue
        olds = before[reference]
        relations = {old.id: versions.relation(old.contract_digest, version.contract_digest) for old in olds}
        lost = ["uncompared"] if _unregistered_before(asked, version) else []
        items[reference] = versions.words(version) | {
            "right": _right(asked, version),
            "tier": "unstated" if version.tier is None else version.tier,
            "relation": versions.worst([*relations.values(), *lost]),
            "dependencies": counted(_dependencies(asked, version, needs[version.api_id])),
            "consumers": counted(_consumers(asked, version, olds, relations, live, consuming)),
        }
    return counted(items)


def _before(asked: Asked, version: VersionFacts) -> list[VersionFacts]:
    """Other versions of the same API that the application runs there and the question does not provide."""
    running = [asked.versions[reference] for reference in _gone(asked) if reference in asked.versions]
    return [old for old in running if old.api_id == version.api_id]


def _gone(asked: Asked) -> list[str]:
    kept = {entry["ref"] for entry in asked.question["provides"]}
    return sorted((asked.own.replaced | asked.own.beside) - kept)


def _unregistered_before(asked: Asked, version: VersionFacts) -> bool:
    """Whether it runs a version of the API that the catalog does not know."""
    slug = version.api_slug
    return any(r not in asked.versions and r.partition("@")[0] == slug for r in _gone(asked))


def _right(asked: Asked, version: VersionFacts) -> str:
    if not asked.asking.known:
        return "unasked"
    if version.owner_team_id is not None and version.owner_team_id == asked.asking.team_id:
        return "owner"
    return "granted" if version.api_id in asked.asking.granted_apis else "none"


def _dependencies(asked: Asked, version: VersionFacts, needs: list[gate_facts.DeclaredNeed]) -> dict[str, Any]:
    """What it cannot answer without, with the tier of each: declared in the catalog, or consumed by the question
    itself. What is declared as soft is left out."""
    soft = {need.slug for need in needs if not need.hard}
    tiers = {need.slug: need.tier for need in needs if need.hard}
    for entry in asked.question["consumes"] or ():
        used = asked.versions.get(entry["ref"])
        if used is not None and used.api_slug not in soft and used.api_id != version.api_id:
            tiers[used.api_slug] = used.tier
    return {slug: "unstated" if tiers[slug] is None else tiers[slug] for slug in sorted(tiers)}


def _consumers(
    asked: Asked,
    version: VersionFacts,
    before: list[VersionFacts],
    relations: dict[int, str],
    live: dict[int, dict[str, Any]],
    consuming: dict[str, dict[str, bool]],
) -> dict[str, Any]:
    """Live consumers of the version itself, and of those that this release replaces. `ready`: a recorded release of
    the consumer uses the new version already."""
    upgraded = consuming[version.reference]
    found: dict[str, Any] = {}
    for old in (*before, version):
        verdict = "same" if old is version else _VERDICTS.get(relations[old.id], "uncompared")
        elsewhere = _elsewhere(asked, old, consuming)
        for application, seen in live[old.id].items():
            if application in elsewhere or found.get(application, {"verdict": "same"})["verdict"] != "same":
                continue
            found[application] = {
                "verdict": verdict,
                "ready": old is version or application in upgraded,
                "last_seen": seen.isoformat() if seen else "never",
            }
    return found


def _elsewhere(asked: Asked, version: VersionFacts, consuming: dict[str, dict[str, bool]]) -> set[str]:
    """Consumers that run on other instances only, of an API that each instance has a provider of its own for."""
    if not asked.instance or not version.per_instance:
        return set()
    return {application for application, here in consuming[version.reference].items() if not here}


def gather_replaced(asked: Asked) -> dict[str, Any]:
    """What runs there of the application that asks. `recorded`: as its records say. `nothing`: everything that runs
    there is recorded, and this is not. `cannot`: it provides nothing, and has no right to."""
    own = asked.own
    if not own.sound or not asked.known_place:
        return {"known": None if asked.known_place else "unasked", "versions": counted([])}
    if own.replaced & asked.hidden:
        return {"known": "unrecorded", "versions": counted([])}
    if own.here:
        known = "recorded"
    elif asked.all_recorded:
        known = "nothing"
    else:
        known = "unrecorded" if asked.question["provides"] or asked.asking.may_provide else "cannot"
    return {"known": known, "versions": counted(sorted(own.replaced))}


def gather_withdrawn(asked: Asked) -> dict[str, Any]:
    """What the release that is replaced provides, and the question provides no version of: taken away for every live
    consumer, unless somebody else provides it there as well."""
    kept = {entry["ref"].partition("@")[0] for entry in asked.question["provides"]}
    gone = sorted(reference for reference in asked.own.replaced if reference.partition("@")[0] not in kept)
    if not gone or asked.own.replaced & asked.hidden:
        return counted({})
    known = {reference: asked.versions[reference] for reference in gone if reference in asked.versions}
    still = records.still_provided(
        gone,
        beside=asked.question["application"],
        environment=asked.environment,
        instance=asked.instance,
        anywhere={version.api_slug for version in known.values() if version.per_instance is False},
    )
    live = gate_facts.live_consumers({version.id for version in known.values()}, asked.environment)
    consuming = records.consuming(gone, asked.environment, asked.instance)
    return counted({r: _taken_away(asked, r, known.get(r), r in still, live, consuming) for r in gone})


def _taken_away(
    asked: Asked,
    reference: str,
    version: VersionFacts | None,
    still: bool,
    live: dict[int, dict[str, Any]],
    consuming: dict[str, dict[str, bool]],
) -> dict[str, Any]:
    if version is None:
        return {"provided": "still" if still else "no_more", "consumers": None}
    elsewhere = _elsewhere(asked, version, consuming)
    users = {
        application: {"last_seen": seen.isoformat() if seen else "never"}
        for application, seen in live[version.id].items()
        if application not in elsewhere and application != asked.question["application"]
    }
    return {"provided": "still" if still else "no_more", "consumers": counted(users)}
