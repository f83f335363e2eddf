"""The result of a comparison, as plain data."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec
import orjson

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

    def as_dict(self) -> dict[str, Any]:
        """Plain dictionaries and lists, ready for JSON."""
        found: dict[str, Any] = msgspec.to_builtins(self)
        return found

    def as_json(self) -> bytes:
        """Canonical JSON: the same inputs give the same bytes."""
        return orjson.dumps(self.as_dict(), option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS)


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
