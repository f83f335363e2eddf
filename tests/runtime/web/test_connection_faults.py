"""A fault of a connection on the pages, in the API and in the inbox: what is wrong, since when, what waits, what to do;
who may try now; and that all of it is gone when it works again."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.urls import reverse

from catalog.models import Environment, System, SystemEndpoint, Team
from governance.domain import inbox_items
from governance.models import Notice
from kernel import clock, outbox
from kernel.viewer import Viewer
from runtime.models import Run, TargetSubscription, VendorState
from runtime.selectors import connection_faults, gates, integrations, vendors
from runtime.services import runs
from tests.portal import make
from tests.runtime import scene
from tests.runtime.api.test_api import bearer

pytestmark = pytest.mark.django_db


@pytest.fixture
def day() -> scene.Day:
    made = scene.day()
    SystemEndpoint.objects.create(
        system=System.objects.get(key="s4"),
        environment=Environment.objects.get(key="production"),
        base_url="https://s4.example",
        secret_ref="env:S4_PASSWORD",
    )
    scene.systems_moved()
    return made


def at_fault(**more: Any) -> VendorState:
    now = clock.now()
    state: dict[str, Any] = {
        "breaker": "open",
        "fault": "credentials",
        "fault_detail": "401 Unauthorized",
        "fault_since": now - timedelta(minutes=12),
        "open_until": now + timedelta(minutes=4),
        "openings": 5,
        "last_error": "401 Unauthorized",
        "last_error_at": now,
    }
    VendorState.objects.filter(system_key="s4").update(**(state | more))
    return VendorState.objects.get(system_key="s4")


def page(client: Any, who: Any, name: str, *arguments: Any) -> str:
    client.force_login(who)
    answer = client.get(reverse(name, args=arguments))
    assert answer.status_code == 200, answer.content
    return " ".join(answer.content.decode().split())


def test_the_page_of_the_vendor_says_what_is_wrong_and_what_to_do(client, day):
    vendor = at_fault()
    said = page(client, day.people.sofia, "runtime:vendor", vendor.pk)
    waiting = vendors.one(Viewer.of(day.people.sofia), vendor.pk).waiting
    assert waiting > 1
    assert "Connection fault: credentials (401 Unauthorized)" in said
    assert f"{waiting:,} messages wait, nothing is lost" in said
    assert "Check the secret env:S4_PASSWORD of S/4HANA Cloud" in said
    assert "the next message tries in 4 min" in said
    assert "Try now" in said


@pytest.mark.parametrize("name", ["runtime:today", "runtime:vendors"])
def test_the_lists_count_it(client, day, name):
    at_fault()
    said = page(client, day.people.sofia, name)
    assert "Connection fault: credentials (401 Unauthorized)" in said


def test_the_page_of_the_integration_shows_it_and_its_gate_too(client, day):
    at_fault()
    said = page(client, day.people.sofia, "runtime:integration", "sales")
    assert "Connection fault: credentials (401 Unauthorized)" in said
    assert "Try now" in said
    subscription = TargetSubscription.objects.filter(vendor__system_key="s4").first()
    gate = gates.states([subscription.pk])[subscription.pk]
    assert not gate.open
    assert "credentials (401 Unauthorized)" in gate.says
    assert "Next probe in 4 min." in gate.says


def test_the_list_of_integrations_does_not_call_a_gate_open_that_waits_for_its_vendor(client, day):
    shown = {one.key: one.tone.word for one in integrations.listed(Viewer.of(day.people.sofia), "production")}
    assert shown["sales"] == "Gate open"
    at_fault()
    shown = {one.key: one.tone.word for one in integrations.listed(Viewer.of(day.people.sofia), "production")}
    assert shown["sales"] == "Partly waiting", "the ledger of points still takes calls"


def test_today_names_the_teams_that_own_what_is_at_fault(client, day):
    system = System.objects.get(key="s4")
    system.owner_team = Team.objects.get(key="pricing")
    system.save()
    at_fault()
    text = page(client, day.people.rita, "runtime:today")
    owners = re.findall(r'data-label="Owner">([^<]*)</td>', text)
    assert owners[0] == "Pricing, Sales and finance"


def test_who_looks_only_is_told_who_may_try(client, day):
    vendor = at_fault()
    said = page(client, day.people.sam, "runtime:vendor", vendor.pk)
    assert 'value="probe"' not in said
    assert "Only operators of an integration that calls it and the owners of the system try it." in said


def test_an_operator_lets_the_next_message_try_at_once(client, day):
    vendor = at_fault()
    client.force_login(day.people.sofia)
    answer = client.post(reverse("runtime:vendor", args=[vendor.pk]), {"act": "probe"})
    assert answer.status_code == 302
    vendor.refresh_from_db()
    assert vendor.open_until <= clock.now()
    assert (vendor.breaker, vendor.fault) == ("open", "credentials")
    subscription = TargetSubscription.objects.filter(vendor=vendor).first()
    gate = gates.states([subscription.pk])[subscription.pk]
    assert "The next message tries." in gate.says
    assert not gate.open, "it holds the flow until a call succeeds"


def test_back_leads_to_a_page_of_this_product_only(client, day):
    vendor = at_fault()
    client.force_login(day.people.sofia)
    for back, leads in (("/runtime/integrations/sales/", True), ("https://elsewhere.example/", False)):
        at_fault()
        answer = client.post(reverse("runtime:vendor", args=[vendor.pk]), {"act": "probe", "next": back})
        assert (answer["Location"] == back) is leads


def test_others_may_not_try_and_a_closed_breaker_has_nothing_to_try(client, day):
    vendor = at_fault()
    client.force_login(day.people.sam)
    assert client.post(reverse("runtime:vendor", args=[vendor.pk]), {"act": "probe"}).status_code == 403
    at_fault(breaker="closed", fault="", fault_since=None)
    client.force_login(day.people.sofia)
    answer = client.post(reverse("runtime:vendor", args=[vendor.pk]), {"act": "probe"})
    assert answer.status_code == 409
    assert "closed" in answer.content.decode()


def test_the_api_says_the_same_and_lets_operators_try(client, day):
    vendor = at_fault()
    headers = bearer(day.people.sofia)
    answer = client.get(reverse("runtime-api:vendor", args=[vendor.pk]), headers=headers)
    assert answer.status_code == 200, answer.content
    said = answer.json()
    assert (said["fault"], said["fault_detail"], said["breaker"]) == ("credentials", "401 Unauthorized", "open")
    (fault,) = said["faults"]
    assert fault["kind"] == "credentials"
    assert fault["target"] is None
    assert fault["waiting"] == said["waiting"] > 1
    assert fault["next_probe_at"]
    assert "env:S4_PASSWORD" in fault["to_do"]
    tried = client.post(reverse("runtime-api:vendor-breaker-probe", args=[vendor.pk]), headers=headers)
    assert tried.status_code == 200, tried.content
    vendor.refresh_from_db()
    assert vendor.open_until <= clock.now()


def owned(system: str, team: Group) -> None:
    System.objects.filter(key=system).update(owner_team=team.pk)


def test_the_inbox_of_both_owners_has_one_item_while_it_lasts(client, day):
    platform = make.team("erp-platform", "ERP platform")
    owner = make.person("erwin", platform)
    owned("s4", platform)
    vendor = at_fault()
    for who in (day.people.sofia, owner):
        said = page(client, who, "governance:inbox")
        assert said.count("Connection fault: credentials (401 Unauthorized)") == 1
        assert "closes by itself" in said
        assert "Check the secret env:S4_PASSWORD" in said
        assert "Try now" in page(client, who, "runtime:vendor", vendor.pk)
    assert "Connection fault" not in page(client, day.people.zoe, "governance:inbox")
    assert "Connection fault" not in page(client, day.people.petra, "governance:inbox")
    at_fault(breaker="closed", fault="", fault_detail="", fault_since=None)
    assert "Connection fault" not in page(client, day.people.sofia, "governance:inbox")
    assert "To be corrected" not in page(client, owner, "governance:inbox")


def test_a_password_that_is_rotated_for_all_stores_is_one_item_with_their_number(client, day):
    now = clock.now()
    stores = VendorState.objects.exclude(instance="")
    stores.update(breaker="open", fault="credentials", fault_detail="401 Unauthorized", fault_since=now)
    assert stores.count() == 6
    found = inbox_items.items(Viewer.of(day.people.petra))
    assert len(found) == 1
    assert "6 stores" in found[0].title
    assert all(one.instance in found[0].text for one in stores)
    stores.filter(instance="0101").update(fault="certificate")
    assert len(inbox_items.items(Viewer.of(day.people.petra))) == 2, "another kind of fault is another item"
    assert "5 stores" in page(client, day.people.petra, "governance:inbox")


def dispatch() -> None:
    while outbox.dispatch():
        pass


def test_owners_get_one_notice_which_is_done_with_after_the_success(client, day):
    platform = make.team("erp-platform", "ERP platform")
    owned("s4", platform)
    owner = make.person("erwin", platform)
    at_fault()
    at_fault(openings=6)
    dispatch()
    unread = Notice.objects.filter(kind="connection_fault", read_at=None)
    assert set(unread.values_list("person__username", flat=True)) == {"sofia", owner.username}
    assert "S/4HANA Cloud in production: Connection fault: credentials (401 Unauthorized)" in unread[0].text
    at_fault(breaker="closed", fault="", fault_detail="", fault_since=None)
    dispatch()
    assert not unread.exists()


def test_a_fault_of_one_target_alone_names_the_target(client, day):
    vendor = VendorState.objects.get(system_key="s4")
    subscription = TargetSubscription.objects.filter(vendor=vendor).first()
    TargetSubscription.objects.filter(pk=subscription.pk).update(
        fault="address",
        fault_detail="404 Not Found of /jornal",
        fault_since=clock.now(),
        fault_tries=1,
        held_until=clock.now() + timedelta(minutes=3),
    )
    said = page(client, day.people.sofia, "runtime:vendor", vendor.pk)
    assert "Connection fault: address (404 Not Found of /jornal)" in said
    assert f"S/4HANA Cloud: {subscription.target} in production" in said
    assert "The other targets of this system work." in said
    assert not gates.states([subscription.pk])[subscription.pk].open
    client.force_login(day.people.sofia)
    assert client.post(reverse("runtime:vendor", args=[vendor.pk]), {"act": "probe"}).status_code == 302
    subscription.refresh_from_db()
    assert subscription.held_until <= clock.now()


def test_a_source_that_cannot_be_read_stands_there_too_until_a_run_succeeds(client, day):
    def run(**end: Any) -> Run:
        made = Run.objects.create(
            integration=day.prices.integration,
            stream=day.prices.stream,
            deployment=day.prices.deployment,
            trigger="manual",
            kind="collect",
        )
        runs.finish(made.pk, **end)
        return made

    Run.objects.filter(stream=day.prices.stream, state="running").update(state="cancelled", ended_at=clock.now())
    failed = run(error="Connection fault of S/4HANA Cloud: credentials (401)", fault="credentials", system="s4")
    viewer = Viewer.of(day.people.petra)
    (fault,) = connection_faults.of_sources(viewer)
    assert (fault.run, fault.system_key, fault.kind) == (failed.pk, "s4", "credentials")
    for name, arguments in (("runtime:vendors", []), ("runtime:integration", ["prices"]), ("governance:inbox", [])):
        assert "Connection fault" in page(client, day.people.petra, name, *arguments), name
    run()
    assert connection_faults.of_sources(viewer) == []
