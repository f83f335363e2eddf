"""Reviewing in a real browser: by keyboard, without script, with a stale page, and what axe has to say."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from django.urls import reverse

from governance.models import Decision
from governance.services import changes, freezes
from kernel import clock
from tests.governance import make

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.thorough]
PICTURES = os.environ.get("TILLGATE_PICTURES")


@pytest.fixture
def house() -> make.House:
    return make.house()


@pytest.fixture
def change(house: make.House):
    """In review, with differences, consumers, a failed check, comments, an earlier revision and a freeze ahead."""
    till = make.consumer("till")
    make.THINGS.failing["price-feed"] = [make.breaking("/fields/1", consumers=["till"])]
    old = {"fields": ["sku", "amount"], "owner": "price"}
    made = make.in_review(
        house.author,
        make.thing(old=old, content={"fields": ["sku"], "owner": "price"}, consumers=[till]),
        title="Publish price feed v3",
    )
    make.approve(made, house.owner)
    changes.comment(made, actor=house.stranger, text="Could both run side by side until the end of January?")
    changes.revise(
        made,
        subjects=[make.thing(old=old, content={"fields": ["sku", "currency"], "owner": "price"}, consumers=[till])],
        actor=house.author,
    )
    from governance.services import checks

    checks.run_checks(made.pk)
    start = clock.now()
    calendar = {
        "kind": "once",
        "zone": "UTC",
        "from": f"{start.replace(year=start.year + 1):%Y-%m-%dT%H:%M}",
        "until": f"{start.replace(year=start.year + 2):%Y-%m-%dT%H:%M}",
    }
    freezes.plan(actor=None, name="Peak trading", calendar=calendar, environment="production")
    made.refresh_from_db()
    return made


def snap(page: Any, name: str) -> None:
    """A picture for a person to look at, where a folder is named."""
    if PICTURES:
        Path(PICTURES).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=f"{PICTURES}/{name}.png", full_page=True)


TABS = ("change", "differences", "checks", "impact", "evidence", "decide")
PLACES = ("inbox", "changes", "new-change", "policies", "waivers", "freezes", "break-glass", "new-policy", "away")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_and_no_page_is_wider_than_a_narrow_window(page, sign_in, axe, house, change, scheme):
    make.in_review(house.author, make.thing("stock-feed"), title="Publish stock feed")
    sign_in(house.architect)
    page.emulate_media(color_scheme=scheme)
    addresses = [(name, reverse(f"governance:{name}", args=[change.pk])) for name in TABS]
    addresses += [
        (f"differences-{r}", reverse("governance:differences", args=[change.pk]) + f"?reading={r}&layout=sides")
        for r in ("tree", "text")
    ]
    addresses += [(name, reverse(f"governance:{name}")) for name in PLACES]
    found = []
    for name, address in addresses:
        page.set_viewport_size({"width": 1280, "height": 900})
        page.goto(address)
        try:
            axe()
        except AssertionError as error:
            found.append(f"{name}: {error}")
        snap(page, f"{name}-{scheme}")
        page.set_viewport_size({"width": 390, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, name
        if scheme == "light":
            snap(page, f"{name}-narrow")
    assert not found, "\n".join(found)


def test_a_review_by_keyboard_from_the_inbox_takes_a_few_keys(page, sign_in, house):
    change = make.in_review(house.author)
    sign_in(house.owner)
    page.goto(reverse("governance:inbox"))
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/changes/{change.pk}/")
    page.keyboard.press("a")
    dialog = page.get_by_role("dialog")
    assert dialog.get_by_role("heading", name="Approve this for production?").is_visible()
    assert change.subject_digest[7:15] in dialog.inner_text()
    assert "Who feels it" in dialog.inner_text()
    dialog.get_by_role("button", name=f"Approve {change.subject_digest[7:15]}").click()
    page.get_by_text("You approved.").wait_for()
    assert Decision.objects.get().person == house.owner


def test_the_dialog_closes_and_a_reason_is_asked_for(page, sign_in, house):
    change = make.in_review(house.author)
    sign_in(house.architect)
    page.goto(reverse("governance:change", args=[change.pk]))
    page.keyboard.press("r")
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Cancel").click()
    assert not dialog.is_visible()
    page.get_by_role("link", name="Request changes").click()
    page.get_by_label("What has to change").fill("Keep the old field for a year.")
    page.get_by_role("dialog").get_by_role("button", name="Request changes").click()
    page.get_by_text("You asked for changes.").wait_for()
    assert "Keep the old field for a year." in page.inner_text("main")


def test_the_author_cannot_decide_and_the_page_says_why(page, sign_in, axe, house):
    change = make.in_review(house.author)
    sign_in(house.author)
    page.goto(reverse("governance:change", args=[change.pk]))
    assert page.get_by_role("button", name="Approve").is_disabled()
    assert page.get_by_text("You had a hand in this change; somebody else decides.").is_visible()
    axe()


def test_a_stale_page_says_what_changed_and_leads_there(page, sign_in, house):
    change = make.in_review(house.author)
    sign_in(house.owner)
    page.goto(reverse("governance:change", args=[change.pk]))
    changes.revise(change, subjects=[make.thing(content={"fields": ["other"]})], actor=house.author)
    page.keyboard.press("a")
    page.get_by_role("dialog").get_by_label("Note").fill("Fine for me.")
    page.get_by_role("dialog").get_by_role("button", name="Approve").click()
    page.get_by_text("The change has moved on since you looked").wait_for()
    assert page.get_by_text("Your note was kept: Fine for me.").is_visible()
    page.get_by_role("link", name="What changed since").click()
    page.wait_for_url("**/differences/")
    assert not Decision.objects.exists()


def test_everything_works_without_script(browser, live_server, house, context, sign_in):
    change = make.in_review(house.author)
    sign_in(house.owner)
    plain = browser.new_context(base_url=live_server.url, java_script_enabled=False)
    plain.add_cookies(context.cookies())
    page = plain.new_page()
    page.goto(reverse("governance:change", args=[change.pk]))
    page.get_by_role("link", name="Approve").click()
    page.wait_for_url("**/decide/?outcome=approve")
    page.get_by_role("button", name="Decide").click()
    page.get_by_text("You approved.").wait_for()
    plain.close()


def test_the_checks_show_their_progress_and_stop_asking_when_done(page, sign_in, house):
    from governance.services import checks

    change = changes.submit(make.draft(house.author), actor=house.author)
    sign_in(house.owner)
    page.goto(reverse("governance:checks", args=[change.pk]))
    assert page.get_by_text("Waiting for a worker.").is_visible()
    checks.run_checks(change.pk)
    page.get_by_text("The thing is sound").wait_for()
    page.get_by_text("Waiting for a worker.").wait_for(state="detached")
    assert page.locator("#checks[hx-get]").count() == 0
