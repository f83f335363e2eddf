"""Schedules over the API."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from kernel.errors import NotFound
from runtime.api import serializers as shapes
from runtime.api.base import RuntimeView
from runtime.api.integrations import ENVIRONMENT
from runtime.selectors import schedules
from runtime.services import schedules as services


class Schedules(RuntimeView):
    @extend_schema(
        operation_id="schedules_list",
        tags=["runtime"],
        summary="When integrations collect",
        parameters=[ENVIRONMENT],
        responses=shapes.ScheduleSerializer(many=True),
    )
    def get(self, request: Request) -> Response:
        return Response(
            shapes.ScheduleSerializer(schedules.listed(self.viewer, environment=self.environment), many=True).data
        )


class ScheduleDetail(RuntimeView):
    @extend_schema(
        operation_id="schedules_read", tags=["runtime"], summary="One schedule", responses=shapes.ScheduleSerializer
    )
    def get(self, request: Request, schedule_id: int) -> Response:
        return Response(shapes.ScheduleSerializer(self._found(schedule_id)).data)

    @extend_schema(
        operation_id="schedules_change",
        tags=["runtime"],
        summary="Switch a schedule on or off, or move it",
        request=shapes.ScheduleChangeSerializer,
        responses=shapes.ScheduleSerializer,
    )
    def put(self, request: Request, schedule_id: int) -> Response:
        data = self.validated(shapes.ScheduleChangeSerializer)
        self.integration(self._found(schedule_id).integration, operate=True)
        services.change(schedule_id, actor=self.actor, **data)
        return Response(shapes.ScheduleSerializer(self._found(schedule_id)).data)

    def _found(self, schedule_id: int) -> schedules.ScheduleRow:
        found = schedules.listed(self.viewer, schedule_id=schedule_id)
        if not found:
            raise NotFound("schedule.unknown", f"There is no schedule {schedule_id}, or you may not see it.")
        return found[0]
