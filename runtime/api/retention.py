"""Retention and erasure over the API."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from kernel.errors import NotFound
from runtime.api.base import RuntimeView
from runtime.models import RetentionPolicy
from runtime.selectors import retention as selectors
from runtime.selectors import traces
from runtime.services import erasure, retention


class RetentionClassSerializer(serializers.Serializer[Any]):
    data_class = serializers.CharField()
    title = serializers.CharField()
    days = serializers.IntegerField(allow_null=True, help_text="null: for ever")
    following_days = serializers.IntegerField(allow_null=True, help_text="what a policy says that is not in force yet")
    following_since = serializers.DateTimeField(allow_null=True)
    dropped = serializers.IntegerField(help_text="rows that went so far")
    dropped_until = serializers.DateField(allow_null=True)


class DueSerializer(serializers.Serializer[Any]):
    data_class = serializers.CharField()
    what = serializers.CharField()
    number = serializers.IntegerField(help_text="Rows; of known keys the facts that are looked through for old ones.")
    estimated = serializers.BooleanField(help_text="Nobody counted: what PostgreSQL estimates of a month of messages.")
    more = serializers.BooleanField(help_text="There are more than `number`: they were not counted to the end.")
    holds = serializers.ListField(child=serializers.CharField(), help_text="what still needs it; empty: it goes")


class SetRetentionSerializer(serializers.Serializer[Any]):
    data_class = serializers.CharField(max_length=11, help_text=", ".join(RetentionPolicy.DataClass.values))
    days = serializers.IntegerField(allow_null=True, max_value=100_000, help_text="null: for ever")
    integration = serializers.CharField(max_length=80, default="", allow_blank=True)
    reason = serializers.CharField(max_length=2000)


class EraseSerializer(serializers.Serializer[Any]):
    reason = serializers.CharField(max_length=2000)
    whole_key = serializers.BooleanField(default=False, help_text="all messages of its key")


class EarlierErasureSerializer(serializers.Serializer[Any]):
    at = serializers.DateTimeField()
    by = serializers.CharField()
    messages = serializers.IntegerField()


class ErasedSerializer(serializers.Serializer[Any]):
    erased = serializers.IntegerField(help_text="messages whose payload went now; 0 where all were erased before")
    erased_before = EarlierErasureSerializer(many=True, help_text="those of them that were erased before, and by whom")


class Retention(RuntimeView):
    @extend_schema(
        operation_id="retention_read",
        tags=["runtime"],
        summary="How long each class of data is kept",
        responses=RetentionClassSerializer(many=True),
    )
    def get(self, request: Request) -> Response:
        return Response(RetentionClassSerializer(selectors.classes(), many=True).data)

    @extend_schema(
        operation_id="retention_set",
        tags=["runtime"],
        summary="Set how long a class of data is kept",
        description="A longer time holds at once, a shorter one seven days later. For architects and release managers.",
        request=SetRetentionSerializer,
        responses=RetentionClassSerializer(many=True),
    )
    def put(self, request: Request) -> Response:
        given = self.validated(SetRetentionSerializer)
        retention.set_policy(given.pop("data_class"), given.pop("days"), actor=self.actor, **given)
        return Response(RetentionClassSerializer(selectors.classes(), many=True).data)


class RetentionDue(RuntimeView):
    @extend_schema(
        operation_id="retention_due",
        tags=["runtime"],
        summary="Dry run: what would go now, and what holds it back",
        responses=DueSerializer(many=True),
    )
    def get(self, request: Request) -> Response:
        return Response(DueSerializer(retention.due(self.viewer), many=True).data)


class MessageErasure(RuntimeView):
    @extend_schema(
        operation_id="messages_erase",
        tags=["runtime"],
        summary="Erase the payload of a message, or of all of its key",
        description="It cannot be undone. Place, key and counts stay. For architects and release managers.",
        request=EraseSerializer,
        responses=ErasedSerializer,
    )
    def post(self, request: Request, correlation: str) -> Response:
        given = self.validated(EraseSerializer)
        found = traces.search(self.viewer, correlation)
        if not found:
            raise NotFound("message.unknown", "There is no message with this correlation id, or you may not see it.")
        one = found[0]
        chosen: dict[str, Any] = {"lane": one.lane, "position": one.position}
        chosen = {"key": one.key} if given["whole_key"] else chosen
        before = erasure.preview(one.stream, **chosen, actor=self.actor).earlier
        count = erasure.erase(one.stream, **chosen, actor=self.actor, reason=given["reason"])
        return Response(ErasedSerializer({"erased": count, "erased_before": before}).data)
