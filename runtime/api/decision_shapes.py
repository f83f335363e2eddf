"""What people send and get when they decide about dead letters: one at a place, or a group."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from runtime.api.serializers import FiniteFloatField

SEEN = (
    "The `standing` of a dry run: what came since is left alone, and 409 `dead_letter.changed` where something of it "
    "was tried, edited or decided since."
)


class RedriveSerializer(serializers.Serializer[Any]):
    """Either a `group` of the list, or a `place` of one dead letter. `dry_run` sends nothing and changes nothing.
    `not_arrived`: you have looked at the target, and they are not there; nothing is asked, and `reason` is needed."""

    group = serializers.CharField(max_length=200, required=False)
    place = serializers.RegexField(r"^[0-9]{1,18}/[0-9]{1,5}/[0-9]{1,18}$", required=False)
    dry_run = serializers.BooleanField(default=True)
    rate = FiniteFloatField(required=False, allow_null=True, min_value=0.01, max_value=1000)
    reason = serializers.CharField(max_length=2000, required=False, allow_blank=True, default="")
    not_arrived = serializers.BooleanField(required=False, default=False)
    seen = serializers.CharField(max_length=150, required=False, help_text=SEEN)

    def validate(self, data: dict[str, Any]) -> dict[str, Any]:
        if bool(data.get("group")) == bool(data.get("place")):
            raise serializers.ValidationError("Name a group or the place of one dead letter, not both.")
        return data


class GiveUpSerializer(serializers.Serializer[Any]):
    group = serializers.CharField(max_length=200, required=False)
    place = serializers.RegexField(r"^[0-9]{1,18}/[0-9]{1,5}/[0-9]{1,18}$", required=False)
    reason = serializers.CharField(max_length=2000)
    seen = serializers.CharField(max_length=150, required=False, help_text=SEEN)

    def validate(self, data: dict[str, Any]) -> dict[str, Any]:
        if bool(data.get("group")) == bool(data.get("place")):
            raise serializers.ValidationError("Name a group or the place of one dead letter, not both.")
        return data


class RefusalCountSerializer(serializers.Serializer[Any]):
    reason = serializers.CharField()
    letters = serializers.IntegerField()


class RedriveResultSerializer(serializers.Serializer[Any]):
    dry_run = serializers.BooleanField()
    waits = serializers.CharField(allow_null=True, help_text="Why nothing goes at once; empty where nothing waits.")
    letters = serializers.IntegerField()
    would_map = serializers.IntegerField(allow_null=True)
    behind = serializers.IntegerField(allow_null=True)
    outcome_unknown = serializers.IntegerField(allow_null=True)
    fresh_keys = serializers.IntegerField(
        allow_null=True,
        help_text="Their key belongs to another message at the target: asked about first, then sent under a fresh key.",
    )
    not_askable = serializers.IntegerField(
        allow_null=True,
        help_text="They may have arrived and the target cannot be asked: only redriven with `not_arrived`.",
    )
    key_forgotten = serializers.IntegerField(
        allow_null=True,
        help_text="They may have arrived under a key that the target has forgotten: they come back to a person.",
    )
    unproven = serializers.IntegerField(
        allow_null=True,
        help_text="An earlier try has no answer that can be trusted: asked about first, or a person has to decide.",
    )
    still_refused = RefusalCountSerializer(many=True)
    standing = serializers.CharField(
        allow_null=True, help_text="Of a dry run: given back as `seen`, the decision is made on this alone."
    )
