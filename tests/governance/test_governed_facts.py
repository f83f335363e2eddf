"""Who owns a thing and where it belongs decides at the gate, so no plain write changes it: a token, the side that gives
alone, an open freeze, an import."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client

from catalog.models import Api, Application
from catalog.services import importing
from catalog.services.importing.sources import ImportSource
from kernel import tokens
from kernel.models import User
from tests.catalog import make
from tests.governance import gate_estate
from tests.governance import make as governance

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def estate() -> None:
    make.estate()


def change(path: str, body: dict[str, Any], by: str, *, token: bool = False) -> Any:
    client = make.client(by)
    if token:
        _, secret = tokens.issue(actor=None, user=make.person(by), name="ci", scopes=["catalog:write"])
        client = Client(headers={"Authorization": f"Bearer {secret}"})
    return client.patch(f"/api/v1/{path}", json.dumps(body), content_type="application/json", headers={"If-Match": "*"})


def code(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json().get("code", "")


def joined(username: str, team: str) -> None:
    User.objects.get(username=username).groups.add(governance.team(team).group)


# -- another team ------------------------------------------------------------------------------------------------------


def test_an_application_goes_to_a_team_that_takes_it_and_by_no_token():
    till = {"team": "pricing"}
    assert code(change("applications/till", till, "stan", token=True)) == (403, "decision.by_token")
    assert code(change("applications/till", till, "stan")) == (403, "application.needs_receiving_team")
    joined("ada", "store-systems")
    assert code(change("applications/till", till, "ada")) == (403, "application.needs_receiving_team")
    assert Application.objects.get(key="till").team.key == "store-systems"
    joined("stan", "pricing")
    assert change("applications/till", till, "stan").status_code == 200
    assert change("applications/till", {"name": "Till"}, "piet", token=True).status_code == 200


def test_an_architect_who_is_not_of_the_team_that_gives_hands_an_application_over():
    assert change("applications/till", {"name": "Ours now"}, "ada").status_code == 403
    assert change("applications/till", {"team": "pricing"}, "ada").status_code == 200


def test_an_api_goes_to_a_team_that_takes_it_and_by_no_token():
    body = {"owner_team": "loyalty"}
    assert code(change("apis/price-api", body, "piet", token=True)) == (403, "decision.by_token")
    assert code(change("apis/price-api", body, "piet")) == (403, "api.needs_receiving_team")
    assert Api.objects.get(slug="price-api").owner_team.key == "pricing"
    assert change("apis/price-api", body, "ada").status_code == 200


# -- where it belongs --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("field", "value"), [("system", "erp"), ("domain", "loyalty")])
def test_where_an_api_belongs_is_said_by_a_person_and_not_under_a_freeze_that_covers_it(field: str, value: str):
    assert code(change("apis/price-api", {field: value}, "piet", token=True)) == (403, "decision.by_token")
    gate_estate.freeze(domain="price")
    assert code(change("apis/price-api", {field: value}, "piet")) == (409, "api.frozen")
    assert change("apis/price-api", {"purpose": "Prices."}, "piet", token=True).status_code == 200
    gate_estate.beneath("update governance_freezewindow set strictness = 'notice'")
    assert change("apis/price-api", {field: value}, "piet").status_code == 200


def test_an_api_that_nobody_has_judged_is_completed_as_ever():
    gate_estate.beneath("update catalog_apiversion set origin = 'imported', approval_id = null")
    assert change("apis/price-api", {"domain": "loyalty"}, "piet", token=True).status_code == 200


# -- enforcement -------------------------------------------------------------------------------------------------------


def test_what_is_enforced_without_a_date_is_not_put_off():
    Api.objects.filter(slug="price-api").update(enforced_from=None)
    body = {"slugs": ["price-api"], "at": "2099-01-01T00:00:00Z"}
    answer = make.client("ada").post("/api/v1/apis/enforcement", json.dumps(body), content_type="application/json")
    assert code(answer) == (409, "api.enforced_already")
    assert Api.objects.get(slug="price-api").enforced_from is None


# -- imports -----------------------------------------------------------------------------------------------------------

SHEET = b"slug,name,tier,owner_team,system,domain,purpose\nprice-api,Price API,3,loyalty,erp,loyalty,Other words\n"


def imported(actor: User | None) -> list[str]:
    run = importing.run([ImportSource("apis.csv", SHEET)], actor=actor, source="sheet")
    return list(run.rows.values_list("message", flat=True))


def facts() -> tuple[Any, ...]:
    api = Api.objects.get(slug="price-api")
    return api.tier.level, api.owner_team.key, api.system.key, api.domain.key


def test_an_import_proposes_what_the_gate_decides_by_and_the_operator_writes_it():
    before = facts()
    told = imported(make.person("ada"))
    assert facts() == before
    assert Api.objects.get(slug="price-api").purpose == "Other words"
    assert "owner_team: Loyalty team is proposed" in told[0]
    imported(None)
    assert facts() == (3, "loyalty", "erp", "loyalty")
