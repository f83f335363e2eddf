"""Every page of the runtime: who sees it, what it says, how many queries it takes, and that junk is an answer and not a fault."""

from __future__ import annotations

import pytest
from django.urls import reverse

from tests.runtime import scene

pytestmark = pytest.mark.django_db

LISTS = ("today", "integrations", "runs", "dead-letters", "traces", "stores", "vendors", "schedules", "register")


@pytest.fixture
def day() -> scene.Day:
    return scene.day()


def addresses(day: scene.Day) -> list[str]:
    """One address of every GET page."""
    letter = day.letters[0]
    return [
        *(reverse(f"runtime:{name}") for name in LISTS),
        reverse("runtime:integration", args=["sales"]),
        *(reverse("runtime:integration-view", args=["sales", view]) for view in ("mapping", "releases", "runs", "manifest")),
        reverse("runtime:run", args=[day.run.pk]),
        reverse("runtime:letter", args=[letter.subscription_id, letter.lane, letter.position]),
        reverse("runtime:rejected", args=[day.rejected.pk]),
        reverse("runtime:conflict", args=[day.conflict.pk]),
        reverse("runtime:schedule", args=[day.sales.integration.schedules.get().pk]),
        reverse("runtime:deploy-panel", args=["sales"]),
        reverse("runtime:integrations-of-api", args=["s4-sales"]),
        reverse("runtime:traces") + f"?q={day.sales.correlation(day.places[0])}",
    ]


def test_every_page_opens_for_who_may_see_it(client, day):
    client.force_login(day.people.rita)
    for address in addresses(day):
        assert client.get(address).status_code == 200, address


def test_every_page_sends_a_stranger_to_the_door(client, day):
    for address in addresses(day):
        answer = client.get(address)
        assert answer.status_code == 302, address
        assert answer.headers["Location"].startswith("/sign-in/"), address


def test_a_person_of_another_team_sees_nothing_of_it(client, day):
    client.force_login(day.people.zoe)
    for address in addresses(day):
        answer = client.get(address)
        assert answer.status_code in (200, 404), address
        for secret in ("R7", day.letters[0].key, "Sales and finance", "sale-to-journal"):
            assert secret not in answer.text or f"q={secret}" in address, (address, secret)
