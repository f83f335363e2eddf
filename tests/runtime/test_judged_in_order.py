"""Rejected states without a version that are judged again never go over what came after them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from bench.order_server import order
from runtime.connectors.protocols import Page, RejectedRecord
from runtime.models import Message, RejectedMessage
from runtime.services import intake, rejudging, resubmitting
from tests.runtime.scripted_source import FEED, Feed, Scripted, feed, record, script, wrong
from tests.runtime.test_resubmitting import BY_ARRIVAL, UNVERSIONED
from tests.runtime.test_services import catalog, deployed

__all__ = ["catalog", "feed", "script"]
pytestmark = pytest.mark.django_db(transaction=True)
LOOSE = {"name": "order.changed", "meaning": "state", "key": "/number"}
STRICT = {**LOOSE, "schema": {"required": ["nonsense"]}}


def judge() -> rejudging.Rejudgement:
    return rejudging.judge_again(FEED, "production", dry_run=False, actor=None, reason="contract corrected")


def corrected(feed: Feed) -> None:
    """The release of now takes every status."""
    feed.deploy_with(event=LOOSE, sources=[{"name": "orders", "system": "shop", "connection": feed.connection}])


def stored() -> list[Any]:
    return [document["status"] for document in Message.objects.order_by("position").values_list("payload", flat=True)]


def test_what_came_after_it_in_the_same_page_counts_more(feed: Feed, script: Callable[..., Scripted]) -> None:
    script([wrong(1), order(1)])
    feed.deploy(connection=UNVERSIONED)
    feed.run()
    corrected(feed)
    done = judge()
    assert (done.passed, done.outdated, len(stored())) == (0, 1, 1)


def test_what_came_last_in_its_page_is_the_newest(feed: Feed, script: Callable[..., Scripted]) -> None:
    script([order(1), wrong(1)])
    feed.deploy(connection=UNVERSIONED)
    feed.run()
    corrected(feed)
    assert judge().passed == 1
    assert stored()[-1] == "lost"


def test_judging_in_vain_makes_it_no_newer(feed: Feed, script: Callable[..., Scripted]) -> None:
    source = script([wrong(1)])
    feed.deploy(connection=UNVERSIONED)
    feed.run()
    source.pages += [[order(1)]]
    feed.run()
    assert judge().still.total() == 1
    corrected(feed)
    done = judge()
    assert (done.passed, done.outdated, len(stored())) == (0, 1, 1)


def test_where_the_order_within_a_page_cannot_be_told_a_person_decides(
    feed: Feed, script: Callable[..., Scripted], monkeypatch: pytest.MonkeyPatch
) -> None:
    unread = json.dumps(wrong(1)).encode()
    script(Page([record(order(1))], {"at": 1}, True, [RejectedRecord("page", "not UTF-8", unread)]))
    feed.deploy(connection=UNVERSIONED)
    feed.run()
    corrected(feed)
    assert judge().still.total() == 1
    assert len(stored()) == 1
    assert "cannot be told" in RejectedMessage.objects.get(state="open").reason


def test_several_rejected_states_of_one_key_are_stored_in_the_order_they_came(
    feed: Feed, script: Callable[..., Scripted], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rejudging, "BATCH", 1)
    script([{**wrong(1), "total": 1}, {**wrong(1), "total": 2}])
    feed.deploy(connection=UNVERSIONED)
    feed.run()
    corrected(feed)
    assert judge().passed == 2
    assert [one["total"] for one in Message.objects.order_by("position").values_list("payload", flat=True)] == [1, 2]


@pytest.mark.parametrize("together", [True, False])
def test_a_state_that_was_handed_in_does_not_go_over_what_came_later(catalog: None, together: bool) -> None:
    deployed(event=BY_ARRIVAL)
    old, new = {**order(1), "status": "lost"}, order(1)
    for call in [[old, new]] if together else [[old], [new]]:
        intake.accept(FEED, "production", call)
    assert judge().still.total() == 1
    deployed(event=BY_ARRIVAL, sources=[{"name": "orders", "system": "shop"}])
    done = judge()
    assert (done.passed, done.outdated, len(stored())) == (0, 1, 1)


def two_rejected(feed: Feed, script: Callable[..., Scripted], *, same_page: bool) -> tuple[str, str]:
    """An older and a newer rejected state of one key, rejected for reasons of their own; their fingerprints."""
    older, newer = {**wrong(1), "total": 1.0}, {**order(1), "currency": "shells", "total": 2.0}
    source = script([older, newer]) if same_page else script([older])
    feed.deploy(connection=UNVERSIONED)
    feed.run()
    if not same_page:
        source.pages += [[newer]]
        feed.run()
    corrected(feed)
    first, second = RejectedMessage.objects.order_by("last_at", "id")
    assert ("1.0" in first.raw, first.fingerprint != second.fingerprint) == (True, True)
    return first.fingerprint, second.fingerprint


@pytest.mark.parametrize("same_page", [True, False])
@pytest.mark.parametrize("newer_first", [True, False])
def test_the_newer_of_two_rejected_states_counts_in_whatever_order_they_are_judged(
    feed: Feed, script: Callable[..., Scripted], newer_first: bool, same_page: bool
) -> None:
    older, newer = two_rejected(feed, script, same_page=same_page)
    calls = [newer, older] if newer_first else [older, newer]
    done = [
        rejudging.judge_again(FEED, "production", pattern=one, dry_run=False, actor=None, reason="corrected")
        for one in calls
    ]
    assert [one.outdated for one in done] == ([0, 1] if newer_first else [0, 0])
    totals = [one["total"] for one in Message.objects.order_by("position").values_list("payload", flat=True)]
    assert totals == ([2.0] if newer_first else [1.0, 2.0])


@pytest.mark.parametrize("by_hand", ["older", "newer"])
def test_that_holds_where_one_of_them_is_corrected_by_hand(
    feed: Feed, script: Callable[..., Scripted], by_hand: str
) -> None:
    older, newer = two_rejected(feed, script, same_page=False)
    mine, other = (older, newer) if by_hand == "older" else (newer, older)
    total = 1.0 if by_hand == "older" else 2.0
    corrected_payload = {**order(1), "total": total}
    row = RejectedMessage.objects.get(fingerprint=mine)
    resubmitting.resubmit_rejected(row.pk, payload=corrected_payload, actor=None, note="corrected")
    rejudging.judge_again(FEED, "production", pattern=other, dry_run=False, actor=None, reason="corrected")
    totals = [one["total"] for one in Message.objects.order_by("position").values_list("payload", flat=True)]
    assert totals[-1] == 2.0


def test_what_a_person_has_put_over_a_later_state_is_later_than_all_that_was_rejected_before(
    feed: Feed, script: Callable[..., Scripted]
) -> None:
    older, newer = two_rejected(feed, script, same_page=False)
    row = RejectedMessage.objects.get(fingerprint=older)
    given = {"actor": None, "note": "the price of the contract", "although_newer": True}
    resubmitting.resubmit_rejected(row.pk, payload={**order(1), "total": 1.0}, **given)
    done = rejudging.judge_again(FEED, "production", pattern=newer, dry_run=False, actor=None, reason="corrected")
    assert (done.passed, done.outdated) == (0, 1)
