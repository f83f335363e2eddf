"""My account: password, sessions, tokens, limits of a session, and the password once more before a decision."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client

from kernel import acting, clock, tokens
from kernel.models import ApiToken, AuditEntry, User, UserSession
from tests.governance import make as governance
from tests.portal import make

pytestmark = pytest.mark.django_db
NEW = "a-new-long-password"
DIGESTS = ("subject_digest", "diff_digest", "impact_digest", "policy_digest")


def signed_in(name: str = "ann", password: str = make.PASSWORD, agent: str = "Firefox") -> Client:
    made = Client(headers={"User-Agent": agent})
    assert made.post("/sign-in/", {"username": name, "password": password}).status_code == 302
    return made


def inside(client: Client) -> bool:
    return client.get("/settings/account/").status_code == 200


# -- tokens ------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("deed", ["reset", "closed"])
def test_tokens_and_sessions_die_with_a_password_that_was_reset_and_with_the_account(deed: str):
    ann, boss = make.person("ann"), make.person("boss", is_superuser=True)
    browser = signed_in()
    _, secret = tokens.issue(actor=ann, user=ann, name="till", scopes=["catalog:read"])
    bearer = {"Authorization": f"Bearer {secret}"}
    assert Client().get("/api/v1/apis", headers=bearer).status_code == 200
    with acting.by(boss):
        if deed == "reset":
            ann.set_password(NEW)
        else:
            ann.is_active = False
        ann.save()
    assert Client().get("/api/v1/apis", headers=bearer).status_code == 401
    assert not inside(browser)
    ann.is_active = True
    ann.save()
    assert Client().get("/api/v1/apis", headers=bearer).status_code == 401
    assert AuditEntry.objects.filter(verb="kernel.token_revoked", actor=boss).count() == 1


@pytest.mark.parametrize(("length", "status"), [(128, 302), (129, 422)])
def test_a_new_password_has_128_characters_at_most(length: int, status: int):
    make.person("ann")
    new = ("a-long-password." * 9)[:length]
    said = {"old_password": make.PASSWORD, "new_password1": new, "new_password2": new}
    answer = signed_in().post("/settings/account/password/", said)
    assert answer.status_code == status, answer.content.decode()[-2000:]
    assert status == 302 or "more than 128 characters" in answer.content.decode()


def test_a_password_stored_anew_and_an_own_one_leave_tokens_alone():
    ann = make.person("ann")
    tokens.issue(actor=ann, user=ann, name="till", scopes=["catalog:read"])
    with acting.by(ann):
        ann.set_password(NEW)
        ann.save()
    with acting.by(None, way=acting.STORED_ANEW):
        ann.set_password(NEW)
        ann.save()
    assert ApiToken.objects.get().revoked_at is None


@pytest.mark.parametrize(
    ("method", "path", "sent"),
    [
        ("post", "/changes/{change}/decisions", {"outcome": "approve"}),
        ("delete", "/changes/{change}/decisions", {}),
        ("post", "/freezes/1/end", {"note": "It is over now."}),
        ("post", "/break-glass/1/confirm", {"note": ""}),
        ("post", "/break-glass/1/review", {"note": "It was right."}),
    ],
)
def test_a_bearer_neither_decides_nor_takes_back_nor_ends_a_freeze(method: str, path: str, sent: dict):
    house = governance.house()
    change = governance.approve(governance.in_review(house.author), house.owner)
    digests = {name: getattr(change, name) for name in DIGESTS}
    _, secret = tokens.issue(actor=house.owner, user=house.owner, name="found", scopes=["governance:write"])
    address = f"/api/v1{path.format(change=change.pk)}"
    headers = {"Authorization": f"Bearer {secret}"}
    answer = getattr(Client(), method)(address, digests | sent, content_type="application/json", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (403, "decision.by_token"), answer.content
    assert change.decisions.filter(voided_at=None).count() == 1


# -- the page ----------------------------------------------------------------------------------------------------------
def test_a_person_changes_the_own_password_and_other_sessions_end():
    ann = make.person("ann")
    here, there = signed_in(), signed_in(agent="Chrome at home")
    form = {"old_password": make.PASSWORD, "new_password1": NEW, "new_password2": NEW}
    assert "Chrome at home" in here.get("/settings/account/").text
    assert here.post("/settings/account/password/", form).status_code == 302
    assert (inside(here), inside(there)) == (True, False)
    [entry] = AuditEntry.objects.filter(verb__startswith="kernel.password_")
    assert (entry.verb, entry.actor) == ("kernel.password_changed", ann)
    assert inside(signed_in(password=NEW))


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [("wrong", NEW, "incorrect"), (make.PASSWORD, "short", "too short"), (make.PASSWORD, "password1234", "too common")],
)
def test_a_password_that_does_not_do_is_refused_with_the_reason(old: str, new: str, says: str):
    make.person("ann")
    here = signed_in()
    form = {"old_password": old, "new_password1": new, "new_password2": new}
    answer = here.post("/settings/account/password/", form)
    assert answer.status_code == 422
    assert says in answer.text


def test_the_page_does_not_take_the_focus_into_its_middle():
    make.person("ann")
    assert "autofocus" not in signed_in().get("/settings/account/").text


def test_how_many_sessions_ended_is_counted_in_words():
    make.person("ann")
    here, _ = signed_in(), signed_in()
    form = {"old_password": make.PASSWORD, "new_password1": NEW, "new_password2": NEW}
    assert "1 other session ended" in here.post("/settings/account/password/", form, follow=True).text


def test_guessing_the_old_password_on_the_page_is_limited_like_a_sign_in():
    make.person("ann")
    here = signed_in()
    form = {"old_password": "wrong", "new_password1": NEW, "new_password2": NEW}
    for _ in range(5):
        here.post("/settings/account/password/", form)
    answer = here.post("/settings/account/password/", form | {"old_password": make.PASSWORD})
    assert answer.status_code == 422
    assert "Too many wrong passwords" in answer.text
    assert User.objects.get().check_password(make.PASSWORD)


def test_signing_out_elsewhere_ends_the_other_sessions_and_is_told():
    ann = make.person("ann")
    here, there = signed_in(), signed_in()
    assert here.post("/settings/account/sessions/end/").status_code == 302
    assert (inside(here), inside(there)) == (True, False)
    entry = AuditEntry.objects.get(verb="kernel.sessions_ended")
    assert (entry.actor, entry.after["ended"]) == (ann, 1)


def test_a_time_zone_is_kept_and_times_follow():
    make.person("ann")
    here = signed_in()
    assert here.post("/settings/account/details/", {"time_zone": "Pacific/Kiritimati"}).status_code == 302
    assert User.objects.get().time_zone == "Pacific/Kiritimati"
    text = here.get("/settings/account/").text
    assert f"{UserSession.objects.get().began_at + timedelta(hours=14):%H:%M}" in text
    assert "Times without a zone beside them are in Pacific/Kiritimati (UTC+14:00)." in text
    assert here.post("/settings/account/details/", {"time_zone": "Mars/Base"}).status_code == 422


# -- limits of a session -----------------------------------------------------------------------------------------------
def test_a_session_ends_when_nothing_was_asked_for_and_after_its_longest_time(settings):
    make.person("ann")
    settings.SESSION_IDLE_MINUTES, settings.SESSION_HOURS = 30, 2
    idle, busy = signed_in(), signed_in()
    start = clock.now()
    for minutes in (20, 40, 60, 80, 100):
        with clock.frozen(start + timedelta(minutes=minutes)):
            assert inside(busy)
    with clock.frozen(start + timedelta(minutes=31)):
        assert not inside(idle)
    with clock.frozen(start + timedelta(minutes=121)):
        assert not inside(busy)
        assert busy.get("/api/v1/apis").status_code == 401


# -- before a decision -------------------------------------------------------------------------------------------------
def test_a_decision_needs_a_password_that_was_given_lately(settings):
    settings.SESSION_IDLE_MINUTES, settings.SIGN_IN_FRESH_MINUTES = 24 * 60, 60
    house = governance.house()
    change = governance.in_review(house.author)
    here = signed_in("olaf", "a-long-password")
    form = {"outcome": "approve", "note": "fine", **{name: getattr(change, name) for name in DIGESTS}}
    with clock.frozen(clock.now() + timedelta(minutes=61)):
        answer = here.post(f"/changes/{change.pk}/decide/", form)
        assert answer.status_code == 403
        assert "Confirm that it is you" in answer.text
        api = here.post(f"/api/v1/changes/{change.pk}/decisions", form, content_type="application/json")
        assert (api.status_code, api.json()["code"]) == (403, "decision.sign_in_again")
        assert not change.decisions.exists()
        wrong = here.post("/settings/account/confirm/", {"password": "wrong", "next": f"/changes/{change.pk}/"})
        assert wrong.status_code == 422
        back = here.post(
            "/settings/account/confirm/", {"password": "a-long-password", "next": f"/changes/{change.pk}/"}
        )
        assert back.url == f"/changes/{change.pk}/"
        api = here.post(f"/api/v1/changes/{change.pk}/decisions", form, content_type="application/json")
        assert api.status_code == 201, api.content


@pytest.mark.parametrize("target", ["https://elsewhere.example/", "//elsewhere.example/", "javascript:alert(1)"])
def test_the_way_back_never_leads_to_another_host(target: str):
    make.person("ann")
    here = signed_in()
    answer = here.post("/settings/account/confirm/", {"password": make.PASSWORD, "next": target})
    assert answer.url == "/"
