"""Where systems answer. People say it, no token; where something approved runs over a system, it is proposed."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from catalog.api.base import IF_MATCH, CatalogView, conditional, etag_of, require_match
from catalog.domain.endpoints import AUTH_KINDS
from catalog.models import Environment, SystemEndpoint
from catalog.services import endpoints
from kernel.access import decider
from kernel.errors import NotFound
from kernel.viewer import Viewer


class SystemEndpointSerializer(serializers.Serializer[Any]):
    """`secret_ref` and `trust_ref` are names. `destination` is the digest of all of it. `approved_flows`: how many
    approved integrations call the system there; with one or more the endpoint changes by an approved change alone. Who
    may not say where the system answers is told of those that they may see."""

    system = serializers.CharField(read_only=True)
    environment = serializers.CharField(read_only=True)
    base_url = serializers.CharField(required=False)
    auth_kind = serializers.ChoiceField(choices=AUTH_KINDS, required=False)
    secret_ref = serializers.CharField(required=False, allow_blank=True)
    further_hosts = serializers.ListField(child=serializers.CharField(), required=False)
    trust_ref = serializers.CharField(required=False, allow_blank=True)
    destination = serializers.CharField(read_only=True)
    approved_flows = serializers.IntegerField(read_only=True)


def of_endpoint(viewer: Viewer, row: SystemEndpoint, environment: str) -> dict[str, Any]:
    made = endpoints.values_of(row) | {
        "system": row.system.key,
        "environment": environment,
        "destination": row.destination,
        "approved_flows": endpoints.flows_told(viewer, row.system, environment),
    }
    return dict(SystemEndpointSerializer(made).data)


class SystemEndpointList(CatalogView):
    @extend_schema(
        operation_id="systems_endpoints_list",
        tags=["catalog"],
        summary="Where a system answers, by environment",
        responses=SystemEndpointSerializer(many=True),
    )
    def get(self, request: Request, key: str) -> Response:
        found = []
        for place in Environment.objects.all():
            _, _, row = endpoints.find(key, place.key)
            if row is not None:
                found.append(of_endpoint(self.viewer, row, place.key))
        return conditional(request, found)


class SystemEndpointDetail(CatalogView):
    @extend_schema(
        operation_id="systems_endpoints_read",
        tags=["catalog"],
        summary="Where a system answers in an environment",
        responses=SystemEndpointSerializer,
    )
    def get(self, request: Request, key: str, environment: str) -> Response:
        _, _, row = endpoints.find(key, environment)
        if row is None:
            raise NotFound("endpoint.unknown", f"{key} has no endpoint in {environment}.")
        return conditional(request, of_endpoint(self.viewer, row, environment))

    @extend_schema(
        operation_id="systems_endpoints_state",
        tags=["catalog"],
        summary="Say where a system answers; for people of its owner team, and architects. What is left out stays",
        description=(
            "409 `endpoint.in_use` where something approved runs over it: propose it as a change of the kind "
            "`system.destination` about `<system>/<environment>`."
        ),
        request=SystemEndpointSerializer,
        responses=SystemEndpointSerializer,
        parameters=[IF_MATCH],
        examples=[
            OpenApiExample(
                "A new host",
                value={
                    "base_url": "https://erp.example.com",
                    "auth_kind": "basic",
                    "secret_ref": "env:TILLGATE_SECRET_ERP",
                },
                request_only=True,
            )
        ],
    )
    def put(self, request: Request, key: str, environment: str) -> Response:
        data = self.validated(SystemEndpointSerializer)

        def unchanged(row: SystemEndpoint | None) -> None:
            if row is not None:
                require_match(request, etag_of(of_endpoint(self.viewer, row, environment)))

        row = endpoints.state(key, environment, data, actor=decider(request), check=unchanged)
        body = of_endpoint(self.viewer, row, environment)
        return Response(body, headers={"ETag": etag_of(body)})
