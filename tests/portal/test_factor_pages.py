"""Second factors on the page of the account: added by who proved to be there, told, encrypted, and nobody else's."""

from __future__ import annotations

import hashlib
import json
import re

import psycopg
import pytest
from django.core import mail
from django.core.management import call_command
from django.db import connection
from django.test import Client

from kernel import acting, clock, outbox, sessions
from kernel.errors import Invalid
from kernel.factors import apps, held, passkeys, recovery, sealing
from kernel.models import AuditEntry, RecoveryCode, SecondFactor, User, UserSession
from tests import serving_role
from tests.portal import factors, make
from tests.portal.factors import code, inside, only, options_on
from tests.portal.soft_authenticator import PRESENT, SoftAuthenticator

pytestmark = pytest.mark.django_db
APP, PASSKEY = "/settings/account/app/", "/settings/account/passkey/"


@pytest.fixture
def ann() -> User:
    return make.person("ann", email="ann@example.com")


@pytest.fixture
def here(ann: User) -> Client:
    return signed_in()


def signed_in(name: str = "ann") -> Client:
    made = Client()
    assert made.post("/sign-in/", {"username": name, "password": make.PASSWORD}).url == "/"
    return made


def offered(here: Client) -> str:
    """The secret that the page shows for typing."""
    page = here.get(APP)
    assert "<svg" in page.text
    assert "viewBox" in page.text, "drawn whole at any size"
    assert "http" not in page.text.split('class="qr-code">')[1].split("</div>")[0].replace("http://www.w3.org", "")
    found = re.search(r'<code class="mono">([A-Z2-7 ]+)</code>', page.text)
    assert found
    return found[1].replace(" ", "")


def verbs(user: User) -> list[str]:
    rows = AuditEntry.objects.filter(subject_kind="second_factor", subject_id=str(user.pk)).order_by("pk")
    return list(rows.values_list("verb", flat=True))


def told() -> list[str]:
    while outbox.dispatch():
        pass
    return [str(one.body).splitlines()[0] for one in mail.outbox]


# -- an app ------------------------------------------------------------------------------------------------------------
def test_an_app_is_added_with_a_code_of_it_and_codes_for_a_bad_day_are_shown_once(ann: User, here: Client):
    elsewhere = signed_in()
    secret = offered(here)
    assert offered(here) == secret, "a page that was loaded again shows the same"
    wrong = here.post(APP, {"app-name": "Phone", "app-code": "000000", "app": "add"})
    assert wrong.status_code == 422
    assert not held.of(ann)
    answer = here.post(APP, {"app-name": "Phone", "app-code": code(secret=secret), "app": "add"})
    assert answer.status_code == 201
    codes = re.findall(r"<li><code>([a-z2-7-]{29})</code></li>", answer.text)
    assert len(codes) == 10
    assert (inside(here), inside(elsewhere)) == (True, False), "a session without the new factor ends"
    assert codes[0] not in here.get("/settings/account/").text
    assert verbs(ann) == ["kernel.factor_added", "kernel.recovery_codes_made"]
    assert "You added a second factor: app Phone." in told()


def test_the_code_that_added_an_app_is_used(ann: User, here: Client):
    secret = offered(here)
    shown = code(secret=secret)
    here.post(APP, {"app-name": "Phone", "app-code": shown})
    between = factors.begun()
    assert between.post("/sign-in/second/", {"code": shown}).status_code == 422
    assert between.post("/sign-in/second/", {"code": code(1, secret)}).status_code == 302


def test_neither_row_nor_session_nor_ledger_holds_the_secret(ann: User, here: Client):
    secret = offered(here)
    [session] = UserSession.objects.all()
    assert secret not in json.dumps(sessions.SessionStore().decode(session.session_data))
    here.post(APP, {"app-name": "Phone", "app-code": code(secret=secret)})
    with connection.cursor() as cursor:
        cursor.execute(
            "select concat((select string_agg(f::text, '') from kernel_secondfactor f),"
            " (select string_agg(a::text, '') from kernel_auditentry a),"
            " (select string_agg(o::text, '') from kernel_outboxevent o))"
        )
        stored = cursor.fetchone()[0]
    assert secret not in stored
    assert only(ann).sealed not in stored.replace(only(ann).sealed, "", 1)


def test_a_sealed_secret_is_of_its_person_and_of_its_key(ann: User, settings):
    factors.with_app(ann)
    bob = factors.with_app(make.person("bob"))
    SecondFactor.objects.filter(user=bob).update(sealed=only(ann).sealed)
    with pytest.raises(Invalid, match="SECRET_KEY"):
        apps.prove(bob, code())
    before = settings.SECRET_KEY
    settings.SECRET_KEY = "another-key"
    with pytest.raises(Invalid, match="SECRET_KEY"):
        apps.prove(ann, code())
    settings.SECRET_KEY_FALLBACKS = [before]
    assert apps.prove(ann, code())


@pytest.mark.parametrize("text", ["", "1.", "1.AAAA", "2.x", "€"])
def test_what_was_never_sealed_is_told_as_such(text: str):
    with pytest.raises(Invalid, match="cannot be used"):
        sealing.open_sealed(text, about="x")


# -- passkeys ----------------------------------------------------------------------------------------------------------
def add(here: Client, authenticator: SoftAuthenticator, name: str = "Laptop") -> int:
    answer = json.dumps(authenticator.register(options_on(here.get(PASSKEY), "create")))
    return here.post(PASSKEY, {"passkey-name": name, "passkey-answer": answer}).status_code


def test_several_passkeys_are_added_renamed_and_removed(ann: User, here: Client):
    assert (add(here, SoftAuthenticator()), add(here, SoftAuthenticator(), "Key")) == (201, 302)
    laptop, key = held.of(ann)
    assert here.post(f"/settings/account/factors/{key.pk}/rename/", {"name": "Blue key"}).status_code == 302
    page = here.get("/settings/account/").text
    assert "Blue key" in page
    assert "10 recovery codes left" in page
    here.post(f"/settings/account/factors/{laptop.pk}/remove/")
    assert recovery.left(ann) == 10
    here.post(f"/settings/account/factors/{key.pk}/remove/")
    assert not RecoveryCode.objects.exists(), "codes stand for a factor"
    assert verbs(ann) == [
        "kernel.factor_added",
        "kernel.recovery_codes_made",
        "kernel.factor_added",
        "kernel.factor_renamed",
        "kernel.factor_removed",
        "kernel.factor_removed",
        "kernel.recovery_codes_removed",
    ]
    assert signed_in()


@pytest.mark.parametrize(
    "wrong", [{"origin": "https://evil.example"}, {"rp_id": "evil.example"}, {"flags": PRESENT}, {"cross_origin": True}]
)
def test_a_passkey_of_another_place_or_without_the_person_is_not_added(ann: User, here: Client, wrong: dict):
    assert add(here, SoftAuthenticator(**wrong)) == 422
    assert not held.of(ann)


def test_a_key_is_of_one_account_and_added_once(ann: User, here: Client):
    key = SoftAuthenticator()
    assert (add(here, key), add(here, key)) == (201, 422)
    make.person("bob")
    assert add(signed_in("bob"), key) == 422


def test_a_question_for_adding_proves_nothing_and_the_other_way_round(ann: User):
    key = factors.with_passkey(ann)
    options, state = passkeys.begin_adding(ann)
    with pytest.raises(Invalid, match="not accepted"):
        passkeys.prove(ann, state, json.dumps(key.sign(options)))
    options, state = passkeys.begin_proving(ann) or ({}, {})
    options["publicKey"]["user"] = {"id": "AAAA"}
    with pytest.raises(Invalid, match="not accepted"):
        passkeys.add(ann, state, json.dumps(SoftAuthenticator().register(options)), name="x")


def test_what_one_was_asked_another_does_not_answer(ann: User):
    bob = make.person("bob")
    key = factors.with_passkey(bob)
    options, state = passkeys.begin_proving(bob) or ({}, {})
    with pytest.raises(Invalid, match="not accepted"):
        passkeys.prove(ann, state, json.dumps(key.sign(options)))


@pytest.mark.parametrize(
    ("public", "works_at"),
    [
        ("http://127.0.0.1:8000", "http://localhost:8000"),
        ("https://tillgate.example", "https://tillgate.example"),
        ("http://[::1]:80", "http://localhost:80"),
    ],
)
def test_passkeys_work_at_the_address_of_the_installation(settings, public: str, works_at: str):
    settings.PUBLIC_URL = public
    assert passkeys.origin() == works_at


# -- whose -------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("deed", ["rename", "remove"])
def test_the_second_factor_of_somebody_else_is_like_none(ann: User, here: Client, deed: str):
    bob = factors.with_app(make.person("bob"))
    answer = here.post(f"/settings/account/factors/{only(bob).pk}/{deed}/", {"name": "mine"})
    assert (answer.status_code, only(bob).name) == (404, "Phone")


@pytest.mark.parametrize(
    ("path", "sent"),
    [
        (APP, None),
        (PASSKEY, None),
        (APP, {"app-code": "000000"}),
        ("/settings/account/recovery-codes/", {}),
        ("/settings/account/factors/1/remove/", {}),
        ("/settings/account/factors/1/rename/", {"name": "x"}),
    ],
)
def test_factors_are_changed_after_a_fresh_proof_only(ann: User, here: Client, settings, path: str, sent: dict | None):
    settings.SIGN_IN_FRESH_MINUTES = 15
    with clock.frozen(factors.later(16)):
        answer = here.get(path) if sent is None else here.post(path, sent)
        assert answer.status_code == 403
        assert "Confirm that it is you" in answer.text


def test_new_recovery_codes_need_a_factor_that_they_stand_for(here: Client, ann: User):
    assert here.post("/settings/account/recovery-codes/").status_code == 409
    factors.with_app(ann)
    assert here.post("/settings/account/recovery-codes/").status_code == 201


# -- by others ---------------------------------------------------------------------------------------------------------
def test_a_recovery_code_has_112_random_bits_and_one_of_before_is_good_still(ann: User):
    """ASVS 2.6.2: five bits a character."""
    made = recovery.make(ann)
    assert {len(one.replace("-", "")) * 5 for one in made} == {120}
    assert len(set(made)) == recovery.HOW_MANY
    RecoveryCode.objects.create(user=ann, code_hash=hashlib.sha256(b"abcdefghijklmnop").hexdigest())
    assert recovery.prove(ann, "ABCD-efgh-ijkl-mnop")
    assert not recovery.prove(ann, "abcd-efgh-ijkl-mnop"), "once"
    assert recovery.prove(ann, made[0].upper())


def test_an_administrator_resets_them_and_everybody_hears_of_it(ann: User):
    factors.with_app(ann)
    factors.with_passkey(ann)
    recovery.make(ann)
    browser = factors.begun()
    assert browser.post("/sign-in/second/", {"code": code()}).status_code == 302
    boss, desk = make.person("boss", is_superuser=True, is_staff=True), Client()
    desk.force_login(boss, backend="django.contrib.auth.backends.ModelBackend")
    sent = {"action": "reset_second_factors", "_selected_action": [ann.pk]}
    assert desk.post("/admin/kernel/user/", sent).status_code == 302
    assert not held.of(ann)
    assert not inside(browser)
    entries = AuditEntry.objects.filter(verb="kernel.factor_reset", subject_id=str(ann.pk), actor=boss)
    assert entries.count() == 3, "app, passkey and codes"
    assert "boss removed a second factor of your account: app Phone." in told()
    assert signed_in()
    page = signed_in().get(f"/people/{ann.pk}/").text
    assert "Second factor removed by somebody else" in page


def test_the_command_resets_and_says_who_called_it(ann: User, capsys):
    factors.with_app(ann)
    call_command("reset_second_factor", "ann")
    assert capsys.readouterr().out == "1 second factors of ann are removed.\n"
    assert verbs(ann) == ["kernel.factor_added", "kernel.factor_reset"]


def test_one_that_somebody_else_adds_is_told_as_given(ann: User):
    boss = make.person("boss")
    with acting.by(boss):
        SecondFactor.objects.create(user=ann, kind="app", name="x", sealed="x")
    assert verbs(ann) == ["kernel.factor_given"]
    assert "boss added a second factor to your account: app x." in told()


@pytest.mark.parametrize(
    "deed",
    [
        "update kernel_secondfactor set sealed = 'x'",
        "update kernel_secondfactor set credential = 'x'",
        "update kernel_secondfactor set user_id = 1",
        "update kernel_recoverycode set code_hash = 'x'",
        "truncate kernel_secondfactor",
    ],
)
def test_the_serving_role_replaces_no_secret(deed: str):
    with serving_role.connected() as conn, pytest.raises(psycopg.errors.InsufficientPrivilege):
        conn.execute(deed)


def test_only_the_person_and_administrators_read_of_second_factors_in_the_ledger(ann: User):
    factors.with_app(ann)
    for name, sees in (("ann", True), ("bob", False)):
        if name == "bob":
            make.person("bob")
            there = signed_in("bob")
        else:
            there = factors.begun()
            there.post("/sign-in/second/", {"code": code()})
        assert ("factor_added" in there.get("/ledger/?kind=second_factor").text) is sees
