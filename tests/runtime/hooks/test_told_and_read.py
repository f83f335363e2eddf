"""From the vendor's call to the message: a change is told of, the source is read by its connection, and what was never
told is read by the schedule."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

import pytest

from bench.order_server import order
from kernel import clock
from runtime.connectors.protocols import Refused
from runtime.models import Hook, HookNotice, Integration, Message, Run
from runtime.services import hook_fetches, hooks, runs
from sandbox.hook_signing import VENDORS, Event, secret_of
from tests.runtime.scripted_source import FEED, Feed, feed, script  # noqa: F401 - the fixtures

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def tell(feed: Feed, client: Any, monkeypatch: Any) -> Any:
    """`tell("7")`: the vendor calls, signed, and says that this key has changed."""
    monkeypatch.setenv("TILLGATE_WEBHOOK_ORDERS", secret := secret_of("bigcommerce", "a"))

    def send(key: str, number: int) -> None:
        hook = Hook.objects.get()
        event = Event(f"h-{number}", "store/order/updated", {"id": key}, time.time(), number)
        body, headers = VENDORS["bigcommerce"](event, secret, hooks.address_of(hook), time.time())
        answer = client.generic("POST", f"/hooks/{hook.key}", body, "application/json", headers=headers)
        assert answer.status_code == 200, answer.content

    feed.deploy(webhook={"profile": "bigcommerce", "means": "changes"})
    hooks.make(
        Integration.objects.get(key=FEED),
        "production",
        source="orders",
        secret_ref="env:TILLGATE_WEBHOOK_ORDERS",
        actor=None,
    )
    return send


def keys() -> list[str]:
    return sorted(Message.objects.values_list("key", flat=True))


def test_what_was_told_of_is_read_stored_and_settled(feed, script, tell):
    script([order(1), order(2)])
    tell("1", 1)
    tell("2", 2)
    assert hook_fetches.attend() == 1
    assert feed.collect().state == "succeeded"
    assert keys() == ["ORD-00000001", "ORD-00000002"]
    assert hook_fetches.attend() == 0
    assert not HookNotice.objects.filter(read_at=None).exists()


def test_a_source_that_is_down_is_read_again_and_nothing_that_was_told_is_forgotten(feed, script, tell):
    source = script(Refused("http.500", "down"))
    tell("1", 1)
    hook_fetches.attend()
    assert feed.collect().state == "failed"
    assert hook_fetches.attend() == 0, "not at once"
    assert HookNotice.objects.filter(read_at=None).count() == 1
    source.pages[0] = [order(1)]
    Hook.objects.update(fetched_at=clock.now() - timedelta(minutes=2))
    assert hook_fetches.attend() == 1
    assert feed.collect().state == "succeeded"
    hook_fetches.attend()
    assert (keys(), HookNotice.objects.filter(read_at=None).count()) == (["ORD-00000001"], 0)


def test_what_the_vendor_never_told_is_read_by_the_schedule(feed, script, tell):
    script([order(1), order(2)])
    tell("1", 1)
    runs.start_each(FEED, "production", trigger="schedule")
    assert hook_fetches.attend() == 0, "one reading serves both"
    feed.collect()
    assert keys() == ["ORD-00000001", "ORD-00000002"]
    hook_fetches.attend()
    assert HookNotice.objects.filter(read_at=None).count() == 0
    assert Run.objects.count() == 1
