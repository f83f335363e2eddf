"""Applications, subscriptions, usage reports."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import generics
from rest_framework.request import Request
from rest_framework.response import Response

from catalog import permissions
from catalog.api import serializers as shapes
from catalog.api.base import IF_MATCH, CatalogView, conditional, etag_of, require_match
from catalog.models import Application, Subscription
from catalog.services import applications, subscriptions, usage
from kernel.access import decider
from kernel.errors import NotFound


class ApplicationList(CatalogView, generics.ListAPIView):  # type: ignore[type-arg]
    serializer_class = shapes.ApplicationSerializer

    def get_queryset(self) -> Any:
        return Application.objects.filter(retired_at=None).select_related("team")

    @extend_schema(operation_id="applications_list", tags=["catalog"], summary="Applications that consume APIs")
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().get(request, *args, **kwargs)

    @extend_schema(
        operation_id="applications_add",
        tags=["catalog"],
        summary="Register an application of an own team",
        request=shapes.ApplicationSerializer,
        responses={201: shapes.ApplicationSerializer},
        examples=[
            OpenApiExample(
                "Till",
                value={"key": "self-checkout", "name": "Self-checkout", "team": "store-systems"},
                request_only=True,
            )
        ],
    )
    def post(self, request: Request) -> Response:
        data = self.validated(shapes.ApplicationSerializer)
        made = applications.register(actor=self.person, **data)
        body = shapes.ApplicationSerializer(made).data
        return Response(body, status=201, headers={"ETag": etag_of(body)})


class ApplicationDetail(CatalogView):
    def _find(self, key: str) -> Application:
        found = Application.objects.select_related("team").filter(key=key).first()
        if found is None:
            raise NotFound("application.unknown", f"There is no application {key!r}.")
        return found

    @extend_schema(
        operation_id="applications_read",
        tags=["catalog"],
        summary="One application",
        responses=shapes.ApplicationSerializer,
    )
    def get(self, request: Request, key: str) -> Response:
        return conditional(request, dict(shapes.ApplicationSerializer(self._find(key)).data))

    @extend_schema(
        operation_id="applications_change",
        tags=["catalog"],
        summary="Change an application",
        request=shapes.ApplicationSerializer,
        responses=shapes.ApplicationSerializer,
        parameters=[IF_MATCH],
    )
    def patch(self, request: Request, key: str) -> Response:
        data = self.validated(shapes.ApplicationSerializer, partial=True)
        data.pop("key", None)

        def check(present: Application) -> None:
            require_match(request, etag_of(dict(shapes.ApplicationSerializer(present).data)))

        changed = applications.change(
            key, actor=self.person, check=check, values=data, decides=lambda: decider(request)
        )
        body = dict(shapes.ApplicationSerializer(changed).data)
        return Response(body, headers={"ETag": etag_of(body)})


class SubscriptionList(CatalogView, generics.ListAPIView):  # type: ignore[type-arg]
    serializer_class = shapes.SubscriptionSerializer
    filterset_fields = {
        "state": ["exact"],
        "application__key": ["exact"],
        "environment__key": ["exact"],
        "version__api__slug": ["exact"],
    }

    def get_queryset(self) -> Any:
        if getattr(self, "swagger_fake_view", False):
            return Subscription.objects.none()
        visible = permissions.visible(self.viewer)
        return Subscription.objects.filter(version__api__in=visible).select_related(
            "application", "version__api", "environment", "moves_to"
        )

    @extend_schema(
        operation_id="subscriptions_list", tags=["catalog"], summary="Subscriptions of APIs that the caller may see"
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().get(request, *args, **kwargs)

    @extend_schema(
        operation_id="subscriptions_apply",
        tags=["catalog"],
        summary="Apply for a version in an environment",
        filters=False,
        request=shapes.SubscribeSerializer,
        responses={201: shapes.SubscriptionSerializer},
        examples=[
            OpenApiExample(
                "Self-checkout",
                value={
                    "application": "self-checkout",
                    "version": "price-api@v3",
                    "environment": "production",
                    "justification": "Prices on the till",
                },
                request_only=True,
            )
        ],
    )
    def post(self, request: Request) -> Response:
        made = subscriptions.apply(actor=self.person, **self.validated(shapes.SubscribeSerializer))
        return Response(
            shapes.SubscriptionSerializer(made).data,
            status=201,
            headers={"Location": f"/api/v1/subscriptions/{made.pk}"},
        )


class SubscriptionDetail(CatalogView):
    @extend_schema(
        operation_id="subscriptions_read",
        tags=["catalog"],
        summary="One subscription",
        responses=shapes.SubscriptionSerializer,
    )
    def get(self, request: Request, subscription_id: int) -> Response:
        return conditional(request, dict(shapes.SubscriptionSerializer(_visible(subscription_id, self)).data))


class SubscriptionDecision(CatalogView):
    """People of the owner team decide, in a session of their own; the person who asked does not, nor does a token."""

    @extend_schema(
        operation_id="subscriptions_decide",
        tags=["catalog"],
        summary="Approve or refuse",
        request=shapes.DecisionSerializer,
        responses=shapes.SubscriptionSerializer,
        examples=[
            OpenApiExample(
                "Yes", value={"decision": "approve", "valid_until": "2027-12-31T00:00:00Z"}, request_only=True
            )
        ],
    )
    def post(self, request: Request, subscription_id: int) -> Response:
        _visible(subscription_id, self)
        person, data = decider(request), self.validated(shapes.DecisionSerializer)
        if data["decision"] == "approve":
            row = subscriptions.approve(
                subscription_id, actor=person, valid_until=data["valid_until"], note=data["note"]
            )
        else:
            row = subscriptions.refuse(subscription_id, actor=person, note=data["note"])
        return Response(shapes.SubscriptionSerializer(row).data)


class SubscriptionEnd(CatalogView):
    @extend_schema(
        operation_id="subscriptions_end",
        tags=["catalog"],
        summary="End an own subscription",
        request=shapes.ReasonSerializer,
        responses=shapes.SubscriptionSerializer,
    )
    def post(self, request: Request, subscription_id: int) -> Response:
        _visible(subscription_id, self)
        data = self.validated(shapes.ReasonSerializer)
        return Response(
            shapes.SubscriptionSerializer(
                subscriptions.end(subscription_id, actor=self.person, note=data["reason"])
            ).data
        )  # type: ignore[arg-type]


class SubscriptionMove(CatalogView):
    """The dated migration of a consumer, planned by its team or by the owner of the API. A version retires only
    after every live consumer has moved: its day has come and no later call was reported."""

    @extend_schema(
        operation_id="subscriptions_move",
        tags=["catalog"],
        summary="Say where a consumer goes, and when",
        request=shapes.MoveSerializer,
        responses=shapes.SubscriptionSerializer,
        parameters=[IF_MATCH],
        examples=[OpenApiExample("To v3", value={"moves_to": "v3", "moves_on": "2027-03-31"}, request_only=True)],
    )
    def put(self, request: Request, subscription_id: int) -> Response:
        _visible(subscription_id, self)
        data = self.validated(shapes.MoveSerializer)

        def check(present: Subscription) -> None:
            require_match(request, etag_of(dict(shapes.SubscriptionSerializer(present).data)))

        row = subscriptions.plan_move(subscription_id, actor=self.person, check=check, **data)
        body = dict(shapes.SubscriptionSerializer(row).data)
        return Response(body, headers={"ETag": etag_of(body)})


def _visible(subscription_id: int, view: CatalogView) -> Subscription:
    rows = Subscription.objects.select_related("application", "version__api", "environment", "moves_to")
    found = rows.filter(pk=subscription_id, version__api__in=permissions.visible(view.viewer)).first()
    if found is None:
        raise NotFound("subscription.unknown", f"There is no subscription {subscription_id}, or you may not see it.")
    return found


class UsageReports(CatalogView):
    scopes = {"POST": "usage:write"}

    @extend_schema(
        operation_id="usage_report",
        tags=["catalog"],
        summary="Report who called what",
        request=shapes.UsageSerializer,
        responses={202: shapes.ReceiptSerializer},
        examples=[
            OpenApiExample(
                "A day",
                request_only=True,
                value={
                    "batch_id": "gateway-2026-11-22",
                    "rows": [
                        {
                            "application": "self-checkout",
                            "version": "price-api@v2",
                            "environment": "production",
                            "day": "2026-11-22",
                            "calls": 91244,
                            "errors": 12,
                            "p95_ms": 88,
                            "operations": {"GET /prices/{sku}": 91020, "GET /prices": 224},
                        }
                    ],
                },
            )
        ],
    )
    def post(self, request: Request) -> Response:
        data = self.validated(shapes.UsageSerializer)
        receipt = usage.report(actor=self.person, batch_id=data["batch_id"], rows=[_plain(row) for row in data["rows"]])
        return Response(shapes.ReceiptSerializer(receipt).data, status=202)


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    made = dict(row)
    for name in ("day", "seen_at"):
        if name in made:
            made[name] = made[name].isoformat()
    return made
