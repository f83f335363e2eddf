"""Integrations of the question: their owner, their approval here, and what the checks about systems of record say."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from catalog.selectors import teams
from governance.domain import kinds
from governance.domain.checks import ChangeFacts, Check, CheckContext
from governance.domain.subject import Subject, SubjectFacts
from governance.services import approvals
from governance.services.gate_evidence.asked import Asked, counted
from kernel.errors import NotApproved

_APPROVAL_WORDS = {
    "approval.missing": "missing",
    "approval.stale_digest": "stale_digest",
    "approval.void": "void",
    "approval.expired": "expired",
    "approval.not_yet_valid": "outside_window",
    "approval.before_window": "outside_window",
    "approval.after_window": "outside_window",
    "approval.approver_lost_right": "lost_right",
    "check.blocking": "check_blocking",
}


def facts_of(question: Mapping[str, Any]) -> dict[str, SubjectFacts]:
    """What the owning room knows of each integration at the digest of the question; without those it does not know."""
    kind = _kind_about_records("integration")
    found = {}
    for entry in question["integrations"]:
        facts = kind.facts(_subject(entry)) if kind else None
        if facts is not None:
            found[entry["ref"]] = facts
    return found


def gather(asked: Asked) -> dict[str, Any]:
    items = {}
    kind = _kind_about_records("integration")
    for entry in asked.question["integrations"]:
        subject, facts = _subject(entry), asked.integrations.get(entry["ref"])
        items[entry["ref"]] = {
            "owner_team": _owner(facts),
            "approval": "missing"
            if facts is None and entry["ref"] in asked.hidden  # who knows the digest has seen the release
            else _approval(subject, asked.environment, asked.as_of),
            "sor_violations": _violations(kind, subject, facts, asked.environment, asked.as_of)
            if kind and facts
            else None,
        }
    return counted(items)


def _subject(entry: Mapping[str, str]) -> Subject:
    return Subject("integration", entry["ref"], entry["digest"])


def _checks_about_records(kind: kinds.ChangeKind) -> list[Check]:
    return [check for check in kind.checks if check.about == "systems_of_record"]


def _kind_about_records(subject_kind: str) -> kinds.ChangeKind | None:
    """The kind of change whose checks say how such a subject stands to the systems of record."""
    candidates = (kind for kind in kinds.all_kinds() if kind.subject_kind == subject_kind)
    return next((kind for kind in candidates if _checks_about_records(kind)), None)


def _owner(facts: SubjectFacts | None) -> str | None:
    if facts is None or not facts.owner_team_ids:
        return None
    team = teams.by_id(facts.owner_team_ids[0])
    return team.key if team else None


def _approval(subject: Subject, environment: str, as_of: datetime) -> str:
    """A word that the gate knows, or the code that came, which the gate answers with `unknown`."""
    try:
        approvals.require(subject, subject.digest, environment, as_of, freeze=False)
    except NotApproved as error:
        code = str(error.unmet[0]["code"]) if error.unmet else error.code
        return _APPROVAL_WORDS.get(code, code)
    return "valid"


def _violations(
    kind: kinds.ChangeKind, subject: Subject, facts: SubjectFacts, environment: str, as_of: datetime
) -> dict[str, Any] | None:
    """What the checks about systems of record say of this subject; None when one of them could not run."""
    change = ChangeFacts(0, kind.key, "", "", "", environment, None, None, (subject,))
    said: list[str] = []
    for check in _checks_about_records(kind):
        outcome = check.run(CheckContext(change, subject, facts, environment, as_of))
        if outcome.status == "not_run":
            return None
        if outcome.status == "failed":
            said += [str(f["message"]) for f in outcome.findings if f.get("level") == "error"] or [outcome.why]
    return counted(sorted(set(said)))
