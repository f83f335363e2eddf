"""Replays over the API: plan, dry run, start, cancel; each checks that the caller may operate the integration."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from kernel.errors import NotFound
from kernel.models import User
from kernel.moments import MomentField
from runtime.api.base import RuntimeView
from runtime.api.integrations import ENVIRONMENT
from runtime.api.serializers import FiniteFloatField
from runtime.models import Replay
from runtime.selectors import replays as selectors
from runtime.selectors.replays import ReplayRow
from runtime.services import replays as services


class PassSerializer(serializers.Serializer[Any]):
    """Messages of the log: how many positions were passed, and what became of them."""

    total = serializers.IntegerField()
    passed = serializers.IntegerField()
    confirmed = serializers.IntegerField(help_text="Delivered (or already there); in a dry run: would be sent.")
    superseded = serializers.IntegerField()
    passed_over = serializers.IntegerField(
        source="skipped", help_text="Other keys, held at the target itself, or with a newer state."
    )
    refused = serializers.IntegerField()
    with_a_person = serializers.IntegerField(source="person")
    retrying = serializers.IntegerField()
    done = serializers.BooleanField()


class ReplaySerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    state = serializers.ChoiceField(choices=Replay.State.choices)
    integration = serializers.CharField()
    environment = serializers.CharField()
    target = serializers.CharField()
    instance = serializers.CharField()
    since = serializers.DateTimeField()
    until = serializers.DateTimeField()
    key_from = serializers.CharField()
    key_to = serializers.CharField()
    messages = serializers.IntegerField()
    pace = serializers.FloatField(allow_null=True)
    reason = serializers.CharField()
    subject = serializers.CharField(help_text="What a change of kind `replay.open` names.")
    needs_approval = serializers.SerializerMethodField()
    approval = serializers.IntegerField(source="approval_id", allow_null=True)
    planned_at = serializers.DateTimeField()
    planned_by = serializers.CharField()
    started_at = serializers.DateTimeField(allow_null=True)
    ended_at = serializers.DateTimeField(allow_null=True)
    dry_run = PassSerializer(source="trial", allow_null=True)
    delivery = PassSerializer(allow_null=True)

    def get_needs_approval(self, replay: Any) -> bool:
        return bool(replay.messages > services.APPROVAL_ABOVE)


class PlanSerializer(serializers.Serializer[Any]):
    """Messages that arrived in a period, narrowed by keys.

    `until`: now without one. `instance`: a store of a fleet target.
    """

    integration = serializers.CharField(max_length=80)
    environment = serializers.CharField(max_length=40, required=False, default="production")
    target = serializers.CharField(max_length=80)
    instance = serializers.CharField(max_length=80, required=False, allow_blank=True, default="")
    since = MomentField()
    until = MomentField(required=False, allow_null=True, default=None)
    key_from = serializers.CharField(max_length=500, required=False, allow_blank=True, default="")
    key_to = serializers.CharField(max_length=500, required=False, allow_blank=True, default="")
    pace = FiniteFloatField(required=False, allow_null=True, default=None, help_text="Messages per second and lane.")
    reason = serializers.CharField(max_length=2000)


class ReplayCancelSerializer(serializers.Serializer[Any]):
    reason = serializers.CharField(max_length=2000)


class _ReplayView(RuntimeView):
    def found(self, replay_id: int) -> ReplayRow:
        found = selectors.one(self.viewer, replay_id)
        if found is None:
            raise NotFound("replay.unknown", f"There is no replay {replay_id}, or you may not see it.")
        return found

    def done(self, replay_id: int, act: Callable[..., Any], **more: Any) -> Response:
        """Carry out an action of an operator of the replay's integration; returns the replay afterwards."""
        self.integration(self.found(replay_id).integration, operate=True)
        actor: User = self.actor
        act(replay_id, actor=actor, **more)
        return Response(ReplaySerializer(self.found(replay_id)).data)


class ReplayList(_ReplayView):
    @extend_schema(
        operation_id="replays_list",
        tags=["runtime"],
        summary="Replays, newest first, at most 100",
        parameters=[ENVIRONMENT],
        responses=ReplaySerializer(many=True),
    )
    def get(self, request: Request) -> Response:
        return Response(ReplaySerializer(selectors.listed(self.viewer, self.environment), many=True).data)

    @extend_schema(
        operation_id="replays_plan",
        tags=["runtime"],
        summary="Plan a replay: the messages are counted and fixed, nothing is sent",
        request=PlanSerializer,
        responses={201: ReplaySerializer},
    )
    def post(self, request: Request) -> Response:
        data = self.validated(PlanSerializer)
        key, target, instance = data.pop("integration"), data.pop("target"), data.pop("instance")
        self.integration(key, operate=True)
        listed = selectors.choices(self.viewer, data.pop("environment"))
        chosen = next((one for one in listed if (one.integration, one.target) == (key, target)), None)
        if chosen is None or instance not in chosen.subscriptions:
            raise NotFound(
                "target.unknown",
                f"{key} delivers to no target {target!r}{f' of {instance!r}' if instance else ''} there.",
            )
        made = services.plan(chosen.subscriptions[instance], actor=self.actor, **data)
        return Response(
            ReplaySerializer(self.found(made.pk)).data, status=201, headers={"Location": f"/api/v1/replays/{made.pk}"}
        )


class ReplayDetail(_ReplayView):
    @extend_schema(
        operation_id="replays_read",
        tags=["runtime"],
        summary="One replay with its progress",
        responses=ReplaySerializer,
    )
    def get(self, request: Request, replay_id: int) -> Response:
        return Response(ReplaySerializer(self.found(replay_id)).data)


class ReplayTrial(_ReplayView):
    @extend_schema(
        operation_id="replays_dry_run",
        tags=["runtime"],
        summary="Start a dry run: everything is mapped, nothing is sent",
        request=None,
        responses=ReplaySerializer,
    )
    def post(self, request: Request, replay_id: int) -> Response:
        return self.done(replay_id, services.try_out)


class ReplayStart(_ReplayView):
    @extend_schema(
        operation_id="replays_start",
        tags=["runtime"],
        summary="Deliver again",
        description=(
            "Above the limit an approval of exactly this plan is needed: 403 with `unmet` without one. A second start "
            "changes nothing."
        ),
        request=None,
        responses=ReplaySerializer,
    )
    def post(self, request: Request, replay_id: int) -> Response:
        return self.done(replay_id, services.start)


class ReplayCancel(_ReplayView):
    @extend_schema(
        operation_id="replays_cancel",
        tags=["runtime"],
        summary="Send nothing further",
        request=ReplayCancelSerializer,
        responses=ReplaySerializer,
    )
    def post(self, request: Request, replay_id: int) -> Response:
        data = self.validated(ReplayCancelSerializer)
        return self.done(replay_id, services.cancel, reason=data["reason"])
