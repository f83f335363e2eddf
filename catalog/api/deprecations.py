"""Versions that end, for machines: the board, and the brown-outs that a provider's middleware obeys."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from catalog.api.base import CatalogView, conditional
from catalog.api.serializers import PlainText
from catalog.models import BrownOut
from catalog.selectors import apis, deprecations
from catalog.selectors.deprecations import EndingUse, EndingVersion
from catalog.selectors.lifecycle_headers import absolute, version_path
from catalog.services import brown_outs
from kernel import clock
from kernel.errors import NotFound
from kernel.moments import MomentField

MOST = 500


class BrownOutSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField(read_only=True)
    environment = PlainText(source="environment.key", max_length=60, help_text="Key of the environment")
    starts_at = MomentField()
    ends_at = MomentField(help_text="At most 24 hours after the begin")
    note = PlainText(max_length=300, required=False, allow_blank=True, default="")
    cancelled_at = serializers.DateTimeField(read_only=True, allow_null=True)


class EndingUseSerializer(serializers.Serializer[Any]):
    application = serializers.CharField(source="consumer.application_key")
    team = serializers.CharField(source="consumer.team_key", help_text="Empty where it has none")
    environment = serializers.CharField(source="consumer.environment")
    subscription = serializers.IntegerField(source="consumer.subscription_id", allow_null=True)
    state = serializers.CharField(source="consumer.state")
    since = serializers.DateTimeField(source="consumer.valid_from", allow_null=True)
    last_seen_at = serializers.DateTimeField(source="consumer.last_seen_at", allow_null=True)
    calls = serializers.IntegerField(source="consumer.calls", allow_null=True, help_text="In 30 days; null: no report")
    answer = serializers.ChoiceField(choices=["none", "owner", "promised", "late", "moved"])
    moves_on = serializers.DateField(source="consumer.moves_on", allow_null=True)
    moves_to = serializers.CharField(source="consumer.moves_to", help_text="Label; empty: it stops")
    told_at = serializers.DateTimeField(source="told.at", allow_null=True, default=None)


class EndingVersionSerializer(serializers.Serializer[Any]):
    version = serializers.CharField(help_text="Such as price-api@v2")
    owner_team = serializers.CharField(allow_null=True)
    state = serializers.CharField()
    deprecated_at = serializers.DateTimeField(allow_null=True)
    sunset_at = serializers.DateTimeField()
    successor = serializers.CharField(allow_null=True)
    page = serializers.CharField()
    past_sunset = serializers.BooleanField()
    unanswered = serializers.IntegerField()
    consumers = EndingUseSerializer(many=True)
    brown_outs = BrownOutSerializer(many=True)


class DeprecationList(CatalogView):
    """At most 500 versions, what ends first first."""

    @extend_schema(
        operation_id="deprecations_list",
        tags=["catalog"],
        summary="Versions that end, with their consumers, answers and brown-outs",
        parameters=[
            OpenApiParameter("api", str, description="Slug of an API, repeatable; without it all"),
            OpenApiParameter("mine", bool, description="Only what a team of the caller owns or uses"),
        ],
        responses=EndingVersionSerializer(many=True),
    )
    def get(self, request: Request) -> Response:
        mine = request.query_params.get("mine", "").lower() in ("1", "true")
        rows = deprecations.ending(viewer=self.viewer, mine=mine)
        wanted = [slug.replace("\x00", "")[:100] for slug in request.query_params.getlist("api")]
        if wanted:
            rows = rows.filter(api__slug__in=wanted)
        found = deprecations.with_uses(rows[:MOST], clock.now(), viewer=self.viewer)
        return conditional(request, [_body(item) for item in found])


class BrownOuts(CatalogView):
    @extend_schema(
        operation_id="brown_outs_list",
        tags=["catalog"],
        summary="Brown-outs of a version, cancelled and past ones too",
        responses=BrownOutSerializer(many=True),
    )
    def get(self, request: Request, slug: str, label: str) -> Response:
        version = _version(slug, label, self)
        rows = BrownOut.objects.select_related("environment").filter(version=version)
        return conditional(request, [_brown_out(row) for row in rows])

    @extend_schema(
        operation_id="brown_outs_plan",
        tags=["catalog"],
        summary="Plan a brown-out; its consumers are told",
        request=BrownOutSerializer,
        responses={201: BrownOutSerializer},
        examples=[
            OpenApiExample(
                "An hour",
                request_only=True,
                value={
                    "environment": "production",
                    "starts_at": "2027-01-12T09:00:00Z",
                    "ends_at": "2027-01-12T10:00:00Z",
                    "note": "Two weeks before the sunset",
                },
            )
        ],
    )
    def post(self, request: Request, slug: str, label: str) -> Response:
        _version(slug, label, self)
        data = self.validated(BrownOutSerializer)
        made = brown_outs.plan(
            f"{slug}@{label}",
            actor=self.person,
            environment=data["environment"]["key"],
            starts_at=data["starts_at"],
            ends_at=data["ends_at"],
            note=data["note"],
        )
        return Response(_brown_out(made), status=201)


class BrownOutCancellation(CatalogView):
    """Idempotent."""

    @extend_schema(
        operation_id="brown_outs_cancel",
        tags=["catalog"],
        summary="Cancel a brown-out; its consumers are told",
        request=None,
        responses=BrownOutSerializer,
    )
    def post(self, request: Request, slug: str, label: str, brown_out_id: int) -> Response:
        _version(slug, label, self)
        return Response(_brown_out(brown_outs.cancel(f"{slug}@{label}", brown_out_id, actor=self.person)))


def _version(slug: str, label: str, view: CatalogView) -> int:
    """The id of a version that the caller may see."""
    api = apis.find(slug, viewer=view.viewer)
    found = next((v.id for v in apis.versions_of(api, viewer=view.viewer) if v.label == label), None)
    if found is None:
        raise NotFound("version.unknown", f"{slug} has no version {label[:100]!r}, or you may not see it.")
    return found


def _brown_out(row: BrownOut) -> dict[str, Any]:
    return dict(BrownOutSerializer(row).data)


def _use(use: EndingUse) -> dict[str, Any]:
    return dict(EndingUseSerializer(use).data)


def _body(item: EndingVersion) -> dict[str, Any]:
    version = item.version
    return {
        "version": str(version),
        "owner_team": version.api.owner_team.key if version.api.owner_team else None,
        "state": version.state,
        "deprecated_at": version.deprecated_at,
        "sunset_at": version.sunset_at,
        "successor": str(version.successor) if version.successor else None,
        "page": absolute(version_path(str(version))),
        "past_sunset": item.past,
        "unanswered": item.unanswered,
        "consumers": [_use(use) for use in item.uses],
        "brown_outs": [_brown_out(row) for row in item.brown_outs],
    }
