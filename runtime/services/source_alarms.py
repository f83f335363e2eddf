"""Alarms of sources: one that was due and was not read for longer than its tier allows is told to its owner, once.

The alarm closes by itself with the next look that succeeds.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction

from catalog.selectors import tiers
from kernel import clock, outbox
from runtime.domain import schedule as rules
from runtime.models import Deployment, Schedule, SourceAlarm, Stream
from runtime.selectors import source_looks
from runtime.selectors.source_looks import SourceState


@dataclass(frozen=True, slots=True)
class _Late:
    """A source that is late: `since` is the moment at which a look or a sign of life was due and did not come."""

    stream: Stream
    source: str
    since: datetime
    reason: str


def check(*, at: datetime | None = None) -> int:
    """Raise and close alarms. Answers how many were raised. Any number of schedulers may do it at once."""
    moment = at or clock.now()
    late = {(one.stream.pk, one.source): one for one in _late(moment)}
    raised = sum(_raise(one) for one in late.values())
    for alarm in SourceAlarm.objects.filter(ended_at=None).select_related("stream__integration"):
        if (alarm.stream_id, alarm.source) not in late:
            _close(alarm, moment)
    return raised


def _late(moment: datetime) -> list[_Late]:
    allowed = {tier.level: tier.max_staleness_s for tier in tiers.all_tiers()}
    running = {
        (one.integration_id, one.environment): one
        for one in Deployment.objects.filter(active=True, paused=False).select_related("release")
    }
    streams = {
        one.pk: one
        for one in Stream.objects.select_related("integration")
        if (one.integration_id, one.environment) in running
    }
    when = {(one.integration_id, one.environment): one for one in Schedule.objects.filter(enabled=True)}
    found = []
    for (stream_id, source), state in source_looks.of(streams).items():
        stream = streams[stream_id]
        place = stream.integration_id, stream.environment
        limit = allowed.get(running[place].release.tier)
        due = _due(state, when.get(place), running[place].deployed_at)
        if limit is not None and due is not None and moment - due > timedelta(seconds=limit):
            found.append(_Late(stream, source, due, state.failing))
    return found


def _due(state: SourceState, schedule: Schedule | None, deployed_at: datetime) -> datetime | None:
    """When the next look or sign of life after the last one was due; None where none ever is.

    A source that was never seen is due from its deployment on.
    """
    if not state.look.can_look:
        return None
    last = state.look.looked_at or deployed_at
    if state.expect_every is not None:
        return last + state.expect_every if state.hours is None else state.hours.after(last, state.expect_every)
    if schedule is None:
        return None
    return rules.following(
        schedule.expression, schedule.zone, last, skipped=schedule.skipped, repeated=schedule.repeated
    )


def _raise(late: _Late) -> bool:
    with transaction.atomic():
        _, made = SourceAlarm.objects.get_or_create(
            stream=late.stream,
            source=late.source,
            ended_at=None,
            defaults={"since": late.since, "reason": late.reason[:2000]},
        )
        if not made:
            return False
        _emit("runtime.source_late", late.stream, late.source, since=late.since.isoformat(), reason=late.reason[:200])
        return True


def _close(alarm: SourceAlarm, moment: datetime) -> None:
    with transaction.atomic():
        if SourceAlarm.objects.filter(pk=alarm.pk, ended_at=None).update(ended_at=moment):
            _emit("runtime.source_read_again", alarm.stream, alarm.source, since=alarm.since.isoformat())


def _emit(topic: str, stream: Stream, source: str, **more: str) -> None:
    payload = {"environment": stream.environment, "source": source} | more
    outbox.emit(topic, key=stream.integration.key, payload=payload)
