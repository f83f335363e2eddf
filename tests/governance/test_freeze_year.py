"""The freeze calendar as a year and as an agenda."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.utils import timezone

from governance.models import ChangeRequest, FreezeWindow
from governance.services import freezes
from governance.web import tones
from kernel import clock
from tests.governance import make
from tests.governance.raw_sql import beneath_guards
from tests.governance.visits import page

pytestmark = pytest.mark.django_db


def planned(house: make.House, *, days: int, hours: int = 6, name: str = "Peak", **scope: object) -> FreezeWindow:
    begins = timezone.localtime(clock.now()) + timedelta(days=days)
    text = "%Y-%m-%dT%H:%M"
    calendar = {
        "kind": "once",
        "zone": "America/New_York",
        "from": begins.strftime(text),
        "until": (begins + timedelta(hours=hours)).strftime(text),
    }
    more = {"environment": "production", "strictness": "changes", **scope}
    return freezes.plan(actor=house.releaser, name=name, calendar=calendar, reason="", **more)


def test_the_year_has_a_cell_for_each_day_and_names_what_is_frozen(house: make.House):
    planned(house, days=3, hours=48)
    html = page(house.author, "governance:freeze-year", query=f"?year={(clock.now() + timedelta(days=3)).year}")
    assert "No change goes live: Peak" in html
    assert html.count("<td") == 12 * 31
    assert "1 time" in html


def test_the_year_says_what_the_marks_of_its_days_stand_for(house: make.House):
    html = page(house.author, "governance:freeze-year")
    legend = html.split('class="legend"')[1].split("</p>")[0]
    for tone in tones.STRICTNESS.values():
        assert f'data-tone="{tone.tone}"></i>{tone.word}' in legend


def test_on_a_day_with_two_windows_each_name_has_the_tone_of_its_own_window(house: make.House):
    month = f"{timezone.localtime(clock.now()) + timedelta(days=3):%Y-%m}"
    planned(house, days=3, name="Period close")
    planned(house, days=3, name="Stock take", strictness="work")
    html = page(house.author, "governance:freezes", query=f"?month={month}")
    weeks = html.split('class="calendar"')[1].split("</table>")[0]
    for name, tone in (("Period close", "wait"), ("Stock take", "stop")):
        assert re.search(rf'<span class="state" data-tone="{tone}">(?:(?!</span>).)*{name}</span>', weeks), name


@pytest.mark.parametrize("text", ["", "x", "-1", "99999", "²", "1e3"])
def test_a_year_that_is_none_is_the_present_one(house: make.House, text: str):
    assert f"Freezes in {clock.now().year}" in page(house.author, "governance:freeze-year", query=f"?year={text}")


def test_a_window_that_ended_early_stays_on_the_page_of_its_year(house: make.House):
    window = planned(house, days=3)
    begins = window.intervals.get().period.lower
    with beneath_guards():
        FreezeWindow.objects.filter(pk=window.pk).update(ended_at=begins + timedelta(hours=1))
    query = f"?year={(clock.now() + timedelta(days=3)).year}"
    html = page(house.author, "governance:freeze-year", query=query)
    assert "Ended early" in html
    assert f"freeze {window.pk}" in html


def test_the_agenda_shows_windows_in_their_own_time_and_the_changes_that_meet_them(house: make.House):
    window = planned(house, days=3, hours=48)
    begins = window.intervals.get().period.lower
    change = make.in_review(house.author)
    window_of = {"environment": "production", "planned_until": begins + timedelta(hours=2)}
    ChangeRequest.objects.filter(pk=change.pk).update(planned_from=begins + timedelta(hours=1), **window_of)
    html = page(house.author, "governance:freeze-agenda")
    assert "America/New_York" in html
    assert "Frozen then" in html
    assert "within Peak" in html
    ChangeRequest.objects.filter(pk=change.pk).update(
        planned_from=begins + timedelta(days=9), planned_until=begins + timedelta(days=10)
    )
    assert "Frozen then" not in page(house.author, "governance:freeze-agenda")


def test_an_empty_agenda_says_what_to_do(house: make.House):
    assert "Plan a freeze" in page(house.author, "governance:freeze-agenda")
