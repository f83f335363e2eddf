"""What a lint rule is, and what a report holds."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tillgate_contracts.lint.view import LintView

RULE_PACK = "2026.11.4"
"""Raised whenever the same contract could get another report from the built-in rules."""

PROFILES = ("own", "third-party")
"""Whose contract it is. That of a third party is reported on: an error is a warning, all else is info."""
LEVELS = ("error", "warning", "info", "off")
_LETTERS = {"e": "error", "w": "warning", "i": "info", "-": "off"}
_REPORTED = {"error": "warning", "warning": "info", "info": "info", "off": "off"}
UNKNOWN_TIER = 1
"""A contract without a tier is judged as tier 1: what is unknown is not taken for unimportant."""


@dataclass(frozen=True, slots=True)
class Violation:
    """One place that breaks a rule. `pointer` is into the normal form."""

    pointer: str
    message: str
    operation: str = ""
    path: str = ""


@dataclass(frozen=True, slots=True)
class SharedViolation(Violation):
    """One fault of several places: `also` are the pointers of the others."""

    also: tuple[str, ...] = ()


Check = Callable[["LintView"], Iterable[Violation]]
Condition = Callable[["LintView"], str]


def always(_: LintView) -> str:
    """The rule applies to every contract."""
    return ""


@dataclass(frozen=True, slots=True)
class LintRule:
    """One rule.

    `by_tier` holds the level for the tiers 0 to 3; `condition` answers why the rule does not apply, or "".
    """

    id: str
    title: str
    why: str
    hint: str
    by_tier: tuple[str, str, str, str]
    check: Check
    families: tuple[str, ...] = ("openapi",)
    condition: Condition = always

    def level(self, tier: int | None, profile: str = "own") -> str:
        """error, warning, info or off."""
        level = self.by_tier[UNKNOWN_TIER if tier is None else tier]
        return _REPORTED[level] if profile == "third-party" else level


def levels(letters: str) -> tuple[str, str, str, str]:
    """`"ewwi"`: error for tier 0, warning for 1 and 2, info for 3; `-` is off; one letter counts for all tiers."""
    zero, one, two, three = (_LETTERS[letter] for letter in (letters * 4 if len(letters) == 1 else letters))
    return zero, one, two, three


_REGISTRY: dict[str, LintRule] = {}


def rule(
    id: str,
    by_tier: str,
    *,
    title: str,
    why: str,
    hint: str,
    families: tuple[str, ...] = ("openapi",),
    condition: Condition = always,
) -> Callable[[Check], Check]:
    """Registers a check as a built-in rule."""

    def register(check: Check) -> Check:
        if id in _REGISTRY:
            raise ValueError(f"two rules are named {id}")
        _REGISTRY[id] = LintRule(id, title, why, hint, levels(by_tier), check, families, condition)
        return check

    return register


def registered() -> tuple[LintRule, ...]:
    """The rules registered so far, in the order of their definition."""
    return tuple(_REGISTRY.values())


@dataclass(frozen=True, slots=True)
class LintFinding:
    """One finding. `pointer` and `line` are in the author's file; `fingerprint` survives edits elsewhere in it.

    `of` is what stands there (property, operation …), or "". A finding about many places of one rule has their `count`
    and the first of them in `places`.
    """

    rule: str
    level: str
    message: str
    hint: str
    pointer: str
    line: int | None
    operation: str = ""
    path: str = ""
    fingerprint: str = ""
    of: str = ""
    count: int = 1
    places: tuple[LintFinding, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """The finding as JSON; `count` and `places` only where it is about many."""
        many = {"count": self.count, "places": [place.as_place() for place in self.places]} if self.places else {}
        return {
            **many,
            "rule": self.rule,
            "level": self.level,
            "message": self.message,
            "hint": self.hint,
            "pointer": self.pointer,
            "line": self.line,
            "operation": self.operation,
            "path": self.path,
            "fingerprint": self.fingerprint,
        }

    def as_place(self) -> dict[str, Any]:
        """What a finding about many says of one of its places."""
        return {"pointer": self.pointer, "line": self.line, "message": self.message, "operation": self.operation}


@dataclass(frozen=True, slots=True)
class RuleOutcome:
    """The outcome of one rule: `passed`, `failed`, or `not_applicable` or `not_run` with the reason. `total` counts all
    findings, `listed` those that the report lists."""

    rule: str
    status: str
    reason: str = ""
    total: int = 0
    listed: int = 0
    title: str = ""


@dataclass(frozen=True, slots=True)
class LintReport:
    """The findings, worst first, and the outcome of every rule. `groups.grouped` has them for people."""

    findings: tuple[LintFinding, ...]
    outcomes: tuple[RuleOutcome, ...]
    rule_pack: str = RULE_PACK
    context: Mapping[str, Any] = field(default_factory=dict)
    sizes: Mapping[str, int] = field(default_factory=dict)
    """How many operations, properties … the contract has."""

    @property
    def verdict(self) -> str:
        """`error`, `warning`, `info` or `passed`."""
        found = {finding.level for finding in self.findings}
        return next((level for level in ("error", "warning", "info") if level in found), "passed")

    def as_dict(self) -> dict[str, Any]:
        return {
            "verdict": self.verdict,
            "rule_pack": self.rule_pack,
            **self.context,
            "findings": [finding.as_dict() for finding in self.findings],
            "rules": [
                {
                    "rule": item.rule,
                    "status": item.status,
                    "reason": item.reason,
                    "total": item.total,
                    "listed": item.listed,
                }
                for item in self.outcomes
            ],
        }


def fingerprint(rule_id: str, pointer: str) -> str:
    return hashlib.sha256(f"{rule_id}\0{pointer}".encode()).hexdigest()[:16]
