"""Shapes of pipeline connections in the REST API."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from governance.models import PipelineConnection, PipelineMapping, PipelineReview


class PipelineInput(serializers.Serializer[Any]):
    """See docs/how-to/connect-a-pipeline.md. Secrets are named, never sent."""

    key = serializers.CharField(max_length=60)
    name = serializers.CharField(max_length=80)
    provider = serializers.ChoiceField(choices=PipelineConnection.Provider.values)
    api_url = serializers.CharField(max_length=300)
    app_id = serializers.CharField(max_length=60, required=False, allow_blank=True)
    webhook_secret_ref = serializers.CharField(max_length=200)
    old_webhook_secret_ref = serializers.CharField(max_length=200, required=False, allow_blank=True)
    credential_ref = serializers.CharField(max_length=200)
    owner_team = serializers.CharField(max_length=100)
    wait_minutes = serializers.IntegerField(required=False)
    at_the_end = serializers.ChoiceField(choices=PipelineConnection.AtTheEnd.values, required=False)
    tells_reasons = serializers.BooleanField(required=False)


class PipelineOutput(serializers.ModelSerializer[PipelineConnection]):
    """`fault` says what is wrong with it now; `refused_at` when a webhook last came with a wrong signature."""

    owner_team = serializers.CharField(source="owner_team.name")
    proposed_by = serializers.CharField(source="proposed_by.username")
    confirmed_by = serializers.CharField(source="confirmed_by.username", default=None)

    class Meta:
        model = PipelineConnection
        fields = [
            "key",
            "name",
            "provider",
            "api_url",
            "app_id",
            "webhook_secret_ref",
            "old_webhook_secret_ref",
            "credential_ref",
            "owner_team",
            "wait_minutes",
            "at_the_end",
            "tells_reasons",
            "proposed_by",
            "proposed_at",
            "confirmed_by",
            "confirmed_at",
            "ended_at",
            "fault",
            "fault_at",
            "refused_at",
        ]


class MappingInput(serializers.Serializer[Any]):
    """`repository_id` is the provider's number; `place` an environment of GitHub, or the branch that GitLab merges
    into."""

    repository_id = serializers.IntegerField()
    repository = serializers.CharField(max_length=255)
    place = serializers.CharField(max_length=255)
    application = serializers.CharField(max_length=200)
    environment = serializers.CharField(max_length=60)


class MappingOutput(serializers.ModelSerializer[PipelineMapping]):
    proposed_by = serializers.CharField(source="proposed_by.username")
    confirmed_by = serializers.CharField(source="confirmed_by.username", default=None)

    class Meta:
        model = PipelineMapping
        fields = [
            "id",
            "repository_id",
            "repository",
            "place",
            "application",
            "environment",
            "proposed_by",
            "proposed_at",
            "confirmed_by",
            "confirmed_at",
            "ended_at",
        ]


class PipelineReviewOutput(serializers.ModelSerializer[PipelineReview]):
    """`word` is the last ruling: passed, failed or pending; `state` says what became of it."""

    verdict_ids = serializers.ListField(child=serializers.IntegerField())

    class Meta:
        model = PipelineReview
        fields = [
            "id",
            "repository_id",
            "repository",
            "place",
            "sha",
            "ref",
            "facts",
            "state",
            "word",
            "why",
            "verdict_ids",
            "asked",
            "attempts",
            "next_at",
            "waits_until",
            "last_status",
            "last_error",
            "created_at",
            "ended_at",
        ]


class ReceivedOutput(serializers.Serializer[Any]):
    """`outcome` is taken or ignored; `repeated`: it was here before, and nothing happens twice."""

    outcome = serializers.CharField()
    review = serializers.IntegerField(source="review_id", allow_null=True)
    repeated = serializers.BooleanField()
    why = serializers.CharField()
