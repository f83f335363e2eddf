"""Freeze windows: what is open, and what cannot be said."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from governance.domain.evidence import MISSING, Evidence
from governance.domain.reasons import GateCase, day

WHO = "a release manager"
DIMENSIONS = ("environment", "tier", "domain", "system", "channel", "banner")
SINCE_3 = ("region", "store_zone")


def judge(case: GateCase, root: Evidence, question: Mapping[str, Any]) -> None:
    node = root.child("freezes")
    if node.flag("all_there") is False:
        message = "A freeze that was planned is not in its table any more, so nobody can say whether one is open."
        case.unknown("freeze.rows_missing", "freezes", node, message, "Restore the freeze from a backup.", who=WHO)
    for identifier, freeze in root.members("freezes"):
        _judge_one(case, f"freeze {identifier}", freeze)


def _judge_one(case: GateCase, subject: str, freeze: Evidence) -> None:
    strictness, name = freeze.text("strictness", "notice", "changes", "work"), freeze.text("name")
    compiled, ends = freeze.flag("compiled"), freeze.moment("ends_at", "unknown")
    unknown = {item: dims.texts_here() for item, dims in freeze.members("not_known")}
    later = case.engine >= 3
    named = [freeze.child("dimensions").text(key) for key in (*DIMENSIONS, *(SINCE_3 if later else ()))]
    unresolved = freeze.texts("unresolved") if later else []
    if MISSING in (strictness, name, compiled, ends, unresolved, *named, *unknown.values()):
        return
    if strictness == "notice":
        until = f" until {day(ends)}" if ends != "unknown" else ""
        case.warn("freeze.notice", subject, f"{name}{until}.")
    elif not compiled or ends == "unknown":
        message = f"Nobody can say whether {name} is open at this time: its calendar cannot be read."
        case.unknown("freeze.not_compiled", subject, freeze, message, "Plan the freeze anew.", who=WHO)
    elif unresolved:
        message = f"{name} is open and covers what the catalog does not have: {', '.join(unresolved)}."
        fix = "Plan the freeze anew, or approve a change of it that says what it covers."
        case.unknown("freeze.scope_unresolved", subject, freeze, message, fix, who=WHO)
    elif unknown:
        listed = "; ".join(f"{item}: {', '.join(dims)}" for item, dims in unknown.items())
        message = f"{name} is open, and nobody can say whether it covers this: {listed} not known."
        fix = f"State it in the catalog, or wait until {day(ends)}."
        case.unknown("freeze.scope_unknown", subject, freeze, message, fix, who="the team that owns it")
    else:
        message = f"{name}: nothing goes live before {day(ends)}."
        case.deny("freeze.active", subject, freeze, message, f"Wait until {day(ends)}.")
