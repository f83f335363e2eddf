"""Integrations that a release brings: their approval here, and the systems of record."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from governance.domain.evidence import MISSING, Evidence
from governance.domain.judges import entries
from governance.domain.reasons import GateCase
from kernel.digest import short


def judge(case: GateCase, root: Evidence, question: Mapping[str, Any]) -> None:
    entries.each(case, root, "integrations", question["integrations"], _judge_one)


def _judge_one(case: GateCase, asked: Mapping[str, Any], node: Evidence) -> None:
    key = asked["ref"]
    node.text("owner_team")
    words = {
        "missing": f"Nobody has approved {key} at {short(asked['digest'])} here.",
        "stale_digest": f"The approval of {key} is for another digest than {short(asked['digest'])}.",
        "void": f"The approval of {key} is void.",
        "expired": f"The approval of {key} has ended.",
        "outside_window": f"The planned window of {key} is not open.",
        "lost_right": f"An approver of {key} may no longer give that approval.",
        "check_blocking": f"The approval of {key} is there, but one of its checks blocks again.",
    }
    approval = node.text("approval", "valid", *words)
    if approval not in (MISSING, "valid"):
        fix = f"Have {key} at {short(asked['digest'])} approved for this environment."
        if approval == "check_blocking":
            fix = f"Settle the check of the change that approved {key}, or have its finding waived again."
        case.deny(f"approval.{approval}", key, node, words[approval], fix)
    for violation in entries.listed(node.texts("sor_violations")):
        case.deny(
            "sor.violation",
            key,
            node,
            violation,
            f"Change the manifest of {key} so that it respects the systems of record.",
        )
