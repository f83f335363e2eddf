"""Shapes of bulk imports in the REST API."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from catalog.api.serializers import PlainText
from catalog.services.importing.target import STATES


class ImportFileSerializer(serializers.Serializer[Any]):
    name = PlainText(max_length=255)
    content = serializers.CharField(trim_whitespace=False, max_length=10 * 1024 * 1024)


class ImportSerializer(serializers.Serializer[Any]):
    files = ImportFileSerializer(many=True, max_length=200)  # type: ignore[call-arg]
    dry_run = serializers.BooleanField(default=True)
    owner_team = PlainText(max_length=60, required=False, allow_blank=True, default="")
    new_versions = serializers.ChoiceField(
        choices=STATES, default=STATES[0], help_text="State of new versions whose source says none."
    )
    people = serializers.BooleanField(
        default=False,
        help_text="Take people from User and Group of Backstage, for administrators: accounts of new ones, and places "
        "in teams that this source has brought.",
    )
    source_name = PlainText(
        max_length=200,
        required=False,
        allow_blank=True,
        default="",
        help_text="Name of the source that these files are the whole of: what it names no more is listed.",
    )


class LeavingSerializer(serializers.Serializer[Any]):
    source_name = PlainText(max_length=200)
    refs = serializers.ListField(
        child=PlainText(max_length=500),
        max_length=1000,
        required=False,
        default=list,
        help_text="Names as the report of an import says them; all that the source names no more where empty.",
    )
    choice = serializers.ChoiceField(
        choices=["retire", "keep"], help_text="Kept things belong to no source, and are not listed again."
    )
    dry_run = serializers.BooleanField(default=True)


class ImportRowSerializer(serializers.Serializer[Any]):
    source = serializers.CharField()  # type: ignore[assignment]
    outcome = serializers.CharField()
    reference = serializers.CharField()
    code = serializers.CharField()
    message = serializers.CharField()


class ImportRunSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    source = serializers.CharField()  # type: ignore[assignment]
    source_name = serializers.CharField()
    choice = serializers.CharField(help_text="Retire or keep; empty where files were imported.")
    dry_run = serializers.BooleanField()
    state = serializers.CharField()
    total = serializers.IntegerField(allow_null=True)
    done = serializers.IntegerField()
    created_at = serializers.DateTimeField()
    started_at = serializers.DateTimeField(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)
    error = serializers.CharField()
    rows = ImportRowSerializer(many=True)
