"""Calls with a token that pass no view of DRF (`portal/front/short_way.py`): the same answers, without weighing media
types and ways to sign in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied
from rest_framework.renderers import JSONRenderer
from rest_framework.response import Response
from rest_framework.settings import api_settings
from rest_framework.views import APIView

from kernel.access import SignedInWithScope, TokenAuthentication, covers, token_of
from kernel.models import ApiToken
from kernel.tokens import ReadWithToken

JSON = "application/json"
_render = JSONRenderer().render
_OF_EACH = frozenset(vars(Response()))
_allowed: dict[type[APIView], str] = {}


def answered(request: HttpRequest, view: type[APIView], work: Callable[[], HttpResponse]) -> HttpResponse:
    """The answer of `work`, or what `view` would say of the error that it raised."""
    try:
        made = work()
    except Exception as error:
        made = _told(error, request)
    made.headers["Allow"] = _allow(view)
    return made


def _allow(view: type[APIView]) -> str:
    if view not in _allowed:
        made = view()
        made.setup(HttpRequest())
        _allowed[view] = ", ".join(made.allowed_methods)
    return _allowed[view]


def token_for(request: HttpRequest, view: type[APIView], along: ReadWithToken | None = None) -> ApiToken:
    """The token of a request that has one, where it may do this. Raises AuthenticationFailed, PermissionDenied."""
    token = token_of(request.META["HTTP_AUTHORIZATION"].split()[1].encode("latin-1"), along)
    request.user = token.user
    if not covers(token, view, request.method or ""):
        raise PermissionDenied(SignedInWithScope.message)
    return token


def json_answer(data: Any, *, status: int = 200, headers: dict[str, str] | None = None) -> HttpResponse:
    made = HttpResponse(_render(data), status=status, content_type=JSON)
    for name, value in (headers or {}).items():
        made.headers[name] = value
    return made


def _told(error: Exception, request: HttpRequest) -> HttpResponse:
    """Raises what is no answer to a caller."""
    if isinstance(error, AuthenticationFailed):
        vars(error)["auth_header"] = TokenAuthentication.challenge
    handler: Any = api_settings.EXCEPTION_HANDLER
    told: Response | None = handler(error, {"request": request})
    if told is None:
        raise error
    made = HttpResponse(_render(told.data), status=told.status_code, content_type=told.content_type)
    for name, value in told.headers.items():
        made.headers.setdefault(name, value)
    vars(made).update({name: value for name, value in vars(told).items() if name not in _OF_EACH})  # why, for the log
    return made
