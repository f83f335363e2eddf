"""A system that an integration calls has moved since the approval: the gate says no by a code of its own, whatever part
of the destination it is, until a change of the destination is approved. No waiver opens it."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.test import Client

from catalog.models import SystemEndpoint
from governance.domain.subject import Subject
from governance.models import ChangeRequest
from governance.services import applying, changes, checks, waivers
from kernel import clock
from kernel.errors import Invalid
from kernel.models import User
from runtime.services import deployments, destination_kind
from tests.governance import gate_estate, make
from tests.governance.gate_estate import FEED, beneath

pytestmark = pytest.mark.django_db
MOVED = "approval.destination_moved"
ELSEWHERE: dict[str, Any] = {
    "base_url": "http://127.0.0.1:9999",
    "secret_ref": "env:TILLGATE_SECRET_OTHER",
    "trust_ref": "env:TILLGATE_SECRET_CERTIFICATES",
    "auth_kind": "header",
    "further_hosts": ["evil.example.com"],
}


@pytest.fixture
def client() -> Client:
    gate_estate.build()
    gate_estate.calling_feed()
    return gate_estate.client()


def shop() -> SystemEndpoint:
    return SystemEndpoint.objects.get(system__key="shop", environment__key="production")


def asked(client: Client) -> tuple[str, list[dict[str, Any]]]:
    body = {"version": "2", "environment": "production", "consumes": []} | gate_estate.brings(gate_estate.newest())
    found = client.post("/api/v1/gate/verdicts", json.dumps(body), content_type="application/json").json()
    return found["verdict"], found["reasons"]


def _approve_the_move() -> None:
    """Of where the shop is now, by its owner and security."""
    for key in ("order-team", "security", "architects"):
        make.team(key)
    row = shop()
    said = {name: getattr(row, name) for name in destination_kind.endpoints.FIELDS if getattr(row, name)}
    change: ChangeRequest = changes.open_change(
        author=User.objects.get(username="otto"),
        kind=destination_kind.KEY,
        subjects=[Subject("destination", "shop/production", "sha256:" + "0" * 64)],
        environment="production",
        title="The shop moves",
        justification="It moves to another hall.",
        rollback_plan="The old address is put back by a change.",
        planned_from=clock.now() - timedelta(minutes=1),
        planned_until=clock.now() + timedelta(days=1),
        parameters=said,
    )
    changes.submit(change, actor=change.author)
    checks.run_checks(change.pk)
    change.refresh_from_db()
    make.approve(
        change, User.objects.get(username="olga"), make.person("sue", "security"), User.objects.get(username="ada")
    )
    applying.apply(change)


@pytest.mark.parametrize("part", ELSEWHERE)
def test_the_gate_denies_what_was_approved_for_another_destination_until_the_new_one_is(client: Client, part: str):
    assert asked(client) == ("allow", [])
    SystemEndpoint.objects.filter(pk=shop().pk).update(**{part: ELSEWHERE[part]})
    word, (reason,) = asked(client)
    assert (word, reason["code"], reason["word"]) == ("deny", MOVED, "deny")
    assert "shop/production" in reason["fix"]
    assert reason["who"] == "team order-team"
    _approve_the_move()
    assert asked(client) == ("allow", [])


def test_an_endpoint_that_is_gone_has_moved_and_one_that_is_put_back_has_not(client: Client):
    before = shop()
    SystemEndpoint.objects.all().delete()
    assert [reason["code"] for reason in asked(client)[1]] == [MOVED]
    before.save(force_insert=True)
    assert asked(client) == ("allow", [])


def test_a_release_that_does_not_run_any_more_is_approved_anew_for_another_destination(client: Client):
    deployments.retire(FEED, "production", reason="It is over.", actor=None)
    SystemEndpoint.objects.filter(pk=shop().pk).update(base_url=ELSEWHERE["base_url"])
    (reason,) = asked(client)[1]
    assert (reason["code"], reason["fix"]) == (MOVED, "Have the release approved anew, for where shop answers now.")


def test_an_approval_without_the_row_of_what_it_binds_does_not_hold(client: Client):
    """As a restore of a part would leave it: nobody knows that the shop is where it was."""
    beneath("delete from runtime_approveddestination")
    assert [reason["code"] for reason in asked(client)[1]] == [MOVED]


def test_nobody_asks_for_a_waiver_of_it(client: Client):
    with pytest.raises(Invalid) as refused, transaction.atomic():
        _waiver(rule=MOVED)
    assert [found["pointer"] for found in refused.value.findings] == ["/rule"]
    assert "system.destination" in refused.value.findings[0]["message"]


def test_a_waiver_of_it_that_a_row_says_was_granted_opens_nothing(client: Client):
    SystemEndpoint.objects.filter(pk=shop().pk).update(base_url=ELSEWHERE["base_url"])
    _waiver(rule="approval.missing")
    beneath("update governance_waiver set rule = %s, state = 'granted', granted_at = now()", MOVED)
    word, (reason,) = asked(client)
    assert (word, reason["waived_by"]) == ("deny", None)


def _waiver(rule: str) -> None:
    waivers.propose(
        actor=User.objects.get(username="otto"),
        rule=rule,
        pointer=f"/integrations/items/{FEED}",
        subject=Subject("integration", FEED, gate_estate.newest()),
        environment="production",
        reason="The shop has moved already.",
        expires_at=clock.now() + timedelta(days=5),
        application="order-hub",
        submit=False,
    )
