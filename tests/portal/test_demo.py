"""The demo retailer: applied twice it is the same, and every owner in it is a team with people."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from catalog.models import SystemEndpoint
from catalog.selectors import boundaries, teams, versions
from catalog.services import blueprint
from kernel import clock, tokens
from kernel.models import User
from portal import demo
from runtime.models import Release

pytestmark = pytest.mark.django_db


def test_the_blueprint_applies_and_a_second_time_changes_nothing():
    first = blueprint.apply(demo.document(), actor=None, base_dir=demo.SEED)
    again = blueprint.apply(demo.document(), actor=None, base_dir=demo.SEED)
    assert first.number("created") > 60
    assert not again.changed_anything, [line for line in again.lines if line[0] in {"created", "changed"}]


def test_a_second_start_says_what_it_changes_and_leaves_what_a_person_has_changed(
    settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.STATE_DIR = tmp_path
    monkeypatch.setenv("SANDBOX_ERP_URL", "http://127.0.0.1:5001")
    monkeypatch.setenv("SANDBOX_LOYALTY_URL", "http://127.0.0.1:5002")
    demo.apply()
    mine = SystemEndpoint.objects.filter(system__key="s4", environment__key="test")
    mine.update(base_url="https://erp.example.test")
    monkeypatch.setenv("SANDBOX_ERP_URL", "http://127.0.0.1:6001")
    said: list[str] = []
    demo.apply(say=said.append)
    addresses = dict(SystemEndpoint.objects.filter(system__key="s4").values_list("environment__key", "base_url"))
    assert addresses == {"production": "http://127.0.0.1:6001", "test": "https://erp.example.test"}
    assert [line for line in said if line.startswith(("endpoint", "where"))] == [
        "endpoint s4/test kept: somebody else changed base_url",
        "where s4/production answers: propose, check, approve",
    ]
    with connection.cursor() as cursor:
        cursor.execute("select count(*) from runtime_permitted")
        assert cursor.fetchone()[0] > 0, "what was approved for the old port goes on"
    said.clear()
    demo.apply(say=said.append)
    assert [line for line in said if line.startswith("endpoint")] == [
        "endpoint s4/test kept: somebody else changed base_url"
    ]


def test_the_record_of_base_price_is_the_erp_and_of_a_sale_the_tills():
    blueprint.apply(demo.document(), actor=None, base_dir=demo.SEED)
    now = clock.now()
    price = boundaries.record_of("price", "base-price", {}, now)
    sale = boundaries.record_of("sale", None, {}, now)
    assert (price and price.key, sale and sale.key) == ("s4", "pos")


def test_every_version_of_the_demo_has_a_contract_and_an_owner_with_members():
    blueprint.apply(demo.document(), actor=None, base_dir=demo.SEED)
    for reference in (
        "s4-product@v1",
        "store-prices@v1",
        "pos-sales@v1",
        "s4-sales@v1",
        "loyalty-earn@v1",
        "price-api@v3",
    ):
        facts = versions.by_reference(reference)
        assert facts is not None, reference
        assert facts.contract_digest
        assert teams.members(facts.owner_team_id), f"{reference} is owned by nobody"


@pytest.mark.django_db(transaction=True)
def test_the_gate_allows_what_the_demo_runs_and_says_why_it_refuses_the_kiosk(settings: Any, tmp_path: Path):
    """What is deployed and recorded gets a yes over HTTP, by the token that the demo makes."""
    settings.STATE_DIR = tmp_path
    demo.apply()
    _, secret = tokens.issue(actor=None, user=User.objects.get(username="ada"), name="ci", scopes=["gate:ask"])
    client = Client(headers={"Authorization": f"Bearer {secret}"})
    release = Release.objects.get(integration__key="products-and-prices")

    def ask(application: str, **more: Any) -> tuple[str, list[str]]:
        question = {"application": application, "version": "9", "environment": "production", "consumes": [], **more}
        answer = client.post("/api/v1/gate/verdicts", json.dumps(question), content_type="application/json").json()
        return answer["verdict"], [reason["code"] for reason in answer["reasons"]]

    brings = [{"key": "products-and-prices", "digest": release.digest}]
    assert ask("products-and-prices-sync", integrations=brings) == ("allow", [])
    assert ask("web-shop", consumes=["price-api@v2"]) == ("allow", [])
    assert ask("kiosk", consumes=["price-api@v1"]) == ("deny", ["version.past_sunset"])
    assert ask("price-service", consumes=[]) == ("deny", ["provider.withdrawn"] * 2 + ["evidence.nothing_declared"])
