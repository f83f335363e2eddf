"""The gate over HTTP, on a real small catalog."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.test import Client

from catalog.models import ApiVersion, Application, Environment, Subscription
from governance.models import Verdict
from governance.services import approvals, freezes, policies, release_records, verdicts
from kernel import clock, tokens
from kernel.viewer import SYSTEM
from tests.catalog import make as catalog
from tests.governance import make

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def estate() -> None:
    catalog.estate()
    policies.install(level="organisation", document=make.POLICY, actor=None)


def ask(**more: object) -> dict:
    question = {
        "application": "till",
        "version": "7.1",
        "environment": "production",
        "consumes": ["price-api@v2"],
    } | more
    return dict(verdicts.ask(question, viewer=SYSTEM).document)


def codes(answer: dict) -> list[str]:
    return [reason["code"] for reason in answer["reasons"]]


def test_a_subscribed_published_version_is_allowed():
    answer = ask()
    assert (answer["verdict"], answer["reasons"]) == ("allow", [])


@pytest.mark.parametrize(
    ("question", "verdict", "code"),
    [
        ({"consumes": ["price-api@v1"]}, "deny", "version.retired"),
        ({"consumes": ["price-api@v3"]}, "deny", "version.not_published"),
        ({"consumes": ["nobody@v9"]}, "unknown", "version.unknown"),
        ({"application": "web-shop"}, "deny", "subscription.missing"),
        ({"application": "nobody"}, "unknown", "application.unknown"),
        ({"environment": "moon"}, "unknown", "environment.unknown"),
        ({"consumes": None}, "unknown", "evidence.no_consumes"),
        ({"consumes": []}, "unknown", "evidence.nothing_declared"),
        ({"integrations": [{"key": "sales", "digest": "sha256:" + "a" * 64}]}, "deny", "approval.missing"),
        (
            {"consumes": [{"version": "price-api@v2", "contract_digest": "sha256:" + "b" * 64}]},
            "unknown",
            "contract.uncompared",
        ),
    ],
)
def test_what_must_not_pass_does_not_and_says_why(question: dict, verdict: str, code: str):
    answer = ask(**question)
    assert answer["verdict"] == verdict, answer
    assert code in codes(answer)
    assert answer["flip"]


def test_every_consumer_of_what_is_provided_is_evidence_however_many_there_are():
    version, production = (
        ApiVersion.objects.get(api__slug="price-api", label="v2"),
        Environment.objects.get(key="production"),
    )
    many = Application.objects.bulk_create([Application(key=f"app-{n}", name=f"App {n}") for n in range(600)])
    Subscription.objects.bulk_create(
        Subscription(application=one, version=version, environment=production, state="active", valid_from=clock.now())
        for one in many
    )
    ask(consumes=[], provides=["price-api@v2"])
    told = Verdict.objects.get().evidence["provided"]["items"]["price-api@v2"]["consumers"]
    assert (
        told["total"]
        == len(told["items"])
        == Subscription.objects.filter(version=version, environment=production).exclude(application__key="till").count()
    ), "the asker uses it no more"


def test_a_version_is_denied_from_its_sunset_on():
    now = clock.now()
    ApiVersion.objects.filter(api__slug="price-api", label="v2").update(
        state="deprecated", deprecated_at=now - timedelta(days=300), sunset_at=now + timedelta(hours=1)
    )
    assert ask()["verdict"] == "allow"
    assert "version.past_sunset" in codes(ask(as_of=(now + timedelta(hours=2)).isoformat()))


def test_a_freeze_denies_while_it_is_open():
    now = clock.now()
    calendar = {
        "kind": "once",
        "zone": "UTC",
        "from": f"{now:%Y-%m-%dT%H:%M}",
        "until": f"{now + timedelta(hours=2):%Y-%m-%dT%H:%M}",
    }
    freezes.plan(actor=None, name="Peak", calendar=calendar, environment="production", tier=1)
    assert codes(ask()) == ["freeze.active"]
    assert ask(as_of=(now + timedelta(hours=3)).isoformat())["verdict"] == "allow"


def test_a_deployment_replaces_and_a_release_coexists_until_its_end():
    body = {
        "application": "till",
        "version": "1",
        "environment": "production",
        "instance": "store-7",
        "consumes": ["price-api@v2"],
    }
    first = release_records.record_deployment(body, viewer=SYSTEM)
    assert release_records.record_deployment(body, viewer=SYSTEM).pk == first.pk
    release_records.record_deployment(body | {"version": "2"}, viewer=SYSTEM)
    first.refresh_from_db()
    assert first.ended_at is not None
    release_records.record_release(body, viewer=SYSTEM)
    release_records.record_release(body | {"version": "2"}, viewer=SYSTEM)
    assert len(release_records.end_release(body, viewer=SYSTEM)) == 1
    assert release_records.end_release(body, viewer=SYSTEM) == []


def test_the_api_sends_the_stored_bytes_and_reproduces_them():
    _, secret = tokens.issue(actor=None, user=catalog.person("robot"), name="ci", scopes=["gate:ask", "record:write"])
    client = Client(headers={"Authorization": f"Bearer {secret}"})
    question = {
        "application": "till",
        "version": "7.1",
        "environment": "production",
        "consumes": ["price-api@v2"],
        "as_of": "2026-11-23T12:00:00Z",
    }
    answers = [
        client.post("/api/v1/gate/verdicts", json.dumps(question), content_type="application/json") for _ in range(2)
    ]
    assert [a.status_code for a in answers] == [200, 200]
    assert answers[0].content == answers[1].content
    number = answers[0]["Verdict-Id"]
    assert answers[0]["Location"].endswith(f"/api/v1/gate/verdicts/{number}")
    assert (
        client.get(f"/api/v1/gate/verdicts/{number}").content
        == answers[0].content
        == Verdict.objects.get(pk=number).answer.encode()
    )
    again = client.post(f"/api/v1/gate/verdicts/{number}/reproduce")
    assert again.json()["same"] is True
    assert (
        client.get(f"/api/v1/gate/verdicts/{number}/evidence").json()["evidence"]["consumed"]["items"]["price-api@v2"][
            "state"
        ]
        == "published"
    )
    for bad in (
        "[]",
        '{"application": 1}',
        '{"application": "a", "version": "1", "environment": "x", "as_of": "noon"}',
        '{"surprise": 1}',
    ):
        response = client.post("/api/v1/gate/verdicts", bad, content_type="application/json")
        assert (response.status_code, response.json()["code"]) == (422, "gate.question")
    body = {key: question[key] for key in ("application", "version", "environment", "consumes")}
    assert client.post("/api/v1/gate/deployments", json.dumps(body), content_type="application/json").status_code == 201
    assert client.post("/api/v1/gate/releases", json.dumps(body), content_type="application/json").status_code == 201
    assert client.post("/api/v1/gate/releases/end", json.dumps(body), content_type="application/json").json() == {
        "ended": 1,
        "against_gate": False,
        "still_recorded": 1,
    }


def test_asking_costs_few_queries(django_assert_max_num_queries):
    with django_assert_max_num_queries(24):
        ask()


@pytest.mark.parametrize(
    ("code", "word", "told"),
    [
        ("approval.void", "deny", "approval.void"),
        ("check.blocking", "deny", "approval.check_blocking"),
        ("approval.invented_later", "unknown", "approval.unmet"),
    ],
)
def test_an_unmet_approval_is_told_by_its_code_and_an_unknown_code_is_never_a_no(
    monkeypatch: pytest.MonkeyPatch, code: str, word: str, told: str
):
    def standing(*_: object, **__: object) -> tuple[None, list[dict[str, str]]]:
        return None, [{"code": code, "message": "Not now.", "fix": "Wait."}]

    monkeypatch.setattr(approvals, "standing", standing)
    answer = ask(integrations=[{"key": "sales", "digest": "sha256:" + "a" * 64}])
    about = [
        (r["word"], r["code"], r["fix"])
        for r in answer["reasons"]
        if r["pointer"].startswith("/integrations/items/sales")
    ]
    assert (word, told, "Wait.") in about
    assert not [r for r in about if r[1].startswith("approval.") and r[1] != told]
