"""An application may be an agent: owner, purpose, limits. Its tokens never decide, whoever writes them and wherever."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.db import Error, connection, transaction
from django.test import Client

from catalog.models import Application
from kernel import tokens
from kernel.agents import DECIDING
from kernel.errors import Invalid
from kernel.models import ApiToken, AuditEntry, User
from tests.catalog import make

pytestmark = pytest.mark.django_db
AGENT = "/api/v1/applications/till/agent"
SAID = {"purpose": "It proposes orders of goods.", "limits": "It reads stock and asks the gate."}


@pytest.fixture(autouse=True)
def _estate() -> None:
    make.estate()


def put(client: Client, body: dict[str, Any]) -> Any:
    tag = client.get(AGENT).headers["ETag"]
    return client.put(AGENT, json.dumps(body), content_type="application/json", headers={"If-Match": tag})


def agent() -> User:
    assert put(make.client("stan"), SAID).status_code == 200
    return User.objects.get(username="agent-till")


def test_the_team_of_an_application_says_that_it_is_an_agent():
    stan = make.client("stan")
    assert stan.get(AGENT).json()["is_agent"] is False
    made = put(stan, SAID).json()
    assert (made["is_agent"], made["account"], made["owner_team"]) == (True, "agent-till", "store-systems")
    account = User.objects.get(username="agent-till")
    assert (account.kind, account.has_usable_password()) == ("agent", False)
    assert [group.name for group in account.groups.all()] == [Application.objects.get(key="till").team.group.name]
    assert AuditEntry.objects.filter(verb="catalog.agent_declared", subject_id="till").exists()
    assert put(make.client("lea"), SAID).json()["code"] == "application.not_yours"
    for wrong, pointer in (({"purpose": "Orders."}, "/purpose"), ({"limits": "None"}, "/limits")):
        answer = put(stan, SAID | wrong)
        assert (answer.status_code, answer.json()["findings"][0]["pointer"]) == (422, pointer)


def test_tokens_of_an_account_that_becomes_an_agent_lose_what_decides():
    robot = make.person("robot")
    _, deciding = tokens.issue(actor=None, user=robot, name="old", scopes=["gate:ask", "governance:write"])
    _, asking = tokens.issue(actor=None, user=robot, name="gate", scopes=["gate:ask"])
    assert put(make.client("stan"), SAID | {"account": "robot"}).status_code == 200
    assert tokens.find(deciding) is None
    assert tokens.find(asking) is not None
    entry = AuditEntry.objects.get(verb="catalog.agent_declared")
    assert entry.after["ended"] == 1


def test_only_a_service_account_of_the_team_alone_can_become_its_agent():
    for account in ("piet", "ghost", "ada"):
        answer = put(make.client("stan"), SAID | {"account": account})
        assert (answer.status_code, answer.json()["code"]) == (422, "agent.account")
    assert User.objects.get(username="piet").kind == "person"


@pytest.mark.parametrize("scope", DECIDING)
def test_no_token_of_an_agent_holds_a_deciding_scope(scope: str):
    account = agent()
    with pytest.raises(Invalid, match="is an agent"):
        tokens.issue(actor=None, user=account, name="ci", scopes=["gate:ask", scope])
    stan = make.client("stan")
    form = {"name": "ci", "owner": account.pk, "days": 30, "scopes": [scope]}
    page = stan.post("/settings/tokens/", form)
    assert (page.status_code, "is an agent" in make.shown(page)) == (422, True)
    _, secret = tokens.issue(actor=None, user=account, name="ci", scopes=["gate:ask"])
    for statement in (
        f"update kernel_apitoken set scopes = '[\"{scope}\"]' where user_id = {account.pk}",
        "insert into kernel_apitoken (user_id, name, prefix, token_hash, scopes, expires_at)"
        f" values ({account.pk}, 'x', 'x', 'x', '[\"{scope}\"]', now() + interval '1 day')",
    ):
        with pytest.raises(Error, match="deciding scope"), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)
    with connection.cursor() as cursor:  # beneath the triggers
        cursor.execute("set local session_replication_role = replica")
        cursor.execute(f"update kernel_apitoken set scopes = '[\"{scope}\"]' where user_id = {account.pk}")
        cursor.execute("set local session_replication_role = origin")
    assert tokens.find(secret) is None


def test_a_person_whom_the_administration_makes_an_agent_loses_deciding_tokens():
    piet = make.person("piet")
    _, secret = tokens.issue(actor=None, user=piet, name="mine", scopes=["catalog:write"])
    boss = User.objects.create(username="boss", is_superuser=True, is_staff=True)
    admin = Client()
    admin.force_login(boss, backend="django.contrib.auth.backends.ModelBackend")
    given = {
        "username": "piet",
        "kind": "agent",
        "date_joined_0": "2026-01-01",
        "date_joined_1": "00:00",
        "is_active": "on",
    }
    assert admin.post(f"/admin/kernel/user/{piet.pk}/change/", given).status_code == 302
    assert User.objects.get(pk=piet.pk).kind == "agent"
    assert tokens.find(secret) is None
    assert ApiToken.objects.get(user=piet).revoked_at is not None


def test_an_agent_is_no_administrator_and_never_without_owner_purpose_and_limits():
    account = agent()
    for statement in (
        f"update kernel_user set is_superuser = true where id = {account.pk}",
        "update catalog_application set team_id = null where key = 'till'",
        "update catalog_application set agent_purpose = ' ' where key = 'till'",
        f"update catalog_application set agent_account_id = {make.person('piet').pk} where key = 'till'",
    ):
        with pytest.raises(Error), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)


def test_an_agent_decides_nothing_in_a_session_either():
    session = Client()
    session.force_login(agent(), backend="django.contrib.auth.backends.ModelBackend")
    tag = session.get(AGENT).headers["ETag"]
    answer = session.put(AGENT, json.dumps(SAID), content_type="application/json", headers={"If-Match": tag})
    assert (answer.status_code, answer.json()["code"]) == (403, "decision.by_agent")


def test_what_is_no_agent_any_more_has_no_account():
    account = agent()
    _, secret = tokens.issue(actor=None, user=account, name="ci", scopes=["gate:ask"])
    stan = make.client("stan")
    tag = stan.get(AGENT).headers["ETag"]
    assert stan.delete(AGENT, headers={"If-Match": tag}).status_code == 204
    assert stan.get(AGENT).json()["is_agent"] is False
    assert tokens.find(secret) is None
    assert put(stan, SAID).json()["account"] == "agent-till"


def test_tokens_of_an_agent_that_ended_stay_dead_when_it_is_declared_again():
    account = agent()
    _, secret = tokens.issue(actor=None, user=account, name="ci", scopes=["gate:ask"])
    stan = make.client("stan")
    stan.delete(AGENT, headers={"If-Match": stan.get(AGENT).headers["ETag"]})
    assert AuditEntry.objects.filter(verb="kernel.token_revoked").count() == 1
    assert AuditEntry.objects.get(verb="catalog.agent_ended").after["ended"] == 1
    assert put(stan, SAID).json()["account"] == "agent-till"
    assert tokens.find(secret) is None
    _, fresh = tokens.issue(actor=None, user=account, name="ci", scopes=["gate:ask"])
    assert tokens.find(fresh) is not None


def test_a_token_that_outlived_the_end_of_its_agent_dies_when_the_agent_comes_back():
    account = agent()
    stan = make.client("stan")
    stan.delete(AGENT, headers={"If-Match": stan.get(AGENT).headers["ETag"]})
    _, secret = tokens.issue(actor=None, user=account, name="late", scopes=["gate:ask"])
    assert put(stan, SAID).status_code == 200
    assert tokens.find(secret) is None


def test_the_page_of_an_application_shows_the_agent():
    stan = make.client("stan")
    assert "Make it an agent" in make.shown(stan.get("/catalog/applications/till/"))
    assert stan.post("/catalog/applications/till/agent/", SAID | {"purpose": "Orders."}).status_code == 422
    assert stan.post("/catalog/applications/till/agent/", SAID).status_code == 302
    page = make.shown(stan.get("/catalog/applications/till/"))
    assert "It proposes orders of goods." in page
    assert "its tokens decide nothing" in page
    assert stan.post("/catalog/applications/till/agent/end/").status_code == 302
    assert "Make it an agent" in make.shown(stan.get("/catalog/applications/till/"))


def test_a_verdict_about_an_agent_names_the_team_that_owns_it():
    _, secret = tokens.issue(actor=None, user=agent(), name="ci", scopes=["gate:ask"])
    asked = {"application": "till", "version": "1", "environment": "production", "consumes": ["price-api@v3"]}
    answer = Client(headers={"Authorization": f"Bearer {secret}"}).post(
        "/api/v1/gate/verdicts", json.dumps(asked), content_type="application/json"
    )
    whos = {reason["who"] for reason in answer.json()["reasons"]}
    assert "team store-systems, which owns the agent till" in whos
    assert "the asking team" not in whos
