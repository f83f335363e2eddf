"""Reading a source again and a new judgement of what was rejected, over the API."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from kernel.errors import NotFound
from kernel.moments import MomentField
from runtime import permissions
from runtime.api.base import RuntimeView
from runtime.models import ReadAgain
from runtime.services import reading_again, rejudging


class ReadAgainSerializer(serializers.Serializer[Any]):
    """A plan to read again. `since` null: from the start."""

    id = serializers.IntegerField()
    state = serializers.ChoiceField(choices=ReadAgain.State.choices)
    integration = serializers.CharField(source="stream.integration.key")
    environment = serializers.CharField(source="stream.environment")
    source_name = serializers.CharField(source="source", help_text="Empty: all sources.")
    since = serializers.DateTimeField(allow_null=True)
    messages = serializers.IntegerField(help_text="Known messages that come again, counted to one above 10,000.")
    needs_approval = serializers.BooleanField()
    subject = serializers.SerializerMethodField(help_text="What a change of kind `reading.open` names.")
    reason = serializers.CharField()
    planned_at = serializers.DateTimeField()
    started_at = serializers.DateTimeField(allow_null=True)
    run = serializers.IntegerField(source="run_id", allow_null=True)
    approval = serializers.IntegerField(source="approval_id", allow_null=True)

    def get_subject(self, reading: Any) -> str:
        about = reading_again.subject(reading)
        return f"{about.id}@{about.digest}"


class ReadAgainPlanSerializer(serializers.Serializer[Any]):
    """`since` left out: from the start. `source_name` left out: every source that can be read again."""

    environment = serializers.CharField(max_length=40, required=False, default="production")
    source_name = serializers.CharField(max_length=80, required=False, allow_blank=True, default="")
    since = MomentField(required=False, allow_null=True, default=None)
    reason = serializers.CharField(max_length=2000)


class ReadAgainCancelSerializer(serializers.Serializer[Any]):
    reason = serializers.CharField(max_length=2000)


class JudgeAgainSerializer(serializers.Serializer[Any]):
    """`pattern`: the fingerprint of one group; left out: all open rejected messages of the integration."""

    environment = serializers.CharField(max_length=40, required=False, default="production")
    pattern = serializers.CharField(max_length=16, required=False, allow_blank=True, default="")
    dry_run = serializers.BooleanField(required=False, default=True)
    reason = serializers.CharField(max_length=2000, required=False, allow_blank=True, default="")


class StillRejectedSerializer(serializers.Serializer[Any]):
    reason = serializers.CharField()
    messages = serializers.IntegerField()


class JudgementSerializer(serializers.Serializer[Any]):
    dry_run = serializers.BooleanField()
    total = serializers.IntegerField()
    passed = serializers.IntegerField(help_text="Stored, or in a dry run: would be.")
    outdated = serializers.IntegerField(help_text="A newer state of the key has come since; they are closed.")
    still_rejected = StillRejectedSerializer(many=True)


class _ReadingView(RuntimeView):
    def found(self, number: int, *, operate: bool = False) -> ReadAgain:
        made = (
            ReadAgain.objects.select_related("stream__integration")
            .filter(pk=number, stream__integration__in=permissions.visible(self.viewer))
            .first()
        )
        if made is None:
            raise NotFound("reading.unknown", f"There is no plan {number} to read again, or you may not see it.")
        self.integration(made.stream.integration.key, operate=operate)
        return made


class ReadingPlan(_ReadingView):
    @extend_schema(
        operation_id="readings_plan",
        tags=["runtime"],
        summary="Plan to read a source again, from its start or from a date",
        description="Nothing is read yet. Above 10,000 known messages, or beyond 90 days, the start needs an approval.",
        request=ReadAgainPlanSerializer,
        responses={201: ReadAgainSerializer},
    )
    def post(self, request: Request, key: str) -> Response:
        data = self.validated(ReadAgainPlanSerializer)
        self.integration(key, operate=True)
        data["source"] = data.pop("source_name")
        made = reading_again.plan(key, data.pop("environment"), actor=self.actor, **data)
        place = {"Location": f"/api/v1/readings/{made.pk}"}
        return Response(ReadAgainSerializer(self.found(made.pk)).data, status=201, headers=place)


class ReadingDetail(_ReadingView):
    @extend_schema(
        operation_id="readings_read", tags=["runtime"], summary="One plan to read again", responses=ReadAgainSerializer
    )
    def get(self, request: Request, number: int) -> Response:
        return Response(ReadAgainSerializer(self.found(number)).data)


class ReadingStart(_ReadingView):
    @extend_schema(
        operation_id="readings_start",
        tags=["runtime"],
        summary="Set the cursor back and start the run",
        description="Starting it twice changes nothing. 409 while another run reads the source.",
        request=None,
        responses=ReadAgainSerializer,
    )
    def post(self, request: Request, number: int) -> Response:
        self.found(number, operate=True)
        return Response(ReadAgainSerializer(reading_again.start(number, actor=self.actor)).data)


class ReadingCancel(_ReadingView):
    @extend_schema(
        operation_id="readings_cancel",
        tags=["runtime"],
        summary="Give a plan up",
        request=ReadAgainCancelSerializer,
        responses=ReadAgainSerializer,
    )
    def post(self, request: Request, number: int) -> Response:
        data = self.validated(ReadAgainCancelSerializer)
        self.found(number, operate=True)
        made = reading_again.cancel(number, actor=self.actor, reason=data["reason"])
        return Response(ReadAgainSerializer(made).data)


class JudgeRejected(RuntimeView):
    @extend_schema(
        operation_id="rejected_judge_again",
        tags=["runtime"],
        summary="Judge rejected messages again with the deployed release, or dry-run it",
        description=(
            "`dry_run` is true by default. What passes is stored as if it had just been read, without duplicates; the "
            "rest keeps its new reason. Above 10,000 messages it needs an approval."
        ),
        request=JudgeAgainSerializer,
        responses=JudgementSerializer,
    )
    def post(self, request: Request, key: str) -> Response:
        data = self.validated(JudgeAgainSerializer)
        self.integration(key, operate=True)
        done = rejudging.judge_again(key, data.pop("environment"), actor=self.actor, **data)
        still = [{"reason": reason, "messages": count} for reason, count in done.still.most_common(50)]
        return Response(
            {
                "dry_run": data["dry_run"],
                "total": done.total,
                "passed": done.passed,
                "outdated": done.outdated,
                "still_rejected": still,
            }
        )
