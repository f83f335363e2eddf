"""What surrounds APIs: systems of record, systems, teams, dependencies, scorecards."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework import generics
from rest_framework.request import Request
from rest_framework.response import Response

from catalog.api import estate
from catalog.api import serializers as shapes
from catalog.api.base import IF_MATCH, CatalogView, conditional, etag_of, require_match
from catalog.models import Dependency
from catalog.selectors import apis, boundaries, dependencies, scorecards, systems, teams
from catalog.services import apis as api_changes
from catalog.services import landscape
from kernel import clock, moments
from kernel.access import decider
from kernel.errors import Invalid, NotFound, finding


class SystemsOfRecord(CatalogView):
    scopes = {"POST": "governance:write"}

    @extend_schema(
        operation_id="systems_of_record",
        tags=["catalog"],
        summary="Which system owns which data, at a time",
        responses=shapes.BoundarySerializer(many=True),
        parameters=[OpenApiParameter("at", datetime), OpenApiParameter("entity", str)],
    )
    def get(self, request: Request) -> Response:
        entity = request.query_params.get("entity", "")
        found = boundaries.all_at(_moment(request.query_params.get("at")))
        return conditional(
            request, [dict(shapes.BoundarySerializer(b).data) for b in found if not entity or b.entity == entity]
        )

    @extend_schema(
        operation_id="systems_of_record_propose",
        tags=["catalog"],
        summary="Propose which system is right about an entity",
        description=(
            "Opens the draft of a change of the kind `boundary.move`, also where no system is right about it yet; it "
            "takes effect once it is approved and applied. A proposal that is open already is answered as it is. Names "
            "that do not exist, the record of today, and a record that begins later are findings. A token needs the "
            "scope `governance:write`."
        ),
        request=estate.RecordProposalSerializer,
        responses={201: estate.ProposedSerializer},
        examples=[
            OpenApiExample(
                "The first one",
                value={"entity": "gift-card", "system": "erp", "justification": "The ERP issues them."},
                request_only=True,
            )
        ],
    )
    def post(self, request: Request) -> Response:
        return estate.propose_record(self, request)


def _moment(text: str | None) -> datetime:
    if not text:
        return clock.now()
    made = moments.read(text.replace(" ", "+"))
    if made is None:
        raise Invalid("request.at", "A moment in ISO 8601.", {"findings": [finding("/at", moments.WITH_ZONE)]})
    return made.astimezone(UTC)


class SystemList(CatalogView):
    @extend_schema(
        operation_id="systems_list", tags=["catalog"], summary="Systems", responses=shapes.SystemSerializer(many=True)
    )
    def get(self, request: Request) -> Response:
        return conditional(request, [dict(shapes.SystemSerializer(s).data) for s in systems.all_systems()])

    @extend_schema(
        operation_id="systems_register",
        tags=["catalog"],
        summary="Register a system, for a team of one's own; architects for any",
        description="Where it answers is said afterwards: `PUT /api/v1/systems/{key}/endpoints/{environment}`.",
        request=estate.SystemDetailSerializer,
        responses={201: estate.SystemDetailSerializer},
        examples=[
            OpenApiExample(
                "A warehouse",
                value={
                    "key": "wms",
                    "name": "Warehouse",
                    "vendor": "Example",
                    "kind": "wms",
                    "owner_team": "logistics",
                },
                request_only=True,
            )
        ],
    )
    def post(self, request: Request) -> Response:
        data = self.validated(estate.SystemDetailSerializer)
        made = landscape.register_system(
            actor=self.person,
            key=data.pop("key"),
            third_party=data.pop("third_party", None),
            values=data,
            decides=lambda: decider(request),
        )
        body = estate.of_system(made)
        return Response(body, status=201, headers={"ETag": etag_of(body), "Location": f"/api/v1/systems/{made.key}"})


class TeamList(CatalogView):
    @extend_schema(
        operation_id="teams_list", tags=["catalog"], summary="Teams", responses=shapes.TeamSerializer(many=True)
    )
    def get(self, request: Request) -> Response:
        return conditional(request, [dict(shapes.TeamSerializer(t).data) for t in teams.all_teams()])


class DependencyList(CatalogView, generics.ListAPIView):  # type: ignore[type-arg]
    serializer_class = shapes.DependencySerializer
    filterset_fields = {"api__slug": ["exact"], "target_api__slug": ["exact"], "target_system__key": ["exact"]}

    def get_queryset(self) -> Any:
        if getattr(self, "swagger_fake_view", False):
            return Dependency.objects.none()
        return dependencies.seen(self.viewer)

    @extend_schema(operation_id="dependencies_list", tags=["catalog"], summary="What needs what")
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().get(request, *args, **kwargs)


class ApiDependencies(CatalogView):
    @extend_schema(
        operation_id="dependencies_state",
        tags=["catalog"],
        summary="State that an API needs something",
        request=shapes.DependencyWriteSerializer,
        responses={201: shapes.DependencySerializer},
        examples=[OpenApiExample("On an API", value={"needs": "base-price", "criticality": "hard"}, request_only=True)],
    )
    def post(self, request: Request, slug: str) -> Response:
        apis.find(slug, viewer=self.viewer)
        row = api_changes.add_dependency(slug, actor=self.person, **self.validated(shapes.DependencyWriteSerializer))
        return Response(shapes.DependencySerializer(row).data, status=201)


class DependencyDetail(CatalogView):
    @extend_schema(
        operation_id="dependencies_read",
        tags=["catalog"],
        summary="One dependency",
        responses=shapes.DependencySerializer,
    )
    def get(self, request: Request, dependency_id: int) -> Response:
        found = dependencies.seen(self.viewer).filter(pk=dependency_id).first()
        if found is None:
            raise NotFound("dependency.unknown", f"There is no dependency {dependency_id}, or you may not see it.")
        return conditional(request, dict(shapes.DependencySerializer(found).data))

    @extend_schema(
        operation_id="dependencies_drop",
        tags=["catalog"],
        summary="It does not need this any more",
        responses={204: None},
        request=None,
        parameters=[IF_MATCH],
    )
    def delete(self, request: Request, dependency_id: int) -> Response:
        api_changes.drop_dependency(
            dependency_id,
            actor=self.person,
            check=lambda row: require_match(request, etag_of(dict(shapes.DependencySerializer(row).data))),
        )
        return Response(status=204)


class ApiScorecard(CatalogView):
    """Advice, never the gate."""

    @extend_schema(
        operation_id="apis_scorecard",
        tags=["catalog"],
        summary="Scorecard of an API",
        responses=shapes.ScorecardSerializer,
    )
    def get(self, request: Request, slug: str) -> Response:
        api = apis.find(slug, viewer=self.viewer)
        return Response(shapes.ScorecardSerializer(scorecards.of_api(api.pk)).data)
