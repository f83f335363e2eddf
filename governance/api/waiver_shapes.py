"""Shapes of waivers over HTTP: what is asked, and what is told of those that are there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from governance.models import Waiver
from governance.selectors import waiver_standings
from governance.selectors.waiver_standings import WaiverStanding
from kernel import clock
from kernel.moments import MomentField
from kernel.viewer import Viewer


class WaiverOutput(serializers.ModelSerializer[Waiver]):
    """`binds` says what `subject_digest` is of: the contract, the release, or other content that its approvers saw; and
    the words of the check that it covers. `holds` is whether it sets anything aside now, `why_not` why it does not."""

    subject_digest = serializers.SerializerMethodField()
    binds = serializers.SerializerMethodField()
    said = serializers.SerializerMethodField()
    holds = serializers.SerializerMethodField()
    why_not = serializers.SerializerMethodField()

    class Meta:
        model = Waiver
        fields = [
            "id",
            "rule",
            "pointer",
            "subject_kind",
            "subject_id",
            "subject_digest",
            "binds",
            "said",
            "application",
            "environment",
            "reason",
            "starts_at",
            "expires_at",
            "state",
            "holds",
            "why_not",
            "digest",
            "granted_at",
            "revoked_at",
        ]

    @extend_schema_field(serializers.CharField(allow_null=True, help_text="Null: it binds none"))
    def get_subject_digest(self, waiver: Waiver) -> str | None:
        return self._standing(waiver).digest if waiver.subject_digest is None else waiver.subject_digest

    @extend_schema_field(serializers.ChoiceField(choices=["contract", "release", "content", ""]))
    def get_binds(self, waiver: Waiver) -> str:
        return self._standing(waiver).binds

    @extend_schema_field(serializers.ListField(child=serializers.CharField()))
    def get_said(self, waiver: Waiver) -> list[str]:
        return list(self._standing(waiver).said)

    def get_holds(self, waiver: Waiver) -> bool:
        return not self.get_why_not(waiver)

    def get_why_not(self, waiver: Waiver) -> str:
        if waiver.state != Waiver.State.GRANTED:
            return f"It is {waiver.get_state_display().lower()}."
        if waiver.expires_at <= clock.now():
            return f"It ended on {waiver.expires_at:%d %b %Y %H:%M} UTC."
        return self._standing(waiver).lapsed

    def _standing(self, waiver: Waiver) -> WaiverStanding:
        found: WaiverStanding = self.context["standings"][waiver.pk]
        return found


def told(rows: Sequence[Waiver], viewer: Viewer) -> dict[str, Any]:
    """The context of `WaiverOutput` for these rows."""
    return {"standings": waiver_standings.standings(rows, viewer)}


class WaiverInput(serializers.Serializer[Any]):
    rule = serializers.CharField(max_length=100)
    pointer = serializers.CharField(max_length=500, required=False, default="", allow_blank=True)
    subject_kind = serializers.CharField(max_length=60)
    subject_id = serializers.CharField(max_length=200)
    subject_digest = serializers.CharField(
        max_length=71,
        required=False,
        default="",
        allow_blank=True,
        help_text="What it is for. Empty: at the gate what there is now, of a finding the content that has it",
    )
    application = serializers.CharField(
        max_length=200, required=False, default="", allow_blank=True, help_text="Who may pass; for rules of the gate"
    )
    environment = serializers.CharField(max_length=60)
    reason = serializers.CharField(max_length=20_000)
    expires_at = MomentField()
