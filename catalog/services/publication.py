"""Moves of a version that need an approval: each function takes the approval's id, and the database refuses the move
without one.

Only `governance.services` may import this module, which import-linter checks.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import transaction

from catalog.domain import lifecycle
from catalog.domain.facts import VersionFacts
from catalog.models import Api, ApiVersion, ContractRevision, SlaTier
from catalog.selectors import consumers, tiers, versions
from catalog.services import announcements, audit_snapshots, search_index
from catalog.services.boundary_moves import move_boundary
from kernel import audit, clock, outbox
from kernel.errors import Conflict, Invalid, NotFound
from kernel.models import User
from kernel.ui.wording import counted

__all__ = [
    "back_to_draft",
    "change_contract",
    "change_tier",
    "deprecate",
    "move_boundary",
    "publish",
    "reject",
    "retire",
    "submit_for_review",
]


def _locked(version_id: int) -> ApiVersion:
    version = (
        ApiVersion.objects.select_for_update(of=("self",))
        .select_related("api__tier", "successor__api")
        .filter(pk=version_id)
        .first()
    )
    if version is None:
        raise NotFound("version.unknown", f"There is no API version {version_id}.")
    return version


def _save(
    version: ApiVersion, before: dict[str, Any], *, verb: str, actor: User | None, fields: list[str], reason: str = ""
) -> VersionFacts:
    version.save(update_fields=fields)
    payload = {"state": version.state, "digest": version.contract_id}
    announcements.version_changed(version, verb, actor=actor, before=before, reason=reason, payload=payload)
    return versions.facts(version.pk)


def submit_for_review(version_id: int, *, actor: User | None = None) -> VersionFacts:
    """draft → in_review, with the change request that asks for it. Idempotent."""
    with transaction.atomic():
        version = _locked(version_id)
        if version.state == lifecycle.IN_REVIEW:
            return versions.facts(version_id)
        lifecycle.require_move(version.state, lifecycle.IN_REVIEW, reference=str(version))
        if version.contract_id is None:
            raise Conflict("version.no_contract", f"{version} has no contract; there is nothing to review.")
        before = audit_snapshots.of_version(version)
        version.state = lifecycle.IN_REVIEW
        return _save(version, before, verb="version_submitted", actor=actor, fields=["state"])


def back_to_draft(version_id: int, *, actor: User | None = None) -> VersionFacts:
    """in_review → draft, when the change request was withdrawn. Idempotent; other states stay as they are."""
    with transaction.atomic():
        version = _locked(version_id)
        if version.state != lifecycle.IN_REVIEW:
            return versions.facts(version_id)
        before = audit_snapshots.of_version(version)
        version.state = lifecycle.DRAFT
        return _save(version, before, verb="version_returned", actor=actor, fields=["state"])


def reject(version_id: int, *, actor: User | None = None, reason: str = "") -> VersionFacts:
    """in_review → rejected, an end."""
    with transaction.atomic():
        version = _locked(version_id)
        lifecycle.require_move(version.state, lifecycle.REJECTED, reference=str(version))
        before = audit_snapshots.of_version(version)
        version.state = lifecycle.REJECTED
        return _save(version, before, verb="version_rejected", actor=actor, fields=["state"], reason=reason)


def publish(version_id: int, *, contract_digest: str, approval_id: int, actor: User | None) -> VersionFacts:
    """in_review → approved → published, for exactly this contract. Raises Conflict `version.digest_changed` when the
    version has another contract by now. An imported version that is published already is confirmed: it counts as
    reviewed from now on."""
    with transaction.atomic():
        version = _locked(version_id)
        if version.contract_id != contract_digest:
            raise Conflict(
                "version.digest_changed",
                f"{version} has another contract than the one that was approved.",
                {"approved": contract_digest, "present": version.contract_id},
            )
        before = audit_snapshots.of_version(version)
        version.approval_id = approval_id
        if version.state in lifecycle.LIVE and version.origin != "registered":
            return _save(version, before, verb="version_confirmed", actor=actor, fields=["approval_id"])
        if version.state == lifecycle.IN_REVIEW:
            version.state = lifecycle.APPROVED
            version.save(update_fields=["state", "approval_id"])
        lifecycle.require_move(version.state, lifecycle.PUBLISHED, reference=str(version))
        version.state, version.published_at = lifecycle.PUBLISHED, clock.now()
        return _save(
            version, before, verb="version_published", actor=actor, fields=["state", "published_at", "approval_id"]
        )


def change_contract(version_id: int, *, contract_digest: str, approval_id: int, actor: User | None) -> VersionFacts:
    """The proposed revision becomes the contract of a published or deprecated version."""
    with transaction.atomic():
        version = _locked(version_id)
        revision = (
            ContractRevision.objects.select_for_update()
            .filter(version=version, adopted_at=None, dropped_at=None)
            .first()
        )
        if revision is None or revision.contract_id != contract_digest:
            raise Conflict(
                "version.digest_changed",
                f"{version} proposes another contract than the one that was approved, or none any more.",
                {"approved": contract_digest, "present": revision.contract_id if revision else None},
            )
        before = audit_snapshots.of_version(version)
        revision.adopted_at, revision.approval_id = clock.now(), approval_id
        revision.save(update_fields=["adopted_at", "approval_id"])
        version.contract_id, version.approval_id = contract_digest, approval_id
        return _save(version, before, verb="version_contract_replaced", actor=actor, fields=["contract", "approval_id"])


def deprecate(
    version_id: int,
    *,
    sunset_at: datetime,
    successor: str | None,
    guide: str,
    approval_id: int,
    actor: User | None,
    deprecated_at: datetime | None = None,
    with_quorum: bool = False,
) -> VersionFacts:
    """published → deprecated, or new dates for a deprecated version. `successor` is a reference such as
    `price-api@v3`.

    At least the tier's notice period has to lie between the two dates. A promised sunset comes earlier only
    `with_quorum`.
    """
    with transaction.atomic():
        version = _locked(version_id)
        if version.state != lifecycle.DEPRECATED:
            lifecycle.require_move(version.state, lifecycle.DEPRECATED, reference=str(version))
        begins = deprecated_at or version.deprecated_at or clock.now()
        notice_days = None if with_quorum else _notice_days(version.api)
        promised = None if with_quorum else version.sunset_at
        lifecycle.require_dates(begins, sunset_at, notice_days=notice_days, earlier=promised)
        before = audit_snapshots.of_version(version)
        if successor:
            version.successor = _successor(successor, of=version)
        version.state, version.deprecated_at, version.sunset_at = lifecycle.DEPRECATED, begins, sunset_at
        version.migration_guide, version.approval_id = guide, approval_id
        fields = ["state", "deprecated_at", "sunset_at", "migration_guide", "successor", "approval_id"]
        return _save(version, before, verb="version_deprecated", actor=actor, fields=fields)


def _notice_days(api: Api) -> int | None:
    tier = tiers.by_level(api.tier.level) if api.tier else None
    return tier.notice_days if tier else None


def _successor(reference: str, *, of: ApiVersion) -> ApiVersion:
    slug, label = versions.split_reference(reference)
    found = ApiVersion.objects.select_related("api").filter(api__slug=slug, label=label).first()
    if found is None or found.pk == of.pk:
        raise Invalid("version.successor", f"{reference!r} names no other version that could succeed this one.")
    return found


def retire(
    version_id: int, *, approval_id: int, actor: User | None, waived_applications: frozenset[str] = frozenset()
) -> VersionFacts:
    """deprecated → retired, at or after its sunset, when no consumer uses it any more.

    A consumer blocks with an active or requested subscription, or with calls in the last 30 days, unless the day of
    its dated migration has come and it was not seen since, or it is in `waived_applications`. Contract and history
    stay readable.
    """
    with transaction.atomic():
        version = _locked(version_id)
        lifecycle.require_move(version.state, lifecycle.RETIRED, reference=str(version))
        now = clock.now()
        if version.sunset_at is None or version.sunset_at > now:
            raise Conflict(
                "version.before_sunset", f"{version} was promised until {version.sunset_at}; it retires afterwards."
            )
        using = [c.application_key for c in consumers.blocking_retirement(version_id, now)]
        left = [key for key in using if key not in waived_applications]
        if left:
            raise Conflict(
                "version.still_used",
                f"{version} is still used by {counted(len(left), 'consumer')}: {', '.join(left[:5])}.",
                {"consumers": left},
            )
        before = audit_snapshots.of_version(version)
        version.state, version.retired_at, version.approval_id = lifecycle.RETIRED, now, approval_id
        return _save(
            version, before, verb="version_retired", actor=actor, fields=["state", "retired_at", "approval_id"]
        )


def change_tier(slug: str, *, tier: int, approval_id: int, actor: User | None) -> None:
    """Another SLA tier for an API."""
    with transaction.atomic():
        api = Api.objects.select_for_update(of=("self",)).filter(slug=slug).first()
        row = SlaTier.objects.filter(level=tier).first()
        if api is None or row is None:
            raise NotFound(
                "api.unknown" if api is None else "tier.unknown", f"There is no API {slug!r} or no tier {tier}."
            )
        before = audit_snapshots.of_api(api)
        api.tier = row
        api.save(update_fields=["tier"])
        after = {**audit_snapshots.of_api(api), "approval": approval_id}
        audit.record(
            actor=actor, verb="catalog.tier_changed", subject_kind="api", subject_id=slug, before=before, after=after
        )
        outbox.emit("catalog.tier_changed", key=slug, payload={"slug": slug, "old": before["tier"], "new": tier})
        search_index.refresh([api.pk])
