"""Trace: one message across source, log, targets and attempts."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from kernel.viewer import Viewer
from runtime import permissions
from runtime.selectors import traces as selectors


def _one(viewer: Viewer, found: selectors.FoundMessage) -> dict[str, Any]:
    return {"trace": selectors.trace(found), "may_erase": permissions.may_erase(viewer)}


@never_cache
@require_safe
def traces(request: HttpRequest) -> HttpResponse:
    viewer = Viewer.of(request.user)
    text = request.GET.get("q", "").replace("\0", "").strip()[:300]
    found = selectors.search(viewer, text) if text else []
    context = {"text": text, "found": found}
    if len(found) == 1:
        return render(request, "runtime/trace.html", context | _one(viewer, found[0]))
    return render(request, "runtime/traces.html", context, status=404 if text and not found else 200)
