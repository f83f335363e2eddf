"""Quotas and breakers: what each vendor may be asked for, and whether it answers."""

from __future__ import annotations

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from kernel.viewer import Viewer
from runtime.selectors import vendors as selectors
from runtime.web import environment

PAGE = 50


@never_cache
@require_safe
def vendors(request: HttpRequest) -> HttpResponse:
    viewer, place = Viewer.of(request.user), environment.chosen(request)
    found = selectors.listed(viewer, place)
    context = {
        "environment": place,
        "environments": environment.segments(request, place),
        "tone": selectors.state_of(found),
        "page": Paginator(found, PAGE).get_page(request.GET.get("page")),
    }
    return render(request, "runtime/vendors.html", context)
