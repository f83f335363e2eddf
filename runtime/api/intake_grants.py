"""Who may hand in messages to an integration: list, grant, revoke."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from runtime.api import serializers as shapes
from runtime.api.base import RuntimeView
from runtime.services import intake_grants


class IntakeGrantList(RuntimeView):
    @extend_schema(
        operation_id="intake_grants_list",
        tags=["runtime"],
        summary="Who may hand in messages, beside those who operate the integration",
        responses=shapes.IntakeGrantSerializer(many=True),
    )
    def get(self, request: Request, key: str) -> Response:
        found = intake_grants.grants_of(self.integration(key))
        return Response(shapes.IntakeGrantSerializer(found, many=True).data)

    @extend_schema(
        operation_id="intake_grants_create",
        tags=["runtime"],
        summary="Let an account or a team hand in messages",
        description=(
            "For one environment. The owner team grants. A token of the account, or of a member of the team, needs the "
            "scope `intake:write`; it can neither read nor operate anything by that. The same grant again changes "
            "nothing."
        ),
        request=shapes.GiveIntakeSerializer,
        responses={201: shapes.IntakeGrantSerializer},
    )
    def post(self, request: Request, key: str) -> Response:
        data = self.validated(shapes.GiveIntakeSerializer)
        made = intake_grants.grant(
            self.integration(key), self.environment, account=data["account"], team=data["team"], actor=self.actor
        )
        return Response(shapes.IntakeGrantSerializer(made).data, status=201)


class IntakeGrantDetail(RuntimeView):
    @extend_schema(
        operation_id="intake_grants_revoke", tags=["runtime"], summary="Revoke a grant", responses={204: None}
    )
    def delete(self, request: Request, key: str, grant_id: int) -> Response:
        intake_grants.revoke(grant_id, self.integration(key), actor=self.actor)
        return Response(status=204)
