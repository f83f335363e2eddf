"""What a person decides on a page, or after a dry run, is what that person has seen; else 409 with what has changed."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.urls import reverse

from kernel import clock
from runtime.models import QuarantinedMessage, TargetSubscription
from tests.runtime import scene
from tests.runtime.api.test_api import bearer
from tests.runtime.web.test_actions import settle

pytestmark = pytest.mark.django_db


@pytest.fixture
def day():
    return scene.day()


def standing_on(page):
    return re.search(r'name="standing"\s+value="([^"]+)"', page.text)[1]


def page_of(client, letter):
    return client.get(reverse("runtime:dead-letter", args=[letter.subscription_id, letter.lane, letter.position]))


def group_of(day):
    return f"parked.{day.sales.stream.pk}.journal.{day.letters[0].fingerprint}"


@pytest.mark.parametrize("act", ["redrive", "discard", "resend", "arrived"])
@pytest.mark.parametrize("change", [{"payload": {"total": 1}}, {"reason_class": "poison"}])
def test_what_has_changed_since_its_page_was_opened_is_not_decided(client, day, act, change):
    client.force_login(day.people.sofia)
    letter = day.letters[0]
    TargetSubscription.objects.update(settle=0)  # the vendor acts at once, or not at all
    seen = standing_on(page_of(client, letter))
    QuarantinedMessage.objects.filter(pk=letter.pk).update(**change)
    refused = settle(client, letter, act=act, reason="as I saw it", standing=seen)
    assert refused.status_code == 409
    assert "This is not what you decided on" in refused.text
    assert QuarantinedMessage.objects.get(pk=letter.pk).state == "dead"
    again = settle(client, letter, act=act, reason="as it is now", standing=standing_on(refused))
    assert again.status_code == 302


def test_of_a_group_only_what_was_shown_is_decided_and_what_came_later_stays(client, day):
    client.force_login(day.people.sofia)
    address = reverse("runtime:dead-letters")
    seen = standing_on(client.get(address, {"group": group_of(day)}))
    rows = QuarantinedMessage.objects.filter(fingerprint=day.letters[0].fingerprint)
    later = rows.first()
    QuarantinedMessage.objects.filter(pk=later.pk).update(first_seen_at=clock.now() + timedelta(minutes=1))
    given = {"group": group_of(day), "act": "discard", "reason": "posted by hand", "standing": seen}
    refused = client.post(address, given)
    assert "of the 3 that you saw 1 have been decided" in refused.text
    assert rows.count() == 3
    QuarantinedMessage.objects.filter(pk=later.pk).update(first_seen_at=later.first_seen_at)
    client.post(address, given)
    assert rows.count() == 0


def test_what_came_after_the_page_was_shown_is_left_alone(client, day):
    client.force_login(day.people.sofia)
    rows = QuarantinedMessage.objects.filter(fingerprint=day.letters[0].fingerprint)
    later = rows.last()
    QuarantinedMessage.objects.filter(pk=later.pk).update(first_seen_at=clock.now() + timedelta(minutes=1))
    seen = standing_on(client.get(reverse("runtime:dead-letters"), {"group": group_of(day)}))
    given = {"group": group_of(day), "act": "discard", "reason": "posted by hand", "standing": seen}
    client.post(reverse("runtime:dead-letters"), given)
    assert list(rows.values_list("pk", flat=True)) == [later.pk]


@pytest.mark.parametrize("name", ["redrive", "give-up", "confirm"])
def test_the_api_decides_on_what_a_dry_run_has_shown(client, day, name):
    known = {"content_type": "application/json", "headers": bearer(day.people.sofia)}
    found = client.post(reverse("runtime-api:redrive"), {"group": group_of(day)}, **known).json()
    QuarantinedMessage.objects.filter(pk=day.letters[0].pk).update(payload={"total": 1})
    body = {"group": group_of(day), "dry_run": False, "reason": "they are there", "seen": found["standing"]}
    refused = client.post(reverse(f"runtime-api:{name}"), body, **known)
    assert (refused.status_code, refused.json()["code"]) == (409, "dead_letter.changed")
    assert client.post(reverse(f"runtime-api:{name}"), body | {"seen": "3-1@x"}, **known).status_code == 422
    body["seen"] = client.post(reverse("runtime-api:redrive"), {"group": group_of(day)}, **known).json()["standing"]
    assert client.post(reverse(f"runtime-api:{name}"), body, **known).json()["letters"] == 3
