"""What a change of the catalog proposes: its parameters put into the documents, and how old and new are compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from catalog.domain.facts import VersionFacts
from catalog.selectors import contracts, gate_facts, systems, tiers
from governance.domain.kinds import SubjectComparison
from governance.domain.subject import Subject, SubjectFacts
from kernel import moments
from kernel.errors import Invalid, finding
from kernel.viewer import Viewer

_LEVELS = {"breaking": "breaking", "warning": "attention", "info": "compatible"}


def deprecation(subject: Subject, facts: SubjectFacts, parameters: Mapping[str, Any]) -> SubjectFacts:
    version: VersionFacts = facts.extras["version"]
    old = {
        "state": version.state,
        "deprecated_at": version.deprecated_at.isoformat() if version.deprecated_at else None,
        "sunset_at": version.sunset_at.isoformat() if version.sunset_at else None,
        "successor": _open_name(version.successor_reference) or None,
        "migration_guide": version.migration_guide or None,
    }
    new = old | {
        "state": "deprecated",
        "sunset_at": parameters.get("sunset_at"),
        "successor": parameters.get("successor") or old["successor"],
        "migration_guide": parameters.get("guide") or old["migration_guide"],
    }
    least = "medium" if facts.consumers_affected else facts.least_risk
    return replace(facts, old=old, new=new, least_risk=least, extras={**facts.extras, "parameters": dict(parameters)})


def _open_name(successor: str) -> str:
    """The present successor, which nobody has to see who sees the change: a restricted one is not named."""
    hidden = successor and gate_facts.hidden_apis([successor.partition("@")[0]], Viewer())
    return "a restricted API" if hidden else successor


def retirement(subject: Subject, facts: SubjectFacts, parameters: Mapping[str, Any]) -> SubjectFacts:
    least = "medium" if facts.consumers_affected else facts.least_risk
    return replace(facts, old={"state": facts.extras["version"].state}, new={"state": "retired"}, least_risk=least)


def boundary_move(subject: Subject, facts: SubjectFacts, parameters: Mapping[str, Any]) -> SubjectFacts:
    """The owners of the new system of record must approve too."""
    to = systems.by_key(str(parameters.get("system", "")))
    owners = facts.owner_team_ids + ((to.owner_team_id,) if to and to.owner_team_id else ())
    new = {**facts.old, "moves_to": parameters.get("system"), "from": parameters.get("valid_from")}
    return replace(
        facts,
        new=new,
        owner_team_ids=tuple(dict.fromkeys(owners)),
        system_keys=tuple(dict.fromkeys((*facts.system_keys, *([to.key] if to else [])))),
        extras={**facts.extras, "to": to, "parameters": dict(parameters)},
    )


def tier_change(subject: Subject, facts: SubjectFacts, parameters: Mapping[str, Any]) -> SubjectFacts:
    """The more critical of both tiers decides who must approve."""
    wanted = parameters.get("tier")
    known = isinstance(wanted, int) and tiers.by_level(wanted) is not None
    present = facts.tier
    gravest = min(t for t in (present, wanted) if isinstance(t, int)) if known and present is not None else None
    return replace(
        facts,
        tier=gravest,
        new={**facts.old, "tier": wanted},
        extras={**facts.extras, "wanted": wanted if known else None},
    )


def compare_contracts(subject: Subject, facts: SubjectFacts, as_of: datetime) -> SubjectComparison | None:
    """The contract engine's findings; None where two contracts cannot be compared: unknown, not harmless."""
    if facts.base_digest is None:
        return SubjectComparison((), "first version: nothing to compare with")
    if facts.digest is None:
        return None
    try:
        compared = contracts.compare(facts.base_digest, facts.digest, as_of=as_of.date())
    except Invalid:
        return None
    return SubjectComparison(
        tuple(
            {
                "id": f"d{n}",
                "rule": f.rule,
                "level": _LEVELS.get(f.level, "attention"),
                "pointer": f.pointer,
                "message": f.message,
                "hint": f.hint,
                "operations": list(f.operations),
                "fingerprint": f.fingerprint,
                "line": f.line,
                "direction": f.direction,
                "old": f.old,
                "new": f.new,
            }
            for n, f in enumerate(compared.findings, start=1)
        ),
        f"compared with rule pack {compared.rule_pack}",
    )


def moment(parameters: Mapping[str, Any], key: str) -> datetime:
    """A zone-aware time among the parameters. Raises Invalid `change.parameter`."""
    at = moment_or_none(parameters.get(key))
    if at is None:
        raise Invalid(
            "change.parameter",
            f"{key} is a time with its zone.",
            {"findings": [finding(f"/parameters/{key}", moments.WITH_ZONE)]},
        )
    return at


def moment_or_none(value: Any) -> datetime | None:
    """A zone-aware time written as ISO 8601, None for anything else."""
    return moments.read(value) if isinstance(value, str) else None
