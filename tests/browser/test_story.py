"""The main story in a real browser: register, refuse self-approval, approve, deploy, run, see it delivered; and what
one character undoes."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from governance.models import ChangeRequest
from kernel import outbox
from kernel.models import User
from portal import demo
from runtime.worker.loop import WorkerLoop
from sandbox.client import Sandbox
from tests.journeys.conftest import drop, estate, sandbox  # noqa: F401 - the retailer around a journey

pytestmark = pytest.mark.django_db(transaction=True)
DECIDERS = ("ida", "sofia", "lena", "ada", "sam", "rita")


@pytest.fixture
def retailer(estate: Callable[..., str]) -> Callable[[str], User]:
    """The estate, the policy and the people; no integration yet. Answers a look-up of people by name."""
    from catalog.services import blueprint
    from governance.services import policies

    blueprint.apply(demo.document(), actor=None, base_dir=demo.SEED)
    policies.install(level="organisation", document=demo.policy(), actor=None)
    return lambda name: User.objects.get(username=name)


def manifest_text() -> str:
    return (demo.SEED / "integrations" / "sales.yaml").read_text()


def settle() -> None:
    """What the scheduler process does: hand the outbox to its handlers until it is empty."""
    while outbox.dispatch():
        pass


def register(page: Any, text: str) -> str:
    """Pastes the manifest; answers the digest of the release."""
    page.goto("/runtime/integrations/register/")
    page.get_by_label("or paste it").fill(text)
    page.get_by_role("button", name="Register").click()
    page.wait_for_url(re.compile(r"/runtime/integrations/sales/\?release="))
    return page.url.rpartition("release=")[2].replace("%3A", ":")


def open_change(page: Any) -> str:
    """Opens and submits the change for the present digest; answers its address."""
    page.goto("/changes/new/?kind=integration.deploy&subject=sales&environment=production")
    page.get_by_label("Title").fill("Deploy the sales job to production")
    page.get_by_label("Why").fill("The nightly script loses sales and nobody notices.")
    page.get_by_label("Rollback plan").fill("Pause the integration; the stores keep their files.")
    page.get_by_label("Planned from").fill("2026-01-01T00:00")
    page.get_by_label("Planned until").fill("2036-01-01T00:00")
    page.get_by_role("button", name="Open and submit").click()
    page.wait_for_url(re.compile(r"/changes/\d+/$"))
    settle()
    return page.url


def approve(page: Any, sign_in: Any, retailer: Any, address: str, names: tuple[str, ...]) -> None:
    for name in names:
        sign_in(retailer(name))
        page.goto(address)
        page.locator(".decision-bar").get_by_role("link", name="Approve").click()
        page.get_by_role("button", name=re.compile(r"^Approve [0-9a-f]{8}$")).click()
        page.wait_for_load_state()
        settle()


def sell(sandbox: Sandbox, drop: Path, count: int) -> int:
    sandbox.stores.control(sell={"count": count, "store": "all", "drop": str(drop)})
    limit = time.monotonic() + 20
    while sum(e.effect == "sale.handed" for e in sandbox.stores.journal()) < count * 6:
        assert time.monotonic() < limit, "the stores did not hand over their files"
        time.sleep(0.05)
    return count * 6


@pytest.mark.thorough
def test_from_a_manifest_to_delivered_sales(page, sign_in, retailer, sandbox: Sandbox, drop: Path):
    sign_in(retailer("ivy"))
    digest = register(page, manifest_text())
    address = open_change(page)

    page.goto(address)
    bar = page.locator(".decision-bar")
    assert bar.get_by_role("button", name="Approve").is_disabled()
    assert "You" in bar.inner_text(), "the bar says why its author cannot decide"
    token = page.locator("input[name=csrfmiddlewaretoken]").first.get_attribute("value")
    change = ChangeRequest.objects.get()
    seen = {name: getattr(change, name) for name in ("subject_digest", "diff_digest", "impact_digest", "policy_digest")}
    seen |= {"outcome": "approve", "csrfmiddlewaretoken": token}
    refused = page.request.post(f"{address}decide/", headers={"Referer": address}, form=seen, fail_on_status_code=False)
    assert refused.status == 403
    assert "Forbidden (CSRF" not in refused.text()
    page.goto("/runtime/integrations/sales/")
    assert page.locator("#deploy").is_disabled()

    approve(page, sign_in, retailer, address, DECIDERS)
    page.goto(address)
    assert "Approved" in page.locator("h1 + .pill, .title-row .pill").first.inner_text()

    sign_in(retailer("ivy"))
    page.goto("/runtime/integrations/sales/")
    assert digest[7:15] in page.content()
    page.get_by_role("button", name="Deploy this release").click()
    page.wait_for_load_state()
    rung = sell(sandbox, drop, 10)
    page.get_by_role("button", name="Start a run").click()
    page.wait_for_url(re.compile(r"/runtime/runs/\d+/"))
    WorkerLoop().run(until_idle=True)

    page.reload()
    posted = [e.ref for e in sandbox.erp.journal() if e.effect == "sale.posted"]
    assert len(posted) == len(set(posted)) > 0
    text = page.locator("main").inner_text()
    assert re.search(rf"\b{rung}\b", text), "the run page shows how many were read"
    assert re.search(rf"\b{len(posted)}\b", text), "the run page shows what the vendor's journal shows"
    page.goto("/runtime/")
    assert f"{len(posted)}" in page.locator("main").inner_text()


@pytest.mark.thorough
def test_one_character_of_the_mapping_undoes_the_approvals(page, sign_in, retailer, sandbox: Sandbox, drop: Path):
    sign_in(retailer("ivy"))
    first = register(page, manifest_text())
    address = open_change(page)
    approve(page, sign_in, retailer, address, DECIDERS)

    sign_in(retailer("ivy"))
    changed = manifest_text().replace(
        "(total - divide(1, 2, 1, 'half_up'), 0)", "(total - divide(1, 2, 2, 'half_up'), 0)"
    )
    assert yaml.safe_load(changed) != yaml.safe_load(manifest_text())
    second = register(page, changed)
    assert second != first
    settle()

    page.goto(address)
    body = page.locator("main").inner_text()
    assert "no longer count" in body
    assert "In review" in page.locator(".title-row").inner_text()
    page.goto("/runtime/integrations/sales/")
    assert page.locator("#deploy").is_disabled()
    assert (
        "not deployed" in page.locator("aside, .rail").first.inner_text().lower()
        or "No worker can claim" in page.content()
    )

    sell(sandbox, drop, 2)
    assert WorkerLoop().run(until_idle=True).passed == 0
    assert [e for e in sandbox.erp.journal() if e.effect == "sale.posted"] == []
