"""What looks at messages by lane and position, across a change of the number of lanes: replays, and the latencies of
the service levels, for messages that are on their way while it happens."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from kernel import clock
from runtime.ledger import connections
from runtime.ledger import service_levels as ledger
from runtime.models import Replay, Stream, TargetSubscription
from runtime.selectors.sql_rows import rows
from runtime.services import lane_changes, replays
from tests.runtime.test_lane_changes import catalog, deployed, hand_in, work
from tests.runtime.test_replays import counts

__all__ = ["catalog"]
pytestmark = pytest.mark.django_db(transaction=True)
HOUR = timedelta(hours=1)


def changed(lanes: int) -> None:
    """Begun, while what is on its way stays there."""
    deployed(lanes=lanes)
    assert lane_changes.attend()


def everything_delivered() -> None:
    while work() or lane_changes.attend():
        pass


def totals() -> set[tuple[int, int]]:
    """How many orders the table has, by the generation that they show in their fraction."""
    with connections.connected() as conn:
        found = conn.execute(
            "select ((total - floor(total)) * 4)::int, count(*)::int from order_target group by 1"
        ).fetchall()
    return {(generation, count) for generation, count in found}


def planned() -> Replay:
    target = TargetSubscription.objects.get(replay_of=None)
    return replays.plan(target.pk, since=clock.now() - HOUR, pace=None, actor=None, reason="the table was restored")


def emptied() -> None:
    with connections.connected() as conn:
        conn.execute("delete from order_target")


@pytest.mark.parametrize(("before", "after"), [(2, 5), (5, 2), (3, 1)])
def test_a_replay_over_a_change_delivers_the_newest_state_of_each_key_once(
    catalog: None, before: int, after: int
) -> None:
    deployed(lanes=before)
    hand_in(1)
    work()
    changed(after)
    hand_in(2)
    everything_delivered()
    there = totals()
    emptied()
    made = planned()
    assert made.messages == 40
    made = replays.try_out(made.pk, actor=None)
    everything_delivered()
    assert (counts(made.trial)["confirmed"], counts(made.trial)["skipped"]) == (20, 20)
    made = replays.start(made.pk, actor=None)
    everything_delivered()
    assert totals() == there
    assert (counts(made.subscription)["confirmed"], counts(made.subscription)["skipped"]) == (20, 20)


def test_a_replay_that_is_planned_before_a_change_sends_nothing_older_after_it(catalog: None) -> None:
    deployed(lanes=2)
    hand_in(1)
    work()
    made = replays.try_out(planned().pk, actor=None)
    everything_delivered()
    changed(5)
    hand_in(2)
    everything_delivered()
    there = totals()
    made = replays.start(made.pk, actor=None)
    everything_delivered()
    assert totals() == there
    assert counts(made.subscription)["confirmed"] == 0


def counted(marked: datetime) -> tuple[int, int]:
    """Messages of the last hour: with an end, and still on their way."""
    stream = Stream.objects.get().pk
    found = ledger.latencies(
        rows,
        stream=stream,
        target="read-model",
        since=marked - timedelta(minutes=1),
        until=clock.now() + HOUR,
        marked=marked,
        limit=3600.0,
    )
    assert found is not None
    ended = sum(row["messages"] for row in found if row["bucket"] is not None)
    return round(ended), round(sum(row["messages"] for row in found if row["bucket"] is None))


@pytest.mark.parametrize("numbers", [(2, 5), (5, 2), (2, 5, 2), (1, 8, 3)])
def test_what_is_on_its_way_while_lanes_change_is_measured_once(catalog: None, numbers: tuple[int, ...]) -> None:
    deployed(lanes=numbers[0])
    marked = clock.now() - timedelta(minutes=10)
    ledger.mark(rows, [Stream.objects.get().pk], marked)
    hand_in(1)
    assert counted(marked) == (0, 20)
    for generation, lanes in enumerate(numbers[1:], 2):
        changed(lanes)
        hand_in(generation)
        assert counted(marked) == (0, 20 * generation), "nothing has arrived anywhere yet"
    assert work() == 20, "the old lanes alone"
    assert counted(marked) == (20, 20 * (len(numbers) - 1))
    everything_delivered()
    assert counted(marked) == (20 * len(numbers), 0)


def test_a_mark_between_two_changes_counts_what_came_after_it(catalog: None) -> None:
    deployed(lanes=2)
    hand_in(1)
    changed(5)
    everything_delivered()
    marked = clock.now()
    ledger.mark(rows, [Stream.objects.get().pk], marked)
    hand_in(2)
    changed(3)
    hand_in(3)
    everything_delivered()
    assert counted(marked) == (40, 0)
