"""What the contract rules say, in a real browser: a rule that fails everywhere is a line, and every place is one click
away."""

from __future__ import annotations

import os
from typing import Any

import pytest
from playwright.sync_api import expect

from catalog.models import Api
from catalog.services import version_changes
from tests.catalog import make
from tests.contracts.test_lint_groups import contract

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.thorough]


@pytest.mark.parametrize("third_party", [False, True])
def test_a_rule_that_fails_everywhere_is_a_line_and_every_place_is_one_click_away(
    live_server: Any, page: Any, sign_in: Any, axe: Any, third_party: bool
) -> None:
    make.estate()
    content = contract(80, paths=30)
    version_changes.revise_contract(
        actor=make.person("piet"), reference="price-api@v3", content=content, file_name="price.json"
    )
    Api.objects.filter(slug="price-api").update(third_party=third_party, data_class="internal")
    sign_in(make.person("piet"))
    page.goto("/catalog/apis/price-api/versions/v3/")
    page.get_by_role("link", name="Contract rules").click()
    line = page.get_by_role("listitem").filter(has_text="not so at 80 of 80 properties")
    expect(line).to_have_count(1)
    expect(page.get_by_text("it is reported on")).to_have_count(1 if third_party else 0)
    axe()
    _picture(page, f"rules-{third_party}")
    line.get_by_role("link", name="all 80 places").click()
    expect(page.get_by_role("heading", name="Properties are described")).to_be_visible()
    expect(page.locator("ol.findings > li")).to_have_count(80)
    axe()
    _picture(page, f"rule-{third_party}")


def _picture(page: Any, name: str) -> None:
    folder = os.environ.get("SCREENS")
    if folder:
        for width, dark in ((1280, False), (390, False), (1280, True)):
            page.set_viewport_size({"width": width, "height": 900})
            page.emulate_media(color_scheme="dark" if dark else "light")
            page.screenshot(path=f"{folder}/{name}-{width}{'-dark' if dark else ''}.png")
        page.set_viewport_size({"width": 1280, "height": 900})
        page.emulate_media(color_scheme="light")
