"""What runs where, as pipelines recorded it, with what went live against the gate on top."""

from __future__ import annotations

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from governance.models import ApplicationRelease
from governance.services import release_records
from kernel.ui import tones
from kernel.ui.tones import Tone
from kernel.viewer import Viewer


@require_safe
def deployments(request: HttpRequest) -> HttpResponse:
    """Live records of the applications that the viewer may see, by environment and instance."""
    rows = release_records.listed(Viewer.of(request.user), live="true")
    rows = rows.order_by("-against_gate", "environment", "application", "instance")
    page = Paginator(rows, 50).get_page(request.GET.get("page"))
    lines = [{"row": row, "tone": _tone(row)} for row in page.object_list]
    return render(request, "governance/deployments.html", {"lines": lines, "page": page})


def _tone(row: ApplicationRelease) -> Tone:
    if row.against_gate:
        return tones.stop("Against the gate")
    if row.verdict is None:
        return tones.quiet("Gate not asked")
    return {"allow": tones.ok("Allowed"), "deny": tones.stop("Denied")}.get(row.verdict.word, tones.wait("Unknown"))
