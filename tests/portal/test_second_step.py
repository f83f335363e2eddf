"""The second step of a sign-in: nobody is in before it, a code counts once, and guesses are few."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client

from kernel import clock, tokens
from kernel.factors import apps, codes, passkeys, recovery
from kernel.models import AuditEntry, OutboxEvent, SecondFactor, SignInLimit, User
from kernel.sign_in_limits import OF_CODES, begin_code
from tests.portal import factors, make
from tests.portal.factors import begun, code, inside, options_on
from tests.portal.soft_authenticator import PRESENT, SoftAuthenticator

pytestmark = pytest.mark.django_db
STEP = "/sign-in/second/"


def over() -> None:
    """The pause is over."""
    SignInLimit.objects.update(open_at=clock.now() - timedelta(seconds=1))


@pytest.fixture
def ann() -> User:
    return factors.with_app(make.person("ann"))


def test_the_password_alone_lets_nobody_in_who_has_a_second_factor(ann: User):
    here = begun()
    assert not inside(here)
    assert here.get("/api/v1/apis").status_code == 401
    assert not AuditEntry.objects.filter(verb="kernel.signed_in").exists()
    answer = here.post(STEP, {"code": code()})
    assert (answer.status_code, answer.url) == (302, "/")
    assert inside(here)
    [entry] = AuditEntry.objects.filter(verb="kernel.signed_in")
    assert entry.after["way"] == "password and authenticator app"


def test_who_has_none_signs_in_as_before():
    make.person("ann")
    here = Client()
    assert here.post("/sign-in/", {"username": "ann", "password": make.PASSWORD}).url == "/"
    assert inside(here)


def test_the_page_that_was_asked_for_comes_after_the_second_step(ann: User):
    here = Client()
    here.post("/sign-in/", {"username": "ann", "password": make.PASSWORD, "next": "/ledger/"})
    assert here.post(STEP, {"code": code()}).url == "/ledger/"


def test_the_second_step_alone_is_nothing(ann: User):
    answer = Client().post(STEP, {"code": code()})
    assert (answer.status_code, answer.url) == (302, "/sign-in/")


@pytest.mark.parametrize("what", ["password", "closed", "time"])
def test_the_step_in_between_ends_with_the_password_the_account_and_after_minutes(ann: User, what: str):
    here = begun()
    if what == "password":
        ann.set_password("another-long-one")
        ann.save()
    elif what == "closed":
        ann.is_active = False
        ann.save()
    with clock.frozen(factors.later(11 if what == "time" else 0)):
        assert here.post(STEP, {"code": code()}).url == "/sign-in/"
        assert not inside(here)


def test_a_session_that_somebody_else_knew_before_is_not_the_one_that_is_signed_in(ann: User):
    here = Client()
    here.post("/sign-in/", {"username": "ann", "password": "wrong"})
    here.cookies["sessionid"] = "k" * 32
    begun(client=here)
    between = here.cookies["sessionid"].value
    here.post(STEP, {"code": code()})
    after = here.cookies["sessionid"].value
    assert len({"k" * 32, between, after}) == 3
    other = Client()
    other.cookies["sessionid"] = between
    assert not inside(other)


# -- codes -------------------------------------------------------------------------------------------------------------
def test_a_code_counts_once_and_so_do_those_before_it(ann: User):
    shown, before = code(), code(-1)
    assert begun().post(STEP, {"code": shown}).status_code == 302
    for old in (shown, before):
        assert begun().post(STEP, {"code": old}).status_code == 422
    assert begun().post(STEP, {"code": code(1)}).status_code == 302


@pytest.mark.parametrize(("steps", "right"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
def test_the_clock_of_a_phone_may_be_half_a_minute_early_or_late(ann: User, steps: int, right: bool):
    assert (begun().post(STEP, {"code": code(steps)}).status_code == 302) is right


def test_the_code_of_somebody_else_is_a_wrong_one(ann: User):
    factors.with_app(make.person("bob"))
    own = apps.new_secret()
    SecondFactor.objects.filter(user=ann).delete()
    with clock.frozen(clock.now() - timedelta(minutes=5)):
        apps.add(ann, secret=own, code=code(secret=own), name="Phone")
    assert begun().post(STEP, {"code": code()}).status_code == 422
    assert begun().post(STEP, {"code": code(secret=own)}).status_code == 302


@pytest.mark.parametrize(
    "typed", ["", "12345", "1234567", "٠١٢٣٤٥", "a" * 5000, "\ud800", "0x1234", "abcd-efgh-ijkl-mnop"]
)
def test_what_is_no_code_is_refused_and_breaks_nothing(ann: User, typed: str):
    answer = begun().post(STEP, f"code={typed}".encode("utf-8", "surrogatepass"), "application/x-www-form-urlencoded")
    assert answer.status_code == 422


def test_guesses_are_few_and_then_wait_also_with_the_right_code(ann: User):
    here = begun()
    for _ in range(OF_CODES.free):
        assert here.post(STEP, {"code": "000000"}).status_code == 422
    answer = here.post(STEP, {"code": code()})
    assert answer.status_code == 429
    assert "Too many wrong codes" in answer.text
    assert begun().post(STEP, {"code": code()}).status_code == 429, "another browser is no way around"
    over()
    assert here.post(STEP, {"code": code()}).status_code == 302
    assert begin_code(ann).failures == 1


def test_who_guesses_knows_the_password_and_the_person_is_told(ann: User):
    here = begun()
    for _ in range(OF_CODES.free):
        here.post(STEP, {"code": "000000"})
    event = OutboxEvent.objects.get(topic="kernel.second_factor_guessed")
    assert event.payload == {"person": ann.pk, "tries": OF_CODES.free}
    assert AuditEntry.objects.filter(verb="kernel.sign_in_failed", subject_id=str(ann.pk)).exists()


def test_waiting_doubles_up_to_an_hour(ann: User):
    waits = []
    for _ in range(OF_CODES.free + 9):
        begin_code(ann)
        waits.append(round((SignInLimit.objects.get().open_at - clock.now()).total_seconds() / 60))
        over()
    assert waits[OF_CODES.free - 2 :] == [0, 1, 2, 4, 8, 16, 32, 60, 60, 60, 60]


# -- recovery codes ----------------------------------------------------------------------------------------------------
def test_a_recovery_code_lets_in_once_and_is_stored_as_a_hash(ann: User):
    made = recovery.make(ann)
    assert len(set(made)) == 10
    assert begun().post(STEP, {"code": made[0].upper().replace("-", " ")}).status_code == 302
    assert begun().post(STEP, {"code": made[0]}).status_code == 422
    assert recovery.left(ann) == 9
    with connection.cursor() as cursor:
        cursor.execute("select string_agg(r::text, ' ') from kernel_recoverycode r")
        stored = cursor.fetchone()[0]
    assert not any(one in stored or one.replace("-", "") in stored for one in made)
    verbs = AuditEntry.objects.filter(subject_kind="second_factor").order_by("pk").values_list("verb", flat=True)
    assert list(verbs) == ["kernel.factor_added", "kernel.recovery_codes_made", "kernel.recovery_code_used"]


def test_new_recovery_codes_end_all_of_before(ann: User):
    old, new = recovery.make(ann), recovery.make(ann)
    assert begun().post(STEP, {"code": old[0]}).status_code == 422
    assert begun().post(STEP, {"code": new[0]}).status_code == 302


# -- passkeys ----------------------------------------------------------------------------------------------------------
@pytest.fixture
def laptop(ann: User) -> SoftAuthenticator:
    return factors.with_passkey(ann)


def signed(here: Client, authenticator: SoftAuthenticator) -> dict:
    return authenticator.sign(options_on(here.get(STEP)))


def test_a_passkey_lets_in_and_its_use_is_kept(ann: User, laptop: SoftAuthenticator):
    here = begun()
    assert here.post(STEP, {"answer": json.dumps(signed(here, laptop))}).status_code == 302
    assert inside(here)
    row = SecondFactor.objects.get(user=ann, kind="passkey")
    assert (row.signatures, row.used_at is not None) == (1, True)
    assert AuditEntry.objects.get(verb="kernel.signed_in").after["way"] == "password and passkey Laptop"


def test_an_answer_counts_once_in_its_own_session_and_in_time(ann: User, laptop: SoftAuthenticator):
    laptop.counts = False
    here = begun()
    answer = {"answer": json.dumps(signed(here, laptop))}
    elsewhere = begun()
    elsewhere.get(STEP)
    assert elsewhere.post(STEP, answer).status_code == 422, "asked in another session"
    with clock.frozen(factors.later(6)):
        assert here.post(STEP, answer).status_code == 422, "asked too long ago"
    assert here.post(STEP, answer).status_code == 422, "the question is gone with the first answer"


def test_a_question_that_was_answered_is_not_answered_again_with_the_session_of_before(
    ann: User, laptop: SoftAuthenticator
):
    laptop.counts = False
    options, state = passkeys.begin_proving(ann) or ({}, {})
    answer = json.dumps(laptop.sign(options))
    assert passkeys.prove(ann, state, answer)
    with pytest.raises(Exception, match="answered already"):
        passkeys.prove(ann, state, answer)


@pytest.mark.parametrize(
    "wrong",
    [
        {"origin": "https://tillgate.example"},
        {"origin": "http://localhost:8001"},
        {"origin": "http://evil.localhost:8000"},
        {"rp_id": "evil.example"},
        {"flags": PRESENT},
        {"flags": 0},
        {"cross_origin": True},
        {"user_handle": b"somebody else"},
    ],
)
def test_an_answer_for_another_place_without_the_person_or_of_another_account_is_refused(
    ann: User, laptop: SoftAuthenticator, wrong: dict
):
    here = begun()
    for name, value in wrong.items():
        setattr(laptop, name, value)
    assert here.post(STEP, {"answer": json.dumps(signed(here, laptop))}).status_code == 422
    assert not inside(here)


def test_the_passkey_of_somebody_else_is_refused(ann: User, laptop: SoftAuthenticator):
    others = factors.with_passkey(make.person("bob"))
    here = begun()
    others.user_handle = laptop.user_handle
    assert here.post(STEP, {"answer": json.dumps(signed(here, others))}).status_code == 422
    others.credential_id = laptop.credential_id
    assert here.post(STEP, {"answer": json.dumps(signed(here, others))}).status_code == 422


def test_a_count_that_goes_back_is_a_copy_and_is_told(ann: User, laptop: SoftAuthenticator):
    laptop.count = 5
    here = begun()
    assert here.post(STEP, {"answer": json.dumps(signed(here, laptop))}).status_code == 302
    laptop.count = 3
    copy = begun()
    answer = copy.post(STEP, {"answer": json.dumps(signed(copy, laptop))})
    assert answer.status_code == 422
    assert "there may be a copy" in answer.text
    assert AuditEntry.objects.get(verb="kernel.passkey_count_went_back").after["counted"] == 4
    assert OutboxEvent.objects.filter(topic="kernel.second_factor_copied").count() == 1


@pytest.mark.parametrize(
    "answer",
    ["{}", "[]", "null", "x", '{"id": 1}', '{"rawId": "AA", "type": "public-key", "response": {}}', "{" * 70000],
)
def test_an_answer_that_is_none_is_refused(ann: User, laptop: SoftAuthenticator, answer: str):
    here = begun()
    here.get(STEP)
    assert here.post(STEP, {"answer": answer}).status_code == 422


# -- at the same time --------------------------------------------------------------------------------------------------
@pytest.mark.django_db(transaction=True)
def test_of_twenty_equal_codes_at_once_one_counts_and_of_twenty_guesses_five_are_looked_at():
    ann = factors.with_app(make.person("ann"))
    right = code()

    def tried(typed: str) -> str:
        try:
            return codes.prove(ann, typed)
        except Exception as error:
            return str(getattr(error, "code", error))
        finally:
            connection.close()

    with ThreadPoolExecutor(20) as pool:
        assert list(pool.map(tried, [right] * 20)).count(codes.APP) == 1
        SignInLimit.objects.all().delete()
        told = list(pool.map(tried, ["000000"] * 20))
    assert (told.count("factor.wrong_code"), told.count("factor.wait")) == (5, 15)


# -- who has none ------------------------------------------------------------------------------------------------------
def test_tokens_and_service_accounts_have_no_second_factor_and_go_on(ann: User, settings):
    settings.SECOND_FACTOR_REQUIRED = ["administrators", "deciders"]
    pipeline = make.service("pipeline", make.team("price"))
    for owner in (ann, pipeline):
        _, secret = tokens.issue(actor=ann, user=owner, name="ci", scopes=["catalog:read"])
        assert Client().get("/api/v1/apis", headers={"Authorization": f"Bearer {secret}"}).status_code == 200
