"""Stories of operating in a real browser, against real workers and the emulated ERP, judged by the ERP's own
journal."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kernel.models import User
from runtime.models import Message, QuarantinedMessage, TargetSubscription
from runtime.services import replays, runs
from runtime.worker.loop import WorkerLoop
from sandbox.client import Sandbox
from tests.journeys.conftest import drop, estate, sandbox  # noqa: F401 - the retailer around a journey

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.thorough]
STORES = 6


@pytest.fixture
def retailer(estate: Callable[..., str]) -> Callable[[str], User]:
    """Both integrations approved and deployed. Answers a look-up of people by name."""
    estate(deploy_everything=True)
    return lambda name: User.objects.get(username=name)


def sell(sandbox: Sandbox, drop: Path, count: int) -> None:
    """`count` sales in every store, handed over as files."""
    handed = sum(e.effect == "sale.handed" for e in sandbox.stores.journal())
    sandbox.stores.control(sell={"count": count, "store": "all", "drop": str(drop)})
    limit = time.monotonic() + 20
    while sum(e.effect == "sale.handed" for e in sandbox.stores.journal()) < handed + count * STORES:
        assert time.monotonic() < limit, "the stores did not hand over their files"
        time.sleep(0.05)


def posted(sandbox: Sandbox) -> Counter[str]:
    """Sale → how often the ERP has really posted it."""
    return Counter(e.ref for e in sandbox.erp.journal() if e.effect == "sale.posted")


def start_run(page: Any) -> None:
    page.goto("/runtime/integrations/sales/")
    page.get_by_role("button", name="Start a run").click()
    page.wait_for_url(re.compile(r"/runtime/runs/\d+/"))


def work() -> int:
    return WorkerLoop().run(until_idle=True).passed


def test_a_run_is_seen_moving_without_a_reload_until_it_is_done(page, sign_in, retailer, sandbox: Sandbox, drop: Path):
    sell(sandbox, drop, 5)
    sign_in(retailer("ivy"))
    start_run(page)
    page.evaluate("window.untouched = true")
    assert page.locator("#progress").get_attribute("hx-trigger") == "every 2s"
    page.get_by_role("heading", name="Reading").wait_for()
    work()
    page.get_by_role("heading", name="100 %").wait_for()
    assert page.evaluate("window.untouched") is True, "the page was never loaded again"
    assert page.locator("#progress").get_attribute("hx-trigger") is None
    target = page.get_by_role("row", name=re.compile("^erp-sales"))
    assert str(len(posted(sandbox))) in target.inner_text()


def test_a_refused_sale_is_mended_tried_out_and_posted_once(page, sign_in, retailer, sandbox: Sandbox, drop: Path, axe):
    sign_in(retailer("ivy"))
    letter = dead_letter(sandbox, drop)
    assert letter.key not in posted(sandbox)
    page.goto("/runtime/dead-letters/")
    axe()
    page.get_by_role("heading", name=re.compile("required and missing")).first.wait_for()
    page.get_by_role("link", name=letter.key, exact=True).first.click()
    content = page.get_by_label("Content")
    content.fill(re.sub(r'("lines": \[\s*\{)', r'\1 "item": "P-1001",', content.input_value(), count=1))
    page.get_by_label("Reason").fill("the receipt names the article")
    page.get_by_role("button", name="Save the edited payload").click()
    page.get_by_text("Corrected, not yet sent").wait_for()
    page.goto("/runtime/dead-letters/")
    page.get_by_role("button", name="Dry run").click()
    page.get_by_text("Dry run: 1 of 1 would be mapped").wait_for()
    assert letter.key not in posted(sandbox), "a dry run sends nothing"
    page.get_by_role("button", name=re.compile("^Replay 1")).click()
    page.get_by_text("Retrying 1 message").wait_for()
    work()
    assert posted(sandbox)[letter.key] == 1, "the journal of the ERP has the effect once"
    assert max(posted(sandbox).values()) == 1
    work()
    page.goto(f"/runtime/trace/?q={letter.key}")
    page.get_by_text("Confirmed").first.wait_for()
    assert not QuarantinedMessage.objects.exists()


def dead_letter(sandbox: Sandbox, drop: Path) -> QuarantinedMessage:
    """A sale with a line that names no article: it is a sale, so it is read and stored, and the posting's mapping
    refuses it."""
    sell(sandbox, drop, 1)
    for file in sorted(drop.rglob("*.xml")):
        parts = file.read_text().split("<Transaction")
        for number, part in enumerate(parts):
            if (
                "<ExtendedAmount>" in part
                and "Training" not in part
                and "VoidFlag" not in part
                and "Voided" not in part
            ):
                parts[number] = re.sub(
                    r"<POSIdentity.*?</POSIdentity><ItemID>[^<]*</ItemID>", "", part, count=1, flags=re.DOTALL
                )
                file.write_text("<Transaction".join(parts))
                runs.start("sales", "production", trigger="manual")
                work()
                return QuarantinedMessage.objects.get(state="dead")
    raise AssertionError("no store sold anything")


def test_a_replay_is_planned_tried_started_and_has_no_second_effect(
    page, sign_in, retailer, sandbox: Sandbox, drop: Path, axe
):
    sell(sandbox, drop, 3)
    sign_in(retailer("ivy"))
    start_run(page)
    work()
    once = posted(sandbox)
    assert max(once.values()) == 1

    page.goto("/runtime/replays/")
    axe()
    page.get_by_label("Integration and target").select_option("sales/erp-sales")
    page.get_by_label("Pace").fill("500")
    page.get_by_label("Reason").fill("the ERP was restored from last night")
    page.get_by_role("button", name="Plan it").click()
    page.wait_for_url(re.compile(r"/runtime/replays/\d+/$"))
    page.get_by_role("button", name="Dry run").click()
    page.get_by_role("heading", name="Dry run").wait_for()
    work()
    page.get_by_text("All can be mapped").wait_for()
    assert posted(sandbox) == once
    axe()
    page.get_by_role("button", name="Start the replay").click()
    page.get_by_role("dialog").get_by_role("button", name="Start").click()
    page.get_by_role("heading", name="Delivered again", exact=True).wait_for()
    page.evaluate("window.untouched = true")
    work()
    page.get_by_role("heading", name="100 %").wait_for()
    assert page.evaluate("window.untouched") is True
    replays.close_finished()
    page.reload()
    page.get_by_text("It has ended.").wait_for()
    assert posted(sandbox) == once, "the same keys again have no second effect at the vendor"


def test_the_other_side_is_asked_and_a_difference_leads_to_its_trace(
    page, sign_in, retailer, sandbox: Sandbox, drop: Path, axe
):
    sell(sandbox, drop, 2)
    sign_in(retailer("ivy"))
    start_run(page)
    work()
    page.get_by_role("link", name="Reconciliation").click()
    page.wait_for_url("**/runtime/reconciliation/")
    axe()
    page.get_by_role("link", name="Sales to ERP and loyalty", exact=True).click()
    row = page.get_by_role("row", name=re.compile("erp-sales")).first
    assert "not queried yet" in row.inner_text()
    row.get_by_role("button", name="Query the target").click()
    page.get_by_text("Both systems agree").wait_for()
    axe()
    key = next(iter(posted(sandbox)))
    held = Message.objects.get(key=key)
    target = TargetSubscription.objects.get(target="erp-sales", replay_of=None)
    QuarantinedMessage.objects.create(
        subscription=target, lane=held.lane, position=held.position, key=key, state="unknown", reason="no answer"
    )
    page.get_by_role("row", name=re.compile("erp-sales")).first.get_by_role("button", name="Query the target").click()
    page.get_by_text("1 there unexpectedly").wait_for()
    differ = page.locator("section", has=page.get_by_role("heading", name="Differences"))
    differ.get_by_role("link", name=key).click()
    page.wait_for_url("**/runtime/trace/**")
