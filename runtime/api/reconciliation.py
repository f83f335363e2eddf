"""Reconciliation over the API: one day of every flow, one day of one flow by store, and the query of the target
system.
"""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiParameter, OpenApiTypes, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from runtime.api.base import RuntimeView
from runtime.api.integrations import ENVIRONMENT
from runtime.domain.reconciliation import DELIVERED, STATES
from runtime.selectors import daily_totals
from runtime.selectors.daily_totals import chosen_day
from runtime.services import daily_accounts, target_comparison

DAY = OpenApiParameter("day", OpenApiTypes.DATE, description="Today without one.")
WAYS = ["business", "arrival"]
BY = OpenApiParameter(
    "by", str, enum=WAYS, description="By the business day that messages name, or by the day on which they arrived."
)


class TargetLineSerializer(serializers.Serializer[Any]):
    target = serializers.CharField()
    instances = serializers.IntegerField()
    due = serializers.IntegerField()
    delivered = serializers.IntegerField()
    superseded = serializers.IntegerField()
    not_meant = serializers.IntegerField(source="skipped")
    waiting = serializers.IntegerField()
    retrying = serializers.IntegerField()
    behind = serializers.IntegerField()
    blocked = serializers.IntegerField(help_text="Of those behind: behind a message that waits for a person.")
    dead = serializers.IntegerField()
    unknown = serializers.IntegerField()
    declined = serializers.IntegerField()
    closed = serializers.IntegerField()


class FlowLineSerializer(serializers.Serializer[Any]):
    """`read`, `accepted`, `unchanged` and `older` are null where no run collected: unknown, not zero."""

    integration = serializers.CharField()
    read = serializers.IntegerField(allow_null=True)
    accepted = serializers.IntegerField(allow_null=True)
    unchanged = serializers.IntegerField(allow_null=True)
    older = serializers.IntegerField(allow_null=True)
    in_the_log = serializers.IntegerField(source="logged")
    dropped = serializers.IntegerField(help_text="Of those in the log: no longer kept, and counted when they went.")
    refused = serializers.IntegerField(source="rejected")
    conflicts = serializers.IntegerField()
    read_refused = serializers.IntegerField(
        source="read_rejected", allow_null=True, help_text="Of what runs read: refused for the first time."
    )
    read_refused_again = serializers.IntegerField(
        source="read_again", allow_null=True, help_text="Of what runs read: known as refused, and come again."
    )
    read_conflicts = serializers.IntegerField(allow_null=True, help_text="Of what runs read: conflicting.")
    read_conflicts_again = serializers.IntegerField(
        allow_null=True, help_text="Of what runs read: known as conflicting, and come again."
    )
    difference = serializers.IntegerField(
        allow_null=True, help_text="Read by runs, and neither in the log nor accounted for by the counts beside it."
    )
    targets = TargetLineSerializer(many=True)


class LineSerializer(serializers.Serializer[Any]):
    target = serializers.CharField()
    store = serializers.CharField()
    due = serializers.IntegerField(source="tally.due.count")
    amount_due = serializers.SerializerMethodField()
    amount_delivered = serializers.SerializerMethodField(help_text="as it was delivered: what was edited, as edited")
    edited = serializers.IntegerField(
        source="tally.edited.count", help_text="delivered as a person had edited it, and not as it came"
    )
    amount_edited = serializers.SerializerMethodField(help_text="what the edits add to what came")
    currency = serializers.SerializerMethodField()
    states = serializers.SerializerMethodField()

    def get_amount_due(self, line: Any) -> str | None:
        return str(line.tally.due.amount) if line.tally.due.known else None

    def get_amount_delivered(self, line: Any) -> str | None:
        delivered = line.tally.by_state[DELIVERED]
        return str(delivered.amount) if delivered.known else None

    def get_amount_edited(self, line: Any) -> str | None:
        return str(line.tally.edited.amount) if line.tally.edited.known else None

    def get_currency(self, line: Any) -> str | None:
        return line.tally.due.currency if line.tally.due.known else None

    def get_states(self, line: Any) -> dict[str, int]:
        return {state: line.tally.count(state) for state in STATES}


class GapSerializer(serializers.Serializer[Any]):
    store = serializers.CharField()
    till = serializers.CharField()
    day = serializers.CharField()
    first = serializers.IntegerField()
    last = serializers.IntegerField()


class OtherSideSerializer(serializers.Serializer[Any]):
    """`due` messages of the day, `asked` of them asked about; `twice`: more than one document there; `differs`: another
    amount there; `silent`: no answer that can be trusted; `unproven`: there under the name of a state, which may be an
    earlier one."""

    target = serializers.CharField()
    instance = serializers.CharField()
    by = serializers.CharField()
    at = serializers.DateTimeField()
    due = serializers.IntegerField()
    asked = serializers.IntegerField()
    agreed = serializers.IntegerField()
    missing = serializers.IntegerField()
    extra = serializers.IntegerField()
    twice = serializers.IntegerField()
    differs = serializers.IntegerField()
    silent = serializers.IntegerField()
    unproven = serializers.IntegerField()
    note = serializers.CharField()
    cases = serializers.JSONField()


class AccountSerializer(serializers.Serializer[Any]):
    integration = serializers.CharField(source="account.integration")
    day = serializers.DateField(source="account.day")
    by = serializers.CharField(source="account.by")
    complete = serializers.BooleanField(source="account.complete")
    as_of = serializers.DateTimeField(source="account.as_of")
    summed_at = serializers.DateTimeField(
        source="account.summed_at",
        allow_null=True,
        help_text="When the sums of the day were brought up to date; what came since counts, too. Null: none yet.",
    )
    unjudged = serializers.ListField(
        source="account.unjudged",
        child=serializers.CharField(),
        help_text="Targets of which all that they have still to take counts as waiting, also what they will skip.",
    )
    messages = serializers.IntegerField(source="account.messages.count")
    lines = LineSerializer(source="account.lines", many=True)
    gaps = GapSerializer(source="account.gaps", many=True)
    comparisons = OtherSideSerializer(many=True)


class CompareSerializer(serializers.Serializer[Any]):
    environment = serializers.CharField(max_length=40, required=False, default="production")
    day = serializers.DateField()
    by = serializers.ChoiceField(choices=WAYS, required=False, default="arrival")
    target = serializers.CharField(max_length=80)
    instance = serializers.CharField(max_length=80, required=False, allow_blank=True, default="")


class Overview(RuntimeView):
    @extend_schema(
        operation_id="reconciliation_list",
        tags=["runtime"],
        summary="Every flow on one day of arrival",
        parameters=[ENVIRONMENT, DAY],
        responses=FlowLineSerializer(many=True),
    )
    def get(self, request: Request) -> Response:
        day = chosen_day(request.query_params.get("day", ""))
        return Response(FlowLineSerializer(daily_totals.overview(self.viewer, self.environment, day), many=True).data)


class FlowAccount(RuntimeView):
    @extend_schema(
        operation_id="reconciliation_read",
        tags=["runtime"],
        summary="One flow on one day, by target and store",
        parameters=[ENVIRONMENT, DAY, BY],
        responses=AccountSerializer,
    )
    def get(self, request: Request, key: str) -> Response:
        integration, place = self.integration(key), self.environment
        day, by = chosen_day(request.query_params.get("day", "")), request.query_params.get("by", "")
        account = daily_accounts.account(integration, place, day, by=by if by in WAYS else "arrival")
        found = {"account": account, "comparisons": daily_totals.comparisons(account.stream, day, account.by)}
        return Response(AccountSerializer(found).data)


class Compare(RuntimeView):
    @extend_schema(
        operation_id="reconciliation_compare",
        tags=["runtime"],
        summary="Query the target system which of a day's messages it has",
        description=(
            "Changes nothing there. 409 where the connection has no lookup, 503 while the vendor takes no calls."
        ),
        request=CompareSerializer,
        responses={201: OtherSideSerializer},
    )
    def post(self, request: Request, key: str) -> Response:
        data = self.validated(CompareSerializer)
        integration = self.integration(key, operate=True)
        day, by = chosen_day(data["day"].isoformat()), data["by"]
        made = target_comparison.compare(
            integration,
            self.environment,
            day,
            by=by,
            target=data["target"],
            instance=data["instance"],
            actor=self.actor,
        )
        mine = (data["target"], data["instance"])
        found = next(
            one
            for one in daily_totals.comparisons(made.target.stream_id, day, by)
            if (one.target, one.instance) == mine
        )
        return Response(OtherSideSerializer(found).data, status=201)
