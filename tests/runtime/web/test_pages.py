"""Every page of the runtime: who sees it, and that junk is an answer and not a fault."""

from __future__ import annotations

import pytest
from django.urls import get_resolver, reverse

from runtime.models import VendorState
from tests.runtime import scene
from tests.runtime.watched import watched

pytestmark = pytest.mark.django_db

LISTS = (
    "today",
    "integrations",
    "runs",
    "dead-letters",
    "traces",
    "stores",
    "vendors",
    "connectors",
    "schedules",
    "register",
    "replays",
    "reconciliation",
    "recovery",
    "retention",
    "service-levels",
    "alerts",
    "alert-rules",
)
MOVED = {"old-dead-letter"}
OF_CHANGES = {"readers-panel"}  # belongs to a change or a version: test_readers_panel.py
JUNK = ("%00", "9" * 30, "é<b>" * 100, "parked.1.x.y")


@pytest.fixture
def day() -> scene.Day:
    return scene.day()


def addresses(day: scene.Day) -> list[str]:
    """One address of every page that is read."""
    letter, told = day.letters[0], watched(day)
    return [
        *(reverse(f"runtime:{name}") for name in LISTS),
        reverse("runtime:integration", args=["sales"]),
        *(
            reverse("runtime:integration-view", args=["sales", view])
            for view in ("mapping", "releases", "runs", "intake", "manifest")
        ),
        reverse("runtime:run", args=[day.run.pk]),
        reverse("runtime:dead-letter", args=[letter.subscription_id, letter.lane, letter.position]),
        reverse("runtime:rejected", args=[day.rejected.pk]),
        reverse("runtime:conflict", args=[day.conflict.pk]),
        reverse("runtime:schedule", args=[day.sales.integration.schedules.get().pk]),
        reverse("runtime:reconciliation-flow", args=["sales"]),
        reverse("runtime:replay", args=[day.replay.pk]),
        reverse("runtime:read-again", args=["sales"]),
        reverse("runtime:reading", args=[day.reading.pk]),
        reverse("runtime:vendor", args=[VendorState.objects.get(system_key="s4").pk]),
        reverse("runtime:replay-panel", args=["sales/journal"]) + f"?digest={day.replay.digest}",
        reverse("runtime:deploy-panel", args=["sales"]),
        reverse("runtime:destination-panel", args=["s4/production"]),
        reverse("runtime:integration-panel", args=["sales"]),
        reverse("runtime:integrations-of-api", args=["s4-sales"]),
        reverse("runtime:service-levels-of-api", args=["s4-sales"]),
        reverse("runtime:service-level", args=[told.level]),
        reverse("runtime:alert", args=[told.alert]),
        reverse("runtime:alert-rule", args=[told.rule]),
        reverse("runtime:traces") + f"?q={day.sales.correlation(day.places[0])}",
        reverse("runtime:erase") + f"?q={day.sales.correlation(day.places[0])}",
    ]


def actions(day: scene.Day) -> list[str]:
    """One address of everything that changes something."""
    letter, told = day.letters[0], watched(day)
    place = f"{letter.subscription_id}/{letter.lane}/{letter.position}"
    return [
        *(
            reverse(f"runtime:{name}", args=["sales"])
            for name in ("deploy", "pause", "resume", "start", "intake-grant", "hook-make")
        ),
        reverse("runtime:intake-revoke", args=["sales", 1]),
        reverse("runtime:hook-secret", args=["sales", 1]),
        reverse("runtime:hook-end", args=["sales", 1]),
        reverse("runtime:run-cancel", args=[day.run.pk]),
        reverse("runtime:replay-act", args=[day.replay.pk]),
        reverse("runtime:read-again", args=["sales"]),
        reverse("runtime:judge-rejected", args=["sales"]),
        reverse("runtime:reading-act", args=[day.reading.pk]),
        reverse("runtime:reconciliation-compare", args=["sales"]),
        reverse("runtime:dead-letter-settle", args=["parked", place]),
        reverse("runtime:dead-letter-settle", args=["rejected", str(day.rejected.pk)]),
        reverse("runtime:dead-letter-settle", args=["conflict", str(day.conflict.pk)]),
        reverse("runtime:schedule", args=[day.sales.integration.schedules.get().pk]),
        reverse("runtime:service-level", args=[told.level]),
        reverse("runtime:alert-acknowledge", args=[told.alert]),
        reverse("runtime:alert-rules"),
        reverse("runtime:alert-rule", args=[told.rule]),
        reverse("runtime:silence"),
        reverse("runtime:silence-change", args=[told.silence]),
        reverse("runtime:silence-end", args=[told.silence]),
    ]


def test_every_address_of_the_room_is_among_those_that_are_tried(day):
    named = {pattern.name for pattern in get_resolver("runtime.web.urls").url_patterns}
    resolve = get_resolver().resolve
    tried = {resolve(address.partition("?")[0]).url_name for address in addresses(day) + actions(day)}
    assert named - MOVED - OF_CHANGES == tried


def test_old_addresses_of_pages_redirect(client, day):
    client.force_login(day.people.rita)
    letter = day.letters[0]
    place = f"{letter.subscription_id}/{letter.lane}/{letter.position}"
    answer = client.get(f"/runtime/dead-letters/parked/{place}/?environment=production")
    assert answer.status_code == 302
    assert answer.headers["Location"] == f"/runtime/dead-letters/quarantined/{place}/?environment=production"


def test_every_page_opens_for_who_may_see_it(client, day):
    client.force_login(day.people.rita)
    for address in addresses(day):
        assert client.get(address).status_code == 200, address


def test_every_address_sends_who_is_not_signed_in_to_the_door(client, day):
    for address, answer in [(a, client.get(a)) for a in addresses(day)] + [(a, client.post(a)) for a in actions(day)]:
        assert answer.status_code == 302, address
        assert answer.headers["Location"].startswith("/sign-in/"), address


def test_a_person_of_no_team_sees_nothing_of_it(client, day):
    client.force_login(day.people.zoe)
    secrets = ("tax code R7", "0187-07-2026", "sale-to-journal", "Sales and finance", "S/4HANA Cloud")
    for address in addresses(day):
        answer = client.get(address)
        assert answer.status_code in (200, 404), address
        if (
            "q=" not in address and "panels/replays" not in address
        ):  # the panel of a change is for all who decide that change
            assert not [secret for secret in secrets if secret in answer.text], address


def test_a_person_of_another_team_may_change_nothing(client, day):
    client.force_login(day.people.petra)
    for address in actions(day):
        assert client.post(address, {"reason": "because", "act": "keep"}).status_code in (403, 404), address


def test_security_looks_and_does_not_touch(client, day):
    client.force_login(day.people.sam)
    assert (
        "Only Sales and finance, architects and release managers operate"
        in client.get(reverse("runtime:integration", args=["sales"])).text
    )
    for address in actions(day):
        assert client.post(address, {"reason": "because", "act": "keep"}).status_code == 403, address


@pytest.mark.thorough
def test_junk_in_an_address_is_never_a_fault(client, day):
    client.force_login(day.people.rita)
    parameters = ("q", "kind", "group", "store", "page", "before", "integration", "show", "day", "by", "target")
    for junk in JUNK:
        nowhere = {422} if junk == "%00" else {404, 405}
        for name in LISTS:
            query = "&".join(f"{parameter}={junk}" for parameter in parameters)
            assert client.get(reverse(f"runtime:{name}") + f"?{query}").status_code in (200, 404, 422), (name, junk)
        paths = (
            "runs/{}/",
            "dead-letters/quarantined/{}/0/1/",
            "dead-letters/settle/parked/{}/",
            "integrations/{}/",
            "integrations/sales/{}/",
            "replays/{}/",
            "vendors/{}/",
            "panels/replays/{}/",
            "panels/destinations/{}/",
            "panels/destinations/s4/{}/",
            "reconciliation/{}/",
            "alerts/{}/",
            "alerts/rules/{}/",
            "service-levels/{}/",
        )
        for path in (*paths, "?environment={}"):
            assert client.get("/runtime/" + path.format(junk)).status_code in nowhere, (path, junk)
        answer = client.get(f"/runtime/integrations/sales/?release={junk}")
        assert answer.status_code == (422 if junk == "%00" else 200), junk


@pytest.mark.thorough
def test_junk_in_a_form_is_never_a_fault(client, day):
    client.force_login(day.people.rita)
    names = ("release", "reason", "act", "payload", "rate", "group", "text", "expression", "zone", "enabled")
    names += ("share", "limit_s", "hours", "kind", "tier", "factor", "long", "teams", "severity", "name", "condition")
    for junk in JUNK:
        # judging again writes over the ledger's own connection, which does not see what this test has not committed
        seen = [address for address in actions(day) if "judge-rejected" not in address]
        for address in [*seen, reverse("runtime:dead-letters"), reverse("runtime:register")]:
            assert client.post(address, dict.fromkeys(names, junk)).status_code in (302, 403, 404, 409, 422), (
                address,
                junk,
            )
