"""An application that uses what it provides itself: what it drops is gone for it as well, and what it upgrades in the
same release is upgraded."""

from __future__ import annotations

from typing import Any

import pytest

from catalog.models import Api, Environment, RetailStore
from governance.models import ApplicationRelease
from governance.services import policies, release_records
from kernel.viewer import SYSTEM
from tests.catalog import make as catalog
from tests.governance import make
from tests.governance.test_gate_records import beneath, codes, place, post, robot, subscribe, told

pytestmark = pytest.mark.django_db
V1, V2, V3 = "price-api@v1", "price-api@v2", "price-api@v3"


@pytest.fixture(autouse=True)
def estate() -> None:
    """Everything that runs is recorded; of v2 and v3, v3 is the newer one."""
    catalog.estate()
    policies.install(level="organisation", document=make.POLICY, actor=None)
    Environment.objects.update(records_complete_since="2025-01-01T00:00Z", records_enforced_from=None)
    Api.objects.filter(slug="price-api").update(third_party=False)
    beneath("update catalog_apiversion set state = 'published', origin = 'declared' where label = 'v3'")
    beneath("update catalog_subscription set state = 'ended'")
    for version in (V2, V3):
        subscribe("price-service", version)


def fleet(*, per_instance: bool | None) -> None:
    Environment.objects.filter(key="production").update(is_fleet=True)
    Api.objects.filter(slug="price-api").update(per_instance=per_instance)
    for key in ("s1", "s2"):
        RetailStore.objects.create(key=key, name=key)


def own(**more: Any) -> dict[str, Any]:
    return place(application="price-service", version="1") | more


def deploy(**more: Any) -> ApplicationRelease:
    return release_records.record_deployment(own(**more), viewer=SYSTEM)


def ask(**more: Any) -> dict[str, Any]:
    answer = post("verdicts", own(version="2", **more), robot("piet"))
    assert answer.status_code == 200, answer.content
    found: dict[str, Any] = answer.json()
    return found


@pytest.mark.parametrize("instance", ["", "s1"])
def test_who_drops_what_only_it_provides_may_not_go_on_using_it(instance: str):
    """The only row that said that somebody runs it was the one that the deployment replaces."""
    if instance:
        fleet(per_instance=True)
    deploy(instance=instance, consumes=[V2], provides=[V2])
    assert ask(instance=instance, consumes=[V2], provides=[V2])["verdict"] == "allow"
    answer = ask(instance=instance, consumes=[V2], provides=[])
    assert (answer["verdict"], codes(answer)) == ("unknown", ["provider.missing"])
    deploy(instance=instance, version="2", consumes=[V2], provides=[])
    assert codes(ask(instance=instance, consumes=[V2], provides=[])) == ["provider.missing"]


def test_who_drops_it_may_use_what_somebody_else_provides():
    deploy(consumes=[V2], provides=[V2])
    catalog.build(
        {"blueprint": 1, "providers": [{"application": "web-shop", "api": "price-api", "reason": "Stands in."}]}
    )
    body = place(application="web-shop", provides=[V2])
    release_records.record_deployment(body, viewer=SYSTEM)
    assert ask(consumes=[V2], provides=[])["verdict"] == "allow"


def test_who_keeps_a_release_beside_may_go_on_using_it():
    deploy(consumes=[V2], provides=[V2])
    release_records.record_release(own(version="0", provides=[V2]), viewer=SYSTEM)
    assert ask(consumes=[V2], provides=[])["verdict"] == "allow"


def test_a_release_of_its_own_that_stays_and_uses_it_is_a_consumer_of_what_it_drops():
    deploy(consumes=[], provides=[V2])
    assert "provider.withdrawn" not in codes(ask(consumes=[], provides=[]))
    release_records.record_release(own(version="0", consumes=[V2]), viewer=SYSTEM)
    answer = ask(consumes=[], provides=[])
    assert "provider.withdrawn" in codes(answer)
    assert "price-service uses it" in told(answer, "provider.withdrawn")["message"]


@pytest.mark.parametrize("per_instance", [None, True, False])
def test_another_store_of_its_own_uses_what_leaves_this_one(per_instance: bool | None):
    fleet(per_instance=per_instance)
    deploy(instance="s1", consumes=[], provides=[V2])
    deploy(instance="s2", consumes=[V2], provides=[])
    answer = ask(instance="s1", consumes=[], provides=[])
    assert ("provider.withdrawn" in codes(answer)) is not (per_instance is True)


def test_who_upgrades_what_it_uses_itself_in_one_release_needs_no_release_before():
    """It was advised to release itself first."""
    deploy(consumes=[V2], provides=[V2])
    answer = ask(consumes=[V3], provides=[V3])
    assert not [one for one in answer["reasons"] if "Release price-service" in one["fix"]]
    assert "order.consumers_first" not in codes(answer)
    assert "order.producer_first" not in codes(answer)
    assert answer["verdict"] == "allow"


def test_who_replaces_what_it_goes_on_using_is_judged_by_what_will_run():
    deploy(consumes=[V3], provides=[V3])
    answer = ask(consumes=[V3], provides=[V2])
    assert answer["verdict"] != "allow"
    assert not [one for one in answer["reasons"] if "price-service first" in one["fix"]]


def test_a_first_release_proves_nothing_for_what_it_uses_itself():
    assert "provider.missing" in codes(ask(consumes=[V2], provides=[V2]))
