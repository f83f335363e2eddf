"""Applies approved changes of the catalog, of policies and of waivers in their planned window, checked again under
lock.

The runtime deploys for itself and asks `approvals.require`: kinds without `apply` are skipped here.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import datetime

from django.db import transaction
from django.db.models import Q

from governance.domain import kinds
from governance.domain.approval import SealedApproval
from governance.domain.subject import Subject
from governance.models import Approval, ChangeEvent, ChangeRequest
from governance.services import approvals, change_events, changes, checks, effects
from kernel import audit, clock, outbox
from kernel.errors import Conflict, DomainError, NotApproved
from kernel.models import User

log = logging.getLogger(__name__)
APPROVED = ChangeRequest.State.APPROVED


def apply(change: ChangeRequest, *, actor: User | None = None, at: datetime | None = None) -> ChangeRequest:
    """Apply the change now. Raises NotApproved with `unmet` (a freeze, a closed window, a lost right, a moved
    digest, a check that does not pass any more), Conflict when the subject itself has changed. All subjects are
    changed, or none.
    """
    at = at or clock.now()
    changes.refresh(change.pk)
    with transaction.atomic():
        effects.one_after_the_other()
        change = changes.locked(change.pk)
        entry = kinds.kind(change.kind)
        if entry.apply is None:
            raise Conflict("change.pulled", f"{entry.label} is deployed by the runtime, not applied here.")
        if change.state != APPROVED:
            raise NotApproved(
                "approval.unmet",
                f"Change {change.pk} is {change.get_state_display().lower()}.",
                {"unmet": [{"code": "approval.missing", "message": "It is not approved."}]},
            )
        taken = [
            (subject, approvals.require(subject, subject.digest, change.environment, at, actor=actor))
            for subject in changes.subjects_of(change)
        ]
        _require_bound(change)
        blocking = checks.run_again(change)
        if not blocking:
            _put_into_effect(change, entry.apply, taken, actor, at)
    if blocking:  # what they found stays
        raise _blocked(change, blocking)
    change.refresh_from_db()
    return change


def _put_into_effect(
    change: ChangeRequest,
    carry_out: Callable[[kinds.ApprovedSubject], None],
    taken: Sequence[tuple[Subject, SealedApproval]],
    actor: User | None,
    at: datetime,
) -> None:
    for _, approval in taken:
        approvals.mark_used(approval.id, actor=actor, at=at)
    for subject, approval in taken:
        carry_out(kinds.ApprovedSubject(subject, approval.id, change.environment, dict(change.parameters), actor, at))
    ChangeRequest.objects.filter(pk=change.pk).update(apply_error="")
    audit.record(
        actor=actor,
        verb="governance.change_applied",
        subject_kind="change",
        subject_id=change.pk,
        after={"digest": change.subject_digest},
    )
    outbox.emit(
        "governance.change_applied",
        key=change.pk,
        payload=change_events.payload(change) | {"approvals": [a.id for _, a in taken]},
    )


def _blocked(change: ChangeRequest, blocking: Sequence[tuple[str, str]]) -> NotApproved:
    unmet = [
        {
            "code": "check.blocking",
            "message": f"Check {check} {reason} now, and did not when the change was approved.",
            "fix": "Fix what its findings name, or ask for a waiver. The change is approved again by itself then.",
        }
        for check, reason in blocking
    ]
    said = " ".join(one["message"] for one in unmet)
    return NotApproved("approval.unmet", f"Change {change.pk} is in review again: {said}", {"unmet": unmet})


def _require_bound(change: ChangeRequest) -> None:
    """The parameters are bound by the difference's digest; the approval must hold the present one."""
    if Approval.objects.filter(change=change, voided_at=None).exclude(diff_digest=change.diff_digest).exists():
        raise Conflict("approval.stale_digest", "The approval is about another proposal than the present one.")


def apply_due(*, at: datetime | None = None, limit: int = 50) -> int:
    """Apply every approved change whose planned window is open; returns how many. A failure is stored with its reason
    and retried.
    """
    at = at or clock.now()
    pulled = [kind.key for kind in kinds.all_kinds() if kind.apply is None]
    due = ChangeRequest.objects.filter(state=APPROVED).exclude(kind__in=pulled)
    due = due.filter(Q(planned_from=None) | Q(planned_from__lte=at)).filter(
        Q(planned_until=None) | Q(planned_until__gt=at)
    )
    done = 0
    for change in due.order_by("planned_from", "id")[:limit]:
        try:
            apply(change, at=at)
            done += 1
        except DomainError as error:
            keep_error(change, error)
    return done


def keep_error(change: ChangeRequest, error: DomainError) -> None:
    """Store why it was not applied. The same reason is told once, not at each try."""
    with transaction.atomic():
        told = (
            ChangeRequest.objects.filter(pk=change.pk)
            .exclude(apply_error=error.message)
            .update(apply_error=error.message)
        )
        if told:
            ChangeEvent.objects.create(
                change_id=change.pk, kind="not_applied", text=error.message, at=clock.now(), data={"code": error.code}
            )
            outbox.emit(
                "governance.change_not_applied",
                key=change.pk,
                payload=change_events.payload(change) | {"code": error.code, "message": error.message},
            )
