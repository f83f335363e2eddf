"""Who needs a second factor by the installation's word can do nothing without one, and decides nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client

from governance import permissions
from governance.selectors import slots
from governance.services import identity, people, reviews
from kernel import clock
from kernel.errors import Conflict, Forbidden
from kernel.factors import apps, passkeys
from kernel.factors.required import second_factor_required
from kernel.models import AuditEntry
from kernel.viewer import Viewer
from tests.governance import make as governance
from tests.portal import factors, make
from tests.portal.factors import code, inside
from tests.portal.soft_authenticator import SoftAuthenticator

pytestmark = pytest.mark.django_db
ADD = "/sign-in/second/add/"
DIGESTS = ("subject_digest", "diff_digest", "impact_digest", "policy_digest")
BACKEND = "django.contrib.auth.backends.ModelBackend"


@pytest.fixture
def required(settings) -> None:
    settings.SECOND_FACTOR_REQUIRED = ["administrators", "deciders"]


def secret_on(page: Any) -> str:
    return str(page.text.split('<code class="mono">')[1].split("</code>")[0]).replace(" ", "")


def test_nobody_is_asked_where_the_installation_says_nothing():
    assert second_factor_required() == frozenset()
    assert not permissions.second_factor_asked_of(make.person("boss", make.team("price"), is_superuser=True))


@pytest.mark.parametrize(
    ("asked", "who", "needs"),
    [
        (["administrators"], "superuser", True),
        (["administrators"], "staff", True),
        (["administrators"], "member", False),
        (["deciders"], "member", True),
        (["deciders"], "superuser", False),
        (["deciders"], "nobody", False),
        (["deciders"], "service", False),
        (["deciders"], "delegate", True),
    ],
)
def test_who_is_asked(settings, asked: list[str], who: str, needs: bool):
    team = make.team("price")
    person = make.person("ann", *([team] if who in ("member", "service") else []))
    person.is_superuser, person.is_staff = who == "superuser", who == "staff"
    person.kind = "service" if who == "service" else "person"
    if who == "delegate":
        lead, now = make.person("lead", team), clock.now()
        people.delegate(actor=lead, to=person, team_key="price", starts_at=now, ends_at=factors.later(60))
    settings.SECOND_FACTOR_REQUIRED = asked
    assert permissions.second_factor_asked_of(person) is needs


@pytest.mark.usefixtures("required")
def test_who_has_none_adds_one_at_the_sign_in_and_can_do_nothing_before():
    ann = make.person("ann", make.team("price"))
    here = factors.begun()
    assert here.get("/sign-in/second/").url == ADD
    for path in ("/", "/settings/account/", "/settings/account/app/", "/inbox/"):
        assert here.get(path).status_code == 302
        assert not inside(here)
    assert here.get("/api/v1/apis").status_code == 401
    secret = secret_on(here.get(ADD))
    assert here.post(ADD, {"app": "add", "app-name": "Phone", "app-code": "000000"}).status_code == 422
    answer = here.post(ADD, {"app": "add", "app-name": "Phone", "app-code": code(secret=secret)})
    assert answer.status_code == 201
    assert answer.text.count("<li><code>") == 10
    assert inside(here)
    entry = AuditEntry.objects.get(verb="kernel.factor_added")
    assert entry.actor == ann, "added by the person, not by somebody else"


@pytest.mark.usefixtures("required")
def test_a_passkey_can_be_the_first_one_too():
    make.person("ann", make.team("price"))
    here = factors.begun()
    key = SoftAuthenticator()
    answer = json.dumps(key.register(factors.options_on(here.get(ADD), "create")))
    assert here.post(ADD, {"passkey-name": "Laptop", "passkey-answer": answer}).status_code == 201
    assert inside(here)


@pytest.mark.usefixtures("required")
def test_who_has_one_cannot_add_another_at_the_sign_in():
    factors.with_app(make.person("ann", make.team("price")))
    here = factors.begun()
    assert here.get(ADD).url == "/sign-in/second/"
    assert here.post(ADD, {"app": "add", "app-code": code()}).url == "/sign-in/second/"
    assert not inside(here)


def test_of_two_who_gave_the_password_the_second_adds_nothing():
    """The pages of both were open before either had added one."""
    ann = make.person("ann", make.team("price"))
    options, state = passkeys.begin_adding(ann)
    factors.with_passkey(ann)
    for add in (
        lambda: apps.add(ann, secret=factors.SECRET, code=code(), name="Theirs", first=True),
        lambda: passkeys.add(ann, state, json.dumps(SoftAuthenticator().register(options)), name="Theirs", first=True),
    ):
        with pytest.raises(Conflict, match="by now"):
            add()
    assert factors.only(ann).name == "Laptop"


def test_a_session_of_before_the_word_proves_or_adds_one_first(settings):
    ann = make.person("ann", make.team("price"))
    here = Client()
    here.post("/sign-in/", {"username": "ann", "password": make.PASSWORD})
    assert inside(here)
    settings.SECOND_FACTOR_REQUIRED = ["deciders"]
    assert here.get("/settings/account/").url == "/sign-in/second/"
    api = here.get("/api/v1/apis")
    assert (api.status_code, api.json()["code"]) == (403, "sign_in.second_factor")
    factors.with_app(ann)
    before = here.cookies["sessionid"].value
    assert here.post("/sign-in/second/", {"code": code()}).url == "/"
    assert inside(here)
    assert here.cookies["sessionid"].value != before


@pytest.mark.usefixtures("required")
def test_the_last_one_stays_where_one_is_needed():
    ann = factors.with_app(make.person("ann", make.team("price")))
    here = factors.begun()
    here.post("/sign-in/second/", {"code": code()})
    answer = here.post(f"/settings/account/factors/{factors.only(ann).pk}/remove/")
    assert answer.status_code == 409
    assert "Add another first" in answer.text


@pytest.mark.usefixtures("required")
def test_a_decision_without_one_is_refused_and_said():
    house = governance.house()
    change = governance.in_review(house.author)
    with pytest.raises(Forbidden, match="needs a second factor for this") as caught:
        reviews.approve(change, actor=house.owner, seen=reviews.Seen.of(change))
    assert caught.value.code == "decision.second_factor"
    assert not change.decisions.exists()
    [asked] = [one for one in slots.of(change, viewer=Viewer.of(house.author)) if house.owner.first_name in one.who]
    assert "Olaf (has no second factor yet)" in asked.who
    factors.with_app(house.owner)
    here = factors.begun("olaf", "a-long-password")
    here.post("/sign-in/second/", {"code": code()})
    sent = {"outcome": "approve", **{name: getattr(reviews.Seen.of(change), name) for name in DIGESTS}}
    answer = here.post(f"/api/v1/changes/{change.pk}/decisions", sent, content_type="application/json")
    assert answer.status_code == 201, answer.content
    entry = AuditEntry.objects.get(verb="governance.decision_approved")
    assert entry.after["proved"]["second_factor"] == "authenticator app"


@pytest.mark.usefixtures("required")
def test_a_forced_session_without_the_second_step_is_none():
    house = governance.house()
    factors.with_app(house.owner)
    here = Client()
    here.force_login(house.owner, backend=BACKEND)
    assert here.get("/inbox/").url == "/sign-in/second/"


def test_the_way_a_person_proved_is_in_the_entry_of_the_decision(settings):
    settings.SIGN_IN_FRESH_MINUTES = 15
    house = governance.house()
    factors.with_app(house.owner)
    key = factors.with_passkey(house.owner)
    change = governance.in_review(house.author)
    here = factors.begun("olaf", "a-long-password")
    here.post("/sign-in/second/", {"code": code()})
    sent = {"outcome": "approve", **{name: getattr(reviews.Seen.of(change), name) for name in DIGESTS}}
    with clock.frozen(factors.later(16)):
        stale = here.post(f"/changes/{change.pk}/decide/", sent)
        assert stale.status_code == 403
        answer = {"answer": json.dumps(key.sign(factors.options_on(stale))), "next": f"/changes/{change.pk}/"}
        assert here.post("/settings/account/confirm/", answer).url == f"/changes/{change.pk}/"
        assert here.post("/settings/account/confirm/", answer).status_code == 422, "an answer counts once"
        now = clock.now()
        assert here.post(f"/changes/{change.pk}/decide/", sent).status_code == 302
    entry = AuditEntry.objects.get(verb="governance.decision_approved")
    proved = {"way": "passkey Laptop", "second_factor": "passkey Laptop"}
    assert entry.after["proved"] == proved | {"at": now.isoformat(timespec="seconds")}


def test_a_program_has_no_keyboard_and_says_no_proof():
    assert identity.require_proof(make.person("ann")) == {}
