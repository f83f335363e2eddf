"""Change requests over HTTP. Decisions need a person: a session, or a token of a person."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import generics, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from governance.api import serializers as shapes
from governance.domain.subject import Subject
from governance.models import Approval, ChangeEvent, ChangeRequest
from governance.selectors import changes as selectors
from governance.selectors import sight, slots, told_changes
from governance.services import acceptances, applying, changes, checks, reviews, unfillable
from kernel.access import decider
from kernel.errors import Forbidden
from kernel.models import User
from kernel.viewer import Viewer


def caller(request: Request) -> User:
    """Who is calling: the permission class lets nobody else come here."""
    if not isinstance(request.user, User):
        raise Forbidden("request.anonymous", "Sign in, or send a token.")
    return request.user


def asked_change(request: Request, change_id: int) -> ChangeRequest:
    """The change, as far as the caller may see it."""
    return sight.change(Viewer.of(request.user), change_id)


def read(shape: type[Any], request: Request) -> dict[str, Any]:
    made = shape(data=request.data)
    made.is_valid(raise_exception=True)
    found: dict[str, Any] = made.validated_data
    return found


def subjects(entries: list[dict[str, Any]]) -> list[Subject]:
    return [Subject(entry["kind"], entry["id"], entry["digest"]) for entry in entries]


def answer(change: ChangeRequest, code: int = 200) -> Response:
    return Response(shapes.ChangeOutput(changes.get(change.pk)).data, status=code)


class ChangeList(generics.ListAPIView[ChangeRequest]):
    """Every change, newest first; `state`, `kind`, `environment` and `subject` filter."""

    scope = "governance"
    serializer_class = shapes.ChangeOutput
    filterset_fields = ["state", "kind", "environment"]

    def get_queryset(self) -> Any:
        rows = selectors.listed(Viewer.of(self.request.user)).prefetch_related("subjects")
        subject = self.request.query_params.get("subject")
        return rows.filter(subjects__subject_id=subject[:200]).distinct() if subject and "\x00" not in subject else rows

    @extend_schema(parameters=[OpenApiParameter("subject", str, description="Id of a subject, such as price-api@v3")])
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().get(request, *args, **kwargs)

    @extend_schema(request=shapes.ChangeInput, responses={201: shapes.ChangeOutput}, description="Open a draft.")
    def post(self, request: Request) -> Response:
        values = read(shapes.ChangeInput, request)
        listed = subjects(values.pop("subjects"))
        return answer(changes.open_change(author=caller(request), subjects=listed, **values), status.HTTP_201_CREATED)


class ChangeDetail(APIView):
    scope = "governance"

    @extend_schema(responses=shapes.ChangeOutput)
    def get(self, request: Request, change_id: int) -> Response:
        return answer(asked_change(request, change_id))

    @extend_schema(
        request=shapes.AmendInput,
        responses=shapes.ChangeOutput,
        description="Everything but title and justification voids decisions.",
    )
    def patch(self, request: Request, change_id: int) -> Response:
        values = read(shapes.AmendInput, request)
        return answer(changes.amend(asked_change(request, change_id), actor=caller(request), **values))


class Submit(APIView):
    scope = "governance"

    @extend_schema(
        request=None,
        responses=shapes.ChangeOutput,
        description="draft → in review: slots are derived and the checks begin.",
    )
    def post(self, request: Request, change_id: int) -> Response:
        return answer(changes.submit(asked_change(request, change_id), actor=caller(request)))


class Revise(APIView):
    scope = "governance"

    @extend_schema(
        request=shapes.ReviseInput,
        responses=shapes.ChangeOutput,
        description="Other digests: a new revision; earlier decisions are void.",
    )
    def post(self, request: Request, change_id: int) -> Response:
        values = read(shapes.ReviseInput, request)
        return answer(
            changes.revise(
                asked_change(request, change_id), subjects=subjects(values["subjects"]), actor=caller(request)
            )
        )


class Withdraw(APIView):
    scope = "governance"

    @extend_schema(request=shapes.NoteInput, responses=shapes.ChangeOutput)
    def post(self, request: Request, change_id: int) -> Response:
        return answer(
            changes.withdraw(
                asked_change(request, change_id), actor=caller(request), reason=read(shapes.NoteInput, request)["note"]
            )
        )


class Apply(APIView):
    scope = "governance"

    @extend_schema(
        request=None,
        responses=shapes.ChangeOutput,
        description="Carry an approved change out now, if its window is open.",
    )
    def post(self, request: Request, change_id: int) -> Response:
        return answer(applying.apply(asked_change(request, change_id), actor=caller(request)))


class Decisions(APIView):
    """One person's word. The four digests are what the person has looked at; other ones than the present give 409."""

    scope = "governance"

    @extend_schema(responses=shapes.DecisionOutput(many=True))
    def get(self, request: Request, change_id: int) -> Response:
        rows = asked_change(request, change_id).decisions.select_related("person")
        return Response(shapes.DecisionOutput(rows, many=True).data)

    @extend_schema(request=shapes.DecisionInput, responses={201: shapes.DecisionOutput})
    def post(self, request: Request, change_id: int) -> Response:
        values = read(shapes.DecisionInput, request)
        seen = reviews.Seen(
            *(values[key] for key in ("subject_digest", "diff_digest", "impact_digest", "policy_digest"))
        )
        made = reviews.decide(
            asked_change(request, change_id),
            actor=decider(request),
            outcome=values["outcome"],
            seen=seen,
            note=values["note"],
        )
        return Response(shapes.DecisionOutput(made).data, status=status.HTTP_201_CREATED)

    @extend_schema(responses={204: None}, description="Retract your decision.")
    def delete(self, request: Request, change_id: int) -> Response:
        reviews.retract(asked_change(request, change_id), actor=decider(request))
        return Response(status=status.HTTP_204_NO_CONTENT)


class Acceptances(APIView):
    scope = "governance"

    @extend_schema(
        request=shapes.AcceptanceInput, responses={201: None}, description="Accept one breaking finding as what it is."
    )
    def post(self, request: Request, change_id: int) -> Response:
        made = acceptances.accept_break(
            asked_change(request, change_id), actor=decider(request), **read(shapes.AcceptanceInput, request)
        )
        return Response(
            {"id": made.pk, "rule": made.rule, "pointer": made.pointer, "kind": made.kind, "subject": made.about},
            status=status.HTTP_201_CREATED,
        )


class Checks(APIView):
    scope = "governance"

    @extend_schema(responses=shapes.CheckOutput(many=True))
    def get(self, request: Request, change_id: int) -> Response:
        change = asked_change(request, change_id)
        results = change.check_results.filter(revision=change.revision)
        told = told_changes.checks(change, results, Viewer.of(request.user))
        return Response(shapes.CheckOutput(told, many=True).data)

    @extend_schema(request=None, responses={202: None}, description="Run the checks of the present revision again.")
    def post(self, request: Request, change_id: int) -> Response:
        checks.ask_again(asked_change(request, change_id), actor=caller(request))
        return Response(status=status.HTTP_202_ACCEPTED)


class Slots(APIView):
    scope = "governance"

    @extend_schema(responses=shapes.SlotOutput(many=True), description="Who must decide, who has, and who could.")
    def get(self, request: Request, change_id: int) -> Response:
        return Response(
            shapes.SlotOutput(
                slots.of(asked_change(request, change_id), viewer=Viewer.of(request.user)), many=True
            ).data
        )


class Unfillable(APIView):
    scope = "governance"

    @extend_schema(
        responses=shapes.UnfillableOutput(many=True),
        description="The slots that nobody can fill, before and after submission, and who can help.",
    )
    def get(self, request: Request, change_id: int) -> Response:
        missing = unfillable.told(asked_change(request, change_id), Viewer.of(request.user))
        return Response(shapes.UnfillableOutput(missing, many=True).data)


class Differences(APIView):
    scope = "governance"

    @extend_schema(responses={200: dict})
    def get(self, request: Request, change_id: int) -> Response:
        return Response(asked_change(request, change_id).difference)


class Events(generics.ListAPIView[Any]):
    scope = "governance"
    serializer_class = shapes.EventOutput
    queryset = ChangeEvent.objects.none()

    def get_queryset(self) -> Any:
        if getattr(self, "swagger_fake_view", False):
            return self.queryset
        return asked_change(self.request, self.kwargs["change_id"]).events.select_related("actor")

    @extend_schema(
        request=shapes.CommentInput,
        responses={201: shapes.EventOutput},
        description="Comment. A comment is not a decision.",
    )
    def post(self, request: Request, change_id: int) -> Response:
        made = changes.comment(
            asked_change(request, change_id), actor=caller(request), text=read(shapes.CommentInput, request)["text"]
        )
        return Response(shapes.EventOutput(made).data, status=status.HTTP_201_CREATED)


class ApprovalList(generics.ListAPIView[Approval]):
    """Sealed approvals, newest first; `subject_id`, `environment` and `digest` filter."""

    scope = "governance"
    serializer_class = shapes.ApprovalOutput
    filterset_fields = ["subject_kind", "subject_id", "environment", "digest", "change"]
    queryset = Approval.objects.none()

    def get_queryset(self) -> Any:
        return sight.approvals(Viewer.of(self.request.user)).order_by("-id")
