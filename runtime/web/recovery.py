"""Recovery after the database went back: what happened, what is left to ask about, which numbers of tills are
missing."""

from __future__ import annotations

from datetime import timedelta

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from kernel.viewer import Viewer
from runtime.selectors import recovery as selectors
from runtime.services import missing_numbers


@never_cache
@require_safe
def recovery(request: HttpRequest) -> HttpResponse:
    viewer = Viewer.of(request.user)
    state = selectors.state(viewer)
    context = {"recovery": state, "missing": [], "days": []}
    if state.present is not None:
        day = timezone.localtime(state.present.at).date()
        days = [day - timedelta(days=1), day]
        context |= {"missing": missing_numbers.around(viewer, days), "days": days}
    return render(request, "runtime/recovery.html", context)
