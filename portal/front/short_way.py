"""Two ways through Django: the long one with everything that pages need, and a short one for plain calls of tills, and
of who holds a verdict: they have no session, no form and no page. Answers are the same on both.

See docs/decisions/0039-a-short-way-for-tills.md.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.core.handlers.exception import convert_exception_to_response
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpRequest, HttpResponse
from django.urls import ResolverMatch, resolve
from django.utils.module_loading import import_string

from governance.api import plain_standing
from runtime.api import plain_intake

JSON = "application/json"
_INTAKE = re.compile(r"/api/v1/intake/[-a-zA-Z0-9_]+/?\Z")
_STANDING = re.compile(r"/api/v1/gate/verdicts/[0-9]+/standing\Z")
_BEARER = re.compile(r"[Bb]earer [!-~]+\Z")
_KINDS = frozenset({JSON, f"{JSON}; charset=utf-8", f"{JSON};charset=utf-8"})
_ANY = frozenset({JSON, "*/*"})

# What a plain call passes through, and what is nothing to it. A middleware that is in neither list may be anything:
# then every call goes the long way.
PASSED = (
    "portal.answer_headers.PromisedHeadersMiddleware",
    "portal.middleware.RequestIdMiddleware",
    "portal.observing.ObservedRequestMiddleware",
    "portal.readable_addresses.ReadableAddressMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.common.CommonMiddleware",
    "portal.middleware.ActingMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
)
NOT_NEEDED = (
    "portal.health.HealthMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "portal.middleware.SessionLimitsMiddleware",
    "portal.middleware.LoginRequiredMiddleware",
    "portal.middleware.ReadableFormMiddleware",
    "portal.proofs.SecondFactorMiddleware",
    "portal.proofs.FreshAdministrationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "portal.middleware.DomainErrorMiddleware",
    "governance.web.oidc.Recheck",
)


def is_plain(environ: dict[str, Any]) -> bool:
    """With a token, for whom any answer will do. Whatever is unusual goes the long way."""
    return (
        _is_for_us(environ)
        and environ.get("HTTP_ACCEPT", "*/*") in _ANY
        and "HTTP_COOKIE" not in environ
        and "format" not in environ["QUERY_STRING"]
        and _BEARER.match(environ.get("HTTP_AUTHORIZATION", "")) is not None
    )


def _is_for_us(environ: dict[str, Any]) -> bool:
    """A batch of JSON that is handed in, or the question of who holds a verdict."""
    if environ["REQUEST_METHOD"] == "GET":
        return _STANDING.match(environ["PATH_INFO"]) is not None
    return (
        environ["REQUEST_METHOD"] == "POST"
        and _INTAKE.match(environ["PATH_INFO"]) is not None
        and environ.get("CONTENT_TYPE") in _KINDS
        and environ.get("CONTENT_LENGTH", "0") != "0"
        and "HTTP_CONTENT_ENCODING" not in environ
        and "HTTP_TRANSFER_ENCODING" not in environ
    )


class ShortWay(WSGIHandler):
    """Django's handler with the middleware of `PASSED` around two views."""

    def load_middleware(self, is_async: bool = False) -> None:
        handler = convert_exception_to_response(_view)
        for name in reversed([name for name in settings.MIDDLEWARE if name in PASSED]):
            handler = convert_exception_to_response(import_string(name)(handler))
        self._middleware_chain = handler


class TwoWays:
    """The WSGI application."""

    def __init__(self) -> None:
        self.long = WSGIHandler()
        self.short = ShortWay() if set(settings.MIDDLEWARE) <= {*PASSED, *NOT_NEEDED} else None

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if self.short is not None and is_plain(environ):
            return self.short(environ, start_response)
        return self.long(environ, start_response)


def _view(request: HttpRequest) -> HttpResponse:
    request.resolver_match = match = _resolved(request.path_info)
    if "key" in match.kwargs:
        return plain_intake.answer(request, match.kwargs["key"])
    return plain_standing.answer(request, match.kwargs["verdict_id"])


@lru_cache(maxsize=1024)
def _resolved(path: str) -> ResolverMatch:
    return resolve(path)
