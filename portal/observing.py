"""Each request is counted, timed and traced by its route, never by its address, and has one line in the log."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from kernel import measures, tracing
from kernel.request import request_id
from kernel.tracing import TraceSpan
from portal import problem
from portal.front import callers
from portal.front.wsgi import WARMING

Next = Callable[[HttpRequest], HttpResponse]

access = logging.getLogger("tillgate.access")
log = logging.getLogger(__name__)
PROBES = frozenset({"health/live", "health/ready", "metrics"})
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
        if WARMING in request.META:
            return self.get_response(request)
        began = time.perf_counter()
        sender = tracing.valid(request.headers.get("traceparent")) if tracing.on() else ""
        method = request.method if request.method in METHODS else "other"
        with tracing.span(method, kind="server", parent=sender) as span:
            response = self.get_response(request)
            callers.note(request)
            route = route_of(request)
            if tracing.on():
                _describe(span, method, route, response.status_code)
            took = time.perf_counter() - began
            cause = getattr(response, problem.CAUSE, "")
            _access_line(request, method, route, response.status_code, took, cause)
        REQUESTS.labels(method, route, str(response.status_code)).inc()
        DURATION.labels(route).observe(took)
        return response


def _access_line(request: HttpRequest, method: str, route: str, status: int, took: float, cause: str) -> None:
    """One a request; of probes and scrapes at the level DEBUG. An outage is a warning with its cause, and a line also
    where access lines are switched off."""
    level = logging.ERROR if status >= 500 else logging.DEBUG if route in PROBES else logging.INFO
    if cause:
        level = logging.WARNING
    if access.isEnabledFor(level):
        fields = {"method": method, "route": route, "status": status, "duration_ms": round(took * 1000, 3)}
        if cause:
            fields["cause"] = cause
        said = f": {cause}" if cause else ""
        access.log(level, "%s %s %s%s", method, request.path, status, said, extra={"fields": fields})
    elif cause:
        log.warning("%s %s %s: %s", method, request.path, status, cause)


def _describe(span: TraceSpan, method: str, route: str, status: int) -> None:
    """By the semantic conventions of OpenTelemetry for HTTP servers."""
    span.rename(f"{method} {route}")
    values: dict[str, str | int | float | bool] = {
        "http.request.method": method,
        "http.route": route,
        "http.response.status_code": status,
        "tillgate.request_id": request_id(),
    }
    span.set(**values)
    if status >= 500:
        span.fail(str(status))
