"""A plain call of a till: a JSON batch with a token. The same answer as that of the view `Intake`."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse

from kernel import plain_calls
from kernel.request_bodies import limited
from kernel.viewer import Viewer
from runtime import permissions
from runtime.api.base import DEFAULT, environment_of
from runtime.api.handed_in import IntakeCall, hand_in
from runtime.api.intake import Intake, batch_of


def answer(request: HttpRequest, key: str) -> HttpResponse:
    """`request` has a bearer token and a body of application/json in UTF-8."""
    return plain_calls.answered(request, Intake, lambda: _answer(request, key))


def _answer(request: HttpRequest, key: str) -> HttpResponse:
    named = (request.GET.get("environment") or DEFAULT).replace("\0", "")
    token = plain_calls.token_for(request, Intake, permissions.push_with_token(key, named))
    batch = batch_of(limited(request))
    environment = environment_of(request.GET, batch)
    traceparent = request.META.get("HTTP_TRACEPARENT")
    call = IntakeCall(key, environment, Viewer.of(token.user), token, traceparent)
    return plain_calls.json_answer(hand_in(call, batch), status=202)
