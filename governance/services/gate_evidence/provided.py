"""What the question provides: how it stands to what runs now, what it needs itself, who uses it; and what it takes
away."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

from catalog.domain.facts import VersionFacts
from catalog.selectors import gate_facts
from catalog.selectors.gate_facts import DeclaredNeed, LiveConsumers
from governance.selectors import agreed_breaks, consuming_records, records
from governance.selectors.agreed_breaks import AgreedBreak
from governance.selectors.consuming_records import ConsumerRecords
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
    pins = {entry["ref"]: entry["contract_digest"] for entry in asked.question["provides"]}
    wanted = list(pins)
    known = {reference: asked.versions[reference] for reference in wanted if reference in asked.versions}
    before = {reference: _before(asked, version) for reference, version in known.items()}
    used = {old.id for olds in before.values() for old in olds} | {version.id for version in known.values()}
    live = gate_facts.live_consumers(used, asked.environment) if used else {}
    consuming = consuming_records.consuming(
        [*known, *(old.reference for olds in before.values() for old in olds)], asked.environment, asked.instance
    )
    items: dict[str, Any] = versions.unregistered(reference for reference in wanted if reference not in known)
    for reference, version in known.items():
        olds = before[reference]
        relations = {
            (old.id, old.contract_digest): versions.relation(old.contract_digest, version.contract_digest)
            for old in olds
        }
        lost = ["uncompared"] if _unregistered_before(asked, version) else []
        items[reference] = versions.words(asked, version) | {
            "right": _right(asked, version),
            "contract": _contract(pins[reference], version),
            "tier": "unstated" if version.tier is None else version.tier,
            "relation": versions.worst([*relations.values(), *lost]),
            "dependencies": _dependencies(asked, version, asked.needs[version.api_id]),
            "consumers": _consumers(asked, version, olds, relations, live, consuming),
        }
    return counted(items)


def _before(asked: Asked, version: VersionFacts) -> list[VersionFacts]:
    """Other versions of the same API that the application runs there and the question does not provide, and the version
    itself where it runs with another contract than it has now: each with the contract that runs."""
    running = [asked.versions[reference] for reference in _gone(asked) if reference in asked.versions]
    olds = [old for old in running if old.api_id == version.api_id]
    for ran in asked.own.other_contracts:
        olds += [replace(one, contract_digest=ran.digest) for one in (*olds, version) if one.reference == ran.reference]
    return olds


def _gone(asked: Asked) -> list[str]:
    kept = {entry["ref"] for entry in asked.question["provides"]}
    return sorted((asked.own.replaced | asked.own.beside) - kept)


def _unregistered_before(asked: Asked, version: VersionFacts) -> bool:
    """Whether it runs a version of the API that the catalog does not know."""
    slug = version.api_slug
    return any(r not in asked.versions and r.partition("@")[0] == slug for r in _gone(asked))


def _contract(pin: str, version: VersionFacts) -> str:
    """Whether what is built is the version as the catalog has it: everything else here is judged by that contract."""
    if not pin:
        return "unpinned"
    return "same" if pin == version.contract_digest else "another"


def _right(asked: Asked, version: VersionFacts) -> str:
    if not asked.asking.known:
        return "unasked"
    if version.owner_team_id is not None and version.owner_team_id == asked.asking.team_id:
        return "owner"
    return "granted" if version.api_id in asked.asking.granted_apis else "none"


def _dependencies(asked: Asked, version: VersionFacts, needs: list[DeclaredNeed] | None) -> dict[str, Any] | None:
    """What it cannot answer without, with the tier of each: declared in the catalog, or consumed by the question
    itself. What is declared as soft is left out. None: rows vanished."""
    if needs is None:
        return None
    soft = {need.slug for need in needs if not need.hard}
    tiers = {need.slug: need.tier for need in needs if need.hard}
    for entry in asked.question["consumes"] or ():
        used = asked.versions.get(entry["ref"])
        if used is not None and used.api_slug not in soft and used.api_id != version.api_id:
            tiers[used.api_slug] = used.tier
    return counted({asked.told(slug): "unstated" if tiers[slug] is None else tiers[slug] for slug in sorted(tiers)})


def _consumers(
    asked: Asked,
    version: VersionFacts,
    before: list[VersionFacts],
    relations: dict[tuple[int, str | None], str],
    live: dict[int, LiveConsumers | None],
    consuming: dict[str, ConsumerRecords],
) -> dict[str, Any] | None:
    """Live consumers of the version itself, and of those that this release replaces. `ready`: of what it uses nothing
    asks that it moves first, or in each place of the question its recorded releases use the new version already. None:
    rows vanished, so that nobody knows them all."""
    moves_first = [old.reference for old in before if relations[old.id, old.contract_digest] == "backward"]
    found: dict[str, Any] = {}
    for old in (*before, version):
        verdict = "same" if old is version else _VERDICTS.get(relations[old.id, old.contract_digest], "uncompared")
        elsewhere = _elsewhere(asked, old, consuming)
        users = _users(asked, old.reference, old, live[old.id], consuming)
        if users is None:
            return None
        agreed = _agreed(asked, version, old) if verdict == "breaking" else {}
        for application, seen in users.items():
            if application in elsewhere:
                continue
            before_it = found.get(application)
            found[application] = {
                "verdict": verdict,
                "ready": old.reference not in moves_first or _ready(consuming.get(application), version, moves_first),
                "last_seen": seen.isoformat() if seen else "never",
                "agreed": versions.agreed_words(agreed.get(application)),
            }
            if before_it is not None:
                ready = _both(before_it["ready"], found[application]["ready"])
                worse = max(found[application], before_it, key=lambda use: _gravity(asked, use))
                found[application] = worse | {"ready": ready}
    return counted(found)


def _users(
    asked: Asked,
    reference: str,
    version: VersionFacts | None,
    live: LiveConsumers | None,
    consuming: dict[str, ConsumerRecords],
) -> LiveConsumers | None:
    """Who would notice its end: who subscribed or called, and who is recorded to run with it. The application that asks
    is one of them with what it does not replace; what this release itself uses is judged by what will run."""
    if live is None:
        return None
    recorded = [one for one, found in consuming.items() if found.uses(reference) and one not in live]
    found = live | dict.fromkeys(recorded)
    itself = asked.question["application"]
    return found if _stays(asked, reference, version) else {one: at for one, at in found.items() if one != itself}


def _stays(asked: Asked, reference: str, version: VersionFacts | None) -> bool:
    """Whether the application that asks goes on using it elsewhere, or in a release beside."""
    of_instance = asked.instance and version is not None and version.per_instance
    return reference in (asked.own.staying_here if of_instance else asked.own.staying)


def _both(one: bool | None, other: bool | None) -> bool | None:
    """Who has to move away from one of two versions is not ready; of one of which nobody knows nothing follows."""
    return False if False in (one, other) else None if None in (one, other) else True


def _gravity(asked: Asked, use: dict[str, Any]) -> tuple[int, int]:
    """Who uses several of the replaced versions is judged by what is worst for it; of two agreements, by the one that
    ends first."""
    verdict, agreed = use["verdict"], use["agreed"]
    if verdict != "breaking":
        return ("same", "compatible", "uncompared").index(verdict) * 2, 0
    until = None if agreed == "none" else date.fromisoformat(agreed["migrate_by"])
    if until is None or until < asked.as_of.date():
        return 5, 0
    return 3, -until.toordinal()


def _agreed(asked: Asked, version: VersionFacts, old: VersionFacts) -> dict[str, AgreedBreak]:
    return agreed_breaks.agreed(version.reference, old.contract_digest, version.contract_digest, asked.environment)


def _ready(records_of_it: ConsumerRecords | None, version: VersionFacts, replaced: list[str]) -> bool | None:
    return records_of_it is not None and records_of_it.upgraded(version.reference, replaced)


def _elsewhere(asked: Asked, version: VersionFacts, consuming: dict[str, ConsumerRecords]) -> set[str]:
    """Consumers that run on other instances only, of an API that each instance has a provider of its own for."""
    if not asked.instance or not version.per_instance:
        return set()
    return {application for application, one in consuming.items() if one.only_elsewhere(version.reference)}


def gather_replaced(asked: Asked) -> dict[str, Any]:
    """What runs there of the application that asks. `recorded`: as its records say. `nothing`: everything that runs
    there is recorded, and this is not. `cannot`: it provides nothing, and has no right to."""
    own = asked.own
    if not own.sound or not asked.known_place:
        return {"known": None if asked.known_place else "unasked", "versions": counted([])}
    if own.here:
        known = "recorded"
    elif asked.all_recorded:
        known = "nothing"
    else:
        known = "unrecorded" if asked.question["provides"] or asked.asking.may_provide else "cannot"
    hidden_and_kept = own.replaced.intersection(asked.restricted) - set(_taken(asked))
    return {"known": known, "versions": counted(sorted(asked.told(r) for r in own.replaced - hidden_and_kept))}


def _taken(asked: Asked) -> list[str]:
    """What the release that is replaced provides, and the question provides no version of."""
    kept = {entry["ref"].partition("@")[0] for entry in asked.question["provides"]}
    return sorted(reference for reference in asked.own.replaced if reference.partition("@")[0] not in kept)


def gather_withdrawn(asked: Asked) -> dict[str, Any]:
    """What this release takes away from every live consumer, unless somebody else provides it there as well. What the
    asker may not see is judged like the rest."""
    gone = _taken(asked)
    if not gone:
        return counted({})
    known = gate_facts.versions(gone)
    still = records.still_provided(
        gone,
        beside=asked.question["application"],
        environment=asked.environment,
        instance=asked.instance,
        anywhere={version.api_slug for version in known.values() if version.per_instance is False},
        each={version.api_slug for version in known.values() if version.per_instance},
    )
    live = gate_facts.live_consumers({version.id for version in known.values()}, asked.environment)
    consuming = consuming_records.consuming(gone, asked.environment, asked.instance)
    return counted({asked.told(r): _taken_away(asked, r, known.get(r), r in still, live, consuming) for r in gone})


def _taken_away(
    asked: Asked,
    reference: str,
    version: VersionFacts | None,
    still: bool,
    live: dict[int, LiveConsumers | None],
    consuming: dict[str, ConsumerRecords],
) -> dict[str, Any]:
    alive = _users(asked, reference, version, live[version.id] if version is not None else None, consuming)
    if version is None or alive is None:
        return {"provided": "still" if still else "no_more", "consumers": None}
    elsewhere = _elsewhere(asked, version, consuming)
    users = {
        asked.told_consumer(application, reference): {"last_seen": seen.isoformat() if seen else "never"}
        for application, seen in alive.items()
        if application not in elsewhere
    }
    return {"provided": "still" if still else "no_more", "consumers": counted(users)}
