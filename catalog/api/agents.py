"""Whether an application is an agent: owner, purpose, limits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from catalog.api.base import IF_MATCH, CatalogView, conditional, etag_of, require_match
from catalog.models import Application
from catalog.services import agents
from kernel.access import decider
from kernel.errors import NotFound


class AgentSerializer(serializers.Serializer[Any]):
    application = serializers.CharField(source="key", read_only=True)
    is_agent = serializers.BooleanField(read_only=True)
    owner_team = serializers.CharField(source="team.key", read_only=True, allow_null=True, default=None)
    account = serializers.CharField(
        source="agent_account.username",
        required=False,
        allow_null=True,
        default=None,
        max_length=150,
        help_text="A service account of the owner team alone; without one an account is made",
    )
    purpose = serializers.CharField(source="agent_purpose", max_length=2000)
    limits = serializers.CharField(source="agent_limits", max_length=2000)


def of(row: Application) -> dict[str, Any]:
    return dict(AgentSerializer(row).data)


def _unchanged(request: Request) -> Callable[[Application], None]:
    return lambda row: require_match(request, etag_of(of(row)))


class ApplicationAgent(CatalogView):
    @extend_schema(
        operation_id="applications_agent_read",
        tags=["catalog"],
        summary="Whether an application is an agent, whose, what for and within which limits",
        responses=AgentSerializer,
    )
    def get(self, request: Request, key: str) -> Response:
        found = Application.objects.select_related("team", "agent_account").filter(key=key).first()
        if found is None:
            raise NotFound("application.unknown", f"There is no application {key!r}.")
        return conditional(request, of(found))

    @extend_schema(
        operation_id="applications_agent_declare",
        tags=["catalog"],
        summary="The application is an agent; for people of its team. Deciding tokens of its account end",
        request=AgentSerializer,
        responses=AgentSerializer,
        parameters=[IF_MATCH],
        examples=[
            OpenApiExample(
                "Reordering",
                value={"purpose": "It proposes orders of goods.", "limits": "It reads stock and asks the gate."},
                request_only=True,
            )
        ],
    )
    def put(self, request: Request, key: str) -> Response:
        data = self.validated(AgentSerializer)
        account = (data.get("agent_account") or {}).get("username") or ""
        made = agents.declare(
            key,
            purpose=data["agent_purpose"],
            limits=data["agent_limits"],
            account=account,
            actor=decider(request),
            check=_unchanged(request),
        )
        body = of(made)
        return Response(body, headers={"ETag": etag_of(body)})

    @extend_schema(
        operation_id="applications_agent_end",
        tags=["catalog"],
        summary="It is no agent any more; its account is switched off",
        request=None,
        responses={204: None},
        parameters=[IF_MATCH],
    )
    def delete(self, request: Request, key: str) -> Response:
        agents.end(key, actor=decider(request), check=_unchanged(request))
        return Response(status=204)
