"""The page of connectors: what this installation speaks, and what of it is no part of the product."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from runtime.selectors import connectors as selectors


@require_safe
def connectors(request: HttpRequest) -> HttpResponse:
    context = {"rows": selectors.listed(), "plug_ins": selectors.plugged_in()}
    return render(request, "runtime/connectors.html", context)
