"""Webhooks that are forged, replayed, odd or too large; what is not well signed leaves no trace and no effect."""

from __future__ import annotations

import json

import pytest
from django.test import Client
from django.urls import reverse

from governance.domain.pipelines import reading
from governance.models import PipelineConnection, PipelineDelivery, PipelineReview
from governance.services import pipeline_connections
from sandbox import forge_webhooks
from tests.governance.pipelines import make

pytestmark = pytest.mark.django_db
API = "https://api.github.com"


@pytest.fixture
def row(people: make.Estate) -> PipelineConnection:
    made = make.connection(people, API)
    make.mapping(people, made)
    return made


@pytest.fixture
def project(people: make.Estate) -> PipelineConnection:
    return make.connection(people, "https://gitlab.example.com", "gitlab")


UNSIGNED: list[dict[str, str]] = [
    {"X-Hub-Signature-256": ""},
    {"X-Hub-Signature-256": "sha256="},
    {"X-Hub-Signature-256": "sha256=" + "0" * 64},
    {"X-Hub-Signature-256": "sha1=" + "0" * 40},
    {"X-Hub-Signature-256": "sha256=ÄÖÜ"},
    {"X-Hub-Signature-256": "", "X-Hub-Signature": "sha1=" + "0" * 40},
    {"X-Hub-Signature-256": "", "X-Gitlab-Token": make.SECRET},
    {"X-Hub-Signature-256": "", "Authorization": f"Bearer {make.SECRET}"},
]


def test_a_webhook_without_its_signature_is_401_and_stored_nowhere(row):
    for headers in UNSIGNED:
        answer = make.send(row, make.github_payload(API), **headers)
        assert (answer.status_code, answer.json()["code"]) == (401, "pipeline.signature"), headers
    assert not PipelineDelivery.objects.exists()
    assert not PipelineReview.objects.exists()
    row.refresh_from_db()
    assert row.refused_at is not None, "its owner sees that something came"


def test_the_signature_counts_for_the_bytes_as_they_came(row):
    body, headers = forge_webhooks.signed("github", make.SECRET, make.github_payload(API))
    url = reverse("governance-api:pipeline-events", args=[row.key])
    spaced = json.dumps(json.loads(body), indent=1).encode()
    for sent in (spaced, body + b" ", body[:-1], body.replace(b"production", b"Production", 1)):
        assert Client().post(url, sent, content_type="application/json", headers=headers).status_code == 401
    assert Client().post(url, body, content_type="application/json", headers=headers).status_code == 202


def test_the_secret_of_another_connection_opens_nothing(people, row, monkeypatch):
    monkeypatch.setenv("TILLGATE_PIPELINE_OTHER", "another-secret-that-is-long-too")
    other = make.connection(people, API, key="other", webhook_secret_ref="env:TILLGATE_PIPELINE_OTHER")
    assert make.send(row, make.github_payload(API), secret="another-secret-that-is-long-too").status_code == 401
    assert make.send(other, make.github_payload(API)).status_code == 401
    assert make.send(other, make.github_payload(API), secret="another-secret-that-is-long-too").status_code == 202
    assert PipelineReview.objects.get().connection == other


def test_a_connection_that_is_not_there_answers_like_one_with_another_secret(row):
    ghost = PipelineConnection(key="ghost", provider="github")
    answers = [make.send(ghost, make.github_payload(API)), make.send(row, make.github_payload(API), secret="x" * 20)]
    there, here = ((one.status_code, one.json()["code"], one.json()["detail"]) for one in answers)
    assert there == here
    assert there[:2] == (401, "pipeline.signature")


def test_a_connection_counts_between_its_confirmation_and_its_end(people):
    values = {
        "key": "new",
        "name": "New",
        "provider": "github",
        "api_url": API,
        "app_id": "1",
        "webhook_secret_ref": "env:TILLGATE_PIPELINE_WEBHOOK",
        "credential_ref": "env:TILLGATE_PIPELINE_GITHUB",
        "owner_team": make.catalog_team(),
    }
    made = pipeline_connections.propose(values, actor=people.owner)
    assert make.send(made, make.github_payload(API)).status_code == 401
    pipeline_connections.confirm("new", actor=people.rita)
    assert make.send(made, make.github_payload(API)).status_code == 202
    pipeline_connections.end("new", actor=people.owner)
    assert make.send(made, make.github_payload(API)).status_code == 401


def test_a_secret_that_everybody_could_guess_signs_nothing(row, monkeypatch):
    for secret in ("", " ", "short"):
        monkeypatch.setenv("TILLGATE_PIPELINE_WEBHOOK", secret)
        answer = make.send(row, make.github_payload(API), secret=secret)
        assert (answer.status_code, answer.json()["code"]) == (503, "pipeline.unavailable")
        assert "TILLGATE" not in answer.content.decode(), "the outside hears no names"
    row.refresh_from_db()
    assert "env:TILLGATE_PIPELINE_WEBHOOK" in row.fault


def test_while_a_secret_is_rotated_both_are_taken(people, monkeypatch):
    monkeypatch.setenv("TILLGATE_PIPELINE_NEW", "the-new-secret-of-the-webhook")
    row = make.connection(
        people,
        API,
        webhook_secret_ref="env:TILLGATE_PIPELINE_NEW",
        old_webhook_secret_ref="env:TILLGATE_PIPELINE_WEBHOOK",
    )
    sent = [
        make.send(row, make.github_payload(API, run=1 + n), secret=s).status_code
        for n, s in enumerate((make.SECRET, "the-new-secret-of-the-webhook", "neither-this-nor-that-one"))
    ]
    assert sent == [202, 202, 401]


def test_a_webhook_that_comes_again_is_one_review_whatever_its_unsigned_number_says(row):
    payload = make.github_payload(API)
    first = make.send(row, payload).json()
    again = [make.send(row, payload, **{"X-GitHub-Delivery": number}).json() for number in ("a", "b", "")]
    other_bytes = make.send(row, json.dumps(payload, indent=2).encode()).json()
    assert (first["outcome"], first["repeated"]) == ("taken", False)
    assert {(one["review"], one["repeated"]) for one in [*again, other_bytes]} == {(first["review"], True)}
    assert PipelineReview.objects.count() == 1
    assert sorted(PipelineDelivery.objects.values_list("times", flat=True)) == [1, 4]


def test_another_run_deployment_or_environment_is_another_review(row):
    for more in ({}, {"run": 9}, {"deployment": 9}, {"environment": "staging"}):
        make.send(row, make.github_payload(API, **more))
    assert PipelineReview.objects.count() == 4


@pytest.mark.parametrize("names", [["push", ""], ["", "push"], ["ping", "push"]])
def test_the_unsigned_name_of_an_event_decides_nothing_and_rewrites_nothing(row, names):
    payload = make.github_payload(API)
    sent = [{"X-GitHub-Event": name} if name else {} for name in names]
    first, again = (make.send(row, payload, **headers).json() for headers in sent)
    assert (first["outcome"], first["repeated"]) == ("taken", False)
    assert (again["outcome"], again["repeated"], again["review"]) == ("taken", True, first["review"])
    kept = PipelineDelivery.objects.get()
    assert (kept.outcome, kept.review_id, kept.why, kept.times) == ("taken", first["review"], "", 2)
    assert kept.event == (names[0] or "deployment_protection_rule")


def test_a_signed_body_of_another_event_asks_for_nothing_under_any_name(row):
    body = {"action": "requested", "environment": "production", "repository": {"id": 7, "full_name": "retail/till"}}
    for name in ("deployment_review", "deployment_protection_rule"):
        assert make.send(row, body, **{"X-GitHub-Event": name}).json()["outcome"] == "ignored"
    assert not PipelineReview.objects.exists()


def test_a_webhook_that_was_stored_as_ignored_by_its_header_counts_when_it_comes_again(row):
    """As it was stored while the header still decided."""
    payload = make.github_payload(API)
    review = make.send(row, payload).json()["review"]
    PipelineDelivery.objects.update(outcome="ignored", why="the event 'push' asks for no decision", review=None)
    make.send(row, payload)
    kept = PipelineDelivery.objects.get()
    assert (kept.outcome, kept.review_id, kept.why) == ("taken", review, "")


def without(payload: dict, pointer: str) -> dict:
    *path, last = pointer.strip("/").split("/")
    inner = payload
    for part in path:
        inner = inner[part]
    del inner[last]
    return payload


def changed(payload: dict, pointer: str, value: object) -> dict:
    *path, last = pointer.strip("/").split("/")
    inner = payload
    for part in path:
        inner = inner[part]
    inner[last] = value
    return payload


POINTERS = [
    "/action",
    "/environment",
    "/deployment_callback_url",
    "/deployment/id",
    "/deployment/sha",
    "/deployment/ref",
    "/repository/id",
    "/repository/full_name",
    "/installation/id",
]


def test_each_missing_or_wrong_field_is_named(row):
    for pointer in POINTERS:
        refuses_without(row, pointer)
    assert not PipelineReview.objects.exists()
    assert set(PipelineDelivery.objects.values_list("outcome", flat=True)) == {"refused"}


def refuses_without(row: PipelineConnection, pointer: str) -> None:
    broken = [without(make.github_payload(API), pointer)]
    broken += [
        changed(make.github_payload(API), pointer, v) for v in (None, [], {}, True, -1, 1.5, "", 10**30, "x\u0000")
    ]
    for payload in broken:
        answer = make.send(row, payload)
        assert answer.status_code == 422, (payload, answer.content)
        assert answer.json()["code"] in ("pipeline.payload", "json.nul")


ELSEWHERE = [
    "https://evil.example/repos/retail/web-shop/actions/runs/5/deployment_protection_rule",
    "https://api.github.com.evil.example/repos/retail/web-shop/actions/runs/5/deployment_protection_rule",
    "https://api.github.com@evil.example/repos/retail/web-shop/actions/runs/5/deployment_protection_rule",
    "http://api.github.com/repos/retail/web-shop/actions/runs/5/deployment_protection_rule",
    "https://api.github.com/repos/other/web-shop/actions/runs/5/deployment_protection_rule",
    "https://api.github.com/repos/retail/Web-Shop/actions/runs/5/deployment_protection_rule",
    "https://api.github.com/repos/retail/web-shop/actions/runs/../5/deployment_protection_rule",
    "https://api.github.com/repos/retail/web-shop/actions/runs/5/deployment_protection_rule?x=1",
    "https://api.github.com/repos/retail/web-shop/actions/runs/5/deployment_protection_rule\n",
    "https://api.github.com/repos/retail/web-shop/actions/runs/٥/deployment_protection_rule",
    "https://api.github.com/repos/retail/web-shop/actions/runs/0/deployment_protection_rule",
    "https://api.github.com/repos/retail/web-shop/actions/runs/9999999999999999999/deployment_protection_rule",
]


def test_a_callback_to_any_other_address_is_refused(row):
    for url in ELSEWHERE:
        answer = make.send(row, make.github_payload(API) | {"deployment_callback_url": url})
        assert (answer.status_code, answer.json()["findings"][0]["pointer"]) == (422, "/deployment_callback_url"), url
    assert not PipelineReview.objects.exists()


ODD_BODIES: list[tuple[bytes, int, str | None]] = [
    (b'{"action": "requested", "action": "requested"}', 422, "json.duplicate_key"),
    (b'{"environment": "a\\u0000"}', 422, "json.nul"),
    (b"not json", 400, "json.syntax"),
    (b"\xff\xfe", 400, "json.encoding"),
    (b"[" * 100_000, 422, "json.depth"),
    (b"[]", 422, "pipeline.payload"),
    (b"null", 422, "pipeline.payload"),
    (b'{"action": "completed"}', 202, None),
]


def test_a_signed_body_that_cannot_be_used_is_refused_in_words(row):
    for body, status, code in ODD_BODIES:
        answer = make.send(row, body)
        assert (answer.status_code, answer.json().get("code")) == (status, code), body[:40]
    assert not PipelineReview.objects.exists()


def test_a_body_over_the_limit_is_not_read(row):
    answer = make.send(row, b" " * (reading.LARGEST_BODY + 1))
    assert (answer.status_code, answer.json()["code"]) == (413, "request.too_large")


def test_a_form_and_a_coding_are_refused_in_words(row):
    for headers in ({"Content-Type": "application/x-www-form-urlencoded"}, {"Content-Encoding": "gzip"}):
        assert make.send(row, make.github_payload(API), **headers).status_code == 415


def test_an_environment_that_contradicts_itself_is_refused(row):
    payload = changed(make.github_payload(API), "/deployment/environment", "staging")
    assert make.send(row, payload).json()["findings"][0]["pointer"] == "/deployment/environment"


def test_a_merge_request_is_one_review_for_each_commit(project):
    first = make.send(project, make.gitlab_payload()).json()
    titled = changed(make.gitlab_payload(), "/object_attributes/title", "Another title")
    assert make.send(project, titled).json() == {**first, "repeated": True}
    make.send(project, make.gitlab_payload(sha=make.OTHER_SHA))
    assert PipelineReview.objects.count() == 2


def test_a_merge_request_that_is_closed_or_merged_waits_for_nothing(project):
    for number, state in enumerate(("closed", "merged", "locked"), 1):
        make.send(project, make.gitlab_payload(iid=number))
        assert make.send(project, make.gitlab_payload(iid=number, state=state)).json()["outcome"] == "ignored"
    assert set(PipelineReview.objects.values_list("state", flat=True)) == {"overtaken"}


NEEDED_OF_A_MERGE_REQUEST = [
    "/object_attributes/target_project_id",
    "/object_attributes/iid",
    "/object_attributes/last_commit/id",
    "/object_attributes/target_branch",
    "/object_attributes/state",
    "/project/path_with_namespace",
    "/external_approval_rule/id",
]


def test_each_field_of_a_merge_request_is_needed(project):
    for pointer in NEEDED_OF_A_MERGE_REQUEST:
        for payload in (without(make.gitlab_payload(), pointer), changed(make.gitlab_payload(), pointer, [])):
            assert make.send(project, payload).status_code == 422, pointer
    assert not PipelineReview.objects.exists()


def test_a_project_that_is_not_the_one_merged_into_is_refused(project):
    payload = changed(make.gitlab_payload(), "/project/id", 7)
    assert make.send(project, payload).json()["findings"][0]["pointer"] == "/project/id"


def test_a_plain_webhook_of_merge_requests_is_no_status_check(project):
    payload = without(make.gitlab_payload(), "/external_approval_rule")
    assert make.send(project, payload).json()["outcome"] == "ignored"


def test_gitlab_signs_without_a_prefix(project):
    body, headers = forge_webhooks.signed("gitlab", make.SECRET, make.gitlab_payload())
    prefixed = {"X-Gitlab-Signature": "sha256=" + headers["X-Gitlab-Signature"]}
    assert make.send(project, body, **prefixed).status_code == 401
    assert make.send(project, body).status_code == 202


def test_other_methods_and_signed_in_people_get_no_further(row):
    url = reverse("governance-api:pipeline-events", args=[row.key])
    assert Client().get(url).status_code == 405
    client = Client()
    client.force_login(row.proposed_by)
    assert client.post(url, b"{}", content_type="application/json").status_code == 401
