"""Policies, waivers, freezes, break-glass, delegations and receivers of webhooks over HTTP."""

from __future__ import annotations

from typing import Any

from django.db.models import Q, QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import generics, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from governance.api import serializers as shapes
from governance.api import waiver_shapes
from governance.api.changes import answer, caller, read, subjects
from governance.domain.policy import ChangeProfile
from governance.domain.subject import Subject
from governance.models import BreakGlass, Delegation, FreezeWindow, Policy, Waiver, WebhookDelivery, WebhookEndpoint
from governance.selectors import sight
from governance.selectors import webhooks as receivers
from governance.services import breakglass, freezes, people, policies, waivers, webhooks
from kernel.access import decider
from kernel.errors import NotFound
from kernel.models import User
from kernel.viewer import Viewer


class PolicyList(generics.ListAPIView[Policy]):
    """Every version of every level; `level` and `state` filter."""

    scope = "governance"
    serializer_class = shapes.PolicyOutput
    filterset_fields = ["level", "state"]
    queryset = Policy.objects.all()

    @extend_schema(
        request=shapes.PolicyInput,
        responses={201: shapes.ChangeOutput},
        description="A draft version and the change that would put it into effect.",
    )
    def post(self, request: Request) -> Response:
        return answer(
            policies.propose(author=caller(request), **read(shapes.PolicyInput, request)), status.HTTP_201_CREATED
        )


class PolicyPreview(APIView):
    scope = "governance"

    @extend_schema(
        request=shapes.PreviewInput, responses={200: dict}, description="Which open changes the document would flip."
    )
    def post(self, request: Request) -> Response:
        values = read(shapes.PreviewInput, request)
        flips = policies.preview(values["level"], values["document"], viewer=Viewer.of(request.user))
        return Response(
            [
                {
                    "change": f.change.pk,
                    "title": f.change.title,
                    "flips": f.flips,
                    "voids": f.voids,
                    "added_slots": f.added_slots,
                    "dropped_slots": f.dropped_slots,
                    "added_checks": f.added_checks,
                    "dropped_checks": f.dropped_checks,
                }
                for f in flips
            ]
        )


class PolicyExplain(APIView):
    scope = "governance"

    @extend_schema(
        request=shapes.SituationInput,
        responses={200: dict},
        description="Which rules match these values, and whose approval they require.",
    )
    def post(self, request: Request) -> Response:
        values = read(shapes.SituationInput, request)
        levels = values.pop("levels") or None
        asked = policies.explain_profile(
            ChangeProfile(**values | {"entities": tuple(values["entities"])}), levels=levels
        )
        slots = [{"key": s.key, "count": s.count, "why": s.why} for s in asked.slots]
        return Response({"slots": slots, "checks": asked.checks, "matched": asked.matched, "rules": asked.explain})


class WaiverList(generics.ListAPIView[Waiver]):
    """Every waiver, newest first; `state`, `rule` and `subject_id` filter."""

    scope = "governance"
    serializer_class = waiver_shapes.WaiverOutput
    filterset_fields = ["state", "rule", "subject_id", "environment"]
    queryset = Waiver.objects.none()

    def get_queryset(self) -> Any:
        return sight.waivers(Viewer.of(self.request.user)).order_by("-id")

    def get_serializer(self, *args: Any, **kwargs: Any) -> Any:
        if args:
            kwargs["context"] = waiver_shapes.told(args[0], Viewer.of(self.request.user))
        return waiver_shapes.WaiverOutput(*args, **kwargs)

    @extend_schema(
        request=waiver_shapes.WaiverInput,
        responses={201: shapes.ChangeOutput},
        description="Ask for a waiver: opens and submits its change.",
    )
    def post(self, request: Request) -> Response:
        values = read(waiver_shapes.WaiverInput, request)
        subject = Subject(values.pop("subject_kind"), values.pop("subject_id"), values.pop("subject_digest"))
        return answer(waivers.propose(actor=caller(request), subject=subject, **values), status.HTTP_201_CREATED)


class WaiverRevoke(APIView):
    scope = "governance"

    @extend_schema(request=shapes.NoteInput, responses=waiver_shapes.WaiverOutput)
    def post(self, request: Request, waiver_id: int) -> Response:
        made = waivers.revoke(waiver_id, actor=caller(request), reason=read(shapes.NoteInput, request)["note"])
        context = waiver_shapes.told([made], Viewer.of(request.user))
        return Response(waiver_shapes.WaiverOutput(made, context=context).data)


class FreezeList(generics.ListAPIView[FreezeWindow]):
    scope = "governance"
    serializer_class = shapes.FreezeOutput
    queryset = FreezeWindow.objects.select_related("channel", "banner", "region").order_by("-id")

    @extend_schema(request=shapes.FreezeInput, responses={201: shapes.FreezeOutput})
    def post(self, request: Request) -> Response:
        made = freezes.plan(actor=caller(request), **read(shapes.FreezeInput, request))
        return Response(shapes.FreezeOutput(made).data, status=status.HTTP_201_CREATED)


class FreezeEnd(APIView):
    scope = "governance"

    @extend_schema(
        request=shapes.NoteInput,
        responses={204: None},
        description="End a window that has not begun. One that has begun ends by an approved change (409 says which).",
    )
    def post(self, request: Request, freeze_id: int) -> Response:
        freezes.end(freeze_id, actor=decider(request), reason=read(shapes.NoteInput, request)["note"])
        return Response(status=status.HTTP_204_NO_CONTENT)


class BreakGlassList(generics.ListAPIView[BreakGlass]):
    scope = "governance"
    serializer_class = shapes.BreakGlassOutput
    queryset = BreakGlass.objects.none()

    def get_queryset(self) -> Any:
        return sight.emergencies(Viewer.of(self.request.user)).order_by("-id")

    @extend_schema(
        request=shapes.BreakGlassInput,
        responses={201: shapes.BreakGlassOutput},
        description="The first of two people asks.",
    )
    def post(self, request: Request) -> Response:
        values = read(shapes.BreakGlassInput, request)
        made = breakglass.open_case(
            actor=caller(request),
            subject=subjects([values["subject"]])[0],
            environment=values["environment"],
            reason=values["reason"],
            hours=values["hours"],
        )
        return Response(shapes.BreakGlassOutput(made).data, status=status.HTTP_201_CREATED)


class BreakGlassStep(APIView):
    """`confirm` by a second person, `review` to close the debt, `end` before the time is up."""

    scope = "governance"

    @extend_schema(operation_id="break_glass_step", request=shapes.NoteInput, responses=shapes.BreakGlassOutput)
    def post(self, request: Request, case_id: int, step: str) -> Response:
        note = read(shapes.NoteInput, request)["note"]
        if step == "confirm":
            breakglass.confirm(case_id, actor=decider(request))
        elif step == "review":
            breakglass.review(case_id, actor=decider(request), note=note)
        else:
            breakglass.end(case_id, actor=caller(request))
        return Response(shapes.BreakGlassOutput(BreakGlass.objects.get(pk=case_id)).data)


class DelegationList(generics.ListAPIView[Delegation]):
    """The delegations that the caller gave or received."""

    scope = "governance"
    serializer_class = shapes.DelegationOutput
    queryset = Delegation.objects.none()

    def get_queryset(self) -> Any:
        if getattr(self, "swagger_fake_view", False):
            return self.queryset
        return Delegation.objects.select_related("delegator", "delegate", "group").filter(
            Q(delegator=self.request.user) | Q(delegate=self.request.user)
        )

    @extend_schema(request=shapes.DelegationInput, responses={201: shapes.DelegationOutput})
    def post(self, request: Request) -> Response:
        values = read(shapes.DelegationInput, request)
        to = User.objects.filter(username=values["delegate"]).first()
        if to is None:
            raise NotFound("user.unknown", f"There is nobody called {values['delegate']!r}.")
        made = people.delegate(
            actor=decider(request),
            to=to,
            team_key=values["team"],
            starts_at=values["starts_at"],
            ends_at=values["ends_at"],
            reason=values["reason"],
        )
        return Response(shapes.DelegationOutput(made).data, status=status.HTTP_201_CREATED)


class DelegationRevoke(APIView):
    scope = "governance"

    @extend_schema(request=None, responses={204: None})
    def post(self, request: Request, delegation_id: int) -> Response:
        people.revoke_delegation(delegation_id, actor=caller(request))
        return Response(status=status.HTTP_204_NO_CONTENT)


class WebhookList(generics.ListAPIView[WebhookEndpoint]):
    scope = "governance"
    serializer_class = shapes.WebhookOutput
    queryset = WebhookEndpoint.objects.none()

    def get_queryset(self) -> QuerySet[WebhookEndpoint]:
        """Empty for those who do not run webhooks: an address may carry a secret."""
        return receivers.receivers(Viewer.of(self.request.user)).order_by("-id")

    @extend_schema(
        request=shapes.WebhookInput,
        responses={201: shapes.WebhookOutput},
        description="The signing key stands in the answer, this once.",
    )
    def post(self, request: Request) -> Response:
        made, key = webhooks.register(actor=caller(request), **read(shapes.WebhookInput, request))
        return Response(dict(shapes.WebhookOutput(made).data) | {"signing_key": key}, status=status.HTTP_201_CREATED)


class WebhookDeactivate(APIView):
    scope = "governance"

    @extend_schema(request=None, responses={204: None})
    def post(self, request: Request, endpoint_id: int) -> Response:
        webhooks.deactivate(endpoint_id, actor=caller(request))
        return Response(status=status.HTTP_204_NO_CONTENT)


class DeliveryList(generics.ListAPIView[WebhookDelivery]):
    scope = "governance"
    serializer_class = shapes.DeliveryOutput
    filterset_fields = ["endpoint", "state", "topic"]
    queryset = WebhookDelivery.objects.none()

    def get_queryset(self) -> QuerySet[WebhookDelivery]:
        return receivers.deliveries(Viewer.of(self.request.user))


class DeliveryReplay(APIView):
    scope = "governance"

    @extend_schema(
        request=None, responses=shapes.DeliveryOutput, description="Send the same bytes again under the same id."
    )
    def post(self, request: Request, delivery_id: int) -> Response:
        return Response(shapes.DeliveryOutput(webhooks.replay(delivery_id, actor=caller(request))).data)
