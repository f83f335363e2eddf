"""The change kinds of the catalog: which facts, proposals and checks belong to each, and how an approved one is carried out.

Only governance may call `catalog.services.publication`; each call carries the id of the approval that permits it.
"""

from __future__ import annotations

from catalog.domain.facts import VersionFacts
from catalog.selectors import versions
from catalog.services import publication
from governance.domain import kinds
from governance.domain.kinds import Application, ChangeKind
from governance.domain.subject import Subject
from governance.services import catalog_contract_checks as contract_checks
from governance.services import catalog_facts
from governance.services import catalog_landscape_checks as landscape_checks
from governance.services import catalog_lifecycle_checks as lifecycle_checks
from governance.services import catalog_proposals as proposals
from kernel import clock
from kernel.errors import Conflict, NotFound
from kernel.models import User


def register_all() -> None:
    contract = (contract_checks.CONTRACT_READABLE, contract_checks.COMPARISON, contract_checks.LINT)
    coherent = (
        landscape_checks.RECORD_DIRECTION,
        landscape_checks.TIER,
        contract_checks.SECURITY,
        contract_checks.OBSERVABILITY,
        landscape_checks.INTEGRATION_STYLE,
        contract_checks.UPGRADE_ORDER,
    )
    kinds.register(
        ChangeKind(
            "version.publish",
            "Publish a version",
            catalog_facts.version_facts,
            (*contract, lifecycle_checks.CONSUMERS, *coherent, lifecycle_checks.SUNSET),
            apply=_publish,
            compare=proposals.compare_contracts,
            subject_kind="version",
            submitted=_submitted,
            closed=_closed,
        )
    )
    kinds.register(
        ChangeKind(
            "contract.change",
            "Change a contract",
            catalog_facts.contract_facts,
            (*contract, lifecycle_checks.CONSUMERS, *coherent),
            apply=_change_contract,
            compare=proposals.compare_contracts,
            subject_kind="version",
        )
    )
    kinds.register(
        ChangeKind(
            "version.deprecate",
            "Deprecate a version",
            catalog_facts.version_facts,
            (lifecycle_checks.CONSUMERS, lifecycle_checks.NOTICE, lifecycle_checks.SUNSET),
            apply=_deprecate,
            propose=proposals.deprecation,
            subject_kind="version",
        )
    )
    kinds.register(
        ChangeKind(
            "version.retire",
            "Retire a version",
            catalog_facts.version_facts,
            (lifecycle_checks.CONSUMERS, lifecycle_checks.NO_LIVE_CONSUMERS, lifecycle_checks.SUNSET_REACHED),
            apply=_retire,
            propose=proposals.retirement,
            subject_kind="version",
        )
    )
    kinds.register(
        ChangeKind(
            "boundary.move",
            "Move a system of record",
            catalog_facts.boundary_facts,
            (landscape_checks.BOUNDARY_KNOWN,),
            apply=_move_boundary,
            propose=proposals.boundary_move,
            subject_kind="boundary",
        )
    )
    kinds.register(
        ChangeKind(
            "tier.change",
            "Change an SLA tier",
            catalog_facts.tier_facts,
            (landscape_checks.TIER_PROPOSED,),
            apply=_change_tier,
            propose=proposals.tier_change,
            subject_kind="api",
        )
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
        raise Conflict(
            "version.digest_changed", f"{version.reference} has another contract than the one that was approved."
        )
    parameters = application.parameters
    publication.deprecate(
        version.id,
        sunset_at=proposals.moment(parameters, "sunset_at"),
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
    if catalog_facts.boundary_digest(application.subject.id) != application.subject.digest:
        raise Conflict(
            "boundary.moved_meanwhile",
            f"The system of record of {application.subject.id} is another one than when this was approved.",
        )
    entity, group, scope = catalog_facts.boundary_place(application.subject.id)
    publication.move_boundary(
        entity=entity,
        attribute_group=group,
        scope=scope,
        system=str(application.parameters.get("system", "")),
        valid_from=max(proposals.moment(application.parameters, "valid_from"), application.at),
        approval_id=application.approval_id,
        actor=application.actor,
    )


def _change_tier(application: Application) -> None:
    if catalog_facts.api_digest(application.subject.id) != application.subject.digest:
        raise Conflict(
            "tier.changed_meanwhile", f"{application.subject.id} has another tier than when this was approved."
        )
    publication.change_tier(
        application.subject.id,
        tier=int(application.parameters["tier"]),
        approval_id=application.approval_id,
        actor=application.actor,
    )
