"""Teams and tokens: issue, show once, revoke, and never wider than the issuer."""

from __future__ import annotations

import pytest

from kernel import tokens
from kernel.models import ApiToken, AuditEntry
from portal.tokens import EXAMPLES
from tests.portal import make

pytestmark = pytest.mark.django_db
PATH = "/settings/tokens/"


def issue(client, account, **more):
    form = {"name": "price pipeline", "owner": account.pk, "days": 30, "scopes": ["gate:ask", "catalog:read"], **more}
    return client.post(PATH, form)


def test_the_secret_is_shown_once_and_works(client):
    ann = make.person("ann")
    client.force_login(ann)
    answer = issue(client, ann)
    secret = answer.context["secret"]
    assert answer.status_code == 201
    assert "no-store" in answer.headers["Cache-Control"]
    assert secret in answer.text
    assert tokens.find(secret).user == ann
    assert secret not in client.get(PATH).text
    assert AuditEntry.objects.get(verb="kernel.token_issued").actor == ann


@pytest.mark.parametrize("scope", EXAMPLES)
def test_the_example_beside_a_new_token_works(client, scope):
    ann = make.person("ann")
    client.force_login(ann)
    answer = issue(client, ann, scopes=[scope])
    example, secret = answer.context["example"], answer.context["secret"]
    assert example in answer.text
    client.logout()
    assert client.get(example, headers={"Authorization": f"Bearer {secret}"}).status_code == 200


def test_a_token_without_scope_or_name_is_refused_beside_the_field(client):
    ann = make.person("ann")
    client.force_login(ann)
    answer = issue(client, ann, scopes=[], name="")
    assert answer.status_code == 422
    assert "Choose at least one permission" in answer.text
    assert 'href="#id_name"' in answer.text
    assert not ApiToken.objects.exists()


@pytest.mark.parametrize(
    "more",
    [
        {"days": 4000},
        {"scopes": ["everything"]},
        {"owner": "999999"},
        {"name": "x" * 81},
        {"name": "a\x00b"},
        {"days": "many"},
    ],
)
def test_values_outside_the_choices_are_refused(client, more):
    ann = make.person("ann")
    client.force_login(ann)
    assert issue(client, ann, **more).status_code == 422
    assert not ApiToken.objects.exists()


def test_a_member_issues_for_the_service_account_of_the_team(client):
    pricing = make.team("pricing")
    ann, pipeline = make.person("ann", pricing), make.service("price-pipeline", pricing)
    client.force_login(ann)
    assert issue(client, pipeline).status_code == 201
    assert ApiToken.objects.get().user == pipeline


def test_a_service_account_of_another_team_is_out_of_reach(client):
    pricing, sales = make.team("pricing"), make.team("sales")
    ann, wider = make.person("ann", pricing), make.service("wide-pipeline", pricing, sales)
    client.force_login(ann)
    assert issue(client, wider).status_code == 422
    assert "wide-pipeline" not in client.get(PATH).text


def test_nobody_issues_in_another_persons_name_not_even_an_administrator(client):
    ann, root = make.person("ann"), make.person("root", is_superuser=True)
    client.force_login(root)
    assert issue(client, ann).status_code == 422


def test_a_revoked_token_stays_listed_and_no_longer_works(client):
    ann = make.person("ann")
    client.force_login(ann)
    secret = issue(client, ann).context["secret"]
    token = ApiToken.objects.get()
    assert client.post(f"{PATH}{token.pk}/revoke/").url == PATH
    assert tokens.find(secret) is None
    page = client.get(PATH)
    assert page.context["tokens"][0]["tone"].word == "Revoked"
    assert AuditEntry.objects.filter(verb="kernel.token_revoked").count() == 1


def test_a_foreign_token_looks_as_if_it_did_not_exist(client):
    ann, bob = make.person("ann"), make.person("bob")
    token, secret = tokens.issue(actor=bob, user=bob, name="bob's", scopes=["gate:ask"])
    client.force_login(ann)
    foreign, missing = client.post(f"{PATH}{token.pk}/revoke/"), client.post(f"{PATH}{token.pk + 1}/revoke/")
    assert (foreign.status_code, missing.status_code) == (404, 404)
    assert tokens.find(secret) is not None
    assert "bob&#x27;s" not in client.get(PATH).text


def test_an_administrator_may_revoke_a_leaked_token(client):
    bob, root = make.person("bob"), make.person("root", is_superuser=True)
    token, secret = tokens.issue(actor=bob, user=bob, name="leaked", scopes=["gate:ask"])
    client.force_login(root)
    assert client.post(f"{PATH}{token.pk}/revoke/").status_code == 302
    assert tokens.find(secret) is None


def test_my_teams_are_listed_with_their_people(client):
    pricing = make.team("pricing", "Pricing team")
    ann, _, _ = make.person("ann", pricing), make.person("bob", pricing), make.service("bot", pricing)
    client.force_login(ann)
    row = client.get(PATH).context["teams"][0]
    assert (row["team"].name, row["members"]) == ("Pricing team", ["ann", "bob"])
