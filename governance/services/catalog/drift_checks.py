"""The check of observed traffic. No kind of change has it by itself; a policy asks for it by its id."""

from __future__ import annotations

from datetime import timedelta

from catalog.domain.facts import VersionFacts
from catalog.selectors import drift
from governance.domain.checks import Check, CheckContext, CheckOutcome, failed, finding, not_applicable, not_run, passed
from governance.domain.subject import SubjectFacts
from governance.services.catalog.subject_facts import on_version
from kernel.ui.wording import counted

LATELY = timedelta(days=30)
_LIVE = ("published", "deprecated")


@on_version
def _drift(context: CheckContext, facts: SubjectFacts, version: VersionFacts) -> CheckOutcome:
    """What was observed in the last 30 days of the version that runs: itself, or the one that it follows. Missing
    evidence is no evidence: without a report about the present contract the check has not run.
    """
    before = facts.extras.get("before")
    running = version if version.state in _LIVE else before if isinstance(before, VersionFacts) else None
    if running is None or running.state not in _LIVE:
        return not_applicable("No version of it runs yet, so there is no traffic to observe.")
    reports = [one for one in drift.newest([running.id], since=context.as_of - LATELY) if one.present]
    if not reports:
        return not_run(
            f"Nothing was observed of {running.reference} and its present contract in the last 30 days.",
            ["Compare recorded traffic with it (tillgate contracts observe), and hand the report in."],
        )
    listed = [
        finding(
            "contract.drift",
            f"/{report.environment}/{one.kind}/{one.operation}/{one.side}/{one.place}"[:300],
            f"{report.environment}: {one.message} {one.operation} {one.side}".strip(),
            level="error",
            count=one.count,
            seen=one.seen,
        )
        for report in reports
        for one in report.differences
    ]
    until = min(report.observed_until for report in reports)
    observed = f"observed in {counted(len(reports), 'environment')} until {until:%Y-%m-%d}"
    if listed:
        return failed(
            f"{counted(len(listed), 'difference')} between traffic and contract, {observed}.",
            listed,
            ["Correct the contract or the system behind it, or ask for a waiver of a difference."],
        )
    weak = [report for report in reports if not report.is_evidence]
    if weak:
        return not_run(
            f"No contradiction, but what was compared says too little: {'; '.join(_compared(one) for one in weak)}.",
            ["Record JSON bodies as plain text, observe with the present version, and hand the report in."],
        )
    return passed(f"Traffic and contract agree, {observed}.")


def _compared(report: drift.ToldDrift) -> str:
    if report.bodies is None:
        return f"{report.environment}, the observer did not count the bodies that it compared"
    unread = f"{counted(report.bodies, 'body', 'bodies')} compared, {report.unread_bodies} not readable"
    return f"{report.environment}, {counted(report.exchanges, 'exchange')}, {unread}"


DRIFT = Check("contract.drift", "Observed traffic", _drift)
