"""What runs where, as pipelines recorded it, with what went live against the gate on top."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from catalog.selectors import application_usage
from governance.models import ApplicationRelease
from governance.selectors import live_records
from governance.services import release_records
from kernel.ui import tones
from kernel.ui.tones import Tone
from kernel.viewer import Viewer


@require_safe
def deployments(request: HttpRequest) -> HttpResponse:
    """Live records of the applications that the viewer may see, by environment and instance."""
    viewer = Viewer.of(request.user)
    page = live_records.page(release_records.listed(viewer, live="true"), request.GET.get("after", ""))
    told = release_records.told(page.rows, viewer)
    names = dict(application_usage.named({row.application for row in told}).values_list("key", "name"))
    lines = [{"row": row, "tone": _tone(row), "name": names.get(row.application, "")} for row in told]
    return render(request, "governance/deployments.html", {"lines": lines, "page": page})


def _tone(row: ApplicationRelease) -> Tone:
    if row.against_gate:
        return tones.stop("Against the gate")
    if row.verdict is None:
        return tones.quiet("Gate not asked")
    return {"allow": tones.ok("Allowed"), "deny": tones.stop("Denied")}.get(row.verdict.word, tones.wait("Unknown"))
