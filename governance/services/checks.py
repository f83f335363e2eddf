"""Running the checks of a change as a job: the page shows how many are done, and all results are stored together."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from datetime import datetime
from typing import Any

from django.db import transaction

from governance.domain import checks as domain
from governance.domain import kinds
from governance.domain.checks import ChangeFacts, Check, CheckContext, CheckOutcome
from governance.domain.subject import Subject, SubjectFacts
from governance.models import ChangeEvent, ChangeRequest, ChangeSubject, CheckResult
from governance.selectors import rights
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
    if not _progress(change, checks_state=Running.RUNNING, checks_done=0, checks_as_of=as_of):
        return {}
    outcomes = []
    for done, found in enumerate(_outcomes(change, as_of), start=1):
        outcomes.append(found)
        if not _progress(change, checks_done=done):
            return {}
    tally: dict[str, int] = {}
    with transaction.atomic():  # all at once: one entry of the ledger says what they found
        if not _write(change, outcomes, as_of) or not _progress(change, checks_state=Running.DONE):
            return tally
        tally = _say_checked(change, outcomes)
    sealing.try_seal(change_id)
    return tally


def run_again(change: ChangeRequest) -> list[tuple[str, str]]:
    """The checks of an approved change once more, in the caller's transaction, which has locked it: what they found for
    the approval is older than what it lets happen. Stores what they say now, and returns what blocks, as
    `rights.blocking_checks` does; where anything does, its approvals are void and it is in review again.
    """
    as_of = clock.now()
    outcomes = list(_outcomes(change, as_of))
    told = {row.pk: (row.status, row.why, row.findings) for row, _ in outcomes}
    _write(change, outcomes, as_of)
    _progress(change, checks_as_of=as_of)
    if any(told[row.pk] != (one.status, one.why, [dict(f) for f in one.findings]) for row, one in outcomes):
        _say_checked(change, outcomes)
    return rights.blocking_checks(change.pk)


def _outcomes(change: ChangeRequest, as_of: datetime) -> Iterator[tuple[CheckResult, CheckOutcome]]:
    """What each check of the present revision says now."""
    entry = kinds.kind(change.kind)
    registered = {check.id: check for check in (*entry.checks, *entry.offered, *BUILT_IN)}
    subjects = changes.subjects_of(change)
    known = {subject: _facts_or_none(entry, subject, change) for subject in subjects}
    context = _change_facts(change, subjects)
    for row in CheckResult.objects.filter(change=change, revision=change.revision):
        yield row, run_check(registered.get(row.check_id), row.check_id, context, known, as_of)


def _say_checked(change: ChangeRequest, outcomes: Sequence[tuple[CheckResult, CheckOutcome]]) -> dict[str, int]:
    """An event with the count per outcome, which it returns."""
    tally: dict[str, int] = {}
    for _, outcome in outcomes:
        tally[outcome.status] = tally.get(outcome.status, 0) + 1
    ChangeEvent.objects.create(
        change=change,
        kind="checked",
        at=clock.now(),
        data={"digest": change.subject_digest, "revision": change.revision, **tally},
    )
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
    inside = transaction.get_connection().in_atomic_block  # an error of the database ends the check alone
    try:
        with transaction.atomic() if inside else nullcontext():
            return domain.combine(
                (s, check.run(CheckContext(context, s, facts, context.environment, as_of)))
                for s, facts in known.items()
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
    """Queue another run for the changes in review that are about versions of an API, and check at once those that are
    approved and wait for their window: one that blocks now goes back into review. Returns how many there are."""
    about = ChangeSubject.objects.filter(kind="version", subject_id__startswith=f"{slug}@")
    open_states = (ChangeRequest.State.IN_REVIEW, ChangeRequest.State.APPROVED)
    found = list(ChangeRequest.objects.filter(state__in=open_states, pk__in=about.values("change")))
    for change in found:
        if change.state == ChangeRequest.State.APPROVED:
            run_checks(change.pk)
        else:
            ask_again(change, actor=None)
    return len(found)


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
