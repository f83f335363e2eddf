"""What the journeys of decisions share: a small retailer, a second person's browser, and the steps that every story
takes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse

from governance.models import ChangeRequest
from kernel import outbox
from kernel.models import User
from tests.browser.conftest import TIMEOUT_MS, watched
from tests.governance import make

Browsing = Callable[[User], Any]


@pytest.fixture
def house() -> make.House:
    return make.house()


@pytest.fixture
def browsing(browser: Any, live_server: Any, console: list[str]) -> Iterator[Browsing]:
    """`browsing(user)`: a page in a window of this person's own, so that several people look at one change at once."""
    contexts: list[Any] = []

    def begin(user: User) -> Any:
        client = Client()
        client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
        context = browser.new_context(
            base_url=live_server.url, viewport={"width": 1280, "height": 900}, reduced_motion="reduce"
        )
        context.set_default_timeout(TIMEOUT_MS)
        name = settings.SESSION_COOKIE_NAME
        context.add_cookies([{"name": name, "value": client.cookies[name].value, "url": live_server.url}])
        contexts.append(context)
        return watched(context.new_page(), console, live_server.url)

    yield begin
    for context in contexts:
        context.close()
    assert not console, f"a page reported errors: {console}"


def settle() -> None:
    """What the scheduler process does: hand the outbox to its handlers until it is empty."""
    while outbox.dispatch():
        pass


def address(change: ChangeRequest | int, tab: str = "change") -> str:
    return reverse(f"governance:{tab}", args=[change if isinstance(change, int) else change.pk])


def open_by_form(page: Any, subject: str, title: str = "Add a currency") -> int:
    """Fills the form of a new change and submits it; answers its number once the checks have run."""
    page.goto(reverse("governance:new-change") + f"?kind=test.thing&subject={subject}&environment=production")
    page.get_by_label("Title").fill(title)
    page.get_by_label("Why").fill("Border stores sell in two currencies.")
    page.get_by_label("Rollback plan").fill("Deploy the previous digest again.")
    page.get_by_label("Planned from").fill("2026-01-01T00:00")
    page.get_by_label("Planned until").fill("2090-01-01T00:00")
    page.get_by_role("button", name="Open and submit").click()
    page.wait_for_url(re.compile(r"/changes/\d+/$"))
    settle()
    return int(page.url.rstrip("/").rpartition("/")[2])


def approve(page: Any, change: ChangeRequest | int) -> None:
    """By the page, as a reviewer does: decision bar, dialog, confirm."""
    page.goto(address(change))
    press_approve(page)
    page.get_by_text("You approved.").wait_for()


def press_approve(page: Any) -> None:
    page.locator(".decision-bar").get_by_role("link", name="Approve").click()
    page.get_by_role("dialog").get_by_role("button", name=re.compile("^Approve [0-9a-f]{8}$")).click()


def state_of(page: Any) -> str:
    """The word beside the title."""
    return str(page.locator(".title-row .pill").first.inner_text())
