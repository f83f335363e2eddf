"""The catalog in a real browser: browse, read, compare, register, subscribe; by keyboard, without script, and to the
satisfaction of axe."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import expect

from catalog.models import ImportRun, Subscription
from catalog.services import importing
from tests.catalog import make

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.thorough]


@pytest.fixture(autouse=True)
def _estate(live_server: Any) -> None:
    make.build()


def test_a_reader_goes_from_search_to_an_api_to_the_comparison_of_its_versions(
    page: Any, sign_in: Any, axe: Any
) -> None:
    sign_in(make.person("stan"))
    page.goto("/catalog/")
    page.get_by_role("searchbox", name="Search APIs").fill("pirce")
    page.keyboard.press("Enter")
    expect(page.get_by_text("showing results for price")).to_be_visible()
    axe()
    page.get_by_role("checkbox", name="Published").check()
    page.wait_for_url("**state=published**")
    page.get_by_role("link", name="Price API").click()
    expect(page.get_by_role("heading", name="Price API", level=1)).to_be_visible()
    axe()
    page.get_by_role("navigation", name="Price API").get_by_role("link", name="Versions").click()
    axe()
    page.get_by_role("link", name=re.compile("difference")).first.click()
    expect(page.get_by_role("heading", name="In words")).to_be_visible()
    axe()
    for reading in ("As a tree", "As text"):
        page.get_by_role("link", name=reading).click()
        expect(page.get_by_role("heading", name=reading)).to_be_visible()
        axe()


def test_an_owner_registers_a_good_file_and_is_told_what_is_wrong_with_a_broken_one(
    page: Any, sign_in: Any, axe: Any, console: list[str]
) -> None:
    sign_in(make.person("piet"))
    page.goto("/catalog/register/")
    axe()
    page.get_by_label("File").set_input_files(
        {"name": "broken.json", "mimeType": "application/json", "buffer": b'{"openapi": "3.0.0",'}
    )
    page.get_by_role("button", name="Check the contract").click()
    expect(page.get_by_role("alert")).to_contain_text("Nothing was saved")
    axe()
    contract = make.contract("loyalty-v1.yaml").replace(b"Loyalty points", b"Vouchers")
    page.get_by_label("File").set_input_files(
        {"name": "vouchers.yaml", "mimeType": "application/yaml", "buffer": contract}
    )
    page.get_by_role("button", name="Check the contract").click()
    expect(page.get_by_role("heading", name="2. What the contract says")).to_be_visible()
    axe()
    page.get_by_role("button", name="Save as draft").click()
    expect(page.get_by_role("alert")).to_contain_text("Owner team")
    page.get_by_label("Owner team").select_option("pricing")
    page.get_by_label("SLA tier").select_option("1")
    page.get_by_role("button", name="Save as draft").click()
    expect(page.get_by_role("heading", name="Vouchers", level=1)).to_be_visible()


def test_a_consumer_applies_and_the_owner_approves(page: Any, sign_in: Any, axe: Any) -> None:
    sign_in(make.person("stan"))
    page.goto("/catalog/apis/price-api/")
    page.get_by_role("link", name="Subscribe").click()
    page.get_by_label("Application").select_option("till")
    page.get_by_label("Environment").select_option("test")
    page.get_by_label("What for").fill("Prices on the till")
    axe()
    page.get_by_role("button", name="Apply").click()
    expect(page.get_by_text("Waiting for the owner")).to_be_visible()
    sign_in(make.person("paula"))
    page.goto("/catalog/subscriptions/")
    axe()
    page.get_by_role("link", name="Review").click()
    axe()
    page.get_by_role("button", name="Approve").click()
    expect(page.get_by_text("Nothing to decide")).to_be_visible()
    page.goto("/catalog/apis/price-api/consumers/")
    assert page.get_by_text("Subscribed").count() == 2


def test_maps_and_lists_are_to_the_satisfaction_of_axe(page: Any, sign_in: Any, axe: Any) -> None:
    sign_in(make.person("stan"))
    for url in (
        "/systems-of-record/?entity=price&group=offer&focus=price-api",
        "/catalog/dependencies/",
        "/catalog/scorecards/",
        "/teams/",
        "/teams/pricing/",
        "/catalog/imports/",
        "/catalog/campaigns/",
        "/catalog/applications/",
        "/catalog/applications/till/",
        "/catalog/applications/add/",
        "/catalog/systems/",
        "/catalog/systems/add/",
        "/catalog/entities/",
        "/catalog/entities/add/",
        "/systems-of-record/propose/",
        "/catalog/dependencies/?q=price",
        "/catalog/dependencies/?column=record",
        "/catalog/apis/price-api/definition/",
        "/catalog/apis/price-api/consumers/",
        "/catalog/apis/price-api/changes/",
    ):
        page.goto(url)
        axe()


def test_a_system_that_a_list_lacks_is_registered_in_place_and_chosen(page: Any, sign_in: Any, axe: Any) -> None:
    sign_in(make.person("piet"))
    page.goto("/catalog/apis/price-api/edit/")
    page.locator("#id_purpose").fill("It stays.")
    page.get_by_role("link", name="Register a system").click()
    place = page.locator("#in-place")
    place.get_by_label("Short name").fill("price box")
    place.get_by_role("button", name="Register").click()
    expect(place.get_by_text("is no key").first).to_be_visible()
    axe()
    place.get_by_label("Short name").fill("price-box")
    place.get_by_label("Owner team").select_option("pricing")
    place.get_by_role("button", name="Register").click()
    expect(place.get_by_text("and chosen below")).to_be_visible()
    expect(page.locator("#id_system")).to_have_value("price-box")
    expect(page.locator("#id_purpose")).to_have_value("It stays.")


def test_an_import_shows_its_progress_and_then_its_report_without_a_reload(page: Any, sign_in: Any, axe: Any) -> None:
    sign_in(make.person("ada"))
    page.goto("/catalog/imports/")
    page.locator("#files").set_input_files(
        {"name": "apis.csv", "mimeType": "text/csv", "buffer": b"slug,name\nfrom-csv,From CSV\n,\n"}
    )
    page.get_by_role("checkbox", name="Only show").uncheck()
    page.get_by_role("button", name="Import").click()
    expect(page.get_by_text("Waiting for a worker. The files are kept")).to_be_visible()
    axe()
    page.reload()
    importing.execute(ImportRun.objects.get().pk)
    expect(page.get_by_text("from-csv")).to_be_visible(timeout=15_000)
    expect(page.get_by_role("link", name="Not understood")).to_be_visible()
    axe()


def test_an_architect_begins_a_campaign_and_an_owner_plans_the_move_of_a_consumer(
    page: Any, sign_in: Any, axe: Any
) -> None:
    sign_in(make.person("ada"))
    page.goto("/catalog/campaigns/")
    page.get_by_role("link", name="Start a campaign").click()
    axe()
    page.get_by_label("Name", exact=True).fill("Usage is known")
    page.get_by_label("Short name").fill("usage")
    page.get_by_label("Goal").select_option("measured")
    page.get_by_label("Until").fill("2099-06-30")
    page.get_by_role("button", name="Begin").click()
    expect(page.get_by_role("heading", name="Usage is known", level=1)).to_be_visible()
    axe()
    page.get_by_role("link", name="Edit").click()
    axe()
    sign_in(make.person("piet"))
    row = Subscription.objects.get(application__key="till", version__label="v2", state="active")
    page.goto(f"/catalog/subscriptions/{row.pk}/")
    page.get_by_label("By").fill("2099-06-30")
    axe()
    page.get_by_role("button", name="Save the plan").click()
    expect(page.get_by_text("The plan is saved")).to_be_visible()
    page.goto("/catalog/apis/price-api/consumers/")
    expect(page.get_by_text("by 30 Jun 2099")).to_be_visible()


def test_the_keyboard_alone_finds_an_api(page: Any, sign_in: Any) -> None:
    sign_in(make.person("stan"))
    page.goto("/catalog/")
    page.get_by_role("searchbox", name="Search APIs").focus()
    page.keyboard.type("price")
    page.keyboard.press("Enter")
    page.wait_for_url("**q=price**")
    link = page.get_by_role("link", name="Price API")
    for _ in range(60):
        if link.evaluate("e => e === document.activeElement"):
            break
        page.keyboard.press("Tab")
    assert link.evaluate("e => e === document.activeElement")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Price API", level=1)).to_be_visible()


def test_everything_works_without_script(browser: Any, live_server: Any, context: Any, sign_in: Any) -> None:
    sign_in(make.person("stan"))
    bare = browser.new_context(base_url=live_server.url, java_script_enabled=False)
    bare.add_cookies(context.cookies())
    page = bare.new_page()
    page.goto("/catalog/?q=price")
    page.get_by_role("checkbox", name="Published").check()
    page.get_by_role("button", name="Show results").click()
    assert "state=published" in page.url
    page.get_by_role("link", name="Price API").click()
    page.get_by_role("link", name=re.compile("difference")).first.click()
    page.get_by_role("link", name="As text").click()
    expect(page.get_by_role("heading", name="As text")).to_be_visible()
    page.goto("/catalog/register/")
    page.get_by_label("or paste it").fill(make.contract("price-v1.yaml").decode())
    page.get_by_role("button", name="Check the contract").click()
    expect(page.get_by_role("heading", name="3. What is missing")).to_be_visible()
    bare.close()
