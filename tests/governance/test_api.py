"""The same over HTTP for programs; decisions are for people."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path

import pytest
import yaml
from django.test import Client

from governance.models import Approval, ChangeRequest, Decision, WebhookEndpoint
from governance.services import breakglass, reviews
from kernel import clock, tokens
from kernel.models import User
from tests.governance import make

pytestmark = pytest.mark.django_db
WRITE = ["governance:read", "governance:write"]


def call(
    user: User, method: str, path: str, body: object = None, *, scopes: list[str] | None = None
) -> tuple[int, dict]:
    _, secret = tokens.issue(actor=None, user=user, name="test", scopes=scopes or WRITE)
    response = Client().generic(
        method,
        f"/api/v1/{path}",
        json.dumps(body) if body is not None else "",
        content_type="application/json",
        headers={"Authorization": f"Bearer {secret}"},
    )
    return response.status_code, json.loads(response.content or b"{}")


def in_session(user: User, path: str, body: object) -> tuple[int, dict]:
    """A POST of somebody who is signed in: the only way to decide over HTTP."""
    client = Client()
    client.force_login(user)
    response = client.post(f"/api/v1/{path}", json.dumps(body), content_type="application/json")
    return response.status_code, json.loads(response.content or b"{}")


def opened(house: make.House) -> dict:
    subject = make.thing()
    body = {
        "kind": "test.thing",
        "subjects": [{"kind": "thing", "id": subject.id, "digest": subject.digest}],
        "environment": "production",
        "title": "T",
        "justification": "Because.",
        "rollback_plan": "Deploy the previous one.",
        "planned_from": clock.now().isoformat(),
        "planned_until": (clock.now() + timedelta(days=3)).isoformat(),
    }
    status, made = call(house.author, "POST", "changes", body)
    assert status == 201, made
    return made


def test_a_pipeline_opens_and_submits_and_people_decide(house: make.House):
    robot = make.person("pipeline", "price", kind="service")
    made = opened(house)
    status, submitted = call(robot, "POST", f"changes/{made['id']}/submit")
    assert (status, submitted["state"]) == (200, "in_review")
    from governance.services import checks

    checks.run_checks(made["id"])
    change = ChangeRequest.objects.get()
    seen = asdict(reviews.Seen.of(change))
    another = make.person("robot-two", "price", kind="service")
    for actor in (another, house.owner):
        status, refused = call(actor, "POST", f"changes/{made['id']}/decisions", {"outcome": "approve", **seen})
        assert (status, refused["code"]) == (403, "decision.by_token"), "whoever finds a token cannot approve"
    status, refused = in_session(another, f"changes/{made['id']}/decisions", {"outcome": "approve", **seen})
    assert (status, refused["code"]) == (403, "decision.not_allowed")
    for actor in (house.owner, house.architect):
        status, decision = in_session(actor, f"changes/{made['id']}/decisions", {"outcome": "approve", **seen})
        assert status == 201, decision
    status, listed = call(house.stranger, "GET", "approvals?subject_id=price-feed")
    assert [row["digest"] for row in listed["results"]] == [change.subject_digest]
    status, slots = call(house.stranger, "GET", f"changes/{made['id']}/slots")
    assert [(row["needed"], row["filled"]) for row in slots] == [(1, 1), (1, 1)]


def test_self_approval_and_a_stale_digest_are_refused_over_the_api(house: make.House):
    made = opened(house)
    call(house.author, "POST", f"changes/{made['id']}/submit")
    seen = asdict(reviews.Seen.of(ChangeRequest.objects.get()))
    assert call(house.author, "POST", f"changes/{made['id']}/decisions", {"outcome": "approve", **seen})[0] == 403
    status, problem = in_session(house.author, f"changes/{made['id']}/decisions", {"outcome": "approve", **seen})
    assert (status, problem["code"]) == (403, "decision.not_allowed")
    stale = seen | {"policy_digest": "sha256:" + "0" * 64}
    status, problem = in_session(house.owner, f"changes/{made['id']}/decisions", {"outcome": "approve", **stale})
    assert (status, problem["code"], problem["changed"]) == (409, "change.stale_page", ["the policy"])
    assert not Decision.objects.exists()


def test_a_method_that_is_not_known_is_named_in_the_title(house: make.House):
    status, problem = call(house.author, "PUT", "freezes", {})
    assert (status, problem["title"]) == (405, 'Method "PUT" not allowed.')


def test_a_third_person_reviews_a_break_glass(house: make.House):
    subject = make.thing()
    case = breakglass.open_case(
        actor=house.owner, subject=subject, environment="production", reason="Tills show no prices."
    )
    breakglass.confirm(case.pk, actor=house.releaser)
    note = {"note": "Prices were loaded by hand."}
    for who in (house.owner, house.releaser):
        assert in_session(who, f"break-glass/{case.pk}/review", note)[0] == 403
    assert in_session(house.architect, f"break-glass/{case.pk}/review", note)[0] == 200


def test_scopes_are_needed_and_reading_is_not_writing(house: make.House):
    assert call(house.author, "POST", "changes", {}, scopes=["governance:read"])[0] == 403
    assert call(house.author, "GET", "changes", scopes=["gate:ask"])[0] == 403
    assert Client().get("/api/v1/changes").status_code in (401, 403)


def test_bad_input_is_a_problem_document_with_findings(house: make.House):
    status, problem = call(
        house.author,
        "POST",
        "changes",
        {
            "kind": "test.thing",
            "subjects": [{"kind": "x", "id": "y", "digest": "z"}],
            "environment": "moon",
            "title": "T",
            "justification": "J",
        },
    )
    assert (status, problem["code"]) == (422, "change.invalid")
    assert {f["pointer"] for f in problem["findings"]} == {"/environment", "/subjects/0/digest", "/subjects/0/kind"}
    for body in ([], "x", {"subjects": 5}, {"kind": None}):
        assert call(house.author, "POST", "changes", body)[0] in (400, 422)


@pytest.mark.parametrize(
    "path", ["changes/999999999999999999999", "changes/7/checks", "gate/verdicts/4", "webhooks/deliveries/5/replay"]
)
def test_what_is_not_there_is_not_found(house: make.House, path: str):
    status, problem = call(
        house.releaser, "POST" if path.endswith(("replay", "end")) else "GET", path, {}, scopes=[*WRITE, "gate:ask"]
    )
    assert status == 404, problem


def test_policies_are_explained_and_previewed(house: make.House):
    make.in_review(house.author)
    status, answer = call(
        house.stranger,
        "POST",
        "policies/explain",
        {
            "kind": "version.publish",
            "environment": "production",
            "tier": 3,
            "data_class": "public",
            "consumers": 0,
            "breaking": 0,
        },
    )
    assert (status, [s["key"] for s in answer["slots"]]) == (200, ["owner"])
    status, flips = call(
        house.stranger,
        "POST",
        "policies/preview",
        {"level": "organisation", "document": {"rules": [{"id": "a", "why": "b", "slots": {"security": 1}}]}},
    )
    assert (status, flips[0]["added_slots"]) == (200, ["Security 1"])
    status, problem = call(house.stranger, "POST", "policies/preview", {"level": "moon", "document": {}})
    assert (status, problem["code"]) == (422, "policy.level")


def test_waivers_freezes_delegations_break_glass_and_webhooks_over_the_api(house: make.House):
    subject = make.thing()
    soon = (clock.now() + timedelta(days=9)).isoformat()
    asked = {
        "rule": "thing.sound",
        "pointer": "/price",
        "subject_kind": "thing",
        "subject_id": subject.id,
        "environment": "production",
        "reason": "Kiosks are frozen now.",
        "expires_at": soon,
    }
    assert call(house.author, "POST", "waivers", asked)[0] == 201
    calendar = {"kind": "once", "zone": "UTC", "from": "2126-12-01T00:00", "until": "2126-12-02T00:00"}
    status, freeze = call(house.releaser, "POST", "freezes", {"name": "Close", "calendar": calendar})
    assert status == 201
    assert in_session(house.releaser, f"freezes/{freeze['id']}/end", {"note": "done"})[0] == 204
    lent = {"delegate": "stan", "team": "architects", "starts_at": clock.now().isoformat(), "ends_at": soon}
    assert call(house.architect, "POST", "delegations", lent)[1]["code"] == "decision.by_token"
    status, delegation = in_session(house.architect, "delegations", lent)
    assert status == 201
    assert in_session(house.owner, "delegations", lent)[1]["code"] == "delegation.not_yours"
    assert call(house.architect, "POST", f"delegations/{delegation['id']}/revoke")[0] == 204
    case = {
        "subject": {"kind": "thing", "id": subject.id, "digest": subject.digest},
        "environment": "production",
        "reason": "Tills show no prices.",
        "hours": 1,
    }
    status, made = call(house.owner, "POST", "break-glass", case)
    assert status == 201
    assert call(house.releaser, "POST", f"break-glass/{made['id']}/confirm", {})[1]["code"] == "decision.by_token"
    assert in_session(house.owner, f"break-glass/{made['id']}/confirm", {})[0] == 403
    assert in_session(house.releaser, f"break-glass/{made['id']}/confirm", {})[0] == 200
    assert Approval.objects.get().origin == "break_glass"
    assert call(house.releaser, "POST", f"break-glass/{made['id']}/end", {})[0] == 200
    status, hook = call(
        house.releaser,
        "POST",
        "webhooks",
        {"name": "chat", "url": "https://chat.example/hook", "topics": ["governance.*"]},
    )
    assert status == 201
    assert hook["signing_key"].startswith("whsec_")
    assert (
        call(house.releaser, "POST", "webhooks", {"name": "x", "url": "http://10.0.0.7/", "topics": ["governance.*"]})[
            0
        ]
        == 422
    )
    assert (
        call(
            house.stranger,
            "POST",
            "webhooks",
            {"name": "y", "url": "https://chat.example/", "topics": ["governance.*"]},
        )[0]
        == 403
    )
    assert "signing_key" not in call(house.releaser, "GET", "webhooks")[1]["results"][0]
    assert call(house.releaser, "POST", f"webhooks/{hook['id']}/deactivate")[0] == 204
    assert WebhookEndpoint.objects.get().active is False


def test_documents_with_fractions_are_read_as_json_and_judged_by_their_own_rules(house: make.House):
    subject = make.thing()
    body = {
        "kind": "test.thing",
        "subjects": [{"kind": "thing", "id": subject.id, "digest": subject.digest}],
        "environment": "production",
        "title": "T",
        "justification": "Because.",
        "rollback_plan": "Deploy the previous one.",
        "planned_from": clock.now().isoformat(),
        "planned_until": (clock.now() + timedelta(days=3)).isoformat(),
        "parameters": {"share": 0.5, "steps": [1.25, 2]},
    }
    status, made = call(house.author, "POST", "changes", body)
    assert status == 201, made
    assert ChangeRequest.objects.get(pk=made["id"]).parameters["share"] == 0.5
    document = {"rules": [{"id": "a", "why": "b", "slots": {"security": 0.5}}]}
    asked = {"level": "organisation", "document": document, "title": "T", "justification": "J"}
    status, problem = call(house.author, "POST", "policies", asked | {"environment": "production"})
    assert (status, problem["code"][:7]) == (422, "policy."), problem
    calendar = {"kind": "once", "zone": "UTC", "from": 0.5, "until": "2026-12-02T00:00"}
    status, problem = call(house.releaser, "POST", "freezes", {"name": "Close", "calendar": calendar})
    assert status == 422, problem
    entry = {"application": "pos", "version": "1", "environment": "production", "consumes": [0.5]}
    status, problem = call(house.author, "POST", "gate/verdicts", entry)
    assert status in (201, 403, 422), problem


@pytest.mark.parametrize("path", ["verdicts", "deployments", "releases", "releases/end", "undeploy"])
def test_the_openapi_document_says_what_the_gate_takes(path: str):
    """An empty instance everywhere; what is unsaid may be null; and where a record ends, nothing of what it brought."""
    written = yaml.safe_load(Path("docs/reference/openapi.yaml").read_text())
    body = written["paths"][f"/api/v1/gate/{path}"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    takes = written["components"]["schemas"][body["$ref"].rpartition("/")[2]]["properties"]
    assert "minLength" not in takes["instance"]
    if path in ("releases/end", "undeploy"):
        assert set(takes) <= {"application", "version", "environment", "instance"}
    else:
        assert "null" in takes["consumes"]["type"]
        assert "null" in takes["as_of"]["type"]
