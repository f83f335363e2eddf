"""Where vendors send their webhooks, and who makes these addresses."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from kernel.errors import TooLarge, UnsupportedBody
from kernel.request_bodies import raw_body
from runtime.api.base import RuntimeView
from runtime.models import Hook
from runtime.services import hook_intake, hooks


class HookSerializer(serializers.ModelSerializer[Hook]):
    address = serializers.SerializerMethodField()

    class Meta:
        model = Hook
        fields = [
            *("id", "environment", "source", "address", "secret_ref", "old_secret_ref", "created_at"),
            *("event_at", "unsigned_at", "unsigned_why", "fault_at", "fault"),
        ]
        read_only_fields = fields

    def get_address(self, hook: Hook) -> str:
        return hooks.address_of(hook)


class MakeHookSerializer(serializers.Serializer[Any]):
    environment = serializers.CharField(required=False, max_length=40)
    secret_ref = serializers.CharField(max_length=160)
    public_url = serializers.CharField(required=False, max_length=500, allow_blank=True, default="")

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """`source` is a name of the class itself."""
        return super().get_fields() | {"source": serializers.CharField(max_length=80)}


class ChangeHookSerializer(serializers.Serializer[Any]):
    secret_ref = serializers.CharField(max_length=160)
    old_secret_ref = serializers.CharField(required=False, max_length=160, allow_blank=True, default="")


class HookList(RuntimeView):
    @extend_schema(
        operation_id="hooks_list",
        tags=["runtime"],
        summary="Addresses of webhooks of an integration",
        responses=HookSerializer(many=True),
    )
    def get(self, request: Request, key: str) -> Response:
        return Response(HookSerializer(hooks.hooks_of(self.integration(key)), many=True).data)

    @extend_schema(
        operation_id="hooks_create",
        tags=["runtime"],
        summary="Make an address for the webhooks of a source",
        description="The owner team makes it, for one environment. `secret_ref` names the secret that the vendor signs "
        "with; `public_url` is the address as the vendor has it, where another host stands before this one.",
        request=MakeHookSerializer,
        responses={201: HookSerializer},
    )
    def post(self, request: Request, key: str) -> Response:
        data = self.validated(MakeHookSerializer)
        made = hooks.make(
            self.integration(key),
            self.environment,
            source=data["source"],
            secret_ref=data["secret_ref"],
            public_url=data["public_url"],
            actor=self.actor,
        )
        return Response(HookSerializer(made).data, status=201)


class HookDetail(RuntimeView):
    @extend_schema(
        operation_id="hooks_change_secret",
        tags=["runtime"],
        summary="Change the secret of an address of webhooks",
        description="Calls that are signed with `old_secret_ref` are believed too, as long as it is named.",
        request=ChangeHookSerializer,
        responses=HookSerializer,
    )
    def patch(self, request: Request, key: str, hook_id: int) -> Response:
        data = self.validated(ChangeHookSerializer)
        made = hooks.change_secret(
            hook_id,
            self.integration(key),
            secret_ref=data["secret_ref"],
            old_secret_ref=data["old_secret_ref"],
            actor=self.actor,
        )
        return Response(HookSerializer(made).data)

    @extend_schema(
        operation_id="hooks_end", tags=["runtime"], summary="End an address of webhooks", responses={204: None}
    )
    def delete(self, request: Request, key: str, hook_id: int) -> Response:
        hooks.end(hook_id, self.integration(key), actor=self.actor)
        return Response(status=204)


class ReceivedHook(APIView):
    """No session and no token: the signature of the call is the proof."""

    authentication_classes: list[Any] = []
    permission_classes = [AllowAny]

    @extend_schema(
        operation_id="hook_received",
        tags=["runtime"],
        auth=[],
        summary="A vendor's webhook",
        description="As the vendor sends it, at most 1 MB. Answered once it is stored.",
        request=OpenApiTypes.OBJECT,
        responses={(200, "text/plain"): OpenApiTypes.STR},
    )
    def post(self, request: Request, key: str) -> HttpResponse:
        length = request.headers.get("Content-Length", "")
        if length.isdecimal() and int(length[:12]) > hook_intake.LARGEST_BODY:
            raise TooLarge("request.too_large", "The body is larger than 1 MB.")
        if request.headers.get("Content-Encoding", "identity").strip().lower() not in ("", "identity"):
            raise UnsupportedBody("request.coding", "Send the body as it is, without a content coding.")
        taken = hook_intake.receive(key, request.headers, raw_body(request))
        return HttpResponse(taken.answer, content_type="text/plain; charset=utf-8")
