"""Integrations over the API: register a manifest, read releases, deploy what is approved, pause, see the gate."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import generics
from rest_framework.request import Request
from rest_framework.response import Response

from governance.domain.subject import Subject
from governance.services import approvals
from kernel.errors import NotFound
from kernel.pagination import Cursor
from runtime import permissions
from runtime.api import serializers as shapes
from runtime.api.base import RuntimeView
from runtime.models import Deployment, Integration, Release
from runtime.selectors import integrations as selectors
from runtime.services import deployments, integrations

ENVIRONMENT = OpenApiParameter("environment", str, description="test, staging, production …; production without one")


class KeyCursor(Cursor):
    ordering = "key"


class IntegrationList(RuntimeView, generics.ListAPIView):  # type: ignore[type-arg]
    """Integrations that the caller may see; register a release."""

    serializer_class = shapes.IntegrationSerializer
    pagination_class = KeyCursor

    def get_queryset(self) -> Any:
        if getattr(self, "swagger_fake_view", False):
            return Integration.objects.none()
        return permissions.visible(self.viewer).select_related("owner_team")

    @extend_schema(operation_id="integrations_list", tags=["runtime"], summary="List integrations")
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().get(request, *args, **kwargs)

    @extend_schema(
        operation_id="integrations_register",
        tags=["runtime"],
        summary="Register a manifest as a release",
        description=(
            "The same manifest again gives the same release. Findings name every place with a JSON Pointer; nothing is"
            " stored then."
        ),
        request=shapes.ManifestSerializer,
        responses={201: shapes.ReleaseSerializer},
        filters=False,
    )
    def post(self, request: Request) -> Response:
        data = self.validated(shapes.ManifestSerializer)
        manifest = integrations.pinned(data["manifest"], actor=self.actor) if data["pin_current"] else data["manifest"]
        release = integrations.register(manifest, actor=self.actor)
        address = f"/api/v1/integrations/{release.integration.key}/releases/{release.digest}"
        return Response(shapes.ReleaseSerializer(release).data, status=201, headers={"Location": address})


class IntegrationDetail(RuntimeView):
    @extend_schema(
        operation_id="integrations_read",
        tags=["runtime"],
        summary="One integration",
        responses=shapes.IntegrationSerializer,
    )
    def get(self, request: Request, key: str) -> Response:
        return Response(shapes.IntegrationSerializer(self.integration(key)).data)


class ReleaseList(RuntimeView, generics.ListAPIView):  # type: ignore[type-arg]
    """Releases of one integration, newest first."""

    serializer_class = shapes.ReleaseSerializer
    pagination_class = Cursor

    def get_queryset(self) -> Any:
        if getattr(self, "swagger_fake_view", False):
            return Release.objects.none()
        return Release.objects.filter(integration=self.integration(self.kwargs["key"])).select_related("integration")

    @extend_schema(operation_id="releases_list", tags=["runtime"], summary="List releases")
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().get(request, *args, **kwargs)


class ReleaseDetail(RuntimeView):
    @extend_schema(
        operation_id="releases_read",
        tags=["runtime"],
        summary="One release with its manifest",
        responses=shapes.ReleaseSerializer,
    )
    def get(self, request: Request, key: str, digest: str) -> Response:
        found = selectors.release(self.viewer, key, digest)
        if found is None:
            raise NotFound("release.unknown", f"{key} has no release {digest}, or you may not see it.")
        return Response(shapes.ReleaseSerializer(found).data)


class DeploymentList(RuntimeView, generics.ListAPIView):  # type: ignore[type-arg]
    """Deployments of one integration, newest first; deploy what is approved."""

    serializer_class = shapes.DeploymentSerializer
    pagination_class = Cursor

    def get_queryset(self) -> Any:
        if getattr(self, "swagger_fake_view", False):
            return Deployment.objects.none()
        return Deployment.objects.filter(integration=self.integration(self.kwargs["key"])).select_related(
            "integration", "release"
        )

    @extend_schema(operation_id="deployments_list", tags=["runtime"], summary="List deployments")
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().get(request, *args, **kwargs)

    @extend_schema(
        operation_id="deployments_create",
        tags=["runtime"],
        summary="Deploy an approved release, or roll back to one that ran before",
        description=(
            "Asks for the approval that binds this digest to this environment; 403 with `unmet` where there is none. "
            "Deploying what runs already changes nothing."
        ),
        request=shapes.DeploySerializer,
        responses={201: shapes.DeploymentSerializer},
        filters=False,
    )
    def post(self, request: Request, key: str) -> Response:
        data = self.validated(shapes.DeploySerializer)
        self.integration(key, operate=True)
        integrations.release_of(key, data["digest"])
        subject = Subject("integration", key, data["digest"])
        approval = approvals.require(subject, data["digest"], data["environment"], actor=self.actor)
        act = deployments.rollback if data["rollback"] else deployments.deploy
        made = act(key, approval=approval, actor=self.actor)
        return Response(shapes.DeploymentSerializer(made).data, status=201)


class Pause(RuntimeView):
    @extend_schema(
        operation_id="deployments_pause",
        tags=["runtime"],
        summary="Pause or resume what is deployed",
        request=shapes.PauseSerializer,
        responses=shapes.DeploymentSerializer,
    )
    def post(self, request: Request, key: str) -> Response:
        data = self.validated(shapes.PauseSerializer)
        self.integration(key, operate=True)
        if data["paused"]:
            made = deployments.pause(key, data["environment"], reason=data["reason"], actor=self.actor)
        else:
            made = deployments.resume(key, data["environment"], actor=self.actor)
        return Response(shapes.DeploymentSerializer(made).data)


class Gates(RuntimeView):
    @extend_schema(
        operation_id="integrations_gate",
        tags=["runtime"],
        summary="The gate of every target, condition by condition",
        parameters=[ENVIRONMENT],
        responses=shapes.GateSerializer(many=True),
    )
    def get(self, request: Request, key: str) -> Response:
        job = selectors.detail(self.viewer, key, self.environment)
        if job is None:
            raise NotFound("integration.unknown", f"There is no integration {key!r}, or you may not see it.")
        return Response(shapes.GateSerializer([one for one in job.targets if one.gate], many=True).data)
