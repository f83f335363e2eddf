"""A day counts as many messages after an erasure as before."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from django.utils import timezone

from kernel import clock
from runtime.services import daily_accounts, day_sums, erasure
from tests.runtime import scene

pytestmark = pytest.mark.django_db


@pytest.fixture
def day() -> scene.Day:
    return scene.day()


def today() -> date:
    return timezone.localtime(clock.now()).date()


@pytest.mark.parametrize("summed", [True, False])
def test_a_day_has_as_many_messages_after_an_erasure_as_before(day: scene.Day, summed: bool) -> None:
    """In sums as among what is not added up yet, by arrival and by business day, at each store."""
    site = day.sales
    places = site.put(
        *[scene.sale(number, store="0187", business_date=today().isoformat()) for number in (970, 971, 972)]
    )
    for (target, instance), _ in site.subscriptions.items():
        site.pass_to(target, instance)

    def counts() -> list[Any]:
        made = []
        for by in ("arrival", "business"):
            one = daily_accounts.account(site.integration, "production", today(), by=by)
            lines = [(line.target, line.store, line.fleet, line.tally.due.count) for line in one.lines]
            made.append((by, one.messages.count, sorted(lines)))
        return made

    if summed:
        day_sums.bring_up_to_date(site.stream.pk)
    before = counts()
    assert before[1][1] > 0
    lane, position = places[1]
    erasure.erase(site.stream.pk, lane=lane, position=position, actor=None, reason="asked for")
    assert counts() == before
