"""Shapes of refusals, for the API's description."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from runtime.api.serializers import IntakeReceiptSerializer


class ProblemFindingSerializer(serializers.Serializer[Any]):
    pointer = serializers.CharField(help_text="where in the body (RFC 6901)")
    message = serializers.CharField()
    code = serializers.CharField(required=False)
    key = serializers.CharField(required=False)


class ProblemSerializer(serializers.Serializer[Any]):
    """RFC 9457; `code` is stable for machines, `detail` says what to do."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField()
    code = serializers.CharField()
    request_id = serializers.CharField(required=False)
    findings = ProblemFindingSerializer(many=True, required=False)


class IntakeProblemSerializer(ProblemSerializer):
    """With `receipts`: what became of each item; without: nothing was stored, the body was wrong as a whole."""

    accepted = serializers.IntegerField(required=False)
    duplicate = serializers.IntegerField(required=False)
    conflict = serializers.IntegerField(required=False)
    refused = serializers.IntegerField(required=False)
    older = serializers.IntegerField(required=False)
    receipts = IntakeReceiptSerializer(many=True, required=False)
