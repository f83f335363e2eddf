"""What the question provides: how it stands to what runs now, what it needs itself, and who uses it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from catalog.domain.facts import VersionFacts
from catalog.selectors import consumers, dependencies, gate_facts
from governance.models import ApplicationRelease
from governance.services.gate_evidence import versions
from governance.services.gate_evidence.asked import Asked, counted


def gather(asked: Asked) -> dict[str, Any]:
    question, known, environment = asked.question, asked.versions, asked.environment
    wanted = {entry["ref"] for entry in question["provides"]}
    running = ApplicationRelease.objects.filter(
        application=question["application"], environment=environment, ended_at=None
    )
    replaced = (
        {ref for listed in running.values_list("provides", flat=True) for ref in listed} - wanted if wanted else set()
    )
    gone = gate_facts.versions(replaced) if replaced else {}
    items: dict[str, Any] = {}
    for reference in sorted(wanted):
        version = known.get(reference)
        if version is None:
            items[reference] = dict(versions.UNREGISTERED)
            continue
        before = [v for v in gone.values() if v.api_slug == version.api_slug]
        items[reference] = versions.words(version) | {
            "relation": versions.worst([versions.relation(v.contract_digest, version.contract_digest) for v in before]),
            "weaker_dependencies": counted(sorted(d.target_key for d in dependencies.weaker_dependencies(version.id))),
            "consumers": counted(_consumers(version, before, environment)),
        }
    return counted(items)


def _consumers(version: VersionFacts, before: Sequence[VersionFacts], environment: str) -> dict[str, Any]:
    """Live consumers of the version itself, and of those that this release takes away."""
    found: dict[str, Any] = {}
    upgraded = _upgraded(version.reference, environment) if any(old.id != version.id for old in before) else set()
    for old in (*before, version):
        relation = versions.relation(old.contract_digest, version.contract_digest)
        verdict = {
            "none": "same",
            "full": "compatible",
            "forward": "compatible",
            "backward": "compatible",
            "breaking": "breaking",
        }.get(relation, "uncompared")
        for consumer in consumers.live_of_version(old.id, environment=environment):
            if consumer.application_key in found and found[consumer.application_key]["verdict"] != "same":
                continue
            found[consumer.application_key] = {
                "verdict": verdict,
                "ready": old.id == version.id or consumer.application_key in upgraded,
                "last_seen": consumer.last_seen_at.isoformat() if consumer.last_seen_at else "never",
            }
    return found


def _upgraded(reference: str, environment: str) -> set[str]:
    """Applications whose running release there consumes this version already."""
    rows = ApplicationRelease.objects.filter(environment=environment, ended_at=None, consumes__contains=[reference])
    return set(rows.values_list("application", flat=True))
