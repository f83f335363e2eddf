"""The only place that turns refusals into answers: RFC 9457 problem documents for the API, pages for people."""

from __future__ import annotations

from typing import Any, TypeVar

from django.core.exceptions import PermissionDenied
from django.db import DataError, IntegrityError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import set_rollback

from governance.domain.scim import errors as scim_errors
from kernel.errors import Conflict, DomainError, Held, Invalid, Unavailable
from kernel.postgresql import errors as database_errors
from kernel.request import is_call, request_id

MEDIA_TYPE = "application/problem+json"
SCIM, SCIM_MEDIA_TYPE = "/scim/", "application/scim+json"
HELD_HEADER = "X-Tillgate-Held"
"""Tells the front (`portal.front`) that nothing was done and the same may be asked again; it never leaves the house."""
WHY_HEADER = "X-Tillgate-Why"
"""Tells the front the code of what could not be done now, for the count of refused calls; it never leaves the house."""
CAUSE = "tillgate_cause"
"""The attribute of an answer that says what the log is to say."""
Answer = TypeVar("Answer", bound=HttpResponse)


def document(error: DomainError) -> dict[str, Any]:
    """The problem document: `code` is stable for machines, `detail` is for people, `findings` point into the input."""
    body = {
        "type": f"https://tillgate.dev/problems/{error.code}",
        "title": error.title,
        "status": error.status,
        "detail": error.message,
        "code": error.code,
        "request_id": request_id(),
    }
    return body | {key: value for key, value in error.data.items() if key not in body}


def respond(error: DomainError, request: HttpRequest | None = None) -> HttpResponse:
    """For programs, in the form that they know: SCIM's below /scim/, a problem document everywhere else."""
    in_scim = request is not None and request.path_info.startswith(SCIM)
    body = scim_errors.document(error.status, error.message) if in_scim else document(error)
    response = JsonResponse(body, status=error.status, json_dumps_params={"default": str})
    response.headers["Content-Type"] = SCIM_MEDIA_TYPE if in_scim else MEDIA_TYPE
    for name, value in _come_again(error).items():
        response.headers[name] = value
    return _explained(response, error)


def _explained(response: Answer, error: DomainError) -> Answer:
    """An outage is one line of the log, the access line of its request, which says the cause; Django writes none."""
    if isinstance(error, Unavailable):
        cause = error.__cause__
        response.__dict__[CAUSE] = error.message if cause is None else database_errors.first_line(cause)
        response.__dict__["_has_been_logged"] = True
    return response


def _come_again(error: DomainError) -> dict[str, str]:
    """When the caller may try again, and whether the web server may do so for it."""
    if not isinstance(error, Unavailable):
        return {}
    headers = {"Retry-After": str(error.data.get("retry_after", 5)), WHY_HEADER: _why(error)}
    return headers | ({HELD_HEADER: "1"} if isinstance(error, Held) else {})


def _why(error: Unavailable) -> str:
    """The code of what the database said, where it was the database."""
    cause = error.__cause__
    if cause is not None and database_errors.unavailable(cause):
        return database_errors.reason(cause)[0]
    return error.code


def exception_handler(error: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's EXCEPTION_HANDLER: every refusal, DRF's own included, as application/problem+json."""
    headers: dict[str, str] = {}
    if isinstance(error, exceptions.APIException):
        headers = {
            name: value
            for name, value in (
                ("WWW-Authenticate", getattr(error, "auth_header", None)),
                ("Retry-After", _wait(error)),
            )
            if value
        }
        error = _from_drf(error)
    elif isinstance(error, Http404):
        error = _plain(404, "not_found", "Not found", "There is no such thing, or you may not see it.")
    elif isinstance(error, PermissionDenied):
        error = _plain(403, "forbidden", "Not allowed", "You may not do this.")
    elif translated := translate_database_error(error):
        error = translated
    if not isinstance(error, DomainError):
        return None
    set_rollback()
    headers |= _come_again(error)
    return _explained(Response(document(error), status=error.status, headers=headers, content_type=MEDIA_TYPE), error)


def _wait(error: exceptions.APIException) -> str | None:
    wait = getattr(error, "wait", None)
    return str(int(wait)) if wait else None


def _plain(status: int, code: str, title: str, message: str, data: dict[str, Any] | None = None) -> DomainError:
    made = DomainError(code, message, data)
    made.status, made.title = status, title
    return made


def _from_drf(error: exceptions.APIException) -> DomainError:
    if isinstance(error, exceptions.ValidationError):
        return Invalid(
            "request.invalid", "Some fields are not valid; see findings.", {"findings": list(_findings(error.detail))}
        )
    code = str(getattr(error, "default_code", "error")).replace("_", "-")
    said = str(error.detail)
    title = said if "{" in str(error.default_detail) else str(error.default_detail)
    return _plain(error.status_code, f"request.{code}", title, said)


def _findings(detail: Any, pointer: str = "") -> Any:
    if isinstance(detail, dict):
        for key, value in detail.items():
            yield from _findings(value, pointer if key == "non_field_errors" else f"{pointer}/{key}")
    elif isinstance(detail, list):
        for index, value in enumerate(detail):
            yield from _findings(value, pointer if isinstance(value, str) else f"{pointer}/{index}")
    else:
        yield {"pointer": pointer, "message": str(detail), "code": getattr(detail, "code", "invalid")}


def translate_database_error(error: Exception) -> DomainError | None:
    """A refusal with the constraint's name for what only the database noticed; None for any other error."""
    if isinstance(error, IntegrityError):
        diagnosis = getattr(error.__cause__, "diag", None)
        name = getattr(diagnosis, "constraint_name", None) or "unnamed"
        return Conflict(
            "database.constraint",
            f"The database refused this: {getattr(diagnosis, 'message_primary', None) or error} (constraint {name}). "
            "Nothing was written.",
            {"constraint": name},
        )
    if isinstance(error, DataError):
        return Invalid(
            "database.value", f"A value does not fit its field: {str(error).splitlines()[0]}. Nothing was written."
        )
    if database_errors.unavailable(error):
        if database_errors.read_only(error):
            database_errors.close_connections()  # a session that was opened read-only stays so
        code, said = database_errors.reason(error)
        made = Unavailable(code, f"{said} What was being saved may not have been; try again in a moment.")
        made.__cause__ = error
        return made
    return None


def page(request: HttpRequest, error: DomainError) -> HttpResponse:
    """The same refusal for people; a problem document where the client asked for JSON."""
    if is_call(request.path) or "text/html" not in request.headers.get("Accept", "text/html"):
        return respond(error, request)
    if isinstance(error, Unavailable):
        return without_database(error, "Reload this page in a moment.")
    return render(
        request, "error.html", {"error": error, "problem": document(error), "status": error.status}, status=error.status
    )


def without_database(error: DomainError, kept: str) -> HttpResponse:
    """A page without navigation and without the database, which may be what failed."""
    body = document(error) | {"kept": kept}
    context = {"problem": body, "status": error.status, "request_id": request_id()}
    response = HttpResponse(render_to_string("server_error.html", context), status=error.status)
    if isinstance(error, Unavailable):
        response.headers["Retry-After"] = str(error.data.get("retry_after", 5))
    return _explained(response, error)


def for_database_error(request: HttpRequest, error: Exception) -> HttpResponse | None:
    translated = translate_database_error(error)
    return page(request, translated) if translated else None
