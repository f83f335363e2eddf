"""Change requests: open, submit, revise, amend, withdraw, talk. A new digest voids what was decided, in the same transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, connection, transaction

from catalog.selectors import systems as catalog_systems
from governance import permissions
from governance.domain import impact, kinds
from governance.domain.subject import Subject
from governance.models import ChangeEvent, ChangeLink, ChangeRequest, ChangeSubject, CheckResult, Contributor, Slot
from governance.services.facts import Assessment, assess, proposal
from kernel import audit, clock, outbox
from kernel.digest import is_digest
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


def demand(permission: Permission, code: str) -> None:
    if not permission:
        raise Forbidden(code, permission.reason)


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

    In an environment where customers feel it the checks later ask for a planned window and a rollback plan.
    """
    entry = kinds.kind(kind)
    _require_usable(entry, subjects, environment, title, justification, planned_from, planned_until)
    with transaction.atomic():
        change = ChangeRequest.objects.create(
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
        _set_subjects(change, subjects)
        for other in links:
            if ChangeRequest.objects.filter(pk=other).exists():
                ChangeLink.objects.get_or_create(change=change, other_id=other)
        change.refresh_from_db()
        _store(change, _assessed(change))
        _say(change, "opened", author, data={"digest": change.subject_digest})
        audit.record(
            actor=author, verb="governance.change_opened", subject_kind="change", subject_id=change.pk, after=_snapshot(change)
        )
    change.refresh_from_db()
    return change


def submit(change: ChangeRequest, *, actor: User) -> ChangeRequest:
    """draft → in review: slots and checks are derived from policy, and the checks are asked for.

    Raises Conflict `change.needs_evidence` when there is nothing that could be judged (no policy, no difference, no slot) and
    `break_glass.debt_open` when the owner team still owes a review.
    """
    with transaction.atomic():
        change = locked(change.pk)
        demand(permissions.may_submit(Viewer.of(actor), change), "change.not_yours")
        made = _assessed(change)
        _require_evidence(made)
        _store(change, made)
        _derive(change, made)
        change.refresh_from_db()
        change.submitter, change.submitted_at = actor, clock.now()
        change.due_at = clock.now() + timedelta(days=(made.demand.review_days if made.demand else None) or REVIEW_DAYS)
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
        _submitted(change, actor, "submitted")
    change.refresh_from_db()
    return change


def revise(change: ChangeRequest, *, subjects: Sequence[Subject], actor: User) -> ChangeRequest:
    """Other digests (or subjects) under the same change: a new revision; what was decided on the old one is void at once."""
    with transaction.atomic():
        change = locked(change.pk)
        demand(permissions.may_revise(Viewer.of(actor), change), "change.not_yours")
        _replace(change, subjects, actor)
    change.refresh_from_db()
    return change


def follow(subject_kind: str, subject_id: str, digest: str, *, actor: User | None) -> list[int]:
    """The thing itself has a new digest: every open change about it moves along as a new revision, which voids what was decided.

    Called by the owning room in the transaction that makes the new digest. `actor` is the person who made it and becomes a
    contributor. Returns the ids of the changes that moved.
    """
    moved: list[int] = []
    rows = ChangeSubject.objects.filter(kind=subject_kind, subject_id=subject_id, change__state__in=OPEN).exclude(digest=digest)
    for change_id in sorted(set(rows.values_list("change_id", flat=True))):
        with transaction.atomic():
            change = locked(change_id)
            if change.state not in OPEN or not kinds.kind(change.kind).follows:
                continue
            subjects = [
                replace(s, digest=digest) if (s.kind, s.id) == (subject_kind, subject_id) else s for s in subjects_of(change)
            ]
            _replace(change, subjects, actor)
            moved.append(change_id)
    return moved


def amend(change: ChangeRequest, *, actor: User, **fields: Any) -> ChangeRequest:
    """Change title, justification, rollback_plan, planned_from, planned_until or parameters. All but the first two void decisions."""
    unknown = set(fields) - {"title", "justification", "rollback_plan", "planned_from", "planned_until", "parameters"}
    if unknown:
        raise Invalid("change.invalid", f"These fields cannot be amended: {', '.join(sorted(unknown))}.")
    with transaction.atomic():
        change = locked(change.pk)
        demand(permissions.may_revise(Viewer.of(actor), change), "change.not_yours")
        before = _snapshot(change)
        for name, value in fields.items():
            setattr(change, name, value)
        _require_usable(
            kinds.kind(change.kind),
            subjects_of(change),
            change.environment,
            change.title,
            change.justification,
            change.planned_from,
            change.planned_until,
        )
        change.save(update_fields=[*fields])
        audit.record(
            actor=actor,
            verb="governance.change_amended",
            subject_kind="change",
            subject_id=change.pk,
            before=before,
            after=_snapshot(change),
        )
        _contribute(change, actor)
        if set(fields) <= {"title", "justification"}:
            _say(change, "reworded", actor, data={"fields": sorted(fields)})
        else:
            _again(change, actor, "amended", {"fields": sorted(fields)})
    change.refresh_from_db()
    return change


def withdraw(change: ChangeRequest, *, actor: User, reason: str = "") -> ChangeRequest:
    """Ends the change. An approval that was not used yet is void."""
    with transaction.atomic():
        change = locked(change.pk)
        demand(permissions.may_revise(Viewer.of(actor), change), "change.not_yours")
        change.state = State.WITHDRAWN
        change.save(update_fields=["state"])
        tell_closed(change, "withdrawn", actor)
        _say(change, "withdrawn", actor, text=reason)
        audit.record(actor=actor, verb="governance.change_withdrawn", subject_kind="change", subject_id=change.pk, reason=reason)
        outbox.emit("governance.change_withdrawn", key=change.pk, payload=payload(change))
    return change


def comment(change: ChangeRequest, *, actor: User, text: str) -> ChangeEvent:
    """A comment is not a decision. Raises Invalid for an empty one."""
    if not text.strip():
        raise Invalid("comment.empty", "Write something first.", {"findings": [finding("/text", "Write something first.")]})
    with transaction.atomic():
        made = _say(change, "comment", actor, text=text.strip()[:10_000])
        outbox.emit("governance.change_commented", key=change.pk, payload=payload(change) | {"event": made.pk, "actor": actor.pk})
    return made


def link(change: ChangeRequest, *, other: int, actor: User, note: str = "") -> None:
    """Two changes belong together. Idempotent."""
    demand(permissions.may_revise(Viewer.of(actor), change), "change.not_yours")
    get(other)
    if other == change.pk:
        raise Invalid("change.link_to_itself", "A change is not linked to itself.")
    ChangeLink.objects.get_or_create(change=change, other_id=other, defaults={"note": note[:120]})


def refresh(change_id: int) -> bool:
    """Look again at the world: a moved difference, a grown impact set or another policy begins a new revision. True if one began.

    Has its own transaction, so that what it found stays even if the caller then refuses.
    """
    with transaction.atomic():
        change = locked(change_id)
        if change.state not in (State.IN_REVIEW, State.APPROVED):
            return False
        made = _assessed(change, as_of=_difference_time(change))
        if kinds.kind(change.kind).follows and any(f is not None and f.digest not in (None, s.digest) for s, f in made.subjects):
            _replace(change, [replace(s, digest=f.digest) if f is not None and f.digest else s for s, f in made.subjects], None)
            return True
        slots_fit = Slot.objects.filter(change=change, revision=change.revision, policy_digest=change.policy_digest).exists()
        same_slots = _present_slots(change) == sorted(
            (s.key, seat, list(s.group_ids)) for s in made.slots for seat in range(1, s.count + 1)
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
        _again(change, None, "moved", {"reasons": _reasons(change, made, grown)}, made=made)
        return True


def refresh_about(subject_kind: str, subject_id: str) -> list[int]:
    """Look again at every open change about this thing. Returns the ids of those that moved."""
    rows = ChangeSubject.objects.filter(
        kind=subject_kind, subject_id=subject_id, change__state__in=[State.IN_REVIEW, State.APPROVED]
    )
    return [change for change in sorted(set(rows.values_list("change_id", flat=True))) if refresh(change)]


def _reasons(change: ChangeRequest, made: Assessment, grown: bool) -> list[str]:
    found = []
    if made.diff_digest != change.diff_digest:
        found.append("the difference is another one now")
    if grown:
        found.append("the change reaches somebody whom it did not reach before")
    if made.policy_digest != change.policy_digest or not found:
        found.append("the policy or the teams ask for other people now")
    return found


def rederive(change_id: int, *, why: str) -> None:
    """After another policy took effect: new slots and checks for the change, in the caller's transaction."""
    change = locked(change_id)
    if change.state in (State.IN_REVIEW, State.APPROVED):
        _again(change, None, "moved", {"reasons": [why]})


# -- what the use-cases are made of --------------------------------------------------------------------------------------
def _require_usable(
    entry: kinds.ChangeKind,
    subjects: Sequence[Subject],
    environment: str,
    title: str,
    justification: str,
    planned_from: datetime | None,
    planned_until: datetime | None,
) -> None:
    found = []
    if not title.strip() or len(title) > 200:
        found.append(finding("/title", "A title of 1 to 200 characters."))
    if not justification.strip():
        found.append(finding("/justification", "Say why: reviewers read this first."))
    known = [key for key, *_ in catalog_systems.environments()]
    if environment not in known:
        found.append(finding("/environment", f"There is no environment {environment!r}. Known: {', '.join(known) or 'none'}."))
    if not subjects:
        found.append(finding("/subjects", "At least one subject."))
    if len({(s.kind, s.id) for s in subjects}) != len(subjects):
        found.append(finding("/subjects", "A subject stands twice in the list."))
    for index, subject in enumerate(subjects):
        if not is_digest(subject.digest):
            found.append(finding(f"/subjects/{index}/digest", "A digest is sha256: and 64 hex digits."))
        if entry.subject_kind and subject.kind != entry.subject_kind:
            found.append(finding(f"/subjects/{index}/kind", f"{entry.label} is about a {entry.subject_kind}."))
        if not 0 < len(subject.id) <= 200:
            found.append(finding(f"/subjects/{index}/id", "An id of 1 to 200 characters."))
    for name, at in (("planned_from", planned_from), ("planned_until", planned_until)):
        if at is not None and at.tzinfo is None:
            found.append(finding(f"/{name}", "A time needs its zone."))
    if planned_from and planned_until and not found and planned_from >= planned_until:
        found.append(finding("/planned_until", "The window ends after it begins."))
    if found:
        raise Invalid("change.invalid", f"The change cannot be opened: {found[0]['message']}", {"findings": found})


def _set_subjects(change: ChangeRequest, subjects: Sequence[Subject]) -> None:
    """Replace the subject rows by the fewest statements: each one that differs voids decisions by trigger."""
    wanted = {(s.kind, s.id): (position, s) for position, s in enumerate(subjects)}
    for row in change.subjects.all():
        entry = wanted.pop((row.kind, row.subject_id), None)
        if entry is None:
            row.delete()
        elif (row.position, row.digest) != (entry[0], entry[1].digest):
            row.position, row.digest = entry[0], entry[1].digest
            row.save(update_fields=["position", "digest"])
    for position, subject in wanted.values():
        ChangeSubject.objects.create(
            change=change, position=position, kind=subject.kind, subject_id=subject.id, digest=subject.digest
        )


def proposal_of(change: ChangeRequest) -> dict[str, Any]:
    """What is proposed beside the subjects: window, rollback plan, parameters."""
    return proposal(
        environment=change.environment,
        rollback_plan=change.rollback_plan,
        planned_from=change.planned_from,
        planned_until=change.planned_until,
        parameters=change.parameters,
    )


def _difference_time(change: ChangeRequest) -> datetime | None:
    text = (change.difference or {}).get("as_of")
    return datetime.fromisoformat(text) if text else None


def _assessed(change: ChangeRequest, *, as_of: datetime | None = None) -> Assessment:
    moment = as_of or clock.now()
    made = assess(kinds.kind(change.kind), subjects_of(change), proposal_of(change), as_of=moment)
    made.difference["as_of"] = moment.isoformat()
    return made


def _store(change: ChangeRequest, made: Assessment) -> None:
    """Write what was derived; the database computes subject and policy digests itself and voids what no longer fits."""
    change.difference, change.diff_digest = made.difference, made.diff_digest
    change.impact, change.impact_digest = made.impact, made.impact_digest
    change.policy_levels, change.facts, change.risk = list(made.levels), made.facts, made.risk
    change.owner_team_ids = list(made.owner_team_ids)
    change.save(
        update_fields=[
            "difference",
            "diff_digest",
            "impact",
            "impact_digest",
            "policy_levels",
            "facts",
            "risk",
            "owner_team_ids",
            "revision",
            "state",
        ]
    )
    change.refresh_from_db()
    titles = {(s.kind, s.id): f for s, f in made.subjects if f is not None}
    for row in change.subjects.all():
        facts = titles.get((row.kind, row.subject_id))
        if facts and (row.title, row.url) != (facts.title[:200], facts.url[:300]):
            ChangeSubject.objects.filter(pk=row.pk).update(title=facts.title[:200], url=facts.url[:300])
    people = User.objects.filter(pk__in=made.contributor_ids).exclude(pk__in=[change.author_id, change.submitter_id or 0])
    for person in people.exclude(pk__in=change.contributors.values("person_id")):
        Contributor.objects.create(change=change, person=person, how="made what is proposed")


def _require_evidence(made: Assessment) -> None:
    missing = []
    if not made.policy_digest or made.demand is None:
        missing.append(finding("/policy", "No policy of the organisation is active; nobody could say who must decide."))
    if not made.diff_digest:
        missing.append(
            finding("/subjects", "A subject is unknown or has no document; there is nothing to compare and nothing to look at.")
        )
    if made.demand is not None and not made.slots:
        missing.append(
            finding(
                "/policy", "No rule of the policy asks anybody to decide on this; a change that nobody looks at is not approved."
            )
        )
    if missing:
        raise Conflict("change.needs_evidence", f"It cannot be submitted yet: {missing[0]['message']}", {"findings": missing})


def _derive(change: ChangeRequest, made: Assessment) -> None:
    """Slots and `not_run` checks of the present revision."""
    Slot.objects.bulk_create(
        Slot(
            change=change,
            revision=change.revision,
            key=spec.key,
            label=spec.label[:120],
            seat=seat,
            group_ids=list(spec.group_ids),
            why=list(spec.why),
            policy_digest=change.policy_digest,
        )
        for spec in made.slots
        for seat in range(1, spec.count + 1)
    )
    CheckResult.objects.bulk_create(
        CheckResult(
            change=change,
            revision=change.revision,
            position=n,
            check_id=check,
            title=title[:200],
            subject_digest=change.subject_digest,
            why="Waits for its run.",
        )
        for n, (check, title) in enumerate(made.checks)
    )
    ChangeRequest.objects.filter(pk=change.pk).update(
        checks_state=ChangeRequest.ChecksState.QUEUED, checks_done=0, checks_total=len(made.checks), checks_as_of=None
    )


def _present_slots(change: ChangeRequest) -> list[tuple[str, int, list[int]]]:
    return sorted((s.key, s.seat, list(s.group_ids)) for s in change.slots.filter(revision=change.revision))


def _replace(change: ChangeRequest, subjects: Sequence[Subject], actor: User | None) -> None:
    _require_usable(
        kinds.kind(change.kind),
        subjects,
        change.environment,
        change.title,
        change.justification,
        change.planned_from,
        change.planned_until,
    )
    old = change.subject_digest
    _set_subjects(change, subjects)
    change.refresh_from_db()
    if actor is not None:
        _contribute(change, actor)
    _again(change, actor, "revised", {"from": old, "to": change.subject_digest})
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


def _again(
    change: ChangeRequest, actor: User | None, event: str, data: Mapping[str, Any], *, made: Assessment | None = None
) -> None:
    """A new revision with its own slots and checks. Drafts have none yet."""
    made = made or _assessed(change)
    approvals = change.decisions.filter(revision=change.revision, outcome="approve").exclude(void_reason="taken back").count()
    if change.state == State.DRAFT:
        _store(change, made)
        _say(change, event, actor, data=dict(data))
        return
    change.revision += 1
    if change.state == State.APPROVED:
        change.state = State.IN_REVIEW
    _store(change, made)
    _derive(change, made)
    change.refresh_from_db()
    _submitted(change, actor, event, dict(data) | {"voided_approvals": approvals})


def _submitted(change: ChangeRequest, actor: User | None, event: str, data: Mapping[str, Any] | None = None) -> None:
    _say(change, event, actor, data={"digest": change.subject_digest, "revision": change.revision, **(data or {})})
    audit.record(
        actor=actor, verb=f"governance.change_{event}", subject_kind="change", subject_id=change.pk, after=_snapshot(change)
    )
    outbox.emit("governance.change_submitted", key=change.pk, payload=payload(change))


def payload(change: ChangeRequest) -> dict[str, Any]:
    """What events about a change carry."""
    return {
        "change": change.pk,
        "revision": change.revision,
        "kind": change.kind,
        "title": change.title,
        "environment": change.environment,
        "state": change.state,
        "digest": change.subject_digest,
        "subjects": [{"kind": s.kind, "id": s.id, "digest": s.digest} for s in subjects_of(change)],
    }


def _snapshot(change: ChangeRequest) -> dict[str, Any]:
    return payload(change) | {
        "diff": change.diff_digest,
        "impact": change.impact_digest,
        "policy": change.policy_digest,
        "planned_from": change.planned_from.isoformat() if change.planned_from else None,
        "planned_until": change.planned_until.isoformat() if change.planned_until else None,
    }


def _say(
    change: ChangeRequest, kind: str, actor: User | None, *, text: str = "", data: Mapping[str, Any] | None = None
) -> ChangeEvent:
    return ChangeEvent.objects.create(change=change, kind=kind, actor=actor, text=text, data=dict(data or {}), at=clock.now())


def _translated(error: IntegrityError) -> Conflict:
    name = getattr(getattr(error.__cause__, "diag", None), "constraint_name", "") or ""
    if name == "break_glass_debt_is_open":
        return Conflict(
            "break_glass.debt_open", "The owner team used break-glass and nobody has reviewed it yet. Close that review first."
        )
    if name == "change_needs_evidence":
        return Conflict(
            "change.needs_evidence", "Without difference, impact set, policy, slots and checks there is nothing to review."
        )
    return Conflict("change.state", str(error).splitlines()[0])


def tell_closed(change: ChangeRequest, outcome: str, actor: User | None) -> None:
    """The owning room hears that the change ended without an approval."""
    closed = kinds.kind(change.kind).closed
    if closed is not None:
        for subject in subjects_of(change):
            closed(subject, outcome, actor)


def database_clock() -> datetime:
    """The clock by which leases, delegations and windows are judged in SQL."""
    with connection.cursor() as cursor:
        cursor.execute("select clock_timestamp()")
        at: datetime = cursor.fetchone()[0]
        return at
