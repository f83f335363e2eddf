"""A waiver opens one rule at one place of one subject for one application in one environment, and nothing else."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from catalog.models import ApiVersion, Application, Environment, Subscription, UsageDay
from governance.domain import gate_rules
from governance.domain.subject import Subject
from governance.models import Verdict, Waiver
from governance.services import applying, changes, checks, freezes, policies, reviews, waivers
from kernel import clock, tokens
from kernel.digest import digest_of
from kernel.errors import Invalid
from tests.catalog import make as catalog
from tests.governance import make
from tests.governance.gate_estate import NOS
from tests.governance.test_catalog_changes import POLICY

pytestmark = pytest.mark.django_db
PAST = "version.past_sunset"
PLACE = "/consumed/items/price-api@v2"


@pytest.fixture(autouse=True)
def estate() -> None:
    """The sunset of price-api@v2 has passed; till and self-checkout are both subscribed to it."""
    catalog.estate()
    policies.install(level="organisation", document=POLICY, actor=None)
    now = clock.now()
    ApiVersion.objects.filter(api__slug="price-api", label="v2").update(
        state="deprecated", deprecated_at=now - timedelta(days=300), sunset_at=now - timedelta(hours=1)
    )
    till = Application.objects.get(key="till")
    other = Application.objects.create(key="kiosk", name="Kiosk", team=till.team)
    Subscription.objects.create(
        application=other,
        version=ApiVersion.objects.get(api__slug="price-api", label="v2"),
        environment=Environment.objects.get(key="production"),
        state="active",
        valid_from=now - timedelta(days=9),
        requested_by=catalog.person("stan"),
    )


def ask(application: str = "till", **more: Any) -> dict[str, Any]:
    _, secret = tokens.issue(actor=None, user=catalog.person("stan"), name="ci", scopes=["gate:ask"])
    question = {"application": application, "version": "7.1", "environment": "production", "consumes": ["price-api@v2"]}
    headers = {"Authorization": f"Bearer {secret}"}
    answer = Client().post("/api/v1/gate/verdicts", json.dumps(question | more), "application/json", headers=headers)
    found: dict[str, Any] = answer.json()
    return found


def asked_over_http(**more: Any) -> tuple[int, dict[str, Any]]:
    body = {
        "rule": PAST,
        "pointer": PLACE,
        "subject_kind": "version",
        "subject_id": "price-api@v2",
        "application": "till",
        "environment": "production",
        "reason": "The image of the tills is frozen.",
        "expires_at": (clock.now() + timedelta(days=5)).isoformat(),
    } | more
    answer = catalog.client("stan").post("/api/v1/waivers", json.dumps(body), content_type="application/json")
    return answer.status_code, answer.json()


def granted(*, by: tuple[str, ...] = ("paula", "ada"), **more: Any) -> Waiver:
    status, made = asked_over_http(**more)
    assert status == 201, made
    checks.run_checks(made["id"])
    change = changes.get(made["id"])
    for name in by:
        change.refresh_from_db()
        reviews.approve(change, actor=catalog.person(name), seen=reviews.Seen.of(change))
    change.refresh_from_db()
    applying.apply(change)
    return Waiver.objects.latest("id")


def denied(answer: dict[str, Any]) -> set[str]:
    return {r["code"] for r in answer["reasons"] if r["word"] == "deny" and r["waived_by"] is None}


def test_deny_then_a_waiver_then_no_more_deny_for_exactly_one_consumer():
    reason = next(r for r in ask()["reasons"] if r["code"] == PAST)
    assert (reason["pointer"], reason["subject"]) == (PLACE, "price-api@v2")
    waiver = granted()
    answer = ask()
    assert denied(answer) == set()
    (listed,) = answer["waivers"]
    assert (listed["id"], listed["pointer"], listed["application"]) == (waiver.pk, PLACE, "till")
    for other in (ask("kiosk"), ask(environment="test"), ask(consumes=[], provides=["price-api@v2"])):
        assert PAST in denied(other)
        assert other["waivers"] == []


@pytest.mark.parametrize(
    "more",
    [
        {"pointer": f"{PLACE}/contract"},
        {"pointer": "/provided/items/price-api@v2"},
        {"rule": "version.retired"},
        {"application": "kiosk"},
    ],
)
def test_a_waiver_with_one_part_that_is_another_opens_nothing(more: dict[str, Any]):
    granted(**more)
    assert PAST in denied(ask())


def test_a_waiver_of_the_gate_names_its_application_and_its_place():
    for more, place in (({"application": ""}, "/application"), ({"pointer": ""}, "/pointer")):
        status, problem = asked_over_http(**more)
        assert (status, [f["pointer"] for f in problem["findings"]]) == (422, [place])
    status, problem = asked_over_http(application="tilll")
    assert status == 422
    assert "Did you mean till?" in problem["findings"][0]["message"]


@pytest.mark.parametrize(
    ("more", "place"),
    [
        ({"rule": "version.unknown"}, "/rule"),
        ({"rule": "contract.uncompared"}, "/rule"),
        ({"rule": "evidence.missing"}, "/rule"),
        ({"rule": "Version.past_sunset"}, "/rule"),
        ({"pointer": "/x"}, "/pointer"),
        ({"pointer": PLACE[1:]}, "/pointer"),
        ({"pointer": "/consumed/items/price-api@v9"}, "/pointer"),
        ({"pointer": "/freezes/items/1"}, "/pointer"),
        ({"subject_id": "price-api", "pointer": "/consumed/items/price-api"}, "/subject_id"),
        ({"subject_id": "price-api@v99", "pointer": "/consumed/items/price-api@v99"}, "/subject_id"),
        ({"subject_kind": "freeze", "subject_id": "1", "pointer": "/freezes/items/1"}, "/pointer"),
    ],
)
def test_a_waiver_of_what_no_waiver_sets_aside_is_not_asked_for(more: dict[str, Any], place: str):
    status, problem = asked_over_http(**more)
    assert (status, [found["pointer"] for found in problem["findings"]]) == (422, [place]), problem
    assert not Waiver.objects.exists()


@pytest.mark.parametrize("engine", ["1", "2", "2_codes", "3_codes", "4_codes", "5_codes", "6_codes"])
def test_each_deny_that_was_ever_told_has_a_place_that_a_waiver_may_name(engine: str):
    path = Path(__file__).parent / f"verdicts_engine_{engine}.json"
    told = [reason for case in json.loads(path.read_text()) for reason in json.loads(case["answer"])["reasons"]]
    denied = [one for one in told if one["word"] == "deny" and one["code"] in gate_rules.DENIALS]
    assert denied
    for one in denied:
        kind = gate_rules.WAIVED_ABOUT[one["pointer"].split("/")[1]]
        assert gate_rules.is_place_of(one["pointer"], kind, one["subject"]), one


def test_no_code_that_says_unknown_is_taken_for_one_that_a_waiver_sets_aside():
    words = {no.code: no.word for no in NOS}
    assert {code for code, word in words.items() if word == "unknown"} <= gate_rules.UNKNOWNS
    assert not gate_rules.UNKNOWNS & {*gate_rules.DENIALS, *gate_rules.NEVER_WAIVED}


def stored(pointer: str) -> Waiver:
    """A waiver of the time before applications were named, granted with what its approvers saw."""
    made = Waiver(
        rule=PAST,
        pointer=pointer,
        subject_kind="version",
        subject_id="price-api@v2",
        environment="production",
        reason="Long ago.",
        starts_at=clock.now() - timedelta(days=1),
        expires_at=clock.now() + timedelta(days=5),
        requested_by=catalog.person("stan"),
    )
    made.digest = digest_of(waivers.document(made))
    assert "application" not in waivers.document(made), "an old waiver keeps its digest"
    return made


def test_an_old_waiver_without_an_application_opens_nothing_for_everybody(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(waivers, "_gate_findings", lambda *_: [])
    for pointer in ("", PLACE):
        granted(application="", pointer=pointer)
    assert PAST in denied(ask())
    assert stored(PLACE)


def test_the_risk_of_a_waiver_is_that_of_what_it_opens():
    status, made = asked_over_http()
    assert (status, made["risk"]) == (201, "high")
    change = changes.get(made["id"])
    assert "till" in change.title
    for rule in ("thing.sound", "subscription.missing"):
        assert asked_over_http(rule=rule)[1]["risk"] in ("medium", "high")


def test_a_subject_that_nobody_has_is_refused():
    with pytest.raises(Invalid):
        waivers.propose(
            actor=catalog.person("stan"),
            rule=PAST,
            pointer=PLACE,
            application="ghost",
            subject=Subject("version", "price-api@v2", ""),
            environment="production",
            reason="It is needed here.",
            expires_at=clock.now() + timedelta(days=5),
        )


def test_a_freeze_is_waived_for_one_application_by_its_release_manager_as_its_reason_names_it():
    now = clock.now()
    ApiVersion.objects.filter(api__slug="price-api", label="v2").update(sunset_at=now + timedelta(days=9))
    day = {"kind": "once", "zone": "UTC", "from": f"{now:%Y-%m-%dT%H:%M}"}
    freezes.plan(actor=None, name="Peak", calendar=day | {"until": f"{now + timedelta(hours=2):%Y-%m-%dT%H:%M}"})
    (reason,) = ask()["reasons"]
    assert reason["code"] == "freeze.active"
    make.person("rita", "release-managers")
    asked = {"rule": reason["code"], "pointer": reason["pointer"], "subject_id": reason["subject"]}
    granted(by=("rita", "ada"), subject_kind="freeze", **asked)
    assert ask()["verdict"] == "allow"
    assert denied(ask("kiosk")) == {"freeze.active"}


def test_evidence_holds_no_waiver_that_could_set_nothing_aside():
    """Nor the words of its reason: of another application, or about what neither question nor records name."""
    mine = granted()
    granted(application="kiosk", reason="A secret of the kiosks.")
    ask(consumes=["price-api@v2"])
    assert list(Verdict.objects.latest("id").evidence["waivers"]["items"]) == [str(mine.pk)]
    ask(consumes=[], provides=["loyalty-api@v1"])
    assert Verdict.objects.latest("id").evidence["waivers"] == {"total": 0, "items": {}}


def test_what_the_question_leaves_out_is_waived_too():
    UsageDay.objects.create(
        application=Application.objects.get(key="till"),
        version=ApiVersion.objects.get(api__slug="price-api", label="v2"),
        environment=Environment.objects.get(key="production"),
        day=clock.now().date(),
        calls=700,
        last_seen_at=clock.now(),
    )
    left_out = {"consumes": [], "provides": []}
    reason = next(r for r in ask(**left_out)["reasons"] if r["code"] == "usage.undeclared")
    assert reason["word"] == "deny"
    granted(rule=reason["code"], pointer=reason["pointer"], subject_id=reason["subject"])
    assert denied(ask(**left_out)) == set()
