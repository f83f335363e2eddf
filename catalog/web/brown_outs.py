"""The brown-outs of a version: plan one, take one back."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from catalog.domain import lifecycle
from catalog.models import BrownOut, Environment
from catalog.selectors import apis
from catalog.services import brown_outs
from catalog.web.forms import BrownOutForm
from catalog.web.people import person
from kernel import clock
from kernel.errors import Conflict, Invalid, NotFound
from kernel.viewer import Viewer

SHOWN = 50


@require_http_methods(["GET", "POST"])
def planned(request: HttpRequest, slug: str, label: str) -> HttpResponse:
    viewer = Viewer.of(request.user)
    api = apis.find(slug, viewer=viewer)
    version = next((v for v in apis.versions_of(api, viewer=viewer) if v.label == label), None)
    if version is None:
        raise NotFound("version.unknown", f"{slug} has no version {label[:100]!r}, or you may not see it.")
    form = BrownOutForm(request.POST if request.method == "POST" else None, environments=_environments())
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        try:
            brown_outs.plan(
                version.reference,
                actor=person(request),
                environment=given["environment"],
                starts_at=given["starts_at"],
                ends_at=given["starts_at"] + timedelta(hours=given["hours"]),
                note=given["note"],
            )
        except (Invalid, Conflict) as error:
            form.take(error)
        else:
            messages.success(request, "The brown-out is planned, and its consumers are told.")
            return redirect("catalog:brown-outs", slug=slug, label=label)
    rows = BrownOut.objects.select_related("environment", "planned_by").filter(version=version.id)
    context: dict[str, Any] = {
        "api": api,
        "version": version,
        "form": form,
        "rows": rows.order_by("-starts_at", "-id")[:SHOWN],
        "now": clock.now(),
        "possible": version.state == lifecycle.DEPRECATED,
        "permission": apis.may_change(api, viewer=viewer),
    }
    return render(request, "catalog/brown_outs.html", context, status=422 if form.is_bound else 200)


@require_POST
def cancel(request: HttpRequest, slug: str, label: str, brown_out_id: int) -> HttpResponse:
    apis.find(slug, viewer=Viewer.of(request.user))
    brown_outs.cancel(f"{slug}@{label}", brown_out_id, actor=person(request))
    messages.success(request, "The brown-out is cancelled, and its consumers are told.")
    return redirect("catalog:brown-outs", slug=slug, label=label)


def _environments() -> list[tuple[str, str]]:
    return [(e.key, e.name) for e in Environment.objects.order_by("position")]
