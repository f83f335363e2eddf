"""The gate over HTTP. See docs/reference/gate.md."""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

from django.http import HttpResponse
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse
from rest_framework.views import APIView

from governance.api import serializers as shapes
from governance.domain import question as questions
from governance.services import standing, verdicts
from kernel.digest import digest_bytes
from kernel.errors import Invalid, finding
from kernel.models import ApiToken
from kernel.request_bodies import raw_body
from kernel.viewer import Viewer

NONCE = re.compile(r"[A-Za-z0-9_-]{8,100}")
ASK = {"POST": "gate:ask", "GET": "gate:ask"}


def plain(data: Any) -> dict[str, Any]:
    """The body as received; the domain validates it. The declared serializer only documents its shape."""
    return data if isinstance(data, dict) else {"": data}


class Verdicts(APIView):
    scopes = ASK

    @extend_schema(
        request=shapes.EntryInput, responses={200: OpenApiResponse(dict, description="The verdict: tillgate.verdict/1")}
    )
    def post(self, request: Request) -> HttpResponse:
        echo = digest_bytes(raw_body(request))  # which question this answers, byte for byte
        answer = verdicts.ask(plain(request.data), viewer=Viewer.of(request.user))
        location = reverse("governance-api:verdict", args=[answer.id], request=request)
        return HttpResponse(
            answer.body,
            content_type="application/json",
            headers={
                "Verdict-Id": str(answer.id),
                "Location": location,
                "Link": f'<{reverse("governance:verdict", args=[answer.id])}>; rel="alternate"; type="text/html"',
                "Question-Digest": echo,
            },
        )

    @extend_schema(
        operation_id="gate_ask_in_the_address",
        parameters=[
            *(OpenApiParameter(name, str, required=True) for name in ("application", "version", "environment")),
            *(OpenApiParameter(name, str) for name in ("instance", "as_of")),
            *(OpenApiParameter(name, str, many=True) for name in ("consumes", "provides")),
        ],
        responses={200: OpenApiResponse(dict, description="The verdict: tillgate.verdict/1")},
        description="The same question in the address, such as one about a single API version. Unknown names, and what "
        "is said twice, are 422; only `consumes` and `provides` may repeat. In a browser's session, where any page can "
        "lead to an address, the answer is a what-if.",
    )
    def get(self, request: Request) -> HttpResponse:
        question = questions.from_address(dict(request.query_params.lists()))
        led_here = not isinstance(request.auth, ApiToken)
        answer = verdicts.ask(question, viewer=Viewer.of(request.user), what_if=led_here)
        location = reverse("governance-api:verdict", args=[answer.id], request=request)
        headers = {"Verdict-Id": str(answer.id), "Location": location, "Cache-Control": "no-store"}
        return HttpResponse(answer.body, content_type="application/json", headers=headers)


class VerdictDetail(APIView):
    """The stored bytes."""

    scopes = ASK

    @extend_schema(responses={200: dict})
    def get(self, request: Request, verdict_id: int) -> HttpResponse:
        return HttpResponse(
            verdicts.find(verdict_id, Viewer.of(request.user)).answer.encode(),
            content_type="application/json",
            headers={"Verdict-Id": str(verdict_id)},
        )


class VerdictStanding(APIView):
    """For who holds the verdict: does it still stand? Fresh for 5 seconds; 304 with `If-None-Match` while it does."""

    scopes = ASK

    @extend_schema(
        parameters=[OpenApiParameter("nonce", str, description="8 to 100 letters, digits, - and _; the answer has it")],
        responses={200: shapes.StandingOutput, 304: None},
    )
    def get(self, request: Request, verdict_id: int) -> HttpResponse:
        nonce = nonce_of(request.query_params.getlist("nonce"))
        said = standing_said(verdict_id, Viewer.of(request.user), request.headers.get("If-None-Match", ""), nonce)
        if said.data is None:
            return HttpResponse(status=said.status, headers=said.headers)
        return Response(said.data, headers=said.headers)


class StandingSaid(NamedTuple):
    """`data` is None for a 304."""

    status: int
    data: Any
    headers: dict[str, str]


# The fields of the answer, made once: a serializer makes them anew for each of the many who ask.
_TOLD = [(name, field.to_representation) for name, field in shapes.StandingOutput().fields.items() if name != "nonce"]


def nonce_of(said: list[str]) -> str:
    """What the answer has to repeat, so that it is none of before; empty without. Raises Invalid `gate.nonce`."""
    if said and (len(said) != 1 or not NONCE.fullmatch(said[0])):
        where = finding("/nonce", "once, 8 to 100 letters, digits, - and _")
        raise Invalid("gate.nonce", "The nonce is none.", {"findings": [where]})
    return said[0] if said else ""


def standing_said(
    verdict_id: int, viewer: Viewer, known: str, nonce: str = "", unchanged_since: str | None = None
) -> StandingSaid:
    """`known` is what the holder names in If-None-Match, `nonce` what the answer repeats."""
    found = standing.of(verdict_id, viewer, unchanged_since)
    seconds = int(standing.FRESH.total_seconds()) if found.stands else 0
    headers = {"ETag": found.etag, "Cache-Control": f"private, max-age={seconds}"}
    if found.stands and found.etag in [tag.strip() for tag in known.split(",")]:
        return StandingSaid(status.HTTP_304_NOT_MODIFIED, None, headers)
    data = {name: told(getattr(found, name)) for name, told in _TOLD} | ({"nonce": nonce} if nonce else {})
    return StandingSaid(status.HTTP_200_OK, data, headers)


class VerdictEvidence(APIView):
    """What the verdict was made from."""

    scopes = ASK

    @extend_schema(responses={200: dict})
    def get(self, request: Request, verdict_id: int) -> Response:
        row = verdicts.find(verdict_id, Viewer.of(request.user))
        return Response(
            {"question": row.question, "evidence": row.evidence, "engine": row.engine, "input_digest": row.input_digest}
        )


class Reproduce(APIView):
    """The answer, computed again from the stored evidence."""

    scopes = ASK

    @extend_schema(request=None, responses={200: dict})
    def post(self, request: Request, verdict_id: int) -> Response:
        same, body = verdicts.reproduce(verdict_id, Viewer.of(request.user))
        return Response({"same": same, "answer": json.loads(body)})
