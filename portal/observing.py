"""Each request is counted and timed, by its route, never by its address."""

from __future__ import annotations

import time
from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from kernel import measures

Next = Callable[[HttpRequest], HttpResponse]

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
REQUESTS = measures.counter("http_requests", "Requests that were answered.", ["method", "route", "status"])
DURATION = measures.histogram(
    "http_request_duration_seconds", "From the first line of our code to the answer, without its transfer.", ["route"]
)


def route_of(request: HttpRequest) -> str:
    """The pattern that matched, as it stands in the code: `api/v1/integrations/<slug:key>/messages`."""
    match = request.resolver_match
    if match is not None:
        return match.route or "/"
    return "static" if request.path.startswith(settings.STATIC_URL) else "unmatched"


class ObservedRequestMiddleware:
    def __init__(self, get_response: Next) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        began = time.perf_counter()
        response = self.get_response(request)
        took = time.perf_counter() - began
        route, method = route_of(request), request.method or ""
        REQUESTS.labels(method if method in METHODS else "other", route, str(response.status_code)).inc()
        DURATION.labels(route).observe(took)
        return response
