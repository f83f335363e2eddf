"""Integrations of the question: their owner, their approval here, and what the checks about systems of record say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

from catalog.selectors import teams
from governance.domain import kinds
from governance.domain.approval import SealedApproval
from governance.domain.checks import ChangeFacts, Check, CheckContext
from governance.domain.question import CLOCKS
from governance.domain.subject import Subject, SubjectFacts
from governance.selectors import emergencies
from governance.services import approvals
from governance.services.gate_evidence.asked import Asked, counted
from kernel import clock

_APPROVAL_WORDS = {
    "approval.missing": "missing",
    "approval.stale_digest": "stale_digest",
    "approval.void": "void",
    "approval.expired": "expired",
    "approval.not_yet_valid": "outside_window",
    "approval.before_window": "outside_window",
    "approval.after_window": "outside_window",
    "approval.approver_lost_right": "lost_right",
    "approval.destination_moved": "destination_moved",
    "check.blocking": "check_blocking",
}

_NOT_CARRIED = {"origin": "none", "break_glass": "none"}
_HIDDEN = {"approval": "missing", "approval_code": "approval.missing", "approval_fix": "none", **_NOT_CARRIED}


def facts_of(question: Mapping[str, Any]) -> dict[str, SubjectFacts]:
    """What the owning room knows of each integration at the digest of the question; without those it does not know."""
    kind = _kind_about_records()
    found = {}
    for entry in question["integrations"]:
        facts = kind.facts(_subject(entry)) if kind else None
        if facts is not None:
            found[entry["ref"]] = facts
    return found


def gather(asked: Asked) -> dict[str, Any]:
    items = {}
    kind = _kind_about_records()
    for entry in asked.question["integrations"]:
        subject, facts = _subject(entry), asked.integrations.get(entry["ref"])
        items[entry["ref"]] = {
            "registered": facts is not None,
            "owner_team": _owner(facts),
            "right": _right(facts, asked),
            **(
                _HIDDEN
                if facts is None and entry["ref"] in asked.hidden  # who knows the digest has seen the release
                else _approval(subject, asked.environment, asked.as_of)
            ),
            "checks": _checks(kind, subject, facts, asked) if kind and facts else counted({}),
        }
    return counted(items)


def carried(gathered: Mapping[str, Any]) -> list[str]:
    """The integrations whose valid approval is that of a break-glass, of what `gather` found."""
    return [key for key, one in gathered["items"].items() if one["origin"] == "break_glass" and one["break_glass"]]


def _subject(entry: Mapping[str, str]) -> Subject:
    return Subject("integration", entry["ref"], entry["digest"])


def _checks_about_records(kind: kinds.ChangeKind) -> list[Check]:
    return [check for check in kind.checks if check.about == "systems_of_record"]


def _kind_about_records() -> kinds.ChangeKind | None:
    """The kind of change whose checks say how an integration stands to the systems of record."""
    candidates = (kind for kind in kinds.all_kinds() if kind.subject_kind == "integration")
    return next((kind for kind in candidates if _checks_about_records(kind)), None)


def _right(facts: SubjectFacts | None, asked: Asked) -> str:
    """Whether the team of the application that asks owns it."""
    if facts is None or not asked.asking.known:
        return "unasked"
    return "owner" if asked.asking.team_id in facts.owner_team_ids else "none"


def _owner(facts: SubjectFacts | None) -> str | None:
    if facts is None or not facts.owner_team_ids:
        return None
    team = teams.by_id(facts.owner_team_ids[0])
    return team.key if team else None


def _approval(subject: Subject, environment: str, as_of: datetime) -> dict[str, Any]:
    """`valid`, a word that the gate knows, or `other`; with the code that came and what would settle it. Of one that is
    valid, where it comes from."""
    chosen, unmet = approvals.standing(subject, environment, as_of, freeze=False, what_if=as_of < clock.now() - CLOCKS)
    if not unmet:
        return {"approval": "valid", "approval_code": "none", "approval_fix": "none", **_origin(chosen, as_of)}
    code = str(unmet[0]["code"])
    return {
        "approval": _APPROVAL_WORDS.get(code, "other"),
        "approval_code": code,
        "approval_fix": str(unmet[0].get("fix") or "none"),
        **_NOT_CARRIED,
    }


def _origin(approval: SealedApproval | None, as_of: datetime) -> dict[str, Any]:
    """Whether people decided or a break-glass carries it; without the row of that, nobody knows."""
    if approval is None:
        return {"origin": None, "break_glass": None}
    if approval.origin != "break_glass":
        return {"origin": "review", "break_glass": "none"}
    found = emergencies.behind(approval.id, as_of)
    carried = asdict(found) | {"ends_at": found.ends_at.isoformat()} if found else None
    return {"origin": "break_glass", "break_glass": carried}


def _checks(kind: kinds.ChangeKind, subject: Subject, facts: SubjectFacts, asked: Asked) -> dict[str, Any]:
    """By the id of the check about systems of record: its status, and what it says against the integration."""
    change = ChangeFacts(0, kind.key, "", "", "", asked.environment, None, None, (subject,))
    found = {}
    for check in _checks_about_records(kind):
        outcome = check.run(CheckContext(change, subject, facts, asked.environment, asked.as_of))
        said = [str(f["message"]) for f in outcome.findings if f.get("level") == "error"] or [outcome.why]
        against = sorted(set(said)) if outcome.status == "failed" else []
        found[check.id] = {"status": outcome.status, "why": outcome.why or "none", "violations": counted(against)}
    return counted(found)
