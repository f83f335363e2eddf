"""The gate over HTTP. See docs/reference/gate.md."""

from __future__ import annotations

import json
from typing import Any

from django.http import HttpResponse
from drf_spectacular.utils import OpenApiResponse, extend_schema
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


class Deployments(APIView):
    scopes = ASK

    @extend_schema(
        request=shapes.EntryInput,
        responses={201: shapes.ReleaseOutput},
        description="Replaces what runs on an instance.",
    )
    def post(self, request: Request) -> Response:
        made = verdicts.record_deployment(plain(request.data), viewer=Viewer.of(request.user))
        return Response(shapes.ReleaseOutput(made).data, status=status.HTTP_201_CREATED)


class Releases(APIView):
    scopes = ASK

    @extend_schema(
        request=shapes.EntryInput, responses={201: shapes.ReleaseOutput}, description="Lets versions coexist."
    )
    def post(self, request: Request) -> Response:
        made = verdicts.record_release(plain(request.data), viewer=Viewer.of(request.user))
        return Response(shapes.ReleaseOutput(made).data, status=status.HTTP_201_CREATED)


class EndRelease(APIView):
    scopes = ASK

    @extend_schema(
        request=shapes.EntryInput, responses={200: dict}, description="Support of a released version has ended."
    )
    def post(self, request: Request) -> Response:
        return Response({"ended": verdicts.end_release(plain(request.data), viewer=Viewer.of(request.user))})
