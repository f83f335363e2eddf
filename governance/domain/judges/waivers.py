"""Waivers: granted exceptions that set a `deny` aside. `unknown` is never waived."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from governance.domain.evidence import MISSING, Evidence
from governance.domain.reasons import GateCase


def set_aside(case: GateCase, root: Evidence, question: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Mark the deny reasons that a granted waiver in force names exactly. `unknown` is never waived."""
    listed = []
    for identifier, node in root.members("waivers"):
        rule, subject, reason = node.text("rule"), node.text("subject"), node.text("reason")
        starts, expires = node.moment("starts_at"), node.moment("expires_at")
        place = node.text("pointer"), node.text("application"), node.text("environment")
        if MISSING in (rule, subject, reason, starts, expires, *place) or not starts <= case.as_of < expires:
            continue
        hit = False
        for index, found in enumerate(case.reasons):
            if found.word == "deny" and found.code == rule and found.subject == subject and found.waived_by is None:
                case.reasons[index] = replace(found, waived_by=int(identifier))
                hit = True
        if hit:
            listed.append(
                {
                    "id": int(identifier),
                    "rule": rule,
                    "subject": subject,
                    "reason": reason,
                    "expires_at": expires.isoformat(),
                }
            )
    return listed
