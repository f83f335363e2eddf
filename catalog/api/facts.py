"""What stands around APIs: search, systems of record, systems, teams, dependencies, scorecards, imports."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework import generics
from rest_framework.request import Request
from rest_framework.response import Response

from catalog import permissions
from catalog.api import serializers as shapes
from catalog.api.base import IF_MATCH, CatalogView, conditional, etag_of, require_match
from catalog.domain import browse as criteria_of
from catalog.domain.browse import FACETS
from catalog.models import Dependency, ImportRun
from catalog.selectors import apis, boundaries, scorecards, search, systems, teams
from catalog.services import apis as api_changes
from catalog.services import importing
from catalog.services.importing.sources import Source
from kernel import clock
from kernel.errors import Forbidden, Invalid, NotFound, finding


class Search(CatalogView):
    """The browse page as data: the same parameters, the same counts."""

    @extend_schema(
        operation_id="search",
        tags=["catalog"],
        summary="Search with facets",
        responses=shapes.SearchSerializer,
        parameters=[
            OpenApiParameter("q", str),
            *(OpenApiParameter(f, str, many=True) for f in FACETS),
            OpenApiParameter("sort", str, enum=list(criteria_of.SORTS)),
            OpenApiParameter("page", int),
        ],
    )
    def get(self, request: Request) -> Response:
        given = request.query_params
        criteria = criteria_of.criteria(given.dict(), {k: given.getlist(k) for k in given})
        found = search.browse(criteria, viewer=self.viewer)
        body = {
            "total": found.total,
            "page": criteria.page,
            "pages": found.pages,
            "loose": found.loose,
            "corrected": found.understood.corrected,
            "facets": {k: [{"value": v, "count": n} for v, n in counts] for k, counts in found.facets.items()},
            "results": found.rows,
        }
        return Response(shapes.SearchSerializer(body).data)


class SystemsOfRecord(CatalogView):
    @extend_schema(
        operation_id="systems_of_record",
        tags=["catalog"],
        summary="Who is right about what, at a time",
        responses=shapes.BoundarySerializer(many=True),
        parameters=[OpenApiParameter("at", datetime), OpenApiParameter("entity", str)],
    )
    def get(self, request: Request) -> Response:
        entity = request.query_params.get("entity", "")
        found = boundaries.all_at(_moment(request.query_params.get("at")))
        return conditional(
            request, [dict(shapes.BoundarySerializer(b).data) for b in found if not entity or b.entity == entity]
        )


def _moment(text: str | None) -> datetime:
    if not text:
        return clock.now()
    try:
        made = datetime.fromisoformat(text.replace(" ", "+"))
        return made.astimezone(UTC) if made.tzinfo else made.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise Invalid(
            "request.at", "A moment in ISO 8601.", {"findings": [finding("/at", "2026-11-23T18:00:00Z")]}
        ) from None


class Systems(CatalogView):
    @extend_schema(
        operation_id="systems_list", tags=["catalog"], summary="Systems", responses=shapes.SystemSerializer(many=True)
    )
    def get(self, request: Request) -> Response:
        return conditional(request, [dict(shapes.SystemSerializer(s).data) for s in systems.all_systems()])


class Teams(CatalogView):
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
        return Dependency.objects.filter(api__in=permissions.visible(self.viewer)).select_related(
            "api", "target_api", "target_system"
        )

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
        rows = Dependency.objects.filter(api__in=permissions.visible(self.viewer)).select_related(
            "api", "target_api", "target_system"
        )
        found = rows.filter(pk=dependency_id).first()
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


class Imports(CatalogView):
    """Taken in at once (202), carried out by a worker; `Location` says where progress and report are read. The same request again,
    while the first is open, is answered with the same import."""

    @extend_schema(
        operation_id="imports_run",
        tags=["catalog"],
        summary="Import files of an estate",
        request=shapes.ImportSerializer,
        responses={202: shapes.ImportRunSerializer},
        examples=[
            OpenApiExample(
                "Dry",
                value={"dry_run": True, "files": [{"name": "adyen/checkout-v72.json", "content": "{}"}]},
                request_only=True,
            )
        ],
    )
    def post(self, request: Request) -> Response:
        data = self.validated(shapes.ImportSerializer)
        sources = [Source(f["name"], f["content"].encode()) for f in data["files"]]
        run = importing.ask(
            sources,
            actor=self.person,
            source="API",
            dry_run=data["dry_run"],
            defaults={"owner_team": data["owner_team"]},
        )
        return Response(_run(run), status=202, headers={"Location": f"/api/v1/imports/{run.pk}", "Retry-After": "2"})


class ImportDetail(CatalogView):
    @extend_schema(
        operation_id="imports_read",
        tags=["catalog"],
        summary="Progress and report of an import",
        responses=shapes.ImportRunSerializer,
    )
    def get(self, request: Request, run_id: int) -> Response:
        allowed = permissions.may_steward(self.viewer)
        run = ImportRun.objects.filter(pk=run_id).first()
        if run is None:
            raise NotFound("import.unknown", f"There is no import {run_id}.")
        if not allowed and run.actor_id != self.viewer.id:
            raise Forbidden("import.not_yours", allowed.reason)
        return Response(_run(run))


def _run(run: ImportRun) -> dict[str, Any]:
    body: dict[str, Any] = dict(
        shapes.ImportRunSerializer(
            {
                **{
                    f: getattr(run, f)
                    for f in (
                        "id",
                        "source",
                        "dry_run",
                        "state",
                        "total",
                        "done",
                        "created_at",
                        "started_at",
                        "finished_at",
                        "error",
                    )
                },
                "rows": run.rows.all()[:5000],
            }
        ).data
    )
    return body
