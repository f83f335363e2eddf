"""Running the checks of a change as a job: the page shows how many are done, and all results are stored together."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from django.db import transaction

from governance.domain import checks as domain
from governance.domain import kinds
from governance.domain.checks import ChangeFacts, Check, CheckContext, CheckOutcome
from governance.domain.subject import Subject, SubjectFacts
from governance.models import ChangeEvent, ChangeRequest, ChangeSubject, CheckResult
from governance.services import change_events, changes, sealing
from governance.services.builtin_checks import BUILT_IN
from kernel import clock, outbox
from kernel.errors import DomainError

log = logging.getLogger(__name__)
Running = ChangeRequest.ChecksState


def run_checks(change_id: int) -> dict[str, int]:
    """Run each required check of the present revision, and seal the change if it is complete. Returns the count per
    outcome.

    Idempotent. A check that raises is `not_run` with the reason, and blocks. If a new revision begins meanwhile, this
    run stops: the new revision has its own run.
    """
    change = changes.get(change_id)
    if change.state not in (ChangeRequest.State.IN_REVIEW, ChangeRequest.State.APPROVED):
        return {}
    as_of = clock.now()
    entry = kinds.kind(change.kind)
    registered = {check.id: check for check in (*entry.checks, *entry.offered, *BUILT_IN)}
    subjects = changes.subjects_of(change)
    known = {subject: _facts_or_none(entry, subject, change) for subject in subjects}
    context = _change_facts(change, subjects)
    if not _progress(change, checks_state=Running.RUNNING, checks_done=0, checks_as_of=as_of):
        return {}
    outcomes = []
    for done, row in enumerate(CheckResult.objects.filter(change=change, revision=change.revision), start=1):
        outcomes.append((row, run_check(registered.get(row.check_id), row.check_id, context, known, as_of)))
        if not _progress(change, checks_done=done):
            return {}
    tally: dict[str, int] = {}
    with transaction.atomic():  # all at once: one entry of the ledger says what they found
        if not _write(change, outcomes, as_of) or not _progress(change, checks_state=Running.DONE):
            return tally
        for _, outcome in outcomes:
            tally[outcome.status] = tally.get(outcome.status, 0) + 1
        ChangeEvent.objects.create(
            change=change,
            kind="checked",
            at=clock.now(),
            data={"digest": change.subject_digest, "revision": change.revision, **tally},
        )
    sealing.try_seal(change_id)
    return tally


def run_check(
    check: Check | None, check_id: str, context: ChangeFacts, known: dict[Subject, SubjectFacts | None], as_of: Any
) -> CheckOutcome:
    """Run one check on every subject and combine the outcomes. Never raises: a failing check becomes `not_run`."""
    if check is None:
        return domain.not_run(
            f"The policy asks for the check {check_id}, which does not exist.",
            ["Remove the check from the policy, or install the module that provides it."],
        )
    try:
        return domain.combine(
            (s, check.run(CheckContext(context, s, facts, context.environment, as_of))) for s, facts in known.items()
        )
    except DomainError as error:
        return domain.not_run(
            f"The check could not run: {error.message}", ["Correct what is named above, then run the checks again."]
        )
    except Exception as error:  # a check may raise anything; it must then block and say so
        log.exception("check %s raised on change %s", check_id, context.id)
        return domain.not_run(
            f"The check failed with {type(error).__name__}.",
            ["Run the checks again. If the error remains, tell the administrators."],
        )


def ask_again(change: ChangeRequest, *, actor: Any) -> None:
    """Queue another run of the checks on the present revision."""
    with transaction.atomic():
        locked = changes.locked(change.pk)
        if locked.state == ChangeRequest.State.IN_REVIEW:
            ChangeRequest.objects.filter(pk=change.pk).update(checks_state=Running.QUEUED, checks_done=0)
            outbox.emit("governance.change_submitted", key=change.pk, payload=change_events.payload(locked))


def ask_again_of_api(slug: str) -> int:
    """Queue another run for the changes in review that are about versions of an API. Returns how many there are."""
    about = ChangeSubject.objects.filter(kind="version", subject_id__startswith=f"{slug}@")
    found = ChangeRequest.objects.filter(state=ChangeRequest.State.IN_REVIEW, pk__in=about.values("change"))
    waiting = list(found)
    for change in waiting:
        ask_again(change, actor=None)
    return len(waiting)


def _facts_or_none(entry: kinds.ChangeKind, subject: Subject, change: ChangeRequest) -> SubjectFacts | None:
    try:
        return entry.proposed(subject, change.parameters, change.environment)
    except DomainError as error:
        log.info("facts of %s for change %s are not available: %s", subject, change.pk, error)
        return None


def _change_facts(change: ChangeRequest, subjects: list[Subject]) -> ChangeFacts:
    return ChangeFacts(
        id=change.pk,
        kind=change.kind,
        title=change.title,
        justification=change.justification,
        rollback_plan=change.rollback_plan,
        environment=change.environment,
        planned_from=change.planned_from,
        planned_until=change.planned_until,
        subjects=tuple(subjects),
        parameters=dict(change.parameters),
        author_id=change.author_id,
    )


def _progress(change: ChangeRequest, **values: Any) -> bool:
    return bool(
        ChangeRequest.objects.filter(
            pk=change.pk, revision=change.revision, subject_digest=change.subject_digest
        ).update(**values)
    )


def _write(change: ChangeRequest, outcomes: Sequence[tuple[CheckResult, CheckOutcome]], as_of: Any) -> bool:
    """Store the results. Returns False, and stores nothing, when the change has a new revision by now.

    Locks the change, so that no revision can begin between the test and the write.
    """
    present = changes.locked(change.pk)
    if present.revision != change.revision or present.subject_digest != change.subject_digest:
        return False
    if present.state not in (ChangeRequest.State.IN_REVIEW, ChangeRequest.State.APPROVED):
        return False
    for row, outcome in outcomes:
        CheckResult.objects.filter(pk=row.pk).update(
            status=outcome.status,
            why=outcome.why,
            findings=[dict(f) for f in outcome.findings],
            fix=list(outcome.fix),
            as_of=as_of,
            subject_digest=change.subject_digest,
        )
    return True
