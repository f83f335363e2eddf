"""Stores over the API: what each may do now. A store server asks for its own name and obeys `mode`."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from kernel import clock
from kernel.errors import NotFound
from runtime.api.base import RuntimeView
from runtime.api.integrations import ENVIRONMENT
from runtime.domain import degraded
from runtime.selectors import stores
from runtime.selectors.stores import Store


class StandingSerializer(serializers.Serializer[Any]):
    """One flow of a store. Ages in seconds; null is unknown, and unknown is never fresh: nothing was ever delivered,
    the source was never looked at or only hands in, or the tier states no limit.
    """

    integration = serializers.CharField(source="flow.integration")
    target = serializers.CharField(source="flow.target")
    central = serializers.BooleanField(
        help_text="One flow for all stores, such as a redemption: it is down for all of them or for none."
    )
    mode = serializers.ChoiceField(choices=sorted(degraded.LABELS), source="operating_state.mode")
    may = serializers.CharField(source="operating_state.instruction", help_text="The mode in words.")
    delivery = serializers.ChoiceField(
        choices=[degraded.FLOWING, degraded.HELD, degraded.STOPPED_BY_PEOPLE], source="operating_state.delivery"
    )
    stale = serializers.BooleanField(source="operating_state.stale", allow_null=True)
    age_s = serializers.SerializerMethodField(
        help_text="Age of what the store has: the older of the last successful look at the source and the oldest "
        "message that the store lacks, those that wait for a person included."
    )
    allowed_age_s = serializers.SerializerMethodField()
    good_until = serializers.DateTimeField(
        source="operating_state.fresh_until",
        allow_null=True,
        help_text="Until when what the store has is within its allowed age.",
    )
    looked_at = serializers.DateTimeField(
        source="flow.source.look.looked_at",
        allow_null=True,
        help_text="Start of the last look at the source that succeeded, or its last sign of life where the manifest "
        "says how often one is due.",
    )
    last_message_at = serializers.DateTimeField(
        source="flow.source.look.last_message",
        allow_null=True,
        help_text="Only where the source hands in: when it last did.",
    )
    held = serializers.IntegerField(
        source="flow.source.held", help_text="States of the source that wait for their date; late for nobody."
    )
    waiting = serializers.IntegerField(source="backlog.waiting")
    for_person = serializers.IntegerField(
        source="backlog.for_person", help_text="Messages that the store lacks until a person has decided."
    )
    last_confirmed_at = serializers.DateTimeField(source="backlog.last_delivery_at", allow_null=True)
    why = serializers.CharField()

    def get_age_s(self, one: Any) -> float | None:
        return one.operating_state.age.total_seconds() if one.operating_state.age is not None else None

    def get_allowed_age_s(self, one: Any) -> float | None:
        return one.operating_state.allowed.total_seconds() if one.operating_state.allowed is not None else None


class StoreSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    system = serializers.CharField()
    mode = serializers.SerializerMethodField(help_text="The strictest one among its flows, central ones included.")
    as_of = serializers.SerializerMethodField()
    flows = StandingSerializer(many=True, source="all_flows")

    def get_mode(self, store: Store) -> str:
        return store.mode

    def get_as_of(self, store: Store) -> str:
        return clock.now().isoformat()


class StoreList(RuntimeView):
    @extend_schema(
        operation_id="stores_list",
        tags=["runtime"],
        summary="Stores of all fleets, with what each may do now",
        parameters=[
            ENVIRONMENT,
            OpenApiParameter("degraded", bool, description="Only those that are not in normal mode."),
        ],
        responses=StoreSerializer(many=True),
    )
    def get(self, request: Request) -> Response:
        found = stores.fleet(self.viewer, self.environment)
        if request.query_params.get("degraded", "").lower() in ("1", "true"):
            found = [one for one in found if one.mode != degraded.NORMAL]
        return Response(StoreSerializer(found, many=True).data)


class StoreDetail(RuntimeView):
    @extend_schema(
        operation_id="stores_read",
        tags=["runtime"],
        summary="What one store may do now",
        parameters=[
            ENVIRONMENT,
            OpenApiParameter("system", str, description="Where two systems have a store of this name."),
        ],
        responses=StoreSerializer,
    )
    def get(self, request: Request, name: str) -> Response:
        system = request.query_params.get("system", "")
        found = [
            one
            for one in stores.fleet(self.viewer, self.environment)
            if one.name == name and system in ("", one.system)
        ]
        if not found:
            raise NotFound("store.unknown", f"No flow that you may see goes to a store {name[:80]!r}.")
        if len(found) > 1:
            raise NotFound("store.ambiguous", f"Several systems have a store {name[:80]!r}; name one with `system`.")
        return Response(StoreSerializer(found[0]).data)
