"""Replays and vendors over the API: a whole story each, and what is refused."""

from __future__ import annotations

import pytest
from django.urls import reverse

from runtime.models import VendorState
from tests.runtime import scene
from tests.runtime.api.test_api import LIMITS, PLAN, bearer, day  # noqa: F401 - the working day

pytestmark = pytest.mark.django_db
JSON = "application/json"


def test_a_replay_is_planned_tried_started_and_cancelled(client, day: scene.Day):
    headers = bearer(day.people.sofia)
    made = client.post(reverse("runtime-api:replays"), PLAN, content_type=JSON, headers=headers)
    assert (made.status_code, made.json()["state"], made.json()["needs_approval"]) == (201, "planned", False)
    address = made.headers["Location"]
    tried = client.post(f"{address}/dry-run", {}, content_type=JSON, headers=headers).json()
    assert (tried["dry_run"]["passed"], tried["dry_run"]["total"]) == (0, made.json()["messages"])
    started = client.post(f"{address}/start", {}, content_type=JSON, headers=headers).json()
    assert started["state"] == "running"
    assert (
        client.post(f"{address}/cancel", {"reason": "x"}, content_type=JSON, headers=headers).json()["state"]
        == "cancelled"
    )
    refused = client.post(f"{address}/dry-run", {}, content_type=JSON, headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (409, "replay.not_planned")


@pytest.mark.parametrize(
    ("given", "status", "code"),
    [
        ({"target": "nowhere"}, 404, "target.unknown"),
        ({"instance": "0101"}, 404, "target.unknown"),
        ({"integration": "prices"}, 404, "integration.unknown"),
        ({"until": "2019-01-01T00:00:00Z"}, 422, "replay.plan"),
        ({"key_from": "zzz"}, 422, "replay.empty"),
    ],
)
def test_what_cannot_be_planned_says_why(client, day: scene.Day, given, status, code):
    answer = client.post(
        reverse("runtime-api:replays"), PLAN | given, content_type=JSON, headers=bearer(day.people.sofia)
    )
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_limits_and_breaker_are_set_by_who_may_and_refused_with_every_place(client, day: scene.Day):
    vendor = VendorState.objects.get(system_key="s4")
    headers = bearer(day.people.rita)
    limits = reverse("runtime-api:vendor-limits", args=[vendor.pk])
    refused = client.put(limits, LIMITS | {"burst": None, "budget": -1}, content_type=JSON, headers=headers)
    assert {one["pointer"] for one in refused.json()["findings"]} == {"/burst", "/budget"}
    for odd in ("nan", "inf"):
        assert client.put(limits, LIMITS | {"rate": odd}, content_type=JSON, headers=headers).status_code == 422
    assert client.put(limits, LIMITS, content_type=JSON, headers=headers).json()["rate"] == 5
    body = {"until": "2099-01-01T00:00:00Z", "reason": "their release"}
    opened = client.post(
        reverse("runtime-api:vendor-breaker-open", args=[vendor.pk]), body, content_type=JSON, headers=headers
    )
    assert opened.json()["breaker"] == "open"
    closed = client.post(
        reverse("runtime-api:vendor-breaker-close", args=[vendor.pk]),
        {"reason": "x"},
        content_type=JSON,
        headers=headers,
    )
    assert closed.json()["breaker"] == "closed"
    owner = client.put(limits, LIMITS, content_type=JSON, headers=bearer(day.people.sofia))
    assert (owner.status_code, owner.json()["code"]) == (403, "vendor.not_allowed")
