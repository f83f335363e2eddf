"""Passkeys in a real browser, with Chromium's virtual authenticator: added, asked for at the sign-in, and before a
decision."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.urls import reverse

from governance.models import Decision
from kernel import clock
from kernel.factors import held
from kernel.models import UserSession
from kernel.sessions import PROVED, SessionStore
from tests.browser.decisions import house, press_approve  # noqa: F401 - a fixture
from tests.governance import make

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.thorough]
PASSWORD = "a-long-password"


@pytest.fixture
def authenticator(context: Any, page: Any, live_server: Any, settings: Any) -> Any:
    """One that is built in and knows its person at once."""
    settings.PUBLIC_URL = live_server.url
    settings.SIGN_IN_FRESH_MINUTES = 15
    session = context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    options = {"protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True}
    options |= {"isUserVerified": True, "automaticPresenceSimulation": True}
    session.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    return session


def give_password(page: Any, name: str) -> None:
    page.goto("/sign-in/")
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()


def long_ago() -> None:
    """Every session proved its person an hour ago."""
    for row in UserSession.objects.exclude(user=None):
        told = SessionStore().decode(row.session_data) | {PROVED: (clock.now() - timedelta(hours=1)).isoformat()}
        row.session_data = SessionStore().encode(told)
        row.save(update_fields=["session_data"])


def test_a_passkey_is_added_asked_for_at_the_sign_in_and_proves_before_a_decision(
    house: make.House, page: Any, authenticator: Any, axe: Any
):
    make.thing()
    change = make.in_review(house.author)
    give_password(page, "olaf")
    page.goto("/settings/account/")
    axe()
    page.get_by_role("link", name="Add a passkey").click()
    page.get_by_label("Name").fill("Laptop")
    axe()
    page.get_by_role("button", name="Add a passkey").click()
    page.get_by_role("heading", name="Recovery codes").wait_for()
    assert page.locator(".recovery-codes li").count() == 10
    axe()
    page.get_by_role("link", name="I have kept them").click()
    assert page.get_by_role("row", name="Laptop").is_visible()

    page.context.clear_cookies()
    give_password(page, "olaf")
    page.get_by_role("heading", name="Second step").wait_for()
    axe()
    page.goto(reverse("governance:change", args=[change.pk]))
    assert page.get_by_label("Name").is_visible(), "not in before the second step"
    give_password(page, "olaf")
    page.get_by_role("button", name="Use a passkey").click()
    page.get_by_role("heading", name="Inbox").wait_for()

    long_ago()
    page.goto(reverse("governance:change", args=[change.pk]))
    press_approve(page)
    page.get_by_role("heading", name="Confirm that it is you").wait_for()
    axe()
    page.get_by_role("button", name="Use a passkey").click()
    page.get_by_text("Confirmed. Now go on.").wait_for()
    press_approve(page)
    page.get_by_text("You approved.").wait_for()
    assert Decision.objects.get().person == house.owner
    [row] = held.of(house.owner)
    assert row.signatures > 1


def test_at_another_address_the_page_says_where_passkeys_work(
    house: make.House, page: Any, settings: Any, sign_in: Any
):
    settings.PUBLIC_URL = "https://tillgate.example"
    sign_in(house.owner)
    page.goto("/settings/account/passkey/")
    assert page.get_by_text("Passkeys work at https://tillgate.example").is_visible()
    assert page.get_by_role("button", name="Add a passkey").is_disabled()


def test_who_needs_one_adds_the_first_at_the_sign_in(
    house: make.House, page: Any, authenticator: Any, settings: Any, axe: Any
):
    settings.SECOND_FACTOR_REQUIRED = ["deciders"]
    give_password(page, "olaf")
    page.get_by_role("heading", name="Add a second factor").wait_for()
    axe()
    page.get_by_role("button", name="Add a passkey").click()
    page.get_by_text("You are signed in").wait_for()
    axe()
    page.get_by_role("link", name="Continue").click()
    page.get_by_role("heading", name="Inbox").wait_for()
    assert held.has_one(house.owner)
