"""The result of one command, from which every renderer works."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

SEVERITY = {"breaking": "error", "error": "error", "warning": "warning", "info": "note", "compatible": "note"}
"""A finding's level in the words of SARIF."""

ORDER = {"error": 0, "warning": 1, "note": 2}


@dataclass(frozen=True, slots=True)
class ReportItem:
    """One finding. `pointer` and `line` are in the file `file`."""

    rule: str
    level: str
    message: str
    hint: str = ""
    file: str = ""
    pointer: str = ""
    line: int | None = None
    path: str = ""
    operations: tuple[str, ...] = ()
    fingerprint: str = ""

    @property
    def severity(self) -> str:
        """`error`, `warning` or `note`."""
        return SEVERITY.get(self.level, "note")

    @property
    def place(self) -> str:
        """`file:line` or `file`, for people."""
        return f"{self.file}:{self.line}" if self.line else self.file


@dataclass(frozen=True, slots=True)
class RuleText:
    """What SARIF says of a rule."""

    id: str
    summary: str
    level: str
    help: str = ""


@dataclass(frozen=True, slots=True)
class Result:
    """`command` is compare, compat or lint; `data` is the JSON form; `facts` stand at the head of the text form."""

    command: str
    verdict: str
    items: tuple[ReportItem, ...]
    data: Mapping[str, Any]
    rule_pack: str
    facts: Mapping[str, str] = field(default_factory=dict)
    rules: tuple[RuleText, ...] = ()
    fail_on_warning: bool = True

    def count(self, severity: str) -> int:
        return sum(1 for item in self.items if item.severity == severity)

    def sorted(self) -> list[ReportItem]:
        """Worst first, then by place."""
        return sorted(
            self.items, key=lambda item: (ORDER[item.severity], item.path, item.file, item.line or 0, item.rule)
        )
