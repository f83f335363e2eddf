"""What the question consumes: subscriptions, pins, and whether somebody provides it here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from catalog.domain.facts import VersionFacts
from governance.services.gate_evidence import versions
from governance.services.gate_evidence.asked import Asked, counted
from kernel import prepared_queries


def gather(asked: Asked) -> dict[str, Any]:
    wanted = asked.question["consumes"] or ()
    mine = {entry["ref"]: asked.versions[entry["ref"]] for entry in wanted if entry["ref"] in asked.versions}
    providers = _providers(mine, asked.environment) if mine else {}
    items: dict[str, Any] = {}
    for entry in wanted:
        version = mine.get(entry["ref"])
        if version is None:
            items[entry["ref"]] = dict(versions.UNREGISTERED)
            continue
        provider = providers[entry["ref"]]
        items[entry["ref"]] = versions.words(version) | {
            "subscription": asked.asking.states[version.id],
            "contract": versions.pinned(entry["contract_digest"], version.contract_digest, asked.as_of),
            "provider": provider,
            "relation": versions.relation_to_predecessor(version) if provider == "missing" else "not_needed",
        }
    return counted(items)


_PROVIDERS = """
select 'running', p.name from governance_applicationrelease r cross join unnest(r.provides) p (name)
 where r.environment = %(environment)s
   and r.ended_at is null
   and r.provides && %(versions)s::varchar[]
   and p.name = any(%(versions)s)
union
select 'ours', p.name from governance_applicationrelease r cross join unnest(r.provided_apis) p (name)
 where r.provided_apis && %(apis)s::varchar[] and p.name = any(%(apis)s)
"""


def _providers(mine: Mapping[str, VersionFacts], environment: str) -> dict[str, str]:
    """`running`: a recorded application provides it here. `external`: no record says that one of ours provides this
    API.
    """
    asked = {"environment": environment, "versions": list(mine), "apis": sorted({v.api_slug for v in mine.values()})}
    found = set(prepared_queries.rows(_PROVIDERS, asked))
    return {
        reference: "running"
        if ("running", reference) in found
        else "missing"
        if ("ours", version.api_slug) in found
        else "external"
        for reference, version in mine.items()
    }
