"""The result of one command, from which every renderer works."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

SEVERITY = {"breaking": "error", "error": "error", "warning": "warning", "info": "note", "compatible": "note"}
"""A finding's level in the words of SARIF."""

ORDER = {"error": 0, "warning": 1, "note": 2}


class FurtherPlace(NamedTuple):
    """Another place of which the same is said."""

    file: str
    pointer: str
    line: int | None


@dataclass(frozen=True, slots=True)
class ReportItem:
    """One finding, or several that say the same: then `count` is their number and `further` are the other places.

    `pointer` and `line` are in the file `file`.
    """

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
    count: int = 1
    further: tuple[FurtherPlace, ...] = ()

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
    """`command` is compare, compat or lint; `data` is the JSON form; `facts` stand at the head of the text form.

    `items` are for programs, `told` for people: there, the findings of one schema and rule are one.
    """

    command: str
    verdict: str
    items: tuple[ReportItem, ...]
    data: Mapping[str, Any]
    rule_pack: str
    facts: Mapping[str, str] = field(default_factory=dict)
    rules: tuple[RuleText, ...] = ()
    fail_on_warning: bool = True
    told: tuple[ReportItem, ...] | None = None

    def count(self, severity: str) -> int:
        """How many findings of a severity there are, equal ones each."""
        return sum(item.count for item in self.items if item.severity == severity)

    def sorted(self) -> list[ReportItem]:
        """Worst first, then by place."""
        return _sorted(self.items)

    def sorted_for_people(self) -> list[ReportItem]:
        """The same, with the findings of one schema and rule as one."""
        return _sorted(self.items if self.told is None else self.told)


def _sorted(items: tuple[ReportItem, ...]) -> list[ReportItem]:
    return sorted(items, key=lambda item: (ORDER[item.severity], item.path, item.file, item.line or 0, item.rule))
