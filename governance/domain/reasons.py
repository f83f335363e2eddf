"""Why the gate does not allow: reasons with stable codes, and the collection that the rules add them to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from governance.domain.evidence import Evidence

ASKER = "the asking team"


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason. `subject` is what it is about, `pointer` a JSON Pointer into the evidence, `fix` what would settle
    it, `who` who can do that. `leaves` says that the fix is to do without the subject: other reasons about it are then
    settled with it.
    """

    code: str
    word: Literal["deny", "unknown"]
    subject: str
    pointer: str
    message: str
    fix: str
    who: str
    report_only: bool = False
    waived_by: int | None = None
    leaves: bool = False

    def as_json(self) -> dict[str, Any]:
        return {
            "code": self.code,
            "word": self.word,
            "subject": self.subject,
            "pointer": self.pointer,
            "message": self.message,
            "fix": self.fix,
            "who": self.who,
            "report_only": self.report_only,
            "waived_by": self.waived_by,
        }


@dataclass(slots=True)
class GateCase:
    """The reasons and warnings that the rules found so far. `application` asks. `engine`
    says which pieces of evidence there are: some came later than others."""

    as_of: datetime
    application: str
    engine: int
    reasons: list[Reason] = field(default_factory=list)
    warnings: list[dict[str, str]] = field(default_factory=list)
    break_glass: list[dict[str, Any]] = field(default_factory=list)

    def deny(
        self, code: str, subject: str, node: Evidence, message: str, fix: str, *, who: str = ASKER, leaves: bool = False
    ) -> None:
        self.reasons.append(Reason(code, "deny", subject, node.pointer, message, fix, who, leaves=leaves))

    def unknown(
        self, code: str, subject: str, node: Evidence, message: str, fix: str, *, who: str, report_only: bool = False
    ) -> None:
        self.reasons.append(Reason(code, "unknown", subject, node.pointer, message, fix, who, report_only))

    def warn(self, code: str, subject: str, message: str) -> None:
        self.warnings.append({"code": code, "subject": subject, "message": message})


def smallest_fix(open_ones: Iterable[Reason]) -> list[str]:
    """What would turn the answer to `allow`, once each: where a version has to be left, nothing else of it counts."""
    listed = list(open_ones)
    left = {reason.subject for reason in listed if reason.leaves}
    return list(dict.fromkeys(reason.fix for reason in listed if reason.leaves or reason.subject not in left))


def day(at: datetime) -> str:
    """A time as the gate's sentences write it."""
    return f"{at:%Y-%m-%d %H:%M} UTC"
