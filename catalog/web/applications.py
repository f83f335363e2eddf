"""Pages of consumer applications: what they are, what they use, and which of it ends soon."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods

from catalog import permissions
from catalog.domain import lifecycle
from catalog.models import Application, Team
from catalog.selectors import application_usage, imported_facts
from catalog.services import applications
from catalog.web import links
from catalog.web.forms import ApplicationForm
from catalog.web.people import person
from catalog.web.subscription_tones import SUBSCRIPTIONS
from kernel import clock
from kernel.errors import Conflict, Forbidden, Invalid, NotFound
from kernel.ui import tones
from kernel.viewer import Viewer


@require_GET
def listed(request: HttpRequest) -> HttpResponse:
    viewer = Viewer.of(request.user)
    q = " ".join(request.GET.get("q", "").replace("\x00", " ").split())[:100]
    mine = request.GET.get("mine") == "1"
    rows = application_usage.applications(viewer=viewer, q=q, mine=mine)
    page = Paginator(rows, 50).get_page(request.GET.get("page"))
    picks = [
        {"label": "All", "url": "?", "current": not mine},
        {"label": "Of my teams", "url": "?mine=1", "current": mine},
    ]
    return render(
        request,
        "catalog/applications.html",
        {"page": page, "q": q, "mine": mine, "teams": viewer.team_ids, "picks": picks},
    )


@require_GET
def application(request: HttpRequest, key: str) -> HttpResponse:
    viewer = Viewer.of(request.user)
    found = _find(key)
    lines: list[dict[str, Any]] = [
        {
            "use": use,
            "state": lifecycle.tone(use.state, label=use.label),
            "tone": SUBSCRIPTIONS.get(use.use, tones.quiet(use.use)),
            "past": use.sunset_at is not None and use.sunset_at <= clock.now() and use.state in lifecycle.LIVE,
        }
        for use in application_usage.of_application(found, viewer=viewer)
    ]
    in_use = ("active", "requested", "unsubscribed")
    ending = [line for line in lines if line["use"].sunset_at and line["use"].use in in_use]
    context = {
        "application": found,
        "lines": lines,
        "ending": ending,
        "permission": permissions.may_apply(viewer, found),
        "imported": imported_facts.of("application", found.key, viewer=viewer),
        "hand_over_url": links.propose("application.hand_over", found.key),
    }
    return render(request, "catalog/application.html", context)


@require_http_methods(["GET", "POST"])
def add(request: HttpRequest) -> HttpResponse:
    viewer = Viewer.of(request.user)
    form = ApplicationForm(request.POST if request.method == "POST" else None, viewer=viewer)
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        try:
            made = applications.register(
                actor=person(request),
                key=given["key"],
                name=given["name"],
                description=given["description"],
                team=_team(given["team"]),
            )
        except (Invalid, Conflict, Forbidden) as error:
            form.take(error)
        else:
            messages.success(request, f"{made.name} is registered. Now it can subscribe.")
            return redirect("catalog:application", key=made.key)
    context = {"form": form, "permission": permissions.may_register(viewer, None)}
    return render(request, "catalog/application_edit.html", context, status=422 if form.is_bound else 200)


@require_http_methods(["GET", "POST"])
def edit(request: HttpRequest, key: str) -> HttpResponse:
    viewer = Viewer.of(request.user)
    found = _find(key)
    initial = {"name": found.name, "description": found.description, "team": found.team.key if found.team else ""}
    form = ApplicationForm(
        request.POST if request.method == "POST" else None, initial=initial, viewer=viewer, registering=False
    )
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        try:
            applications.change(
                key,
                actor=person(request),
                values={"name": given["name"], "description": given["description"], "team": _team(given["team"])},
            )
        except (Invalid, Conflict, Forbidden) as error:
            form.take(error)
        else:
            messages.success(request, "Saved.")
            return redirect("catalog:application", key=key)
    context = {"form": form, "application": found, "permission": permissions.may_apply(viewer, found)}
    return render(request, "catalog/application_edit.html", context, status=422 if form.is_bound else 200)


def _team(key: str) -> Team:
    found = Team.objects.filter(key=key, retired_at=None).first()
    if found is None:
        raise Invalid(
            "application.team",
            "Choose the responsible team.",
            {"findings": [{"pointer": "/team", "message": "Choose a team."}]},
        )
    return found


def _find(key: str) -> Application:
    found = Application.objects.select_related("team", "agent_account").filter(key=key).first()
    if found is None:
        raise NotFound("application.unknown", f"There is no application {key[:60]!r}.")
    return found
