"""A request for a subscription opens nothing: only what the owner of the API has granted lets a team see it."""

from __future__ import annotations

import importlib
import json
from typing import Any

import pytest
from django.db import connection

from catalog.models import ApiFacets, ApiSearch, Application, Subscription
from governance.services import policies
from kernel import tokens
from tests.catalog import make as catalog
from tests.governance.test_catalog_changes import POLICY

pytestmark = pytest.mark.django_db
API, ABSENT = "loyalty-api", "loyalty-apj"
REFERENCE = f"{API}@v1"
DOORS = [
    "/api/v1/apis/{}",
    "/api/v1/apis/{}/versions/v1/contract",
    "/api/v1/apis/{}/scorecard",
    "/api/v1/apis/{}/changelog",
    "/api/v1/subscriptions?version__api__slug={}",
    "/api/v1/dependencies?target_api__slug={}",
    "/api/v1/apis?q={}",
    "/.well-known/api-catalog",
    "/catalog/apis/{}/",
    "/catalog/apis/{}/versions/v1/",
    "/catalog/dependencies/?focus={}",
    "/catalog/applications/till/",
    "/gate/",
]


@pytest.fixture(autouse=True)
def _estate() -> None:
    catalog.estate()
    policies.install(level="organisation", document=POLICY, actor=None)


def sent(who: str, path: str, body: Any) -> tuple[int, Any]:
    answer = catalog.client(who).post(path, json.dumps(body), content_type="application/json")
    return answer.status_code, answer.json()


def asked(reference: str = REFERENCE) -> tuple[int, Any]:
    body = {"application": "till", "version": reference, "environment": "production", "justification": "For the tills."}
    return sent("stan", "/api/v1/subscriptions", body)


def made(visibility: str) -> None:
    """The owner opens or restricts the API."""
    client, path = catalog.client("lea"), f"/api/v1/apis/{API}"
    answer = client.patch(
        path,
        json.dumps({"visibility": visibility}),
        content_type="application/json",
        headers={"If-Match": client.get(path).headers["ETag"]},
    )
    assert answer.status_code == 200, answer.content


def requested_before_it_was_restricted() -> int:
    made("internal")
    status, told = asked()
    assert status == 201, told
    made("restricted")
    return int(told["id"])


def question(slug: str) -> tuple[int, Any]:
    body = {"application": "till", "version": "1", "environment": "production", "consumes": [f"{slug}@v1"]}
    _, secret = tokens.issue(actor=None, user=catalog.person("stan"), name="ci", scopes=["gate:ask"])
    headers = {"Authorization": f"Bearer {secret}"}
    client = catalog.client("stan")
    answer = client.post("/api/v1/gate/verdicts", json.dumps(body), "application/json", headers=headers)
    found = answer.json()
    return answer.status_code, [(one["code"], one["message"].replace(slug, "…")) for one in found["reasons"]]


def test_what_a_team_does_not_see_it_cannot_ask_for():
    (status, problem), (other, absent) = asked(), asked(f"{ABSENT}@v1")
    assert (status, other) == (422, 422)
    assert json.dumps(problem["findings"]).replace(API, ABSENT) == json.dumps(absent["findings"])
    assert not Subscription.objects.filter(version__api__slug=API).exists()


@pytest.mark.parametrize("door", DOORS)
def test_a_request_that_waits_opens_no_door_to_what_is_restricted_by_now(door: str):
    requested_before_it_was_restricted()
    client = catalog.client("stan")
    answer, absent = client.get(door.format(API)), client.get(door.format(ABSENT))
    assert answer.status_code == absent.status_code
    if answer.status_code == 200:
        said = catalog.shown(answer)
        assert "Loyalty API" not in said
        assert API not in said.replace(door.format(API), "")


def test_the_gate_tells_of_it_like_of_what_is_not_there():
    requested_before_it_was_restricted()
    assert question(API) == question(ABSENT)


def test_what_the_owner_granted_opens_it_and_what_ended_closes_it():
    number = requested_before_it_was_restricted()
    client = catalog.client("stan")
    assert client.get(f"/api/v1/apis/{API}").status_code == 404
    assert sent("lea", f"/api/v1/subscriptions/{number}/decision", {"decision": "approve"})[0] == 200
    assert client.get(f"/api/v1/apis/{API}").status_code == 200
    assert sent("stan", f"/api/v1/subscriptions/{number}/end", {})[0] == 200
    assert client.get(f"/api/v1/apis/{API}").status_code == 404


def test_the_upgrade_closes_what_requests_of_before_had_opened():
    requested_before_it_was_restricted()
    stores = Application.objects.get(key="till").team_id
    for table in (ApiSearch, ApiFacets):
        row = table.objects.get(api__slug=API)
        before, row.team_ids = row.team_ids, sorted({*row.team_ids, stores})
        row.save()
        assert stores not in before
    migration = importlib.import_module("catalog.migrations.0024_granted_sight")
    with connection.cursor() as cursor:
        cursor.execute(migration._SEEN)
    assert all(stores not in table.objects.get(api__slug=API).team_ids for table in (ApiSearch, ApiFacets))
    lea = catalog.client("lea").get(f"/api/v1/apis/{API}")
    assert lea.status_code == 200
