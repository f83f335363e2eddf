"""Pages for what Django itself refuses: unknown page, not allowed, expired form, and for errors of the server."""

from __future__ import annotations

import sys

from django.http import HttpRequest, HttpResponse

from kernel.errors import DomainError, Forbidden, Malformed, NotFound
from portal import problem


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return problem.page(
        request, NotFound("page.not_found", f"There is nothing at {request.path[:200]}, or you may not see it.")
    )


def forbidden(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return problem.page(request, Forbidden("page.forbidden", "You may not do this. Nothing was changed."))


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return problem.page(request, Malformed("page.bad_request", "The request could not be read. Nothing was changed."))


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """The token is missing or from an older session: most often a page that stood open over a new sign-in."""
    error = Forbidden(
        "page.form_expired", "This form is older than your session, so it was not accepted. Nothing was changed."
    )
    error.data["kept"] = "Go back, reload the page and send it again."
    return problem.page(request, error)


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
    if request.path.startswith("/api/"):
        return problem.respond(error)
    return problem.without_database(error, "What was not yet confirmed was not saved; what was saved stays.")
