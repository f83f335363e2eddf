"""Runs and messages over the API: start, watch, stop; trace one message."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import generics
from rest_framework.request import Request
from rest_framework.response import Response

from kernel.errors import Invalid, NotFound, finding
from kernel.pagination import Cursor
from runtime import permissions
from runtime.api import serializers as shapes
from runtime.api.base import RuntimeView
from runtime.models import Run
from runtime.selectors import runs as selectors
from runtime.selectors import traces
from runtime.services import runs as services


class RunList(RuntimeView, generics.ListAPIView):  # type: ignore[type-arg]
    """Runs that the caller may see, newest first."""

    serializer_class = shapes.RunSerializer
    pagination_class = Cursor

    def get_queryset(self) -> Any:
        if getattr(self, "swagger_fake_view", False):
            return Run.objects.none()
        found = Run.objects.filter(integration__in=permissions.visible(self.viewer)).select_related(
            "integration", "stream"
        )
        chosen = {"integration": "integration__key", "environment": "stream__environment", "state": "state"}
        given = {
            field: self.request.query_params[name]
            for name, field in chosen.items()
            if self.request.query_params.get(name)
        }
        return found.filter(**{field: value.replace("\0", "") for field, value in given.items()})

    @extend_schema(
        operation_id="runs_list",
        tags=["runtime"],
        summary="List runs",
        parameters=[
            OpenApiParameter("integration", str),
            OpenApiParameter("environment", str),
            OpenApiParameter("state", str, enum=list(Run.State.values)),
        ],
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().get(request, *args, **kwargs)


class RunStart(RuntimeView):
    @extend_schema(
        operation_id="runs_start",
        tags=["runtime"],
        summary="Start collecting",
        description="Each source is read by one run at a time; while one goes on, it is the answer.",
        request=shapes.StartSerializer,
        responses={201: shapes.StartedSerializer},
    )
    def post(self, request: Request, key: str) -> Response:
        data = self.validated(shapes.StartSerializer)
        self.integration(key, operate=True)
        found = services.start_each(
            key,
            data["environment"],
            trigger="manual",
            actor=self.actor,
            waive_limit=data["waive_limit"],
            source=data["source_name"],
        )
        run = found[0][0]
        told = shapes.StartedSerializer(run, context={"runs": [one.pk for one, _ in found]}).data
        return Response(told, status=201, headers={"Location": f"/api/v1/runs/{run.pk}"})


class RunDetail(RuntimeView):
    @extend_schema(
        operation_id="runs_read",
        tags=["runtime"],
        summary="One run with what became of its messages",
        responses=shapes.ProgressSerializer,
    )
    def get(self, request: Request, run_id: int) -> Response:
        found = selectors.progress(self.viewer, run_id)
        if found is None:
            raise NotFound("run.unknown", f"There is no run {run_id}, or you may not see it.")
        return Response(shapes.ProgressSerializer(found).data)


class RunCancel(RuntimeView):
    @extend_schema(
        operation_id="runs_cancel",
        tags=["runtime"],
        summary="Stop collecting after the present page",
        request=shapes.CancelSerializer,
        responses=shapes.RunSerializer,
    )
    def post(self, request: Request, run_id: int) -> Response:
        data = self.validated(shapes.CancelSerializer)
        run = (
            Run.objects.filter(pk=run_id, integration__in=permissions.visible(self.viewer))
            .select_related("integration")
            .first()
        )
        if run is None:
            raise NotFound("run.unknown", f"There is no run {run_id}, or you may not see it.")
        self.integration(run.integration.key, operate=True)
        return Response(shapes.RunSerializer(services.cancel(run_id, actor=self.actor, reason=data["reason"])).data)


class Messages(RuntimeView):
    @extend_schema(
        operation_id="messages_find",
        tags=["runtime"],
        summary="Find messages by correlation id or key",
        parameters=[OpenApiParameter("q", str, required=True, description="A correlation id, or the key of a message")],
        responses=shapes.FoundSerializer(many=True),
    )
    def get(self, request: Request) -> Response:
        text = request.query_params.get("q", "").strip()
        if not text:
            raise Invalid(
                "request.q", "Say what to look for.", {"findings": [finding("/q", "a correlation id or a key")]}
            )
        return Response(shapes.FoundSerializer(traces.search(self.viewer, text), many=True).data)


class MessageTrace(RuntimeView):
    @extend_schema(
        operation_id="messages_trace",
        tags=["runtime"],
        summary="One message across source, log, targets and attempts",
        responses=shapes.TraceSerializer,
    )
    def get(self, request: Request, correlation: str) -> Response:
        found = traces.search(self.viewer, correlation)
        if not found:
            raise NotFound("message.unknown", "There is no message with this correlation id, or you may not see it.")
        return Response(shapes.TraceSerializer(traces.trace(found[0])).data)
