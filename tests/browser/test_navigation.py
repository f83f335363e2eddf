"""The frame of every page in a real browser: sign-in, theme, keys, drawer, dialogs, and what axe has to say."""

from __future__ import annotations

import pytest
from django.db import transaction

from kernel import audit
from tests.portal import make

pytestmark = pytest.mark.django_db(transaction=True)

PAGES = ("/styleguide/", "/ledger/", "/settings/tokens/")


@pytest.fixture
def ann():
    pricing = make.team("pricing", "Pricing team")
    with transaction.atomic():
        audit.record(
            actor=None,
            verb="kernel.tested",
            subject_kind="estate",
            subject_id=1,
            after={"price": "1.00"},
            reason="for the picture",
        )
    return make.person("ann", pricing)


def test_a_person_signs_in_by_keyboard_and_out_again(page, ann, axe):
    page.goto("/ledger/")
    assert page.get_by_text("Sign in to continue").is_visible()
    axe()
    page.keyboard.type("ann")
    page.keyboard.press("Tab")
    page.keyboard.type(make.PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url("**/ledger/")
    page.get_by_role("button", name="Signed in as ann").click()
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/sign-in/")


def test_a_wrong_password_keeps_the_name_and_says_what_to_do(page, ann, axe):
    page.goto("/sign-in/")
    page.get_by_label("Name").fill("ann")
    page.get_by_label("Password").fill("no")
    page.get_by_role("button", name="Sign in").click()
    assert page.get_by_role("alert").get_by_text("Wrong name or password").is_visible()
    assert page.get_by_label("Name").input_value() == "ann"
    axe()


def test_sign_in_works_without_script(browser, live_server, ann):
    context = browser.new_context(base_url=live_server.url, java_script_enabled=False)
    page = context.new_page()
    page.goto("/settings/tokens/")
    page.get_by_label("Name").fill("ann")
    page.get_by_label("Password").fill(make.PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    assert page.get_by_role("heading", name="Teams and tokens").is_visible()
    context.close()


@pytest.mark.thorough
@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(page, sign_in, ann, axe, path, scheme):
    sign_in(ann)
    page.emulate_media(color_scheme=scheme)
    page.goto(path)
    axe()


@pytest.mark.thorough
@pytest.mark.parametrize("path", PAGES)
def test_no_page_is_wider_than_a_narrow_window(page, sign_in, ann, path):
    sign_in(ann)
    page.set_viewport_size({"width": 390, "height": 800})
    page.goto(path)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


@pytest.mark.thorough
def test_the_theme_is_kept_over_pages_and_set_before_the_first_paint(page, sign_in, ann):
    sign_in(ann)
    page.goto("/styleguide/")
    toggle = page.locator("[data-theme-toggle]")
    toggle.click()
    toggle.click()
    assert page.locator("html").get_attribute("data-theme") == "dark"
    page.goto("/ledger/", wait_until="commit")
    page.wait_for_selector("body", state="attached")
    assert page.locator("html").get_attribute("data-theme") == "dark"
    page.wait_for_load_state()
    assert toggle.get_attribute("aria-label") == "Theme: dark"


@pytest.mark.thorough
def test_a_slash_goes_to_the_search_but_not_while_typing(page, sign_in, ann):
    sign_in(ann)
    page.goto("/styleguide/")
    page.keyboard.press("/")
    page.keyboard.type("price/v3")
    assert page.get_by_role("searchbox").input_value() == "price/v3"


def test_the_navigation_is_a_drawer_on_narrow_windows(page, sign_in, ann):
    sign_in(ann)
    page.set_viewport_size({"width": 390, "height": 800})
    page.goto("/styleguide/")
    drawer = page.get_by_role("navigation", name="Main")
    assert not drawer.is_visible()
    page.get_by_role("button", name="Menu").click()
    assert drawer.get_by_role("link", name="Ledger").is_visible()
    page.keyboard.press("Escape")
    assert not drawer.is_visible()


@pytest.mark.thorough
def test_a_digest_is_copied_in_full(page, context, sign_in, ann):
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    sign_in(ann)
    page.goto("/styleguide/")
    button = page.get_by_role("button", name="Copy full digest").first
    button.click()
    page.get_by_role("status").get_by_text("Full digest copied").wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == button.get_attribute("data-copy")


@pytest.mark.thorough
def test_a_token_is_issued_copied_and_revoked(page, sign_in, ann, axe):
    sign_in(ann)
    page.goto("/settings/tokens/")
    page.get_by_label("Name").fill("price pipeline")
    page.get_by_label("Ask the gate").check()
    page.get_by_role("button", name="Issue token").click()
    assert page.locator("#secret").inner_text().startswith("tg_")
    axe()
    page.get_by_role("button", name="Revoke price pipeline").click()
    page.get_by_role("cell", name="Revoked").wait_for()
    assert page.locator("#secret").count() == 0


@pytest.mark.thorough
def test_the_ledger_unfolds_what_changed(page, sign_in, ann, axe):
    sign_in(ann)
    page.goto("/ledger/")
    page.get_by_role("row").filter(has_text="kernel.tested").locator("summary").click()
    assert page.get_by_text("for the picture").is_visible()
    axe()


@pytest.mark.parametrize("inline", ["<p style='color: red'>x</p>", "<script>window.ran = true</script>"])
def test_the_harness_notices_inline_style_and_script(page, console, sign_in, ann, inline, monkeypatch):
    """The collector is only worth something if it fails on what the policy refuses."""
    from django.http import HttpResponse

    monkeypatch.setattr("portal.styleguide.render", lambda *a: HttpResponse(inline))
    sign_in(ann)
    page.goto("/styleguide/")
    assert any("Content Security Policy" in text for text in console), console
    console.clear()


@pytest.mark.thorough
@pytest.mark.parametrize(
    "path", ["/admin/", "/admin/kernel/user/", "/admin/kernel/auditentry/", "/admin/kernel/apitoken/"]
)
def test_the_administration_keeps_the_content_policy(page, sign_in, ann, path):
    root = make.person("root", is_staff=True, is_superuser=True)
    sign_in(root)
    assert page.goto(path).status == 200
    assert page.get_by_text("Tillgate administration").first.is_visible()
