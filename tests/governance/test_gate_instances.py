"""The gate over HTTP, instance by instance: each store is served, upgraded and judged by its own records."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from catalog.models import Api, Application, Environment, ProviderRight, RetailStore, SlaTier
from governance.domain.verdict import decide
from governance.models import ApplicationRelease, Verdict
from governance.services import policies, release_records
from kernel import clock, tokens
from kernel.models import User
from kernel.viewer import SYSTEM
from tests.catalog import make as catalog
from tests.governance import make

pytestmark = pytest.mark.django_db
OLD, NEW = "price-api@v2", "price-api@v3"


def beneath(statement: str) -> None:
    """SQL beneath the triggers, as in a restore of a part."""
    with connection.cursor() as cursor:
        cursor.execute("set local session_replication_role = replica")
        cursor.execute(statement)
        cursor.execute("set local session_replication_role = origin")


@pytest.fixture
def client() -> Client:
    """A fleet with two stores, and a pipeline that may see everything. Nothing is recorded."""
    catalog.estate()
    policies.install(level="organisation", document=make.POLICY, actor=None)
    Environment.objects.update(records_complete_since=None, records_enforced_from=None)
    Environment.objects.filter(key="production").update(is_fleet=True)
    for key in ("s1", "s2"):
        RetailStore.objects.create(key=key, name=key)
    Api.objects.filter(slug="price-api").update(third_party=False, per_instance=True)
    beneath("update catalog_apiversion set state = 'published', origin = 'declared' where label = 'v3'")
    wanted = {"application": "till", "version": NEW, "environment": "production", "from": "2025-01-01"}
    catalog.build({"blueprint": 1, "subscriptions": [wanted]})
    boss = User.objects.create(username="boss", is_superuser=True)
    _, secret = tokens.issue(actor=None, user=boss, name="ci", scopes=["gate:ask"])
    return Client(headers={"Authorization": f"Bearer {secret}"})


def record(application: str, instance: str, **more: Any) -> ApplicationRelease:
    body = {"application": application, "version": "1", "environment": "production", "instance": instance}
    return release_records.record_deployment(body | more, viewer=SYSTEM)


def may_provide(application: str) -> None:
    row, api = Application.objects.get(key=application), Api.objects.get(slug="price-api")
    ProviderRight.objects.create(application=row, api=api, reason="Both carry it.")


def ask(client: Client, application: str, **more: Any) -> dict[str, Any]:
    body = {"application": application, "version": "2", "environment": "production", "consumes": []} | more
    answer = client.post("/api/v1/gate/verdicts", json.dumps(body), content_type="application/json")
    assert answer.status_code == 200, answer.content
    found: dict[str, Any] = answer.json()
    return found


def codes(answer: dict[str, Any]) -> list[str]:
    return [reason["code"] for reason in answer["reasons"]]


# -- each store has to be served ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("per_instance", [True, None])
def test_a_release_for_all_stores_needs_a_provider_in_each_of_them(client: Client, per_instance: bool | None):
    Api.objects.filter(slug="price-api").update(per_instance=per_instance)
    record("till", "s1")
    record("till", "s2")
    record("price-service", "s1", provides=[OLD])
    answer = ask(client, "till", consumes=[OLD])
    assert (answer["verdict"], codes(answer)) == ("unknown", ["provider.unrecorded"])
    assert "in s2" in answer["reasons"][0]["message"]
    record("price-service", "s2", provides=[OLD])
    assert ask(client, "till", consumes=[OLD])["verdict"] == "allow"


def test_a_place_where_only_the_application_itself_is_recorded_counts_as_well(client: Client):
    closed = RetailStore.objects.create(key="kiosk-7", name="kiosk-7")
    record("till", "kiosk-7")
    RetailStore.objects.filter(pk=closed.pk).update(retired_at=clock.now())
    for instance in ("s1", "s2"):
        record("price-service", instance, provides=[OLD])
    assert codes(ask(client, "till", consumes=[OLD])) == ["provider.unrecorded"]


def test_a_central_provider_serves_stores_of_which_nobody_says_otherwise(client: Client):
    record("till", "s1")
    record("price-service", "s1", provides=[OLD])
    record("price-service", "", provides=[OLD])
    assert codes(ask(client, "till", consumes=[OLD])) == ["provider.unrecorded"]
    Api.objects.filter(slug="price-api").update(per_instance=None)
    assert ask(client, "till", consumes=[OLD])["verdict"] == "allow"


def test_the_whole_is_served_no_better_than_its_stores_where_each_has_a_provider_of_its_own(client: Client):
    record("price-service", "", provides=[OLD])
    for instance in ("s1", "s2"):
        assert ask(client, "till", consumes=[OLD], instance=instance)["verdict"] == "unknown"
    whole = ask(client, "till", consumes=[OLD])
    assert (whole["verdict"], set(codes(whole))) == ("unknown", {"provider.unrecorded"})
    assert any("in s1, s2" in reason["message"] for reason in whole["reasons"])


def test_where_nothing_has_instances_a_provider_for_no_single_one_serves_all_there_is(client: Client):
    Environment.objects.filter(key="production").update(is_fleet=False)
    record("till", "", consumes=[OLD])
    record("price-service", "", provides=[OLD])
    first = ask(client, "till", consumes=[OLD])
    assert first["verdict"] == "allow", first["reasons"]
    record("till", "i1", consumes=[OLD])
    answer = ask(client, "till", consumes=[OLD])
    assert (answer["verdict"], codes(answer)) == ("unknown", ["provider.unrecorded"])


def test_one_provider_for_all_serves_stores_without_one(client: Client):
    Api.objects.filter(slug="price-api").update(per_instance=False)
    record("till", "s1")
    record("price-service", "s1", provides=[OLD])
    assert ask(client, "till", consumes=[OLD])["verdict"] == "allow"


# -- consumers are upgraded store by store -----------------------------------------------------------------------------


def backward(monkeypatch: pytest.MonkeyPatch) -> None:
    """v3 can only be read by upgraded consumers."""
    monkeypatch.setattr("governance.services.upgrade_order.relation", lambda old, new: "backward")


def test_a_consumer_that_is_upgraded_in_one_store_is_not_ready_in_another(
    client: Client, monkeypatch: pytest.MonkeyPatch
):
    backward(monkeypatch)
    record("till", "s1", consumes=[NEW])
    record("till", "s2", consumes=[OLD])
    for instance in ("s1", "s2"):
        record("price-service", instance, provides=[OLD])
    question = {"provides": [NEW]}
    assert codes(ask(client, "price-service", instance="s2", **question)) == ["order.consumers_first"]
    assert codes(ask(client, "price-service", **question)) == ["order.consumers_first"]
    assert ask(client, "price-service", instance="s1", **question)["verdict"] == "allow"
    record("till", "s2", version="3", consumes=[NEW])
    assert ask(client, "price-service", **question)["verdict"] == "allow"


def test_a_consumer_whose_record_vanished_is_never_taken_for_one_of_elsewhere(client: Client):
    record("till", "s1", consumes=[OLD])
    record("till", "s2", consumes=[OLD])
    record("price-service", "s2", provides=[OLD])
    question = {"instance": "s2", "provides": [NEW]}
    assert "contract.breaking_for_consumer" in codes(ask(client, "price-service", **question))
    beneath("delete from governance_applicationrelease where application = 'till' and instance = 's2'")
    assert ask(client, "price-service", **question)["verdict"] != "allow"


def test_a_central_provider_does_not_stand_in_for_the_one_that_a_store_must_have_of_its_own(client: Client):
    """The shop leaves its store, or all of them, and somebody else is recorded in the middle."""
    record("till", "s1", consumes=[OLD])
    record("price-service", "s1", provides=[OLD])
    may_provide("web-shop")
    record("web-shop", "", provides=[OLD])
    for instance in ("s1", ""):
        assert "provider.withdrawn" in codes(ask(client, "price-service", instance=instance))
    Api.objects.filter(slug="price-api").update(per_instance=None)
    for instance in ("s1", ""):
        assert "provider.withdrawn" not in codes(ask(client, "price-service", instance=instance))
    Api.objects.filter(slug="price-api").update(per_instance=True)
    record("web-shop", "s1", provides=[OLD])
    assert "provider.withdrawn" not in codes(ask(client, "price-service", instance="s1"))


def test_where_nothing_runs_in_a_store_the_middle_stands_in_for_the_middle(client: Client):
    record("till", "", consumes=[OLD])
    record("price-service", "", provides=[OLD])
    assert "provider.withdrawn" in codes(ask(client, "price-service"))
    may_provide("web-shop")
    record("web-shop", "", provides=[OLD])
    assert "provider.withdrawn" not in codes(ask(client, "price-service"))


# -- rights and tiers --------------------------------------------------------------------------------------------------


def test_who_once_had_the_right_to_provide_may_still_run_it(client: Client):
    """Nothing is recorded of the shop. Its right has ended, and what it provides would be taken away."""
    till, price = Application.objects.get(key="till"), Api.objects.get(slug="price-api")
    question = {"consumes": [OLD]}
    Api.objects.filter(slug="price-api").update(third_party=True)
    assert ask(client, "till", **question)["verdict"] == "unknown"  # its team owns an API
    Api.objects.filter(slug="self-checkout").update(owner_team=price.owner_team)
    assert ask(client, "till", **question)["verdict"] == "allow"
    right = ProviderRight.objects.create(application=till, api=price, reason="It hosts the old one.")
    assert codes(ask(client, "till", **question)) == ["provider.unrecorded"]
    ProviderRight.objects.filter(pk=right.pk).update(ended_at=clock.now())
    assert codes(ask(client, "till", **question)) == ["provider.unrecorded"]


def test_an_api_without_a_tier_does_not_say_that_pins_are_only_advised(client: Client):
    SlaTier.objects.filter(level=0).update(rules={"pins": "required"})
    record("till", "")
    for instance in ("s1", "s2"):
        record("price-service", instance, provides=[OLD])
    assert codes(ask(client, "till", consumes=[OLD])) == ["contract.unpinned"]
    Api.objects.filter(slug="price-api").update(tier=None)
    answer = ask(client, "till", consumes=[OLD])
    assert (answer["verdict"], codes(answer)) == ("unknown", ["contract.unpinned"])
    assert "tier" in answer["flip"][0]


def test_an_allow_for_a_store_of_which_a_word_is_gone_is_none(client: Client):
    RetailStore.objects.filter(key="s1").update(zone="Europe/Berlin")
    record("till", "s1", consumes=[OLD])
    record("price-service", "s1", provides=[OLD])
    row = Verdict.objects.get(pk=_number(client, {"consumes": [OLD], "instance": "s1"}))
    assert decide(row.question, row.evidence)["verdict"] == "allow"
    for word in ("banner", "region", "channel", "zone"):
        store = {name: said for name, said in row.evidence["store"].items() if name != word}
        assert decide(row.question, row.evidence | {"store": store})["verdict"] == "unknown", word


def _number(client: Client, question: dict[str, Any]) -> int:
    body = {"application": "till", "version": "2", "environment": "production"} | question
    answer = client.post("/api/v1/gate/verdicts", json.dumps(body), content_type="application/json")
    return int(answer["Verdict-Id"])
