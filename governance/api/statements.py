"""Signed statements over HTTP, and the keys that check them. See docs/reference/statements.md."""

from __future__ import annotations

import json

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_safe
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.views import APIView

from governance.selectors import sight
from governance.services import statements, verdicts
from kernel.errors import NotFound
from kernel.viewer import Viewer

ENVELOPE = "application/vnd.dsse+json"
AUDIENCE = OpenApiParameter("audience", OpenApiTypes.STR, required=True, description="Who will check the statement.")


class VerdictStatement(APIView):
    """The verdict as a signed statement, for one audience."""

    scopes = {"GET": "gate:ask"}

    @extend_schema(parameters=[AUDIENCE], responses={200: dict})
    def get(self, request: Request, verdict_id: int) -> HttpResponse:
        viewer = Viewer.of(request.user)
        row = verdicts.find(verdict_id, viewer)
        return _enveloped(statements.about_verdict(row, _audience(request), viewer))


class ApprovalStatement(APIView):
    """The approval, as it holds now, as a signed statement, for one audience."""

    scope = "governance"

    @extend_schema(parameters=[AUDIENCE], responses={200: dict})
    def get(self, request: Request, approval_id: int) -> HttpResponse:
        row = sight.approvals(Viewer.of(request.user)).filter(pk=approval_id).first()
        if row is None:
            raise NotFound("approval.unknown", f"There is no approval {approval_id}.")
        return _enveloped(statements.about_approval(row, _audience(request)))


def _audience(request: Request) -> str | None:
    """None where it is not said once: of two, each would be somebody else than the other."""
    said = request.query_params.getlist("audience")
    return said[0] if len(said) == 1 else None


def _enveloped(envelope: dict[str, object]) -> HttpResponse:
    return HttpResponse(json.dumps(envelope), content_type=ENVELOPE, headers={"Cache-Control": "no-store"})


@login_not_required
@require_safe
def public_keys(request: HttpRequest) -> HttpResponse:
    """`/.well-known/tillgate-keys.json`: public, and fresh within five minutes of a rotation."""
    return JsonResponse(statements.public_keys(), headers={"Cache-Control": "public, max-age=300"})
