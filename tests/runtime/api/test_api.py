"""The runtime's REST API: shapes, rights, refusals as problem documents, and intake that answers after the commit."""

from __future__ import annotations

import itertools
import json
from datetime import timedelta

import pytest
from django.urls import get_resolver, reverse

from kernel import clock, strict_json, tokens
from kernel.json_fields import DocumentField
from kernel.models import AuditEntry
from runtime.domain import manifest as manifests
from runtime.models import QuarantinedMessage, VendorState
from runtime.services import target_times
from tests.runtime import scene
from tests.runtime.watched import watched

pytestmark = pytest.mark.django_db


@pytest.fixture
def day() -> scene.Day:
    return scene.day()


PLAN = {"integration": "sales", "target": "journal", "since": "2020-01-01T00:00:00Z", "reason": "x"}
LIMITS = {"rate": 5, "burst": 10, "concurrency": None, "budget": 1000, "reason": "month end"}


NOTHING = (
    [],
    {"next": None, "previous": None, "results": []},
    {"recovering": False, "window_until": None, "rewinds": [], "flows": []},
)


def bearer(user, *scopes: str) -> dict[str, str]:
    _, secret = tokens.issue(actor=user, user=user, name="test", scopes=scopes or ("runtime:read", "runtime:write"))
    return {"Authorization": f"Bearer {secret}"}


def reads(day: scene.Day) -> list[str]:
    letter, told = day.letters[0], watched(day)
    place = {"subscription": letter.subscription_id, "lane": letter.lane, "position": letter.position}
    group = f"parked.{day.sales.stream.pk}.journal.{letter.fingerprint}"
    return [
        *(
            reverse(f"runtime-api:{name}")
            for name in ("integrations", "runs", "dead-letters", "vendors", "schedules", "replays", "reconciliation")
        ),
        *(
            reverse(f"runtime-api:{name}", args=["sales"])
            for name in (
                "integration",
                "releases",
                "deployments",
                "gate",
                "hooks",
                "intake-grants",
                "reconciliation-flow",
            )
        ),
        reverse("runtime-api:release", args=["sales", day.sales.release.digest]),
        reverse("runtime-api:run", args=[day.run.pk]),
        reverse("runtime-api:messages") + f"?q={letter.key}",
        reverse("runtime-api:trace", args=[day.sales.correlation(day.places[0])]),
        reverse("runtime-api:letters", args=[group]),
        reverse("runtime-api:letter", kwargs=place),
        reverse("runtime-api:rejected", args=[day.rejected.pk]),
        reverse("runtime-api:conflict", args=[day.conflict.pk]),
        reverse("runtime-api:schedule", args=[day.sales.integration.schedules.get().pk]),
        reverse("runtime-api:replay", args=[day.replay.pk]),
        reverse("runtime-api:reading", args=[day.reading.pk]),
        reverse("runtime-api:vendor", args=[vendor()]),
        reverse("runtime-api:recovery"),
        reverse("runtime-api:store", args=["0590"]),
        reverse("runtime-api:stores"),
        *(reverse(f"runtime-api:{name}") for name in ("service-levels", "alerts", "alert-rules", "alert-silences")),
        reverse("runtime-api:service-level", args=[told.level]),
        reverse("runtime-api:alert", args=[told.alert]),
    ]


FOR_DECIDERS = "runtime-api:retention-due"
"""Names integrations of every team, so only those who decide for all may read it."""
OF_THE_PRODUCT = {"connectors": [], "connector-schema": ["rest", "source"], "manifest-schema": [], "plug-ins": []}
"""What this installation speaks: the same for each reader of the runtime."""
OF_VERSIONS = "version-readers"
"""Answers who may see the version, with what they may see: `tests/runtime/api/test_readers_api.py`."""


def vendor() -> int:
    return VendorState.objects.get(system_key="s4").pk


RULE = {"name": "mine", "condition": "budget", "below": 10, "severity": "info"}
OBJECTIVE = {"kind": "latency", "integration": "sales", "share": "99", "limit_s": 9, "reason": "x"}


def writes(day: scene.Day) -> list[tuple[str, str, dict]]:
    letter, told = day.letters[0], watched(day)
    until = f"{clock.now() + timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}"
    place = {"subscription": letter.subscription_id, "lane": letter.lane, "position": letter.position}
    return [
        ("post", reverse("runtime-api:integrations"), {"manifest": scene.SALES}),
        (
            "post",
            reverse("runtime-api:deployments", args=["sales"]),
            {"digest": day.sales.release.digest, "environment": "production"},
        ),
        (
            "post",
            reverse("runtime-api:pause", args=["sales"]),
            {"environment": "production", "paused": True, "reason": "x"},
        ),
        ("post", reverse("runtime-api:start", args=["sales"]), {"environment": "production"}),
        ("post", reverse("runtime-api:run-cancel", args=[day.run.pk]), {}),
        (
            "post",
            reverse("runtime-api:redrive"),
            {"place": f"{letter.subscription_id}/{letter.lane}/{letter.position}"},
        ),
        (
            "post",
            reverse("runtime-api:give-up"),
            {"place": f"{letter.subscription_id}/{letter.lane}/{letter.position}", "reason": "x"},
        ),
        (
            "post",
            reverse("runtime-api:confirm"),
            {"place": f"{letter.subscription_id}/{letter.lane}/{letter.position}", "reason": "x"},
        ),
        ("put", reverse("runtime-api:letter", kwargs=place), {"payload": {}, "reason": "x"}),
        ("post", reverse("runtime-api:rejected", args=[day.rejected.pk]), {"payload": {}}),
        ("post", reverse("runtime-api:rejected-dismiss", args=[day.rejected.pk]), {"reason": "x"}),
        ("post", reverse("runtime-api:conflict", args=[day.conflict.pk]), {"keep": True, "reason": "x"}),
        ("put", reverse("runtime-api:schedule", args=[day.sales.integration.schedules.get().pk]), {"enabled": False}),
        ("post", reverse("runtime-api:intake", args=["sales"]), {"items": []}),
        ("post", reverse("runtime-api:hooks", args=["sales"]), {"source": "till", "secret_ref": "env:X"}),
        ("delete", reverse("runtime-api:hook-detail", args=["sales", 1]), {}),
        ("patch", reverse("runtime-api:hook-detail", args=["sales", 1]), {"secret_ref": "env:X"}),
        ("post", reverse("runtime-api:intake-grants", args=["sales"]), {"account": "zoe"}),
        ("delete", reverse("runtime-api:intake-grant", args=["sales", 1]), {}),
        (
            "post",
            reverse("runtime-api:reconciliation-compare", args=["sales"]),
            {"day": "2026-11-23", "target": "journal"},
        ),
        ("post", reverse("runtime-api:replays"), PLAN),
        ("post", reverse("runtime-api:replay-trial", args=[day.replay.pk]), {}),
        ("post", reverse("runtime-api:replay-start", args=[day.replay.pk]), {}),
        ("post", reverse("runtime-api:replay-cancel", args=[day.replay.pk]), {"reason": "x"}),
        ("put", reverse("runtime-api:vendor-limits", args=[vendor()]), LIMITS),
        (
            "post",
            reverse("runtime-api:vendor-breaker-open", args=[vendor()]),
            {"until": "2099-01-01T00:00:00Z", "reason": "x"},
        ),
        ("post", reverse("runtime-api:vendor-breaker-close", args=[vendor()]), {"reason": "x"}),
        ("post", reverse("runtime-api:vendor-breaker-probe", args=[vendor()]), {}),
        ("post", reverse("runtime-api:reading-plan", args=["sales"]), {"reason": "x"}),
        ("post", reverse("runtime-api:reading-start", args=[day.reading.pk]), {}),
        ("post", reverse("runtime-api:reading-cancel", args=[day.reading.pk]), {"reason": "x"}),
        ("post", reverse("runtime-api:judge-rejected", args=["sales"]), {"dry_run": True}),
        ("put", reverse("runtime-api:retention"), {"data_class": "messages", "days": None, "reason": "x"}),
        ("put", reverse("runtime-api:objectives"), OBJECTIVE),
        ("post", reverse("runtime-api:alert-acknowledge", args=[told.alert]), {"reason": "x"}),
        ("post", reverse("runtime-api:alert-rules"), RULE),
        ("put", reverse("runtime-api:alert-rule", args=[told.rule]), RULE),
        ("post", reverse("runtime-api:alert-silences"), {"until": until, "reason": "x"}),
        ("delete", reverse("runtime-api:alert-silence", args=[told.silence]), {}),
        ("post", reverse("runtime-api:erase", args=[day.sales.correlation(day.places[0])]), {"reason": "x"}),
    ]


def test_what_would_go_is_told_to_those_who_decide_for_all(client, day):
    decides, owner = bearer(day.people.rita), bearer(day.people.sofia)
    assert client.get(reverse(FOR_DECIDERS), headers=owner).json()["code"] == "retention.not_allowed"
    assert client.get(reverse(FOR_DECIDERS), headers=decides).status_code == 200


def test_every_address_is_among_those_that_are_tried(day):
    named = {pattern.name for pattern in get_resolver("runtime.api.urls").url_patterns if pattern.name}
    resolve = get_resolver().resolve
    tried = {
        resolve(address.partition("?")[0]).url_name
        for address in reads(day) + [reverse(FOR_DECIDERS)] + [address for _, address, _ in writes(day)]
    }
    assert named == tried | {OF_VERSIONS} | OF_THE_PRODUCT.keys()


@pytest.mark.parametrize("name", OF_THE_PRODUCT)
def test_what_the_product_speaks_is_told_to_each_reader_of_the_runtime(client, day, name):
    address = reverse(f"runtime-api:{name}", args=OF_THE_PRODUCT[name])
    owner, stranger, blind = bearer(day.people.sofia), bearer(day.people.zoe), bearer(day.people.sofia, "catalog:read")
    assert client.get(address).status_code == 401
    assert client.get(address, headers=blind).status_code == 403
    told = client.get(address, headers=owner).json()
    assert client.get(address, headers=stranger).json() == told
    assert told or name == "plug-ins", "an installation has none of its own"


def test_every_read_answers_its_owner_and_nobody_else(client, day):
    day.people.sofia.groups.add(day.people.groups["pricing"])
    owner, stranger, blind = bearer(day.people.sofia), bearer(day.people.zoe), bearer(day.people.sofia, "catalog:read")
    for address in reads(day):
        assert client.get(address, headers=owner).status_code == 200, address
        assert client.get(address).status_code == 401, address
        assert client.get(address, headers=blind).status_code == 403, address
        answer = client.get(address, headers=stranger)
        assert answer.status_code == 404 or answer.json() in NOTHING, address


def test_every_write_needs_the_scope_and_the_team(client, day):
    reader, other, looks = bearer(day.people.sofia, "runtime:read"), bearer(day.people.petra), bearer(day.people.sam)
    for method, address, body in writes(day):
        send = getattr(client, method)
        assert send(address, body, content_type="application/json").status_code == 401, address
        assert send(address, body, content_type="application/json", headers=reader).status_code == 403, address
        assert send(address, body, content_type="application/json", headers=other).status_code in (403, 404), address
        assert send(address, body, content_type="application/json", headers=looks).status_code == 403, address


JUNK = (
    [],
    None,
    {"manifest": [], "digest": "x"},
    {"place": "1/2/3", "payload": None},
    {"reason": "", "enabled": "x", "keep": []},
    {
        "rate": "nan",
        "burst": "inf",
        "budget": -1,
        "concurrency": 0,
        "reason": "x",
        "until": "2001-01-01T00:00:00Z",
        "place": "1/2/3",
    },
    {**PLAN, "since": "0001-01-01T00:00:00Z", "key_to": "\u0000", "pace": "nan"},
)


@pytest.mark.thorough
def test_junk_is_a_problem_document_and_never_a_fault(client, day):
    headers = bearer(day.people.rita)
    for (method, address, _), body in itertools.product([w for w in writes(day) if "intake" not in w[1]], JUNK):
        answer = getattr(client, method)(address, body, content_type="application/json", headers=headers)
        assert answer.status_code in (200, 201, 204, 400, 403, 404, 409, 422), (address, body)
        if answer.status_code >= 400:
            assert answer.headers["Content-Type"] == "application/problem+json"
            assert answer.json()["code"]
    for address in (
        "runs?state=%00",
        "runs?cursor=zz",
        "messages?q=",
        "vendors?environment=%00",
        "dead-letters/groups/..",
        "runs/99999999999999999999",
        "reconciliation?day=%00",
        "stores/%00?system=%00",
        "integrations/sales/reconciliation?day=1&by=x",
        "replays/99999999999999999999",
        "vendors/99999999999999999999",
        "alerts/99999999999999999999",
        "alerts?state=%00&before=x",
        "service-levels/99999999999999999999",
        "service-levels?kind=%00&integration=%00",
    ):
        assert client.get(f"/api/v1/{address}", headers=headers).status_code in (200, 404, 422), address


def test_the_gate_is_told_condition_by_condition(client, day):
    scene.void(day.sales.approval)
    found = client.get(reverse("runtime-api:gate", args=["sales"]), headers=bearer(day.people.sofia)).json()
    assert [(one["target"], one["permitted"], one["open"]) for one in found] == [
        ("earn", False, False),
        ("journal", False, False),
    ]
    unmet = [condition["key"] for condition in found[0]["conditions"] if not condition["met"]]
    assert unmet == ["approved"]


def test_an_unapproved_digest_is_refused_with_what_is_missing(client, day):
    release = day.sales.register({**scene.SALES, "note": "other"})
    body = {"digest": release.digest, "environment": "production"}
    address = reverse("runtime-api:deployments", args=["sales"])
    answer = client.post(address, body, content_type="application/json", headers=bearer(day.people.sofia))
    assert answer.status_code == 403
    assert {one["code"] for one in answer.json()["unmet"]} <= {"approval.missing", "approval.stale_digest"}
    assert answer.json()["unmet"]


def test_a_run_says_what_became_of_its_messages(client, day):
    found = client.get(reverse("runtime-api:run", args=[day.run.pk]), headers=bearer(day.people.sofia)).json()
    assert (found["refused"], found["unknown"], found["percent"], found["live"]) == (3, 1, None, True)
    assert [one["target"] for one in found["targets"]] == ["earn", "journal"]


@pytest.mark.parametrize("name", ["redrive", "give-up"])
def test_a_decision_that_changes_nothing_is_told_so(client, day, name):
    headers = bearer(day.people.sofia)
    tried = day.sales.park(day.places[7], "journal", state="sending", reason="x", reason_class="unanswered", key="k7")
    QuarantinedMessage.objects.filter(pk=tried.pk).update(lease_until=clock.now() + timedelta(minutes=1))
    place = f"{tried.subscription_id}/{tried.lane}/{tried.position}"
    body = {"place": place, "reason": "x", **({"dry_run": False} if name == "redrive" else {})}
    refused = client.post(reverse(f"runtime-api:{name}"), body, content_type="application/json", headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (409, "dead_letter.decided")
    assert not AuditEntry.objects.filter(verb__in=("runtime.redriven", "runtime.given_up")).exists()


def test_a_redrive_is_a_dry_run_unless_it_is_said_otherwise(client, day):
    headers = bearer(day.people.sofia)
    group = client.get(reverse("runtime-api:dead-letters"), headers=headers).json()[2]["group"]
    answer = client.post(
        reverse("runtime-api:redrive"), {"group": group}, content_type="application/json", headers=headers
    )
    found = answer.json()
    assert found.pop("standing").startswith("3-")
    assert found | {"still_refused": []} == {
        "dry_run": True,
        "waits": None,
        "letters": 3,
        "would_map": 3,
        "behind": 0,
        "outcome_unknown": 0,
        "fresh_keys": 0,
        "not_askable": 0,
        "key_forgotten": 0,
        "unproven": 3,
        "still_refused": [],
    }
    assert QuarantinedMessage.objects.filter(state="dead").count() == 3
    body = {"group": group, "dry_run": False, "rate": 10}
    VendorState.objects.update(not_before=clock.now() + timedelta(minutes=5))
    done = client.post(reverse("runtime-api:redrive"), body, content_type="application/json", headers=headers).json()
    assert done["letters"] == 3
    assert "asked to wait until" in done["waits"]
    assert not QuarantinedMessage.objects.filter(state="dead").exists()


def test_a_dry_run_foresees_a_key_that_the_vendor_has_forgotten(client, day, monkeypatch):
    monkeypatch.setattr(target_times, "asks_by_reference", lambda target: False)
    body, headers = {"place": place_of(day.letters[3])}, bearer(day.people.sofia)
    address, known = reverse("runtime-api:redrive"), {"content_type": "application/json", "headers": headers}
    assert client.post(address, body, **known).json()["key_forgotten"] == 0
    QuarantinedMessage.objects.filter(pk=day.letters[3].pk).update(first_seen_at=clock.now() - timedelta(days=1))
    assert client.post(address, body, **known).json()["key_forgotten"] == 1


def test_what_is_asked_about_is_listed_by_itself_and_can_be_asked_about_now(client, day):
    headers = bearer(day.people.sofia)
    asked = day.sales.park(
        day.places[7], "journal", state="sending", reason="404 of the lookup", reason_class="question", key="k7"
    )
    QuarantinedMessage.objects.filter(pk=asked.pk).update(not_before=clock.now() + timedelta(hours=1))
    lists = reverse("runtime-api:dead-letters")
    assert "asked" not in {one["kind"] for one in client.get(lists, headers=headers).json()}
    (group,) = client.get(lists, {"asked": "true"}, headers=headers).json()
    assert (group["kind"], group["letters"]) == ("asked", 1)
    letters = client.get(reverse("runtime-api:letters", args=[group["group"]]), headers=headers).json()
    assert [one["key"] for one in letters] == ["k7"]
    known = {"content_type": "application/json", "headers": headers}
    body = {"group": group["group"], "dry_run": False}
    assert client.post(reverse("runtime-api:redrive"), body, **known).json()["letters"] == 1
    asked.refresh_from_db()
    assert (asked.state, asked.not_before < clock.now()) == ("sending", True)
    refused = client.post(reverse("runtime-api:redrive"), body | {"not_arrived": True}, **known)
    assert (refused.status_code, refused.json()["code"]) == (422, "redrive.reason")
    body |= {"not_arrived": True, "reason": "not in their list"}
    early = client.post(reverse("runtime-api:redrive"), body, **known)
    assert (early.status_code, early.json()["code"]) == (409, "redrive.unsettled")
    QuarantinedMessage.objects.filter(pk=asked.pk).update(first_seen_at=clock.now() - timedelta(hours=1))
    assert client.post(reverse("runtime-api:redrive"), body, **known).json()["letters"] == 1
    asked.refresh_from_db()
    assert (asked.state, asked.not_arrived) == ("retry", True)


def place_of(letter):
    return f"{letter.subscription_id}/{letter.lane}/{letter.position}"


def test_lists_are_paged_by_cursor(client, day):
    headers = bearer(day.people.rita)
    first = client.get(reverse("runtime-api:runs") + "?page_size=1", headers=headers).json()
    second = client.get(first["next"], headers=headers).json()
    assert [first["results"][0]["id"], second["results"][0]["id"]] == [day.run.pk, day.run.pk - 1]


def test_a_manifest_with_fractions_is_read_as_a_file_would_be(client, day):
    manifest = {**scene.SALES, "targets": [{**scene.SALES["targets"][0], "deadline": 2.5}]}
    answer = client.post(
        reverse("runtime-api:integrations"),
        {"manifest": manifest},
        content_type="application/json",
        headers=bearer(day.people.sofia),
    ).json()
    assert answer.get("code") != "request.invalid", answer
    sent = strict_json.loads(json.dumps(manifest).encode())
    assert manifests.parse(DocumentField().run_validation(sent)) == manifests.parse(manifest)


def test_a_manifest_with_faults_names_each_place(client, day):
    body = {"manifest": {**scene.SALES, "tier": 9, "targets": []}}
    answer = client.post(
        reverse("runtime-api:integrations"), body, content_type="application/json", headers=bearer(day.people.sofia)
    )
    assert answer.status_code == 422
    assert {one["pointer"] for one in answer.json()["findings"]} >= {"/tier", "/targets"}
