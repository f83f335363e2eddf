"""Dead letters over the API: groups, messages of a group, one message; edit, redrive with a dry run, discard; settle
rejected ones.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from django.db import transaction
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from kernel import clock
from kernel.errors import NotFound
from runtime.api import decision_shapes
from runtime.api import serializers as shapes
from runtime.api.base import RuntimeView
from runtime.api.integrations import ENVIRONMENT
from runtime.selectors import dead_letter_detail, why_waits
from runtime.selectors import dead_letters as selectors
from runtime.selectors.dead_letter_detail import DeadLetterDetail
from runtime.selectors.dead_letters import DeadLetterGroup
from runtime.services import cases, seen_content
from runtime.services import dead_letters as services
from runtime.services.dead_letters import DeadLetterFilter
from runtime.services.resubmitting import resubmit_rejected


class Groups(RuntimeView):
    @extend_schema(
        operation_id="dead_letters_groups",
        tags=["runtime"],
        summary="Dead letters, grouped by what stopped them",
        description="With `asked=true` the messages without an answer, about which their target is asked.",
        parameters=[ENVIRONMENT, OpenApiParameter("integration", str), OpenApiParameter("asked", bool)],
        responses=shapes.GroupSerializer(many=True),
    )
    def get(self, request: Request) -> Response:
        integration = request.query_params.get("integration", "").replace("\0", "")[:80]
        asked = request.query_params.get("asked", "").lower() in ("true", "1")
        listed = selectors.asked_groups if asked else selectors.groups
        found = listed(self.viewer, self.environment, integration=integration)
        return Response(shapes.GroupSerializer(found, many=True).data)


class GroupView(RuntimeView):
    asked = False  # whether the messages that a body names are being asked about

    def group(self, key: str) -> DeadLetterGroup:
        listed = selectors.asked_groups if key.startswith("asked.") else selectors.groups
        found = selectors.group_of(listed(self.viewer, self.environment), key)
        if found is None:
            raise NotFound(
                "letters.gone", "There is no such group: its messages were settled, or you may not see them."
            )
        return found

    def chosen(self, data: dict[str, Any]) -> list[DeadLetterFilter]:
        """The dead letters that a body names, as filters of the service; checks that the caller may operate their
        integration.
        """
        if data.get("place"):
            subscription, lane, position = (int(part) for part in data["place"].split("/"))
            detail = dead_letter_detail.quarantined(self.viewer, subscription, lane, position)
            if detail is None:
                raise NotFound("letter.unknown", "There is no such message: it was settled, or you may not see it.")
            self.integration(detail.integration, operate=True)
            self.asked = detail.dead_letter.state == "sending"
            return [DeadLetterFilter(subscription, addresses=((lane, position),))]
        group = self.group(data["group"])
        if group.kind not in selectors.QUARANTINED_KINDS:
            raise NotFound("letters.one_by_one", "These messages are decided one by one.")
        self.integration(group.integration, operate=True)
        self.asked = group.kind == "asked"
        return [
            DeadLetterFilter(one, fingerprint=group.fingerprint, asked=self.asked)
            for one in selectors.subscriptions(group)
        ]

    def chosen_as_seen(self, data: dict[str, Any]) -> list[DeadLetterFilter]:
        """In the transaction of a decision: those that were seen. Raises Conflict `dead_letter.changed`."""
        chosen = self.chosen(data)
        if seen := data.get("seen"):
            chosen = [replace(one, until=seen_content.until_of(seen)) for one in chosen]
            seen_content.demand_standing(chosen, seen)
        return chosen


class Letters(GroupView):
    @extend_schema(
        operation_id="dead_letters_list",
        tags=["runtime"],
        summary="Dead letters of one group, oldest first, at most 200",
        parameters=[ENVIRONMENT],
        responses=shapes.LetterSerializer(many=True),
    )
    def get(self, request: Request, group: str) -> Response:
        return Response(shapes.LetterSerializer(selectors.of_group(self.group(group), limit=200), many=True).data)


class Redrive(GroupView):
    @extend_schema(
        operation_id="dead_letters_redrive",
        tags=["runtime"],
        summary="Retry dead letters, or dry-run it",
        description=(
            "`dry_run` is true by default: it maps the messages with the deployed release, sends nothing and changes "
            "nothing. What may have arrived is asked about first, and what is asked about (`sending`) is asked about "
            "now; under a circuit breaker that opened by itself that question is the call which tries it. `waits` says "
            "why nothing goes at once, and until when. 409 `redrive.unproven` where something may have arrived, "
            "nobody can be asked and `not_arrived` is not said; `dead_letter.decided` where nothing of it waits any "
            "more; `dead_letter.changed` where something of what was `seen` has changed; `redrive.closed` "
            "where the target takes no more work."
        ),
        parameters=[ENVIRONMENT],
        request=decision_shapes.RedriveSerializer,
        responses=decision_shapes.RedriveResultSerializer,
    )
    def post(self, request: Request) -> Response:
        data = self.validated(decision_shapes.RedriveSerializer)
        if not data["dry_run"]:
            with transaction.atomic():
                chosen = self.chosen_as_seen(data)
                rate = data["rate"] / len(chosen) if data.get("rate") and chosen else None
                given = {"rate": rate, "reason": data["reason"], "not_arrived": data["not_arrived"]}
                count = services.demand_some(sum([services.redrive(one, actor=self.actor, **given) for one in chosen]))
            asking = self.asked and not data["not_arrived"]
            waits = why_waits.said([one.subscription for one in chosen], asking=asking)
            return Response(
                {
                    "dry_run": False,
                    "waits": waits,
                    "letters": count,
                    "would_map": None,
                    "behind": None,
                    "outcome_unknown": None,
                    "fresh_keys": None,
                    "not_askable": None,
                    "key_forgotten": None,
                    "unproven": None,
                    "still_refused": [],
                    "standing": None,
                }
            )
        until = clock.now()
        chosen = [replace(one, until=until) for one in self.chosen(data)]
        trials = [services.dry_run(one, actor=self.actor) for one in chosen]
        refused: dict[str, int] = {}
        for reason, count in (pair for trial in trials for pair in trial.still_refused):
            refused[reason] = refused.get(reason, 0) + count
        return Response(
            {
                "dry_run": True,
                "waits": None,
                "letters": sum(trial.total for trial in trials),
                "would_map": sum(trial.would_map for trial in trials),
                "behind": sum(trial.behind for trial in trials),
                "outcome_unknown": sum(trial.unknown for trial in trials),
                "fresh_keys": sum(trial.fresh_keys for trial in trials),
                "not_askable": sum(trial.not_askable for trial in trials),
                "key_forgotten": sum(trial.key_forgotten for trial in trials),
                "unproven": sum(trial.unproven for trial in trials),
                "still_refused": [{"reason": reason, "letters": count} for reason, count in sorted(refused.items())],
                "standing": seen_content.standing(chosen, until=until),
            }
        )


class GiveUp(GroupView):
    @extend_schema(
        operation_id="dead_letters_give_up",
        tags=["runtime"],
        summary="Discard dead letters without delivery",
        parameters=[ENVIRONMENT],
        request=decision_shapes.GiveUpSerializer,
        responses=shapes.CountSerializer,
    )
    def post(self, request: Request) -> Response:
        data = self.validated(decision_shapes.GiveUpSerializer)
        with transaction.atomic():
            given = {"actor": self.actor, "reason": data["reason"]}
            count = services.demand_some(sum([services.discard(one, **given) for one in self.chosen_as_seen(data)]))
        return Response({"letters": count})


def _shown(found: DeadLetterDetail | None) -> Response:
    if found is None:
        raise NotFound("letter.unknown", "There is no such message: it was settled, or you may not see it.")
    return Response(shapes.StorySerializer(found).data)


class ParkedLetter(RuntimeView):
    @extend_schema(
        operation_id="dead_letters_read",
        tags=["runtime"],
        summary="One quarantined message with its history",
        responses=shapes.StorySerializer,
    )
    def get(self, request: Request, subscription: int, lane: int, position: int) -> Response:
        return _shown(dead_letter_detail.quarantined(self.viewer, subscription, lane, position))

    @extend_schema(
        operation_id="dead_letters_mend",
        tags=["runtime"],
        summary="Edit the payload of one dead letter",
        description=(
            "The stored message stays as it arrived; the edited payload is sent instead when the message is redriven. "
            "With `seen` (the `content` that you read) 409 `dead_letter.edited` where somebody has edited it since."
        ),
        request=shapes.MendSerializer,
        responses=shapes.StorySerializer,
    )
    def put(self, request: Request, subscription: int, lane: int, position: int) -> Response:
        data = self.validated(shapes.MendSerializer)
        found = dead_letter_detail.quarantined(self.viewer, subscription, lane, position)
        if found is None:
            return _shown(None)
        self.integration(found.integration, operate=True)
        given = {"payload": data["payload"], "reason": data["reason"], "seen": data.get("seen")}
        services.edit_payload(subscription, lane, position, actor=self.actor, **given)
        return _shown(dead_letter_detail.quarantined(self.viewer, subscription, lane, position))


class _CaseView(RuntimeView):
    find: Callable[..., DeadLetterDetail | None]

    def operated(self, number: int) -> DeadLetterDetail:
        found = type(self).find(self.viewer, number)
        if found is None:
            raise NotFound("letter.unknown", "There is no such message, or you may not see it.")
        self.integration(found.integration, operate=True)
        return found


class RejectedLetter(_CaseView):
    find = staticmethod(dead_letter_detail.rejected)

    @extend_schema(
        operation_id="rejected_read",
        tags=["runtime"],
        summary="One message that was rejected before storing",
        responses=shapes.StorySerializer,
    )
    def get(self, request: Request, number: int) -> Response:
        return _shown(dead_letter_detail.rejected(self.viewer, number))

    @extend_schema(
        operation_id="rejected_resubmit",
        tags=["runtime"],
        summary="Hand it in again, corrected",
        description=(
            "409 `rejected.newer` where another state of its key came later and states carry no version: nothing was "
            "changed; `although_newer` says that this one is to replace it."
        ),
        request=shapes.ResubmitSerializer,
        responses=shapes.IntakeReceiptSerializer,
    )
    def post(self, request: Request, number: int) -> Response:
        data = self.validated(shapes.ResubmitSerializer)
        self.operated(number)
        given = {"payload": data["payload"], "note": data["reason"], "although_newer": data["although_newer"]}
        receipt = resubmit_rejected(number, actor=self.actor, **given)
        return Response(shapes.IntakeReceiptSerializer(receipt).data)


class RejectedDismissal(_CaseView):
    find = staticmethod(dead_letter_detail.rejected)

    @extend_schema(
        operation_id="rejected_dismiss",
        tags=["runtime"],
        summary="Decide that it is not needed",
        request=shapes.DismissalSerializer,
        responses=shapes.StorySerializer,
    )
    def post(self, request: Request, number: int) -> Response:
        data = self.validated(shapes.DismissalSerializer)
        self.operated(number)
        cases.dismiss_rejected(number, actor=self.actor, note=data["reason"])
        return _shown(dead_letter_detail.rejected(self.viewer, number))


class ConflictLetter(_CaseView):
    find = staticmethod(dead_letter_detail.conflict)

    @extend_schema(
        operation_id="conflicts_read",
        tags=["runtime"],
        summary="A fact that came again with other content",
        responses=shapes.StorySerializer,
    )
    def get(self, request: Request, number: int) -> Response:
        return _shown(dead_letter_detail.conflict(self.viewer, number))

    @extend_schema(
        operation_id="conflicts_settle",
        tags=["runtime"],
        summary="Keep the stored version, or apply the later one as a correction",
        request=shapes.ConflictSerializer,
        responses=shapes.StorySerializer,
    )
    def post(self, request: Request, number: int) -> Response:
        data = self.validated(shapes.ConflictSerializer)
        self.operated(number)
        cases.settle_conflict(number, keep=data["keep"], actor=self.actor, note=data["reason"])
        return _shown(dead_letter_detail.conflict(self.viewer, number))
