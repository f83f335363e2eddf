"""The change kinds of the catalog: what they are about, what they change, and how an approved one is carried out.

Only governance may call `catalog.services.publication`; each call carries the id of the approval that permits it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from catalog.domain.facts import ConsumerFacts, VersionFacts
from catalog.selectors import boundaries, consumers, contracts, systems, tiers, versions
from catalog.services import publication
from governance.domain import kinds
from governance.domain.kinds import Application, ChangeKind, Comparison
from governance.domain.subject import AffectedConsumer, Subject, SubjectFacts
from governance.services import catalog_checks
from kernel import audit, clock
from kernel.digest import digest_of
from kernel.errors import Conflict, DomainError, Invalid, NotFound, finding
from kernel.models import User

_LEVELS = {"breaking": "breaking", "warning": "attention", "info": "compatible"}
_MADE_BY = (
    "catalog.api_registered",
    "catalog.version_added",
    "catalog.version_contract_changed",
    "catalog.contract_revision_proposed",
)


def register_all() -> None:
    checks = catalog_checks
    contract = (checks.CONTRACT_READABLE, checks.COMPARISON, checks.LINT)
    coherent = (
        checks.RECORD_DIRECTION,
        checks.TIER,
        checks.SECURITY,
        checks.OBSERVABILITY,
        checks.INTEGRATION_STYLE,
        checks.UPGRADE_ORDER,
    )
    kinds.register(
        ChangeKind(
            "version.publish",
            "Publish a version",
            version_facts,
            (*contract, checks.CONSUMERS, *coherent, checks.SUNSET),
            apply=_publish,
            compare=_compare,
            subject_kind="version",
            submitted=_submitted,
            closed=_closed,
        )
    )
    kinds.register(
        ChangeKind(
            "contract.change",
            "Change a contract",
            contract_facts,
            (*contract, checks.CONSUMERS, *coherent),
            apply=_change_contract,
            compare=_compare,
            subject_kind="version",
        )
    )
    kinds.register(
        ChangeKind(
            "version.deprecate",
            "Deprecate a version",
            version_facts,
            (checks.CONSUMERS, checks.NOTICE, checks.SUNSET),
            apply=_deprecate,
            propose=_propose_deprecation,
            subject_kind="version",
        )
    )
    kinds.register(
        ChangeKind(
            "version.retire",
            "Retire a version",
            version_facts,
            (checks.CONSUMERS, checks.NO_LIVE_CONSUMERS, checks.SUNSET_REACHED),
            apply=_retire,
            propose=_propose_retirement,
            subject_kind="version",
        )
    )
    kinds.register(
        ChangeKind(
            "boundary.move",
            "Move a system of record",
            boundary_facts,
            (checks.BOUNDARY_KNOWN,),
            apply=_move_boundary,
            propose=_propose_boundary,
            subject_kind="boundary",
        )
    )
    kinds.register(
        ChangeKind(
            "tier.change",
            "Change an SLA tier",
            tier_facts,
            (checks.TIER_PROPOSED,),
            apply=_change_tier,
            propose=_propose_tier,
            subject_kind="api",
        )
    )


# -- facts ---------------------------------------------------------------------------------------------------------------
def version_facts(subject: Subject) -> SubjectFacts | None:
    """A version with its present contract, compared with its predecessor."""
    version = versions.by_reference(subject.id)
    if version is None:
        return None
    before = versions.neighbour_before(version.id)
    affected = consumers.live_of_version(version.id) + (
        consumers.live_of_version(before.id) if before and version.state in ("draft", "in_review") else []
    )
    return _facts(version, version.contract_digest, before.contract_digest if before else None, affected, before)


def contract_facts(subject: Subject) -> SubjectFacts | None:
    """A version with its proposed contract, compared with its present one."""
    version = versions.by_reference(subject.id)
    if version is None:
        return None
    return _facts(version, version.proposed_digest, version.contract_digest, consumers.live_of_version(version.id), version)


def _facts(
    version: VersionFacts, digest: str | None, base: str | None, affected: list[ConsumerFacts], before: VersionFacts | None
) -> SubjectFacts:
    now = clock.now()
    records = []
    for use in version.entities:
        if (
            use.access in ("authoritative_read", "command")
            and (record := boundaries.record_of(use.entity, use.attribute_group, {}, now)) is not None
        ):
            records.append(record)
    owners = [r.owner_team_id for r in records if r.owner_team_id is not None]
    return SubjectFacts(
        title=f"{version.api_name} {version.label}",
        digest=digest,
        tier=version.tier,
        data_class=version.data_class or None,
        owner_team_ids=(version.owner_team_id,) if version.owner_team_id else (),
        record_owner_team_ids=tuple(
            dict.fromkeys(owners or ([version.domain_owner_team_id] if version.domain_owner_team_id else []))
        ),
        entities=tuple(
            sorted(
                {use.entity if use.attribute_group is None else f"{use.entity}/{use.attribute_group}" for use in version.entities}
            )
        ),
        consumers_affected=tuple(affected_consumer(c) for c in affected),
        base_digest=base,
        revision_digest=digest,
        domain_key=version.domain_key or None,
        system_keys=(version.system_key,) if version.system_key else (),
        contributor_ids=_makers(version),
        url=f"/catalog/apis/{version.api_slug}/",
        old=_document(base),
        new=_document(digest),
        extras={"version": version, "before": before},
    )


def affected_consumer(consumer: ConsumerFacts) -> AffectedConsumer:
    return AffectedConsumer(
        application=consumer.application_key,
        name=consumer.name,
        team_id=consumer.team_id,
        team_key=consumer.team_key,
        environment=consumer.environment,
        state=consumer.state,
        last_seen_at=consumer.last_seen_at,
        moves_at=consumer.valid_until,
    )


def _makers(version: VersionFacts) -> tuple[int, ...]:
    """Who wrote the contract or registered the version, from the ledger."""
    entries = audit.entries_for("version", version.reference)
    return tuple(sorted({e.actor_id for e in entries if e.actor_id and e.verb in _MADE_BY}))


def _document(digest: str | None) -> Any:
    if digest is None:
        return None
    try:
        return contracts.document(digest).tree
    except DomainError:
        return None


def boundary_id(entity: str, attribute_group: str | None, scope: Mapping[str, str]) -> str:
    """How a boundary is named as a subject: `price/base?banner=main`."""
    place = entity if not attribute_group else f"{entity}/{attribute_group}"
    where = "&".join(f"{key}={scope[key]}" for key in sorted(scope) if scope[key])
    return f"{place}?{where}" if where else place


def boundary_place(identifier: str) -> tuple[str, str | None, dict[str, str]]:
    """The reverse of `boundary_id`. Raises Invalid for anything else."""
    place, _, where = identifier.partition("?")
    entity, _, group = place.partition("/")
    scope = dict(part.partition("=")[::2] for part in where.split("&") if part)
    if not entity or not all(scope.values()):
        raise Invalid("boundary.reference", f"{identifier!r} names no boundary; it looks like price/base?banner=main.")
    return entity, group or None, scope


def boundary_digest(identifier: str) -> str:
    """The digest of what is in force for this place now. Proposing a move binds to it."""
    return digest_of(_boundary_document(identifier))


def _boundary_document(identifier: str) -> dict[str, Any]:
    entity, group, scope = boundary_place(identifier)
    found = boundaries.matching(entity, group, scope, clock.now())
    return {
        "entity": entity,
        "attribute_group": group,
        "scope": scope,
        "in_force": [
            {
                "attribute_group": b.attribute_group,
                "scope": dict(b.scope),
                "system": b.system.key,
                "since": b.valid_from.isoformat() if b.valid_from else None,
            }
            for b in sorted(found, key=lambda b: b.id)
        ],
    }


def boundary_facts(subject: Subject) -> SubjectFacts | None:
    """The place as it is now; the owners of every system that is right about a part of it are owners of record."""
    entity, group, scope = boundary_place(subject.id)
    document = _boundary_document(subject.id)
    found = boundaries.matching(entity, group, scope, clock.now())
    owners = tuple(dict.fromkeys(b.system.owner_team_id for b in found if b.system.owner_team_id is not None))
    return SubjectFacts(
        title=f"System of record of {subject.id}",
        digest=digest_of(document),
        tier=1,
        data_class="internal",
        owner_team_ids=owners,
        record_owner_team_ids=owners,
        entities=(entity if group is None else f"{entity}/{group}",),
        consumers_affected=(),
        domain_key=next((b.domain_key for b in found if b.domain_key), None),
        system_keys=tuple(dict.fromkeys(b.system.key for b in found)),
        url="/systems-of-record/",
        old=document,
        new=document,
        extras={"in_force": found},
    )


def api_digest(slug: str) -> str | None:
    """The digest of an API's tier as it is now, None for an unknown API."""
    listed = versions.of_api(slug)
    return digest_of({"api": slug, "tier": listed[-1].tier}) if listed else None


def tier_facts(subject: Subject) -> SubjectFacts | None:
    listed = versions.of_api(subject.id)
    if not listed:
        return None
    newest = listed[-1]
    using = [c for v in listed if v.state in ("published", "deprecated") for c in consumers.live_of_version(v.id)]
    base = _facts(newest, api_digest(subject.id), None, using, None)
    document = {"api": subject.id, "tier": newest.tier}
    return replace(base, title=f"SLA tier of {newest.api_name}", old=document, new=document)


# -- proposals: the parameters of a change put into its documents ---------------------------------------------------------
def _propose_deprecation(subject: Subject, facts: SubjectFacts, parameters: Mapping[str, Any]) -> SubjectFacts:
    version: VersionFacts = facts.extras["version"]
    old = {
        "state": version.state,
        "deprecated_at": version.deprecated_at.isoformat() if version.deprecated_at else None,
        "sunset_at": version.sunset_at.isoformat() if version.sunset_at else None,
        "successor": version.successor_reference or None,
        "migration_guide": version.migration_guide or None,
    }
    new = old | {
        "state": "deprecated",
        "sunset_at": parameters.get("sunset_at"),
        "successor": parameters.get("successor") or old["successor"],
        "migration_guide": parameters.get("guide") or old["migration_guide"],
    }
    return replace(facts, old=old, new=new, extras={**facts.extras, "parameters": dict(parameters)})


def _propose_retirement(subject: Subject, facts: SubjectFacts, parameters: Mapping[str, Any]) -> SubjectFacts:
    return replace(facts, old={"state": facts.extras["version"].state}, new={"state": "retired"})


def _propose_boundary(subject: Subject, facts: SubjectFacts, parameters: Mapping[str, Any]) -> SubjectFacts:
    """The receiving system's owners are owners too: they take over the duty."""
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


def _propose_tier(subject: Subject, facts: SubjectFacts, parameters: Mapping[str, Any]) -> SubjectFacts:
    """The more critical of both tiers decides who is asked."""
    wanted = parameters.get("tier")
    known = isinstance(wanted, int) and tiers.by_level(wanted) is not None
    present = facts.tier
    gravest = min(t for t in (present, wanted) if isinstance(t, int)) if known and present is not None else None
    return replace(
        facts, tier=gravest, new={**facts.old, "tier": wanted}, extras={**facts.extras, "wanted": wanted if known else None}
    )


# -- comparison ----------------------------------------------------------------------------------------------------------
def _compare(subject: Subject, facts: SubjectFacts, as_of: datetime) -> Comparison | None:
    """The contract engine's findings; None where two contracts cannot be compared, which is unknown and not harmless."""
    if facts.base_digest is None:
        return Comparison((), "first version: nothing to compare with")
    if facts.digest is None:
        return None
    try:
        compared = contracts.compare(facts.base_digest, facts.digest, as_of=as_of.date())
    except Invalid:
        return None
    return Comparison(
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


# -- carrying out --------------------------------------------------------------------------------------------------------
def _version(application: Application) -> VersionFacts:
    version = versions.by_reference(application.subject.id)
    if version is None:
        raise NotFound("version.unknown", f"There is no API version {application.subject.id}.")
    return version


def _submitted(subject: Subject, actor: User | None) -> None:
    version = versions.by_reference(subject.id)
    if version is not None and version.state == "draft":
        publication.submit_for_review(version.id, actor=actor)


def _closed(subject: Subject, outcome: str, actor: User | None) -> None:
    version = versions.by_reference(subject.id)
    if version is None or version.state != "in_review":
        return
    if outcome == "rejected":
        publication.reject(version.id, actor=actor)
    else:
        publication.back_to_draft(version.id, actor=actor)


def _publish(application: Application) -> None:
    publication.publish(
        _version(application).id,
        contract_digest=application.subject.digest,
        approval_id=application.approval_id,
        actor=application.actor,
    )


def _change_contract(application: Application) -> None:
    publication.change_contract(
        _version(application).id,
        contract_digest=application.subject.digest,
        approval_id=application.approval_id,
        actor=application.actor,
    )


def _deprecate(application: Application) -> None:
    version = _version(application)
    if version.contract_digest != application.subject.digest:
        raise Conflict("version.digest_changed", f"{version.reference} has another contract than the one that was approved.")
    parameters = application.parameters
    publication.deprecate(
        version.id,
        sunset_at=moment(parameters, "sunset_at"),
        successor=str(parameters.get("successor") or "") or None,
        guide=str(parameters.get("guide") or ""),
        approval_id=application.approval_id,
        actor=application.actor,
        with_quorum=bool(parameters.get("earlier")),
    )


def _retire(application: Application) -> None:
    from governance.services import waivers

    version = _version(application)
    waived = waivers.applications_waived(version.reference, application.environment, clock.now())
    publication.retire(
        version.id, approval_id=application.approval_id, actor=application.actor, waived_applications=frozenset(waived)
    )


def _move_boundary(application: Application) -> None:
    if boundary_digest(application.subject.id) != application.subject.digest:
        raise Conflict(
            "boundary.moved_meanwhile",
            f"The system of record of {application.subject.id} is another one than when this was approved.",
        )
    entity, group, scope = boundary_place(application.subject.id)
    publication.move_boundary(
        entity=entity,
        attribute_group=group,
        scope=scope,
        system=str(application.parameters.get("system", "")),
        valid_from=max(moment(application.parameters, "valid_from"), application.at),
        approval_id=application.approval_id,
        actor=application.actor,
    )


def _change_tier(application: Application) -> None:
    if api_digest(application.subject.id) != application.subject.digest:
        raise Conflict("tier.changed_meanwhile", f"{application.subject.id} has another tier than when this was approved.")
    publication.change_tier(
        application.subject.id,
        tier=int(application.parameters["tier"]),
        approval_id=application.approval_id,
        actor=application.actor,
    )


def moment(parameters: Mapping[str, Any], key: str) -> datetime:
    """A zone-aware time among the parameters. Raises Invalid `change.parameter`."""
    try:
        at = datetime.fromisoformat(str(parameters[key]))
    except (KeyError, ValueError):
        at = None
    if at is None or at.tzinfo is None:
        raise Invalid(
            "change.parameter",
            f"{key} is a time with its zone.",
            {"findings": [finding(f"/parameters/{key}", "a time with its zone")]},
        )
    return at
