"""The gate over HTTP: what cannot be seen, found or told apart never makes a yes out of a no."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from catalog.models import Api, ApiVersion, Application, Environment, RetailStore, UsageDay
from governance.services import policies, release_records
from kernel import clock, tokens
from kernel.viewer import SYSTEM
from tests.catalog import make as catalog
from tests.governance import make
from tests.governance.gate_estate import beneath

pytestmark = pytest.mark.django_db
EVERYDAY = 1
PRICE_2, PRICE_3, LOYALTY = "price-api@v2", "price-api@v3", "loyalty-api@v1"


@pytest.fixture(autouse=True)
def estate() -> None:
    """Everything that runs is recorded. The price API is restricted: its team alone sees it."""
    catalog.estate()
    policies.install(level="organisation", document=make.POLICY, actor=None)
    Environment.objects.update(records_complete_since=clock.now() - timedelta(days=9), records_enforced_from=None)
    Api.objects.filter(slug="price-api").update(third_party=False)
    beneath("update catalog_apiversion set state = 'published', origin = 'declared' where label = 'v3'")


def robot(user: str, *scopes: str) -> Client:
    _, secret = tokens.issue(actor=None, user=catalog.person(user), name="ci", scopes=scopes or ["gate:ask"])
    return Client(headers={"Authorization": f"Bearer {secret}"})


def question(**more: Any) -> dict[str, Any]:
    return {"application": "till", "version": "7", "environment": "production", "consumes": []} | more


def post(path: str, body: dict[str, Any], client: Client) -> dict[str, Any]:
    answer = client.post(f"/api/v1/gate/{path}", json.dumps(body), content_type="application/json")
    assert answer.status_code in (200, 201), answer.content
    found: dict[str, Any] = answer.json()
    return found


def ask(user: str = "robot", **more: Any) -> dict[str, Any]:
    return post("verdicts", question(**more), robot(user))


def record(**more: Any) -> None:
    release_records.record_deployment(question(version="1") | more, viewer=SYSTEM)


def denied(answer: dict[str, Any], code: str) -> list[dict[str, Any]]:
    return [reason for reason in answer["reasons"] if (reason["code"], reason["word"]) == (code, "deny")]


def restrict(*slugs: str) -> None:
    """Nobody sees these any more but who sees everything."""
    for slug in slugs:
        beneath(
            "update catalog_apisearch set restricted = true, team_ids = '{}'"
            " where api_id = (select id from catalog_api where slug = %s)",
            slug,
        )


def called(reference: str, *, ended: bool) -> None:
    """The till called it, and declares that nowhere."""
    slug, _, label = reference.partition("@")
    version, now = ApiVersion.objects.get(api__slug=slug, label=label), clock.now()
    there = {
        "application": Application.objects.get(key="till"),
        "environment": Environment.objects.get(key="production"),
    }
    UsageDay.objects.create(**there, version=version, day=now.date(), calls=5, last_seen_at=now)
    if ended:
        days = {"deprecated_at": now - timedelta(days=90), "sunset_at": now - timedelta(days=1)}
        ApiVersion.objects.filter(pk=version.pk).update(**days)


# -- what may not be seen counts ---------------------------------------------------------------------------------------


def test_each_restricted_api_that_is_called_counts_by_itself_and_without_its_name():
    called(LOYALTY, ended=True)
    restrict("loyalty-api", "price-api")
    first = denied(ask(), "usage.undeclared")
    assert len(first) == 1
    called(PRICE_2, ended=False)
    answer = ask()
    assert denied(answer, "usage.undeclared") == first
    assert [warning["code"] for warning in answer["warnings"]] == ["usage.undeclared"]
    called(PRICE_3, ended=True)
    found = denied(ask(), "usage.undeclared")
    assert len({(reason["subject"], reason["pointer"]) for reason in found}) == 2
    assert not [name for name in ("loyalty", "price") if name in json.dumps([answer, found])]


def test_a_version_that_is_taken_away_is_missed_also_where_its_api_became_restricted_since():
    Environment.objects.update(records_enforced_from=clock.now() + timedelta(days=9))
    record(application="price-service", provides=[PRICE_2])
    question = {"application": "price-service", "version": "2"}
    asker = "paula"
    named = denied(ask(asker, **question), "provider.withdrawn")
    assert named
    restrict("price-api")
    answer = ask(asker, **question)
    assert answer["verdict"] == "deny"
    assert len(denied(answer, "provider.withdrawn")) == len(named)
    said = json.dumps(answer)
    assert not [name for name in ("price-api", '"till"') if name in said]


def test_what_is_provided_anew_is_not_taken_away_where_its_api_became_restricted_since():
    record(application="price-service", provides=[PRICE_2])
    restrict("price-api")
    answer = ask("paula", application="price-service", provides=[PRICE_3])
    assert [reason["code"] for reason in answer["reasons"]] == ["version.unknown"]
    assert answer["enforcing"] is True


def test_a_consumer_of_two_replaced_versions_is_judged_by_the_one_that_breaks_it(monkeypatch: pytest.MonkeyPatch):
    """Of two that run there, the new version breaks the second one alone."""
    digests = dict(ApiVersion.objects.filter(api__slug="price-api").values_list("label", "contract_id"))
    by_old = {digests["v1"]: "forward", digests["v2"]: "breaking"}
    monkeypatch.setattr("governance.services.upgrade_order.relation", lambda old, new: by_old[old])
    called("price-api@v1", ended=False)
    record(application="price-service", instance="a", provides=["price-api@v1"])
    record(application="price-service", instance="b", provides=[PRICE_2])
    answer = ask("paula", application="price-service", provides=[PRICE_3])
    assert [reason["pointer"].rpartition("/")[2] for reason in denied(answer, "contract.breaking_for_consumer")] == [
        "till"
    ]


# -- places ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def fleet() -> None:
    Environment.objects.filter(key="production").update(is_fleet=True)
    for key in ("s1", "s2"):
        RetailStore.objects.create(key=key, name=key)
    Api.objects.filter(slug="price-api").update(per_instance=True)


@pytest.mark.usefixtures("fleet")
def test_an_instance_of_a_fleet_that_nobody_knows_is_told_with_what_is_near():
    record(application="price-service", instance="s1", provides=[PRICE_2])
    body = {"application": "price-service", "version": "2"}
    assert denied(ask("paula", **body, instance="s1"), "provider.withdrawn")
    for typo in ("S1", "s-1", "s11"):
        answer = ask("paula", **body, instance=typo)
        assert (answer["verdict"], answer["enforcing"]) == ("unknown", True)
        (reason,) = [reason for reason in answer["reasons"] if reason["code"] == "instance.unknown"]
        assert reason["fix"].startswith("Did you mean s1")
    assert "instance.unknown" not in json.dumps(ask("paula", **body, instance="s2"))


def test_where_stores_do_not_matter_an_instance_is_new_but_not_another_spelling_of_one_that_is_there():
    record(application="price-service", instance="eu-1", provides=[PRICE_2])
    body = {"application": "price-service", "version": "2"}
    for typo in ("EU-1", "eu1"):
        assert "Did you mean eu-1?" in ask("paula", **body, instance=typo)["flip"]
    assert "instance.unknown" not in json.dumps(ask("paula", **body, instance="eu-2"))


def served_in_s1() -> dict[str, Any]:
    record(instance="s1")
    record(application="price-service", instance="s1", provides=[PRICE_2])
    return ask(consumes=[PRICE_2])


@pytest.mark.usefixtures("fleet")
def test_a_store_that_vanished_is_missed():
    assert "provider.missing" in json.dumps(served_in_s1())
    beneath("delete from catalog_retailstore where key = 's2'")
    answer = ask(consumes=[PRICE_2])
    assert (answer["verdict"], answer["enforcing"]) == ("unknown", True)


@pytest.mark.usefixtures("fleet")
def test_a_retired_store_counts_while_something_still_runs_there():
    record(application="web-shop", instance="s2")
    assert "provider.missing" in json.dumps(served_in_s1())
    RetailStore.objects.filter(key="s2").update(retired_at=clock.now())
    assert "provider.missing" in json.dumps(ask(consumes=[PRICE_2]))
    gone = {"application": "web-shop", "environment": "production", "instance": "s2"}
    release_records.undeploy(gone, viewer=SYSTEM)
    assert ask(consumes=[PRICE_2])["verdict"] == "allow"
