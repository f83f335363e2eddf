"""Pages for what Django itself refuses: unknown page, not allowed, expired form, and for errors of the server."""

from __future__ import annotations

import sys

from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, HttpResponse

from kernel.errors import DomainError, Forbidden, Malformed, NotFound
from kernel.request import is_call
from portal import problem


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return problem.page(
        request, NotFound("page.not_found", f"There is nothing at {request.path[:200]}, or you may not see it.")
    )


def forbidden(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return problem.page(request, Forbidden("page.forbidden", "You may not do this. Nothing was changed."))


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    if isinstance(exception, DisallowedHost):
        return _wrong_host(request)
    return problem.page(request, Malformed("page.bad_request", "The request could not be read. Nothing was changed."))


def _wrong_host(request: HttpRequest) -> HttpResponse:
    """RFC 9110 §15.5.20. Without the page's frame, which builds addresses of this host."""
    asked = request.META.get("HTTP_HOST") or request.META.get("SERVER_NAME", "")
    error = DomainError(
        "request.host",
        f"This server does not answer to the host name {asked[:100]!r}. Use the address that you were given. Its "
        "operator adds names in ALLOWED_HOSTS, and lets the proxy pass the header Host as it came.",
    )
    error.status, error.title = 421, "Not the host that you asked for"
    if is_call(request.path_info) or "text/html" not in request.headers.get("Accept", "text/html"):
        return problem.respond(error, request)
    return problem.without_database(error, "Nothing was changed.")


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """A form that cannot be believed to come from here; Django says why in the beginning of its reason."""
    told = next((told for begin, *told in _NOT_BELIEVED if reason.startswith(begin)), list(_OLD_FORM))
    code, said, kept = told
    origin = request.headers.get("Origin", "")[:200]
    error = Forbidden(code, f"{said.format(origin=origin, here=_here(request))} Nothing was changed.")
    error.data["kept"] = kept
    return problem.page(request, error)


def _here(request: HttpRequest) -> str:
    return f"{request.scheme}://{request.get_host()}"


# The token is missing or from an older session: most often a page that stood open over a new sign-in.
_OLD_FORM = (
    "page.form_expired",
    "This form is older than your session, so it was not accepted.",
    "Go back, reload the page and send it again.",
)
_OPERATOR = (
    "For the operator, behind a proxy: set BEHIND_PROXY=yes and let the proxy send X-Forwarded-Proto and "
    "Host, or name the origin in CSRF_TRUSTED_ORIGINS."
)
_NOT_BELIEVED = (
    (
        "Origin checking failed",
        "page.origin",
        "Your browser says that this form came from {origin}, and this server is reached as {here}, so it was not "
        "accepted.",
        _OPERATOR,
    ),
    (
        "Referer checking failed",
        "page.referer",
        "Your browser does not say that this form came from a page of {here}, so it was not accepted.",
        f"Allow your browser to send the header Referer or Origin to this site. {_OPERATOR}",
    ),
    (
        "CSRF cookie not set",
        "page.no_cookie",
        "Your browser sent no cookie with this form, so it was not accepted.",
        "Allow cookies for this site, go back, reload the page and send it again.",
    ),
)


def server_error(request: HttpRequest) -> HttpResponse:
    """For what no view and no middleware has answered. Django calls it where it has caught the exception."""
    raised = sys.exc_info()[1]
    if isinstance(raised, Exception) and (answer := problem.for_database_error(request, raised)) is not None:
        return answer
    error = DomainError(
        "page.server_error",
        "Something failed on our side; the server's log says what. Include the request id when you ask for help.",
    )
    error.status, error.title = 500, "This did not work"
    if is_call(request.path):
        return problem.respond(error, request)
    return problem.without_database(error, "What was not yet confirmed was not saved; what was saved stays.")
