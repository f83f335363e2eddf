"""Facts of the catalog about the subjects of a change: versions and their contracts, boundaries, SLA tiers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from catalog.domain.facts import ConsumerFacts, VersionFacts
from catalog.selectors import boundaries, consumers, contracts, domains, versions
from governance.domain.checks import CheckContext, CheckOutcome, not_run
from governance.domain.subject import AffectedConsumer, Subject, SubjectFacts
from governance.selectors import loosened
from kernel import audit, clock
from kernel.digest import digest_of
from kernel.errors import DomainError, Invalid

_MADE_BY = (
    "catalog.api_registered",
    "catalog.version_added",
    "catalog.version_contract_changed",
    "catalog.contract_revision_proposed",
)


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
    return _facts(
        version, version.proposed_digest, version.contract_digest, consumers.live_of_version(version.id), version
    )


def _facts(
    version: VersionFacts,
    digest: str | None,
    base: str | None,
    affected: list[ConsumerFacts],
    before: VersionFacts | None,
) -> SubjectFacts:
    """By the strictest facts of the API that no approved change has answered for (`selectors.loosened`)."""
    stricter = loosened.of(version.api_slug)
    told = stricter.findings(data_class=version.data_class, tier=version.tier, domain=version.domain_key)
    judged = stricter.applied_to(version)
    return SubjectFacts(
        title=f"{version.api_name} {version.label}",
        digest=digest,
        tier=judged.tier,
        data_class=judged.data_class or None,
        owner_team_ids=(version.owner_team_id,) if version.owner_team_id else (),
        record_owner_team_ids=_record_owners(judged),
        entities=tuple(
            sorted(
                {
                    use.entity if use.attribute_group is None else f"{use.entity}/{use.attribute_group}"
                    for use in judged.entities
                }
            )
        ),
        consumers_affected=tuple(affected_consumer(c) for c in affected),
        base_digest=base,
        revision_digest=digest,
        domain_key=version.domain_key or None,
        system_keys=(version.system_key,) if version.system_key else (),
        contributor_ids=_makers(version),
        url=f"/catalog/apis/{version.api_slug}/",
        loosened=told,
        loosened_ids=stricter.ids,
        more_domain_keys=stricter.domains,
        old=_document(base),
        new=_document(digest),
        extras={"version": version, "before": before},
    )


def _record_owners(version: VersionFacts) -> tuple[int, ...]:
    """The owner teams of the systems of record that it exposes; without one, the owner team of its domain."""
    now = clock.now()
    records = [
        boundaries.record_of(use.entity, use.attribute_group, {}, now)
        for use in version.entities
        if use.access in ("authoritative_read", "command")
    ]
    owners = [r.owner_team_id for r in records if r is not None and r.owner_team_id is not None]
    if not owners and version.domain_owner_team_id:
        owners = [version.domain_owner_team_id]
    return tuple(dict.fromkeys(owners))


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


def on_version(
    run: Callable[[CheckContext, SubjectFacts, VersionFacts], CheckOutcome],
) -> Callable[[CheckContext], CheckOutcome]:
    """The check needs the version's facts; without them it has not run."""

    def check(context: CheckContext) -> CheckOutcome:
        facts = context.subject_facts
        version = facts.extras.get("version") if facts else None
        if facts is None or not isinstance(version, VersionFacts):
            return not_run(f"{context.subject.id} is not in the catalog.", [f"Register {context.subject.id}."])
        return run(context, facts, version)

    return check


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
    """The boundary as it is now. The owner of each system of record of a part of it is an owner of record; the owner of
    the entity's domain where there is none yet."""
    entity, group, scope = boundary_place(subject.id)
    document = _boundary_document(subject.id)
    found = boundaries.matching(entity, group, scope, clock.now())
    owners = tuple(dict.fromkeys(b.system.owner_team_id for b in found if b.system.owner_team_id is not None))
    domain = boundaries.domain_of(entity) or None
    of_domain = domains.by_key(domain) if domain and not found else None
    first = (of_domain.owner_team_id,) if of_domain is not None and of_domain.owner_team_id is not None else ()
    return SubjectFacts(
        title=f"System of record of {subject.id}",
        digest=digest_of(document),
        tier=1,
        data_class="internal",
        owner_team_ids=owners,
        record_owner_team_ids=owners or first,
        entities=(entity if group is None else f"{entity}/{group}",),
        consumers_affected=(),
        domain_key=domain,
        system_keys=tuple(dict.fromkeys(b.system.key for b in found)),
        url="/systems-of-record/",
        old=document,
        new=document,
        extras={"in_force": found, "unknown": boundaries.unknown_names(entity, group, scope)},
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
