"""Pages of campaigns: how far each point is, by team and by API, and who has still to act."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods

from catalog import permissions
from catalog.domain import scorecards as cards_of
from catalog.domain.scorecards import POINTS
from catalog.models import Campaign
from catalog.selectors import scorecards
from catalog.services import campaigns
from catalog.web.forms import CampaignForm
from catalog.web.people import person
from kernel import clock
from kernel.errors import Conflict, Forbidden, Invalid, NotFound
from kernel.ui import tones
from kernel.ui.tones import Tone
from kernel.viewer import Viewer


@dataclass(frozen=True, slots=True)
class CampaignLine:
    """A campaign and how far it is among the APIs that the viewer sees."""

    campaign: Campaign
    title: str
    reached: int
    possible: int
    tone: Tone


def campaign_line(campaign: Campaign, cards: list[cards_of.Scorecard]) -> CampaignLine:
    reached, possible = cards_of.share(cards, campaign.point)
    if campaign.ended_at is not None:
        tone = tones.quiet("Ended")
    elif possible and reached == possible:
        tone = tones.ok("Reached")
    elif campaign.due_on < clock.now().date() and reached < possible:
        tone = tones.stop("Late")
    else:
        tone = tones.wait("Running")
    return CampaignLine(campaign, POINTS.get(campaign.point, campaign.point), reached, possible, tone)


@require_GET
def listed(request: HttpRequest) -> HttpResponse:
    viewer = Viewer.of(request.user)
    cards = [card for _, card in scorecards.of_apis(viewer=viewer, limit=50_000)]
    rows = [campaign_line(c, cards) for c in Campaign.objects.select_related("owner_team")]
    context = {
        "running": [r for r in rows if r.campaign.ended_at is None],
        "ended": [r for r in rows if r.campaign.ended_at is not None],
        "permission": permissions.may_steward(viewer),
    }
    return render(request, "catalog/campaigns.html", context)


@require_GET
def campaign(request: HttpRequest, key: str) -> HttpResponse:
    """By team, and the APIs where the point does not hold yet, with the fact that says why."""
    viewer = Viewer.of(request.user)
    found = _find(key)
    rows = scorecards.of_apis(viewer=viewer, limit=50_000)
    line = campaign_line(found, [card for _, card in rows])
    left: list[dict[str, Any]] = []
    teams: dict[tuple[str, str], tuple[int, int]] = {}
    for facts, card in rows:
        point = next((p for p in card.points if p.key == found.point), None)
        if point is None or point.holds is None:
            continue
        reached, possible = teams.get((facts["owner"], facts["owner_key"]), (0, 0))
        teams[(facts["owner"], facts["owner_key"])] = (reached + bool(point.holds), possible + 1)
        if not point.holds:
            left.append({"facts": facts, "point": point})
    by_team = sorted(((name, key_, r, p) for (name, key_), (r, p) in teams.items()), key=lambda t: (t[2] - t[3], t[0]))
    context = {
        "line": line,
        "left": left[:200],
        "more": max(0, len(left) - 200),
        "teams": by_team,
        "days": (found.due_on - clock.now().date()).days,
        "permission": permissions.may_steward(viewer),
    }
    return render(request, "catalog/campaign.html", context)


@require_http_methods(["GET", "POST"])
def begin(request: HttpRequest) -> HttpResponse:
    viewer = Viewer.of(request.user)
    form = CampaignForm(
        request.POST if request.method == "POST" else None, initial={"point": request.GET.get("point", "")}
    )
    if request.method == "POST" and form.is_valid():
        try:
            made = campaigns.begin(actor=person(request), **form.cleaned_data)
        except (Invalid, Conflict, Forbidden) as error:
            form.take(error)
        else:
            messages.success(request, f"{made.name} has started.")
            return redirect("catalog:campaign", key=made.key)
    context = {"form": form, "permission": permissions.may_steward(viewer)}
    return render(request, "catalog/campaign_edit.html", context, status=422 if form.is_bound else 200)


@require_http_methods(["GET", "POST"])
def edit(request: HttpRequest, key: str) -> HttpResponse:
    """Change it; `ended` ends it or lets it go on."""
    viewer = Viewer.of(request.user)
    found = _find(key)
    initial = {
        "name": found.name,
        "point": found.point,
        "due_on": found.due_on,
        "purpose": found.purpose,
        "owner_team": found.owner_team.key if found.owner_team else "",
    }
    form = CampaignForm(request.POST if request.method == "POST" else None, initial=initial, beginning=False)
    if request.method == "POST":
        ended = request.POST.get("ended")
        try:
            if ended in ("0", "1"):
                campaigns.change(key, actor=person(request), values={"ended": ended == "1"})
                messages.success(request, "The campaign has ended." if ended == "1" else "The campaign goes on.")
                return redirect("catalog:campaign", key=key)
            if form.is_valid():
                campaigns.change(key, actor=person(request), values=form.cleaned_data)
                messages.success(request, "Saved.")
                return redirect("catalog:campaign", key=key)
        except (Invalid, Conflict, Forbidden) as error:
            form.is_valid()
            form.take(error)
    context = {"form": form, "campaign": found, "permission": permissions.may_steward(viewer)}
    return render(request, "catalog/campaign_edit.html", context, status=422 if form.is_bound else 200)


def _find(key: str) -> Campaign:
    found = Campaign.objects.select_related("owner_team").filter(key=key).first()
    if found is None:
        raise NotFound("campaign.unknown", f"There is no campaign {key[:60]!r}.")
    return found
