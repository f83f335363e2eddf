"""What a report tells: the verdict, the exit code, and where the things that it speaks of stand in the repository."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from tillgate.answers import GateVerdict
from tillgate.exits import ALLOW
from tillgate.lockfile import NAME

Weight = Literal["error", "warning", "waived"]


class GateReport(NamedTuple):
    verdict: GateVerdict
    exit_code: int
    names: Sequence[str] = ()
    places: Mapping[str, tuple[str, int]] = {}
    files: Sequence[Path] = ()

    def place(self, subject: str) -> tuple[str, int]:
        """File and line of what a reason is about; the first line of the question's file where it names nothing."""
        return self.places.get(subject) or (self.files[0].as_posix() if self.files else NAME, 1)

    @property
    def nature(self) -> str:
        """What has to be said beside the verdict."""
        parts = []
        if self.verdict.hypothetical:
            parts.append("a what-if: nothing may go live on it")
        if self.verdict.word == "unknown" and self.verdict.only_reports:
            parts.append(
                "the gate only reports so far" + (", this does not stop the pipeline" if not self.exit_code else "")
            )
        return f" ({'; '.join(parts)})" if parts else ""

    @property
    def stops(self) -> bool:
        return self.exit_code != ALLOW


def weight(told: GateReport, reason: Mapping[str, Any]) -> Weight:
    """`waived` counts for nothing; `warning` is an unknown that does not stop this pipeline."""
    if reason["waived_by"] is not None:
        return "waived"
    return "error" if told.stops else "warning"
