"""The gate's answer over HTTP about a release that brings an integration: approved, deployed, in line with the systems
of record."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client

from bench.installation import manifest as order_feed
from catalog.models import Api, Application, Boundary, Domain, Environment, System, Team
from governance.domain.subject import Subject
from governance.services import approvals, policies
from kernel import clock, tokens
from runtime.ledger import connections
from runtime.models import Integration, Release
from runtime.services import deployments, integrations
from tests.governance.make import POLICY, person
from tests.runtime import make

pytestmark = pytest.mark.django_db(transaction=True)
FEED = "order-feed"


@pytest.fixture
def release() -> Release:
    """An integration in production, the application that brings it, and the policy of the organisation."""
    make.catalog_of_orders()
    Application.objects.create(key="shop", name="Shop", team=Team.objects.get(key="order-team"))
    Environment.objects.filter(key="production").update(records_complete_since=clock.now())
    policies.install(level="organisation", document=POLICY, actor=None)
    made = integrations.register(integrations.pinned(order_feed(source=False, lanes=2, batch=50)), actor=None)
    with connections.connected() as conn:
        make.approval(conn, subject_id=FEED, digest=made.digest)
    approval = approvals.require(Subject("integration", FEED, made.digest), made.digest, "production")
    deployments.deploy(FEED, approval=approval, actor=None)
    return made


def ask(digest: str) -> dict[str, Any]:
    _, secret = tokens.issue(actor=None, user=person("robot", "order-team"), name="ci", scopes=["gate:ask"])
    question = {
        "application": "shop",
        "version": "9.9.9",
        "environment": "production",
        "consumes": [],
        "integrations": [{"key": FEED, "digest": digest}],
    }
    answer = Client(headers={"Authorization": f"Bearer {secret}"}).post(
        "/api/v1/gate/verdicts", json.dumps(question), content_type="application/json"
    )
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()
    return found


def test_a_release_with_its_approved_deployed_integration_is_allowed(release: Release):
    answer = ask(release.digest)
    assert (answer["verdict"], answer["reasons"]) == ("allow", [])


def test_it_is_denied_when_the_system_of_record_is_the_target(release: Release):
    now = clock.now()
    former = Boundary.objects.get(entity__key="order")
    Boundary.objects.filter(pk=former.pk).update(valid=(former.valid.lower, now))
    Boundary.objects.create(entity=former.entity, system=System.objects.get(key="tillgate"), valid=(now, None))
    answer = ask(release.digest)
    assert (answer["verdict"], [reason["code"] for reason in answer["reasons"]]) == ("deny", ["sor.violation"])


def test_another_digest_of_it_is_denied_and_unknown(release: Release):
    answer = ask("sha256:" + "d" * 64)
    assert answer["verdict"] == "deny"
    assert {reason["code"] for reason in answer["reasons"]} == {"approval.stale_digest", "integration.unregistered"}


def test_another_manifest_that_somebody_registers_changes_nothing_that_is_judged(release: Release):
    """The integration's own row follows whatever was registered last; the question is about the approved release."""
    before = ask(release.digest)
    Domain.objects.create(key="loyalty", name="Loyalty")
    other = order_feed(source=False, lanes=2, batch=50) | {"domain": "loyalty", "tier": 3, "title": "Something else"}
    integrations.register(integrations.pinned(other), actor=None)
    assert Integration.objects.get(key=FEED).domain_key == "loyalty"
    after = ask(release.digest)
    assert (after["verdict"], after["reasons"]) == ("allow", [])
    assert after["policy_digest"] == before["policy_digest"]


def test_a_release_whose_api_belongs_to_another_system_now_is_denied(release: Release):
    stranger = System.objects.create(key="stranger", name="Stranger")
    Api.objects.filter(slug="order-feed").update(system=stranger)
    answer = ask(release.digest)
    assert (answer["verdict"], [reason["code"] for reason in answer["reasons"]]) == ("deny", ["sor.violation"])
    assert "stranger" in answer["reasons"][0]["message"]
    Api.objects.filter(slug="order-feed").update(system=None)
    assert ask(release.digest)["verdict"] == "deny"
