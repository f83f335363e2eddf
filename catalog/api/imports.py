"""Bulk imports: request one, read its progress and report."""

from __future__ import annotations

from typing import Any, Final

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from catalog.api import import_shapes as shapes
from catalog.api.base import CatalogView
from catalog.models import ImportRun
from catalog.selectors import imports as selectors
from catalog.services import importing
from catalog.services.importing.sources import ImportSource

MOST_ROWS: Final = 5000
_COLUMNS: Final = [
    "id",
    "source",
    "source_key",
    "choice",
    "dry_run",
    "state",
    "total",
    "done",
    "created_at",
    "started_at",
    "finished_at",
    "error",
]


class Imports(CatalogView):
    """Taken in at once (202), carried out by a worker; `Location` says where progress and report are read. The same
    request again, while the first is open, is answered with the same import."""

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
        sources = [ImportSource(f["name"], f["content"].encode()) for f in data["files"]]
        run = importing.request(
            sources,
            actor=self.person,
            source=data["source_name"] or "API",
            source_key=data["source_name"],
            dry_run=data["dry_run"],
            defaults={
                "owner_team": data["owner_team"],
                "state": data["new_versions"],
                "people": "yes" if data["people"] else "",
            },
        )
        return Response(_run(run), status=202, headers={"Location": f"/api/v1/imports/{run.pk}", "Retry-After": "2"})


class Leaving(CatalogView):
    """Carried out at once. What is in use stays, and says by what; a version that was published is ended by a
    decision."""

    @extend_schema(
        operation_id="imports_leaving",
        tags=["catalog"],
        summary="Retire or keep what a source names no more",
        request=shapes.LeavingSerializer,
        responses=shapes.ImportRunSerializer,
    )
    def post(self, request: Request) -> Response:
        data = self.validated(shapes.LeavingSerializer)
        run = importing.leave(
            data["source_name"], data["refs"], choice=data["choice"], actor=self.person, dry_run=data["dry_run"]
        )
        return Response(_run(run))


class ImportDetail(CatalogView):
    @extend_schema(
        operation_id="imports_read",
        tags=["catalog"],
        summary="Progress and report of an import",
        responses=shapes.ImportRunSerializer,
    )
    def get(self, request: Request, run_id: int) -> Response:
        return Response(_run(selectors.one(self.viewer, run_id)))


def _run(run: ImportRun) -> dict[str, Any]:
    values = {name: getattr(run, name) for name in _COLUMNS}
    values |= {"source_name": values.pop("source_key"), "rows": run.rows.all()[:MOST_ROWS]}
    body: dict[str, Any] = dict(shapes.ImportRunSerializer(values).data)
    return body
