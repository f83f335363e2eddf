"""An API or an application is handed over by a change that both teams approve, and not while a freeze covers it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.urls import reverse

from catalog.models import Api, Application
from governance.domain import kinds
from governance.domain.subject import Subject
from governance.models import ChangeRequest
from governance.services import applying, changes, checks, policies, release_records
from kernel import clock
from kernel.models import AuditEntry
from kernel.viewer import SYSTEM
from tests.catalog import make as catalog
from tests.governance import gate_estate
from tests.governance import make as governance
from tests.governance.test_catalog_changes import decided, words
from tests.governance.visits import page

pytestmark = pytest.mark.django_db
RULES = [{"id": "architect", "why": "Somebody looks.", "slots": {"architect": 1}}]


@pytest.fixture(autouse=True)
def estate() -> None:
    catalog.estate()
    policies.install(level="organisation", document={"rights_rest_hours": 0, "rules": RULES}, actor=None)
    governance.person("lola", "loyalty")


def proposed(kind: str, key: str, team: str, *, by: str = "piet") -> ChangeRequest:
    """Over HTTP, as whoever wants it."""
    client = catalog.client(by)
    facts = {"api.hand_over": "api", "application.hand_over": "application"}[kind]
    digest = digest_of(facts, key)
    body = {
        "kind": kind,
        "title": f"{key} goes to {team}",
        "justification": "They run it now.",
        "rollback_plan": "It is handed back by a change.",
        "environment": "production",
        "planned_from": (clock.now() - timedelta(minutes=1)).isoformat(),
        "planned_until": (clock.now() + timedelta(days=5)).isoformat(),
        "subjects": [{"kind": facts, "id": key, "digest": digest}],
        "parameters": {"team": team},
    }
    made = client.post("/api/v1/changes", body, "application/json")
    assert made.status_code == 201, made.content
    change = ChangeRequest.objects.get(pk=made.json()["id"])
    changes.submit(change, actor=change.author)
    checks.run_checks(change.pk)
    change.refresh_from_db()
    return change


def digest_of(kind: str, key: str) -> str:
    facts = kinds.kind(f"{kind}.hand_over").facts(Subject(kind, key, ""))
    assert facts is not None
    assert facts.digest
    return facts.digest


def owner() -> str:
    return Api.objects.get(slug="price-api").owner_team.key


def applied(change: ChangeRequest) -> str:
    applying.apply_due()
    change.refresh_from_db()
    return change.state


def test_an_api_goes_over_once_both_teams_have_approved_and_not_before():
    change = proposed("api.hand_over", "price-api", "loyalty")
    assert words(change)["ownership.receiving"] == "passed"
    assert {slot.key for slot in change.slots.all()} == {"architect", "team:pricing", "team:loyalty"}
    assert decided(change, "ada", "paula").state == "in_review", "the team that receives it has not been heard"
    assert applied(change) == "in_review"
    assert owner() == "pricing"
    decided(change, "lea")
    assert applied(change) == "applied"
    assert owner() == "loyalty"
    rights = catalog.client("lea").patch("/api/v1/apis/price-api", {"purpose": "Ours."}, "application/json")
    assert rights.status_code in (200, 428)
    entry = AuditEntry.objects.filter(verb="catalog.api_changed", subject_id="price-api").latest("id")
    assert entry.after["approval"] == change.approvals.get().pk


def test_the_team_that_receives_may_propose_and_the_team_that_gives_has_its_say():
    change = proposed("application.hand_over", "till", "loyalty", by="lola")
    assert {slot.key for slot in change.slots.all()} == {"architect", "team:store-systems", "team:loyalty"}
    assert decided(change, "ada", "lea").state == "in_review"
    decided(change, "stan")
    assert applied(change) == "applied"
    assert Application.objects.get(key="till").team.key == "loyalty"


def test_who_was_handed_over_meanwhile_is_not_handed_over_again():
    change = decided(proposed("api.hand_over", "price-api", "loyalty"), "ada", "paula", "lea")
    assert change.state == "approved"
    Api.objects.filter(slug="price-api").update(owner_team=governance.team("store-systems"))
    assert applied(change) != "applied"
    assert owner() == "store-systems"


@pytest.mark.parametrize("team", ["nobody", "pricing", "", "\x00"])
def test_a_team_that_cannot_receive_it_fails_its_check(team: str):
    if team == "\x00":
        answer = catalog.client("piet").post(
            "/api/v1/changes", {"kind": "api.hand_over", "parameters": {"team": team}}, "application/json"
        )
        assert answer.status_code in (400, 422)
        return
    change = proposed("api.hand_over", "price-api", team)
    assert words(change)["ownership.receiving"] == "failed"


# -- freezes -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scope", [{"domain": "price"}, {"system": "price-engine"}])
def test_no_freeze_is_lifted_by_handing_over(scope: dict[str, Any]):
    change = decided(proposed("application.hand_over", "till", "loyalty"), "ada", "lea", "stan")
    gate_estate.freeze(**scope)
    assert applied(change) != "applied"
    assert Application.objects.get(key="till").team.key == "store-systems"


@pytest.mark.parametrize(("scope", "status"), [({"domain": "price"}, 409), ({"domain": "loyalty"}, 200)])
def test_an_application_whose_apis_a_freeze_covers_keeps_its_team(scope: dict[str, Any], status: int):
    """The till uses the prices."""
    gate_estate.freeze(**scope)
    answer = catalog.client("ada").patch(
        "/api/v1/applications/till", {"team": "pricing"}, "application/json", headers={"If-Match": "*"}
    )
    assert answer.status_code == status, answer.content
    if status == 409:
        assert answer.json()["code"] == "application.frozen"


def test_what_an_application_is_recorded_to_run_with_counts_as_well():
    gate_estate.beneath("update catalog_subscription set state = 'ended'")
    governance.person("rita", "release-managers")
    gate_estate.freeze(domain="price")
    release_records.record_deployment(
        {"application": "till", "version": "1", "environment": "production", "consumes": ["price-api@v2"]},
        viewer=SYSTEM,
    )
    answer = catalog.client("ada").patch(
        "/api/v1/applications/till", {"team": "pricing"}, "application/json", headers={"If-Match": "*"}
    )
    assert answer.json()["code"] == "application.frozen"


# -- pages -------------------------------------------------------------------------------------------------------------


def test_the_pages_of_the_thing_lead_to_the_form_and_the_form_opens_the_change():
    piet = catalog.person("piet")
    link = reverse("governance:new-change") + "?kind=api.hand_over&amp;subject=price-api"
    assert link in page(piet, "catalog:api", "price-api")
    assert "?kind=application.hand_over&amp;subject=till" in page(catalog.person("stan"), "catalog:application", "till")
    form = page(piet, "governance:new-change", query="?kind=api.hand_over&subject=price-api")
    assert 'name="p_team"' in form
    values = {
        "kind": "api.hand_over",
        "subject": "price-api",
        "environment": "production",
        "title": "To loyalty",
        "justification": "They run it.",
        "p_team": "loyalty",
    }
    answer = catalog.client("piet").post(reverse("governance:new-change"), values)
    assert answer.status_code == 302
    change = ChangeRequest.objects.get(kind="api.hand_over")
    assert change.parameters == {"team": "loyalty"}
    assert set(change.owner_team_ids) == {governance.team("pricing").pk, governance.team("loyalty").pk}
