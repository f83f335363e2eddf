"""Where a system answers, by pages and API: edited, proposed, shown to those whose flows wait."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client

from catalog.models import Environment, SystemEndpoint
from governance.models import ChangeRequest
from kernel.models import AuditEntry
from runtime.models import Release
from tests.governance.make import person
from tests.runtime.test_destination_changes import NOBODY, PLACE, people
from tests.runtime.test_destinations import ELSEWHERE, FEED, release, shop

pytestmark = pytest.mark.django_db(transaction=True)
__all__ = ["people", "release"]
PAGE = "/catalog/systems/shop/production/"
FORM = {
    "base_url": ELSEWHERE,
    "auth_kind": "basic",
    "secret_ref": "env:TILLGATE_SECRET_NEW",
    "further_hosts": "",
    "trust_ref": "",
}


def signed_in(name: str) -> Client:
    client = Client()
    client.force_login(person(name))
    return client


def put(client: Client, address: str, body: dict[str, Any], **headers: str) -> Any:
    return client.put(address, json.dumps(body), content_type="application/json", headers=headers)


def test_the_api_says_where_a_system_answers_and_changes_it_where_nothing_approved_runs_over_it(release: Release):
    Environment.objects.get_or_create(key="test", defaults={"name": "Test"})
    ada, address = signed_in("ada"), "/api/v1/systems/shop/endpoints/production"
    found = ada.get(address)
    assert found.status_code == 200
    assert (found.json()["base_url"], found.json()["approved_flows"]) == (shop().base_url, 1)
    refused = put(ada, address, {"base_url": ELSEWHERE}, **{"If-Match": found["ETag"]})
    assert (refused.status_code, refused.json()["code"]) == (409, "endpoint.in_use")
    made = put(
        ada, "/api/v1/systems/shop/endpoints/test", {"base_url": ELSEWHERE, "secret_ref": "env:TILLGATE_SECRET_TEST"}
    )
    assert (made.status_code, made.json()["secret_ref"], made.json()["approved_flows"]) == (
        200,
        "env:TILLGATE_SECRET_TEST",
        0,
    )
    entry = AuditEntry.objects.get(verb="catalog.endpoint_declared", subject_id="shop/test")
    assert (entry.actor, entry.after["secret_ref"]) == (person("ada"), "env:TILLGATE_SECRET_TEST")
    assert put(ada, "/api/v1/systems/shop/endpoints/test", {"base_url": "x"}, **{"If-Match": "*"}).status_code == 422
    assert put(ada, "/api/v1/systems/shop/endpoints/nowhere", {"base_url": ELSEWHERE}).status_code == 404
    by_zoe = put(signed_in("zoe"), "/api/v1/systems/shop/endpoints/test", {"base_url": ELSEWHERE})
    assert (by_zoe.status_code, by_zoe.json()["code"]) == (403, "system.not_yours")
    assert len(ada.get("/api/v1/systems/shop/endpoints").json()) == 2


def test_the_page_of_an_endpoint_leads_to_a_change_with_what_was_entered(release: Release):
    ada = signed_in("ada")
    assert "Propose the move" in ada.get(PAGE).content.decode()
    assert "Propose a move" in ada.get("/catalog/systems/shop/").content.decode()
    led = ada.post(PAGE, FORM | {"seen": shop().destination})
    assert led.status_code == 302
    asked = ada.get(led["Location"])
    form = asked.context["form"]
    assert (form["p_base_url"].value(), form["p_secret_ref"].value()) == (ELSEWHERE, "env:TILLGATE_SECRET_NEW")
    sent = {f"p_{name}": value for name, value in FORM.items()} | {
        "kind": "system.destination",
        "subject": PLACE,
        "environment": "production",
        "title": "The shop moves",
        "justification": "Another hall.",
        "rollback_plan": "The old address by a change.",
        "planned_from": form["planned_from"].value().strftime("%Y-%m-%dT%H:%M"),
        "planned_until": form["planned_until"].value().strftime("%Y-%m-%dT%H:%M"),
        "submit": "yes",
    }
    opened = ada.post("/changes/new/", sent)
    assert opened.status_code == 302, opened.context["form"].errors
    change = ChangeRequest.objects.get(kind="system.destination")
    assert change.subjects.get().digest not in (NOBODY, shop().destination)
    page = ada.get(f"/changes/{change.pk}/").content.decode()
    assert "Where Web shop answers in production" in page
    shown = ada.get(f"/changes/{change.pk}/differences/").content.decode()
    assert ELSEWHERE in shown
    assert "env:TILLGATE_SECRET_NEW" in shown
    panel = ada.get(f"/runtime/panels/destinations/{PLACE}/").content.decode()
    assert "Goes on at the new destination" in panel


def test_the_ways_to_sign_in_are_said_in_words(release: Release):
    Environment.objects.get_or_create(key="test", defaults={"name": "Test"})
    html = signed_in("ada").get("/catalog/systems/shop/test/").content.decode()
    for key, word in (("basic", "User and password"), ("oauth2_client_credentials", "OAuth 2, client credentials")):
        assert f'<option value="{key}">{word} ({key})</option>' in html


def test_where_nothing_approved_runs_over_it_the_page_saves_and_refuses_what_somebody_else_changed(release: Release):
    Environment.objects.get_or_create(key="test", defaults={"name": "Test"})
    ada, page = signed_in("ada"), "/catalog/systems/shop/test/"
    assert ada.post(page, FORM | {"seen": ""}).status_code == 302
    row = SystemEndpoint.objects.get(environment__key="test")
    assert (row.base_url, row.auth_kind) == (ELSEWHERE, "basic")
    stale = ada.post(page, FORM | {"seen": "", "base_url": "http://127.0.0.1:9998"})
    assert (stale.status_code, "Somebody changed it meanwhile" in stale.content.decode()) == (422, True)
    wrong = ada.post(page, FORM | {"seen": row.destination, "base_url": "http://me:pass@h"})
    assert (wrong.status_code, "user or password" in wrong.content.decode()) == (422, True)
    assert signed_in("zoe").post(page, FORM | {"seen": row.destination}).status_code == 403
    assert ada.get("/catalog/systems/shop/nowhere/").status_code == 404


def test_who_owns_the_system_or_what_waits_for_it_finds_it_in_the_inbox_and_at_the_gate(release: Release):
    assert "destination changed" not in signed_in("olaf").get("/inbox/").content.decode()
    SystemEndpoint.objects.update(base_url=ELSEWHERE)
    inbox = signed_in("olaf").get("/inbox/").content.decode()
    assert "Web shop: destination changed since approval" in inbox
    assert PAGE in inbox
    assert "destination changed" not in signed_in("sue").get("/inbox/").content.decode()
    gate = signed_in("olaf").get(f"/api/v1/integrations/{FEED}/gate?environment=production").json()
    codes = {one["key"]: one["says"] for one in gate[0]["conditions"]}
    assert codes["destination"].startswith("Destination changed since approval: shop in production.")
    page = signed_in("olaf").get(f"/runtime/integrations/{FEED}/").content.decode()
    assert "Destination changed since approval" in page
    panel = signed_in("olaf").get(f"/runtime/panels/destinations/{PLACE}/").content.decode()
    assert "Waits: destination changed since approval" in panel


@pytest.mark.parametrize("subject", ["nobody/production", "shop/nowhere", "shop"])
def test_a_destination_that_cannot_be_has_no_panel(release: Release, subject: str):
    assert signed_in("olaf").get(f"/runtime/panels/destinations/{subject}/").status_code == 404
