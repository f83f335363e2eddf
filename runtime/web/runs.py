"""Runs: the list, and one of them with its live progress."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from kernel import clock
from kernel.errors import NotFound
from kernel.viewer import Permission, Viewer
from runtime import permissions
from runtime.models import Integration, Run
from runtime.selectors import runs as selectors
from runtime.services import runs as services
from runtime.web import environment

PAGE = 50


@require_safe
def runs(request: HttpRequest) -> HttpResponse:
    viewer, place = Viewer.of(request.user), environment.chosen(request)
    given = request.GET.get("before", "")
    before = int(given) if given.isascii() and given.isdecimal() and len(given) < 19 else None
    found = selectors.latest(viewer, environment=place, before=before, limit=PAGE + 1)
    context = {
        "environment": place,
        "environments": environment.segments(request, place),
        "runs": found[:PAGE],
        "older": found[PAGE - 1].id if len(found) > PAGE else None,
        "paged": before is not None,
        "with_integration": True,
    }
    return render(request, "runtime/runs.html", context)


@never_cache
@require_safe
def run(request: HttpRequest, run_id: int) -> HttpResponse:
    """The page; for htmx the part that moves. The part stops asking when nothing changes by itself any more."""
    viewer = Viewer.of(request.user)
    found = selectors.progress(viewer, run_id)
    if found is None:
        raise NotFound("run.unknown", f"There is no run {run_id}, or you may not see it.")
    context = {"run": found, "at": clock.now()}
    if request.htmx:  # type: ignore[attr-defined]
        return render(request, "runtime/_progress.html", context)
    context |= {
        "earlier": selectors.latest(
            viewer, integration=found.integration, environment=found.environment, before=run_id, limit=5
        ),
        "may_cancel": _may_cancel(viewer, run_id),
        "over_limit": "records of" in found.error and "were rejected" in found.error,
        "may_waive": permissions.may_operate(viewer, Integration.objects.get(key=found.integration)),
    }
    return render(request, "runtime/run.html", context)


def _may_cancel(viewer: Viewer, run_id: int) -> Permission:
    row = Run.objects.select_related("integration__owner_team").get(pk=run_id)
    if row.state != Run.State.RUNNING:
        return Permission(False, "It has ended already.")
    return permissions.may_operate(viewer, row.integration)


@require_POST
def cancel(request: HttpRequest, run_id: int) -> HttpResponse:
    """Stop reading after the present page. What was accepted stays and is delivered."""
    viewer = Viewer.of(request.user)
    row = (
        Run.objects.select_related("integration__owner_team")
        .filter(pk=run_id, integration__in=permissions.visible(viewer))
        .first()
    )
    if row is None:
        raise NotFound("run.unknown", f"There is no run {run_id}, or you may not see it.")
    permissions.require_operate(viewer, row.integration, outcome="The run continues.")
    services.cancel(run_id, actor=viewer.user, reason=request.POST.get("reason", "").replace("\0", "")[:500])
    return redirect("runtime:run", run_id)
