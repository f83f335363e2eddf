"""A password is rotated at the ERP while sales flow: the pages say what is wrong, nothing becomes a dead letter, and
after the correction everything goes out by itself. Judged by the ERP's own journal."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from django.db import connection

from kernel import outbox
from kernel.models import User
from runtime.models import QuarantinedMessage, VendorState
from sandbox.client import Sandbox
from tests.browser.test_runtime_stories import posted, retailer, sell, start_run, work  # noqa: F401 - the retailer
from tests.journeys.conftest import drop, estate, sandbox  # noqa: F401 - the retailer around a journey

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.thorough]


def pause_over() -> None:
    """As if the pause before the next probe were over."""
    with connection.cursor() as cursor:
        cursor.execute("update runtime_vendorstate set open_until = clock_timestamp()")
        cursor.execute("update runtime_progress set not_before = 'epoch'")


def failed_messages() -> int:
    return QuarantinedMessage.objects.filter(state__in=["dead", "unknown"]).count()


def test_a_rotated_password_stops_the_flow_with_its_reason_and_everything_goes_out_after_the_correction(
    page, sign_in, retailer: Callable[[str], User], sandbox: Sandbox, drop: Path, monkeypatch: pytest.MonkeyPatch, axe
):
    sign_in(retailer("ivy"))
    sell(sandbox, drop, 1)
    start_run(page)
    work()
    before = posted(sandbox)
    assert before

    sandbox.erp.control(auth={"password": "rotated"})
    sell(sandbox, drop, 3)
    start_run(page)
    work()
    pause_over()
    work()  # a probe that fails
    assert posted(sandbox) == before
    assert failed_messages() == 0
    state = VendorState.objects.get(system_key="s4", environment="production", instance="")
    assert (state.breaker, state.fault) == ("open", "credentials")

    while outbox.dispatch():
        pass
    page.goto("/")
    page.get_by_role("heading", name="To be corrected").wait_for()
    axe()
    page.get_by_role("link", name=re.compile("Connection fault: credentials .*401")).first.click()
    page.wait_for_url(re.compile(r"/runtime/vendors/\d+/"))
    page.get_by_text("Connection fault: credentials").first.wait_for()
    page.get_by_text("env:SANDBOX_ERP_CREDENTIALS").first.wait_for()
    page.get_by_text(re.compile(r"\d+ messages wait, nothing is lost")).wait_for()
    axe()
    page.goto("/runtime/integrations/sales/")
    page.get_by_text("Connection fault: credentials").first.wait_for()
    axe()

    monkeypatch.setenv("SANDBOX_ERP_CREDENTIALS", "TILLGATE:rotated")
    page.get_by_role("button", name="Try now").click()
    page.get_by_text("One message tries the connection now").wait_for()
    work()
    page.reload()
    assert page.get_by_text("Connection fault").count() == 0
    handed = {e.ref for e in sandbox.stores.journal() if e.effect == "sale.handed"}
    assert set(posted(sandbox)) > set(before)
    assert max(posted(sandbox).values()) == 1, "each sale is in the ERP's journal once"
    assert failed_messages() == 0
    assert not QuarantinedMessage.objects.exists()
    assert len(posted(sandbox)) <= len(handed)
    while outbox.dispatch():
        pass
    page.goto("/")
    page.get_by_role("heading", name="Inbox").wait_for()
    assert page.get_by_text("Connection fault").count() == 0
