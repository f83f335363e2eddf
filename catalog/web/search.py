"""What the search over all rooms finds here: APIs by words, an application by its key."""

from __future__ import annotations

from collections.abc import Iterable

from django.urls import reverse

from catalog.domain.search_criteria import Criteria
from catalog.models import Application
from catalog.selectors import search
from kernel.search_results import SearchResult
from kernel.viewer import Viewer


def find(viewer: Viewer, text: str, *, limit: int = 5) -> Iterable[SearchResult]:
    """The first of what the browse page would show; a short name in full is exact."""
    wanted = text.strip()[:200].replace("\x00", "")
    if not wanted or viewer.user is None:
        return []
    hits = [
        SearchResult(
            kind="APIs",
            title=str(row["name"]),
            url=reverse("catalog:api", args=[row["slug"]]),
            says=" · ".join(
                filter(None, (str(row["slug"]), str(row["team_name"] or "no owner"), str(row["purpose"])[:100]))
            ),
            exact=row["slug"] == wanted.lower(),
        )
        for row in search.browse(Criteria(q=wanted), viewer=viewer).rows[:limit]
    ]
    for row in Application.objects.filter(key=wanted.lower()).select_related("team"):
        team = row.team.name if row.team else "no team"
        hits.append(
            SearchResult(
                kind="Applications",
                title=row.name,
                url=reverse("catalog:application", args=[row.key]),
                says=f"{row.key} · {team}",
            )
        )
    return hits
