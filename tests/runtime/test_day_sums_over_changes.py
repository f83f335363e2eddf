"""Sums of days say what the messages say, also after another number of lanes, a replay, a database that went back."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
from django.core.management import call_command
from django.utils import timezone

from kernel import clock
from runtime.models import DaySum, Integration, Stream
from runtime.services import day_sums, replays
from tests.runtime import scene
from tests.runtime.test_across_lane_changes import changed, emptied, everything_delivered, planned
from tests.runtime.test_day_sums import by_messages, by_sums
from tests.runtime.test_lane_changes import FEED, catalog, deployed, hand_in, work

__all__ = ["catalog"]
pytestmark = pytest.mark.django_db(transaction=True)


def agree(count: int) -> dict[str, Any]:
    """Before and after what has come since is added up, the account of today is that of the messages."""
    site = cast("scene.Site", SimpleNamespace(integration=Integration.objects.get(key=FEED)))
    today = timezone.localtime(clock.now()).date()
    for _ in range(2):
        mine, messages = by_sums(site, today, "arrival"), by_messages(site, today, "arrival")
        assert mine == messages
        assert mine["messages"][0] == count
        while day_sums.bring_up_to_date(Stream.objects.get().pk):
            pass
    assert DaySum.objects.exists()
    return mine


@pytest.mark.parametrize(("before", "after"), [(2, 5), pytest.param(5, 2, marks=pytest.mark.thorough)])
def test_after_another_number_of_lanes(catalog: None, before: int, after: int) -> None:
    deployed(lanes=before)
    hand_in(1)
    agree(20)
    changed(after)
    agree(20)
    hand_in(2)
    agree(40)
    everything_delivered()
    agree(40)
    changed(before)
    hand_in(3)
    everything_delivered()
    agree(60)


@pytest.mark.thorough
def test_a_replay_is_no_message_of_its_day_and_no_second_delivery(catalog: None) -> None:
    deployed(lanes=2)
    hand_in(1)
    work()
    before = agree(20)
    emptied()
    made = replays.try_out(planned().pk, actor=None)
    everything_delivered()
    assert agree(20) == before
    replays.start(made.pk, actor=None)
    everything_delivered()
    assert agree(20) == before
    hand_in(2)
    everything_delivered()
    agree(40)


def test_after_the_database_went_back(catalog: None) -> None:
    deployed(lanes=2)
    hand_in(1)
    work()
    agree(20)
    call_command("ledger_restored", "--note", "the backup of the night")
    agree(20)
    hand_in(2)
    everything_delivered()
    agree(40)
