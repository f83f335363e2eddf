"""Pipeline connections over HTTP, and the address that GitHub and GitLab send their webhooks to."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import generics, status
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from governance.api import pipeline_shapes as shapes
from governance.api.changes import caller, read
from governance.domain.pipelines import reading
from governance.models import PipelineConnection, PipelineMapping, PipelineReview
from governance.selectors import pipelines as selectors
from governance.services import pipeline_connections, pipeline_intake, pipeline_reviews
from kernel.access import decider
from kernel.errors import TooLarge, UnsupportedBody
from kernel.request_bodies import raw_body
from kernel.viewer import Viewer


class PipelineList(generics.ListAPIView[PipelineConnection]):
    """The connections of the caller's teams; all for release managers, architects and security."""

    scope = "governance"
    serializer_class = shapes.PipelineOutput
    queryset = PipelineConnection.objects.none()

    def get_queryset(self) -> QuerySet[PipelineConnection]:
        return selectors.connections(Viewer.of(self.request.user)).order_by("-id")

    @extend_schema(
        request=shapes.PipelineInput,
        responses={201: shapes.PipelineOutput},
        description="Propose a connection. Its webhooks are taken once another person has confirmed it.",
    )
    def post(self, request: Request) -> Response:
        made = pipeline_connections.propose(read(shapes.PipelineInput, request), actor=caller(request))
        return Response(shapes.PipelineOutput(made).data, status=status.HTTP_201_CREATED)


class PipelineDetail(APIView):
    scope = "governance"

    @extend_schema(responses=shapes.PipelineOutput)
    def get(self, request: Request, key: str) -> Response:
        return Response(shapes.PipelineOutput(selectors.connection(Viewer.of(request.user), key)).data)


class PipelineConfirm(APIView):
    scope = "governance"

    @extend_schema(
        request=None,
        responses=shapes.PipelineOutput,
        description="A release manager who has not proposed it, in a session of their own.",
    )
    def post(self, request: Request, key: str) -> Response:
        return Response(shapes.PipelineOutput(pipeline_connections.confirm(key, actor=decider(request))).data)


class PipelineEnd(APIView):
    scope = "governance"

    @extend_schema(request=None, responses=shapes.PipelineOutput, description="For good: nothing is answered any more.")
    def post(self, request: Request, key: str) -> Response:
        return Response(shapes.PipelineOutput(pipeline_connections.end(key, actor=decider(request))).data)


class MappingList(generics.ListAPIView[PipelineMapping]):
    """What the repositories of a connection are mapped to, those that have ended left out."""

    scope = "governance"
    serializer_class = shapes.MappingOutput
    queryset = PipelineMapping.objects.none()

    def get_queryset(self) -> QuerySet[PipelineMapping]:
        if getattr(self, "swagger_fake_view", False):
            return self.queryset
        row = selectors.connection(Viewer.of(self.request.user), self.kwargs["key"])
        return selectors.mappings(row).order_by("-id")

    @extend_schema(request=shapes.MappingInput, responses={201: shapes.MappingOutput})
    def post(self, request: Request, key: str) -> Response:
        values = read(shapes.MappingInput, request)
        made = pipeline_connections.propose_mapping(key, values, actor=caller(request))
        return Response(shapes.MappingOutput(made).data, status=status.HTTP_201_CREATED)


class MappingConfirm(APIView):
    scope = "governance"

    @extend_schema(request=None, responses=shapes.MappingOutput)
    def post(self, request: Request, key: str, mapping_id: int) -> Response:
        made = pipeline_connections.confirm_mapping(key, mapping_id, actor=decider(request))
        return Response(shapes.MappingOutput(made).data)


class MappingEnd(APIView):
    scope = "governance"

    @extend_schema(request=None, responses=shapes.MappingOutput)
    def post(self, request: Request, key: str, mapping_id: int) -> Response:
        made = pipeline_connections.end_mapping(key, mapping_id, actor=decider(request))
        return Response(shapes.MappingOutput(made).data)


class ReviewList(generics.ListAPIView[PipelineReview]):
    """What pipelines asked for, the newest first."""

    scope = "governance"
    serializer_class = shapes.PipelineReviewOutput
    filterset_fields = ["state", "sha", "place"]
    queryset = PipelineReview.objects.none()

    def get_queryset(self) -> QuerySet[PipelineReview]:
        if getattr(self, "swagger_fake_view", False):
            return self.queryset
        return selectors.reviews(selectors.connection(Viewer.of(self.request.user), self.kwargs["key"]))


class ReviewAsk(APIView):
    scope = "governance"

    @extend_schema(
        request=None, responses=shapes.PipelineReviewOutput, description="Ask the gate and answer once more."
    )
    def post(self, request: Request, key: str, review_id: int) -> Response:
        made = pipeline_reviews.ask_again(key, review_id, actor=caller(request))
        return Response(shapes.PipelineReviewOutput(made).data)


class PipelineEvents(APIView):
    """Where the provider sends its webhooks: no session and no token, the signature of the body is the proof."""

    authentication_classes: list[Any] = []
    permission_classes = [AllowAny]

    @extend_schema(
        auth=[],
        request=OpenApiTypes.OBJECT,
        parameters=[
            OpenApiParameter(name, str, OpenApiParameter.HEADER)
            for name in (*reading.SIGNATURE.values(), reading.EVENT["github"], reading.DELIVERY["github"])
        ],
        responses={202: shapes.ReceivedOutput},
        description="GitHub's `deployment_protection_rule`, or GitLab's external status check, as it is sent. It is "
        "kept and answered at once; the gate is asked afterwards.",
    )
    def post(self, request: Request, key: str) -> Response:
        length = request.headers.get("Content-Length", "")
        if length.isdecimal() and int(length[:12]) > reading.LARGEST_BODY:
            raise TooLarge("request.too_large", f"The body is larger than {reading.LARGEST_BODY // 1024 // 1024} MB.")
        media_type = (request.content_type or "").partition(";")[0].strip().lower()
        if media_type != "application/json" or request.headers.get("Content-Encoding", "identity") != "identity":
            raise UnsupportedBody("request.media_type", "Send the webhook as application/json, without a coding.")
        received = pipeline_intake.receive(key, request.headers, raw_body(request))
        return Response(shapes.ReceivedOutput(received).data, status=status.HTTP_202_ACCEPTED)
