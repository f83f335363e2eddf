"""Teams and what each of them owns."""

from __future__ import annotations

from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from catalog import permissions
from catalog.models import Application, Domain, System, Team
from catalog.selectors import imported_facts, scorecards
from kernel.errors import NotFound
from kernel.models import User
from kernel.viewer import Viewer


@require_GET
def teams(request: HttpRequest) -> HttpResponse:
    viewer = Viewer.of(request.user)
    counted = Q(apis__retired_at=None, apis__in=permissions.visible(viewer))
    rows = Team.objects.filter(retired_at=None).annotate(
        people=Count("group__user", filter=Q(group__user__is_active=True), distinct=True),
        owned=Count("apis", filter=counted, distinct=True),
    )
    return render(request, "catalog/teams.html", {"teams": rows, "mine": viewer.team_ids})


@require_GET
def team(request: HttpRequest, key: str) -> HttpResponse:
    found = Team.objects.select_related("group").filter(key=key).first()
    if found is None:
        raise NotFound("team.unknown", f"There is no team {key[:60]!r}.")
    viewer = Viewer.of(request.user)
    cards = scorecards.of_apis(viewer=viewer, team=key)
    context = {
        "team": found,
        "people": User.objects.filter(groups=found.group, is_active=True).order_by("username"),
        "cards": cards,
        "domains": Domain.objects.filter(owner_team=found),
        "systems": System.objects.filter(owner_team=found, retired_at=None),
        "applications": Application.objects.filter(team=found, retired_at=None),
        "reached": sum(c.reached for _, c in cards),
        "imported": imported_facts.of("team", key, viewer=viewer),
        "possible": sum(c.possible for _, c in cards),
    }
    return render(request, "catalog/team.html", context)
