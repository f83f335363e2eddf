"""APIs: list, register, read, change, change many."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import generics
from rest_framework.request import Request
from rest_framework.response import Response

from catalog import permissions
from catalog.api import serializers as shapes
from catalog.api.base import IF_MATCH, CatalogView, conditional, content_of, etag_of, require_match
from catalog.api.filters import ApiFilter
from catalog.models import Api, ApiSearch
from catalog.selectors import apis
from catalog.selectors.lifecycle_headers import absolute
from catalog.services import apis as api_changes
from catalog.services import audit_snapshots, registration
from kernel.access import decider
from kernel.errors import DomainError, Stale
from kernel.models import User
from kernel.pagination import Cursor
from kernel.viewer import Viewer

_EXAMPLE = {
    "slug": "gift-card",
    "name": "Gift card",
    "label": "v1",
    "owner_team": "payments",
    "domain": "payment",
    "layer": "process",
    "tier": 0,
    "data_class": "personal",
    "purpose": "Balance, top-up and redemption of gift cards.",
    "entities": [{"entity": "tender", "access": "command"}],
    "file_name": "gift-card.yaml",
    "content": "openapi: 3.1.0\ninfo: {title: Gift card, version: '1'}\npaths: {}\n",
}


class NameCursor(Cursor):
    ordering = ("name", "api_id")  # type: ignore[assignment]


def representation(api: Api, *, viewer: Viewer) -> dict[str, Any]:
    """The body of one API; `may_change` and the versions depend on who looks."""
    versions = apis.versions_of(api, viewer=viewer)
    here = apis.current(versions)
    links = [
        {"rel": "self", "href": absolute(f"/api/v1/apis/{api.slug}")},
        {"rel": "service-doc", "href": absolute(f"/catalog/apis/{api.slug}/")},
    ]
    if here and here.digest:
        links.append({"rel": "service-desc", "href": absolute(f"/api/v1/contracts/{here.digest}")})
    if api.status_url:
        links.append({"rel": "status", "href": api.status_url})
    body = audit_snapshots.of_api(api)
    body["entities"] = [{"entity": e, "attribute_group": g, "access": a} for e, g, a in body["entities"]]
    body.pop("retired_at")
    return body | {
        "versions": [{"label": v.label, "state": v.state} for v in versions],
        "may_change": bool(permissions.may_change_api(viewer, api)),
        "links": links,
    }


class ApiList(CatalogView, generics.ListAPIView):  # type: ignore[type-arg]
    """Every API that the caller may see."""

    serializer_class = shapes.ApiLineSerializer
    pagination_class = NameCursor
    filterset_class = ApiFilter

    def get_queryset(self) -> Any:
        if getattr(self, "swagger_fake_view", False):
            return ApiSearch.objects.none()
        columns = (
            "api_id",
            "slug",
            "name",
            "purpose",
            "domain",
            "team",
            "layer",
            "style",
            "tier",
            "data_class",
            "system",
            "restricted",
            "judged",
            "versions",
            "consumers",
            "calls",
            "changed_at",
        )
        return ApiSearch.objects.filter(permissions.seen_by(self.viewer)).values(*columns)

    @extend_schema(operation_id="apis_list", tags=["catalog"], summary="List APIs")
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().get(request, *args, **kwargs)

    @extend_schema(
        operation_id="apis_register",
        tags=["catalog"],
        summary="Register an API with its first contract, as a draft",
        request=shapes.ApiCreateSerializer,
        responses={201: shapes.ApiSerializer},
        filters=False,
        examples=[OpenApiExample("Gift card", value=_EXAMPLE, request_only=True)],
    )
    def post(self, request: Request) -> Response:
        data = self.validated(shapes.ApiCreateSerializer)
        content, file_name = content_of(data)
        values = {
            k: v
            for k, v in data.items()
            if k not in ("slug", "label", "entities", "content", "content_base64", "file_name")
        }
        registration.register(
            actor=self.person,
            content=content,
            file_name=file_name,
            slug=data["slug"],
            label=data["label"],
            entities=[dict(e) for e in data.get("entities", [])],
            **values,
        )
        body = representation(apis.find(data["slug"], viewer=self.viewer), viewer=self.viewer)
        return Response(body, status=201, headers={"Location": f"/api/v1/apis/{data['slug']}", "ETag": etag_of(body)})


class ApiDetail(CatalogView):
    @extend_schema(operation_id="apis_read", tags=["catalog"], summary="One API", responses=shapes.ApiSerializer)
    def get(self, request: Request, slug: str) -> Response:
        return conditional(request, representation(apis.find(slug, viewer=self.viewer), viewer=self.viewer))

    @extend_schema(
        operation_id="apis_change",
        tags=["catalog"],
        summary="Change an API's own facts",
        request=shapes.ApiWriteSerializer,
        responses=shapes.ApiSerializer,
        parameters=[IF_MATCH],
        examples=[
            OpenApiExample(
                "Another purpose",
                value={"purpose": "One price for one item, one store, one moment."},
                request_only=True,
            )
        ],
    )
    def patch(self, request: Request, slug: str) -> Response:
        data = self.validated(shapes.ApiWriteSerializer)
        body = representation(_change(slug, data, request, self.viewer, self.person), viewer=self.viewer)
        return Response(body, headers={"ETag": etag_of(body)})


def _change(slug: str, data: dict[str, Any], request: Request, viewer: Viewer, actor: User, *, tag: str = "") -> Api:
    """The changed API, also where it now belongs to a team whose restricted APIs the caller may not see."""

    def check(api: Api) -> None:
        present = etag_of(representation(api, viewer=viewer))
        if tag and tag not in ("*", present, present.strip('"')):
            raise Stale("request.stale", f"{api.slug} has changed since you read it.", {"etag": present})
        if not tag:
            require_match(request, present)

    uses = [dict(e) for e in data["entities"]] if "entities" in data else None
    values = {k: v for k, v in data.items() if k not in ("entities", "slug", "etag")}
    return api_changes.change(
        slug, values=values, actor=actor, entities=uses, check=check, decides=lambda: decider(request)
    )


class ApiBulk(CatalogView):
    """Up to 500 changes in one call. Each line succeeds or fails alone; the answer has the status of each."""

    @extend_schema(
        operation_id="apis_change_many",
        tags=["catalog"],
        summary="Change many APIs",
        request=shapes.ApiBulkSerializer,
        responses={207: shapes.BulkAnswerSerializer},
        examples=[
            OpenApiExample(
                "Two owners",
                value={"items": [{"slug": "adyen-checkout", "owner_team": "payments", "tier": 0}]},
                request_only=True,
            )
        ],
    )
    def post(self, request: Request) -> Response:
        data = self.validated(shapes.ApiBulkSerializer)
        lines = []
        for item in data["items"]:
            slug = item["slug"]
            try:
                with transaction.atomic():
                    changed = _change(slug, item, request, self.viewer, self.person, tag=item.get("etag", "*"))
                tag = etag_of(representation(changed, viewer=self.viewer))
                lines.append({"slug": slug, "status": 200, "etag": tag, "problem": None})
            except DomainError as error:
                lines.append(
                    {
                        "slug": slug,
                        "status": error.status,
                        "etag": "",
                        "problem": {"code": error.code, "title": error.title, "detail": error.message, **error.data},
                    }
                )
        done = sum(1 for line in lines if line["status"] == 200)
        return Response({"changed": done, "refused": len(lines) - done, "items": lines}, status=207)


class ApiEnforcement(CatalogView):
    """The day from which the gate blocks imported APIs instead of reporting; for architects, and never a later day."""

    @extend_schema(
        operation_id="apis_enforce",
        tags=["catalog"],
        summary="Date the switch to enforcing",
        request=shapes.EnforcementSerializer,
        responses=shapes.EnforcedSerializer,
        examples=[
            OpenApiExample(
                "Two", value={"slugs": ["adyen-checkout", "klaviyo"], "at": "2027-04-01T00:00:00Z"}, request_only=True
            )
        ],
    )
    def post(self, request: Request) -> Response:
        data = self.validated(shapes.EnforcementSerializer)
        return Response({"enforced": api_changes.enforce_from(data["slugs"], at=data["at"], actor=self.person)})
