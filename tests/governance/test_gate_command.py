"""`tillgate` against the gate itself: what the command line takes for a well-formed answer is what the gate sends."""

from __future__ import annotations

import json
from datetime import timedelta
from email.message import Message

import pytest
from django.http import HttpResponse
from django.test import Client

from catalog.models import ApiVersion, Subscription
from governance.models import ApplicationRelease, Verdict
from governance.services import policies
from kernel import clock, tokens
from kernel.digest import digest_bytes
from tests.catalog import make as catalog
from tests.governance import make
from tillgate import transport
from tillgate.exits import Failure
from tillgate.main import main
from tillgate.transport import GateAddress, Heard

pytestmark = pytest.mark.django_db
ABOUT = ["--application", "till", "--version", "7.1", "--environment", "production"]


@pytest.fixture(autouse=True)
def served(monkeypatch: pytest.MonkeyPatch, tmp_path) -> Client:
    """An estate, and the command line's POST as a request to the views instead of a socket."""
    catalog.estate()
    policies.install(level="organisation", document=make.POLICY, actor=None)
    _, secret = tokens.issue(actor=None, user=catalog.person("robot"), name="ci", scopes=["gate:ask", "record:write"])
    client = Client(headers={"Authorization": f"Bearer {secret}"})

    def post(gate: GateAddress, path: str, body: dict, seconds: float) -> tuple[Heard, bytes]:
        sent = json.dumps(body).encode()
        return heard_of(client.post(path, sent, content_type="application/json")), sent

    def heard_of(response: HttpResponse) -> Heard:
        headers = Message()
        for name, value in response.headers.items():
            headers[name] = value
        heard = Heard(response.status_code, headers, response.content)
        if not 200 <= heard.status < 300:
            raise Failure(3, transport.problem_text(heard.body))
        return heard

    monkeypatch.setattr(transport, "post", post)
    monkeypatch.setattr(transport, "get", lambda gate, path, seconds: heard_of(client.get(path)))
    monkeypatch.chdir(tmp_path)
    return client


@pytest.mark.parametrize(
    ("items", "code"),
    [
        (["--consumes", "price-api@v2"], 0),
        (["--consumes", "price-api@v1"], 1),
        (["--consumes", "nobody@v9"], 2),
        (["--consumes", "nobody"], 3),
        ([], 2),
        (["--consumes", "price-api@v2", "--provides", "price-api@v3", "--integration", "sales=sha256:" + "a" * 64], 1),
    ],
)
@pytest.mark.parametrize("form", ["text", "json", "junit", "sarif", "github", "gitlab"])
def test_every_verdict_of_the_gate_is_read_and_reported(items: list[str], code: int, form: str, capsys):
    assert main(["check", *ABOUT, *items, "--format", form]) == code
    if code < 3 and form != "gitlab":
        assert f"/gate/verdicts/{Verdict.objects.get().pk}/" in capsys.readouterr().out.replace("%3A", ":")


def test_words_that_the_gate_trims_are_still_this_question():
    assert main(["check", "--application", " till ", *ABOUT[2:], "--consumes", "price-api@v2"]) == 0


def test_a_verdict_that_is_held_is_used_until_what_it_was_made_from_changes():
    asked = ["check", *ABOUT, "--consumes", "price-api@v2", "--hold", "held.json"]
    assert [main(asked), main(asked)] == [0, 0]
    assert Verdict.objects.count() == 1
    Subscription.objects.filter(application__key="till").update(valid_until=clock.now() - timedelta(seconds=1))
    assert main(asked) == 1
    assert Verdict.objects.count() == 2


def test_a_what_if_is_answered_as_of_its_time():
    version = ApiVersion.objects.get(api__slug="price-api", label="v2")
    assert version.state == "published"
    asked = ["check", *ABOUT, "--consumes", "price-api@v2", "--as-of", "2027-06-01T00:00:00Z"]
    assert main([*asked, "--what-if"]) in (0, 1, 2)
    assert main(asked) == 3


def test_the_header_echoes_the_digest_of_the_bytes_that_came(served: Client):
    body = b'{ "application": "till", "version": "7.1",\n "environment": "production", "consumes": ["price-api@v2"]}'
    answer = served.post("/api/v1/gate/verdicts", body, content_type="application/json")
    assert answer.headers["Question-Digest"] == (digest_bytes(body))
    again = served.post("/api/v1/gate/verdicts", body + b" ", content_type="application/json")
    assert again.headers["Question-Digest"] != answer.headers["Question-Digest"]


def test_a_question_that_is_too_large_is_refused_in_words(served: Client, settings):
    settings.MAX_REQUEST_BYTES = settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 100
    answer = served.post("/api/v1/gate/verdicts", b" " * 200, content_type="application/json")
    assert (answer.status_code, answer.json()["code"]) == (413, "request.too_large")


def test_what_is_recorded_is_read_back_and_ended(capsys):
    items = ["--consumes", "price-api@v2"]
    assert main(["record-deployment", *ABOUT, *items, "--instance", "s1"]) == 0
    assert main(["record-release", *ABOUT, *items, "--format", "text"]) == 0
    assert ApplicationRelease.objects.filter(ended_at=None).count() == 2
    assert main(["end-release", *ABOUT]) == 0
    assert main(["end-release", *ABOUT, "--format", "text"]) == 0
    assert "0 records" in capsys.readouterr().out
    assert ApplicationRelease.objects.filter(ended_at=None).count() == 1
    place = ["--application", "till", "--environment", "production", "--instance"]
    assert main(["undeploy", *place, "s2"]) == 0
    assert ApplicationRelease.objects.filter(ended_at=None).count() == 1
    assert main(["undeploy", *place, "s1"]) == 0
    assert not ApplicationRelease.objects.filter(ended_at=None).exists()
