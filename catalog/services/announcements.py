"""A change of a version or a subscription as others learn of it: audit log, outbox event, search index, in one
transaction."""

from __future__ import annotations

from typing import Any

from catalog.models import ApiVersion, Subscription
from catalog.services import audit_snapshots, search_index
from kernel import audit, outbox
from kernel.models import User


def version_changed(
    version: ApiVersion,
    verb: str,
    *,
    actor: User | None,
    payload: dict[str, Any],
    before: dict[str, Any] | None = None,
    reason: str = "",
) -> None:
    """`verb` without its room (`version_published`) is the audit verb and the topic; `before` is the snapshot before
    the change."""
    audit.record(
        actor=actor,
        verb=f"catalog.{verb}",
        subject_kind="version",
        subject_id=str(version),
        before=before,
        after=audit_snapshots.of_version(version),
        reason=reason,
    )
    outbox.emit(f"catalog.{verb}", key=str(version), payload={"version_id": version.pk, **payload})
    search_index.refresh([version.api_id])


def subscription_changed(
    row: Subscription, verb: str, *, actor: User, before: dict[str, Any] | None = None, reason: str = ""
) -> None:
    """Record and announce a change of a subscription. The audit log keeps it under the version that is used."""
    reference = str(row.version)
    audit.record(
        actor=actor,
        verb=f"catalog.{verb}",
        subject_kind="version",
        subject_id=reference,
        before=before,
        after=audit_snapshots.of_subscription(row),
        reason=reason,
    )
    payload = {
        "subscription_id": row.pk,
        "version_id": row.version_id,
        "application": row.application.key,
        "state": row.state,
    }
    outbox.emit(f"catalog.{verb}", key=reference, payload=payload)
    search_index.refresh([row.version.api_id])
