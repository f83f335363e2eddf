"""What only a drawn page shows: widths, clipped words, where the focus is."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from governance.services import freezes
from kernel import clock
from tests.governance import make

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.thorough]
NARROW = {"width": 390, "height": 800}


@pytest.fixture
def house() -> make.House:
    return make.house()


def frozen_today() -> None:
    text = "%Y-%m-%dT%H:%M"
    begins = timezone.localtime(clock.now()) + timedelta(minutes=5)
    for name in ("Peak trading of all banners, channels and regions with extended hours", "Period close"):
        calendar = {
            "kind": "once",
            "zone": "UTC",
            "from": begins.strftime(text),
            "until": (begins + timedelta(hours=30)).strftime(text),
        }
        freezes.plan(actor=None, name=name, calendar=calendar, environment="production")


@pytest.mark.parametrize("path", ["/freezes/", "/gate/", "/catalog/deprecations/"])
def test_a_switch_is_as_wide_as_its_words(page, sign_in, house, path):
    sign_in(house.author)
    page.goto(path)
    switch = page.locator("main .segments").first
    last = switch.locator("a").last
    ends, words = switch.bounding_box(), last.bounding_box()
    assert ends["x"] + ends["width"] - (words["x"] + words["width"]) < 8


def test_the_date_of_today_is_not_clipped_on_a_phone(page, sign_in, house):
    frozen_today()
    sign_in(house.author)
    page.set_viewport_size(NARROW)
    page.goto("/freezes/")
    day = page.locator('.calendar [aria-current="date"] .day')
    assert day.evaluate("e => e.scrollWidth <= e.clientWidth && e.clientHeight < 30")


@pytest.mark.parametrize("tab", ["", "impact/", "evidence/"])
def test_the_tab_that_is_open_is_in_sight_on_a_phone(page, sign_in, house, tab):
    change = make.in_review(house.author)
    sign_in(house.author)
    page.set_viewport_size(NARROW)
    page.goto(f"/changes/{change.pk}/{tab}")
    open_one, tabs = (
        page.locator('nav.tabs a[aria-current="page"]').bounding_box(),
        page.locator("nav.tabs").bounding_box(),
    )
    assert tabs["x"] - 1 <= open_one["x"]
    assert open_one["x"] + open_one["width"] <= tabs["x"] + tabs["width"] + 1
    assert page.evaluate("window.scrollY") == 0


def test_my_account_opens_at_its_top(page, sign_in, house):
    sign_in(house.author)
    page.goto("/settings/account/")
    assert page.evaluate("document.activeElement.tagName") == "BODY"
