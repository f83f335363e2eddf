"""Campaigns and applications have pages: begun, changed and ended by who may, seen by everybody."""

from __future__ import annotations

from datetime import timedelta

import pytest

from catalog.models import Application, Campaign
from kernel import clock
from kernel.models import AuditEntry
from tests.catalog import make

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _estate(db: None) -> None:
    make.estate()


def form(**more: str) -> dict[str, str]:
    day = (clock.now().date() + timedelta(days=90)).isoformat()
    return {
        "key": "tiers",
        "name": "A tier for everything",
        "point": "tier",
        "due_on": day,
        "purpose": "So that we know.",
        "owner_team": "pricing",
        **more,
    }


def test_an_architect_begins_a_campaign_and_everybody_sees_how_far_it_is():
    answer = make.client("ada").post("/catalog/campaigns/begin/", form())
    assert answer.url == "/catalog/campaigns/tiers/"
    shown = make.shown(make.client("stan").get(answer.url))
    assert "1 of 2" in shown or "2 of 2" in shown or "1 of 1" in shown
    assert "So that we know." in shown
    assert "A tier for everything" in make.shown(make.client("stan").get("/catalog/campaigns/"))
    assert AuditEntry.objects.filter(verb="catalog.campaign_begun").exists()


def test_where_it_does_not_hold_is_listed_with_the_fact():
    make.client("ada").post("/catalog/campaigns/begin/", form(key="seen", point="measured"))
    shown = make.shown(make.client("stan").get("/catalog/campaigns/seen/"))
    assert "Price API" in shown
    assert "never reported" in shown


@pytest.mark.parametrize(
    "wrong", [{"key": "No key"}, {"name": ""}, {"point": "nothing"}, {"due_on": "2001-01-01"}, {"due_on": ""}]
)
def test_what_is_wrong_stands_beside_its_field_and_nothing_begins(wrong):
    assert make.client("ada").post("/catalog/campaigns/begin/", form(**wrong)).status_code == 422
    assert not Campaign.objects.filter(purpose="So that we know.").exists()


def test_only_architects_begin_change_and_end():
    assert make.client("piet").post("/catalog/campaigns/begin/", form()).status_code == 422
    assert not Campaign.objects.filter(key="tiers").exists()
    make.client("ada").post("/catalog/campaigns/begin/", form())
    edit = "/catalog/campaigns/tiers/edit/"
    assert make.client("ada").post(edit, form(name="Renamed")).status_code == 302
    assert make.client("ada").post(edit, {"ended": "1"}).status_code == 302
    row = Campaign.objects.get(key="tiers")
    assert (row.name, row.ended_at is None) == ("Renamed", False)
    assert make.client("ada").post(edit, {"ended": "0"}).status_code == 302
    assert Campaign.objects.get(key="tiers").ended_at is None
    assert make.client("ada").post("/catalog/campaigns/begin/", form()).status_code == 422


def test_the_api_keeps_campaigns_too():
    ada = make.client("ada")
    day = (clock.now().date() + timedelta(days=90)).isoformat()
    body = {"key": "tiers", "name": "Tiers", "point": "tier", "due_on": day}
    made = ada.post("/api/v1/campaigns", body, content_type="application/json")
    assert made.status_code == 201, made.content
    assert ada.post("/api/v1/campaigns", body, content_type="application/json").status_code == 409
    assert make.client("piet").post("/api/v1/campaigns", body, content_type="application/json").status_code == 403
    tag = ada.get("/api/v1/campaigns/tiers").headers["ETag"]
    done = ada.patch(
        "/api/v1/campaigns/tiers", {"ended": True}, content_type="application/json", headers={"If-Match": tag}
    )
    assert done.json()["ended_at"]


def test_an_application_is_registered_and_changed_by_its_team_and_says_what_it_uses():
    stan = make.client("stan")
    answer = stan.post(
        "/catalog/applications/add/",
        {"key": "labels", "name": "Shelf labels", "team": "store-systems", "description": ""},
    )
    assert answer.status_code == 302 or answer.status_code == 422
    assert "Till programme" in make.shown(stan.get("/catalog/applications/?q=till"))
    page = make.shown(stan.get("/catalog/applications/till/"))
    assert "Price API" in page
    assert "Subscribed" in page
    changed = make.client("lea").post("/catalog/applications/till/edit/", {"name": "Mine", "team": "loyalty"})
    assert changed.status_code == 422
    assert Application.objects.get(key="till").name == "Till programme"


def test_an_application_page_does_not_name_apis_that_one_may_not_see():
    from catalog.services import blueprint

    document = make.blueprint()
    document["subscriptions"].append(
        {"application": "till", "version": "loyalty-api@v1", "environment": "production", "from": "2026-01-01"}
    )
    blueprint.apply(document, actor=None, base_dir=make.ESTATE)
    assert "Loyalty API" in make.shown(make.client("stan").get("/catalog/applications/till/"))
    assert "Loyalty API" not in make.shown(make.client("piet").get("/catalog/applications/till/"))
