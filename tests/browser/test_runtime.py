"""The runtime's pages in a real browser: what moves by itself, a letter mended and sent again, and what axe has to
say."""

from __future__ import annotations

import pytest

from kernel import clock
from runtime.models import Alert, Firing, QuarantinedMessage, Run, Schedule, VendorState
from tests.runtime import scene
from tests.runtime.web.test_service_levels import measured_day

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.thorough]


@pytest.fixture
def day() -> scene.Day:
    return scene.day()


def paths(day: scene.Day) -> list[str]:
    letter = day.letters[0]
    return [
        "/runtime/",
        "/runtime/integrations/",
        "/runtime/integrations/register/",
        "/runtime/integrations/sales/",
        "/runtime/integrations/sales/mapping/",
        "/runtime/integrations/sales/releases/",
        "/runtime/integrations/sales/manifest/",
        f"/runtime/runs/{day.run.pk}/",
        "/runtime/dead-letters/",
        f"/runtime/dead-letters/quarantined/{letter.subscription_id}/{letter.lane}/{letter.position}/",
        f"/runtime/dead-letters/conflicts/{day.conflict.pk}/",
        f"/runtime/trace/?q={letter.key}",
        "/runtime/stores/?show=all",
        "/runtime/vendors/",
        f"/runtime/vendors/{VendorState.objects.get(system_key='s4').pk}/",
        "/runtime/replays/",
        f"/runtime/replays/{day.replay.pk}/",
        "/runtime/reconciliation/",
        "/runtime/reconciliation/sales/",
        "/runtime/reconciliation/sales/?by=business&day=2020-01-01",
        f"/runtime/dead-letters/rejected/{day.rejected.pk}/",
        "/runtime/integrations/sales/runs/",
        "/runtime/runs/",
        "/runtime/schedules/",
        "/runtime/trace/",
        "/runtime/?environment=test",
        "/runtime/stores/?environment=test",
        "/runtime/vendors/?environment=test",
        "/runtime/replays/?environment=test",
        "/runtime/reconciliation/?environment=test",
        "/runtime/dead-letters/?environment=test",
        f"/runtime/schedules/{day.sales.integration.schedules.get().pk}/",
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_on_any_page(page, sign_in, day, axe, scheme):
    sign_in(day.people.rita)
    page.emulate_media(color_scheme=scheme)
    for path in paths(day):
        page.goto(path)
        # the cells of the grid are small and close; the table below links each store in full size (WCAG 2.5.8)
        axe(ignore=("target-size",) if "stores" in path else ())


def test_axe_finds_nothing_on_pages_of_measured_flows(page, sign_in, axe):
    """Levels, an open alert, and a schedule that has run: sentences that hold a link, and regions with a name."""
    made = measured_day()
    schedule = Schedule.objects.get(integration=made.sales.integration)
    Firing.objects.create(schedule=schedule, due_at=clock.now(), run=made.run)
    sign_in(made.people.rita)
    alert = Alert.objects.first()
    for path in ("/runtime/service-levels/", "/runtime/integrations/sales/", f"/runtime/alerts/{alert.pk}/"):
        page.goto(path)
        axe()


def test_no_page_is_wider_than_a_narrow_window(page, sign_in, day):
    sign_in(day.people.rita)
    page.set_viewport_size({"width": 390, "height": 800})
    for path in paths(day):
        page.goto(path)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, path


def test_a_run_moves_by_itself_and_stops_asking_when_it_is_done(page, sign_in, day):
    sign_in(day.people.sofia)
    page.goto(f"/runtime/runs/{day.run.pk}/")
    page.get_by_role("heading", name="Reading").wait_for()
    QuarantinedMessage.objects.filter(state="retry").delete()
    day.sales.pass_to("journal")
    Run.objects.filter(pk=day.run.pk).update(state="succeeded", ended_at=clock.now())
    page.get_by_role("heading", name="100 %").wait_for()
    assert page.locator("#progress").get_attribute("hx-trigger") is None
    assert page.get_by_text("Done, some wait").first.is_visible()


def test_a_run_without_script_has_a_link_to_refresh(browser, live_server, sign_in, context, day):
    sign_in(day.people.sofia)
    plain = browser.new_context(
        base_url=live_server.url, java_script_enabled=False, storage_state=context.storage_state()
    )
    page = plain.new_page()
    page.goto(f"/runtime/runs/{day.run.pk}/")
    day.sales.pass_to("journal")
    page.get_by_role("link", name="refresh").click()
    assert page.get_by_role("row", name="journal s4").get_by_role("cell").nth(1).inner_text() != "0"
    plain.close()


def test_a_letter_is_mended_tried_out_and_sent_again(page, sign_in, day, axe):
    sign_in(day.people.sofia)
    page.goto("/runtime/")
    page.get_by_role("link", name="3 messages of Sales").click()
    page.get_by_role("link", name=day.letters[0].key).click()
    content = page.get_by_label("Content")
    content.fill(content.input_value().replace('"R1"', '"R9"'))
    page.get_by_label("Reason").fill("tax class of the new list")
    page.get_by_role("button", name="Save the edited payload").click()
    page.get_by_text("Corrected, not yet sent").wait_for()
    page.goto("/runtime/dead-letters/")
    page.get_by_role("link", name="ERP answered 400").click()
    page.get_by_role("button", name="Dry run").click()
    page.get_by_text("Dry run: 2 of 3 would be mapped").wait_for()
    assert page.get_by_text("R9").count() or page.get_by_text("tax-map").count()
    axe()
    page.get_by_label("Rate").fill("5")
    page.get_by_role("button", name="Replay 3").click()
    page.get_by_text("Retrying 3 messages").wait_for()
    redriven = QuarantinedMessage.objects.filter(fingerprint=day.letters[0].fingerprint)
    states = [one.state for one in redriven]
    assert states == ["sending"] * 3, "an earlier try had no answer, so the vendor is asked first"


def test_a_closed_button_says_why_beside_it(page, sign_in, day):
    sign_in(day.people.sam)
    page.goto("/runtime/integrations/prices/")
    button = page.get_by_role("button", name="Start a run")
    assert button.is_disabled()
    assert "Only Pricing" in page.locator(f"#{button.get_attribute('aria-describedby')}").inner_text()


def test_a_store_is_chosen_in_the_grid_by_keyboard(page, sign_in, day):
    sign_in(day.people.petra)
    page.goto("/runtime/stores/")
    page.get_by_role("link", name="Store 0206: Late").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**store=0206**")
    assert page.get_by_role("heading", name="0206").is_visible()
