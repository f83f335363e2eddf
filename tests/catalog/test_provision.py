"""Who provides a system or an API, who has the right to, and from when on a missing record blocks: said by those who
may, over the API and on pages, with a ledger entry."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from catalog.models import Api, Environment, ProviderRight, System
from kernel import clock, tokens
from kernel.models import AuditEntry
from tests.catalog import make

pytestmark = pytest.mark.django_db
API, SYSTEM, RECORDS = "/api/v1/apis/price-api", "/api/v1/systems/erp/provision", "/api/v1/environments/test/records"


@pytest.fixture(autouse=True)
def _estate() -> None:
    make.estate()


def put(client: Client, path: str, body: dict[str, Any], *, read: str = "") -> Any:
    tag = client.get(read or path).headers["ETag"]
    return client.put(path, json.dumps(body), content_type="application/json", headers={"If-Match": tag})


def verbs() -> list[str]:
    return list(AuditEntry.objects.order_by("id").values_list("verb", flat=True))


def test_the_owner_of_an_api_says_who_provides_it():
    piet = make.client("piet")
    before = piet.get(f"{API}/provision").json()
    assert (before["third_party"], before["counts_as"], before["system"]) == (None, "third_party", "price-engine")
    said = put(piet, f"{API}/provision", {"third_party": False, "per_instance": True})
    assert (said.status_code, said.json()["counts_as"]) == (200, "own")
    row = Api.objects.get(slug="price-api")
    assert (row.third_party, row.per_instance) == (False, True)
    assert verbs()[-1] == "catalog.provision_stated"
    refused = put(make.client("stan"), f"{API}/provision", {"third_party": True, "per_instance": None})
    assert (refused.status_code, refused.json()["code"]) == (403, "api.not_yours")


def test_a_right_to_provide_is_granted_and_ended():
    piet, provision = make.client("piet"), f"{API}/provision"
    made = put(piet, f"{API}/providers/web-shop", {"reason": "It hosts the old one."}, read=provision)
    assert (made.status_code, [one["application"] for one in made.json()["providers"]]) == (200, ["web-shop"])
    for body, code in (({"reason": "So."}, "provider_right.reason"), ({}, "request.invalid")):
        wrong = put(piet, f"{API}/providers/till", body, read=provision)
        assert (wrong.status_code, wrong.json()["findings"][0]["pointer"]) == (422, "/reason"), code
    ghost = put(piet, f"{API}/providers/ghost", {"reason": "It hosts the old one."}, read=provision)
    assert (ghost.status_code, ghost.json()["code"]) == (422, "application.unknown")
    tag = piet.get(provision).headers["ETag"]
    assert piet.delete(f"{API}/providers/web-shop", headers={"If-Match": tag}).status_code == 204
    assert ProviderRight.objects.get().ended_by == make.person("piet")
    assert verbs()[-2:] == ["catalog.provider_right_granted", "catalog.provider_right_ended"]


def test_the_owner_of_a_system_or_an_architect_says_whose_it_is():
    assert put(make.client("ada"), SYSTEM, {"third_party": False}).status_code == 200
    assert System.objects.get(key="erp").third_party is False
    assert put(make.client("stan"), SYSTEM, {"third_party": True}).json()["code"] == "system.not_yours"
    assert make.client("ada").get("/api/v1/systems/ghost/provision").status_code == 404


def test_an_architect_sets_the_day_from_which_a_missing_record_blocks():
    ada, day = make.client("ada"), clock.now() + timedelta(days=30)
    listed = {row["environment"]: row for row in ada.get("/api/v1/environments").json()}
    assert (listed["test"]["complete_since"], listed["production"]["complete_since"][:4]) == (None, "2020")
    assert put(ada, RECORDS, {"enforced_from": day.isoformat()}).status_code == 200
    assert Environment.objects.get(key="test").records_enforced_from == day
    late = put(ada, RECORDS, {"enforced_from": (day + timedelta(days=400)).isoformat()})
    assert (late.status_code, late.json()["code"]) == (422, "environment.enforced_from")
    assert put(make.client("piet"), RECORDS, {"enforced_from": None}).json()["code"] == "environment.not_yours"
    assert verbs()[-1] == "catalog.records_enforced"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (f"{API}/provision", {"third_party": True, "per_instance": None}),
        (f"{API}/providers/web-shop", {"reason": "It hosts the old one."}),
        (SYSTEM, {"third_party": True}),
        (RECORDS, {"enforced_from": None}),
    ],
)
def test_no_token_says_what_the_gate_takes_for_a_yes(path: str, body: dict[str, Any]):
    _, secret = tokens.issue(actor=None, user=make.person("ada"), name="ci", scopes=["catalog:read", "catalog:write"])
    script = Client(headers={"Authorization": f"Bearer {secret}"})
    answer = script.put(path, json.dumps(body), content_type="application/json", headers={"If-Match": "*"})
    assert (answer.status_code, answer.json()["code"]) == (403, "decision.by_token")


def test_a_hidden_api_has_no_provision_for_others():
    for path in ("/api/v1/apis/loyalty-api/provision", "/api/v1/apis/nobodys/provision"):
        answer = make.client("piet").get(path)
        assert (answer.status_code, answer.json()["code"]) == (404, "api.unknown")


# -- pages -------------------------------------------------------------------------------------------------------------


def test_the_page_of_an_api_says_who_provides_it_and_grants_rights():
    piet, page = make.client("piet"), "/catalog/apis/price-api/provision/"
    assert "None" in make.shown(piet.get(page))
    saved = piet.post(page, {"third_party": "no", "per_instance": "yes", "seen": "/"})
    assert saved.status_code == 302
    assert Api.objects.get(slug="price-api").per_instance is True
    stale = piet.post(page, {"third_party": "yes", "per_instance": "", "seen": "/"})
    assert (stale.status_code, "said something else meanwhile" in make.shown(stale)) == (422, True)
    wrong = piet.post(f"{page}grant/", {"application": "web-shop", "reason": "So."})
    assert (wrong.status_code, "Say in a sentence" in make.shown(wrong)) == (422, True)
    assert piet.post(f"{page}grant/", {"application": "web-shop", "reason": "It hosts the old one."}).status_code == 302
    assert "It hosts the old one." in make.shown(piet.get(page))
    assert piet.post(f"{page}web-shop/end/").status_code == 302
    assert "Each instance has a provider of its own." in make.shown(piet.get("/catalog/apis/price-api/"))
    stan = make.client("stan")
    assert stan.post(page, {"third_party": "yes", "per_instance": "", "seen": "no/yes"}).status_code == 403
    assert "Let another application provide it" not in make.shown(stan.get(page))


def test_the_pages_of_systems_and_environments_say_it_too():
    ada = make.client("ada")
    assert "Nobody has said" in make.shown(ada.get("/catalog/systems/"))
    assert ada.post("/catalog/systems/pos/", {"third_party": "no", "seen": "/"}).status_code == 302
    assert System.objects.get(key="pos").third_party is False
    listed = make.shown(ada.get("/catalog/environments/"))
    assert "kind=environment.records" in listed
    assert ada.post("/catalog/environments/test/", {"enforced_from": "", "seen": "x"}).status_code == 422
    seen = Environment.objects.get(key="test").records_enforced_from
    given = {"enforced_from": "", "seen": seen.isoformat() if seen else "now"}
    assert ada.post("/catalog/environments/test/", given).status_code == 302
    assert make.client("stan").get("/catalog/environments/").status_code == 200
    assert make.client("stan").post("/catalog/environments/test/", given | {"seen": "now"}).status_code == 403
    assert "Everything is recorded since" in make.shown(
        ada.get("/changes/new/?kind=environment.records&subject=test&environment=test")
    )
