"""What a waiver is for: what there was to see when it was asked for. Other content, or other words of a check, are not
what its approvers agreed to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import F

from governance.domain import kinds
from governance.domain.subject import Subject
from governance.models import ChangeRequest, ChangeSubject, CheckResult
from governance.selectors import sight
from governance.selectors.waiver_standings import present_digest
from kernel.digest import short
from kernel.errors import Invalid, finding
from kernel.viewer import Viewer

State = ChangeRequest.State
_OPEN = (State.DRAFT, State.IN_REVIEW, State.APPROVED)
_BESIDE = ("subject", "line")
"""What a finding says of where it was told, not of what was found."""


@dataclass(frozen=True, slots=True)
class WaiverBinding:
    """The digest (`""`: the thing had no document; None: it has none to bind), and the findings that were seen there
    (None: none yet)."""

    digest: str | None
    findings: list[dict[str, Any]] | None = None


def of_gate(subject: Subject) -> WaiverBinding:
    """Of a rule of the gate: the version's present contract, the integration's release at `subject.digest`, or the
    newest. Raises Invalid for a digest that the subject does not have."""
    if subject.kind == "version":
        version = present_digest(subject.kind, subject.id)
        if version is None:
            raise _invalid("/subject_id", f"There is no version {subject.id[:200]!r}.")
        present = version
    elif subject.kind == "integration":
        known = [kind.facts(subject) for kind in kinds.all_kinds() if kind.subject_kind == "integration"][:1]
        present = (known[0].digest if known and known[0] else None) or ""
    else:
        return WaiverBinding(None)
    if subject.digest not in ("", present):
        raise _not_there(subject)
    return WaiverBinding(present)


def of_finding(viewer: Viewer, subject: Subject, rule: str, pointer: str, environment: str) -> WaiverBinding:
    """Of a finding of changes: the content at `subject.digest`; without one, the content in which an open change that
    the viewer sees has this finding, else the present one. Raises Invalid where the subject has no such content, where
    several contents have the finding, and where nobody knows the subject."""
    rows = ChangeSubject.objects.filter(
        kind=subject.kind,
        subject_id=subject.id,
        change__in=sight.of_changes(viewer).filter(state__in=_OPEN, environment=environment),
    )
    changes = dict(rows.values_list("change_id", "digest"))
    found: dict[str, list[dict[str, Any]]] = {}
    for change, one in _errors(changes, subject):
        if (one.get("rule"), one.get("pointer") or "") == (rule, pointer):
            listed = found.setdefault(changes[change], [])
            said = without_place(one)
            if said not in listed:
                listed.append(said)
    if not subject.digest and len(found) > 1:
        contents = ", ".join(sorted(map(short, found)))
        raise _invalid("/subject_digest", f"Changes with several contents have this finding ({contents}). Say which.")
    digest = subject.digest or next(iter(found), None)
    if digest is None or digest not in changes.values():
        present = present_digest(subject.kind, subject.id)
        if present is None and not changes:
            raise _invalid("/subject_id", f"There is no {subject.kind} {subject.id[:200]!r}.")
        if digest not in (None, present):
            raise _not_there(subject)
        digest = present or ""
    return WaiverBinding(digest, found.get(digest))


def without_place(found: Mapping[str, Any]) -> dict[str, Any]:
    """The finding as the database compares it with what was seen (`governance_waiver_saw`)."""
    return {name: value for name, value in found.items() if name not in _BESIDE}


def _errors(changes: Iterable[int], subject: Subject) -> Iterable[tuple[int, dict[str, Any]]]:
    """Change and finding, of those about the subject that block."""
    several = set(ChangeSubject.objects.filter(change__in=changes, position__gt=0).values_list("change_id", flat=True))
    results = CheckResult.objects.filter(
        change__in=changes,
        revision=F("change__revision"),
        subject_digest=F("change__subject_digest"),
        status=CheckResult.Status.FAILED,
    )
    for row in results:
        for one in row.findings:
            about_it = row.change_id not in several or one.get("subject") == f"{subject.kind} {subject.id}"
            if one.get("level") == "error" and about_it:
                yield row.change_id, one


def _not_there(subject: Subject) -> Invalid:
    said = f"{subject.id} is not at {subject.digest[:19]}: a waiver is for what there is now."
    return _invalid("/subject_digest", said)


def _invalid(pointer: str, message: str) -> Invalid:
    return Invalid(
        "waiver.invalid", f"The waiver cannot be asked for: {message}", {"findings": [finding(pointer, message)]}
    )
