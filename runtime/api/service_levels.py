"""Service levels and objectives over the API."""

from __future__ import annotations

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from kernel.errors import NotFound
from runtime.api.base import RuntimeView
from runtime.domain.objectives import KINDS, ObjectiveScope
from runtime.selectors import service_levels as selectors
from runtime.services import objectives

ENVIRONMENT = OpenApiParameter("environment", OpenApiTypes.STR, description="production without")


class ObjectiveSerializer(serializers.Serializer[Any]):
    share = serializers.CharField(help_text="per cent")
    limit_s = serializers.FloatField(allow_null=True, help_text="seconds; null for availability")
    given_by = serializers.CharField(help_text="tier, manifest or policy")
    words = serializers.CharField()


class LevelWindowSerializer(serializers.Serializer[Any]):
    first = serializers.DateField()
    state = serializers.CharField(help_text="met, missed or unknown")
    ratio = serializers.FloatField(allow_null=True, help_text="the good share; null where nothing could be judged")
    counted = serializers.FloatField(help_text="minutes, or messages for latency")
    bad = serializers.FloatField()
    pending = serializers.FloatField(help_text="messages that are not due yet")
    p50 = serializers.FloatField(allow_null=True, help_text="seconds")
    p95 = serializers.FloatField(allow_null=True)
    p99 = serializers.FloatField(allow_null=True)
    budget_left = serializers.FloatField(allow_null=True, help_text="share of the error budget; negative: overdrawn")
    unmeasured_minutes = serializers.FloatField()
    paused_minutes = serializers.FloatField(help_text="of the bad time, while people had paused the flow")


class ServiceLevelSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    kind = serializers.CharField(help_text=", ".join(KINDS))
    environment = serializers.CharField()
    integration = serializers.CharField(allow_blank=True, help_text="empty for a system")
    target = serializers.CharField(allow_blank=True)
    system = serializers.CharField()
    tier = serializers.IntegerField()
    state = serializers.CharField(help_text="met, missed or unknown, of the last 28 days")
    burning = serializers.BooleanField()
    why = serializers.CharField(allow_blank=True, help_text="why it is unknown, or what else is to be said")
    paused = serializers.BooleanField()
    measured_since = serializers.DateTimeField()
    evaluated_at = serializers.DateTimeField(allow_null=True)
    objective = ObjectiveSerializer(allow_null=True)
    rolling = LevelWindowSerializer(allow_null=True, help_text="the last 28 days")
    month = LevelWindowSerializer(allow_null=True, help_text="this calendar month so far")
    burn_rates = serializers.DictField(
        child=serializers.FloatField(allow_null=True), help_text="by minutes of the window; null without evidence"
    )


class SetObjectiveSerializer(serializers.Serializer[Any]):
    kind = serializers.CharField(max_length=12, help_text=", ".join(KINDS))
    integration = serializers.CharField(max_length=80, default="", allow_blank=True)
    target = serializers.CharField(max_length=80, default="", allow_blank=True)
    system = serializers.CharField(max_length=80, default="", allow_blank=True)
    environment = serializers.CharField(max_length=40, default="", allow_blank=True, help_text="empty: any")
    tier = serializers.IntegerField(default=None, allow_null=True, min_value=0, max_value=3)
    share = serializers.DecimalField(
        max_digits=6, decimal_places=3, allow_null=True, help_text="per cent; null gives back to manifest and tier"
    )
    limit_s = serializers.FloatField(default=None, allow_null=True, min_value=0, max_value=1e9)
    reason = serializers.CharField(max_length=2000)


class ObjectiveSetSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField(source="pk")
    kind = serializers.CharField()
    share = serializers.CharField(allow_null=True)
    limit_s = serializers.FloatField(allow_null=True)
    set_at = serializers.DateTimeField()


class ServiceLevelList(RuntimeView):
    @extend_schema(
        operation_id="service_levels_list",
        tags=["runtime"],
        summary="Every flow and system against its objectives, the worst first",
        parameters=[
            ENVIRONMENT,
            OpenApiParameter("kind", OpenApiTypes.STR, description=", ".join(KINDS)),
            OpenApiParameter("integration", OpenApiTypes.STR, description="its key"),
        ],
        responses=ServiceLevelSerializer(many=True),
    )
    def get(self, request: Request) -> Response:
        asked = {name: request.query_params.get(name, "").replace("\0", "")[:80] for name in ("kind", "integration")}
        found = selectors.listed(self.viewer, self.environment, days=False, **asked)
        return Response(ServiceLevelSerializer([selectors.plain(one) for one in found], many=True).data)


class ServiceLevelDetail(RuntimeView):
    @extend_schema(
        operation_id="service_levels_read", tags=["runtime"], summary="One indicator", responses=ServiceLevelSerializer
    )
    def get(self, request: Request, indicator_id: int) -> Response:
        found = selectors.one(self.viewer, indicator_id)
        if found is None:
            raise NotFound("indicator.unknown", f"There is no indicator {indicator_id}, or you may not see it.")
        return Response(ServiceLevelSerializer(selectors.plain(found)).data)


class Objectives(RuntimeView):
    @extend_schema(
        operation_id="objectives_set",
        tags=["runtime"],
        summary="Set an objective, or give it back to the manifest and the tier",
        description="It judges what comes from the next minute on, nothing before. Operators of an integration may "
        "only tighten what is in force for it; architects and release managers set any.",
        request=SetObjectiveSerializer,
        responses=ObjectiveSetSerializer,
    )
    def put(self, request: Request) -> Response:
        given = self.validated(SetObjectiveSerializer)
        names = ("kind", "integration", "target", "system", "environment", "tier")
        scope = ObjectiveScope(**{name: given[name] for name in names})
        made = objectives.set_policy(scope, given["share"], given["limit_s"], actor=self.actor, reason=given["reason"])
        return Response(ObjectiveSetSerializer(made).data)
