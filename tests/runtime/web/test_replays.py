"""Replays and vendors through their pages: what a person plans, starts, cancels and sets, and what is refused beside
its field."""

from __future__ import annotations

from datetime import UTC, timedelta

import pytest
from django.urls import reverse

from governance.models import Approval
from kernel import clock
from kernel.models import AuditEntry
from runtime.models import Replay, TargetSubscription, VendorState
from runtime.services import replays as services
from tests.runtime import scene

pytestmark = pytest.mark.django_db


@pytest.fixture
def day() -> scene.Day:
    return scene.day()


def plan(**more: str) -> dict[str, str]:
    since = (clock.now() - timedelta(hours=1)).astimezone(UTC)
    return {"target": "sales/journal", "since": f"{since:%Y-%m-%dT%H:%M}", "reason": "restored", "pace": "2"} | more


def act(client, replay: Replay, **more: str):
    return client.post(reverse("runtime:replay-act", args=[replay.pk]), more)


def test_a_plan_leads_to_its_page_and_counts_what_was_chosen(client, day):
    client.force_login(day.people.sofia)
    answer = client.post(
        reverse("runtime:replays"),
        plan(key_from="0187-07-20261118-00000", key_to="0187-07-20261118-00000"),
        follow=True,
    )
    assert "10 messages are planned. Nothing was sent." in answer.text
    assert "keys that begin with 0187-07-20261118-00000" in answer.text
    assert Replay.objects.latest("id").messages == 10
    assert not TargetSubscription.objects.exclude(replay_of=None).exists()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"target": "prices/none"}, "is not one of the available choices"),
        ({"target": "prices/stores"}, "Name one of its stores"),
        ({"instance": "0101"}, "This target has no stores"),
        ({"since": "yesterday"}, "Enter a valid date/time"),
        ({"until": "2020-01-01T00:00"}, "The end is after the beginning"),
        ({"key_from": "b", "key_to": "a"}, "The last key comes after the first one"),
        ({"key_from": "zzz"}, "Nothing to deliver again was found"),
        ({"pace": "nan"}, "Enter a number"),
        ({"reason": ""}, "This field is required"),
    ],
)
def test_what_cannot_be_planned_is_said_beside_its_field(client, day, given, said):
    client.force_login(day.people.rita)
    answer = client.post(reverse("runtime:replays"), plan(**given))
    assert answer.status_code == 422
    assert said in answer.text
    assert Replay.objects.count() == 1


def test_a_replay_is_tried_started_and_cancelled_with_a_reason(client, day):
    client.force_login(day.people.sofia)
    assert act(client, day.replay).status_code == 422
    assert act(client, day.replay, act="try").status_code == 302
    assert act(client, day.replay, act="start").status_code == 302
    page = client.get(reverse("runtime:replay", args=[day.replay.pk]))
    assert 'hx-trigger="every 2s"' in page.text
    assert act(client, day.replay, act="cancel").status_code == 422
    assert act(client, day.replay, act="cancel", reason="wrong day").status_code == 302
    done = client.get(reverse("runtime:replay", args=[day.replay.pk]), headers={"HX-Request": "true"})
    assert "hx-trigger" not in done.text
    assert "<html" not in done.text
    assert act(client, day.replay, act="start").status_code == 409
    assert AuditEntry.objects.get(verb="runtime.replay_cancelled").reason == "wrong day"


def test_a_large_replay_asks_for_a_change_and_its_button_says_so(client, day, monkeypatch):
    monkeypatch.setattr(services, "APPROVAL_ABOVE", 10)
    client.force_login(day.people.sofia)
    page = client.get(reverse("runtime:replay", args=[day.replay.pk]))
    assert "Open a change for this replay" in page.text
    assert "is not approved for production" in page.text
    assert act(client, day.replay, act="start").status_code == 403
    form = client.get(
        reverse("governance:new-change"), {"kind": "replay.open", "subject": f"sales/journal@{day.replay.digest}"}
    )
    assert day.replay.digest in form.text
    assert not Approval.objects.filter(subject_kind="replay").exists()
    panel = client.get(reverse("runtime:replay-panel", args=["sales/journal"]), {"digest": day.replay.digest})
    assert "the ERP was restored from a backup" in panel.text
    assert (
        client.get(reverse("runtime:replay-panel", args=["sales/earn"]), {"digest": day.replay.digest}).status_code
        == 404
    )


def test_limits_are_set_with_a_reason_and_stand_in_the_ledger(client, day):
    client.force_login(day.people.rita)
    vendor = VendorState.objects.get(system_key="s4")
    address = reverse("runtime:vendor", args=[vendor.pk])
    given = {
        "act": "limits",
        "limits-rate": "4",
        "limits-burst": "8",
        "limits-budget": "1000",
        "limits-reason": "month end",
    }
    unsure = client.post(address, given)
    assert unsure.status_code == 422
    assert "Confirm that this applies to every integration that uses it" in unsure.text
    alone = client.post(address, given | {"limits-burst": "", "limits-confirm": "on"})
    assert alone.status_code == 422
    assert "A rate goes with a burst" in alone.text
    assert client.post(address, given | {"limits-rate": "inf", "limits-confirm": "on"}).status_code == 422
    assert client.post(address, given | {"limits-confirm": "on"}).status_code == 302
    vendor.refresh_from_db()
    assert (vendor.rate, vendor.burst, vendor.concurrency, vendor.budget) == (4.0, 8.0, None, 1000)
    assert AuditEntry.objects.get(verb="runtime.vendor_limits_set").reason == "month end"


def test_a_breaker_is_opened_and_closed_by_hand(client, day):
    client.force_login(day.people.rita)
    vendor = VendorState.objects.get(system_key="s4")
    address = reverse("runtime:vendor", args=[vendor.pk])
    assert (
        client.post(
            address, {"act": "open", "open-minutes": "999", "open-reason": "x", "open-confirm": "on"}
        ).status_code
        == 422
    )
    answer = client.post(
        address,
        {"act": "open", "open-minutes": "60", "open-reason": "their release", "open-confirm": "on"},
        follow=True,
    )
    assert "Calls are stopped." in answer.text
    vendor.refresh_from_db()
    assert vendor.breaker == "open"
    assert timedelta(minutes=59) < vendor.open_until - clock.now() <= timedelta(minutes=60)
    assert client.post(address, {"act": "close", "close-reason": "done", "close-confirm": "on"}).status_code == 302
    vendor.refresh_from_db()
    assert vendor.breaker == "closed"
    assert client.post(address, {"act": "burn"}).status_code == 422


def test_an_owner_sees_a_vendor_and_is_told_who_sets_it(client, day):
    client.force_login(day.people.sofia)
    address = reverse("runtime:vendor", args=[VendorState.objects.get(system_key="s4").pk])
    assert "Only architects and release managers set the limits of a vendor." in client.get(address).text
    assert client.post(address, {"act": "close", "close-reason": "x", "close-confirm": "on"}).status_code == 403
    client.force_login(day.people.petra)
    assert (
        client.get(reverse("runtime:vendor", args=[VendorState.objects.get(system_key="loyalty").pk])).status_code
        == 404
    )
