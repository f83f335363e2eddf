"""Waivers: granted exceptions that set a `deny` aside. `unknown` is never waived, and neither is what says that
credentials would go elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from governance.domain.evidence import MISSING, Evidence
from governance.domain.gate_rules import NEVER_WAIVED, names_a_consumer
from governance.domain.reasons import GateCase


def set_aside(case: GateCase, root: Evidence, question: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Mark the deny reasons that a granted waiver in force names by all five parts. `unknown` is never waived."""
    listed = []
    for identifier, node in root.members("waivers"):
        parts = {name: node.text(name) for name in ("rule", "subject", "pointer", "application", "environment")}
        reason, starts, expires = node.text("reason"), node.moment("starts_at"), node.moment("expires_at")
        if (
            parts["rule"] in NEVER_WAIVED
            or MISSING in (*parts.values(), reason, starts, expires)
            or not starts <= case.as_of < expires
        ):
            continue
        if not _asks(parts, question):
            continue
        if _mark(case, parts, int(identifier)):
            listed.append({"id": int(identifier), **parts, "reason": reason, "expires_at": expires.isoformat()})
    return listed


def _asks(parts: Mapping[str, Any], question: Mapping[str, Any]) -> bool:
    """Whether the waiver is for who asks, where they ask. Of the time before applications were named, one whose place
    is that of a consumer names that consumer, as its approvers saw it; others open nothing.
    """
    if parts["environment"] != question["environment"]:
        return False
    if parts["application"] == "none":
        return names_a_consumer(str(parts["pointer"]))
    return bool(parts["application"] == question["application"])


def _mark(case: GateCase, parts: Mapping[str, Any], waiver: int) -> bool:
    hit = False
    wanted = (parts["rule"], parts["subject"], parts["pointer"])
    for index, found in enumerate(case.reasons):
        if found.word == "deny" and (found.code, found.subject, found.pointer) == wanted and found.waived_by is None:
            case.reasons[index] = replace(found, waived_by=waiver)
            hit = True
    return hit
