"""The gate over HTTP. See docs/reference/gate.md."""

from __future__ import annotations

import json
from typing import Any

from django.http import HttpResponse
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse
from rest_framework.views import APIView

from governance.api import serializers as shapes
from governance.services import standing, verdicts
from kernel.digest import digest_bytes
from kernel.request_bodies import raw_body
from kernel.viewer import Viewer

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
        description="The same question in the address, such as one about a single API version. Unknown names are 422.",
    )
    def get(self, request: Request) -> HttpResponse:
        given = request.query_params
        lists = {key: given.getlist(key) for key in ("consumes", "provides") if key in given}
        question = {key: given[key] for key in given if key not in lists} | lists
        answer = verdicts.ask(question, viewer=Viewer.of(request.user))
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

    @extend_schema(responses={200: shapes.StandingOutput, 304: None})
    def get(self, request: Request, verdict_id: int) -> HttpResponse:
        viewer = Viewer.of(request.user)
        found = standing.of(verdicts.find(verdict_id, viewer), viewer)
        headers = {
            "ETag": found.etag,
            "Cache-Control": f"private, max-age={int(standing.FRESH.total_seconds()) if found.stands else 0}",
        }
        if found.stands and found.etag in [tag.strip() for tag in request.headers.get("If-None-Match", "").split(",")]:
            return HttpResponse(status=status.HTTP_304_NOT_MODIFIED, headers=headers)
        return Response(shapes.StandingOutput(found).data, headers=headers)


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
