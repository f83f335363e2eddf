"""Reviewing in a real browser: by keyboard, without script, with a stale page, and what axe has to say."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest
from django.urls import reverse

from governance.models import Decision, Policy, WebhookDelivery
from governance.services import breakglass, changes, checks, freezes, webhooks
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


def told(house: make.House) -> int:
    """A receiver with one delivery of each state."""
    endpoint, _ = webhooks.register(
        actor=house.releaser, name="chat", url="https://chat.example/hook", topics=["governance.*"]
    )
    for number, state in enumerate(WebhookDelivery.State.values):
        WebhookDelivery.objects.create(
            endpoint=endpoint,
            event_id=f"evt_{number}",
            topic="governance.change_approved",
            body="{}",
            state=state,
            attempts=number,
            last_error="The receiver answered 500." if state == "failed" else "",
        )
    return endpoint.pk


def emergency(house: make.House) -> None:
    """Break-glass that is open now, and one that waits for its second person."""
    subject = make.thing("till-prices")
    for confirmed in (True, False):
        case = breakglass.open_case(
            actor=house.owner, subject=subject, environment="production", reason="Tills show no prices."
        )
        if confirmed:
            breakglass.confirm(case.pk, actor=house.releaser)


TABS = ("change", "differences", "checks", "impact", "evidence", "decide")
PLACES = (
    "inbox",
    "changes",
    "new-change",
    "policies",
    "waivers",
    "freezes",
    "break-glass",
    "new-policy",
    "away",
    "webhooks",
)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_and_no_page_is_wider_than_a_narrow_window(page, sign_in, axe, house, change, scheme):
    make.in_review(house.author, make.thing("stock-feed"), title="Publish stock feed")
    receiver = told(house)
    emergency(house)
    sign_in(house.architect)
    page.emulate_media(color_scheme=scheme)
    addresses = [(name, reverse(f"governance:{name}", args=[change.pk])) for name in TABS]
    addresses += [
        (f"differences-{r}", reverse("governance:differences", args=[change.pk]) + f"?reading={r}&layout=sides")
        for r in ("tree", "text")
    ]
    addresses += [(name, reverse(f"governance:{name}")) for name in PLACES]
    addresses += [
        (f"freezes-{kind}", reverse("governance:freezes") + f"?repeats={kind}") for kind in ("weekly", "period_close")
    ]
    asked = "kind=test.thing&environment=production&tier=0&data_class=personal&consumers=2&breaking=1"
    addresses += [
        ("explain", reverse("governance:policies") + f"?{asked}"),
        ("policy", reverse("governance:policy", args=[Policy.objects.get().pk])),
    ]
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
    sign_in(house.releaser)
    for name, address in (
        ("receivers", reverse("governance:webhooks")),
        ("receiver", reverse("governance:webhook", args=[receiver])),
    ):
        page.set_viewport_size({"width": 1280, "height": 900})
        page.goto(address)
        try:
            axe()
        except AssertionError as error:
            found.append(f"{name}: {error}")
        snap(page, f"{name}-{scheme}")
        page.set_viewport_size({"width": 390, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, name
    assert not found, "\n".join(found)


class Keyboard:
    """Presses keys and counts them; each waits for what it brings about."""

    def __init__(self, page: Any) -> None:
        self.page, self.pressed = page, 0

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)
            self.pressed += 1

    def go(self, key: str, address: str) -> None:
        """A key that leads to another page; it is there when its heading is."""
        self.press(key)
        self.page.wait_for_url(f"**{address}", wait_until="load")


def test_an_architect_reviews_by_keyboard_alone_from_the_inbox_to_the_seal(page, sign_in, house, change, capsys):
    """The steps and the time of `docs/reference/decision-journeys.md`; mouse and address bar are not used after the
    inbox."""
    make.THINGS.failing.clear()
    checks.run_checks(change.pk)
    make.approve(change, house.owner)
    sign_in(house.architect)
    page.goto(reverse("governance:inbox"))
    keys, began = Keyboard(page), time.monotonic()
    keys.press("j")
    keys.go("Enter", f"/changes/{change.pk}/")
    for key, tab in (("2", "differences"), ("3", "checks"), ("4", "impact"), ("5", "evidence")):
        keys.go(key, f"/changes/{change.pk}/{tab}/")
        assert page.locator("nav.tabs a[aria-current=page]").inner_text().startswith(tab.capitalize())
    keys.press("a")
    dialog = page.get_by_role("dialog")
    assert dialog.get_by_role("heading", name="Approve this for production?").is_visible()
    assert change.subject_digest[7:15] in dialog.inner_text()
    assert "Who is affected" in dialog.inner_text()
    assert dialog.get_by_label("Note").evaluate("e => e === document.activeElement"), "a note can be typed at once"
    keys.press("Tab", "Tab")
    assert page.evaluate("document.activeElement.textContent.trim()") == f"Approve {change.subject_digest[7:15]}"
    keys.go("Enter", f"/changes/{change.pk}/")
    page.get_by_text("All approvals are given: the change is approved.").wait_for()
    seconds = time.monotonic() - began
    with capsys.disabled():
        print(f"\na review by keyboard: {keys.pressed} keys, {seconds:.1f} s of the machine's")
    assert keys.pressed == 10
    assert Decision.objects.filter(person=house.architect, voided_at=None).count() == 1


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
    assert page.get_by_text("You contributed to this change; somebody else decides.").is_visible()
    axe()


def test_a_stale_page_says_what_changed_and_leads_there(page, sign_in, house):
    change = make.in_review(house.author)
    sign_in(house.owner)
    page.goto(reverse("governance:change", args=[change.pk]))
    changes.revise(change, subjects=[make.thing(content={"fields": ["other"]})], actor=house.author)
    page.keyboard.press("a")
    page.get_by_role("dialog").get_by_label("Note").fill("Fine for me.")
    page.get_by_role("dialog").get_by_role("button", name="Approve").click()
    page.get_by_text("This change was edited after you opened it").wait_for()
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
    change = changes.submit(make.draft(house.author), actor=house.author)
    sign_in(house.owner)
    page.goto(reverse("governance:checks", args=[change.pk]))
    assert page.get_by_text("Waiting for a worker.").is_visible()
    checks.run_checks(change.pk)
    page.get_by_text("The thing is sound").wait_for()
    page.get_by_text("Waiting for a worker.").wait_for(state="detached")
    assert page.locator("#checks[hx-get]").count() == 0
