"""Lanes of a stream: how many the deployed manifest wants, where a target begins, and the scheduler's turn."""

from __future__ import annotations

import logging
from typing import Any

import psycopg

from runtime.ledger import connections, lanes
from runtime.models import LaneChange, Progress, Stream, TargetSubscription
from runtime.selectors.sql_rows import row
from runtime.services.wakeups import signal

log = logging.getLogger(__name__)


def want(stream: Stream, number: int) -> None:
    """The deployed manifest has so many lanes. The scheduler begins the change in a transaction of its own, for it
    needs every lane of the stream for a moment."""
    wanted = None if stream.lanes == number else number
    if stream.wanted_lanes == wanted:
        return
    Stream.objects.filter(pk=stream.pk).update(wanted_lanes=wanted)
    stream.wanted_lanes = wanted


def told(integration_id: int, environment: str, number: int) -> str | None:
    """What those who approve a manifest with so many lanes should know; None where the number stays."""
    stream = Stream.objects.filter(integration_id=integration_id, environment=environment).first()
    if stream is None or stream.lanes == number:
        return None
    return (
        f"{stream.lanes} lanes become {number} at the deployment: new messages go to the new lanes, and each target "
        "takes them when it has everything from before, so a key keeps its order; a target that stands still holds "
        "back its own new messages alone"
    )


def start(subscription: TargetSubscription, *, ask_until: int | None) -> None:
    """A new target begins at the first message of the stream, and takes the lanes as they were then."""
    stream = subscription.stream
    changes = list(LaneChange.objects.filter(stream=stream).order_by("pk"))
    first = changes[0] if changes else None
    places: dict[int, dict[str, Any]] = {lane: {} for lane in range(stream.lanes)}
    if first is not None:
        most = max(number for one in changes for number in (one.before, one.lanes))
        ends = dict(enumerate(first.ends))
        places = {lane: {"position": 0, "upto": ends.get(lane, 0)} for lane in range(most)}
        TargetSubscription.objects.filter(pk=subscription.pk).update(lane_change=first.pk)
    Progress.objects.bulk_create(
        Progress(subscription=subscription, lane=lane, ask_until=ask_until, **place) for lane, place in places.items()
    )


def go_on(stream: Stream) -> None:
    """A target that is new, or open again, is before the changes that the others have passed."""
    before = TargetSubscription.objects.filter(stream=stream, open=True, replay_of=None, lane_change__isnull=False)
    if before.exists():
        newest = LaneChange.objects.filter(stream=stream).latest("pk")
        Stream.objects.filter(pk=stream.pk).update(lane_change=newest.pk)


def attend() -> int:
    """Begin what deployments want, and let on the targets that have everything from before; answers how much was done.

    Where somebody holds a lane for longer than a second, the next turn tries again.
    """
    if not _something_to_do():
        return 0
    with connections.connected(name="tillgate-lanes", role="scheduler") as conn:
        try:
            done = lanes.attend(conn)
        except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected):
            log.warning("lanes could not be changed yet: somebody holds one; tried again")
            return 0
        if done:
            signal(conn)
    return done


def _something_to_do() -> bool:
    return (
        row("select 1 as one from runtime_stream where wanted_lanes is not null or lane_change is not null") is not None
    )
