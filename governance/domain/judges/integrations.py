"""Integrations that a release brings: their approval here, and the systems of record."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from governance.domain.evidence import MISSING, Evidence
from governance.domain.judges import entries
from governance.domain.reasons import ASKER, GateCase, day
from kernel.digest import short

_REVIEWS = {
    "owed": "Its review is owed.",
    "overdue": "Its review is overdue.",
    "done": "A third person has reviewed it.",
}


def judge(case: GateCase, root: Evidence, question: Mapping[str, Any]) -> None:
    known = entries.place_is_known(root)

    def judge_one(case: GateCase, asked: Mapping[str, Any], node: Evidence) -> None:
        _judge_one(case, asked, node, place_is_known=known)

    entries.each(case, root, "integrations", question["integrations"], judge_one)


def _judge_one(case: GateCase, asked: Mapping[str, Any], node: Evidence, *, place_is_known: bool) -> None:
    key, digest = asked["ref"], short(asked["digest"])
    if node.flag("registered") is False:
        message, fix = f"Nobody registered {key} at {digest}.", f"Register the manifest of {key}, and send its digest."
        case.unknown("integration.unregistered", key, node, message, fix, who=ASKER)
        _approved(case, asked, node, ASKER)
        return
    owner = entries.team(node.text("owner_team"))
    _right(case, key, node, owner, place_is_known=place_is_known)
    _approved(case, asked, node, owner)
    checks = dict(node.members("checks"))
    if not checks:
        node.child("checks").unusable()
    for identity, check in checks.items():
        _checked(case, key, identity, check, owner)


def _right(case: GateCase, key: str, node: Evidence, owner: str, *, place_is_known: bool) -> None:
    """An approval says that it may run here, and not who may bring it: that is the team that owns it."""
    if case.engine < 4:
        return
    right = node.text("right", "owner", "none", "unasked")
    if right == "unasked" and place_is_known:
        node.child("right").unusable()
    elif right == "none":
        case.deny(
            "integration.not_allowed",
            key,
            node,
            f"{case.application} may not bring {key}: its team does not own it.",
            f"Ask for {key} with an application of its own team.",
            who=owner,
        )


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
    if case.engine >= 5:
        words["destination_moved"] = (
            f"A system that {key} calls answers elsewhere than where it was approved to call it."
        )
    approval, code = node.text("approval", "valid", "other", *words), node.text("approval_code")
    said = node.text("approval_fix")
    fix = f"Have {key} at {digest} approved for this environment." if said in (MISSING, "none") else said
    if approval == "valid" and code not in (MISSING, "none"):
        node.child("approval").unusable()
    elif approval == "valid" and case.engine >= 3:
        _carried(case, key, node)
    elif approval == "other" and code is not MISSING:
        message = f"The approval of {key} does not hold here: {code}."
        case.unknown("approval.unmet", key, node, message, fix, who=owner)
    elif approval in words:
        case.deny(f"approval.{approval}", key, node, words[approval], fix, who=owner)


def _carried(case: GateCase, key: str, node: Evidence) -> None:
    """By what the valid approval came about: people who decided, or a break-glass, which the answer then names."""
    origin = node.text("origin", "review", "break_glass")
    if origin == "review" and node.text("break_glass", "none") is MISSING:
        return
    if origin != "break_glass":
        return
    broken = node.child("break_glass")
    number, ends = broken.whole("id"), broken.moment("ends_at")
    said = {name: broken.text(name) for name in ("reason", "opened_by", "confirmed_by")}
    review = broken.text("review", *_REVIEWS)
    if MISSING in (number, ends, review, *said.values()):
        return
    case.warn(
        "approval.break_glass",
        key,
        f"Break-glass {number} carries {key} until {day(ends)}, opened by {said['opened_by']}, confirmed by "
        f"{said['confirmed_by']}: {said['reason']} {_REVIEWS[review]}",
    )
    carried = {"id": number, "subject": key, "ends_at": ends.isoformat(), "review": review, **said}
    case.break_glass.append(carried | {"page": "/break-glass/"})


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
