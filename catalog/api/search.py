"""Search with facets."""

from __future__ import annotations

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from catalog.api import serializers as shapes
from catalog.api.base import CatalogView
from catalog.domain import search_criteria
from catalog.domain.search_criteria import FACETS
from catalog.selectors import search


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
            OpenApiParameter("sort", str, enum=list(search_criteria.SORTS)),
            OpenApiParameter("page", int),
        ],
    )
    def get(self, request: Request) -> Response:
        given = request.query_params
        criteria = search_criteria.read_criteria(given.dict(), {k: given.getlist(k) for k in given})
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
