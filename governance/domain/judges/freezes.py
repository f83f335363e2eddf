"""Freeze windows: what is open, and what cannot be said."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from governance.domain.evidence import MISSING, Evidence
from governance.domain.reasons import GateCase, day


def judge(case: GateCase, root: Evidence, question: Mapping[str, Any]) -> None:
    for identifier, freeze in root.members("freezes"):
        strictness, name, ends = (
            freeze.text("strictness", "notice", "changes", "work"),
            freeze.text("name"),
            freeze.moment("ends_at"),
        )
        if MISSING in (strictness, name, ends):
            continue
        if strictness == "notice":
            case.warn("freeze.notice", f"freeze {identifier}", f"{name} until {day(ends)}.")
        else:
            case.deny(
                "freeze.active",
                f"freeze {identifier}",
                freeze,
                f"{name}: nothing goes live before {day(ends)}.",
                f"Wait until {day(ends)}.",
            )
