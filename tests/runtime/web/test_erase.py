"""The page that erases a payload: it shows first what would go, and asks for the reason."""

from __future__ import annotations

import pytest
from django.urls import reverse

from kernel.models import AuditEntry
from runtime.models import Erasure, Progress
from tests.runtime import scene

pytestmark = pytest.mark.django_db


@pytest.fixture
def day() -> scene.Day:
    return scene.day()


def address(day: scene.Day) -> str:
    return f"{reverse('runtime:erase')}?q={day.sales.correlation(day.places[-1])}"


def test_it_shows_what_would_go_and_what_is_in_the_way_and_then_erases(client, day: scene.Day) -> None:
    client.force_login(day.people.rita)
    page = client.get(address(day)).content.decode()
    assert "All messages of its key" in page
    assert not Erasure.objects.exists()
    held = client.post(address(day), {"what": "one", "reason": "Request 17"})
    assert (held.status_code, "It is still needed" in held.content.decode()) == (422, True)
    lane, position = day.places[-1]
    Progress.objects.filter(subscription__stream=day.sales.stream, lane=lane, position__lt=position).update(
        position=position
    )
    done = client.post(address(day), {"what": "one", "reason": "Request 17"}, follow=True)
    assert "The payload of 1 message is erased." in done.content.decode()
    again = client.post(address(day), {"what": "one", "reason": "Request 18"}, follow=True).content.decode()
    assert "Nothing was left to erase." in again
    assert "by rita" in client.get(address(day)).content.decode()
    assert Erasure.objects.count() == 1
    assert AuditEntry.objects.filter(verb="runtime.payload_erased").earliest("pk").reason == "Request 17"


def test_a_reason_is_asked_for(client, day: scene.Day) -> None:
    client.force_login(day.people.rita)
    assert client.post(address(day), {"what": "one", "reason": " "}).status_code == 422
    assert not Erasure.objects.exists()


def test_only_those_who_may_are_offered_it(client, day: scene.Day) -> None:
    trace = f"{reverse('runtime:traces')}?q={day.sales.correlation(day.places[-1])}"
    for person, may in ((day.people.rita, True), (day.people.sofia, False)):
        client.force_login(person)
        assert ("Erase it" in client.get(trace).content.decode()) == may
    assert client.get(address(day)).status_code == 403
    assert client.post(address(day), {"what": "one", "reason": "x"}).status_code == 403
    assert client.get(f"{reverse('runtime:erase')}?q=nothing").status_code == 404
