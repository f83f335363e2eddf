"""Systems and business entities one by one, as a blueprint writes them, and the proposal of a system of record."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from catalog.api.base import IF_MATCH, CatalogView, conditional, etag_of, require_match
from catalog.api.serializers import PlainText
from catalog.models import BusinessEntity, System
from catalog.services import boundary_proposals, landscape
from kernel.access import decider
from kernel.errors import NotFound
from kernel.moments import MomentField


class SystemDetailSerializer(serializers.Serializer[Any]):
    """`third_party` is said at registration, and later by `PUT …/provision`; both in a session. Null: nobody has said.
    Where the system answers is said by `PUT …/endpoints/{environment}`."""

    key = PlainText(max_length=60, help_text="Small letters, digits and hyphens. It never changes.")
    name = PlainText(max_length=120, required=False, help_text="The key, where it is left out")
    vendor = PlainText(max_length=120, required=False, allow_blank=True)
    kind = PlainText(max_length=40, required=False, allow_blank=True, help_text="erp, pos, loyalty, wms …")
    deployment = PlainText(
        max_length=20, required=False, allow_blank=True, help_text="cloud, on_premise, store_edge; empty: not said"
    )
    network_zone = PlainText(max_length=60, required=False, allow_blank=True)
    description = PlainText(max_length=2000, required=False, allow_blank=True)
    owner_team = PlainText(max_length=60, required=False, allow_null=True, help_text="Key of a team; null: nobody yet")
    third_party = serializers.BooleanField(required=False, allow_null=True)


class SystemChangeSerializer(SystemDetailSerializer):
    key = None  # type: ignore[assignment]
    third_party = None  # type: ignore[assignment]


class AttributeGroupSerializer(serializers.Serializer[Any]):
    key = PlainText(max_length=60)
    name = PlainText(max_length=120, required=False, allow_blank=True)


class EntitySerializer(serializers.Serializer[Any]):
    """A business entity. Attribute groups are parts that may have a system of record of their own; those that a change
    does not name stay."""

    key = PlainText(max_length=60, help_text="Small letters, digits and hyphens. It never changes.")
    name = PlainText(max_length=120, required=False, help_text="The key, where it is left out")
    domain = PlainText(max_length=60, required=False, allow_null=True, help_text="Key of a business domain")
    aliases = serializers.ListField(
        child=PlainText(max_length=60), required=False, max_length=50, help_text="Other words that contracts use for it"
    )
    attribute_groups = AttributeGroupSerializer(many=True, required=False)


class EntityChangeSerializer(EntitySerializer):
    key = None  # type: ignore[assignment]


class RecordProposalSerializer(serializers.Serializer[Any]):
    """Which system is to be right about an entity, or a part of it, from when on."""

    entity = PlainText(max_length=60)
    attribute_group = PlainText(max_length=60, required=False, allow_null=True, help_text="Null is all of it")
    scope = serializers.DictField(
        child=PlainText(max_length=60), required=False, help_text="banner, region, channel; left out: everywhere"
    )
    system = PlainText(max_length=60)
    valid_from = MomentField(required=False, help_text="Left out: now")
    justification = PlainText(max_length=4000)
    environment = PlainText(max_length=30, required=False, default="production")


class ProposedSerializer(serializers.Serializer[Any]):
    change = serializers.IntegerField()
    url = serializers.CharField()


def of_system(row: System) -> dict[str, Any]:
    values = {name: getattr(row, name) for name in landscape.SYSTEM_FIELDS} | {
        "key": row.key,
        "third_party": row.third_party,
        "owner_team": row.owner_team.key if row.owner_team else None,
    }
    return dict(SystemDetailSerializer(values).data)


def of_entity(row: BusinessEntity) -> dict[str, Any]:
    groups = [{"key": group.key, "name": group.name} for group in row.attribute_groups.all()]
    values = {
        "key": row.key,
        "name": row.name,
        "domain": row.domain.key if row.domain else None,
        "aliases": row.aliases,
        "attribute_groups": groups,
    }
    return dict(EntitySerializer(values).data)


class SystemDetail(CatalogView):
    @extend_schema(
        operation_id="systems_read", tags=["catalog"], summary="One system", responses=SystemDetailSerializer
    )
    def get(self, request: Request, key: str) -> Response:
        found = System.objects.select_related("owner_team").filter(key=key, retired_at=None).first()
        if found is None:
            raise NotFound("system.unknown", f"There is no system {key!r}.")
        return conditional(request, of_system(found))

    @extend_schema(
        operation_id="systems_change",
        tags=["catalog"],
        summary="Change what is said of a system; for its owner team, and architects. What is left out stays",
        description="Another owner team is said in a session, by somebody in both teams, or by an architect.",
        request=SystemChangeSerializer,
        responses=SystemDetailSerializer,
        parameters=[IF_MATCH],
    )
    def patch(self, request: Request, key: str) -> Response:
        changed = landscape.change_system(
            key,
            actor=self.person,
            values=self.validated(SystemChangeSerializer, partial=True),
            check=lambda row: require_match(request, etag_of(of_system(row))),
            decides=lambda: decider(request),
        )
        body = of_system(changed)
        return Response(body, headers={"ETag": etag_of(body)})


class EntityList(CatalogView):
    @extend_schema(
        operation_id="entities_list",
        tags=["catalog"],
        summary="Business entities and their attribute groups",
        responses=EntitySerializer(many=True),
    )
    def get(self, request: Request) -> Response:
        rows = BusinessEntity.objects.select_related("domain").prefetch_related("attribute_groups")
        return conditional(request, [of_entity(row) for row in rows])

    @extend_schema(
        operation_id="entities_register",
        tags=["catalog"],
        summary="Register a business entity; for architects, and for the owner of its domain",
        request=EntitySerializer,
        responses={201: EntitySerializer},
        examples=[
            OpenApiExample(
                "Gift card", value={"key": "gift-card", "name": "Gift card", "domain": "payment"}, request_only=True
            )
        ],
    )
    def post(self, request: Request) -> Response:
        data = self.validated(EntitySerializer)
        made = landscape.register_entity(actor=self.person, key=data.pop("key"), values=data)
        body = of_entity(made)
        return Response(body, status=201, headers={"ETag": etag_of(body), "Location": f"/api/v1/entities/{made.key}"})


class EntityDetail(CatalogView):
    @extend_schema(
        operation_id="entities_read", tags=["catalog"], summary="One business entity", responses=EntitySerializer
    )
    def get(self, request: Request, key: str) -> Response:
        found = BusinessEntity.objects.select_related("domain").filter(key=key).first()
        if found is None:
            raise NotFound("entity.unknown", f"There is no entity {key!r}.")
        return conditional(request, of_entity(found))

    @extend_schema(
        operation_id="entities_change",
        tags=["catalog"],
        summary="Change a business entity; what is left out stays, and so do attribute groups that are not named",
        request=EntityChangeSerializer,
        responses=EntitySerializer,
        parameters=[IF_MATCH],
    )
    def patch(self, request: Request, key: str) -> Response:
        changed = landscape.change_entity(
            key,
            actor=self.person,
            values=self.validated(EntityChangeSerializer, partial=True),
            check=lambda row: require_match(request, etag_of(of_entity(row))),
            decides=lambda: decider(request),
        )
        body = of_entity(changed)
        return Response(body, headers={"ETag": etag_of(body)})


def propose_record(view: CatalogView, request: Request) -> Response:
    """The draft of a change of the kind `boundary.move`."""
    number = boundary_proposals.propose(actor=view.person, **view.validated(RecordProposalSerializer))
    url = f"/api/v1/changes/{number}"
    return Response({"change": number, "url": url}, status=201, headers={"Location": url})
