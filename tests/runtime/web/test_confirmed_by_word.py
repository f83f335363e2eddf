"""What a person has found at its target is confirmed by that person's word, on both pages and over the API."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse

from kernel import clock
from runtime.models import QuarantinedMessage
from tests.runtime import scene
from tests.runtime.api.test_api import bearer

pytestmark = pytest.mark.django_db


@pytest.fixture
def day() -> scene.Day:
    return scene.day()


def test_the_api_and_the_pages_offer_it(client: Client, day: scene.Day) -> None:
    def asked_at(number: int) -> QuarantinedMessage:
        given = {"state": "sending", "reason": "404", "reason_class": "question", "key": f"k{number}"}
        made = day.sales.park(day.places[number], "journal", **given)
        QuarantinedMessage.objects.filter(pk=made.pk).update(not_before=clock.now() + timedelta(hours=1))
        return made

    one = asked_at(7)
    headers, place = bearer(day.people.sofia), f"{one.subscription_id}/{one.lane}/{one.position}"
    body = {"place": place, "reason": "it is in their list", "reference": "V-17"}
    known = {"content_type": "application/json", "headers": headers}
    assert client.post(reverse("runtime-api:confirm"), body | {"reason": ""}, **known).status_code in (400, 422)
    assert client.post(reverse("runtime-api:confirm"), body, **known).json() == {"letters": 1}
    client.force_login(day.people.sofia)
    two = asked_at(8)
    at = [two.subscription_id, two.lane, two.position]
    page = client.get(reverse("runtime:dead-letter", args=at))
    assert "It did arrive" in page.text
    answer = client.post(
        reverse("runtime:dead-letter-settle", args=["parked", "/".join(map(str, at))]),
        {"act": "arrived", "reason": "seen there", "reference": "V-18"},
        follow=True,
    )
    assert "Confirmed 1 message by your word." in answer.text
    three = asked_at(9)
    group = f"asked.{day.sales.stream.pk}.journal.{three.fingerprint}"
    chosen_group = {"group": group, "act": "arrived"}
    assert client.post(reverse("runtime:dead-letters"), chosen_group).status_code == 422
    answer = client.post(reverse("runtime:dead-letters"), chosen_group | {"reason": "all there"}, follow=True)
    assert "Confirmed 1 message by your word." in answer.text
    trace = client.get(reverse("runtime:traces"), {"q": day.sales.correlation(day.places[8])})
    assert "Confirmed by a person" in trace.text
    assert "seen there" in trace.text
