"""Campaigns for machines."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import generics, serializers
from rest_framework.request import Request
from rest_framework.response import Response

from catalog.api.base import IF_MATCH, CatalogView, conditional, etag_of, require_match
from catalog.api.serializers import PlainText
from catalog.domain.scorecards import POINTS
from catalog.models import Campaign, Team
from catalog.services import campaigns
from kernel.errors import NotFound


class CampaignSerializer(serializers.Serializer[Any]):
    """`point` is a key of the scorecard; the campaign is reached when it holds for every API to which it applies."""

    key = PlainText(max_length=60)
    name = PlainText(max_length=160)
    point = serializers.ChoiceField(choices=list(POINTS))
    due_on = serializers.DateField()
    purpose = PlainText(max_length=4000, required=False, allow_blank=True, default="")
    owner_team = serializers.SlugRelatedField(
        slug_field="key", queryset=Team.objects.filter(retired_at=None), required=False, allow_null=True, default=None
    )
    ended_at = serializers.DateTimeField(read_only=True, allow_null=True)

    class Meta:
        model = Campaign


class CampaignChangeSerializer(CampaignSerializer):
    key = None  # type: ignore[assignment]
    ended = serializers.BooleanField(required=False, write_only=True)


_EXAMPLE = {"key": "owners-2027", "name": "Everything has an owner", "point": "owner", "due_on": "2027-06-30"}


class CampaignList(CatalogView, generics.ListAPIView):  # type: ignore[type-arg]
    serializer_class = CampaignSerializer

    def get_queryset(self) -> Any:
        return Campaign.objects.select_related("owner_team")

    @extend_schema(operation_id="campaigns_list", tags=["catalog"], summary="Campaigns, ended ones too")
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().get(request, *args, **kwargs)

    @extend_schema(
        operation_id="campaigns_begin",
        tags=["catalog"],
        summary="Begin a campaign",
        request=CampaignSerializer,
        responses={201: CampaignSerializer},
        examples=[OpenApiExample("Owners", value=_EXAMPLE, request_only=True)],
    )
    def post(self, request: Request) -> Response:
        made = campaigns.begin(actor=self.person, **self.validated(CampaignSerializer))
        body = _body(made)
        return Response(body, status=201, headers={"Location": f"/api/v1/campaigns/{made.key}", "ETag": etag_of(body)})


class CampaignDetail(CatalogView):
    @extend_schema(
        operation_id="campaigns_read", tags=["catalog"], summary="One campaign", responses=CampaignSerializer
    )
    def get(self, request: Request, key: str) -> Response:
        found = Campaign.objects.select_related("owner_team").filter(key=key).first()
        if found is None:
            raise NotFound("campaign.unknown", f"There is no campaign {key!r}.")
        return conditional(request, _body(found))

    @extend_schema(
        operation_id="campaigns_change",
        tags=["catalog"],
        summary="Change, end or go on with a campaign",
        request=CampaignChangeSerializer,
        responses=CampaignSerializer,
        parameters=[IF_MATCH],
        examples=[OpenApiExample("Later", value={"due_on": "2027-09-30"}, request_only=True)],
    )
    def patch(self, request: Request, key: str) -> Response:
        data = self.validated(CampaignChangeSerializer, partial=True)
        row = campaigns.change(
            key, actor=self.person, values=data, check=lambda present: require_match(request, etag_of(_body(present)))
        )
        body = _body(row)
        return Response(body, headers={"ETag": etag_of(body)})


def _body(row: Campaign) -> dict[str, Any]:
    return dict(CampaignSerializer(row).data)
