"""Why the gate does not allow: reasons with stable codes, and the collection that the rules add them to."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from governance.domain.evidence import Evidence


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason. `subject` is what it is about, `pointer` a JSON Pointer into the evidence, `fix` what would settle
    it.
    """

    code: str
    word: Literal["deny", "unknown"]
    subject: str
    pointer: str
    message: str
    fix: str
    report_only: bool = False
    waived_by: int | None = None

    def as_json(self) -> dict[str, Any]:
        return {
            "code": self.code,
            "word": self.word,
            "subject": self.subject,
            "pointer": self.pointer,
            "message": self.message,
            "fix": self.fix,
            "report_only": self.report_only,
            "waived_by": self.waived_by,
        }


@dataclass(slots=True)
class GateCase:
    """The reasons and warnings that the rules found so far."""

    as_of: datetime
    reasons: list[Reason] = field(default_factory=list)
    warnings: list[dict[str, str]] = field(default_factory=list)

    def deny(self, code: str, subject: str, node: Evidence, message: str, fix: str) -> None:
        self.reasons.append(Reason(code, "deny", subject, node.pointer, message, fix))

    def unknown(
        self, code: str, subject: str, node: Evidence, message: str, fix: str, *, report_only: bool = False
    ) -> None:
        self.reasons.append(Reason(code, "unknown", subject, node.pointer, message, fix, report_only))

    def warn(self, code: str, subject: str, message: str) -> None:
        self.warnings.append({"code": code, "subject": subject, "message": message})
