"""Change requests: open, submit, revise, amend, withdraw, comment. A new digest voids decisions in the same
transaction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, connection, transaction

from governance import permissions
from governance.domain import impact, kinds
from governance.domain.subject import Subject
from governance.models import ChangeEvent, ChangeLink, ChangeRequest, ChangeSubject, Contributor, Slot
from governance.selectors import sight
from governance.services import change_events, change_input, revisions
from governance.services.assessment import Assessment
from kernel import audit, clock, outbox
from kernel.errors import Conflict, Forbidden, Invalid, NotFound, finding
from kernel.models import User
from kernel.viewer import Permission, Viewer

State = ChangeRequest.State
OPEN = (State.DRAFT, State.IN_REVIEW, State.APPROVED)
REVIEW_DAYS = 14


def get(change_id: int) -> ChangeRequest:
    """The change, or NotFound `change.unknown`."""
    change = ChangeRequest.objects.select_related("author", "submitter").filter(pk=change_id).first()
    if change is None:
        raise NotFound("change.unknown", f"There is no change {change_id}.")
    return change


def locked(change_id: int) -> ChangeRequest:
    change = ChangeRequest.objects.select_for_update().filter(pk=change_id).first()
    if change is None:
        raise NotFound("change.unknown", f"There is no change {change_id}.")
    return change


def require_allowed(permission: Permission, code: str) -> None:
    if not permission:
        raise Forbidden(code, permission.reason)


def open_one(kind: str, subject_id: str, environment: str, parameters: Mapping[str, Any]) -> int | None:
    """The number of a change that is open already and proposes just this, the newest; None where there is none."""
    rows = ChangeRequest.objects.filter(kind=kind, environment=environment, state__in=OPEN, parameters=dict(parameters))
    return rows.filter(subjects__subject_id=subject_id).order_by("-pk").values_list("pk", flat=True).first()


def subjects_of(change: ChangeRequest) -> list[Subject]:
    return [Subject(row.kind, row.subject_id, row.digest) for row in change.subjects.all()]


def open_change(
    *,
    author: User,
    kind: str,
    subjects: Sequence[Subject],
    environment: str,
    title: str,
    justification: str,
    rollback_plan: str = "",
    planned_from: datetime | None = None,
    planned_until: datetime | None = None,
    parameters: Mapping[str, Any] | None = None,
    links: Sequence[int] = (),
) -> ChangeRequest:
    """A draft about one or several subjects. Raises Invalid `change.invalid` with every finding.

    In production the checks require a planned window and a rollback plan as well.
    """
    change = ChangeRequest(
        kind=kind,
        title=title.strip(),
        justification=justification.strip(),
        rollback_plan=rollback_plan.strip(),
        environment=environment,
        parameters=dict(parameters or {}),
        author=author,
        planned_from=planned_from,
        planned_until=planned_until,
    )
    change_input.require_parameters(kind, change.parameters)
    subjects = [kinds.kind(kind).named(subject, change.parameters) for subject in subjects]
    change_input.require_usable(change, subjects)
    change_input.require_seen(Viewer.of(author), subjects)
    linked = list(sight.of_changes(Viewer.of(author)).filter(pk__in=links)) if links else []
    if missing := sorted(set(links) - {other.pk for other in linked}):
        said = f"There is no change {missing[0]}."
        raise Invalid("change.invalid", f"{said} Link changes that are there.", {"findings": [finding("/links", said)]})
    with transaction.atomic():
        change.save()
        revisions.set_subjects(change, subjects)
        for other in linked:
            ChangeLink.objects.get_or_create(change=change, other=other)
        change.refresh_from_db()
        revisions.store(change, revisions.assessed(change, subjects_of(change)))
        change_events.say(change, "opened", author, data={"digest": change.subject_digest})
        audit.record(
            actor=author,
            verb="governance.change_opened",
            subject_kind="change",
            subject_id=change.pk,
            after=change_events.snapshot(change),
        )
    change.refresh_from_db()
    return change


def submit(change: ChangeRequest, *, actor: User) -> ChangeRequest:
    """draft → in review: slots and checks are derived from policy, and the checks are asked for.

    Raises Conflict `change.needs_evidence` when there is nothing to decide on (no policy, no difference, no slot) and
    `break_glass.debt_open` when the owner team still owes a review.
    """
    with transaction.atomic():
        change = locked(change.pk)
        require_allowed(permissions.may_submit(Viewer.of(actor), change), "change.not_yours")
        made = revisions.assessed(change, subjects_of(change))
        revisions.require_evidence(made)
        revisions.store(change, made)
        revisions.derive(change, made)
        change.refresh_from_db()
        change.submitter, change.submitted_at = actor, clock.now()
        change.due_at = clock.now() + timedelta(
            days=(made.requirements.review_days if made.requirements else None) or REVIEW_DAYS
        )
        change.state = State.IN_REVIEW
        try:
            with transaction.atomic():
                change.save(update_fields=["submitter", "submitted_at", "due_at", "state"])
        except IntegrityError as error:
            raise _translated(error) from error
        told = kinds.kind(change.kind).submitted
        if told is not None:
            for subject in subjects_of(change):
                told(subject, actor)
        change_events.announce(change, actor, "submitted")
    change.refresh_from_db()
    return change


def revise(change: ChangeRequest, *, subjects: Sequence[Subject], actor: User) -> ChangeRequest:
    """Other digests or subjects under the same change: a new revision. Decisions on the old one are void at once."""
    with transaction.atomic():
        change = locked(change.pk)
        require_allowed(permissions.may_revise(Viewer.of(actor), change), "change.not_yours")
        change_input.require_seen(Viewer.of(actor), subjects)
        _replace(change, subjects, actor)
    change.refresh_from_db()
    return change


def follow(subject_kind: str, subject_id: str, digest: str, *, actor: User | None) -> list[int]:
    """A subject has a new digest: every open change about it gets a new revision, which voids the decisions.

    Called by the owning room in the transaction that makes the new digest. `actor` is the person who made it and
    becomes a contributor. Returns the ids of the changes that moved.
    """
    moved: list[int] = []
    rows = ChangeSubject.objects.filter(kind=subject_kind, subject_id=subject_id, change__state__in=OPEN).exclude(
        digest=digest
    )
    for change_id in sorted(set(rows.values_list("change_id", flat=True))):
        with transaction.atomic():
            change = locked(change_id)
            if change.state not in OPEN or not kinds.kind(change.kind).follows:
                continue
            subjects = [
                replace(s, digest=digest) if (s.kind, s.id) == (subject_kind, subject_id) else s
                for s in subjects_of(change)
            ]
            _replace(change, subjects, actor)
            moved.append(change_id)
    return moved


def amend(change: ChangeRequest, *, actor: User, **fields: Any) -> ChangeRequest:
    """Change title, justification, rollback_plan, planned_from, planned_until or parameters. All but the first two
    void decisions.
    """
    unknown = set(fields) - {"title", "justification", "rollback_plan", "planned_from", "planned_until", "parameters"}
    if unknown:
        raise Invalid("change.invalid", f"These fields cannot be amended: {', '.join(sorted(unknown))}.")
    with transaction.atomic():
        change = locked(change.pk)
        require_allowed(permissions.may_revise(Viewer.of(actor), change), "change.not_yours")
        before = change_events.snapshot(change)
        for name, value in fields.items():
            setattr(change, name, value)
        subjects = subjects_of(change)
        if "parameters" in fields:
            change_input.require_parameters(change.kind, change.parameters)
            subjects = [kinds.kind(change.kind).named(subject, change.parameters) for subject in subjects]
        change_input.require_usable(change, subjects)
        change.save(update_fields=[*fields])
        if subjects != subjects_of(change):
            revisions.set_subjects(change, subjects)
            change.refresh_from_db()
        audit.record(
            actor=actor,
            verb="governance.change_amended",
            subject_kind="change",
            subject_id=change.pk,
            before=before,
            after=change_events.snapshot(change),
        )
        _contribute(change, actor)
        if set(fields) <= {"title", "justification"}:
            change_events.say(change, "reworded", actor, data={"fields": sorted(fields)})
        else:
            revisions.begin(
                change,
                actor,
                "amended",
                {"fields": sorted(fields)},
                made=revisions.assessed(change, subjects_of(change)),
            )
    change.refresh_from_db()
    return change


def withdraw(change: ChangeRequest, *, actor: User, reason: str = "") -> ChangeRequest:
    """Ends the change. An approval that was not used yet is void."""
    with transaction.atomic():
        change = locked(change.pk)
        require_allowed(permissions.may_revise(Viewer.of(actor), change), "change.not_yours")
        change.state = State.WITHDRAWN
        change.save(update_fields=["state"])
        tell_closed(change, "withdrawn", actor)
        change_events.say(change, "withdrawn", actor, text=reason)
        audit.record(
            actor=actor, verb="governance.change_withdrawn", subject_kind="change", subject_id=change.pk, reason=reason
        )
        outbox.emit("governance.change_withdrawn", key=change.pk, payload=change_events.payload(change))
    return change


def comment(change: ChangeRequest, *, actor: User, text: str) -> ChangeEvent:
    """A comment is not a decision. Raises Invalid for an empty one."""
    if not text.strip():
        raise Invalid(
            "comment.empty", "Write something first.", {"findings": [finding("/text", "Write something first.")]}
        )
    with transaction.atomic():
        made = change_events.say(change, "comment", actor, text=text.strip()[:10_000])
        outbox.emit(
            "governance.change_commented",
            key=change.pk,
            payload=change_events.payload(change) | {"event": made.pk, "actor": actor.pk},
        )
    return made


def link(change: ChangeRequest, *, other: int, actor: User, note: str = "") -> None:
    """Two changes belong together. Idempotent."""
    require_allowed(permissions.may_revise(Viewer.of(actor), change), "change.not_yours")
    sight.change(Viewer.of(actor), other)
    if other == change.pk:
        raise Invalid("change.link_to_itself", "A change cannot be linked to itself.")
    ChangeLink.objects.get_or_create(change=change, other_id=other, defaults={"note": note[:120]})


def refresh(change_id: int) -> bool:
    """Assess the change again: a new difference, a grown impact set or another policy begins a new revision. True if
    one began.

    It has its own transaction, so that the new revision stays even if the caller then refuses.
    """
    with transaction.atomic():
        change = locked(change_id)
        if change.state not in (State.IN_REVIEW, State.APPROVED):
            return False
        made = revisions.assessed(change, subjects_of(change), as_of=revisions.difference_time(change))
        if kinds.kind(change.kind).follows and any(
            f is not None and f.digest not in (None, s.digest) for s, f in made.subjects
        ):
            _replace(
                change,
                [replace(s, digest=f.digest) if f is not None and f.digest else s for s, f in made.subjects],
                None,
            )
            return True
        slots_fit = Slot.objects.filter(
            change=change, revision=change.revision, policy_digest=change.policy_digest
        ).exists()
        same_slots = revisions.present_slots(change) == sorted(
            (s.key, number, list(s.group_ids)) for s in made.slots for number in range(1, s.count + 1)
        )
        grown = impact.grows(change.impact, made.impact)
        if (
            made.diff_digest == change.diff_digest
            and not grown
            and slots_fit
            and same_slots
            and made.policy_digest == change.policy_digest
        ):
            return False
        if not grown:
            made = replace(made, impact=change.impact, impact_digest=change.impact_digest)
        revisions.begin(change, None, "moved", {"reasons": _reasons(change, made, grown)}, made=made)
        return True


def refresh_about(subject_kind: str, subject_id: str) -> list[int]:
    """Assess every open change about this subject again. Returns the ids of those with a new revision."""
    rows = ChangeSubject.objects.filter(
        kind=subject_kind, subject_id=subject_id, change__state__in=[State.IN_REVIEW, State.APPROVED]
    )
    return [change for change in sorted(set(rows.values_list("change_id", flat=True))) if refresh(change)]


def refresh_moved() -> int:
    """Assess the changes again whose difference the database took away, because something moved that they bind. Returns
    how many."""
    rows = ChangeRequest.objects.filter(state__in=[State.IN_REVIEW, State.APPROVED], diff_digest="")
    return sum(refresh(change) for change in rows.values_list("pk", flat=True)[:100])


def _reasons(change: ChangeRequest, made: Assessment, grown: bool) -> list[str]:
    found = []
    if made.diff_digest != change.diff_digest:
        found.append("the difference is another one")
    if grown:
        found.append("the change affects more consumers than before")
    if made.policy_digest != change.policy_digest or not found:
        found.append("the policy or the teams require other approvals")
    return found


def rederive(change_id: int, *, why: str) -> None:
    """After another policy took effect: new slots and checks for the change, in the caller's transaction."""
    change = locked(change_id)
    if change.state in (State.IN_REVIEW, State.APPROVED):
        revisions.begin(change, None, "moved", {"reasons": [why]}, made=revisions.assessed(change, subjects_of(change)))


# -- parts of the use cases ----------------------------------------------------------------------------------------
def _replace(change: ChangeRequest, subjects: Sequence[Subject], actor: User | None) -> None:
    change_input.require_usable(change, subjects)
    old = change.subject_digest
    revisions.set_subjects(change, subjects)
    change.refresh_from_db()
    if actor is not None:
        _contribute(change, actor)
    revisions.begin(
        change,
        actor,
        "revised",
        {"from": old, "to": change.subject_digest},
        made=revisions.assessed(change, subjects_of(change)),
    )
    audit.record(
        actor=actor,
        verb="governance.change_revised",
        subject_kind="change",
        subject_id=change.pk,
        before={"digest": old},
        after={"digest": change.subject_digest},
    )


def _contribute(change: ChangeRequest, actor: User) -> None:
    if actor.pk not in (change.author_id, change.submitter_id):
        Contributor.objects.get_or_create(change=change, person=actor, defaults={"how": "revised the change"})


def _translated(error: IntegrityError) -> Conflict:
    name = getattr(getattr(error.__cause__, "diag", None), "constraint_name", "") or ""
    if name == "break_glass_debt_is_open":
        return Conflict(
            "break_glass.debt_open",
            "The owner team used break-glass, and its review is still owed. Close that review first.",
        )
    if name == "change_needs_evidence":
        return Conflict(
            "change.needs_evidence",
            "Without difference, impact set, policy, slots and checks there is nothing to review.",
        )
    return Conflict("change.state", str(error).splitlines()[0])


def tell_closed(change: ChangeRequest, outcome: str, actor: User | None) -> None:
    """Tell the owning room that the change ended without an approval."""
    closed = kinds.kind(change.kind).closed
    if closed is not None:
        for subject in subjects_of(change):
            closed(subject, outcome, actor)


def database_clock() -> datetime:
    """The database's clock, by which SQL compares leases, delegations and windows."""
    with connection.cursor() as cursor:
        cursor.execute("select clock_timestamp()")
        at: datetime = cursor.fetchone()[0]
        return at
