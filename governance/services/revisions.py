"""Revisions of a change: what each is derived from (difference, impact, policy), its subjects, its slots and its
checks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from governance.domain import kinds
from governance.domain.subject import Subject
from governance.models import ChangeRequest, ChangeSubject, CheckResult, Contributor, Slot
from governance.models.decision import RETRACTED
from governance.services import change_events, unfillable
from governance.services.assessment import Assessment, assess, proposal
from kernel import clock
from kernel.errors import Conflict, finding
from kernel.models import User

State = ChangeRequest.State


def proposal_of(change: ChangeRequest) -> dict[str, Any]:
    """What is proposed beside the subjects: window, rollback plan, parameters."""
    return proposal(
        environment=change.environment,
        rollback_plan=change.rollback_plan,
        planned_from=change.planned_from,
        planned_until=change.planned_until,
        parameters=change.parameters,
    )


def difference_time(change: ChangeRequest) -> datetime | None:
    """When the stored difference was made, None where there is none yet."""
    text = (change.difference or {}).get("as_of")
    return datetime.fromisoformat(text) if text else None


def assessed(change: ChangeRequest, subjects: Sequence[Subject], *, as_of: datetime | None = None) -> Assessment:
    """What the change needs, assessed as of `as_of` (default: now). Reads only."""
    moment = as_of or clock.now()
    made = assess(kinds.kind(change.kind), subjects, proposal_of(change), as_of=moment)
    made.difference["as_of"] = moment.isoformat()
    return made


def require_evidence(made: Assessment) -> None:
    """Raises Conflict `change.needs_evidence` with every part that is missing for a review."""
    missing = []
    if not made.policy_digest or made.requirements is None:
        missing.append(
            finding("/policy", "No policy of the organisation is active, so it is unknown who must approve.")
        )
    if not made.diff_digest:
        missing.append(finding("/subjects", "A subject is unknown or has no document, so there is nothing to review."))
    if made.requirements is not None and not made.slots:
        missing.append(
            finding(
                "/policy",
                "No rule of the policy requires an approval for this. A change is never approved without one.",
            )
        )
    if missing:
        raise Conflict(
            "change.needs_evidence", f"It cannot be submitted yet: {missing[0]['message']}", {"findings": missing}
        )


def set_subjects(change: ChangeRequest, subjects: Sequence[Subject]) -> None:
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


def store(change: ChangeRequest, made: Assessment) -> None:
    """Store the assessment; triggers compute subject and policy digests and void the decisions that no longer fit."""
    told = change.facts or {}
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
    people = User.objects.filter(pk__in=made.contributor_ids).exclude(
        pk__in=[change.author_id, change.submitter_id or 0]
    )
    for person in people.exclude(pk__in=change.contributors.values("person_id")):
        Contributor.objects.create(change=change, person=person, how="made what is proposed")
    unfillable.tell(change, made.slots, told)


def derive(change: ChangeRequest, made: Assessment) -> None:
    """Slots and `not_run` checks of the present revision."""
    Slot.objects.bulk_create(
        Slot(
            change=change,
            revision=change.revision,
            key=spec.key,
            label=spec.label[:120],
            number=number,
            group_ids=list(spec.group_ids),
            why=list(spec.why),
            policy_digest=change.policy_digest,
        )
        for spec in made.slots
        for number in range(1, spec.count + 1)
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


def present_slots(change: ChangeRequest) -> list[tuple[str, int, list[int]]]:
    """(key, number, group ids) of each slot that policy asks for at the present revision, sorted."""
    rows = change.slots.filter(revision=change.revision, by_acceptance=False)
    return sorted((s.key, s.number, list(s.group_ids)) for s in rows)


def begin(change: ChangeRequest, actor: User | None, event: str, data: Mapping[str, Any], *, made: Assessment) -> None:
    """A new revision with its own slots and checks. Drafts have none yet."""
    approvals = (
        change.decisions.filter(revision=change.revision, outcome="approve").exclude(void_reason__in=RETRACTED).count()
    )
    if change.state == State.DRAFT:
        store(change, made)
        change_events.say(change, event, actor, data=dict(data))
        return
    change.revision += 1
    if change.state == State.APPROVED:
        change.state = State.IN_REVIEW
    store(change, made)
    derive(change, made)
    change.refresh_from_db()
    change_events.announce(change, actor, event, dict(data) | {"voided_approvals": approvals})
