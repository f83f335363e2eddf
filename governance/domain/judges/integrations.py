"""Integrations that a release brings: their approval here, and the systems of record."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from governance.domain.evidence import MISSING, Evidence
from governance.domain.judges import entries
from governance.domain.reasons import ASKER, GateCase
from kernel.digest import short


def judge(case: GateCase, root: Evidence, question: Mapping[str, Any]) -> None:
    entries.each(case, root, "integrations", question["integrations"], _judge_one)


def _judge_one(case: GateCase, asked: Mapping[str, Any], node: Evidence) -> None:
    key, digest = asked["ref"], short(asked["digest"])
    if node.flag("registered") is False:
        message, fix = f"Nobody registered {key} at {digest}.", f"Register the manifest of {key}, and send its digest."
        case.unknown("integration.unregistered", key, node, message, fix, who=ASKER)
        _approved(case, asked, node, ASKER)
        return
    owner = entries.team(node.text("owner_team"))
    _approved(case, asked, node, owner)
    checks = dict(node.members("checks"))
    if not checks:
        node.child("checks").unusable()
    for identity, check in checks.items():
        _checked(case, key, identity, check, owner)


def _approved(case: GateCase, asked: Mapping[str, Any], node: Evidence, owner: str) -> None:
    key, digest = asked["ref"], short(asked["digest"])
    words = {
        "missing": f"Nobody has approved {key} at {digest} here.",
        "stale_digest": f"The approval of {key} is for another digest than {digest}.",
        "void": f"The approval of {key} is void.",
        "expired": f"The approval of {key} has ended.",
        "outside_window": f"The planned window of {key} is not open.",
        "lost_right": f"An approver of {key} may no longer give that approval.",
        "check_blocking": f"The approval of {key} is there, but one of its checks blocks again.",
    }
    approval, code = node.text("approval", "valid", "other", *words), node.text("approval_code")
    said = node.text("approval_fix")
    fix = f"Have {key} at {digest} approved for this environment." if said in (MISSING, "none") else said
    if approval == "valid" and code not in (MISSING, "none"):
        node.child("approval").unusable()
    elif approval == "other" and code is not MISSING:
        message = f"The approval of {key} does not hold here: {code}."
        case.unknown("approval.unmet", key, node, message, fix, who=owner)
    elif approval in words:
        case.deny(f"approval.{approval}", key, node, words[approval], fix, who=owner)


def _checked(case: GateCase, key: str, identity: str, check: Evidence, owner: str) -> None:
    status, why = check.text("status", "passed", "failed", "not_run", "not_applicable"), check.text("why")
    violations = entries.listed(check.texts("violations"))
    if (status == "failed") != bool(violations):
        check.child("violations").unusable()
    for violation in violations:
        fix = f"Change the manifest of {key} so that it respects the systems of record."
        case.deny("sor.violation", key, check, violation, fix, who=owner)
    if status in ("not_run", "not_applicable") and why is not MISSING:
        fix = f"Make the check {identity} run."
        case.unknown("sor.not_run", key, check, f"The check {identity} of {key} has not run: {why}", fix, who=owner)
