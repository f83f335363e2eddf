"""The result of a comparison, as plain data."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec
import orjson

from tillgate_contracts.compare.groups import FindingGroup, FindingText, group, merge
from tillgate_contracts.compare.rules import RULE_PACK

LEVEL_ORDER = {"breaking": 0, "warning": 1, "info": 2}


class Finding(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=False):
    """One difference that matters.

    `operations` are all operations concerned ("POST /orders", "send order.created"), `operation` the first of them,
    `path` its API path or channel. `pointer` and `line` point into the revision's source, or into the base's where
    something was removed (`side` says which); `base_pointer` and `revision_pointer` give both. `fingerprint` is the
    same for the same difference in any later run.
    """

    rule: str
    level: str
    direction: str
    message: str
    hint: str = ""
    operation: str = ""
    path: str = ""
    operations: tuple[str, ...] = ()
    pointer: str = ""
    side: str = "revision"
    line: int | None = None
    base_pointer: str | None = None
    revision_pointer: str | None = None
    old: Any = None
    new: Any = None
    fingerprint: str = ""

    @property
    def method(self) -> str:
        """HTTP method (or send/receive) of the first operation."""
        return self.operation.split(" ", 1)[0]


class ComparisonReport(msgspec.Struct, frozen=True, kw_only=True):
    """Verdict on two documents: breaking, warning, compatible (harmless changes) or none (no change of meaning)."""

    verdict: str
    findings: list[Finding]
    rule_pack: str = RULE_PACK
    breaking: int = 0
    warnings: int = 0
    compatible: int = 0
    base_digest: str = ""
    revision_digest: str = ""
    as_of: str = ""

    @property
    def unread(self) -> bool:
        """True where a part of either contract was not read, so that nothing can be said about it."""
        return any(
            finding.rule == "contract-not-read" or finding.rule.endswith("reference-unresolved")
            for finding in self.findings
        )

    @property
    def groups(self) -> list[FindingGroup]:
        """The findings as people read them: those of one schema and rule in one sentence."""
        return group(text_of(finding) for finding in self.findings)

    @property
    def told_groups(self) -> list[dict[str, Any]]:
        """The groups as plain dictionaries, ready for JSON."""
        made: list[dict[str, Any]] = msgspec.to_builtins(self.groups)
        for one in made:
            one.pop("indexes")
        return made

    @property
    def merged(self) -> list[dict[str, Any]]:
        """The findings as plain dictionaries, equal ones once: `count` says how often, `places` where."""
        return merged_findings(self.findings)

    def as_dict(self) -> dict[str, Any]:
        """Plain dictionaries and lists, ready for JSON."""
        found: dict[str, Any] = msgspec.to_builtins(self)
        return found

    def as_json(self) -> bytes:
        """Canonical JSON: the same inputs give the same bytes."""
        return orjson.dumps(self.as_dict(), option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS)


def merged_findings(findings: list[Finding]) -> list[dict[str, Any]]:
    """Findings as plain dictionaries, equal ones once: `count` says how often, `places` where."""
    return [
        msgspec.to_builtins(equal.first)
        | {
            "operations": list(equal.operations),
            "count": len(equal.places),
            "places": msgspec.to_builtins(equal.places),
        }
        for equal in merge(findings)
    ]


def text_of(finding: Finding) -> FindingText:
    """What the grouping for people needs of a finding."""
    return FindingText(
        rule=finding.rule,
        level=finding.level,
        message=finding.message,
        pointer=finding.pointer,
        hint=finding.hint,
        operations=finding.operations,
        line=finding.line,
        side=finding.side,
        fingerprint=finding.fingerprint,
    )


def fingerprint(*parts: Any) -> str:
    text = orjson.dumps(parts, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS, default=str)
    return hashlib.sha256(text).hexdigest()[:16]


def verdict_of(findings: list[Finding]) -> str:
    """The worst level decides. Findings of SILENT_RULES do not count."""
    levels = {finding.level for finding in findings if finding.rule not in SILENT_RULES}
    if "breaking" in levels:
        return "breaking"
    if "warning" in levels:
        return "warning"
    return "compatible" if levels else "none"


#: Rules whose findings are shown and change no meaning.
SILENT_RULES = frozenset({"annotation-changed", "api-path-parameter-renamed"})
