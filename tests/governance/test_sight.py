"""Decisions about what somebody may not see are told to them in the very words for what does not exist."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.test import Client

from catalog.models import Api, ApiSearch, ApiVersion, Application, Dependency, Environment, UsageDay
from catalog.selectors import versions
from governance.domain.pipelines import ruling
from governance.domain.pipelines.ruling import AskedVerdict
from governance.domain.subject import Subject
from governance.models import ApplicationRelease, ChangeRequest
from governance.selectors import sight
from governance.services import breakglass, changes, policies, release_records, waivers
from kernel import audit, clock, tokens
from kernel.viewer import SYSTEM
from tests import kept_rows
from tests.catalog import make as catalog
from tests.governance import make as governance
from tests.governance.gate_estate import beneath
from tests.governance.test_catalog_changes import POLICY

pytestmark = pytest.mark.django_db
HIDDEN = "loyalty-api@v1"  # restricted: seen by the loyalty team, not by Stan of the stores


@pytest.fixture(autouse=True)
def change() -> ChangeRequest:
    return of_what_is_hidden()


@kept_rows.once(seconds=60)
def of_what_is_hidden() -> ChangeRequest:
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


def test_records_of_what_runs_name_nothing_that_is_hidden():
    """Neither to the team whose application uses it nor to who watches over releases."""
    body = {"application": "till", "version": "7.1", "environment": "production", "consumes": [HIDDEN, "price-api@v2"]}
    made = release_records.record_deployment(body, viewer=SYSTEM)
    with transaction.atomic():
        ApplicationRelease.objects.create(
            application="till",
            version="7",
            environment="test",
            integrations=["secret-flow@sha256:" + "a" * 64],
            mode="released",
        )
        place = {"environment": "test", "instance": ""}
        audit.record("governance.application_released", "application", "till@7", actor=None, after=place)
    governance.person("rita", "release-managers")
    for who in ("stan", "rita"):
        for path in ("/api/v1/gate/deployments", "/api/v1/gate/releases", "/deployments/"):
            status, text = ask(who, "GET", path)
            assert status == 200
            assert "till" in text, (who, path)
            assert HIDDEN.partition("@")[0] not in text, (who, path)
            assert "secret-flow" not in text, (who, path)
    made.refresh_from_db()
    assert made.consumes == [HIDDEN, "price-api@v2"], "what is stored stays"


def _past_sunset(slug: str, label: str = "v1") -> None:
    """An application of the stores called it today, and it was past its sunset."""
    version = ApiVersion.objects.get(api__slug=slug, label=label)
    ApiVersion.objects.filter(pk=version.pk).update(sunset_at=clock.now() - timedelta(days=1))
    UsageDay.objects.create(
        application=Application.objects.get(key="till"),
        version=version,
        environment=Environment.objects.get(key="production"),
        day=clock.now().date(),
        calls=5,
        last_seen_at=clock.now(),
    )


def test_no_need_successor_use_or_waiver_names_what_is_hidden_from_who_asks():
    loyalty, price = Api.objects.get(slug="loyalty-api"), Api.objects.get(slug="price-api")
    Dependency.objects.create(api=price, target_api=loyalty)
    ApiVersion.objects.filter(api=price).update(successor=loyalty.versions.get(label="v1"))
    _past_sunset("loyalty-api")
    asked = {"application": "till", "version": "1", "environment": "production", "consumes": ["price-api@v2"]}
    beneath("update governance_waiver set state = 'granted', starts_at = now() where subject_id = %s", HIDDEN)
    said = asked_by_token("stan", asked | {"provides": ["price-api@v2"]})
    assert "loyalty" not in json.dumps(said)
    assert "Kiosks are frozen" not in json.dumps(said)
    evidence = said["evidence"]["evidence"]
    (needed,) = evidence["provided"]["items"]["price-api@v2"]["dependencies"]["items"]
    (used,) = evidence["undeclared_use"]["items"]
    assert needed.startswith("a restricted API (")
    assert used.startswith("a restricted API (")
    assert used != needed, "each has a name of its own"
    guessed = asked_by_token("stan", asked | {"consumes": ["price-api@v2", HIDDEN], "provides": ["price-api@v2"]})
    assert guessed["evidence"]["evidence"]["undeclared_use"] == evidence["undeclared_use"]
    assert "loyalty-api" in json.dumps(asked_by_token("lea", asked | {"provides": ["price-api@v2"]}))


def _asked_by_one_who_sees() -> int:
    """A verdict about the till, asked by Lea, who sees what the till called: its evidence names that."""
    _past_sunset("loyalty-api")
    found = asked_by_token(
        "lea", {"application": "till", "version": "1", "environment": "production", "consumes": ["price-api@v2"]}
    )
    assert HIDDEN in json.dumps(found["answer"])
    return int(found["id"])


@pytest.mark.parametrize("of_before", [False, True])
@pytest.mark.parametrize("who", ["stan", "ada"])
def test_a_verdict_that_names_what_somebody_may_not_see_is_not_there_for_him(who: str, of_before: bool):
    """Stan is in the application's team, Ada an architect."""
    number = _asked_by_one_who_sees()
    if of_before:
        beneath("update governance_verdict set names = null")
    for method, end in (
        ("GET", ""),
        ("GET", "/evidence"),
        ("GET", "/standing"),
        ("GET", "/statement?audience=x"),
        ("POST", "/reproduce"),
    ):
        answer = ask(who, method, f"/api/v1/gate/verdicts/{number}{end}")
        assert answer[0] == 404, end
        assert answer == _renamed(ask(who, method, f"/api/v1/gate/verdicts/987654{end}"), number)
    assert ask(who, "GET", f"/gate/verdicts/{number}/")[0] == 404
    for page in ("/gate/", "/gate/applications/till/"):
        status, said = ask(who, "GET", page)
        assert (status, f"/gate/verdicts/{number}/" in said) == (200, False), page
    assert ask("lea", "GET", f"/api/v1/gate/verdicts/{number}/evidence")[0] == 200
    own = asked_by_token(who, {"application": "till", "version": "1", "environment": "production", "consumes": []})
    assert "a restricted API (" in json.dumps(own["answer"])
    others = "ada" if who == "stan" else "stan"
    assert ask(others, "GET", f"/api/v1/gate/verdicts/{own['id']}")[0] == 200


def test_what_becomes_restricted_takes_the_verdicts_that_name_it_with_it():
    question = {"application": "till", "version": "1", "environment": "production", "consumes": ["price-api@v2"]}
    number = asked_by_token("robot", question)["id"]
    assert ask("stan", "GET", f"/api/v1/gate/verdicts/{number}")[0] == 200
    ApiSearch.objects.filter(slug="price-api").update(restricted=True, team_ids=[])
    assert ask("stan", "GET", f"/api/v1/gate/verdicts/{number}")[0] == 404


def test_a_comment_of_a_pipeline_keeps_the_sentences_that_name_it():
    number = _asked_by_one_who_sees()
    team = Application.objects.get(key="till").team_id
    assert team is not None
    assert not sight.told_to_team(number, team)
    document = {"reasons": [{"code": "usage.undeclared", "message": f"till called {HIDDEN}.", "waived_by": None}]}
    about = {"application": "till", "version": "1", "environment": "production", "hypothetical": False}
    kept = AskedVerdict(number, "", document | about | {"verdict": "deny"}, "till", "1", "production", told=False)
    assert HIDDEN not in ruling.of_verdicts([kept]).comment()
    assert "usage.undeclared" in ruling.of_verdicts([kept]).comment()


NAMED = {
    "subscription": (f"till {HIDDEN} production", "till price-api@v2 production"),
    "provider_right": ("till loyalty-api", "till price-api"),
    "version_endpoint": (f"{HIDDEN}/production", "price-api@v2/production"),
    "dependency": ("self-checkout on loyalty-api", "self-checkout on price-api"),
}


@pytest.fixture
def blueprint_entries() -> None:
    """Entries of the kinds that blueprints name by several keys: each once about what is hidden, once about the open;
    what an open API needs; and a kind that nobody has thought of."""
    with transaction.atomic():
        for kind, (hidden, open_one) in NAMED.items():
            for key in (hidden, open_one):
                audit.record(f"catalog.{kind}_changed", kind, key, actor=None)
        audit.record("catalog.dependency_declared", "dependency", "loyalty-api on erp", actor=None)
        audit.record("catalog.dependency_declared", "dependency", "price-api on erp", actor=None)
        audit.record("catalog.dependency_stated", "api", "price-api", actor=None, after={"needs": "loyalty-api"})
        audit.record("catalog.dependency_dropped", "api", "price-api", actor=None, before={"needs": "loyalty-api"})
        audit.record("catalog.dependency_stated", "api", "price-api", actor=None, after={"needs": "erp"})
        audit.record("catalog.dreamt_up", "dream", "about loyalty-api", actor=None)


@pytest.mark.usefixtures("blueprint_entries")
def test_the_ledger_hides_every_kind_of_entry_that_names_what_is_hidden():
    for path in ("/ledger/", "/ledger/export.json", "/ledger/export.csv", *(f"/ledger/?kind={kind}" for kind in NAMED)):
        said = ask("stan", "GET", path)[1]
        assert "loyalty-api" not in said, path
    said = ask("stan", "GET", "/ledger/export.csv")[1]
    for open_one in (*(pair[1] for pair in NAMED.values()), "price-api on erp"):
        assert open_one in said
    assert "dependency_dropped" not in said
    assert "loyalty-api" in ask("lea", "GET", "/ledger/?kind=provider_right")[1], "her team sees the API"
    assert "loyalty-api" not in ask("stan", "GET", "/catalog/apis/price-api/changes/")[1]


@pytest.mark.usefixtures("blueprint_entries")
def test_a_kind_without_a_rule_or_a_reason_is_read_by_nobody():
    assert "dreamt_up" not in ask("lea", "GET", "/ledger/?kind=dream")[1]
    lea = catalog.person("lea")
    lea.is_superuser = True
    lea.save()
    assert "dreamt" in ask("lea", "GET", "/ledger/export.json?kind=dream")[1]
