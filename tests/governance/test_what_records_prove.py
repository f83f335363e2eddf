"""The gate over HTTP: what a record of what runs proves, and what it does not."""

from __future__ import annotations

import json
from typing import Any

import pytest

from catalog.models import Api, Application, ContractRevision, Environment, ProviderRight, RetailStore
from governance.models import ApplicationRelease
from governance.services import release_records
from kernel import clock, outbox
from kernel.errors import Invalid
from kernel.viewer import SYSTEM
from tests.governance import gate_estate
from tests.governance.gate_estate import OLD, beneath, record, version

pytestmark = pytest.mark.django_db
LOYALTY = "loyalty-api@v1"
WITHDRAWAL: dict[str, Any] = {"application": "price-service", "consumes": [LOYALTY]}


@pytest.fixture(autouse=True)
def estate() -> None:
    gate_estate.build()


def ask(application: str = "till", **more: Any) -> dict[str, Any]:
    body = {"application": application, "version": "2", "environment": "production", "consumes": []} | more
    answer = gate_estate.client().post("/api/v1/gate/verdicts", json.dumps(body), content_type="application/json")
    assert answer.status_code == 200, answer.content
    found: dict[str, Any] = answer.json()
    return found


def codes(answer: dict[str, Any]) -> list[str]:
    return [reason["code"] for reason in answer["reasons"]]


def undeploy(application: str = "price-service", instance: str = "") -> int:
    place = {"application": application, "environment": "production", "instance": instance}
    return len(release_records.undeploy(place, viewer=SYSTEM))


# -- the right to provide ----------------------------------------------------------------------------------------------


def test_who_may_not_provide_an_api_is_no_provider_of_it():
    undeploy()
    record(application="web-shop", provides=[OLD], consumes=[LOYALTY])
    assert codes(ask(consumes=[OLD])) == ["provider.missing"]
    right = ProviderRight(application=Application.objects.get(key="web-shop"), api=Api.objects.get(slug="price-api"))
    right.reason = "Both carry it."
    right.save()
    assert ask(consumes=[OLD])["verdict"] == "allow"


def test_who_may_not_provide_an_api_stands_in_for_nobody():
    record(application="web-shop", provides=[OLD], consumes=[LOYALTY])
    assert codes(ask(**WITHDRAWAL)) == ["provider.withdrawn"]


# -- the contract that runs --------------------------------------------------------------------------------------------


def other_contract() -> str:
    """The version gets another contract, as an approved change would give it."""
    row, other = version(OLD), version(LOYALTY).contract_id
    ContractRevision.objects.create(
        version=row, contract_id=other, replaces_id=row.contract_id, adopted_at=clock.now(), approval_id=1
    )
    beneath("update catalog_apiversion set contract_id = %s where id = %s", other, row.pk)
    return str(other)


@pytest.mark.parametrize("kept", [True, False])
def test_a_provider_that_was_recorded_with_another_contract_does_not_run_the_present_one(kept: bool):
    if not kept:
        beneath("update governance_applicationrelease set provided_contracts = null")
        assert ask(consumes=[OLD])["verdict"] == "allow", "a record of before runs what its version was then"
    present = other_contract()
    answer = ask(consumes=[{"version": OLD, "contract_digest": present}])
    assert answer["verdict"] != "allow"
    assert {*codes(answer)} <= {"order.producer_first", "contract.uncompared"}
    assert "with the contract sha256:" in answer["reasons"][0]["message"]
    record(application="price-service", provides=[OLD], consumes=[LOYALTY])
    assert ask(consumes=[{"version": OLD, "contract_digest": present}])["verdict"] == "allow"


def test_a_record_with_a_contract_that_nobody_knows_is_of_no_known_contract():
    record(application="price-service", provides=[{"version": OLD, "contract_digest": "sha256:" + "9" * 64}])
    assert codes(ask(consumes=[OLD])) == ["contract.uncompared"]


def test_a_provider_that_moves_to_another_contract_of_the_same_version_is_judged_by_the_difference():
    other_contract()
    answer = ask("price-service", provides=[OLD], consumes=[LOYALTY])
    assert {*codes(answer)} & {"contract.breaking_for_consumer", "contract.uncompared"}


def test_another_provider_with_another_contract_stands_in_for_nobody():
    right = ProviderRight(application=Application.objects.get(key="web-shop"), api=Api.objects.get(slug="price-api"))
    right.reason = "Both carry it."
    right.save()
    record(application="web-shop", provides=[OLD], consumes=[LOYALTY])
    assert ask(**WITHDRAWAL)["verdict"] == "allow"
    other_contract()
    assert codes(ask(**WITHDRAWAL)) == ["provider.withdrawn"]


# -- places of a fleet -------------------------------------------------------------------------------------------------


@pytest.fixture
def fleet() -> None:
    Environment.objects.filter(key="production").update(is_fleet=True)
    for key in ("s1", "s2"):
        RetailStore.objects.create(key=key, name=key)


def test_a_record_of_a_fleet_names_a_store(fleet: None):
    with pytest.raises(Invalid) as refused:
        record(application="till", instance="S1")
    assert refused.value.data["findings"][0]["code"] == "instance.unknown"
    record(application="till", instance="s1")


def test_what_was_recorded_on_no_store_makes_no_place_known_and_counts_as_here(fleet: None):
    Api.objects.filter(slug="price-api").update(per_instance=True)
    for application, lists in (("price-service", "provides"), ("till", "consumes")):
        undeploy(application)
        record(application=application, instance="s1", **{lists: [OLD]})
    beneath("update governance_applicationrelease set instance = 'S1' where application = 'till' and ended_at is null")
    assert "instance.unknown" in codes(ask("till", instance="S1", consumes=[OLD]))
    assert codes(ask(**WITHDRAWAL, instance="s1")) == ["provider.withdrawn"]


def test_a_store_that_was_retired_is_known_while_something_runs_there(fleet: None):
    record(application="till", instance="s1", consumes=[OLD])
    RetailStore.objects.filter(key="s1").update(retired_at=clock.now())
    assert "instance.unknown" not in codes(ask("till", instance="s1", consumes=[OLD]))
    assert "instance.unknown" in codes(ask("till", instance="s3", consumes=[OLD]))


# -- who uses it -------------------------------------------------------------------------------------------------------


def test_who_is_recorded_to_run_with_a_version_is_a_consumer_of_it():
    beneath("delete from catalog_subscription where version_id = %s", version(OLD).pk)
    beneath("update catalog_evidencetally set found = 0 where kind = 'subscription' and thing = %s", version(OLD).pk)
    answer = ask(**WITHDRAWAL)
    assert codes(answer) == ["provider.withdrawn"]
    assert "till" in answer["reasons"][0]["message"]


# -- taken away --------------------------------------------------------------------------------------------------------


def test_what_is_taken_away_from_who_uses_it_is_an_event_and_no_way_around_the_gate(monkeypatch: pytest.MonkeyPatch):
    emitted: list[str] = []
    monkeypatch.setattr(outbox, "emit", lambda topic, **_: emitted.append(topic))
    assert codes(ask(**WITHDRAWAL)) == ["provider.withdrawn"]
    assert undeploy() == 1
    assert ApplicationRelease.objects.get(application="price-service").ended_against_gate
    assert "governance.deployed_against_gate" in emitted
    assert codes(ask(**WITHDRAWAL)) == ["provider.withdrawn"], "it was taken away, and nobody said yes"
    record(application="price-service", version="2", consumes=[LOYALTY])
    assert ApplicationRelease.objects.get(application="price-service", ended_at=None).against_gate
    record(application="price-service", version="3", consumes=[LOYALTY], provides=[OLD])
    assert ask("price-service", consumes=[LOYALTY], provides=[OLD])["verdict"] == "allow"


def test_what_nobody_uses_is_taken_away_without_an_event():
    undeploy("till")
    beneath("delete from catalog_subscription where version_id = %s", version(OLD).pk)
    beneath("update catalog_evidencetally set found = 0 where kind = 'subscription' and thing = %s", version(OLD).pk)
    undeploy()
    assert not ApplicationRelease.objects.filter(ended_against_gate=True).exists()
    assert ask(**WITHDRAWAL)["verdict"] == "allow"


def test_the_end_of_a_support_that_somebody_needs_is_against_the_gate():
    undeploy()
    beneath("update governance_applicationrelease set ended_against_gate = false")
    gate_estate.running(OLD)
    gone = {"application": "price-service", "version": "old", "environment": "production"}
    assert len(release_records.end_release(gone, viewer=SYSTEM)) == 1
    assert ApplicationRelease.objects.get(version="old").ended_against_gate
    assert codes(ask(**WITHDRAWAL)) == ["provider.withdrawn"]


@pytest.mark.parametrize(("used", "said"), [(True, True), (False, False)])
def test_the_answer_to_undeploy_says_whether_somebody_misses_it(used: bool, said: bool):
    if not used:
        gate_estate.beneath("update catalog_subscription set state = 'ended'")
        gate_estate.beneath("delete from catalog_usageday")
        gate_estate.beneath("update governance_applicationrelease set ended_at = now() where application = 'till'")
    place = {"application": "price-service", "environment": "production"}
    answer = gate_estate.client("record:write").post("/api/v1/gate/undeploy", place, "application/json")
    assert answer.json() == {"ended": 1, "against_gate": said, "still_recorded": 0}
