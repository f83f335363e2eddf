"""Replay: deliver stored messages again by the same code.

Planned first, dry-run, approved above a limit, then started.

A replay is another subscription over the same log with its progress; `runtime.worker.replay_delivery` says what it
skips.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.db.models import Q
from django.db.models.functions import Now

from governance.domain.approval import SealedApproval
from governance.domain.subject import Subject
from governance.services import approvals, effects
from kernel import audit, clock
from kernel.digest import digest_of
from kernel.errors import Conflict, Invalid, NotFound, finding
from kernel.models import User
from runtime import permissions
from runtime.domain.outcome_codes import DECIDED
from runtime.models import Attempt, Lane, Progress, QuarantinedMessage, Replay, TargetSubscription
from runtime.services import cancelled_replays
from runtime.services.replay_safety import Spans, demand_alone, demand_safe, forgotten

APPROVAL_ABOVE = 10_000
SLOWEST, FASTEST = 0.01, 1_000.0  # messages per second and lane

_BOUNDS = """
select m.lane, min(m.position), max(m.position), count(*)
  from runtime_message m
  join runtime_progress p on p.subscription_id = %(subscription)s and p.lane = m.lane and m.position <= p.position
 where m.stream_id = %(stream)s
   and m.received_at >= %(since)s
   and (%(until)s::timestamptz is null or m.received_at < %(until)s)
   and m.key >= %(key_from)s collate "C"
   and (%(key_to)s = '' or m.key <= %(key_to)s collate "C" or starts_with(m.key, %(key_to)s))
 group by m.lane"""


def bounds(subscription: TargetSubscription, *, since: datetime, until: datetime | None = None) -> Spans:
    """{lane: (first, last)} of the messages that arrived in a period and were passed by this subscription."""
    return choose(subscription, since=since, until=until)[0]


def choose(
    subscription: TargetSubscription,
    *,
    since: datetime,
    until: datetime | None = None,
    key_from: str = "",
    key_to: str = "",
) -> tuple[Spans, int]:
    """Spans and number of the messages that arrived in a period, with keys in bounds, and that this target has
    passed.
    """
    chosen: dict[str, Any] = {
        "subscription": subscription.pk,
        "stream": subscription.stream_id,
        "since": since,
        "until": until,
    }
    with connection.cursor() as cursor:
        cursor.execute(_BOUNDS, chosen | {"key_from": key_from, "key_to": key_to})
        rows = cursor.fetchall()
    return {lane: (first, last) for lane, first, last, _ in rows}, sum(row[3] for row in rows)


def identity_of(subscription: TargetSubscription) -> str:
    """ "sales/journal" or "prices/stores/0187": what a change about a replay is about."""
    return "/".join(filter(None, (subscription.stream.integration.key, subscription.target, subscription.instance)))


def subject_of(subscription: TargetSubscription, spans: Spans, **more: Any) -> Subject:
    """What an approver of a large replay decides on: exactly these positions of this target."""
    content = {"subscription": subscription.pk, "spans": {str(k): list(v) for k, v in sorted(spans.items())}, **more}
    return Subject("replay", identity_of(subscription), digest_of(content))


def open_replay(
    subscription_id: int, *, spans: Spans, dry: bool, pace: float | None, actor: User | None, reason: str
) -> TargetSubscription:
    """Plan-less replay of given spans, started at once.

    `pace` in messages per second and lane. Delivered again means: with a vendor of class K, L or N the message's own
    key is asked for or honoured; messages whose key the vendor may have forgotten, or that it may know by a key that
    was lost with the database, are asked about by their business reference, or refused (`replay.key_forgotten`,
    `replay.key_lost`); so is class U. Above APPROVAL_ABOVE
    messages an approval of `subject_of` is needed. Raises Invalid, Forbidden, NotApproved.
    """
    subscription = _target(subscription_id, actor)
    if not spans or not reason.strip():
        raise Invalid("replay.empty", "Name the messages to replay, and give the reason.")
    if not dry:
        demand_safe(subscription, spans)
    count = sum(last - first + 1 for first, last in spans.values())
    with transaction.atomic():
        if not dry and count > APPROVAL_ABOVE:
            subject = subject_of(subscription, spans)
            effects.require(subject, subscription.stream.environment, actor=actor)
        if not dry:
            demand_alone(subscription, spans)
        made = _subscribe(subscription, spans, dry=dry, pace=pace)
        _record(
            "runtime.replay_opened", subscription, actor, reason, replay=made.pk, dry=dry, messages=count, spans=spans
        )
        return made


def plan(
    subscription_id: int,
    *,
    since: datetime,
    until: datetime | None = None,
    key_from: str = "",
    key_to: str = "",
    pace: float | None,
    actor: User | None,
    reason: str,
) -> Replay:
    """Fix what to deliver again; nothing is sent.

    Raises Invalid `replay.plan` with findings, `replay.empty`, Forbidden.
    """
    subscription = _target(subscription_id, actor)
    until = until or clock.now()
    if found := _problems(since, until, key_from, key_to, pace, reason):
        raise Invalid("replay.plan", f"The replay cannot be planned: {found[0]['message']}.", {"findings": found})
    spans, count = choose(subscription, since=since, until=until, key_from=key_from, key_to=key_to)
    if not count:
        raise Invalid(
            "replay.empty",
            "No message that this target has passed arrived in that time with such keys. Nothing was planned.",
            {"findings": [finding("/since", "nothing to deliver again was found")]},
        )
    with transaction.atomic():
        made = Replay.objects.create(
            target=subscription,
            since=since,
            until=until,
            key_from=key_from,
            key_to=key_to,
            pace=pace,
            reason=reason.strip(),
            spans={str(lane): list(span) for lane, span in sorted(spans.items())},
            messages=count,
            planned_by=actor,
        )
        made.digest = subject_of(subscription, spans, keys=[key_from, key_to], plan=made.pk).digest
        made.save(update_fields=["digest"])
        _record("runtime.replay_planned", subscription, actor, reason, plan=made.pk, messages=count, spans=spans)
    return made


def _problems(
    since: datetime, until: datetime, key_from: str, key_to: str, pace: float | None, reason: str
) -> list[dict[str, Any]]:
    found = []
    if since >= until:
        found.append(finding("/until", "the end is after the beginning"))
    if key_from and key_to and key_from > key_to and not key_from.startswith(key_to):
        found.append(finding("/key_to", "the last key comes after the first one"))
    if pace is not None and not SLOWEST <= pace <= FASTEST:
        found.append(finding("/pace", f"a pace lies between {SLOWEST:g} and {FASTEST:g} messages per second"))
    if not reason.strip():
        found.append(finding("/reason", "give a reason"))
    return found


def subject(replay: Replay) -> Subject:
    """The subject of a change about this plan."""
    return Subject("replay", identity_of(replay.target), replay.digest)


def approval_for(replay: Replay, *, actor: User | None) -> SealedApproval | None:
    """The approval that lets it start; None where it is small enough to need none. Raises NotApproved."""
    if replay.messages <= APPROVAL_ABOVE:
        return None
    about = subject(replay)
    return approvals.require(about, about.digest, replay.target.stream.environment, actor=actor)


def try_out(replay_id: int, *, actor: User | None) -> Replay:
    """Start a dry run, which replaces an earlier one: workers map every selected message and send nothing."""
    with transaction.atomic():
        replay = _locked(replay_id, actor)
        if replay.state != Replay.State.PLANNED:
            raise Conflict("replay.not_planned", f"This replay is {replay.state}; a dry run comes before it starts.")
        if replay.trial_id is not None:
            TargetSubscription.objects.filter(pk=replay.trial_id).update(open=False)
        replay.trial = _subscribe(replay.target, _spans(replay), dry=True, pace=None)
        replay.save(update_fields=["trial"])
        count = forgotten(replay.target, _spans(replay), replay.key_from, replay.key_to)
        _record("runtime.replay_tried", replay.target, actor, "", plan=replay.pk, forgotten_keys=count)
        _notify()
    return replay


def start(replay_id: int, *, actor: User | None) -> Replay:
    """Deliver again, at the plan's pace. Starting it twice changes nothing. Raises NotApproved, Conflict, Forbidden."""
    with transaction.atomic():
        replay = _locked(replay_id, actor)
        if replay.state in (Replay.State.RUNNING, Replay.State.DONE):
            return replay
        if replay.state != Replay.State.PLANNED:
            raise Conflict("replay.cancelled", "This replay was cancelled. Plan another one.")
        if not replay.target.open:
            raise Conflict(
                "replay.target_closed", "This target accepts no more work, so nothing can be delivered again."
            )
        demand_safe(replay.target, _spans(replay), replay.key_from, replay.key_to)
        demand_alone(replay.target, _spans(replay))
        if (found := approval_for(replay, actor=actor)) is not None:
            effects.look_again(found)
        held = approval_for(replay, actor=actor)
        if held is not None:
            approvals.mark_used(held.id, actor=actor)
        replay.subscription = _subscribe(replay.target, _spans(replay), dry=False, pace=replay.pace)
        replay.state, replay.started_by, replay.approval_id = Replay.State.RUNNING, actor, held.id if held else None
        replay.started_at = clock.now()
        replay.save(update_fields=["subscription", "state", "started_by", "started_at", "approval"])
        _close_trial(replay)
        _record("runtime.replay_opened", replay.target, actor, replay.reason, plan=replay.pk, messages=replay.messages)
        _notify()
    return replay


def cancel(replay_id: int, *, actor: User | None, reason: str) -> Replay:
    """Stop sending. Sent messages stay sent, and calls without an answer are still queried.

    Messages that wait for a retry or a person are dropped, because their first delivery counts; what a person has
    corrected waits at the target itself then (`cancelled_replays`).
    """
    if not reason.strip():
        raise Invalid(
            "replay.reason", "Give a reason for cancelling it.", {"findings": [finding("/reason", "give a reason")]}
        )
    with transaction.atomic():
        replay = _locked(replay_id, actor)
        if replay.state not in (Replay.State.PLANNED, Replay.State.RUNNING):
            raise Conflict("replay.ended", f"This replay is {replay.state}.")
        _close_trial(replay)
        handed_over = 0
        if replay.subscription_id is not None:
            handed_over = cancelled_replays.close_dead_letters(replay.subscription_id, replay.target_id, reason.strip())
            TargetSubscription.objects.filter(pk=replay.subscription_id).update(open=False)
        Replay.objects.filter(pk=replay.pk).update(state=Replay.State.CANCELLED, ended_at=Now())
        _record("runtime.replay_cancelled", replay.target, actor, reason, plan=replay.pk, handed_over=handed_over)
        replay.refresh_from_db()
    return replay


def close_finished() -> int:
    """Close replays and dry runs that have passed all messages and have none in quarantine; returns how many."""
    done = 0
    for replay in TargetSubscription.objects.filter(open=True).exclude(replay_of=None):
        rows: list[Any] = list(Progress.objects.filter(subscription=replay).values_list("position", "upto"))
        if not rows or any(upto is None or position < upto for position, upto in rows):
            continue
        if QuarantinedMessage.objects.filter(
            subscription=replay
        ).exists():  # closed, it could not be tried or redriven any more
            continue
        with transaction.atomic():
            done += TargetSubscription.objects.filter(pk=replay.pk, open=True).update(open=False)
            Replay.objects.filter(subscription=replay, state=Replay.State.RUNNING).update(
                state=Replay.State.DONE, ended_at=Now()
            )
    return done


# -- steps -------------------------------------------------------------------------------------------------------------
def _target(subscription_id: int, actor: User | None) -> TargetSubscription:
    found = (
        TargetSubscription.objects.select_related("stream__integration__owner_team", "deployment__release")
        .filter(pk=subscription_id, replay_of=None)
        .first()
    )
    if found is None:
        raise NotFound("subscription.unknown", f"There is no target {subscription_id}.")
    permissions.require_operate(actor, found.stream.integration)
    return found


def _locked(replay_id: int, actor: User | None) -> Replay:
    found = (
        Replay.objects.select_for_update(of=("self",))
        .select_related("target__stream__integration__owner_team", "target__deployment__release")
        .filter(pk=replay_id)
        .first()
    )
    if found is None:
        raise NotFound("replay.unknown", f"There is no replay {replay_id}.")
    permissions.require_operate(actor, found.target.stream.integration)
    return found


def forgotten_in(replay_id: int) -> int:
    """The same of a plan, for the page that shows it and for its dry run."""
    replay = Replay.objects.select_related("target__deployment__release").get(pk=replay_id)
    return forgotten(replay.target, _spans(replay), replay.key_from, replay.key_to)


def decided_in(replay_id: int) -> int:
    """How many messages of a plan a person has corrected or discarded at the target since they arrived, or corrected at
    a replay of it. They are not sent: what is stored is not what was decided."""
    replay = Replay.objects.get(pk=replay_id)
    decided = set[tuple[int, int]]()
    there, again = Q(subscription=replay.target_id), Q(subscription__replay_of=replay.target_id)
    of_a_person = Attempt.objects.filter(there | (again & ~Q(outcome="given_up")), outcome__in=DECIDED)
    for lane, (first, last) in _spans(replay).items():
        places = of_a_person.filter(lane=lane, last__range=(first, last)).values_list("last", flat=True)
        decided |= {(lane, place) for place in places}
    return len(decided)


def _spans(replay: Replay) -> Spans:
    return {int(lane): (int(span[0]), int(span[1])) for lane, span in replay.spans.items()}


def _subscribe(
    target: TargetSubscription, spans: Mapping[int, tuple[int, int]], *, dry: bool, pace: float | None
) -> TargetSubscription:
    asked_about = dict(Progress.objects.filter(subscription=target).values_list("lane", "ask_until"))
    made = TargetSubscription.objects.create(
        stream=target.stream,
        target=target.target,
        instance=target.instance,
        deployment_id=target.deployment_id,
        vendor_id=target.vendor_id,
        kind="dry" if dry else target.kind,
        idempotency=target.idempotency,
        coalesce=target.coalesce,
        batch=target.batch,
        max_attempts=target.max_attempts,
        settle=target.settle,
        key_kept=target.key_kept,
        deadline=target.deadline,
        tier=3,
        pace=pace,
        replay_of=target,
    )
    lanes = set(Lane.objects.filter(stream=target.stream).values_list("lane", flat=True))
    Progress.objects.bulk_create(
        Progress(subscription=made, lane=lane, position=first - 1, upto=last, ask_until=asked_about.get(lane))
        for lane, (first, last) in sorted(spans.items())
        if lane in lanes
    )
    return made


def _close_trial(replay: Replay) -> None:
    if replay.trial_id is not None:
        TargetSubscription.objects.filter(pk=replay.trial_id).update(open=False)


def _record(verb: str, target: TargetSubscription, actor: User | None, reason: str, **after: Any) -> None:
    if "spans" in after:
        after["spans"] = {str(lane): list(span) for lane, span in after["spans"].items()}
    after |= {"target": target.target, "instance": target.instance, "environment": target.stream.environment}
    audit.record(verb, "integration", target.stream.integration.key, actor=actor, reason=reason, after=after)


def _notify() -> None:
    with connection.cursor() as cursor:
        cursor.execute("select pg_notify('tillgate_work', '')")


__all__ = [
    "APPROVAL_ABOVE",
    "approval_for",
    "bounds",
    "cancel",
    "choose",
    "close_finished",
    "decided_in",
    "identity_of",
    "open_replay",
    "plan",
    "start",
    "subject",
    "subject_of",
    "try_out",
]
