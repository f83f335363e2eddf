"""Evidence for the gate: what is known now about everything that the question names. Absence is written in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from catalog.domain.facts import VersionFacts
from catalog.selectors import consumers, contracts, dependencies, gate_facts, teams, versions
from governance.domain import kinds, policy
from governance.domain.checks import ChangeFacts, Check, CheckContext
from governance.domain.freeze import FreezeScope
from governance.domain.subject import Subject, SubjectFacts
from governance.models import ApplicationRelease
from governance.selectors import freezes, policies
from governance.services import approvals, upgrade_order
from kernel import prepared_queries
from kernel.errors import DomainError, NotApproved

_APPROVAL_WORDS = {
    "approval.missing": "missing",
    "approval.stale_digest": "stale_digest",
    "approval.void": "void",
    "approval.expired": "expired",
    "approval.not_yet_valid": "outside_window",
    "approval.before_window": "outside_window",
    "approval.after_window": "outside_window",
    "approval.approver_lost_right": "lost_right",
    "check.blocking": "check_blocking",
}


def gather(question: Mapping[str, Any], as_of: datetime) -> dict[str, Any]:
    """The evidence document for a normalised question. Reads only; unknown things are absent or `unregistered`."""
    named = [entry["ref"] for key in ("consumes", "provides") for entry in question[key] or ()]
    known = gate_facts.versions(named) if named else {}
    environment = question["environment"]
    used = [known[entry["ref"]].id for entry in question["consumes"] or () if entry["ref"] in known]
    asking = gate_facts.application(question["application"], used, environment, as_of)
    return {
        "as_of": as_of.isoformat(),
        "application": {"key": question["application"], "owner_team": asking.team_key or None}
        if asking.known
        else None,
        "environment": {"key": environment} if asking.environment_known else None,
        "policy_digest": _policy_digest(),
        "freezes": _freezes(environment, list(known.values()), as_of),
        "consumed": _consumed(question, known, environment, as_of, asking),
        "provided": _provided(question, known, environment),
        "integrations": _integrations(question, environment, as_of),
        "waivers": _waivers([*named, *(entry["ref"] for entry in question["integrations"])], environment, as_of),
    }


def _counted(items: Any) -> dict[str, Any]:
    return {"total": len(items), "items": items}


def _policy_digest() -> str | None:
    digest = policies.present_digest()
    return policy.digest_of_levels({policies.ORGANISATION: digest}) if digest else None


def _freezes(environment: str, touched: Sequence[VersionFacts], as_of: datetime) -> dict[str, Any]:
    levels = [v.tier for v in touched]
    domains = {v.domain_key for v in touched}
    scope = FreezeScope(
        environment,
        None if not levels or None in levels else min(level for level in levels if level is not None),
        next(iter(domains)) if len(domains) == 1 else None,
        tuple(sorted({v.system_key for v in touched if v.system_key})),
    )
    found = {
        str(o.id): {"name": o.name, "strictness": o.strictness, "ends_at": o.ends.isoformat()}
        for o in freezes.active(scope, as_of)
    }
    return _counted(found)


def _version(version: VersionFacts) -> dict[str, Any]:
    return {
        "state": version.state,
        "origin": version.origin,
        "judged": version.judged,
        "enforced_from": version.enforced_from.isoformat() if version.enforced_from else "now",
        "owner_team": version.owner_team_key or None,
        "deprecated_at": version.deprecated_at.isoformat() if version.deprecated_at else "never",
        "sunset_at": version.sunset_at.isoformat() if version.sunset_at else "never",
        "successor": version.successor_reference or "none",
    }


_UNREGISTERED = {"state": "unregistered", "origin": "none", "judged": False, "enforced_from": "now"}


def _consumed(
    question: Mapping[str, Any],
    known: Mapping[str, VersionFacts],
    environment: str,
    as_of: datetime,
    asking: gate_facts.GateApplication,
) -> dict[str, Any]:
    asked = question["consumes"] or ()
    mine = {entry["ref"]: known[entry["ref"]] for entry in asked if entry["ref"] in known}
    providers = _providers(mine, environment) if mine else {}
    items: dict[str, Any] = {}
    for entry in asked:
        version = mine.get(entry["ref"])
        if version is None:
            items[entry["ref"]] = dict(_UNREGISTERED)
            continue
        provider = providers[entry["ref"]]
        items[entry["ref"]] = _version(version) | {
            "subscription": asking.states[version.id],
            "contract": _pinned(entry["contract_digest"], version.contract_digest, as_of),
            "provider": provider,
            "relation": _relation_to_predecessor(version) if provider == "missing" else "not_needed",
        }
    return _counted(items)


def _pinned(pinned: str, present: str | None, as_of: datetime) -> str:
    if not pinned:
        return "unpinned"
    if present is None:
        return "uncompared"
    if pinned == present:
        return "same"
    try:
        return "breaking" if contracts.compare(pinned, present, as_of=as_of.date()).breaking else "compatible"
    except DomainError:
        return "uncompared"


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


def _relation_to_predecessor(version: VersionFacts) -> str:
    before = versions.neighbour_before(version.id)
    return _relation(before.contract_digest if before else None, version.contract_digest)


def _relation(old: str | None, new: str | None) -> str:
    if old is None:
        return "none"
    if new is None:
        return "uncompared"
    try:
        return upgrade_order.relation(old, new)
    except DomainError:
        return "uncompared"


def _provided(question: Mapping[str, Any], known: Mapping[str, VersionFacts], environment: str) -> dict[str, Any]:
    asked = {entry["ref"] for entry in question["provides"]}
    running = ApplicationRelease.objects.filter(
        application=question["application"], environment=environment, ended_at=None
    )
    replaced = (
        {ref for listed in running.values_list("provides", flat=True) for ref in listed} - asked if asked else set()
    )
    gone = gate_facts.versions(replaced) if replaced else {}
    items: dict[str, Any] = {}
    for reference in sorted(asked):
        version = known.get(reference)
        if version is None:
            items[reference] = dict(_UNREGISTERED)
            continue
        before = [v for v in gone.values() if v.api_slug == version.api_slug]
        items[reference] = _version(version) | {
            "relation": _worst([_relation(v.contract_digest, version.contract_digest) for v in before]),
            "weaker_dependencies": _counted(sorted(d.target_key for d in dependencies.weaker_dependencies(version.id))),
            "consumers": _counted(_consumers(version, before, environment)),
        }
    return _counted(items)


def _worst(relations: Sequence[str]) -> str:
    order = ("uncompared", "breaking", "backward", "forward", "full", "none")
    return min(relations, key=order.index) if relations else "none"


def _consumers(version: VersionFacts, before: Sequence[VersionFacts], environment: str) -> dict[str, Any]:
    """Live consumers of the version itself, and of those that this release takes away."""
    found: dict[str, Any] = {}
    upgraded = _upgraded(version.reference, environment) if any(old.id != version.id for old in before) else set()
    for old in (*before, version):
        relation = _relation(old.contract_digest, version.contract_digest)
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


def _integrations(question: Mapping[str, Any], environment: str, as_of: datetime) -> dict[str, Any]:
    items = {}
    for entry in question["integrations"]:
        subject = Subject("integration", entry["ref"], entry["digest"])
        kind = _kind_about_records(subject.kind)
        facts = kind.facts(subject) if kind else None
        items[entry["ref"]] = {
            "owner_team": _owner(facts),
            "approval": _approval(subject, environment, as_of),
            "sor_violations": _violations(kind, subject, facts, environment, as_of) if kind and facts else None,
        }
    return _counted(items)


def _checks_about_records(kind: kinds.ChangeKind) -> list[Check]:
    return [check for check in kind.checks if check.about == "systems_of_record"]


def _kind_about_records(subject_kind: str) -> kinds.ChangeKind | None:
    """The kind of change whose checks say how such a subject stands to the systems of record."""
    candidates = (kind for kind in kinds.all_kinds() if kind.subject_kind == subject_kind)
    return next((kind for kind in candidates if _checks_about_records(kind)), None)


def _owner(facts: SubjectFacts | None) -> str | None:
    if facts is None or not facts.owner_team_ids:
        return None
    team = teams.by_id(facts.owner_team_ids[0])
    return team.key if team else None


def _approval(subject: Subject, environment: str, as_of: datetime) -> str:
    """A word that the gate knows, or the code that came, which the gate answers with `unknown`."""
    try:
        approvals.require(subject, subject.digest, environment, as_of, freeze=False)
    except NotApproved as error:
        code = str(error.unmet[0]["code"]) if error.unmet else error.code
        return _APPROVAL_WORDS.get(code, code)
    return "valid"


def _violations(
    kind: kinds.ChangeKind, subject: Subject, facts: SubjectFacts, environment: str, as_of: datetime
) -> dict[str, Any] | None:
    """What the checks about systems of record say of this subject; None when one of them could not run."""
    change = ChangeFacts(0, kind.key, "", "", "", environment, None, None, (subject,))
    said: list[str] = []
    for check in _checks_about_records(kind):
        outcome = check.run(CheckContext(change, subject, facts, environment, as_of))
        if outcome.status == "not_run":
            return None
        if outcome.status == "failed":
            said += [str(f["message"]) for f in outcome.findings if f.get("level") == "error"] or [outcome.why]
    return _counted(sorted(set(said)))


_WAIVERS = """
select id, rule, subject_id, reason, starts_at, expires_at from governance_waiver
 where subject_kind in ('version', 'integration') and subject_id = any(%s) and environment = %s and state = 'granted'
   and starts_at <= %s and expires_at > %s order by id
"""


def _waivers(subjects: Sequence[str], environment: str, as_of: datetime) -> dict[str, Any]:
    found = {
        str(pk): {
            "rule": rule,
            "subject": subject,
            "reason": reason,
            "starts_at": starts.isoformat(),
            "expires_at": expires.isoformat(),
        }
        for pk, rule, subject, reason, starts, expires in prepared_queries.rows(
            _WAIVERS, [list(subjects), environment, as_of, as_of]
        )
    }
    return _counted(found)
