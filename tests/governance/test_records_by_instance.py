"""What runs is recorded by instance: releases beside each other as well as deployments, one call after another, and in
one spelling of each name."""

from __future__ import annotations

import threading
import unicodedata
from typing import Any

import pytest
from django.db import connections

from catalog.models import Api, Environment, RetailStore
from governance.models import ApplicationRelease, ReleaseTally
from governance.services import policies, release_records
from kernel.viewer import SYSTEM
from tests.catalog import make as catalog
from tests.governance import make
from tests.governance.test_gate_records import beneath, codes, place, post, robot, told

pytestmark = pytest.mark.django_db
PRICE = "price-api@v2"
NFC = unicodedata.normalize("NFC", "Köln-Süd")
NFD = unicodedata.normalize("NFD", "Köln-Süd")


def build(*, fleet: bool = True) -> None:
    """Each store has a provider of its own, and everything that runs is recorded."""
    catalog.estate()
    policies.install(level="organisation", document=make.POLICY, actor=None)
    Environment.objects.update(records_complete_since="2025-01-01T00:00Z", records_enforced_from=None)
    Environment.objects.filter(key="production").update(is_fleet=fleet)
    Api.objects.filter(slug="price-api").update(third_party=False, per_instance=True)
    for key in ("s1", "s2", "s3"):
        RetailStore.objects.create(key=key, name=key)


@pytest.fixture
def estate() -> None:
    build()


def price(**more: Any) -> dict[str, Any]:
    return place(application="price-service", provides=[PRICE]) | more


def release(**more: Any) -> ApplicationRelease:
    return release_records.record_release(price(**more), viewer=SYSTEM)


def live(mode: str = "released") -> list[tuple[str, str]]:
    rows = ApplicationRelease.objects.filter(ended_at=None, mode=mode, application="price-service")
    return sorted(rows.values_list("version", "instance"))


def ask(instance: str, **more: Any) -> dict[str, Any]:
    body = place(instance=instance, consumes=[PRICE]) | more
    answer = post("verdicts", body, robot())
    assert answer.status_code == 200, answer.content
    found: dict[str, Any] = answer.json()
    return found


def of_pricing() -> Any:
    return robot("piet", "gate:ask", "record:write")


# -- releases that coexist, by instance --------------------------------------------------------------------------------


@pytest.mark.parametrize("fleet", [True, False])
def test_one_version_is_released_on_one_instance_after_another(fleet: bool):
    """The record of the second one was lost."""
    build(fleet=fleet)
    one, two = release(instance="s1"), release(instance="s2")
    assert (one.instance, two.instance) == ("s1", "s2")
    assert live() == [("7", "s1"), ("7", "s2")]
    assert release(instance="s2") == two
    for instance in ("s1", "s2"):
        assert "provider.missing" not in codes(ask(instance))
    assert "provider.missing" in codes(ask("s3")) or not fleet


def test_what_a_second_instance_provides_takes_nothing_away_from_the_first(estate: None):
    release(instance="s1")
    release(instance="s2", provides=["price-api@v1"])
    assert live() == [("7", "s1"), ("7", "s2")]
    assert "provider.missing" not in codes(ask("s1"))
    release(instance="s1", provides=[])
    assert live() == [("7", "s1"), ("7", "s2")]
    assert "provider.missing" in codes(ask("s1"))


def test_support_ends_on_one_instance_or_on_all(estate: None):
    for instance in ("s1", "s2", "s3"):
        release(instance=instance)
    body = {"application": "price-service", "version": "7", "environment": "production"}
    assert len(release_records.end_release(body | {"instance": "s1"}, viewer=SYSTEM)) == 1
    assert live() == [("7", "s2"), ("7", "s3")]
    assert release_records.end_release(body | {"instance": "s1"}, viewer=SYSTEM) == []
    assert len(release_records.end_release(body, viewer=SYSTEM)) == 2
    assert release_records.end_release(body, viewer=SYSTEM) == []


# -- undeploy and the end of a support ---------------------------------------------------------------------------------


def test_nothing_that_is_undeployed_counts_as_running_however_it_was_recorded(estate: None):
    """A release beside others went on to be recorded there, and the gate went on to say yes."""
    release(instance="s1")
    release(instance="s1", version="6")
    release(instance="s2")
    release_records.record_deployment(price(instance="s1", version="5"), viewer=SYSTEM)
    release_records.record_deployment(place(instance="s1", consumes=[PRICE]), viewer=SYSTEM)
    assert ask("s1")["verdict"] == "allow"
    where = {"application": "price-service", "environment": "production", "instance": "s1"}
    answer = post("undeploy", where, of_pricing())
    assert answer.json() == {"ended": 3, "against_gate": True, "still_recorded": 1}
    assert (live(), live("deployed")) == ([("7", "s2")], [])
    assert "provider.missing" in codes(ask("s1"))
    assert "provider.missing" not in codes(ask("s2"))
    assert post("undeploy", where, of_pricing()).json() == {"ended": 0, "against_gate": False, "still_recorded": 1}


def test_undeploy_without_an_instance_says_what_is_still_recorded(estate: None):
    release(instance="s1")
    where = {"application": "price-service", "environment": "production"}
    answer = post("undeploy", where, of_pricing())
    assert answer.json() == {"ended": 0, "against_gate": False, "still_recorded": 1}


def test_the_end_of_a_support_that_nobody_recorded_is_refused_and_says_what_is_recorded(estate: None):
    body = {"application": "price-service", "version": "7", "environment": "production"}
    for wanted in ("nothing of it", "is deployed on s1"):
        answer = post("releases/end", body, of_pricing())
        assert answer.status_code == 422, answer.content
        found = answer.json()["findings"]
        assert [one["pointer"] for one in found] == ["/version"]
        assert wanted in found[0]["message"]
        release_records.record_deployment(price(instance="s1"), viewer=SYSTEM)
    release(version="6", instance="s2")
    found = post("releases/end", body | {"version": "8"}, of_pricing()).json()["findings"]
    assert "6" in found[0]["message"]
    found = post("releases/end", body | {"version": "6", "instance": "s1"}, of_pricing()).json()["findings"]
    assert "s2" in found[0]["message"]


def test_an_instance_that_is_written_like_one_with_a_record_is_no_place_to_undeploy():
    build(fleet=False)
    release(instance="Kasse-Nord")
    where = {"application": "price-service", "environment": "production", "instance": "kasse-nord"}
    answer = post("undeploy", where, of_pricing())
    assert (answer.status_code, answer.json()["findings"][0]["pointer"]) == (422, "/instance")
    assert "Kasse-Nord" in answer.json()["findings"][0]["message"]
    assert live() == [("7", "Kasse-Nord")]


# -- at the same moment ------------------------------------------------------------------------------------------------


def _at_once(calls: list[Any]) -> list[BaseException]:
    start, failures = threading.Barrier(len(calls)), []

    def run(call: Any) -> None:
        try:
            start.wait(timeout=10)
            call()
        except BaseException as error:
            failures.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    return failures


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("how", [release_records.record_deployment, release_records.record_release])
def test_pipelines_that_record_at_the_same_moment_are_taken_one_after_another(how: Any):
    build()
    for turn in range(3):
        bodies = [price(instance="s1", version=f"{turn}.{n}") for n in range(4)]
        assert _at_once([lambda body=body: how(body, viewer=SYSTEM) for body in bodies]) == []
        same = price(instance="s2", version=str(turn))
        assert _at_once([lambda same=same: how(same, viewer=SYSTEM)] * 4) == []
        assert ApplicationRelease.objects.filter(instance="s2", version=str(turn)).count() == 1
    rows = ApplicationRelease.objects.filter(instance="s1")
    assert rows.count() == 12
    assert rows.filter(ended_at=None).count() == (1 if how is release_records.record_deployment else 12)
    tally = ReleaseTally.objects.get(environment="production", kind="application", name="price-service")
    assert tally.live == ApplicationRelease.objects.filter(ended_at=None, application="price-service").count()


# -- one spelling ------------------------------------------------------------------------------------------------------


def test_an_instance_is_the_same_one_in_each_normal_form():
    """What one system writes as one sign, another writes as a letter and a mark."""
    build(fleet=False)
    release_records.record_deployment(price(instance=NFD), viewer=SYSTEM)
    again = release_records.record_deployment(price(instance=NFC), viewer=SYSTEM)
    assert again.instance == NFC
    assert live("deployed") == [("7", NFC)]
    release_records.record_deployment(place(instance=NFC, consumes=[PRICE]), viewer=SYSTEM)
    for spelling in (NFC, NFD):
        answer = ask(spelling)
        assert (answer["verdict"], answer["instance"]) == ("allow", NFC)
        found = robot().get("/api/v1/gate/deployments", {"instance": spelling, "application": "till"}).json()
        assert len(found["results"]) == 1
    gone = {"application": "price-service", "environment": "production", "instance": NFD}
    assert len(release_records.undeploy(gone, viewer=SYSTEM)) == 1
    assert live("deployed") == []


def test_records_of_before_count_in_whichever_form_they_were_stored():
    build(fleet=False)
    release_records.record_deployment(price(instance=NFC), viewer=SYSTEM)
    release_records.record_deployment(place(instance=NFC, consumes=[PRICE]), viewer=SYSTEM)
    release(instance=NFC, version="6")
    beneath(f"update governance_applicationrelease set instance = '{NFD}'")
    assert ask(NFC)["verdict"] == "allow"
    answer = ask(NFC, application="price-service", version="8", consumes=[], provides=[])
    assert "provider.withdrawn" not in codes(answer)
    release_records.end_release(price(instance=NFC, version="6"), viewer=SYSTEM)
    answer = ask(NFC, application="price-service", version="8", consumes=[], provides=[])
    assert "provider.withdrawn" in codes(answer)
    made = release_records.record_deployment(price(instance=NFC), viewer=SYSTEM)
    assert (made.instance, live("deployed")) == (NFC, [("7", NFC)])
    assert len(release_records.undeploy(place(application="till", instance=NFC), viewer=SYSTEM)) == 1


@pytest.mark.parametrize("other", ["kasse-１", "ｋasse-1", "kasse\u200b-1", "kasse-¹"])
def test_what_only_looks_like_an_instance_is_told_as_mistyped(other: str):
    build(fleet=False)
    release_records.record_deployment(price(instance="kasse-1"), viewer=SYSTEM)
    answer = ask(other)
    assert "instance.unknown" in codes(answer)
    assert "kasse-1" in told(answer, "instance.unknown")["fix"]
