"""Messages that a person has found at their target, confirmed over the API."""

from __future__ import annotations

from django.db import transaction
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from runtime.api import decision_shapes
from runtime.api import serializers as shapes
from runtime.api.dead_letters import GroupView
from runtime.api.integrations import ENVIRONMENT
from runtime.services import confirming


class ConfirmSerializer(decision_shapes.GiveUpSerializer):
    """`reference`: the target's name for the one message at `place`."""

    reference = serializers.CharField(
        max_length=confirming.LONGEST_REFERENCE, required=False, allow_blank=True, default=""
    )


class Confirm(GroupView):
    @extend_schema(
        operation_id="dead_letters_confirm",
        tags=["runtime"],
        summary="Say that messages did arrive",
        description=(
            "You have looked at the target, and they are there. They count as delivered by your word, with the reason; "
            "nothing is sent. Only what may have been sent is confirmed: what is asked about, of unknown outcome, or a "
            "dead letter with an earlier try that has no trustworthy answer. 409 `confirm.not_sent` where nothing is."
        ),
        parameters=[ENVIRONMENT],
        request=ConfirmSerializer,
        responses=shapes.CountSerializer,
    )
    def post(self, request: Request) -> Response:
        data = self.validated(ConfirmSerializer)
        given = {"reason": data["reason"], "reference": data["reference"]}
        with transaction.atomic():
            count = sum([confirming.confirm(one, actor=self.actor, **given) for one in self.chosen_as_seen(data)])
        return Response({"letters": count})
