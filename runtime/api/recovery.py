"""Recovery over the API."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from runtime.api.base import RuntimeView
from runtime.selectors import recovery


class RewindSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    at = serializers.DateTimeField()
    reason = serializers.CharField(help_text="timeline, cluster, database or stated")
    before = serializers.CharField()
    after = serializers.CharField()
    note = serializers.CharField()
    lanes = serializers.IntegerField()
    window_until = serializers.DateTimeField()
    window_ended_at = serializers.DateTimeField(allow_null=True)
    ended_at = serializers.DateTimeField(allow_null=True)


class RecoveringFlowSerializer(serializers.Serializer[Any]):
    integration = serializers.CharField()
    environment = serializers.CharField()
    lanes = serializers.IntegerField(help_text="Lanes that have not yet passed what is to be asked about.")
    messages = serializers.IntegerField(help_text="Messages that are asked about before they are sent.")
    with_people = serializers.IntegerField(help_text="Messages that could not be asked about; a person decides.")


class RecoverySerializer(serializers.Serializer[Any]):
    recovering = serializers.BooleanField()
    window_until = serializers.DateTimeField(allow_null=True)
    rewinds = RewindSerializer(many=True)
    flows = RecoveringFlowSerializer(many=True)


class RecoveryState(RuntimeView):
    @extend_schema(
        operation_id="recovery_read",
        tags=["runtime"],
        summary="Whether the database went back, and what is still asked about",
        responses=RecoverySerializer,
    )
    def get(self, request: Request) -> Response:
        found = recovery.state(self.viewer)
        content = {
            "recovering": found.present is not None,
            "window_until": found.window_until,
            "rewinds": found.rewinds,
            "flows": found.flows,
        }
        return Response(RecoverySerializer(content).data)
