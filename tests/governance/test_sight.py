"""Decisions about what somebody may not see are told to them in the very words for what does not exist."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from catalog.selectors import versions
from governance.domain.subject import Subject
from governance.models import ChangeRequest
from governance.services import breakglass, changes, policies, waivers
from kernel import clock, tokens
from tests.catalog import make as catalog
from tests.governance.test_catalog_changes import POLICY

pytestmark = pytest.mark.django_db
HIDDEN = "loyalty-api@v1"  # restricted: seen by the loyalty team, not by Stan of the stores


@pytest.fixture(autouse=True)
def change() -> ChangeRequest:
    """A change about a restricted API, in review; a waiver and a break-glass case about it."""
    catalog.estate()
    policies.install(level="organisation", document=POLICY, actor=None)
    made = changes.open_change(
        author=catalog.person("lea"),
        kind="version.deprecate",
        subjects=[subject()],
        environment="production",
        title="End of the loyalty margin",
        justification="It is time.",
        rollback_plan="The previous state is put back.",
        planned_from=clock.now(),
        planned_until=clock.now() + timedelta(days=3),
    )
    changes.submit(made, actor=made.author)
    waivers.propose(
        actor=catalog.person("lea"),
        rule="version.past_sunset",
        pointer=f"/consumed/items/{HIDDEN}",
        subject=subject(),
        environment="production",
        application="till",
        reason="Kiosks are frozen now.",
        expires_at=clock.now() + timedelta(days=5),
    )
    breakglass.open_case(
        actor=catalog.person("lea"), subject=subject(), environment="production", reason="Tills show no points."
    )
    return made


def subject() -> Subject:
    found = versions.by_reference(HIDDEN)
    assert found is not None
    assert found.contract_digest
    return Subject("version", HIDDEN, found.contract_digest)


def ask(by: str, method: str, path: str, body: object = None) -> tuple[int, str]:
    """An answer over HTTP in a session of this person, without what differs from call to call."""
    sent = json.dumps(body) if body is not None else ""
    answer = catalog.client(by).generic(method, path, sent, content_type="application/json")
    text = b"".join(answer).decode()  # type: ignore[arg-type]
    try:
        document = json.loads(text)
    except ValueError:
        return answer.status_code, text
    for key in ("request_id", "instance"):
        document.pop(key, None) if isinstance(document, dict) else None
    return answer.status_code, json.dumps(document, sort_keys=True)


READ = ("", "/decisions", "/checks", "/slots", "/slots/unfillable", "/differences", "/events")


def test_a_hidden_change_answers_like_one_that_is_not_there(change: ChangeRequest):
    for end in READ:
        assert ask("lea", "GET", f"/api/v1/changes/{change.pk}{end}")[0] == 200
        status, said = ask("stan", "GET", f"/api/v1/changes/{change.pk}{end}")
        assert (status, said) == _renamed(ask("stan", "GET", f"/api/v1/changes/987654{end}"), change.pk)
    writes: list[tuple[str, str, object]] = [
        ("POST", "/events", {"text": "Hello."}),
        ("POST", "/checks", {}),
        ("POST", "/submit", {}),
        ("POST", "/apply", {}),
        ("POST", "/withdraw", {"note": "x"}),
        ("PATCH", "", {"title": "Mine"}),
        ("DELETE", "/decisions", None),
    ]
    for method, end, body in writes:
        answer = ask("stan", method, f"/api/v1/changes/{change.pk}{end}", body)
        assert answer[0] == 404
        assert answer == _renamed(ask("stan", method, f"/api/v1/changes/987654{end}", body), change.pk)
    assert ChangeRequest.objects.get(pk=change.pk).state == "in_review"


def _renamed(answer: tuple[int, str], number: int) -> tuple[int, str]:
    return answer[0], answer[1].replace("987654", str(number))


def test_the_pages_of_a_hidden_change_are_not_there(change: ChangeRequest):
    for end in ("", "differences/", "checks/", "impact/", "evidence/", "checks/list/"):
        assert ask("lea", "GET", f"/changes/{change.pk}/{end}")[0] == 200
        assert ask("stan", "GET", f"/changes/{change.pk}/{end}")[0] == 404


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/changes",
        "/api/v1/approvals",
        "/api/v1/waivers",
        "/api/v1/break-glass",
        "/changes/",
        "/inbox/",
        "/waivers/",
        "/break-glass/",
        "/search/?q=loyalty",
        "/search/?q=margin",
        "/ledger/",
        "/ledger/?kind=version",
        "/ledger/export.json",
        "/ledger/export.csv",
        "/ledger/export.json?kind=waiver",
    ],
)
def test_no_list_search_or_export_names_what_is_hidden(path: str):
    status, said = ask("stan", "GET", path)
    assert status == 200
    found = [word for word in (HIDDEN, "End of the loyalty margin", "Tills show no points") if word in said]
    assert not found


def test_those_who_decide_and_those_who_watch_over_emergencies_see_it(change: ChangeRequest):
    assert ask("ada", "GET", f"/api/v1/changes/{change.pk}")[0] == 200, "an architect decides"
    assert HIDDEN in ask("ada", "GET", "/api/v1/break-glass")[1]


def test_what_is_hidden_opens_no_change_waiver_or_emergency_and_says_so_like_what_is_unknown():
    def opened(reference: str) -> list[tuple[int, str]]:
        thing = {"kind": "version", "id": reference, "digest": subject().digest}
        change = {"kind": "version.retire", "title": "T", "justification": "J", "environment": "production"}
        waiver = {"rule": "r", "subject_kind": "version", "subject_id": reference, "environment": "production"}
        until = {"reason": "It is needed now.", "expires_at": (clock.now() + timedelta(days=3)).isoformat()}
        case = {"subject": thing, "environment": "production", "reason": "Tills are down now."}
        answers = [
            ask("stan", "POST", "/api/v1/changes", {**change, "subjects": [thing]}),
            ask("stan", "POST", "/api/v1/waivers", {**waiver, **until}),
            ask("stan", "POST", "/api/v1/break-glass", case),
        ]
        return [(status, said.replace(reference, "…")) for status, said in answers]

    assert opened(HIDDEN) == opened("ghosts-api@v1")
    assert {status for status, _ in opened(HIDDEN)} == {422}
    assert "Loyalty API" not in ask("stan", "GET", f"/changes/new/?kind=version.retire&subject={HIDDEN}")[1]


def asked_by_token(by: str, question: dict[str, Any]) -> dict[str, Any]:
    _, secret = tokens.issue(actor=None, user=catalog.person(by), name="t", scopes=["gate:ask"])
    headers = {"Authorization": f"Bearer {secret}"}
    answer = Client().post("/api/v1/gate/verdicts", question, "application/json", headers=headers)
    assert answer.status_code == 200, answer.content
    evidence = Client().get(answer.headers["Location"] + "/evidence", headers=headers)
    found: dict[str, Any] = {"answer": answer.json(), "evidence": evidence.json(), "id": answer.headers["Verdict-Id"]}
    return found


@pytest.mark.parametrize("role", ["provides", "consumes"])
def test_the_gate_says_of_what_is_hidden_what_it_says_of_what_is_unknown(role: str):
    def said(reference: str) -> str:
        asked = {"application": "till", "version": "1", "environment": "production", "consumes": [], role: [reference]}
        asked["as_of"] = "2026-11-20T12:00:00Z"
        found = asked_by_token("stan", asked)
        parts = [found["answer"]["reasons"], found["answer"]["verdict"], found["evidence"]["evidence"]]
        return json.dumps(parts, sort_keys=True).replace(reference, "…")

    assert said(HIDDEN) == said("ghosts-api@v1")


def test_a_verdict_is_read_by_who_asked_and_by_the_team_of_the_application():
    asked = {"application": "till", "version": "1", "environment": "production", "consumes": ["price-api@v2"]}
    number = asked_by_token("stan", asked)["id"]
    for end in ("", "/evidence"):
        assert ask("robot", "GET", f"/api/v1/gate/verdicts/{number}{end}")[0] == 200
        answer = ask("lea", "GET", f"/api/v1/gate/verdicts/{number}{end}")
        assert answer[0] == 404
        assert answer == _renamed(ask("lea", "GET", f"/api/v1/gate/verdicts/987654{end}"), int(number))
    assert ask("lea", "POST", f"/api/v1/gate/verdicts/{number}/reproduce")[0] == 404
