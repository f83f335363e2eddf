"""The scorecards of all APIs, by point, by team and by campaign."""

from __future__ import annotations

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from catalog.domain import scorecards as cards_of
from catalog.models import Team
from catalog.selectors import scorecards
from catalog.web.campaigns import campaign_line
from kernel.viewer import Viewer


@require_GET
def scorecards_page(request: HttpRequest) -> HttpResponse:
    """Advice: what holds where, by API, by team and by campaign. Nothing here blocks anything."""
    viewer = Viewer.of(request.user)
    wanted = request.GET.get("team", "")
    rows = scorecards.of_apis(viewer=viewer, team=wanted if "\x00" not in wanted else "", limit=50_000)
    cards = [card for _, card in rows]
    campaigns = [campaign_line(campaign, cards) for campaign in scorecards.campaigns()]
    points = [(title, *cards_of.share(cards, key)) for key, title in cards_of.POINTS.items()]
    context = {
        "page": Paginator(rows, 50).get_page(request.GET.get("page")),
        "points": points,
        "campaigns": campaigns,
        "wanted": wanted,
        "teams": Team.objects.filter(retired_at=None, apis__isnull=False).distinct(),
    }
    return render(request, "catalog/scorecards.html", context)
