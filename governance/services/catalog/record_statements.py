"""The change that says: everything that runs in this environment is recorded, since a date."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from catalog.selectors import environments, teams
from catalog.services import environment_records
from governance.domain.checks import Check, CheckContext, CheckOutcome, failed, finding, not_run, passed
from governance.domain.kinds import ApprovedSubject, ChangeKind
from governance.domain.subject import Subject, SubjectFacts
from governance.selectors import records
from governance.services.catalog import proposals
from kernel.digest import digest_of
from kernel.errors import Conflict

STEWARDS = "architects"


def _facts(subject: Subject) -> SubjectFacts | None:
    """The environment as it is; architects own what is said of it."""
    found = environments.by_key(subject.id)
    if found is None:
        return None
    stewards = teams.by_key(STEWARDS)
    document = _document(found.key, found.records_complete_since)
    return SubjectFacts(
        title=f"Record of {found.name}",
        digest=digest_of(document),
        owner_team_ids=(stewards.id,) if stewards else (),
        consumers_affected=(),
        url="/deployments/",
        old=document,
        new=document,
    )


def _document(key: str, since: datetime | None) -> dict[str, Any]:
    return {"environment": key, "records_complete_since": since.isoformat() if since else "nobody says so"}


def _propose(subject: Subject, facts: SubjectFacts, parameters: Mapping[str, Any]) -> SubjectFacts:
    return replace(facts, new=_document(subject.id, _since(parameters)))


def _since(parameters: Mapping[str, Any]) -> datetime | None:
    """The date; None withdraws the statement."""
    return proposals.moment(parameters, "since") if parameters.get("since") else None


def _check(context: CheckContext) -> CheckOutcome:
    """The day is not in the future, and something is recorded at all."""
    if environments.by_key(context.subject.id) is None:
        return not_run(f"There is no environment {context.subject.id}.", ["Register the environment."])
    since = _since(context.change.parameters)
    if since is None:
        return passed("The statement is withdrawn: what has no record is unknown again.")
    if since > context.as_of:
        said = finding("records.complete", "/parameters/since", "The day is in the future.")
        return failed("Nobody can say that of the future.", [said], ["Give a day that has come."])
    live = records.live_in(context.subject.id)
    if not live:
        said = finding("records.complete", "", f"Nothing is recorded in {context.subject.id}.")
        return failed("Nothing is recorded there.", [said], ["Record what runs there first."])
    return passed(f"{live} releases are recorded there.")


def _apply(approved: ApprovedSubject) -> None:
    facts = _facts(approved.subject)
    if facts is None or facts.digest != approved.subject.digest:
        raise Conflict("environment.changed_meanwhile", f"The record of {approved.subject.id} was decided meanwhile.")
    environment_records.declare_records(
        approved.subject.id,
        complete_since=_since(approved.parameters),
        approval_id=approved.approval_id,
        actor=approved.actor,
    )


RECORDS_COMPLETE = ChangeKind(
    "environment.records",
    "Declare the record of an environment complete",
    _facts,
    (Check("records.complete", "What is recorded", _check),),
    apply=_apply,
    propose=_propose,
    subject_kind="environment",
)
