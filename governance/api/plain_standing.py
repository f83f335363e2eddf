"""Who holds a verdict asks, with a token, whether it stands. The same answer as that of the view `VerdictStanding`."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse

from governance.api.gate import VerdictStanding, nonce_of, standing_said
from governance.services import standing
from kernel import plain_calls, write_stamps
from kernel.viewer import Viewer


def answer(request: HttpRequest, verdict_id: int) -> HttpResponse:
    """`request` has a bearer token."""
    return plain_calls.answered(request, VerdictStanding, lambda: _answer(request, verdict_id))


def _answer(request: HttpRequest, verdict_id: int) -> HttpResponse:
    moment = standing.moment_of(verdict_id)
    token = plain_calls.token_for(request, VerdictStanding, write_stamps.asked_with_token(moment) if moment else None)
    known = request.META.get("HTTP_IF_NONE_MATCH", "")
    nonce = nonce_of(request.GET.getlist("nonce"))
    said = standing_said(verdict_id, Viewer.of(token.user), known, nonce, write_stamps.told_with(token))
    if said.data is None:
        return HttpResponse(status=said.status, headers=said.headers)
    return plain_calls.json_answer(said.data, headers=said.headers)
