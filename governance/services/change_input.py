"""What a change must state before it is opened, revised or amended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from catalog.domain.typo_correction import nearest
from catalog.selectors import systems
from governance.domain import kinds
from governance.domain.subject import Subject
from governance.models import ChangeRequest
from governance.selectors import sight
from kernel.digest import is_digest
from kernel.errors import Invalid, finding
from kernel.viewer import Viewer


def require_usable(change: ChangeRequest, subjects: Sequence[Subject]) -> None:
    """Raises Invalid `change.invalid` with every finding, or `change.unknown_kind`. The change need not be saved."""
    entry = kinds.kind(change.kind)
    found = [*_texts(change), *_subjects(entry, subjects), *_window(change)]
    if found:
        raise Invalid("change.invalid", f"The change cannot be opened: {found[0]['message']}", {"findings": found})


def require_seen(viewer: Viewer, subjects: Sequence[Subject]) -> None:
    """Raises Invalid `change.invalid` for each subject that the viewer may not see, in the words for what does not
    exist.
    """
    found = [
        finding(f"/subjects/{index}/id", f"There is no {subject.kind} {subject.id[:200]!r}.")
        for index, subject in enumerate(subjects)
        if not sight.sees(viewer, subject.kind, subject.id)
    ]
    if found:
        raise Invalid("change.invalid", f"The change cannot be opened: {found[0]['message']}", {"findings": found})


def require_parameters(kind: str, parameters: Mapping[str, Any]) -> None:
    """Raises Invalid `change.invalid` for each parameter that the kind does not know: it would be read by nobody."""
    known = kinds.kind(kind).parameters
    unknown = [] if known is None else [name for name in parameters if name not in known]
    if unknown:
        found = [finding(f"/parameters/{name}", _unknown(str(name), known or ())) for name in unknown]
        raise Invalid("change.invalid", f"The change cannot be opened: {found[0]['message']}", {"findings": found})


def _unknown(name: str, known: Sequence[str]) -> str:
    if not known:
        return f"There is no parameter {name!r}; this kind of change takes none."
    near = nearest(name.lower(), known, limit=1) or [key for key in known if key in name.lower()]
    meant = f" Did you mean {near[0]}?" if near else ""
    return f"There is no parameter {name!r}. Known: {', '.join(known)}.{meant}"


def _texts(change: ChangeRequest) -> list[dict[str, Any]]:
    found = []
    if not change.title.strip() or len(change.title) > 200:
        found.append(finding("/title", "Give a title of 1 to 200 characters."))
    if not change.justification.strip():
        found.append(finding("/justification", "Give the reason for the change. Reviewers read it first."))
    known = [key for key, *_ in systems.environments()]
    if change.environment not in known:
        message = f"There is no environment {change.environment!r}. Known: {', '.join(known) or 'none'}."
        found.append(finding("/environment", message))
    return found


def _subjects(entry: kinds.ChangeKind, subjects: Sequence[Subject]) -> list[dict[str, Any]]:
    found = []
    if not subjects:
        found.append(finding("/subjects", "Name at least one subject."))
    if len({(s.kind, s.id) for s in subjects}) != len(subjects):
        found.append(finding("/subjects", "A subject is listed twice."))
    for index, subject in enumerate(subjects):
        if not is_digest(subject.digest):
            found.append(finding(f"/subjects/{index}/digest", "Give a digest: sha256: followed by 64 hex digits."))
        if entry.subject_kind and subject.kind != entry.subject_kind:
            found.append(
                finding(f"/subjects/{index}/kind", f"'{entry.label}' takes a subject of kind {entry.subject_kind}.")
            )
        if not 0 < len(subject.id) <= 200:
            found.append(finding(f"/subjects/{index}/id", "Give an id of 1 to 200 characters."))
    return found


def _window(change: ChangeRequest) -> list[dict[str, Any]]:
    found = [
        finding(f"/{name}", "Add the time zone, e.g. 2026-11-23T12:00:00Z.")
        for name, at in (("planned_from", change.planned_from), ("planned_until", change.planned_until))
        if at is not None and at.tzinfo is None
    ]
    if change.planned_from and change.planned_until and not found and change.planned_from >= change.planned_until:
        found.append(finding("/planned_until", "The end of the window must be later than its start."))
    return found
