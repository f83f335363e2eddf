"""Approvals as other rooms use them: require one, mark it used, void it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.db import connection, transaction

from governance import models
from governance.domain import kinds
from governance.domain.approval import SealedApproval, best, unmet_of
from governance.domain.slots import without_name
from governance.domain.subject import Subject
from governance.selectors import freezes, rights
from kernel import audit, clock
from kernel.digest import short
from kernel.errors import Conflict, NotApproved, NotFound
from kernel.models import User

Unmet = Callable[[int], list[dict[str, Any]]]
_further: dict[str, tuple[Unmet, ...]] = {}


def register_unmet(subject_kind: str, unmet: Unmet) -> None:
    """The owning room knows more that an approval binds, and says by its id what of it does not hold now."""
    _further[subject_kind] = (unmet,)


def require(
    subject: Subject,
    digest: str,
    environment: str,
    at: datetime | None = None,
    *,
    actor: User | None = None,
    freeze: bool = True,
) -> SealedApproval:
    """The approval that lets `digest` of this subject go live in `environment` at `at` (default: now).

    Raises NotApproved with `data["unmet"]`, each `{"code", "message", "fix"}`: `approval.missing`,
    `approval.stale_digest`, `approval.void`, `approval.expired`, `approval.before_window`, `approval.after_window`,
    `approval.approver_lost_right`, `approval.deployer_approved`, `approval.destination_moved`, `check.blocking`,
    `freeze.active`. Inside a transaction the approval row is locked against voiding until commit, so that the caller's
    effect and the approval agree. `actor` puts it into effect. With `freeze` False the caller checks freeze windows;
    break-glass passes them in any case.
    """
    lock = transaction.get_connection().in_atomic_block
    chosen, unmet = _judged(subject, digest, environment, at or clock.now(), actor=actor, freeze=freeze, lock=lock)
    if unmet or chosen is None:
        said = " ".join(str(u["message"]) for u in unmet)
        raise NotApproved("approval.unmet", f"{subject.id} may not go to {environment}: {said}", {"unmet": unmet})
    return chosen


def unmet(subject: Subject, environment: str, at: datetime, *, freeze: bool = True) -> list[dict[str, Any]]:
    """What `require` would say about the subject's digest at `at`, for who only reads it. Locks nothing, raises
    nothing.

    Before the planned window opens, it also names what else is missing by now.
    """
    return standing(subject, environment, at, freeze=freeze)[1]


def standing(
    subject: Subject, environment: str, at: datetime, *, freeze: bool = True, what_if: bool = False
) -> tuple[SealedApproval | None, list[dict[str, Any]]]:
    """The approval that fits best, and what is unmet of it; nothing is, where it holds. `what_if`: `at` is a time that
    has passed, and what was approved later was not approved then."""
    chosen, found = _judged(
        subject, subject.digest, environment, at, actor=None, freeze=freeze, lock=False, what_if=what_if
    )
    if found and all(u["code"] == "approval.before_window" for u in found):
        waiting = as_value(models.Approval.objects.get(pk=found[0]["approval"]))
        found = found + _lost_rights(waiting) + _blocking(waiting)
    return chosen, found


def _judged(
    subject: Subject,
    digest: str,
    environment: str,
    at: datetime,
    *,
    actor: User | None,
    freeze: bool,
    lock: bool,
    what_if: bool = False,
) -> tuple[SealedApproval | None, list[dict[str, Any]]]:
    rows = models.Approval.objects.filter(
        subject_kind=subject.kind, subject_id=subject.id, environment=environment
    ).order_by("-id")
    if lock:
        rows = rows.select_for_update()
    listed = [
        (made, unmet_of(made, digest=digest, at=at, actor_id=actor.pk if actor else None, what_if=what_if))
        for made in map(as_value, rows[:50])
    ]
    chosen, missing = best(listed)
    if chosen is not None:
        missing = (
            _lost_rights(chosen)
            + _blocking(chosen)
            + [found for unmet in _further.get(subject.kind, ()) for found in unmet(chosen.id)]
            + (_frozen(chosen, at) if freeze and chosen.origin == "review" and chosen.used_at is None else [])
        )
    elif not missing:
        message = f"{subject.id} at {short(digest)} is not approved for {environment}."
        missing = [
            {"code": "approval.missing", "message": message, "fix": "Open a change request for it and get it approved."}
        ]
    return chosen, missing


def as_value(row: models.Approval) -> SealedApproval:
    return SealedApproval(
        id=row.pk,
        origin="break_glass" if row.origin == models.Approval.Origin.BREAK_GLASS else "review",
        change_id=row.change_id,
        subject=Subject(row.subject_kind, row.subject_id, row.digest),
        environment=row.environment,
        approver_ids=tuple(row.approver_ids),
        sealed_at=row.sealed_at,
        valid_from=row.valid_from,
        valid_until=row.valid_until,
        apply_from=row.apply_from,
        apply_until=row.apply_until,
        used_at=row.used_at,
        voided_at=row.voided_at,
        void_reason=row.void_reason,
    )


_GONE = "a slot that is not there any more"
_LOST = """
select coalesce(nullif(trim(u.first_name || ' ' || u.last_name), ''), u.username), s.label
  from governance_approval a cross join jsonb_array_elements(a.filled_slots) e
  left join governance_slot s on s.id = (e ->> 'slot')::bigint
                             and s.change_id = a.change_id and s.revision = a.revision
  left join governance_decision d on d.id = (e ->> 'decision')::bigint and d.change_id = a.change_id
                                 and d.revision = a.revision and d.person_id = (e ->> 'person')::bigint
                                 and d.outcome = 'approve' and d.voided_at is null
  left join kernel_user u on u.id = (e ->> 'person')::bigint
 where a.id = %(approval)s and a.used_at is null
   and (s.id is null or d.id is null or u.id is null
        or governance_may_fill_as(s.group_ids, a.change_id, d.person_id,
                                  coalesce((e ->> 'right_of')::bigint, d.person_id), d.at) is not true)
union all
-- A slot of the change that the approval does not name, and an approval that names none.
select null, s.label
  from governance_approval a
  left join governance_slot s on s.change_id = a.change_id and s.revision = a.revision
 where a.id = %(approval)s and a.used_at is null and a.origin = 'review'
   and (s.id is null
        or not exists (select from jsonb_array_elements(a.filled_slots) e where (e ->> 'slot')::bigint = s.id))
"""


def _lost_rights(approval: SealedApproval) -> list[dict[str, Any]]:
    """Rights are read again now: the approval of a person who left the group no longer counts before it goes live.
    Where the row of a slot, a decision or a person is not there any more, nobody can say that the right still holds.
    """
    with connection.cursor() as cursor:
        cursor.execute(_LOST, {"approval": approval.id})
        return [
            {
                "code": "approval.approver_lost_right",
                "message": f"{name} approved as {without_name(label)} and may no longer give that approval."
                if name and label
                else f"No live decision stands behind the approval as {without_name(label or _GONE)}.",
                "fix": f"Ask another {without_name(label or 'person')} to approve.",
                "approval": approval.id,
            }
            for name, label in cursor.fetchall()
        ]


def _blocking(approval: SealedApproval) -> list[dict[str, Any]]:
    """Checks that block again since the seal, because a waiver ended. What is in effect already stays."""
    if approval.change_id is None or approval.used_at is not None:
        return []
    return [
        {
            "code": "check.blocking",
            "message": f"Check {check} {reason}: what settled it has ended.",
            "fix": "Fix it, or ask for a new waiver.",
            "approval": approval.id,
        }
        for check, reason in rights.blocking_checks(approval.change_id)
    ]


def _frozen(approval: SealedApproval, at: datetime) -> list[dict[str, Any]]:
    change = models.ChangeRequest.objects.filter(pk=approval.change_id or 0).values_list("facts", "kind").first()
    facts = change[0] or {} if change else {}
    if change and kinds.kind(change[1]).passes_freezes:
        return []
    scope = freezes.scope_of(approval.environment, facts)
    return [
        {
            "code": "freeze.active",
            "message": f"{o.name} until {o.ends:%Y-%m-%d %H:%M} UTC: nothing goes live.",
            "fix": f"Wait until {o.ends:%Y-%m-%d %H:%M} UTC.",
            "approval": approval.id,
        }
        for o in freezes.active(scope, at)
        if o.strictness != models.FreezeWindow.Strictness.NOTICE
    ]


def people_behind(subject: Subject, environment: str) -> set[int]:
    """Authors and approvers of what is in effect at this digest in this environment; empty if nothing is."""
    row = (
        models.Approval.objects.select_related("change")
        .filter(
            subject_kind=subject.kind,
            subject_id=subject.id,
            digest=subject.digest,
            environment=environment,
            used_at__isnull=False,
        )
        .order_by("-id")
        .first()
    )
    if row is None:
        return set()
    asked = (row.change.author_id, row.change.submitter_id) if row.change is not None else ()
    return {*row.approver_ids, *(person for person in asked if person)}


def mark_used(approval_id: int, *, actor: User | None, at: datetime | None = None) -> None:
    """The approved thing went live. Called in the transaction that did it; the change becomes `applied`. Idempotent.

    Raises Conflict `approval.void` when the approval was voided meanwhile.
    """
    with transaction.atomic():
        row = models.Approval.objects.select_for_update().filter(pk=approval_id).first()
        if row is None:
            raise NotFound("approval.unknown", f"There is no approval {approval_id}.")
        if row.voided_at is not None:
            raise Conflict("approval.void", f"SealedApproval {approval_id} is void: {row.void_reason}.")
        if row.used_at is not None:
            return
        now = at or clock.now()
        row.used_at, row.used_by_text = now, str(actor) if actor else "system"
        row.save(update_fields=["used_at", "used_by_text"])
        audit.record(
            actor=actor,
            verb="governance.approval_used",
            subject_kind="approval",
            subject_id=row.pk,
            after={"digest": row.digest, "environment": row.environment},
        )
        if (
            row.change_id
            and not models.Approval.objects.filter(change_id=row.change_id, voided_at=None, used_at=None).exists()
        ):
            moved = models.ChangeRequest.objects.filter(
                pk=row.change_id or 0, state=models.ChangeRequest.State.APPROVED
            )
            if moved.update(state=models.ChangeRequest.State.APPLIED, applied_at=now):
                models.ChangeEvent.objects.create(
                    change_id=row.change_id,
                    kind="applied",
                    actor=actor,
                    data={"digest": row.digest, "environment": row.environment},
                )


def void(approval_id: int, *, actor: User | None, reason: str) -> None:
    """End an approval at once, used or not. Idempotent. The database emits `governance.approval_voided`."""
    with transaction.atomic():
        voided = models.Approval.objects.filter(pk=approval_id, voided_at=None).update(
            voided_at=clock.now(), void_reason=reason[:200]
        )
        if not voided:
            return
        row = models.Approval.objects.get(pk=approval_id)
        models.ChangeRequest.objects.filter(pk=row.change_id or 0, state=models.ChangeRequest.State.APPROVED).update(
            state=models.ChangeRequest.State.IN_REVIEW
        )
        audit.record(
            actor=actor,
            verb="governance.approval_voided",
            subject_kind="approval",
            subject_id=approval_id,
            reason=reason,
        )
