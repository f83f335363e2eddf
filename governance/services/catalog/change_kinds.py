"""The change kinds of the catalog: the facts, proposals and checks of each, and how an approved one is applied.

Only governance may call `catalog.services.publication`; each call carries the id of the approval that permits it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from catalog.domain.facts import VersionFacts
from catalog.selectors import versions
from catalog.services import publication
from governance.domain import kinds
from governance.domain.kinds import ApprovedSubject, ChangeKind
from governance.domain.subject import Subject
from governance.services import waivers
from governance.services.catalog import (
    contract_checks,
    drift_checks,
    hand_over,
    landscape_checks,
    lifecycle_checks,
    proposals,
    record_statements,
    subject_facts,
)
from kernel.errors import Conflict, NotFound
from kernel.models import User


# -- applying an approved change -----------------------------------------------------------------------------------
def _version(approved: ApprovedSubject) -> VersionFacts:
    version = versions.by_reference(approved.subject.id)
    if version is None:
        raise NotFound("version.unknown", f"There is no API version {approved.subject.id}.")
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


def _publish(approved: ApprovedSubject) -> None:
    publication.publish(
        _version(approved).id,
        contract_digest=approved.subject.digest,
        approval_id=approved.approval_id,
        actor=approved.actor,
    )


def _change_contract(approved: ApprovedSubject) -> None:
    publication.change_contract(
        _version(approved).id,
        contract_digest=approved.subject.digest,
        approval_id=approved.approval_id,
        actor=approved.actor,
    )


def _deprecate(approved: ApprovedSubject) -> None:
    version = _version(approved)
    if version.contract_digest != approved.subject.digest:
        raise Conflict(
            "version.digest_changed", f"{version.reference} has another contract than the one that was approved."
        )
    parameters = approved.parameters
    publication.deprecate(
        version.id,
        sunset_at=proposals.moment(parameters, "sunset_at"),
        successor=str(parameters.get("successor") or "") or None,
        guide=str(parameters.get("guide") or ""),
        approval_id=approved.approval_id,
        actor=approved.actor,
        with_quorum=bool(parameters.get("earlier")),
    )


def _earlier_quorum(parameters: Mapping[str, Any]) -> Mapping[str, int]:
    """Less notice than was promised needs a release manager and the owner of every consumer."""
    return {"release_manager": 1, "consumer_owner": 1} if parameters.get("earlier") else {}


def _retire(approved: ApprovedSubject) -> None:
    version = _version(approved)
    publication.retire(
        version.id,
        approval_id=approved.approval_id,
        actor=approved.actor,
        waived_applications=waivers.applications_waived(approved.approval_id),
    )


def _move_boundary(approved: ApprovedSubject) -> None:
    if subject_facts.boundary_digest(approved.subject.id) != approved.subject.digest:
        raise Conflict(
            "boundary.moved_meanwhile",
            f"The system of record of {approved.subject.id} is another one than when this was approved.",
        )
    entity, group, scope = subject_facts.boundary_place(approved.subject.id)
    publication.move_boundary(
        entity=entity,
        attribute_group=group,
        scope=scope,
        system=str(approved.parameters.get("system", "")),
        valid_from=max(proposals.moment(approved.parameters, "valid_from"), approved.at),
        approval_id=approved.approval_id,
        actor=approved.actor,
    )


def _change_tier(approved: ApprovedSubject) -> None:
    if subject_facts.api_digest(approved.subject.id) != approved.subject.digest:
        raise Conflict("tier.changed_meanwhile", f"{approved.subject.id} has another tier than when this was approved.")
    publication.change_tier(
        approved.subject.id,
        tier=int(approved.parameters["tier"]),
        approval_id=approved.approval_id,
        actor=approved.actor,
    )


_CONTRACT = (contract_checks.CONTRACT_READABLE, contract_checks.COMPARISON, contract_checks.LINT)
_COHERENCE = (
    landscape_checks.RECORD_DIRECTION,
    landscape_checks.TIER,
    contract_checks.SECURITY,
    contract_checks.OBSERVABILITY,
    landscape_checks.INTEGRATION_STYLE,
    contract_checks.UPGRADE_ORDER,
)

CHANGE_KINDS = (
    ChangeKind(
        "version.publish",
        "Publish a version",
        subject_facts.version_facts,
        (*_CONTRACT, lifecycle_checks.CONSUMERS, *_COHERENCE, lifecycle_checks.SUNSET),
        apply=_publish,
        compare=proposals.compare_contracts,
        subject_kind="version",
        offered=(drift_checks.DRIFT,),
        submitted=_submitted,
        closed=_closed,
        parameters=(),
    ),
    ChangeKind(
        "contract.change",
        "Change a contract",
        subject_facts.contract_facts,
        (*_CONTRACT, lifecycle_checks.CONSUMERS, *_COHERENCE),
        apply=_change_contract,
        compare=proposals.compare_contracts,
        subject_kind="version",
        offered=(drift_checks.DRIFT,),
        parameters=(),
    ),
    ChangeKind(
        "version.deprecate",
        "Deprecate a version",
        subject_facts.version_facts,
        (lifecycle_checks.CONSUMERS, lifecycle_checks.NOTICE, lifecycle_checks.SUNSET),
        apply=_deprecate,
        propose=proposals.deprecation,
        subject_kind="version",
        parameters=("sunset_at", "successor", "guide", "earlier"),
        quorum=_earlier_quorum,
    ),
    ChangeKind(
        "version.retire",
        "Retire a version",
        subject_facts.version_facts,
        (lifecycle_checks.CONSUMERS, lifecycle_checks.NO_LIVE_CONSUMERS, lifecycle_checks.SUNSET_REACHED),
        apply=_retire,
        propose=proposals.retirement,
        subject_kind="version",
        parameters=(),
    ),
    ChangeKind(
        "boundary.move",
        "Move a system of record",
        subject_facts.boundary_facts,
        (landscape_checks.BOUNDARY_KNOWN,),
        apply=_move_boundary,
        propose=proposals.boundary_move,
        subject_kind="boundary",
        parameters=("system", "valid_from"),
    ),
    ChangeKind(
        "tier.change",
        "Change an SLA tier",
        subject_facts.tier_facts,
        (landscape_checks.TIER_PROPOSED,),
        apply=_change_tier,
        propose=proposals.tier_change,
        subject_kind="api",
        parameters=("tier",),
    ),
    record_statements.RECORDS_COMPLETE,
    *hand_over.HAND_OVER,
)


def register_all() -> None:
    """Called once, by `governance.services.change_kinds.register_all()`."""
    for kind in CHANGE_KINDS:
        kinds.register(kind)
