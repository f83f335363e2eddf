"""Records of what runs where, over HTTP. See docs/reference/gate.md."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import generics, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from governance.api import serializers as shapes
from governance.api.gate import plain
from governance.models import ApplicationRelease
from governance.services import release_records
from kernel.viewer import Viewer

RECORD = {"POST": "record:write", "GET": "gate:ask"}
FILTERS = [OpenApiParameter(name, str) for name in ("application", "environment", "instance", "live")]


class RecordList(generics.ListAPIView):  # type: ignore[type-arg]
    """Newest first, of the applications of one's teams; `live=true` for what runs now."""

    scopes = RECORD
    serializer_class = shapes.ReleaseOutput
    mode = ApplicationRelease.Mode.DEPLOYED

    def get_queryset(self) -> Any:
        if getattr(self, "swagger_fake_view", False):
            return ApplicationRelease.objects.none()
        given = self.request.query_params
        limits = {name: given[name] for name in ("application", "environment", "instance", "live") if name in given}
        return release_records.listed(Viewer.of(self.request.user), **limits).filter(mode=self.mode)

    def paginate_queryset(self, queryset: Any) -> Any:
        page = super().paginate_queryset(queryset)
        return None if page is None else release_records.told(page, Viewer.of(self.request.user))

    def answer(self, made: ApplicationRelease) -> Response:
        return Response(shapes.ReleaseOutput(made).data, status=status.HTTP_201_CREATED)


class Deployments(RecordList):
    @extend_schema(parameters=FILTERS, description="What is or was deployed, by instance.")
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().get(request, *args, **kwargs)

    @extend_schema(
        request=shapes.EntryInput,
        responses={201: shapes.ReleaseOutput},
        description="Replaces what runs on an instance.",
    )
    def post(self, request: Request) -> Response:
        return self.answer(release_records.record_deployment(plain(request.data), viewer=Viewer.of(request.user)))


class Releases(RecordList):
    mode = ApplicationRelease.Mode.RELEASED

    @extend_schema(parameters=FILTERS, description="What is or was supported beside other versions.")
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().get(request, *args, **kwargs)

    @extend_schema(
        request=shapes.EntryInput, responses={201: shapes.ReleaseOutput}, description="Lets versions coexist."
    )
    def post(self, request: Request) -> Response:
        return self.answer(release_records.record_release(plain(request.data), viewer=Viewer.of(request.user)))


class EndRelease(APIView):
    scopes = RECORD

    @extend_schema(
        request=shapes.EndedInput, responses={200: dict}, description="Support of a released version has ended."
    )
    def post(self, request: Request) -> Response:
        body = plain(request.data)
        return ended(release_records.end_release(body, viewer=Viewer.of(request.user)), body)


class Undeploy(APIView):
    scopes = RECORD

    @extend_schema(
        request=shapes.PlaceInput, responses={200: dict}, description="Nothing of it is deployed there any more."
    )
    def post(self, request: Request) -> Response:
        body = plain(request.data)
        return ended(release_records.undeploy(body, viewer=Viewer.of(request.user)), body)


def ended(rows: list[ApplicationRelease], body: dict[str, Any]) -> Response:
    """How many records have ended, whether somebody uses what one of them took away, and how many of the application
    there are still in the environment."""
    against = any(row.ended_against_gate for row in rows)
    still = release_records.still_recorded(body)
    return Response({"ended": len(rows), "against_gate": against, "still_recorded": still})
