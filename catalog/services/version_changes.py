"""What owners do with a version without an approval: give it another contract, or withdraw it before a decision."""

from __future__ import annotations

from collections.abc import Callable

from django.db import transaction

from catalog import permissions
from catalog.domain import lifecycle
from catalog.domain.facts import VersionFacts
from catalog.models import ApiVersion, Contract, ContractRevision
from catalog.selectors import versions
from catalog.services import announcements, audit_snapshots, contracts, search_index
from catalog.services.locked_rows import locked_version
from kernel import audit, clock, outbox
from kernel.errors import Conflict, Forbidden
from kernel.models import User
from kernel.viewer import Viewer


def revise_contract(
    *,
    actor: User,
    reference: str,
    content: bytes,
    file_name: str = "",
    check: Callable[[ApiVersion], None] | None = None,
) -> VersionFacts:
    """Another contract for a version.

    A draft or a version in review takes it at once, and everyone who looked at the old digest is told (topic
    `catalog.version_contract_changed`). A published version keeps its contract, and the new one waits as a revision for
    the approval of a `contract.change`. `check` may refuse the locked row (If-Match). Raises Conflict
    `version.not_editable` for a version that has ended or waits for its publication, `version.contract_known` where
    another version has this contract.
    """
    reading = contracts.read_contract(content, file_name=file_name)
    with transaction.atomic():
        version = _locked_for_owner(reference, actor)
        if check:
            check(version)
        if version.state in lifecycle.ENDED or version.state == lifecycle.APPROVED:
            raise Conflict(
                "version.not_editable",
                f"{reference} is {version.state}; its contract does not change any more. Add a new version.",
            )
        contract = contracts.store(reading)
        if contract.digest == version.contract_id:
            return versions.facts(version.pk)
        _require_unused(version, contract)
        if version.state in lifecycle.EDITABLE:
            _replace_contract(version, contract, actor)
        else:
            _propose_revision(version, contract, actor)
    return versions.facts(version.pk)


def _locked_for_owner(reference: str, actor: User) -> ApiVersion:
    version = locked_version(reference)
    allowed = permissions.may_change_api(Viewer.of(actor), version.api)
    if not allowed:
        raise Forbidden("api.not_yours", allowed.reason)
    return version


def _require_unused(version: ApiVersion, contract: Contract) -> None:
    others = ApiVersion.objects.filter(api=version.api, contract=contract).exclude(pk=version.pk)
    if others.exclude(state__in=[lifecycle.REJECTED, lifecycle.WITHDRAWN]).exists():
        raise Conflict("version.contract_known", "Another version of this API has exactly this contract.")


def _replace_contract(version: ApiVersion, contract: Contract, actor: User) -> None:
    before = audit_snapshots.of_version(version)
    version.contract = contract
    version.save(update_fields=["contract"])
    payload = {"old": before["contract"], "new": contract.digest}
    announcements.version_changed(version, "version_contract_changed", actor=actor, before=before, payload=payload)


def _propose_revision(version: ApiVersion, contract: Contract, actor: User) -> None:
    open_revisions = ContractRevision.objects.filter(version=version, adopted_at=None, dropped_at=None)
    open_revisions.update(dropped_at=clock.now())
    ContractRevision.objects.create(
        version=version, contract=contract, replaces_id=version.contract_id, proposed_by=actor
    )
    audit.record(
        actor=actor,
        verb="catalog.contract_revision_proposed",
        subject_kind="version",
        subject_id=str(version),
        before={"contract": version.contract_id},
        after={"contract": contract.digest},
    )
    outbox.emit(
        "catalog.contract_revision_proposed",
        key=str(version),
        payload={"version_id": version.pk, "old": version.contract_id, "new": contract.digest},
    )
    search_index.refresh([version.api_id])


def withdraw(*, actor: User, reference: str, reason: str = "") -> VersionFacts:
    """End a version that was never decided. It stays readable. Raises Conflict `version.move` after a decision."""
    with transaction.atomic():
        version = _locked_for_owner(reference, actor)
        lifecycle.require_move(version.state, lifecycle.WITHDRAWN, reference=reference)
        before = audit_snapshots.of_version(version)
        version.state = lifecycle.WITHDRAWN
        version.save(update_fields=["state"])
        announcements.version_changed(
            version, "version_withdrawn", actor=actor, before=before, reason=reason, payload={}
        )
    return versions.facts(version.pk)
