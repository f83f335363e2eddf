"""Versions, their contracts, comparisons and consumers."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from catalog.api import serializers as shapes
from catalog.api.base import IF_MATCH, CatalogView, conditional, content_of, etag_of, require_match, tags
from catalog.domain.facts import VersionFacts
from catalog.models import ApiVersion, VersionEndpoint
from catalog.selectors import apis, consumers, contracts, successors, touched, versions
from catalog.selectors.lifecycle_headers import absolute, headers_of
from catalog.services import apis as api_changes
from catalog.services import contract_proposal, registration, version_changes
from kernel import clock
from kernel.errors import NotFound
from kernel.viewer import Viewer

_CONTRACT = {
    "content": "openapi: 3.1.0\ninfo: {title: Price, version: '3'}\npaths: {}\n",
    "file_name": "price-v3.yaml",
    "label": "v3",
}


def find(slug: str, label: str, *, viewer: Viewer) -> VersionFacts:
    """Raises NotFound for a version that is not there, or a draft of another team."""
    api = apis.find(slug, viewer=viewer)
    found = versions.by_reference(f"{slug}@{label}")
    if found is None or (found.state == "draft" and not apis.sees_drafts(viewer, api)):
        raise NotFound("version.unknown", f"{slug} has no version {label[:100]!r}, or you may not see it.")
    return successors.told(found, viewer)


def representation(facts: VersionFacts) -> dict[str, Any]:
    endpoints = dict(VersionEndpoint.objects.filter(version_id=facts.id).values_list("environment__key", "url"))
    links = [{"rel": "self", "href": absolute(f"/api/v1/apis/{facts.api_slug}/versions/{facts.label}")}]
    if facts.contract_digest:
        links.append({"rel": "service-desc", "href": absolute(f"/api/v1/contracts/{facts.contract_digest}")})
    if facts.successor_reference:
        slug, label = versions.split_reference(facts.successor_reference)
        links.append({"rel": "successor-version", "href": absolute(f"/api/v1/apis/{slug}/versions/{label}")})
    body: dict[str, Any] = shapes.VersionSerializer(
        {
            **asdict(facts),
            "judged": facts.judged,
            "predecessor": facts.predecessor_reference,
            "successor": facts.successor_reference,
            "endpoints": endpoints,
            "links": links,
        }
    ).data
    return dict(body)


def _present(version_id: int, viewer: Viewer) -> VersionFacts:
    """The version at this moment, as the viewer is told of it."""
    return successors.told(versions.facts(version_id), viewer)


def _tag(version_id: int, viewer: Viewer) -> str:
    """The entity tag of a version's representation at this moment."""
    return etag_of(representation(_present(version_id, viewer)))


class VersionList(CatalogView):
    @extend_schema(
        operation_id="versions_list",
        tags=["catalog"],
        summary="Versions of an API, newest first",
        responses=shapes.VersionSerializer(many=True),
    )
    def get(self, request: Request, slug: str) -> Response:
        api = apis.find(slug, viewer=self.viewer)
        seen = {v.reference for v in apis.versions_of(api, viewer=self.viewer)}
        listed = [f for f in reversed(versions.of_api(slug)) if f.reference in seen]
        return conditional(request, [representation(f) for f in successors.all_told(listed, self.viewer)])

    @extend_schema(
        operation_id="versions_add",
        tags=["catalog"],
        summary="Add a version, as a draft",
        request=shapes.VersionCreateSerializer,
        responses={201: shapes.VersionSerializer},
        examples=[OpenApiExample("v3", value=_CONTRACT, request_only=True)],
    )
    def post(self, request: Request, slug: str) -> Response:
        apis.find(slug, viewer=self.viewer)
        data = self.validated(shapes.VersionCreateSerializer)
        content, file_name = content_of(data)
        facts = registration.add_version(
            actor=self.person,
            slug=slug,
            content=content,
            file_name=file_name,
            label=data["label"],
            predecessor=data["predecessor"],
            released_on=data["released_on"],
            notes=data["notes"],
        )
        body = representation(facts)
        return Response(
            body, status=201, headers={"Location": f"/api/v1/apis/{slug}/versions/{facts.label}", "ETag": etag_of(body)}
        )


class VersionDetail(CatalogView):
    """Deprecation (RFC 9745), Sunset (RFC 8594) and Link headers say the same dates as the body."""

    @extend_schema(
        operation_id="versions_read", tags=["catalog"], summary="One version", responses=shapes.VersionSerializer
    )
    def get(self, request: Request, slug: str, label: str) -> Response:
        facts = find(slug, label, viewer=self.viewer)
        return conditional(request, representation(facts), headers=headers_of(facts))


class VersionContract(CatalogView):
    @extend_schema(
        operation_id="versions_contract",
        tags=["catalog"],
        summary="The contract in its original bytes",
        responses={(200, "*/*"): OpenApiTypes.BINARY, 304: None},
    )
    def get(self, request: Request, slug: str, label: str) -> HttpResponse:
        facts = find(slug, label, viewer=self.viewer)
        if facts.contract_digest is None:
            raise NotFound("contract.none", f"{facts.reference} has no contract yet.")
        return _bytes(request, facts.contract_digest, headers_of(facts))

    @extend_schema(
        operation_id="versions_revise_contract",
        tags=["catalog"],
        summary="Another contract for a version",
        request=shapes.ContentSerializer,
        responses=shapes.VersionSerializer,
        parameters=[IF_MATCH],
        examples=[
            OpenApiExample("Corrected", value={k: v for k, v in _CONTRACT.items() if k != "label"}, request_only=True)
        ],
    )
    def put(self, request: Request, slug: str, label: str) -> Response:
        facts = find(slug, label, viewer=self.viewer)
        data = self.validated(shapes.ContentSerializer)
        content, file_name = content_of(data)

        def check(present: ApiVersion) -> None:
            require_match(request, f'"{present.contract_id}"' if present.contract_id else _tag(present.pk, self.viewer))

        changed = version_changes.revise_contract(
            actor=self.person, reference=facts.reference, content=content, file_name=file_name, check=check
        )
        body = representation(successors.told(changed, self.viewer))
        return Response(body, headers={"ETag": f'"{changed.contract_digest}"'})


class VersionWithdraw(CatalogView):
    @extend_schema(
        operation_id="versions_withdraw",
        tags=["catalog"],
        summary="Withdraw a version that was never decided",
        request=shapes.ReasonSerializer,
        responses=shapes.VersionSerializer,
    )
    def post(self, request: Request, slug: str, label: str) -> Response:
        facts = find(slug, label, viewer=self.viewer)
        data = self.validated(shapes.ReasonSerializer)
        gone = version_changes.withdraw(actor=self.person, reference=facts.reference, reason=data["reason"])
        return Response(representation(successors.told(gone, self.viewer)))


class VersionEndpoints(CatalogView):
    @extend_schema(
        operation_id="versions_endpoint",
        tags=["catalog"],
        summary="Say where a version answers",
        request=shapes.EndpointSerializer,
        responses=shapes.VersionSerializer,
        parameters=[IF_MATCH],
    )
    def put(self, request: Request, slug: str, label: str) -> Response:
        facts = find(slug, label, viewer=self.viewer)
        data = self.validated(shapes.EndpointSerializer)
        api_changes.set_endpoint(
            facts.reference,
            environment=data["environment"],
            url=data["url"],
            actor=self.person,
            check=lambda present: require_match(request, _tag(present.pk, self.viewer)),
        )
        body = representation(_present(facts.id, self.viewer))
        return Response(body, headers={"ETag": etag_of(body)})


class VersionComparison(CatalogView):
    @extend_schema(
        operation_id="versions_compare",
        tags=["catalog"],
        summary="Compare with another version",
        responses=shapes.ComparisonSerializer,
        parameters=[
            OpenApiParameter("with", str, description="Label of the older version; the one before when left out")
        ],
    )
    def get(self, request: Request, slug: str, label: str) -> Response:
        facts = find(slug, label, viewer=self.viewer)
        other = (
            find(slug, request.query_params["with"], viewer=self.viewer)
            if request.query_params.get("with")
            else versions.neighbour_before(facts.id)
        )
        if other is None or other.contract_digest is None or facts.contract_digest is None:
            raise NotFound(
                "version.no_neighbour", f"{facts.reference} has no other version with a contract to be compared with."
            )
        found = contracts.compare(other.contract_digest, facts.contract_digest, as_of=clock.now().date())
        known = touched.known_consumers(other.id)
        body = found.as_dict() | {
            "findings": found.merged,
            "groups": [one | {"touched": known.touched(one["operations"])} for one in found.told_groups],
        }
        return conditional(request, dict(shapes.ComparisonSerializer(body).data))


class VersionConsumers(CatalogView):
    @extend_schema(
        operation_id="versions_consumers",
        tags=["catalog"],
        summary="Who uses this version",
        responses=shapes.ConsumerSerializer(many=True),
        parameters=[OpenApiParameter("environment", str)],
    )
    def get(self, request: Request, slug: str, label: str) -> Response:
        facts = find(slug, label, viewer=self.viewer)
        environment = request.query_params.get("environment", "").replace("\x00", "") or None
        return Response(
            shapes.ConsumerSerializer(consumers.of_version(facts.id, environment=environment), many=True).data
        )


class ContractBytes(CatalogView):
    """A contract by its digest; the digest is the entity tag, and what has a digest never changes."""

    @extend_schema(
        operation_id="contracts_read",
        tags=["catalog"],
        summary="A contract in its original bytes",
        responses={(200, "*/*"): OpenApiTypes.BINARY, 304: None},
    )
    def get(self, request: Request, digest: str) -> HttpResponse:
        if not apis.may_see_contract(digest, viewer=self.viewer):
            raise NotFound("contract.unknown", "There is no contract with this digest, or you may not see it.")
        return _bytes(request, digest, {})


_SUFFIXES = {
    "application/json": "json",
    "application/xml": "edmx",
    "application/graphql": "graphql",
    "application/wsdl+xml": "wsdl",
    "application/xsd+xml": "xsd",
}


def _bytes(request: Request, digest: str, headers: dict[str, str]) -> HttpResponse:
    tag = f'"{digest}"'
    if tag in tags(request.headers.get("If-None-Match", "")):
        response = HttpResponse(status=304)
    else:
        data, media_type = contracts.original(digest)
        response = HttpResponse(data, content_type=media_type)
        suffix = _SUFFIXES.get(media_type, "yaml")
        response.headers["Content-Disposition"] = f'attachment; filename="{digest[7:19]}.{suffix}"'
    response.headers["ETag"] = tag
    response.headers["Cache-Control"] = "private, max-age=0, must-revalidate"
    response.headers["Content-Security-Policy"] = "default-src 'none'; sandbox"
    for name, value in headers.items():
        response.headers[name] = value
    return response


class ContractReading(CatalogView):
    """Reads a contract and says what would be proposed. Nothing is stored, so `catalog:read` is enough."""

    scopes = {"POST": "catalog:read"}

    @extend_schema(
        operation_id="contracts_propose",
        tags=["catalog"],
        summary="Read a contract",
        request=shapes.ContentSerializer,
        responses=shapes.ReadingSerializer,
        examples=[OpenApiExample("Price", value={"content": _CONTRACT["content"]}, request_only=True)],
    )
    def post(self, request: Request) -> Response:
        content, file_name = content_of(self.validated(shapes.ContentSerializer))
        return Response(
            shapes.ReadingSerializer(contract_proposal.propose(content, file_name=file_name, viewer=self.viewer)).data
        )
