"""What waits stays under a name until a person has decided, also where its replay is cancelled or its target is gone;
and of two people who edit one dead letter the second is told."""

from __future__ import annotations

from typing import Any

import pytest

from kernel.errors import Conflict
from kernel.viewer import Viewer
from runtime.models import QuarantinedMessage, Replay, TargetSubscription
from runtime.selectors import dead_letter_detail
from runtime.selectors import dead_letters as listed
from runtime.services import closed_targets, dead_letters, replays
from runtime.services.dead_letters import DeadLetterFilter
from tests.runtime.test_replay_order import Prices, prices

pytestmark = pytest.mark.django_db(transaction=True)
__all__ = ["prices"]
RIGHT = {"key": "a", "version": 10}


def letter_of_a_replay(prices: Prices, *fates: tuple[int, bool], edited: bool) -> Replay:
    """A replay of what was delivered has a message that waits."""
    prices.fates = list(fates)
    again = prices.replayed()
    prices.serve()
    plan = Replay.objects.create(
        target_id=prices.target,
        subscription_id=again,
        since="2026-01-01T00:00Z",
        until="2027-01-01T00:00Z",
        reason="lost",
        state="running",
        spans={"0": [1, 1]},
        messages=1,
    )
    if edited:
        dead_letters.edit_payload(again, 0, 1, payload=RIGHT, actor=None, reason="the right price")
    return plan


def waits() -> list[tuple[Any, ...]]:
    return list(QuarantinedMessage.objects.values_list("subscription_id", "state", "payload"))


def test_a_cancelled_replay_closes_its_dead_letters_with_the_reason(prices: Prices) -> None:
    plan = letter_of_a_replay(prices, (422, False), edited=False)
    assert waits() == [(plan.subscription_id, "dead", None)]
    replays.cancel(plan.pk, actor=None, reason="wrong day")
    assert waits() == []
    assert plan.subscription_id is not None
    assert prices.outcomes(plan.subscription_id)[-1] == ("given_up", "the replay was cancelled: wrong day")


@pytest.mark.parametrize("redriven", [False, True])
def test_what_a_person_has_corrected_waits_at_the_target_itself(prices: Prices, redriven: bool) -> None:
    plan = letter_of_a_replay(prices, (422, False), edited=True)
    assert plan.subscription_id is not None
    if redriven:
        dead_letters.redrive(DeadLetterFilter(plan.subscription_id), actor=None, reason="corrected")
    replays.cancel(plan.pk, actor=None, reason="wrong day")
    assert waits() == [(prices.target, "dead", RIGHT)]
    shown = listed.groups(Viewer(system=True), "production")
    assert [(one.target, one.count) for one in shown] == [("store", 1)]
    dead_letters.redrive(DeadLetterFilter(prices.target), actor=None, reason="now")
    prices.passes()
    prices.serve()
    assert prices.held == {"a": 10}
    assert waits() == []
    prices.replayed()
    prices.passes()
    prices.serve()
    assert prices.held == {"a": 10}


def test_a_correction_that_may_have_arrived_is_not_taken_for_unsent(prices: Prices) -> None:
    plan = letter_of_a_replay(prices, (422, False), edited=True)
    prices.conn.execute("update runtime_quarantine set state = 'sending', sent_at = clock_timestamp()")
    replays.cancel(plan.pk, actor=None, reason="wrong day")
    assert waits() == [(prices.target, "unknown", RIGHT)]


def test_what_is_being_sent_at_this_moment_ends_first(prices: Prices) -> None:
    plan = letter_of_a_replay(prices, (422, False), edited=True)
    prices.conn.execute("update runtime_quarantine set lease_until = clock_timestamp() + interval '1 hour'")
    with pytest.raises(Conflict) as refused:
        replays.cancel(plan.pk, actor=None, reason="wrong day")
    assert refused.value.code == "replay.under_way"
    plan.refresh_from_db()
    assert plan.state == "running"


def test_a_redrive_at_a_target_that_takes_no_more_work_says_so_and_changes_nothing(prices: Prices) -> None:
    prices.fates = [(422, False)]
    prices.state("b", 1)
    prices.serve(2)
    TargetSubscription.objects.update(open=False)
    with pytest.raises(Conflict) as refused:
        dead_letters.redrive(DeadLetterFilter(prices.target), actor=None, reason="try")
    assert refused.value.code == "redrive.closed"
    assert "no target store" in refused.value.message
    assert waits() == [(prices.target, "dead", None)]


@pytest.mark.parametrize("followers", [0, 1])
def test_what_waits_for_its_next_try_at_a_target_that_is_dropped_is_listed_and_goes_on_once_it_is_back(
    prices: Prices, followers: int
) -> None:
    prices.fates = [(422, False)]
    for version in range(1, 2 + followers):
        prices.state("b", version)
        prices.serve(2)
    prices.conn.execute(
        "update runtime_quarantine set state = 'retry', reason_class = 'not_now', reason = 'busy' where state = 'dead'"
    )
    assert closed_targets.attend() == 0
    TargetSubscription.objects.update(open=False)
    assert closed_targets.attend() == 1
    [shown] = listed.groups(Viewer(system=True), "production")
    assert (shown.target, shown.count, shown.reason_class) == ("store", 1, "closed")
    assert "has no target store" in shown.reason
    assert "busy" in shown.reason
    TargetSubscription.objects.update(open=True)
    assert closed_targets.attend() == 1
    prices.passes()
    prices.serve()
    assert prices.held == {"a": 1, "b": 1 + followers}
    assert waits() == []


def test_what_waits_behind_a_message_that_a_person_discards_there_is_listed_next(prices: Prices) -> None:
    prices.fates = [(422, False)]
    for version in (1, 2):
        prices.state("b", version)
        prices.serve(2)
    TargetSubscription.objects.update(open=False)
    assert closed_targets.attend() == 0, "it waits for the same person"
    dead_letters.discard(DeadLetterFilter(prices.target), actor=None, reason="posted by hand")
    assert closed_targets.attend() == 1
    [shown] = listed.groups(Viewer(system=True), "production")
    assert (shown.count, shown.reason_class) == (1, "closed")


def test_the_second_of_two_people_who_edit_one_dead_letter_is_told(prices: Prices) -> None:
    prices.fates = [(422, False)]
    prices.state("b", 1)
    prices.serve(2)
    place = (prices.target, 0, 2)
    seen = dead_letter_detail.quarantined(Viewer(system=True), *place)
    assert seen is not None
    given: dict[str, Any] = {"actor": None, "reason": "the right price", "seen": seen.content}
    dead_letters.edit_payload(*place, payload={"key": "b", "version": 7}, **given)
    with pytest.raises(Conflict) as refused:
        dead_letters.edit_payload(*place, payload={"key": "b", "version": 8}, **given)
    assert refused.value.code == "dead_letter.edited"
    assert waits() == [(prices.target, "dead", {"key": "b", "version": 7})]
    again = dead_letter_detail.quarantined(Viewer(system=True), *place)
    assert again is not None
    dead_letters.edit_payload(*place, payload={"key": "b", "version": 8}, **given | {"seen": again.content})
    assert waits() == [(prices.target, "dead", {"key": "b", "version": 8})]
