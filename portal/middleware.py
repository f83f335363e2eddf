"""Middleware: request id, readable forms, sessions, sign-in required, and refusals turned into pages. What every answer
says beside its content stands in `portal.answer_headers`."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth import SESSION_KEY, logout
from django.contrib.auth.middleware import LoginRequiredMiddleware as DjangoLoginRequired
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import TooManyFilesSent
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.functional import SimpleLazyObject
from django.utils.http import url_has_allowed_host_and_scheme

from kernel import acting, sessions
from kernel.errors import DomainError, Invalid, Malformed, finding
from kernel.request import is_call, request_id, serving
from portal import confirm, problem

Next = Callable[[HttpRequest], HttpResponse]


class RequestIdMiddleware:
    """`X-Request-Id` in and out; the id is in ledger entries, problem documents and outgoing calls."""

    def __init__(self, get_response: Next) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        with serving(request_id() or request.headers.get("X-Request-Id")) as identifier:
            response = self.get_response(request)
            response.headers["X-Request-Id"] = identifier
            return response


class ReadableFormMiddleware:
    """Forms that hold what no field can store, refused once for every page, with the name of the field; addresses are
    judged by `portal.readable_addresses`, JSON by `kernel.strict_json`."""

    def __init__(self, get_response: Next) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.method == "POST" and not is_call(request.path_info):
            try:
                found = _nul(request)
            except TooManyFilesSent:
                most = settings.DATA_UPLOAD_MAX_NUMBER_FILES
                said = f"More than {most} files in one form. Nothing was changed: pack them as a .zip, or send fewer."
                return problem.page(request, Malformed("request.too_many_files", said))
            if found:
                said = "Something in this form cannot be stored; see findings. Nothing was changed."
                return problem.page(request, Invalid("request.form", said, {"findings": found}))
        return self.get_response(request)


def _nul(request: HttpRequest) -> list[dict[str, Any]]:
    """One finding for each field with a NUL in its name, its text or the name of its file. What is no UTF-8 was read
    with marks in its place."""
    texts = [(name, text) for name, several in request.POST.lists() for text in several]
    texts += [(name, file.name or "") for name, several in request.FILES.lists() for file in several]
    flawed = dict.fromkeys(name for name, text in texts if "\0" in name or "\0" in text)
    shown = [name.replace("\0", "?")[:80] for name in flawed]
    return [finding(f"/{name}", f"{name} holds a NUL character, which no field can store") for name in shown]


class SessionLimitsMiddleware:
    """Ends a session that lasted too long; says when its person last gave a password; shows times in their zone. With
    a session that ends, the browser drops what it has kept of its pages."""

    def __init__(self, get_response: Next) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not request.COOKIES.get(settings.SESSION_COOKIE_NAME):
            return self.get_response(request)
        if SESSION_KEY not in request.session:
            is_gone = request.session.session_key is None
            answer = self.get_response(request)
            return without_traces(answer) if is_gone else answer
        if sessions.over(request):
            logout(request)
        zone = getattr(request.user, "time_zone", "")
        with sessions.of_request(request), timezone.override(zone or None) if zone else nullcontext():
            answer = self.get_response(request)
        return without_traces(answer) if sessions.has_ended(request) else answer


def without_traces(answer: HttpResponse) -> HttpResponse:
    """The browser drops what it has kept of this host, which it does by TLS alone. Its cookies stay: those of other
    hosts of the domain would go as well, and ours ends by itself."""
    answer["Clear-Site-Data"] = '"cache", "storage"'
    return answer


class ActingMiddleware:
    """What a request writes about accounts, roles and tokens is written by the person who sent it."""

    def __init__(self, get_response: Next) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        with acting.by(lambda: _person(request)):
            return self.get_response(request)


def _person(request: HttpRequest) -> Any:
    """Without a session there is nobody until a token is read; to look into the session would make the answer one that
    varies by its cookie."""
    user = getattr(request, "user", None)
    if isinstance(user, SimpleLazyObject) and settings.SESSION_COOKIE_NAME not in request.COOKIES:
        return None
    return user if user is not None and user.is_authenticated else None


class LoginRequiredMiddleware(DjangoLoginRequired):
    """Denied by default. The API answers 401 by itself, so its views are left to DRF's permissions."""

    def process_view(
        self,
        request: HttpRequest,
        view_func: Callable[..., HttpResponseBase],
        view_args: tuple[Any, ...],
        view_kwargs: dict[str, Any],
    ) -> HttpResponseBase | None:
        if hasattr(view_func, "cls") and is_call(request.path):
            return None
        return super().process_view(request, view_func, view_args, view_kwargs)

    def handle_no_permission(  # type: ignore[override]  # the stubs know redirects alone
        self, request: HttpRequest, view_func: Callable[..., HttpResponseBase]
    ) -> HttpResponseBase:
        """A form that comes after the session ended was not carried out, and its address is no page: the way leads back
        to the page that holds the form."""
        if request.method in ("GET", "HEAD"):
            return super().handle_no_permission(request, view_func)
        came_from = request.headers.get("Referer", "")
        here = {request.get_host()}
        if not url_has_allowed_host_and_scheme(came_from, here, require_https=request.is_secure()):
            return redirect("sign-in")
        page = urlsplit(came_from)
        return redirect_to_login(page.path + (f"?{page.query}" if page.query else ""))


class DomainErrorMiddleware:
    """A `DomainError` that leaves an HTML view becomes a page with its status; the API has its own handler. So does
    Django's empty answer to a method that an address does not take."""

    def __init__(self, get_response: Next) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        answer = self.get_response(request)
        if isinstance(answer, HttpResponseNotAllowed) and not answer.content and request.method != "HEAD":
            refused = problem.page(request, _not_taken(request))
            refused.headers["Allow"] = answer.headers["Allow"]
            return refused
        return answer

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        if isinstance(error, DomainError) and error.data.get("confirm"):
            return confirm.ask_again(request, error.message)
        if isinstance(error, DomainError):
            return problem.page(request, error)
        return problem.for_database_error(request, error)


def _not_taken(request: HttpRequest) -> DomainError:
    """What is said where an address is asked in a way that it does not take."""
    said = "This address takes a form and shows no page of its own." if request.method == "GET" else "It takes no form."
    error = DomainError("page.method", f"{said} Nothing was changed. Go to the page that leads here.")
    error.status, error.title = 405, "No page here"
    return error
