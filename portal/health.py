"""Liveness and readiness for probes, under a server without the front, which answers them by itself.

Probes come to the process itself: by its address, without TLS, whatever ALLOWED_HOSTS says.
"""

from __future__ import annotations

import json
from collections.abc import Callable

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache

from portal import readiness


@login_not_required
@never_cache
def live(request: HttpRequest) -> HttpResponse:
    """200 as long as the process serves."""
    return JsonResponse({"status": "live"})


@login_not_required
@never_cache
def ready(request: HttpRequest) -> HttpResponse:
    """200 when the database can store what is handed in and is migrated, else 503. A missing Redis is reported, but is
    no failure, like a server that does not tell when it was failed over."""
    look = readiness.Look()
    try:
        status, said = readiness.said_of(look())
    finally:
        look.close()
    return JsonResponse(json.loads(said), status=status)


class HealthMiddleware:
    """Before everything that looks at host, scheme, session or person."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        view = {"/health/live": live, "/health/ready": ready}.get(request.path)
        return self.get_response(request) if view is None else view(request)
