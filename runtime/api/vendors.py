"""Quotas and circuit breakers over the API: read them, set limits, open and close a circuit breaker by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from kernel.errors import Forbidden, NotFound
from kernel.moments import MomentField
from runtime import permissions
from runtime.api import serializers as shapes
from runtime.api.base import RuntimeView
from runtime.api.integrations import ENVIRONMENT
from runtime.selectors import vendors
from runtime.selectors.vendors import VendorRow
from runtime.services import vendor_limits as services
from runtime.services import vendor_probes


class LimitsSerializer(serializers.Serializer[Any]):
    """All four together; null is no limit.

    `rate` in messages per second with `burst`, `budget` in messages per UTC day.
    """

    rate = shapes.FiniteFloatField(allow_null=True)
    burst = shapes.FiniteFloatField(allow_null=True)
    concurrency = serializers.IntegerField(allow_null=True, max_value=32_767)
    budget = serializers.IntegerField(allow_null=True, max_value=2**62)
    reason = serializers.CharField(max_length=2000)


class OpenSerializer(serializers.Serializer[Any]):
    until = MomentField()
    reason = serializers.CharField(max_length=2000)


class CloseSerializer(serializers.Serializer[Any]):
    reason = serializers.CharField(max_length=2000)


class VendorList(RuntimeView):
    @extend_schema(
        operation_id="vendors_list",
        tags=["runtime"],
        summary="Circuit breakers and quotas of the vendors that are called",
        parameters=[ENVIRONMENT],
        responses=shapes.VendorSerializer(many=True),
    )
    def get(self, request: Request) -> Response:
        return Response(shapes.VendorSerializer(vendors.listed(self.viewer, self.environment), many=True).data)


class _VendorView(RuntimeView):
    def found(self, vendor_id: int) -> VendorRow:
        found = vendors.one(self.viewer, vendor_id)
        if found is None:
            raise NotFound(
                "vendor.unknown", f"There is no vendor {vendor_id}, or no integration that you may see calls it."
            )
        return found

    def done(self, vendor_id: int, act: Callable[..., Any], data: dict[str, Any]) -> Response:
        """Carry out an action for a caller who may see the vendor and set its state; returns the vendor afterwards."""
        self.found(vendor_id)
        if not (allowed := permissions.may_set_vendor_limits(self.viewer)):
            raise Forbidden("vendor.not_allowed", f"{allowed.reason} Nothing was changed.")
        act(vendor_id, actor=self.actor, **data)
        return Response(shapes.VendorSerializer(self.found(vendor_id)).data)


class VendorDetail(_VendorView):
    @extend_schema(
        operation_id="vendors_read", tags=["runtime"], summary="One vendor", responses=shapes.VendorSerializer
    )
    def get(self, request: Request, vendor_id: int) -> Response:
        return Response(shapes.VendorSerializer(self.found(vendor_id)).data)


class VendorLimits(_VendorView):
    @extend_schema(
        operation_id="vendors_limits",
        tags=["runtime"],
        summary="Set what a vendor may be asked for",
        description=(
            "Holds for every integration that calls it, until the next deployment of a manifest with limits of its own."
        ),
        request=LimitsSerializer,
        responses=shapes.VendorSerializer,
    )
    def put(self, request: Request, vendor_id: int) -> Response:
        return self.done(vendor_id, services.set_limits, self.validated(LimitsSerializer))


class VendorBreakerOpen(_VendorView):
    @extend_schema(
        operation_id="vendors_breaker_open",
        tags=["runtime"],
        summary="Call a vendor no more until a time",
        request=OpenSerializer,
        responses=shapes.VendorSerializer,
    )
    def post(self, request: Request, vendor_id: int) -> Response:
        return self.done(vendor_id, services.open_breaker, self.validated(OpenSerializer))


class VendorBreakerProbe(_VendorView):
    @extend_schema(
        operation_id="vendors_breaker_probe",
        tags=["runtime"],
        summary="Try a vendor now with one message",
        description=(
            "After a fault of the connection was corrected: one message goes out now instead of after the pause. "
            "Open to operators of an integration that calls it, and to the team that owns the system."
        ),
        request=None,
        responses=shapes.VendorSerializer,
    )
    def post(self, request: Request, vendor_id: int) -> Response:
        self.found(vendor_id)
        if self.actor is None:
            raise Forbidden("vendor.not_operator", "Sign in to try the connection. Nothing was changed.")
        vendor_probes.probe_now(vendor_id, actor=self.actor)
        return Response(shapes.VendorSerializer(self.found(vendor_id)).data)


class VendorBreakerClose(_VendorView):
    @extend_schema(
        operation_id="vendors_breaker_close",
        tags=["runtime"],
        summary="Call a vendor again at once",
        request=CloseSerializer,
        responses=shapes.VendorSerializer,
    )
    def post(self, request: Request, vendor_id: int) -> Response:
        return self.done(vendor_id, services.close_breaker, self.validated(CloseSerializer))
