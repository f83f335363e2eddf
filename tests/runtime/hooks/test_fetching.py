"""Webhooks that tell of changes: noted before the answer, read by the source's own connection, many at once."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db.models.functions import Now

from kernel import clock
from kernel.errors import Invalid
from kernel.models import OutboxEvent
from runtime.domain import manifest as manifests
from runtime.models import Deployment, Hook, HookEvent, HookNotice, HookSequence, Run
from runtime.services import hook_fetches
from tests.runtime import scene
from tests.runtime.hooks.conftest import event

pytestmark = pytest.mark.django_db(transaction=True)

CONNECTION = {
    "protocol": "rest",
    "settings": {"path": "/orders", "items": "data", "key_fields": ["id"], "auth": {"kind": "none"}},
}


@pytest.fixture
def shop(vendor):
    return vendor("shopify", means="changes", connection=CONNECTION)


def ended(run: Run, state: str) -> None:
    Run.objects.filter(pk=run.pk).update(state=state, ended_at=Now())


def test_many_notices_are_one_reading_and_nothing_is_read_before_one_came(shop):
    assert hook_fetches.attend() == 0
    for number in (1, 2, 3):
        assert shop.send(event(number)).status_code == 200
    again = event(1)
    again.id = "evt-again"
    shop.send(again)
    assert sorted(HookNotice.objects.values_list("key", "times")) == [("o-1", 2), ("o-2", 1), ("o-3", 1)]
    assert set(HookEvent.objects.values_list("outcome", flat=True)) == {"noticed"}
    assert [hook_fetches.attend(), hook_fetches.attend()] == [1, 0]
    run = Run.objects.get()
    assert (run.trigger, run.source, run.kind) == ("webhook", "shop", "collect")
    ended(run, "succeeded")
    assert hook_fetches.attend() == 0
    assert not HookNotice.objects.filter(read_at=None).exists()


def test_what_is_told_while_a_reading_goes_on_is_read_by_the_next_one(shop):
    shop.send(event(1))
    hook_fetches.attend()
    shop.send(event(2))
    ended(Run.objects.get(), "succeeded")
    assert hook_fetches.attend() == 0, "within the seconds between two readings"
    assert list(HookNotice.objects.filter(read_at=None).values_list("key", flat=True)) == ["o-2"]
    Hook.objects.update(fetched_at=clock.now() - timedelta(seconds=6))
    assert hook_fetches.attend() == 1


def test_a_reading_that_failed_is_tried_again_after_a_minute_and_the_notice_waits(shop):
    shop.send(event(1))
    hook_fetches.attend()
    ended(Run.objects.get(), "failed")
    Hook.objects.update(fetched_at=clock.now() - timedelta(seconds=50))
    assert hook_fetches.attend() == 0
    Hook.objects.update(fetched_at=clock.now() - timedelta(seconds=70))
    assert hook_fetches.attend() == 1
    assert HookNotice.objects.get().read_at is None


def test_a_reading_by_the_schedule_settles_what_was_told_before_it(shop):
    shop.send(event(1))
    Deployment.objects.update(paused=True, pause_reason="inventory")
    assert hook_fetches.attend() == 0, "nothing is read while it is paused"
    run = shop.site.run(kind="collect", trigger="schedule", state="succeeded", ended_at=clock.now())
    Run.objects.filter(pk=run.pk).update(source="shop", started_at=clock.now() + timedelta(seconds=1))
    hook_fetches.attend()
    assert HookNotice.objects.get().read_at is not None


def test_missing_numbers_are_told_once_and_only_when_they_stay_missing(vendor):
    shop = vendor("commercetools")
    for number in (1, 4):
        one = event(number)
        one.payload["id"] = "order-7"
        shop.send(one)
    assert hook_fetches.tell_gaps() == 0
    HookSequence.objects.update(gap_at=clock.now() - timedelta(minutes=20))
    assert [hook_fetches.tell_gaps(), hook_fetches.tell_gaps()] == [1, 0]
    assert "numbers 2 to 3" in OutboxEvent.objects.get(topic="runtime.hook_fault").payload["said"]


def test_ids_are_remembered_for_as_long_as_the_manifest_says(vendor):
    shop = vendor(settings={"ids_kept": 3})
    shop.send(event(1))
    shop.send(event(2))
    HookEvent.objects.filter(name="evt-1").update(at=clock.now() - timedelta(days=4))
    hook_fetches.forget()
    assert list(HookEvent.objects.values_list("name", flat=True)) == ["evt-2"]


def test_more_than_one_part_is_forgotten_in_one_go_and_what_is_left_waits(shop, monkeypatch):
    monkeypatch.setattr(hook_fetches, "MOST_AT_ONCE", 2)
    monkeypatch.setattr(hook_fetches, "MOST_PARTS", 2)
    for number in range(5):
        shop.send(event(number))
    HookEvent.objects.update(at=clock.now() - timedelta(days=31))
    HookNotice.objects.filter(key="o-1").update(read_at=clock.now() - timedelta(days=31))
    assert hook_fetches.forget() == 4 + 1
    assert hook_fetches.forget() == 1
    assert HookNotice.objects.filter(read_at=None).count() == 4, "what waits to be read stays"


@pytest.mark.parametrize(
    ("source", "pointer"),
    [
        ({"webhook": {"profile": "shopify", "means": "changes"}}, "/sources/0/webhook/means"),
        ({"webhook": {"profile": "shopify"}, "connection": CONNECTION}, "/sources/0/webhook/means"),
        ({"webhook": {"profile": "shopify"}, "poslog": {}}, "/sources/0/webhook"),
        ({"webhook": {"profile": "shopify", "secret": "x"}}, "/sources/0/webhook"),
    ],
)
def test_a_source_is_handed_in_or_told_of_and_never_both(source, pointer):
    manifest = {**scene.SALES, "event": {"name": "sale", "meaning": "fact", "key": "/id"}}
    manifest["sources"] = [{"name": "till", "system": "pos", **source}]
    manifest["targets"] = [{k: v for k, v in one.items() if k != "source"} for one in manifest["targets"]]
    with pytest.raises(Invalid) as refused:
        manifests.parse(manifest)
    assert pointer in [one["pointer"] for one in refused.value.findings]
