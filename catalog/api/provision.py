"""Who provides: statements about systems, APIs and environments, and rights to provide. People say these, no token."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from catalog.api.base import IF_MATCH, CatalogView, conditional, etag_of, require_match
from catalog.models import Api, Environment, System
from catalog.selectors import apis
from catalog.services import provision
from kernel.access import decider
from kernel.errors import NotFound
from kernel.moments import MomentField


class ProviderRightSerializer(serializers.Serializer[Any]):
    application = serializers.CharField(source="application.key", read_only=True)
    reason = serializers.CharField(max_length=2000)
    granted_by = serializers.CharField(read_only=True, allow_null=True)
    granted_at = serializers.DateTimeField(read_only=True)


class ApiProvisionSerializer(serializers.Serializer[Any]):
    """Null is not said. `counts_as` is what the gate takes: the API's own word, else its system's."""

    api = serializers.CharField(read_only=True)
    third_party = serializers.BooleanField(allow_null=True)
    per_instance = serializers.BooleanField(allow_null=True)
    system = serializers.CharField(read_only=True, allow_null=True)
    counts_as = serializers.ChoiceField(choices=["third_party", "own", "unstated"], read_only=True)
    providers = ProviderRightSerializer(many=True, read_only=True)


class SystemProvisionSerializer(serializers.Serializer[Any]):
    system = serializers.CharField(read_only=True)
    vendor = serializers.CharField(read_only=True)
    third_party = serializers.BooleanField(allow_null=True)


class EnvironmentRecordsSerializer(serializers.Serializer[Any]):
    """`complete_since` is decided by a change of the kind `environment.records`."""

    environment = serializers.CharField(read_only=True)
    name = serializers.CharField(read_only=True)
    is_fleet = serializers.BooleanField(read_only=True)
    complete_since = serializers.DateTimeField(read_only=True, allow_null=True)
    enforced_from = MomentField(allow_null=True)


def of_api(api: Api) -> dict[str, Any]:
    made = {
        "api": api.slug,
        "third_party": api.third_party,
        "per_instance": api.per_instance,
        "system": api.system.key if api.system else None,
        "counts_as": provision.counts_as(api),
        "providers": provision.rights_of(api),
    }
    return dict(ApiProvisionSerializer(made).data)


def of_system(system: System) -> dict[str, Any]:
    made = {"system": system.key, "vendor": system.vendor, "third_party": system.third_party}
    return dict(SystemProvisionSerializer(made).data)


def of_environment(row: Environment) -> dict[str, Any]:
    made = {
        "environment": row.key,
        "name": row.name,
        "is_fleet": row.is_fleet,
        "complete_since": row.records_complete_since,
        "enforced_from": row.records_enforced_from,
    }
    return dict(EnvironmentRecordsSerializer(made).data)


def _unchanged(request: Request, read: Callable[[Any], dict[str, Any]]) -> Callable[[Any], None]:
    return lambda row: require_match(request, etag_of(read(row)))


class ApiProvision(CatalogView):
    @extend_schema(
        operation_id="apis_provision_read",
        tags=["catalog"],
        summary="Who provides an API: third party or own, each instance or one for all, and who has the right to",
        responses=ApiProvisionSerializer,
    )
    def get(self, request: Request, slug: str) -> Response:
        return conditional(request, of_api(apis.find(slug, viewer=self.viewer)))

    @extend_schema(
        operation_id="apis_provision_state",
        tags=["catalog"],
        summary="Say who provides an API; for people of its owner team",
        request=ApiProvisionSerializer,
        responses=ApiProvisionSerializer,
        parameters=[IF_MATCH],
        examples=[OpenApiExample("A vendor's", value={"third_party": True, "per_instance": False}, request_only=True)],
    )
    def put(self, request: Request, slug: str) -> Response:
        apis.find(slug, viewer=self.viewer)
        data = self.validated(ApiProvisionSerializer)
        said = provision.state_api(slug, **data, actor=decider(request), check=_unchanged(request, of_api))
        body = of_api(said)
        return Response(body, headers={"ETag": etag_of(body)})


class ApiProvider(CatalogView):
    """The right of one application to provide the API. Its ETag is that of the API's provision."""

    @extend_schema(
        operation_id="apis_provider_grant",
        tags=["catalog"],
        summary="Let an application of another team provide an API; for people of its owner team",
        request=ProviderRightSerializer,
        responses=ApiProvisionSerializer,
        parameters=[IF_MATCH],
        examples=[OpenApiExample("Hosting", value={"reason": "It hosts the stores' copy."}, request_only=True)],
    )
    def put(self, request: Request, slug: str, key: str) -> Response:
        apis.find(slug, viewer=self.viewer)
        reason = self.validated(ProviderRightSerializer)["reason"]
        provision.grant(slug, key, reason=reason, actor=decider(request), check=_unchanged(request, of_api))
        body = of_api(apis.find(slug, viewer=self.viewer))
        return Response(body, headers={"ETag": etag_of(body)})

    @extend_schema(
        operation_id="apis_provider_end",
        tags=["catalog"],
        summary="End that right; what runs goes on, the next release is refused",
        request=None,
        responses={204: None},
        parameters=[IF_MATCH],
    )
    def delete(self, request: Request, slug: str, key: str) -> Response:
        apis.find(slug, viewer=self.viewer)
        provision.end_right(slug, key, actor=decider(request), check=_unchanged(request, of_api))
        return Response(status=204)


class SystemProvision(CatalogView):
    @extend_schema(
        operation_id="systems_provision_read",
        tags=["catalog"],
        summary="Whether a system is a third party's",
        responses=SystemProvisionSerializer,
    )
    def get(self, request: Request, key: str) -> Response:
        found = System.objects.filter(key=key, retired_at=None).first()
        if found is None:
            raise NotFound("system.unknown", f"There is no system {key!r}.")
        return conditional(request, of_system(found))

    @extend_schema(
        operation_id="systems_provision_state",
        tags=["catalog"],
        summary="Say whether a system is a third party's; for people of its owner team, and architects",
        request=SystemProvisionSerializer,
        responses=SystemProvisionSerializer,
        parameters=[IF_MATCH],
    )
    def put(self, request: Request, key: str) -> Response:
        data = self.validated(SystemProvisionSerializer)
        said = provision.state_system(key, **data, actor=decider(request), check=_unchanged(request, of_system))
        body = of_system(said)
        return Response(body, headers={"ETag": etag_of(body)})


class EnvironmentList(CatalogView):
    @extend_schema(
        operation_id="environments_list",
        tags=["catalog"],
        summary="Environments, and what each says of its records",
        responses=EnvironmentRecordsSerializer(many=True),
    )
    def get(self, request: Request) -> Response:
        return conditional(request, [of_environment(row) for row in Environment.objects.all()])


class EnvironmentRecords(CatalogView):
    @extend_schema(
        operation_id="environments_records_read",
        tags=["catalog"],
        summary="What an environment says of its records",
        responses=EnvironmentRecordsSerializer,
    )
    def get(self, request: Request, key: str) -> Response:
        found = Environment.objects.filter(key=key).first()
        if found is None:
            raise NotFound("environment.unknown", f"There is no environment {key!r}.")
        return conditional(request, of_environment(found))

    @extend_schema(
        operation_id="environments_records_enforce",
        tags=["catalog"],
        summary="From when on a missing record blocks (null: at once); for architects",
        request=EnvironmentRecordsSerializer,
        responses=EnvironmentRecordsSerializer,
        parameters=[IF_MATCH],
    )
    def put(self, request: Request, key: str) -> Response:
        data = self.validated(EnvironmentRecordsSerializer)
        said = provision.enforce_from(key, **data, actor=decider(request), check=_unchanged(request, of_environment))
        body = of_environment(said)
        return Response(body, headers={"ETag": etag_of(body)})
