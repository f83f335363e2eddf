"""The gate answers exactly what was asked, of now, or says that it does not: what is malformed is refused, and an
answer as of another time is a what-if, however near that time is."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from governance.domain import question as questions
from governance.models import ApplicationRelease, Verdict
from governance.services import freezes, policies
from kernel import clock, tokens
from kernel.digest import digest_bytes, digest_of
from tests.catalog import make as catalog
from tests.governance import make

pytestmark = pytest.mark.django_db
QUESTION = {"application": "till", "version": "7.1", "environment": "production", "consumes": ["price-api@v2"]}
ADDRESS = "/api/v1/gate/verdicts"


@pytest.fixture
def client() -> Client:
    catalog.estate()
    policies.install(level="organisation", document=make.POLICY, actor=None)
    _, secret = tokens.issue(actor=None, user=catalog.person("robot"), name="ci", scopes=["gate:ask", "record:write"])
    return Client(headers={"Authorization": f"Bearer {secret}"})


def post(client: Client, address: str = ADDRESS, **more: object) -> Any:
    return client.post(address, json.dumps(QUESTION | more), content_type="application/json")


def pointers(answer: Any) -> list[str]:
    told = json.loads(answer.content)
    assert (answer.status_code, told["code"]) == (422, "gate.question")
    return [found["pointer"] for found in told["findings"]]


def open_freeze() -> None:
    now = clock.now()
    calendar = {
        "kind": "once",
        "zone": "UTC",
        "from": f"{now:%Y-%m-%dT%H:%M}",
        "until": f"{now + timedelta(hours=2):%Y-%m-%dT%H:%M}",
    }
    freezes.plan(actor=None, name="Peak", calendar=calendar, environment="production", tier=1)


# -- what is malformed ---------------------------------------------------------------------------------------------
@pytest.mark.parametrize("wrong", ["", {}, False, 0, "x", {"a": 1}, True, 7])
def test_what_is_no_list_is_refused_where_it_stands_however_empty_it_is(client: Client, wrong: object):
    for key in ("consumes", "provides", "integrations"):
        assert pointers(post(client, **{key: wrong})) == [f"/{key}"]
        assert pointers(post(client, "/api/v1/gate/deployments", **{key: wrong})) == [f"/{key}"]
    assert not Verdict.objects.exists()
    assert not ApplicationRelease.objects.filter(application="till").exists()


def test_null_is_the_same_as_left_out_only_where_left_out_says_less(client: Client):
    assert post(client, consumes=None).json()["verdict"] == "unknown"
    assert post(client, as_of=None).json()["hypothetical"] is False
    for key in ("provides", "integrations", "instance", "version"):
        assert pointers(post(client, **{key: None})) == [f"/{key}"]


@pytest.mark.parametrize("wrong", ["", False, 0, [], {}, "noon", "2026-11-23T12:00:00"])
def test_a_time_that_is_none_is_refused(client: Client, wrong: object):
    assert pointers(post(client, as_of=wrong)) == ["/as_of"]


def test_an_entry_with_a_member_that_is_misspelt_is_refused(client: Client):
    digest = "sha256:" + "0" * 64
    entry = {"version": "price-api@v2", "contract_diget": digest}
    assert pointers(post(client, consumes=[entry])) == ["/consumes/0/contract_diget"]
    assert pointers(post(client, provides=[entry])) == ["/provides/0/contract_diget"]
    entry = {"key": "sales-to-erp", "digest": digest, "diggest": digest}
    assert pointers(post(client, integrations=[entry])) == ["/integrations/0/diggest"]


GET = ADDRESS + "?application=till&version=7.1&environment=production&consumes=price-api@v2"


@pytest.mark.parametrize(
    ("more", "where"),
    [
        ("environment=production", "/environment"),
        ("environment=nowhere", "/environment"),
        ("application=till", "/application"),
        ("version=7.2", "/version"),
        ("instance=&instance=0001", "/instance"),
        ("as_of=2026-01-01T00:00:00Z&as_of=2026-01-02T00:00:00Z", "/as_of"),
        ("integrations=", "/integrations"),
        ("as_of=", "/as_of"),
    ],
)
def test_what_the_address_says_twice_or_wrongly_is_refused(client: Client, more: str, where: str):
    assert client.get(GET).json()["verdict"] == "allow"
    assert where in pointers(client.get(f"{GET}&{more}"))


# -- as of now -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("minutes", [-4, -0.2, 0.2, 4])
def test_an_answer_as_of_another_time_is_a_what_if_however_near_it_is(client: Client, minutes: float):
    at = clock.now() + timedelta(minutes=minutes)
    given = post(client, as_of=at.isoformat())
    assert (given.json()["hypothetical"], given.json()["as_of"]) == (True, at.isoformat())
    number = given.headers["Verdict-Id"]
    assert client.get(f"{ADDRESS}/{number}/standing").json()["why"] == "what-if"
    refused = client.get(f"{ADDRESS}/{number}/statement?audience=a")
    assert (refused.status_code, refused.json()["code"]) == (409, "statement.hypothetical")


def test_a_clock_that_differs_by_seconds_asks_about_now_by_the_clock_of_the_gate(client: Client):
    before = clock.now()
    given = post(client, as_of=(before - timedelta(seconds=3)).isoformat()).json()
    assert given["hypothetical"] is False
    assert given["as_of"] >= before.isoformat()


def test_a_freeze_that_is_open_now_is_not_got_round_by_asking_about_before_it(client: Client):
    open_freeze()
    assert post(client).json()["verdict"] == "deny"
    given = post(client, as_of=(clock.now() - timedelta(minutes=4)).isoformat()).json()
    assert (given["verdict"], given["hypothetical"]) == ("allow", True)
    post(client, "/api/v1/gate/deployments")
    made = ApplicationRelease.objects.get(application="till", version="7.1")
    assert made.against_gate, "the last answer of now was a deny"
    assert made.verdict is not None
    assert made.verdict.word == "deny"


# -- what a standing is about --------------------------------------------------------------------------------------
def test_a_standing_says_of_which_question_and_answer_it_is_and_to_whom(client: Client):
    given = post(client, provides=[], instance="")
    address = f"{ADDRESS}/{given.headers['Verdict-Id']}/standing"
    said = client.get(f"{address}?nonce=abcdefgh-1").json()
    assert said["question_digest"] == digest_of(questions.normalise(QUESTION))
    assert said["answer_digest"] == digest_bytes(given.content)
    assert [said[key] for key in ("application", "version", "environment", "instance")] == [
        "till",
        "7.1",
        "production",
        "",
    ]
    assert said["nonce"] == "abcdefgh-1"
    assert "nonce" not in client.get(address).json()
    again = client.get(f"{address}?nonce=abcdefgh-2").json()
    assert (again["nonce"], again["stands"]) == ("abcdefgh-2", True)


@pytest.mark.parametrize("query", ["nonce=", "nonce=short", "nonce=abcdefgh&nonce=abcdefgh", "nonce=" + "a" * 101])
def test_a_nonce_that_is_none_is_refused(client: Client, query: str):
    address = f"{ADDRESS}/{post(client).headers['Verdict-Id']}/standing"
    answer = client.get(f"{address}?{query}")
    assert (answer.status_code, answer.json()["code"]) == (422, "gate.nonce")
    assert answer.json()["findings"][0]["pointer"] == "/nonce"
