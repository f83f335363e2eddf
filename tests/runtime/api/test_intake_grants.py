"""A till's token hands in to the integrations that have granted it, and can do nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse

from kernel import tokens
from kernel.models import AuditEntry, User
from runtime.models import Deployment, IntakeGrant, Message
from tests.portal import make
from tests.runtime import scene

pytestmark = pytest.mark.django_db(transaction=True)

EVENT = {"name": "sale", "meaning": "fact", "key": "/id"}


class Estate:
    """Two integrations of two teams, a till without any team, and its token."""

    def __init__(self, client: Any) -> None:
        self.client, self.people = client, scene.estate()
        for key, team in (("sales", "sales-finance"), ("returns", "pricing")):
            manifest = {**scene.SALES, "integration": key, "event": EVENT, "owner": team}
            scene.Site(manifest, self.people.groups[team])
        self.stores = make.team("stores", "Stores", "consumer")
        self.till = User.objects.create(username="till-0187", kind=User.Kind.SERVICE)

    def call(self, method: str, path: str, body: Any = None, *, user: User | None = None, scopes: Any = ()) -> Any:
        who = user or self.till
        _, secret = tokens.issue(actor=None, user=who, name="t", scopes=scopes or ["intake:write"])
        given = {"data": body, "content_type": "application/json"} if body is not None else {}
        headers = {"Authorization": f"Bearer {secret}"}
        return getattr(self.client, method)(f"/api/v1/{path}", headers=headers, **given)

    def push(self, key: str = "sales", *, environment: str = "production", **more: Any) -> int:
        return int(
            self.call("post", f"intake/{key}/?environment={environment}", {"items": [{"id": "a"}]}, **more).status_code
        )

    def grant(self, key: str = "sales", *, by: User | None = None, **to: Any) -> Any:
        body = to or {"account": "till-0187"}
        owner = by or self.people.sofia
        return self.call(
            "post", f"integrations/{key}/intake-grants", body, user=owner, scopes=["runtime:read", "runtime:write"]
        )


@pytest.fixture
def estate(client: Any) -> Estate:
    return Estate(client)


def test_a_till_hands_in_where_it_is_granted_and_everything_else_looks_like_nothing(estate):
    assert estate.push() == 404
    unknown = estate.call("post", "intake/nothing/", {"items": []}).json()
    refused = estate.call("post", "intake/sales/", {"items": []}).json()
    assert {name: value for name, value in refused.items() if name not in ("request_id", "detail")} == {
        name: value for name, value in unknown.items() if name not in ("request_id", "detail")
    }
    assert refused["detail"].replace("sales", "nothing") == unknown["detail"]
    assert estate.grant().status_code == 201
    assert estate.push() == 202
    assert estate.push("returns") == 404
    assert estate.push(environment="test") == 404
    assert Message.objects.count() == 1


def test_it_can_neither_read_nor_operate(estate):
    estate.grant()
    both = ["intake:write"]
    for method, path, body in (
        ("get", "integrations", None),
        ("get", "integrations/sales", None),
        ("get", "integrations/sales/intake-grants", None),
        ("get", "runs", None),
        ("get", "messages?q=a", None),
        ("get", "dead-letters", None),
        ("post", "integrations/sales/pause", {"environment": "production", "paused": True, "reason": "x"}),
        ("post", "integrations/sales/runs", {}),
        ("post", "integrations/sales/intake-grants", {"account": "till-0187"}),
    ):
        answer = estate.call(method, path, body, scopes=both)
        assert answer.status_code == 403, path
        assert answer.headers["Content-Type"] == "application/problem+json"
    everything = ["intake:write", "runtime:read", "runtime:write"]
    pause = {"environment": "production", "paused": True, "reason": "x"}
    assert estate.call("post", "integrations/sales/pause", pause, scopes=everything).status_code == 404
    assert estate.call("get", "integrations/sales", scopes=everything).status_code == 404
    assert not Deployment.objects.filter(paused=True).exists()


def test_the_scope_is_needed_beside_the_grant_and_the_grant_beside_the_scope(estate):
    estate.grant()
    assert estate.push(scopes=["runtime:read"]) == 403
    assert estate.push(scopes=["runtime:write"]) == 404  # the till may not see the integration, let alone operate it
    assert estate.push(scopes=["runtime:write", "intake:write"]) == 202
    assert (
        estate.push(user=estate.people.sofia, scopes=["intake:write"]) == 404
    )  # an owner's till token is no operator's


def test_tokens_of_operators_hand_in_as_before(estate):
    assert estate.push(user=estate.people.sofia, scopes=["runtime:write"]) == 202
    assert estate.push(user=estate.people.rita, scopes=["runtime:write"]) == 202
    assert estate.push(user=estate.people.sam, scopes=["runtime:write"]) == 403
    assert estate.push(user=estate.people.zoe, scopes=["runtime:write"]) == 404


def test_a_team_is_granted_for_all_its_accounts_and_one_that_leaves_it_loses_it_at_once(estate):
    assert estate.grant(team="stores").status_code == 201
    assert estate.push() == 404
    estate.till.groups.add(estate.stores)
    assert estate.push() == 202
    estate.till.groups.clear()
    assert estate.push() == 404


def test_a_revoked_grant_ends_at_once_and_both_are_in_the_audit_ledger(estate):
    number = estate.grant().json()["id"]
    assert estate.grant().json()["id"] == number  # the same again
    rights = {"user": estate.people.sofia, "scopes": ["runtime:read", "runtime:write"]}
    for _ in range(2):
        assert estate.call("delete", f"integrations/sales/intake-grants/{number}", **rights).status_code == 204
    assert estate.push() == 404
    verbs = AuditEntry.objects.filter(verb__startswith="runtime.intake").order_by("id").values_list("verb", flat=True)
    assert list(verbs) == ["runtime.intake_granted", "runtime.intake_revoked"]
    assert estate.call("get", "integrations/sales/intake-grants", **rights).json() == []
    assert estate.grant().json()["id"] != number
    assert estate.push() == 202


def test_only_the_owner_grants(estate):
    assert estate.grant(by=estate.people.rita).status_code == 403  # operates everything, owns nothing
    assert estate.grant(by=estate.people.petra).status_code == 404
    other = estate.grant("returns", by=estate.people.petra).json()["id"]
    rights = {"user": estate.people.sofia, "scopes": ["runtime:write"]}
    assert estate.call("delete", f"integrations/sales/intake-grants/{other}", **rights).status_code == 404
    assert IntakeGrant.objects.get().revoked_at is None


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/account"),
        ({"account": "till-0187", "team": "stores"}, "/account"),
        ({"account": "nobody"}, "/account"),
        ({"team": "nobody"}, "/team"),
        ({"account": "\u0000"}, None),
        ({"account": 7, "team": []}, None),
    ],
)
def test_what_cannot_be_granted_says_why(estate, body, pointer):
    answer = estate.call(
        "post", "integrations/sales/intake-grants", body, user=estate.people.sofia, scopes=["runtime:write"]
    )
    assert answer.status_code == 422, answer.content
    assert pointer is None or [one["pointer"] for one in answer.json()["findings"]] == [pointer]
    assert not IntakeGrant.objects.exists()


def test_the_command_grants_and_revokes(estate, capsys):
    call_command("intake_grant", "sales", "production", "--account", "till-0187")
    assert estate.push() == 202
    call_command("intake_grant", "sales", "production", "--account", "till-0187", "--revoke")
    assert estate.push() == 404
    assert "till-0187 may hand in to sales." in capsys.readouterr().out
    with pytest.raises(CommandError, match="no active account"):
        call_command("intake_grant", "sales", "production", "--account", "nobody")


def test_the_page_grants_and_revokes_for_the_owner_and_says_why_not_to_others(estate, client):
    page = reverse("runtime:integration-view", args=["sales", "intake"])
    client.force_login(estate.people.sofia)
    answer = client.post(reverse("runtime:intake-grant", args=["sales"]), {"account": "till-0187"})
    assert (answer.status_code, answer.headers["Location"]) == (302, page)
    assert "till-0187" in client.get(page).content.decode()
    made = IntakeGrant.objects.get()
    client.force_login(estate.people.rita)
    assert "Only sales-finance" in client.get(page).content.decode().replace("Sales and finance", "sales-finance")
    assert client.post(reverse("runtime:intake-revoke", args=["sales", made.pk])).status_code == 403
    client.force_login(estate.people.sofia)
    assert client.post(reverse("runtime:intake-revoke", args=["sales", made.pk])).status_code == 302
    assert "Nobody but its operators" in client.get(page).content.decode()
    assert client.post(reverse("runtime:intake-grant", args=["sales"]), {"account": "nobody"}).status_code == 422
