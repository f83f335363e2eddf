"""Automated checks. An outcome has one of four words, of which `not_run` always blocks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from governance.domain.subject import Subject, SubjectFacts

Status = Literal["passed", "failed", "not_applicable", "not_run"]
Level = Literal["error", "warning", "info"]
STATUSES: tuple[Status, ...] = ("passed", "failed", "not_applicable", "not_run")


@dataclass(frozen=True, slots=True)
class ChangeFacts:
    """The change request as a check sees it."""

    id: int
    kind: str
    title: str
    justification: str
    rollback_plan: str
    environment: str
    planned_from: datetime | None
    planned_until: datetime | None
    subjects: tuple[Subject, ...]
    parameters: Mapping[str, Any] = field(default_factory=dict)
    author_id: int | None = None


@dataclass(frozen=True, slots=True)
class CheckContext:
    """What a check gets. `subject_facts` None: the owning room no longer knows the subject."""

    change: ChangeFacts
    subject: Subject
    subject_facts: SubjectFacts | None
    environment: str
    as_of: datetime


@dataclass(frozen=True, slots=True)
class CheckOutcome:
    """The outcome of a check. `findings`: `{"rule", "level", "pointer", "message", …evidence}` with level error,
    warning or info.

    `fix` says in sentences what would change the outcome. `why` is one sentence and is required for
    `not_applicable` and `not_run`.
    """

    status: Status
    why: str = ""
    findings: tuple[Mapping[str, Any], ...] = ()
    fix: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.status not in STATUSES:
            raise ValueError(f"a check knows {', '.join(STATUSES)}; not {self.status!r}")
        if self.status in ("not_applicable", "not_run") and not self.why:
            raise ValueError(f"{self.status} needs a reason")
        object.__setattr__(self, "findings", tuple(self.findings))
        object.__setattr__(self, "fix", tuple(self.fix))


@dataclass(frozen=True, slots=True)
class Check:
    """`id` is stable and dotted and is the rule id that waivers name; `title` names what is checked, as a noun.

    The gate runs the checks whose `about` is `systems_of_record` again for each integration of a release.
    """

    id: str
    title: str
    run: Callable[[CheckContext], CheckOutcome] = field(compare=False)
    about: Literal["", "systems_of_record"] = ""


def passed(why: str = "", findings: Iterable[Mapping[str, Any]] = ()) -> CheckOutcome:
    return CheckOutcome("passed", why, tuple(findings))


def failed(why: str, findings: Iterable[Mapping[str, Any]], fix: Iterable[str] = ()) -> CheckOutcome:
    return CheckOutcome("failed", why, tuple(findings), tuple(fix))


def not_applicable(why: str) -> CheckOutcome:
    return CheckOutcome("not_applicable", why)


def not_run(why: str, fix: Iterable[str] = ()) -> CheckOutcome:
    return CheckOutcome("not_run", why, (), tuple(fix))


def finding(rule: str, pointer: str, message: str, *, level: Level = "error", **evidence: Any) -> dict[str, Any]:
    """One finding. `pointer` is a JSON Pointer into the document (RFC 6901), empty for the whole."""
    return {"rule": rule, "level": level, "pointer": pointer, "message": message, **evidence}


_ORDER: dict[str, int] = {"not_run": 0, "failed": 1, "passed": 2, "not_applicable": 3}


def combine(outcomes: Iterable[tuple[Subject, CheckOutcome]]) -> CheckOutcome:
    """One outcome for several subjects: the worst one, with findings that name their subject. No subject: `not_run`."""
    listed = list(outcomes)
    if not listed:
        return not_run("The change names no subject.")
    if len(listed) == 1:
        return listed[0][1]
    worst = min(listed, key=lambda pair: _ORDER[pair[1].status])[1].status
    findings = [
        {**found, "subject": f"{subject.kind} {subject.id}"}
        for subject, outcome in listed
        for found in outcome.findings
    ]
    why = " ".join(
        dict.fromkeys(
            f"{subject.id}: {outcome.why}" for subject, outcome in listed if outcome.why and outcome.status == worst
        )
    )
    fix = tuple(dict.fromkeys(step for _, outcome in listed for step in outcome.fix))
    return CheckOutcome(worst, why or worst.replace("_", " "), tuple(findings), fix)
