"""A pipeline brings an integration: what was approved and is deployed is allowed, and the page says by what."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.db import transaction
from playwright.sync_api import expect

from catalog.models import Application
from kernel import tokens
from tests.browser.decisions import Browsing, browsing  # noqa: F401 - the fixture
from tests.catalog import make as catalog
from tests.governance import gate_estate

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.thorough]


@pytest.fixture(autouse=True)
def _estate(live_server: Any) -> None:
    with transaction.atomic():
        gate_estate.build()
    catalog.person("robot").groups.add(Application.objects.get(key="order-hub").team.group)


def test_an_approved_integration_is_allowed_and_another_content_of_it_is_not(context: Any, browsing: Browsing) -> None:
    _, secret = tokens.issue(actor=None, user=catalog.person("robot"), name="ci", scopes=["gate:ask", "record:write"])

    def post(what: str, question: dict[str, Any]) -> dict[str, Any]:
        given = {"version": "1.4", "environment": "production", "consumes": [], **question}
        answer = context.request.post(f"/api/v1/gate/{what}", data=given, headers={"Authorization": f"Bearer {secret}"})
        found: dict[str, Any] = answer.json()
        return found

    asked = gate_estate.brings()
    allowed = post("verdicts", asked)
    assert allowed["verdict"] == "allow", allowed["reasons"]
    olga = browsing(catalog.person("olga"))
    olga.goto("/gate/")
    hub = olga.get_by_role("row", name=re.compile("^Order hub"))
    hub.get_by_role("link", name=re.compile("Allow")).click()
    expect(olga.get_by_text(gate_estate.FEED).first).to_be_visible()
    expect(olga.get_by_text(re.compile(gate_estate.digest().removeprefix("sha256:")[:8])).first).to_be_visible()

    assert post("deployments", asked)["against_gate"] is False
    olga.goto("/deployments/")
    expect(olga.get_by_role("row", name=re.compile("order-hub|Order hub")).first).to_contain_text("1.4")

    denied = post("verdicts", gate_estate.brings("sha256:" + "d" * 64))
    assert denied["verdict"] == "deny"
    olga.goto("/gate/")
    hub.get_by_role("link", name=re.compile("Deny")).click()
    expect(olga.get_by_text("integration.unregistered")).to_be_visible()
