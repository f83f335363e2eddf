"""A live server, a browser, and a page that fails its test when the console reports an error.

    def test_inbox_shows_what_waits(page, sign_in, axe, ann):
        sign_in(ann)
        page.goto("/inbox/")
        assert page.get_by_role("heading", name="Inbox").is_visible()
        axe()

Pages live under the product's own content policy, so an inline style or script shows up as a console error and fails
the test.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.conf import settings
from django.test import Client

from runtime.connectors.file_ages import FileAges
from tests.browser.chromium import chromium, launched

TIMEOUT_MS = 10_000


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything here is a browser test. One process runs them all (`longest_first.py`): one browser."""
    for item in items:
        if item.path.is_relative_to(os.path.dirname(__file__)):
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    if chromium() is None:
        pytest.skip("no Chromium: set CHROMIUM_PATH or install one")
    before = os.environ.get("DJANGO_ALLOW_ASYNC_UNSAFE")
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = (
        "1"  # playwright keeps an event loop in this thread; the ORM calls of tests are not in it
    )
    with launched() as started:
        yield started
    if before is None:
        del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]
    else:
        os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = before


@pytest.fixture(autouse=True)
def quiet_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files that stores hand over have not changed for long enough to be read."""
    plain = FileAges.age
    monkeypatch.setattr(FileAges, "age", lambda ages, path, found: plain(ages, path, found) + 60)


@pytest.fixture
def console() -> list[str]:
    """What the page complained about so far. A test that expects a complaint empties it."""
    return []


@pytest.fixture
def context(browser: Any, live_server: Any) -> Iterator[Any]:
    made = browser.new_context(
        base_url=live_server.url, viewport={"width": 1280, "height": 900}, reduced_motion="reduce"
    )
    made.set_default_timeout(TIMEOUT_MS)
    yield made
    made.close()


@pytest.fixture
def page(context: Any, console: list[str], live_server: Any) -> Iterator[Any]:
    made = watched(context.new_page(), console, live_server.url)
    yield made
    assert not console, f"the page reported errors: {console}"


def watched(page: Any, console: list[str], origin: str) -> Any:
    """Console errors, uncaught exceptions and requests to other hosts all end up in `console`."""

    def message(event: Any) -> None:
        # Chromium reports every answer of 4xx and 5xx on the console; the status is the test's own business.
        if event.type == "error" and "Failed to load resource" not in event.text:
            console.append(event.text)

    def request(event: Any) -> None:
        if not event.url.startswith((origin, "data:", "blob:")):
            console.append(f"request to another host: {event.url}")

    page.on("console", message)
    page.on("pageerror", lambda error: console.append(str(error)))
    page.on("request", request)
    return page


@pytest.fixture
def sign_in(context: Any, live_server: Any) -> Callable[[Any], None]:
    """`sign_in(user)`: the browser holds this user's session from now on, without the sign-in page."""

    def begin(user: Any) -> None:
        client = Client()
        client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
        value = client.cookies[settings.SESSION_COOKIE_NAME].value
        context.clear_cookies(name=settings.SESSION_COOKIE_NAME)
        context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": value, "url": live_server.url}])

    return begin


@pytest.fixture
def axe(page: Any) -> Callable[..., None]:
    """`axe()`: no violation of WCAG 2.2 A or AA on the page as it is now. `ignore` names rules, each with a reason in
    the test."""
    from axe_playwright_python.sync_playwright import Axe

    def check(*, ignore: tuple[str, ...] = ()) -> None:
        options = {
            "resultTypes": ["violations"],
            "runOnly": {
                "type": "tag",
                "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
            },
            "rules": {rule: {"enabled": False} for rule in ignore},
        }
        results = Axe().run(page, options=options)
        assert results.violations_count == 0, results.generate_report()

    return check
