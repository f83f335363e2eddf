"""What the search over all rooms finds here."""

from __future__ import annotations

from collections.abc import Iterable

from django.db.models import Q
from django.urls import reverse

from governance.models import ChangeRequest
from governance.selectors import changes
from kernel.search_results import SearchResult
from kernel.viewer import Viewer


def find(viewer: Viewer, text: str, *, limit: int = 5) -> Iterable[SearchResult]:
    """Changes by number, title, subject or the beginning of a digest."""
    wanted = text.strip().lstrip("#")[:100].replace("\x00", "")
    if not wanted:
        return []
    match = (
        Q(title__icontains=wanted)
        | Q(subjects__subject_id__icontains=wanted)
        | Q(subjects__digest__startswith=f"sha256:{wanted.removeprefix('sha256:')}")
    )
    if wanted.isdecimal() and len(wanted) < 12:
        match |= Q(pk=int(wanted))
    rows: list[ChangeRequest] = list(changes.listed(viewer).filter(match).distinct().order_by("-id")[:limit])
    return [
        SearchResult(
            kind="Changes",
            title=change.title,
            url=reverse("governance:change", args=[change.pk]),
            says=f"change {change.pk} · {change.get_state_display().lower()} · {change.environment}",
            digest=change.subject_digest,
            exact=str(change.pk) == wanted,
        )
        for change in rows
    ]
