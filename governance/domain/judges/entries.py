"""Going through the parts of the evidence that answer one entry of the question each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from governance.domain.evidence import MISSING, Evidence
from governance.domain.reasons import GateCase

Rule = Callable[[GateCase, Mapping[str, Any], Evidence], None]
RELATIONS = ("none", "full", "backward", "forward", "breaking", "uncompared", "not_needed")


def each(case: GateCase, root: Evidence, key: str, asked: Sequence[Mapping[str, Any]] | None, rule: Rule) -> None:
    """Run a rule over the evidence of every entry of the question. Less evidence than entries is missing evidence."""
    node = root.child(key)
    total, items = node.whole("total"), node.child("items")
    if (
        total is MISSING
        or not isinstance(items.value, Mapping)
        or len(items.value) != total
        or total != len(asked or ())
    ):
        items.unusable()
    for entry in asked or ():
        member = items.child(entry["ref"])
        if member.known:
            rule(case, entry, member)


def listed(found: Any) -> list[str]:
    """What `Evidence.texts` gave, empty where it was missing (which is noted already)."""
    return [] if found is MISSING else found


def team(found: Any) -> str:
    """Who repairs it: the owner team where it is known."""
    return f"team {found}" if isinstance(found, str) else "an administrator of the catalog"


def did_you_mean(near: Sequence[str]) -> str:
    """A question back to a person who mistyped; empty where nothing is alike."""
    return f"Did you mean {' or '.join(near)}?" if near else ""


def reported_only(case: GateCase, enforced_from: Any) -> bool:
    """Whether what is missing is reported only so far, by the dated switch."""
    return isinstance(enforced_from, datetime) and case.as_of < enforced_from


def place_is_known(root: Evidence) -> bool:
    """Whether application and environment exist. Where they do not, that is told once, and nothing else is asked."""
    return all(root.child(what).flag("known") is True for what in ("application", "environment"))
