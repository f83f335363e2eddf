"""What a session proved lately decides about deeds that count: decisions and the like, the administration, tokens."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from kernel import clock
from kernel.models import ApiToken, AuditEntry, User
from tests.governance import make as governance
from tests.portal import factors, make

pytestmark = pytest.mark.django_db
CONFIRM = "/settings/account/confirm/"


@pytest.fixture(autouse=True)
def _fifteen_minutes(settings):
    settings.SIGN_IN_FRESH_MINUTES = 15


def signed_in(name: str = "ann", password: str = make.PASSWORD) -> Client:
    made = Client()
    assert made.post("/sign-in/", {"username": name, "password": password}).status_code == 302
    return made


# -- the administration ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("method", "path", "sent"),
    [
        ("get", "/admin/kernel/user/add/", {}),
        ("get", "/admin/kernel/user/{ann}/change/", {}),
        ("post", "/admin/kernel/user/{ann}/password/", {"password1": "x", "password2": "x"}),
        ("post", "/admin/kernel/user/", {"action": "reset_second_factors"}),
        ("post", "/admin/auth/group/add/", {"name": "x"}),
        ("post", "/admin/governance/groupmapping/add/", {"claim": "x"}),
    ],
)
def test_people_and_roles_are_changed_after_a_fresh_proof(method: str, path: str, sent: dict[str, str]):
    ann = make.person("ann")
    make.person("boss", is_superuser=True, is_staff=True)
    desk = signed_in("boss")
    address = path.format(ann=ann.pk)
    with clock.frozen(factors.later(16)):
        answer = getattr(desk, method)(address, sent)
        assert answer.status_code == 403
        assert "Confirm that it is you" in answer.text
        assert desk.get("/admin/kernel/user/").status_code == 200, "a look needs no fresh proof"
        desk.post(CONFIRM, {"password": make.PASSWORD, "next": "/admin/"})
        assert getattr(desk, method)(address, sent).status_code in (200, 302)


# -- tokens ------------------------------------------------------------------------------------------------------------
def test_a_token_is_made_after_a_fresh_proof():
    ann = make.person("ann")
    here = signed_in()
    sent = {"name": "ci", "owner": ann.pk, "days": 30, "scopes": ["catalog:read"]}
    with clock.frozen(factors.later(16)):
        assert here.post("/settings/tokens/", sent).status_code == 403
        assert not ApiToken.objects.exists()
        here.post(CONFIRM, {"password": make.PASSWORD})
        assert here.post("/settings/tokens/", sent).status_code == 201


# -- what decides ------------------------------------------------------------------------------------------------------
def deeds(change: Any) -> dict[str, tuple[str, dict[str, Any]]]:
    digests = {n: getattr(change, n) for n in ("subject_digest", "diff_digest", "impact_digest", "policy_digest")}
    day = factors.later(60 * 24).isoformat()
    waiver = {"rule": "thing.sound", "pointer": "", "subject_kind": "thing", "subject_id": "price-feed"}
    about = {"subject": {"kind": "thing", "id": "price-feed", "digest": change.subject_digest}}
    return {
        "decision": (f"/changes/{change.pk}/decisions", {"outcome": "reject", "note": "no", **digests}),
        "acceptance": (
            f"/changes/{change.pk}/acceptances",
            {"rule": "thing.sound", "pointer": "/price", "kind": "benign", "reason": "It is harmless."},
        ),
        "break-glass": ("/break-glass", {**about, "environment": "production", "reason": "The tills stand still."}),
        "waiver": ("/waivers", {**waiver, "environment": "production", "reason": "For a day.", "expires_at": day}),
        "delegation": (
            "/delegations",
            {"delegate": "archie", "team": "price", "starts_at": clock.now().isoformat(), "ends_at": day},
        ),
    }


@pytest.mark.parametrize("deed", ["decision", "acceptance", "break-glass", "waiver", "delegation"])
def test_by_the_api_of_a_session_a_fresh_proof_is_asked_as_on_pages(deed: str):
    house = governance.house()
    here = signed_in(house.owner.username, "a-long-password")
    change = governance.in_review(house.author)
    with clock.frozen(factors.later(16)):
        path, sent = deeds(change)[deed]
        answer = here.post(f"/api/v1{path}", sent, content_type="application/json")
        assert (answer.status_code, answer.json().get("code")) == (403, "decision.sign_in_again"), answer.content
        here.post(CONFIRM, {"password": "a-long-password"})
        answer = here.post(f"/api/v1{path}", sent, content_type="application/json")
        assert answer.json().get("code") != "decision.sign_in_again", answer.content


def test_the_entry_of_a_decision_says_how_and_when_the_person_proved():
    house = governance.house()
    change = governance.in_review(house.author)
    now = clock.now()
    with clock.frozen(now):
        here = signed_in(house.owner.username, "a-long-password")
    path, sent = deeds(change)["decision"]
    assert here.post(f"/api/v1{path}", sent, content_type="application/json").status_code == 201
    entry = AuditEntry.objects.get(verb="governance.decision_rejected")
    assert entry.after["proved"] == {"way": "password", "at": now.isoformat(timespec="seconds")}


def test_a_wrong_code_confirms_nothing_and_is_a_failure():
    ann = factors.with_app(make.person("ann"))
    here = factors.begun()
    here.post("/sign-in/second/", {"code": factors.code()})
    with clock.frozen(factors.later(16)):
        answer = here.post(CONFIRM, {"code": "000000"})
        assert answer.status_code == 422
        assert "not right" in answer.text
        assert here.get("/settings/account/app/").status_code == 403
        assert here.post(CONFIRM, {"code": factors.code()}).status_code == 302
        assert here.get("/settings/account/app/").status_code == 200
    assert AuditEntry.objects.filter(verb="kernel.sign_in_failed", subject_id=str(ann.pk)).exists()


def test_the_password_of_before_is_no_second_factor(settings):
    settings.SECOND_FACTOR_REQUIRED = ["administrators"]
    User.objects.create_superuser("boss", password=make.PASSWORD)
    factors.with_app(User.objects.get(username="boss"))
    here = factors.begun("boss")
    assert here.post(CONFIRM, {"password": make.PASSWORD}).status_code == 302
    assert not factors.inside(here)
