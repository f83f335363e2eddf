"""The gate as people see it: a pipeline asks over HTTP; the pages tell why, let somebody act, and show the effect."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from playwright.sync_api import expect

from catalog.models import (
    Api,
    ApiVersion,
    Application,
    Environment,
    RetailStore,
    ScopeValue,
    Subscription,
    SunsetNotice,
)
from catalog.services import publication
from governance.models import ChangeRequest
from governance.services import freezes, policies
from kernel import clock, tokens
from tests.browser.decisions import Browsing, approve, browsing, settle  # noqa: F401 - the fixture
from tests.catalog import make as catalog
from tests.governance import gate_estate, make
from tests.governance.test_catalog_changes import POLICY

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.thorough]

Asking = Callable[..., dict[str, Any]]
RELEASE = {"application": "till", "version": "7.1", "environment": "production", "consumes": ["price-api@v2"]}


@pytest.fixture(autouse=True)
def _estate(live_server: Any) -> None:
    catalog.build()
    policies.install(level="organisation", document=POLICY, actor=None)


@pytest.fixture
def pipeline(context: Any) -> Asking:
    """`pipeline("verdicts", consumes=[…])`: what the pipeline of the tills posts to the gate, and the answer."""
    _, secret = tokens.issue(actor=None, user=catalog.person("robot"), name="ci", scopes=["gate:ask", "record:write"])

    def post(what: str, **more: Any) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {secret}"}
        answer = context.request.post(f"/api/v1/gate/{what}", data=RELEASE | more, headers=headers)
        found: dict[str, Any] = answer.json()
        return found

    return post


TOMORROW = {"kind": "once", "zone": "UTC", "from": "2090-01-01T00:00", "until": "2090-01-02T00:00"}


def past_its_sunset() -> None:
    now = clock.now()
    ApiVersion.objects.filter(api__slug="price-api", label="v2").update(
        state="deprecated", deprecated_at=now - timedelta(days=300), sunset_at=now - timedelta(hours=1)
    )


def as_if_its_days_had_passed(version: ApiVersion) -> None:
    """The guard lets a sunset come earlier only with a new approval; here time has gone by."""
    ended = clock.now() - timedelta(hours=1)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("set local session_replication_role = replica")
        moved = {"deprecated_at": ended - timedelta(days=400), "sunset_at": ended}
        ApiVersion.objects.filter(pk=version.pk).update(**moved)


def another_consumer(key: str) -> None:
    team = Application.objects.get(key="till").team
    Subscription.objects.create(
        application=Application.objects.create(key=key, name=key.title(), team=team),
        version=ApiVersion.objects.get(api__slug="price-api", label="v2"),
        environment=Environment.objects.get(key="production"),
        state="active",
        valid_from=clock.now() - timedelta(days=9),
        requested_by=catalog.person("stan"),
    )


def test_a_deny_leads_to_a_waiver_and_the_waiver_to_an_allow_for_one_application(
    pipeline: Asking, browsing: Browsing
) -> None:
    past_its_sunset()
    another_consumer("kiosk")
    for application in ("till", "kiosk"):
        assert pipeline("verdicts", application=application)["verdict"] == "deny"
    stan = browsing(catalog.person("stan"))
    stan.goto("/gate/")
    stan.get_by_role("row", name=re.compile("^Till")).get_by_role("link", name=re.compile("Deny")).click()
    expect(stan.get_by_text("version.past_sunset")).to_be_visible()
    stan.get_by_role("link", name="Ask for a waiver of this for till alone").click()
    stan.get_by_label("Reason").fill("The image of the tills is frozen.")
    stan.get_by_label("Until (UTC)").fill(f"{clock.now() + timedelta(days=5):%Y-%m-%dT%H:%M}")
    stan.get_by_role("button", name="Request the waiver").click()
    stan.wait_for_url(re.compile(r"/changes/\d+/"))
    settle()
    asked = ChangeRequest.objects.get().pk
    for name in ("paula", "ada"):
        approve(browsing(catalog.person(name)), asked)
    settle()

    allowed = pipeline("verdicts")
    assert (allowed["verdict"], len(allowed["waivers"])) == ("allow", 1)
    assert pipeline("verdicts", application="kiosk")["verdict"] == "deny"
    stan.goto("/gate/")
    expect(stan.get_by_role("row", name=re.compile("^Kiosk"))).to_contain_text("Deny")
    stan.get_by_role("row", name=re.compile("^Till")).get_by_role("link", name=re.compile("Allow")).click()
    expect(stan.get_by_text("Set aside by waiver")).to_be_visible()


def test_who_deploys_against_the_gate_is_seen_and_told(pipeline: Asking, browsing: Browsing) -> None:
    assert pipeline("verdicts", consumes=["price-api@v1"])["verdict"] == "deny"
    assert pipeline("deployments", consumes=["price-api@v1"])["against_gate"] is True
    settle()
    stan = browsing(catalog.person("stan"))
    stan.goto("/inbox/")
    stan.get_by_role("link", name=re.compile("Deployed against the gate: till 7.1")).click()
    expect(stan.get_by_text("Against the gate").first).to_be_visible()
    stan.goto("/deployments/")
    expect(stan.get_by_role("row", name=re.compile("till.*7.1"))).to_contain_text("Against the gate")


def test_a_version_that_ends_is_told_answered_browned_out_and_gone(pipeline: Asking, browsing: Browsing) -> None:
    version = ApiVersion.objects.get(api__slug="price-api", label="v2")
    sunset = clock.now() + timedelta(days=400)
    publication.deprecate(version.pk, sunset_at=sunset, successor=None, guide="", approval_id=2, actor=None)
    settle()
    assert SunsetNotice.objects.filter(step="announced").exists()
    stan, paula = browsing(catalog.person("stan")), browsing(catalog.person("paula"))
    stan.goto("/inbox/")
    stan.get_by_role("link", name=re.compile("Price API v2|price-api@v2")).first.click()
    paula.goto("/catalog/deprecations/")
    till = paula.get_by_role("row", name=re.compile("^Till.*production"))
    expect(till).to_contain_text("No answer")

    use = Subscription.objects.get(application__key="till", version=version, state="active")
    stan.goto(f"/catalog/subscriptions/{use.pk}/#move")
    stan.get_by_label(re.compile("Moves on|Gone by|By")).fill(f"{sunset - timedelta(days=30):%Y-%m-%d}")
    stan.get_by_role("button", name="Save the plan").click()
    paula.reload()
    expect(till).to_contain_text("Promised")

    paula.goto("/catalog/apis/price-api/versions/v2/brown-outs/")
    paula.get_by_label("From (UTC)").fill(f"{clock.now() + timedelta(hours=25):%Y-%m-%dT%H:%M}")
    paula.get_by_label("Environment").select_option("production")
    paula.get_by_role("button", name="Plan").click()
    expect(paula.get_by_text("The brown-out is planned, and its consumers are told.")).to_be_visible()
    settle()
    stan.goto("/inbox/")
    expect(stan.get_by_text(re.compile("rown-out")).first).to_be_visible()

    as_if_its_days_had_passed(version)
    assert [reason["code"] for reason in pipeline("verdicts")["reasons"]] == ["version.past_sunset"]
    paula.goto("/catalog/deprecations/")
    expect(paula.get_by_role("region", name=re.compile("Price API v2"))).to_contain_text("Past its sunset")
    stan.goto(f"/catalog/subscriptions/{use.pk}/")
    stan.get_by_role("button", name="End the subscription").click()
    paula.goto("/changes/new/?kind=version.retire&subject=price-api@v2&environment=production")
    paula.get_by_label("Title").fill("Retire v2 of the prices")
    paula.get_by_label("Why").fill("Nobody calls it any more.")
    paula.get_by_label("Rollback plan").fill("Publish v2 again.")
    paula.get_by_label("Planned from").fill(f"{clock.now():%Y-%m-%dT%H:%M}")
    paula.get_by_label("Planned until").fill("2090-01-01T00:00")
    paula.get_by_role("button", name="Open and submit").click()
    paula.wait_for_url(re.compile(r"/changes/\d+/$"))
    settle()
    asked = int(paula.url.rstrip("/").rpartition("/")[2])
    for name in ("piet", "ada"):
        approve(browsing(catalog.person(name)), asked)
    settle()
    version.refresh_from_db()
    paula.goto(f"/changes/{asked}/")
    assert version.state == "retired"
    assert "version.retired" in [reason["code"] for reason in pipeline("verdicts")["reasons"]]


def test_a_freeze_of_one_banner_stops_its_stores_and_no_others(pipeline: Asking, browsing: Browsing) -> None:
    for key in ("north", "south"):
        banner = ScopeValue.objects.create(dimension="banner", key=key, name=key.title())
        RetailStore.objects.create(key=f"{key}-0001", name=f"{key} 1", banner=banner)
    Environment.objects.filter(key="production").update(is_fleet=True)
    rita = browsing(make.person("rita", "release-managers"))
    rita.goto("/freezes/")
    rita.get_by_label("Name").fill("Opening of the south")
    rita.get_by_label("Banner of the stores").select_option("South")
    rita.get_by_label("Time zone", exact=True).fill("UTC")
    rita.get_by_label("From").fill(f"{clock.now() - timedelta(hours=1):%Y-%m-%dT%H:%M}")
    rita.get_by_label("Until").fill(f"{clock.now() + timedelta(hours=3):%Y-%m-%dT%H:%M}")
    rita.get_by_role("button", name=re.compile("Plan")).click()
    expect(rita.get_by_text("Opening of the south").first).to_be_visible()

    def said(store: str) -> list[str]:
        answer = pipeline("verdicts", instance=store)
        return [reason["code"] for reason in answer["reasons"] if reason["code"].startswith("freeze")]

    assert said("north-0001") == []
    assert said("south-0001") == ["freeze.active"]
    stan = browsing(catalog.person("stan"))
    stan.goto("/gate/applications/till/")
    stan.get_by_role("link", name=re.compile("Deny")).first.click()
    expect(stan.get_by_text("Opening of the south: nothing goes live before")).to_be_visible()
    expect(stan.get_by_text("instance south-0001")).to_be_visible()


def test_what_was_only_reported_stops_from_its_day_on(pipeline: Asking, browsing: Browsing) -> None:
    Api.objects.filter(slug="price-api").update(third_party=False)
    pipeline("deployments", version="7.0")
    places = Environment.objects.filter(key="production")
    places.update(records_complete_since=None, records_enforced_from=clock.now() + timedelta(days=1))
    first = pipeline("verdicts")
    assert (first["verdict"], first["enforcing"]) == ("unknown", False)
    stan = browsing(catalog.person("stan"))
    stan.goto("/gate/")
    expect(stan.get_by_text("Unknown, reported only").first).to_be_visible()
    expect(stan.get_by_role("heading", name="Would have been stopped")).to_be_visible()
    places.update(records_enforced_from=clock.now() - timedelta(minutes=1))
    second = pipeline("verdicts")
    assert (second["verdict"], second["enforcing"]) == ("unknown", True)
    stan.goto("/gate/")
    expect(stan.get_by_role("row", name=re.compile("^Till"))).not_to_contain_text("reported only")


def test_a_freeze_that_names_what_is_not_there_is_read_whole_on_a_phone(page: Any, sign_in: Any) -> None:
    freezes.plan(actor=None, name="Peak", calendar=TOMORROW, environment="production")
    with transaction.atomic():
        gate_estate.beneath(
            "update governance_freezewindow set unresolved = %s", '{"domain": "pricing-and-promotions"}'
        )
    sign_in(catalog.person("ada"))
    page.set_viewport_size({"width": 390, "height": 800})
    page.goto("/freezes/")
    said = page.get_by_text("'pricing-and-promotions' is not in the catalog.")
    expect(said).to_be_visible()
    box = said.bounding_box()
    assert box["x"] + box["width"] <= 390 - 16
