"""A rejected message that a person corrects and hands in again never overwrites what came after it."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from bench.order_server import order
from kernel.errors import Conflict, Invalid
from kernel.models import AuditEntry
from runtime.connectors.protocols import Record
from runtime.models import Message, RejectedMessage
from runtime.services import intake, resubmitting
from tests.runtime.scripted_source import Feed, Scripted, feed, script, wrong
from tests.runtime.test_reading_again import CHANGES
from tests.runtime.test_services import FEED, catalog, deployed

__all__ = ["catalog", "feed", "script"]
pytestmark = pytest.mark.django_db(transaction=True)
BY_ARRIVAL = {"name": "order.changed", "meaning": "state", "key": "/number"}
UNVERSIONED = {"protocol": "rest", "settings": {**CHANGES, "changes": None}}

VERSIONED = {"protocol": "rest", "settings": CHANGES}


def resubmit(payload: Any, **more: Any) -> intake.IntakeReceipt:
    return resubmitting.resubmit_rejected(
        RejectedMessage.objects.get(state="open").pk, payload=payload, actor=None, note="corrected", **more
    )


def dated(day: int, **more: Any) -> dict[str, Any]:
    return {**order(1), "updated_at": f"2026-05-{day:02}T00:00:00Z", **more}


def versioned(day: int, **more: Any) -> Record:
    document = dated(day, **more)
    return Record(document["number"], json.dumps(document).encode(), datetime.now(UTC), document["updated_at"])


def refused(payload: Any) -> Conflict:
    with pytest.raises(Conflict) as caught:
        resubmit(payload)
    assert caught.value.code == "rejected.newer"
    assert RejectedMessage.objects.filter(state="open").count() == 1
    return caught.value


def test_a_corrected_state_of_a_source_without_versions_does_not_replace_what_came_later(
    feed: Feed, script: Callable[..., Scripted]
) -> None:
    source = script([wrong(1)])
    feed.deploy(connection=UNVERSIONED)
    feed.run()
    source.pages += [[order(1)]]
    feed.run()
    late = {**order(1), "total": 5}
    assert "came later" in refused(late).message
    assert Message.objects.count() == 1
    assert resubmit(late, although_newer=True).status == "accepted"
    assert Message.objects.count() == 2
    entry = AuditEntry.objects.get(verb="runtime.rejectedmessage_fixed")
    assert entry.after is not None
    assert entry.after["although_newer"] is True


def test_a_corrected_state_that_was_handed_in_does_not_replace_what_came_later(catalog: None) -> None:
    deployed(event=BY_ARRIVAL)
    intake.accept(FEED, "production", [{**order(1), "status": "lost"}])
    intake.accept(FEED, "production", [order(1)])
    refused({**order(1), "total": 5})
    assert Message.objects.count() == 1
    assert resubmit({**order(1), "total": 5}, although_newer=True).status == "accepted"


def test_a_corrected_state_goes_in_where_nothing_newer_has_come(catalog: None) -> None:
    deployed(event=BY_ARRIVAL)
    intake.accept(FEED, "production", [order(1), order(2)])
    intake.accept(FEED, "production", [{**order(1), "status": "lost"}])
    assert resubmit({**order(1), "total": 5}).status == "accepted"
    assert Message.objects.count() == 3


def test_the_same_content_again_needs_no_decision(catalog: None) -> None:
    deployed(event=BY_ARRIVAL)
    intake.accept(FEED, "production", [{**order(1), "status": "lost"}])
    intake.accept(FEED, "production", [order(1)])
    assert resubmit(order(1)).status == "duplicate"


def test_a_corrected_row_of_a_source_keeps_its_version(feed: Feed, script: Callable[..., Scripted]) -> None:
    """It was taken for version 0, and so for older than everything that is stored of its key."""
    source = script([versioned(2, status="lost")])
    feed.deploy(connection=VERSIONED)
    feed.run()
    source.pages += [[versioned(1)]]
    feed.run()
    newer = dated(2, total=5)
    assert resubmit(newer).status == "accepted"
    assert Message.objects.order_by("-position")[0].version > Message.objects.order_by("position")[0].version


def test_an_older_version_is_said_to_be_older_and_changes_nothing(feed: Feed, script: Callable[..., Scripted]) -> None:
    source = script([versioned(1, status="lost")])
    feed.deploy(connection=VERSIONED)
    feed.run()
    source.pages += [[versioned(2)]]
    feed.run()
    assert resubmit(dated(1)).status == "older"
    assert Message.objects.count() == 1


def test_what_is_rejected_again_stays_one_case(catalog: None) -> None:
    deployed(event=BY_ARRIVAL)
    intake.accept(FEED, "production", [{**order(1), "status": "lost"}])
    with pytest.raises(Invalid) as again:
        resubmit({**order(1), "status": "mislaid"})
    assert "status" in again.value.message
    assert RejectedMessage.objects.count() == 1
