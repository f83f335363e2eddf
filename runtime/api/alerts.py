"""Alerts, their rules and silences over the API."""

from __future__ import annotations

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from kernel.errors import NotFound
from kernel.moments import MomentField
from runtime.api.base import RuntimeView
from runtime.domain.alert_rules import CONDITIONS, SEVERITIES
from runtime.domain.objectives import KINDS
from runtime.models import AlertRule, AlertSilence
from runtime.selectors import alerts as selectors
from runtime.services import alert_settings

PAGE = 50


class AlertSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField(source="pk")
    cause = serializers.CharField()
    kind = serializers.CharField(help_text="vendor, flow, measuring or front (calls were refused)")
    environment = serializers.CharField()
    integration = serializers.CharField(source="stream.integration.key", default="", allow_blank=True)
    target = serializers.CharField(allow_blank=True)
    system = serializers.CharField(source="system_key", allow_blank=True)
    state = serializers.CharField(help_text="open, resolved or joined")
    severity = serializers.CharField(help_text=", ".join(SEVERITIES))
    title = serializers.CharField()
    opened_at = serializers.DateTimeField()
    resolved_at = serializers.DateTimeField(allow_null=True)
    acknowledged_until = serializers.DateTimeField(allow_null=True)
    signals = serializers.IntegerField(source="parts", help_text="how many rules hold for how many indicators now")


class AlertEntrySerializer(serializers.Serializer[Any]):
    at = serializers.DateTimeField()
    verb = serializers.CharField()
    text = serializers.CharField()
    by = serializers.CharField(allow_null=True)


class AlertSignalSerializer(serializers.Serializer[Any]):
    text = serializers.CharField()
    rule = serializers.CharField(source="rule.name")
    indicator = serializers.IntegerField(source="indicator_id", allow_null=True, help_text="none of refused calls")
    since = serializers.DateTimeField()
    last_at = serializers.DateTimeField()


class AlertDetailSerializer(AlertSerializer):
    seen = AlertSignalSerializer(many=True, help_text="signals of what the caller may see")
    entries = AlertEntrySerializer(many=True)


class AcknowledgeSerializer(serializers.Serializer[Any]):
    reason = serializers.CharField(max_length=2000, help_text="who does what about it")
    until = MomentField(default=None, allow_null=True, help_text="a day without; at most 31 days")


class AlertScopeSerializer(serializers.Serializer[Any]):
    kind = serializers.CharField(max_length=12, default="", allow_blank=True, help_text=f"{', '.join(KINDS)}; or all")
    integration = serializers.CharField(max_length=80, default="", allow_blank=True)
    target = serializers.CharField(max_length=80, default="", allow_blank=True)
    system_key = serializers.CharField(max_length=80, default="", allow_blank=True)
    environment = serializers.CharField(max_length=40, default="", allow_blank=True)
    tier = serializers.IntegerField(default=None, allow_null=True, min_value=0, max_value=3)


class SetAlertRuleSerializer(AlertScopeSerializer):
    name = serializers.CharField(max_length=120)
    condition = serializers.CharField(max_length=12, help_text=", ".join(CONDITIONS))
    factor = serializers.FloatField(default=0, min_value=0, max_value=1000, help_text="times too fast, of burn")
    long = serializers.IntegerField(default=60, min_value=0, max_value=10_000, help_text="minutes")
    short = serializers.IntegerField(default=5, min_value=0, max_value=10_000, help_text="minutes")
    at_least = serializers.FloatField(default=2, min_value=0, max_value=1e6, help_text="bad minutes or messages")
    below = serializers.FloatField(default=0, min_value=0, max_value=100, help_text="per cent left, of budget")
    for_minutes = serializers.IntegerField(default=0, min_value=0, max_value=10_080)
    severity = serializers.CharField(max_length=8, help_text=", ".join(SEVERITIES))
    inbox = serializers.BooleanField(default=True)
    email = serializers.BooleanField(default=True)
    webhook = serializers.BooleanField(default=True)
    teams = serializers.ListField(child=serializers.CharField(max_length=80), default=list, max_length=50)
    enabled = serializers.BooleanField(default=True)


class AlertRuleSerializer(SetAlertRuleSerializer):
    id = serializers.IntegerField(source="pk")
    integration = serializers.CharField(source="integration.key", default="", allow_blank=True)


class SilenceSerializer(AlertScopeSerializer):
    until = MomentField(help_text="at most 31 days away")
    reason = serializers.CharField(max_length=2000)


class ChangeSilenceSerializer(serializers.Serializer[Any]):
    until = MomentField(help_text="at most 31 days away")
    reason = serializers.CharField(max_length=2000)


class SilenceShownSerializer(SilenceSerializer):
    id = serializers.IntegerField(source="pk")
    integration = serializers.CharField(source="integration.key", default="", allow_blank=True)
    since = serializers.DateTimeField()
    ended_at = serializers.DateTimeField(allow_null=True)


class AlertList(RuntimeView):
    @extend_schema(
        operation_id="alerts_list",
        tags=["runtime"],
        summary="Alerts, the newest first, fifty at a time",
        parameters=[
            OpenApiParameter("state", OpenApiTypes.STR, description="open, or over; all without"),
            OpenApiParameter("before", OpenApiTypes.INT, description="only alerts with a smaller id"),
        ],
        responses=AlertSerializer(many=True),
    )
    def get(self, request: Request) -> Response:
        state, before = request.query_params.get("state", ""), request.query_params.get("before", "")
        found = selectors.alerts(self.viewer, state=state if state in ("open", "over") else "")
        if before.isascii() and before.isdecimal() and len(before) < 19:
            found = found.filter(pk__lt=int(before))
        return Response(AlertSerializer(found[:PAGE], many=True).data)


class AlertDetail(RuntimeView):
    @extend_schema(
        operation_id="alerts_read",
        tags=["runtime"],
        summary="One alert with its signals and history",
        responses=AlertDetailSerializer,
    )
    def get(self, request: Request, alert_id: int) -> Response:
        found = selectors.alert(self.viewer, alert_id)
        if found is None:
            raise NotFound("alert.unknown", f"There is no alert {alert_id}, or you may not see it.")
        return Response(AlertDetailSerializer(_shown(found)).data)


def _shown(found: Any) -> Any:
    for entry in (entries := list(found.entries.all())):
        entry.by_name = str(entry.by) if entry.by else None
    shown = {name: getattr(found, name) for name in ("pk", "cause", "kind", "environment", "stream", "target", "state")}
    names = ("system_key", "severity", "title", "opened_at", "resolved_at", "acknowledged_until", "parts", "seen")
    shown |= {name: getattr(found, name) for name in names}
    rows = [{"at": one.at, "verb": one.verb, "text": one.text, "by": one.by_name} for one in entries]
    return shown | {"entries": rows}


class AlertAcknowledge(RuntimeView):
    @extend_schema(
        operation_id="alerts_acknowledge",
        tags=["runtime"],
        summary="Say that somebody is at it",
        description="Nothing more is told before the end, but that it is over. Still open then, it is told again.",
        request=AcknowledgeSerializer,
        responses=AlertDetailSerializer,
    )
    def post(self, request: Request, alert_id: int) -> Response:
        given = self.validated(AcknowledgeSerializer)
        alert_settings.acknowledge(alert_id, until=given["until"], reason=given["reason"], actor=self.actor)
        return Response(AlertDetailSerializer(_shown(selectors.alert(self.viewer, alert_id))).data)


class AlertRuleList(RuntimeView):
    @extend_schema(
        operation_id="alert_rules_list",
        tags=["runtime"],
        summary="Alert rules",
        responses=AlertRuleSerializer(many=True),
    )
    def get(self, request: Request) -> Response:
        return Response(AlertRuleSerializer(selectors.rules(self.viewer), many=True).data)

    @extend_schema(
        operation_id="alert_rules_make",
        tags=["runtime"],
        summary="Add an alert rule",
        request=SetAlertRuleSerializer,
        responses={201: AlertRuleSerializer},
    )
    def post(self, request: Request) -> Response:
        made = alert_settings.make_rule(self.validated(SetAlertRuleSerializer), actor=self.actor)
        return Response(_rule(made), status=status.HTTP_201_CREATED)


class AlertRuleDetail(RuntimeView):
    @extend_schema(
        operation_id="alert_rules_change",
        tags=["runtime"],
        summary="Change an alert rule; what is left out is its default",
        request=SetAlertRuleSerializer,
        responses=AlertRuleSerializer,
    )
    def put(self, request: Request, rule_id: int) -> Response:
        given = self.validated(SetAlertRuleSerializer)
        return Response(_rule(alert_settings.change_rule(rule_id, given, actor=self.actor)))

    @extend_schema(
        operation_id="alert_rules_remove", tags=["runtime"], summary="Remove an alert rule", responses={204: None}
    )
    def delete(self, request: Request, rule_id: int) -> Response:
        alert_settings.remove_rule(rule_id, actor=self.actor)
        return Response(status=status.HTTP_204_NO_CONTENT)


def _rule(made: AlertRule) -> dict[str, Any]:
    return dict(AlertRuleSerializer(made).data)


class SilenceList(RuntimeView):
    @extend_schema(
        operation_id="alert_silences_list",
        tags=["runtime"],
        summary="Silences that last",
        responses=SilenceShownSerializer(many=True),
    )
    def get(self, request: Request) -> Response:
        return Response(SilenceShownSerializer(selectors.silences(self.viewer), many=True).data)

    @extend_schema(
        operation_id="alert_silences_make",
        tags=["runtime"],
        summary="Tell nobody of something for a while",
        description=(
            "Alerts are kept all the same; one that is still open at the end is told then. 422 where what it names is "
            "not there; 409 `silence.exists` where a silence of the same lasts until another time."
        ),
        request=SilenceSerializer,
        responses={201: SilenceShownSerializer},
    )
    def post(self, request: Request) -> Response:
        given = self.validated(SilenceSerializer)
        until, reason = given.pop("until"), given.pop("reason")
        made: AlertSilence = alert_settings.silence(given, until=until, reason=reason, actor=self.actor)
        return Response(SilenceShownSerializer(made).data, status=status.HTTP_201_CREATED)


class SilenceDetail(RuntimeView):
    @extend_schema(
        operation_id="alert_silences_change",
        tags=["runtime"],
        summary="Set another end of a silence",
        request=ChangeSilenceSerializer,
        responses=SilenceShownSerializer,
    )
    def patch(self, request: Request, silence_id: int) -> Response:
        given = self.validated(ChangeSilenceSerializer)
        made = alert_settings.change_silence(silence_id, actor=self.actor, **given)
        return Response(SilenceShownSerializer(made).data)

    @extend_schema(operation_id="alert_silences_end", tags=["runtime"], summary="End a silence", responses={204: None})
    def delete(self, request: Request, silence_id: int) -> Response:
        alert_settings.end_silence(silence_id, actor=self.actor)
        return Response(status=status.HTTP_204_NO_CONTENT)
