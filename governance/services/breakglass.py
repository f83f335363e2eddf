"""Break-glass: two different people, one digest, one environment, at most `limits.BREAK_GLASS_HOURS`, and a review
that is owed afterwards.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.db import IntegrityError, transaction

from catalog.selectors import environments
from governance import permissions
from governance.domain import kinds, limits
from governance.domain.approval import SealedApproval
from governance.domain.subject import Subject, SubjectFacts
from governance.models import Approval, BreakGlass
from governance.selectors import emergencies, sight
from governance.services import approvals, changes, identity
from kernel import audit, clock, outbox, persons
from kernel.digest import is_digest
from kernel.errors import Conflict, Forbidden, Invalid, NotFound, finding
from kernel.models import AuditEntry, User
from kernel.viewer import Viewer


def open_case(
    *, actor: User, subject: Subject, environment: str, reason: str, hours: int = limits.BREAK_GLASS_HOURS
) -> BreakGlass:
    """The first person asks; nothing is allowed yet. Raises Invalid with findings, Forbidden without the right."""
    found = []
    if len(reason.split()) < 3:
        found.append(finding("/reason", "Describe the emergency in a sentence."))
    if not 1 <= hours <= limits.BREAK_GLASS_HOURS:
        found.append(finding("/hours", f"1 to {limits.BREAK_GLASS_HOURS} hours."))
    if not is_digest(subject.digest):
        found.append(finding("/digest", "The exact digest: sha256: and 64 hex digits."))
    if environments.by_key(environment) is None:
        found.append(finding("/environment", f"There is no environment {environment[:60]!r}."))
    proved = identity.require_proof(actor, "break-glass")
    facts = _facts(subject) if sight.sees(Viewer.of(actor), subject.kind, subject.id) else None
    if facts is None:
        found.append(finding("/subject", f"{subject.kind} {subject.id} is not known."))
    elif not facts.owner_team_ids:
        found.append(finding("/subject", "It has no owner team, which would have to review the use."))
    if found or facts is None:
        raise Invalid("break_glass.invalid", f"Break-glass was not opened: {found[0]['message']}", {"findings": found})
    changes.require_allowed(
        permissions.may_break_glass(Viewer.of(actor), list(facts.owner_team_ids)), "break_glass.not_allowed"
    )
    with transaction.atomic():
        case = BreakGlass.objects.create(
            subject_kind=subject.kind,
            subject_id=subject.id,
            digest=subject.digest,
            environment=environment,
            reason=reason.strip(),
            hours=hours,
            owner_team_ids=list(facts.owner_team_ids),
            opened_by=actor,
        )
        _record(case, actor, "opened", reason, proved)
    return case


def confirm(case_id: int, *, actor: User) -> SealedApproval:
    """A second person confirms: an approval for exactly this digest and environment begins now and ends by itself."""
    with transaction.atomic():
        case = _locked(case_id, actor)
        proved = identity.require_proof(actor, "break-glass")
        changes.require_allowed(permissions.may_confirm_break_glass(Viewer.of(actor)), "break_glass.not_allowed")
        if persons.are_one(actor.pk, case.opened_by_id):
            raise Forbidden("break_glass.two_people", "The person who asked may not confirm. Ask a second person.")
        if case.confirmed_by_id is not None:
            raise Conflict("break_glass.confirmed", "It was confirmed already.")
        now = changes.database_clock()
        case.confirmed_by, case.starts_at, case.ends_at = actor, now, now + timedelta(hours=case.hours)
        try:
            with transaction.atomic():
                case.save(update_fields=["confirmed_by", "starts_at", "ends_at"])
                made = Approval.objects.create(
                    origin=Approval.Origin.BREAK_GLASS,
                    break_glass=case,
                    subject_kind=case.subject_kind,
                    subject_id=case.subject_id,
                    digest=case.digest,
                    environment=case.environment,
                    approver_ids=[],
                    valid_from=case.starts_at,
                    valid_until=case.ends_at,
                )
        except IntegrityError as error:
            raise Conflict("break_glass.refused", f"{str(error).splitlines()[0]}.") from error
        _record(case, actor, "confirmed", case.reason, proved)
        return approvals.as_value(made)


def review(case_id: int, *, actor: User, note: str) -> BreakGlass:
    """Close the review that is owed: a third person, neither the one who asked nor the one who confirmed, writes down
    what was done and what follows.
    """
    if len(note.split()) < 3:
        raise Invalid(
            "break_glass.note",
            "Write what was done and what follows from it.",
            {"findings": [finding("/note", "Write what was done and what follows.")]},
        )
    with transaction.atomic():
        case = _locked(case_id, actor)
        proved = identity.require_proof(actor, "break-glass")
        changes.require_allowed(permissions.may_confirm_break_glass(Viewer.of(actor)), "break_glass.not_allowed")
        if case.confirmed_by_id is None or case.reviewed_at is not None:
            raise Conflict("break_glass.no_debt", "No review is owed here.")
        if {case.opened_by_id, case.confirmed_by_id} & {*persons.accounts_of(actor.pk)}:
            raise Forbidden(
                "break_glass.third_person", "The two people who opened it may not review it. Ask a third person."
            )
        case.reviewed_by, case.reviewed_at, case.review_note = actor, changes.database_clock(), note.strip()
        case.save(update_fields=["reviewed_by", "reviewed_at", "review_note"])
        _record(case, actor, "reviewed", note, proved)
    return case


def end(case_id: int, *, actor: User) -> None:
    """End it before its time is up. The review is still owed."""
    with transaction.atomic():
        case = _locked(case_id, actor)
        changes.require_allowed(permissions.may_end_break_glass(Viewer.of(actor), case), "break_glass.not_allowed")
        live = Approval.objects.filter(break_glass=case, voided_at=None).first()
        if live is not None:
            approvals.void(live.pk, actor=actor, reason="break-glass ended early")


def tell_overdue() -> int:
    """The hourly task: tell the owners of each review that is late, once. Returns how many it told of."""
    verb, told = "governance.break_glass_overdue", 0
    for case in emergencies.overdue(clock.now()):
        with transaction.atomic():
            locked = BreakGlass.objects.select_for_update().get(pk=case.pk)
            said = AuditEntry.objects.filter(verb=verb, subject_kind="break_glass", subject_id=str(case.pk))
            if locked.reviewed_at is None and not said.exists():
                _record(locked, None, "overdue", locked.reason)
                told += 1
    return told


def _facts(subject: Subject) -> SubjectFacts | None:
    for kind in kinds.all_kinds():
        if kind.subject_kind in ("", subject.kind) and (found := kind.facts(subject)) is not None:
            return found
    return None


def _record(
    case: BreakGlass, actor: User | None, step: str, reason: str, proved: Mapping[str, Any] | None = None
) -> None:
    after = {"subject": case.subject_id, "digest": case.digest, "environment": case.environment, "hours": case.hours}
    audit.record(
        actor=actor,
        verb=f"governance.break_glass_{step}",
        subject_kind="break_glass",
        subject_id=case.pk,
        after=after | dict(proved or {}),
        reason=reason,
    )
    outbox.emit(
        f"governance.break_glass_{step}", key=case.pk, payload=after | {"break_glass": case.pk, "reason": reason}
    )


def _locked(case_id: int, actor: User) -> BreakGlass:
    case = BreakGlass.objects.select_for_update().filter(pk=case_id).first()
    if case is None or not sight.emergencies(Viewer.of(actor)).filter(pk=case_id).exists():
        raise NotFound("break_glass.unknown", f"There is no break-glass case {case_id}.")
    return case
