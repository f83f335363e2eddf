"""What a token of an identity provider must say (OpenID Connect Core 1.0 §3.1.3.7), and signing out at both sides."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import reverse

from governance.domain import id_tokens
from governance.domain.id_tokens import LOGOUT_EVENT
from governance.services import identity, provider_tokens
from kernel import clock
from kernel.models import AuditEntry, User, UserSession
from portal import started_with
from tests.governance import fake_provider
from tests.governance.fake_provider import CLIENT, GONE, KEYS, Provider, oidc_settings, running, sign_in, signed

pytestmark = pytest.mark.django_db
NOW = int(time.time())  # of the times in the lists below, which `of_now` moves to when a test runs
LOGOUT = "/sign-in/provider/logout/"


@pytest.fixture(scope="module")
def issuer():
    with running() as there:
        yield there


@pytest.fixture
def provider(issuer: str, settings: Any) -> str:
    Provider.begin()
    provider_tokens._known.clear(), provider_tokens._keys.clear()
    settings.OIDC = oidc_settings(issuer)
    settings.AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.ModelBackend", "governance.web.oidc.Backend"]
    return issuer


def of_now(lie: dict[str, Any]) -> dict[str, Any]:
    late = int(time.time()) - NOW
    return {
        key: value + late if key in ("exp", "iat", "nbf") and type(value) is int else value
        for key, value in lie.items()
    }


def olga() -> User:
    return User.objects.get(username="oidc:abc-1")


# -- at the sign-in ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("lie", "reason"),
    [
        ({"exp": GONE}, "malformed"),
        ({"exp": "soon"}, "malformed"),
        ({"exp": True}, "malformed"),
        ({"exp": 1e300}, "malformed"),
        ({"exp": NOW - 120}, "expired"),
        ({"iat": GONE}, "malformed"),
        ({"iat": NOW + 300}, "not_yet"),
        ({"iat": NOW - 3600}, "expired"),
        ({"nbf": NOW + 300}, "not_yet"),
        ({"nbf": "later"}, "malformed"),
        ({"iss": "https://evil.example"}, "issuer"),
        ({"aud": "another"}, "audience"),
        ({"aud": GONE}, "audience"),
        ({"aud": [CLIENT, "evil"], "azp": CLIENT}, "audience"),
        ({"aud": [CLIENT, "evil"], "azp": "evil"}, "audience"),
        ({"azp": "evil"}, "audience"),
        ({"nonce": "stale"}, "nonce"),
        ({"nonce": GONE}, "nonce"),
        ({"sub": GONE}, "subject"),
        ({"sub": "eve"}, "subject"),
        ({"sub": 7}, "subject"),
    ],
)
def test_a_token_that_is_not_as_it_must_be_signs_nobody_in_and_says_why(provider: str, lie: dict, reason: str):
    Provider.lie = of_now(lie)
    client = Client()
    assert sign_in(client) == f"/sign-in/?failed={reason}"
    page = client.get(f"/sign-in/?failed={reason}")
    assert id_tokens.REASONS[reason].split(";")[0] in page.text
    assert not User.objects.filter(username__startswith="oidc:").exists()
    assert "_auth_user_id" not in client.session


@pytest.mark.parametrize("lie", [{"exp": NOW - 30}, {"nbf": NOW + 30}, {"iat": NOW + 30}, {"iat": NOW - 300}])
def test_clocks_may_differ_a_little(provider: str, lie: dict):
    Provider.lie = of_now(lie)
    assert sign_in(Client()) == "/"


def test_how_much_clocks_may_differ_is_a_setting(provider: str, settings: Any):
    settings.OIDC = settings.OIDC | {"clock_skew": 0}
    Provider.lie = of_now({"exp": NOW - 30})
    assert sign_in(Client()) == "/sign-in/?failed=expired"


def test_further_audiences_are_believed_when_they_are_named_and_the_client_asked(provider: str, settings: Any):
    settings.OIDC = settings.OIDC | {"trusted_audiences": ["portal"]}
    Provider.lie = {"aud": [CLIENT, "portal"]}
    assert sign_in(Client()) == "/sign-in/?failed=audience"
    Provider.lie |= {"azp": CLIENT}
    assert sign_in(Client()) == "/"


@pytest.mark.parametrize("algorithm", ["ES256", "EdDSA"])
def test_algorithms_are_a_setting(provider: str, settings: Any, algorithm: str):
    Provider.algorithm = algorithm
    assert sign_in(Client()) == "/sign-in/?failed=algorithm"
    settings.OIDC = settings.OIDC | {"algorithms": ["RS256", algorithm]}
    assert sign_in(Client()) == "/"


@pytest.mark.parametrize(
    ("algorithm", "key", "reason"),
    [
        ("RS256", fake_provider.STRANGER, "signature"),
        ("HS256", "the secret of the client, or the public key as text", "algorithm"),
        ("none", None, "algorithm"),
    ],
)
def test_a_signature_that_anybody_could_make_is_none(provider: str, algorithm: str, key: Any, reason: str):
    Provider.algorithm, Provider.key, Provider.kid = algorithm, key, "k-RS256"
    assert sign_in(Client()) == f"/sign-in/?failed={reason}"


def test_a_key_that_is_new_is_read_once_and_a_made_up_one_does_not_make_us_ask_again_and_again(provider: str):
    sign_in(Client())
    Provider.kid = "k-nobody"
    for _ in range(4):
        assert sign_in(Client()) == "/sign-in/?failed=signature"
    assert Provider.keys_read == 1


def test_scopes_are_a_setting(provider: str, settings: Any):
    settings.OIDC = settings.OIDC | {"scopes": "openid profile groups"}
    away = Client().get(reverse("governance:oidc-start"))
    assert parse_qs(urlsplit(away["Location"]).query)["scope"] == ["openid profile groups"]


def test_the_client_is_named_in_the_way_that_the_provider_takes(provider: str):
    Provider.described = {"token_endpoint_auth_methods_supported": ["client_secret_basic", "private_key_jwt"]}
    assert sign_in(Client()) == "/"
    assert Provider.headers_seen["Authorization"].startswith("Basic ")
    assert "client_secret" not in Provider.asked


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"OIDC_SCOPES": "profile email"}, "openid among them"),
        ({"OIDC_ALGORITHMS": "HS256"}, "RS256"),
        ({"OIDC_ALGORITHMS": "none"}, "RS256"),
        ({"OIDC_CLOCK_SKEW": "many"}, "0 to 600"),
    ],
)
def test_a_wrong_setting_is_one_line_before_anything_starts(environment: dict[str, str], said: str):
    assert said in (started_with.wrong(environment) or "")


@pytest.mark.parametrize(
    ("said", "mail"), [({}, ""), ({"email_verified": False}, ""), ({"email_verified": True}, "o@example.org")]
)
def test_an_address_of_mail_counts_only_when_the_provider_verified_it(settings: Any, said: dict, mail: str):
    claims = {"sub": "x", "email": "o@example.org"} | said
    assert identity.person_of(claims, groups_claim="groups").email == mail
    settings.OIDC = oidc_settings("https://idp.example", trust_email=True)
    assert identity.person_of(claims, groups_claim="groups").email == "o@example.org"


def test_what_goes_wrong_on_the_way_is_said_on_the_sign_in_page(provider: str):
    client = Client()
    callback = reverse("governance:oidc-callback")
    assert client.get(callback, {"code": "c", "state": "nobody's"})["Location"] == "/sign-in/?failed=1"
    client.get(reverse("governance:oidc-start"))
    assert client.get(callback, {"code": "c", "state": "nobody's"})["Location"] == "/sign-in/?failed=state"
    Provider.described = {"token_endpoint": "http://127.0.0.1:9/token"}
    provider_tokens._known.clear()
    assert sign_in(client) == "/sign-in/?failed=provider"


def test_a_forged_way_back_signs_nobody_out(provider: str):
    client = Client()
    sign_in(client)
    client.get(reverse("governance:oidc-start"))
    client.get(reverse("governance:oidc-callback"), {"code": "c", "state": "nobody's"})
    assert client.get("/settings/account/").status_code == 200


# -- signing out -------------------------------------------------------------------------------------------------------
def test_who_signs_out_is_led_to_the_provider_which_ends_its_session_too(provider: str):
    client = Client()
    sign_in(client)
    page = client.post("/sign-out/")
    assert page.status_code == 200
    assert f"{provider}/end?id_token_hint=" in page.text
    assert "post_logout_redirect_uri=http%3A%2F%2Ftestserver%2Fsign-in%2F" in page.text
    assert "no-store" in page["Cache-Control"]
    assert client.get("/settings/account/").status_code == 302


def test_where_the_provider_has_no_such_place_or_it_is_not_wanted_the_sign_out_ends_here(provider: str, settings: Any):
    client = Client()
    sign_in(client)
    settings.OIDC = settings.OIDC | {"logout": False}
    assert client.post("/sign-out/").status_code == 302
    settings.OIDC = settings.OIDC | {"logout": True}
    sign_in(client)
    Provider.described = {"end_session_endpoint": None}
    provider_tokens._known.clear()
    assert client.post("/sign-out/").status_code == 302


def said_out(provider: str, **claims: object) -> dict[str, object]:
    return {"iss": provider, "jti": uuid4().hex, "events": {LOGOUT_EVENT: {}}} | claims


def inside(client: Client) -> bool:
    return client.get("/settings/account/").status_code == 200


def test_who_signs_out_at_the_provider_is_signed_out_here_at_once(provider: str):
    first, second, other = Client(), Client(), Client()
    sign_in(first), sign_in(second)
    Provider.claims = Provider.claims | {"sub": "abc-2"}
    sign_in(other)
    answer = Client(enforce_csrf_checks=True).post(LOGOUT, {"logout_token": signed(said_out(provider, sub="abc-1"))})
    assert (answer.status_code, answer["Cache-Control"]) == (200, answer["Cache-Control"])
    assert "no-store" in answer["Cache-Control"]
    assert (inside(first), inside(second), inside(other)) == (False, False, True)
    entry = AuditEntry.objects.get(verb="kernel.sessions_ended")
    assert (entry.subject_id, entry.after["ended"], entry.after["by"]) == (str(olga().pk), 2, "identity provider")


@pytest.mark.parametrize("about", [{"sid": "s-1"}, {"sid": "s-1", "sub": "abc-1"}])
def test_of_several_sessions_the_one_that_is_named_ends(provider: str, about: dict):
    first, second = Client(), Client()
    Provider.lie = {"sid": "s-1"}
    sign_in(first)
    Provider.lie = {"sid": "s-2"}
    sign_in(second)
    assert Client().post(LOGOUT, {"logout_token": signed(said_out(provider, **about))}).status_code == 200
    assert (inside(first), inside(second)) == (False, True)


def test_a_logout_token_that_is_sent_again_ends_nothing_that_began_later(provider: str):
    client = Client()
    sign_in(client)
    old = signed(said_out(provider, sub="abc-1", **of_now({"iat": NOW - 200})))
    assert Client().post(LOGOUT, {"logout_token": old}).status_code == 200
    assert inside(client)


@pytest.mark.parametrize(
    "wrong",
    [
        {"events": GONE},
        {"events": {}},
        {"events": {LOGOUT_EVENT: True}},
        {"nonce": "n"},
        {"sub": GONE},
        {"sub": 5},
        {"jti": GONE},
        {"iat": GONE},
        {"exp": GONE},
        {"exp": NOW - 120},
        {"iss": "https://evil.example"},
        {"aud": "another"},
    ],
)
def test_a_logout_token_that_is_not_as_it_must_be_ends_nothing(provider: str, wrong: dict):
    client = Client()
    sign_in(client)
    answer = Client().post(LOGOUT, {"logout_token": signed(said_out(provider, sub="abc-1") | wrong)})
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    assert inside(client)


def test_a_logout_token_that_anybody_could_make_ends_nothing(provider: str):
    client = Client()
    sign_in(client)
    for algorithm, key in (("none", None), ("RS256", fake_provider.STRANGER), ("HS256", "s" * 32)):
        Provider.algorithm, Provider.key, Provider.kid = algorithm, key, "k-RS256"
        answer = Client().post(LOGOUT, {"logout_token": signed(said_out(provider, sub="abc-1"))})
        assert answer.status_code == 400
    assert Client().post(LOGOUT).status_code == 400
    assert Client().get(LOGOUT).status_code == 405
    assert inside(client)


def test_of_somebody_who_was_never_here_nothing_is_said(provider: str):
    assert Client().post(LOGOUT, {"logout_token": signed(said_out(provider, sub="eve"))}).status_code == 200
    assert UserSession.objects.count() == 0


def test_without_a_provider_there_is_no_such_address(settings: Any):
    settings.OIDC = oidc_settings("")
    assert Client().post(LOGOUT, {"logout_token": "x"}).status_code == 404
    assert KEYS


# -- what cannot be stored, and what comes again -----------------------------------------------------------------------
HALF, NUL = "\ud800x", "a\0b"
UNSTORABLE = [
    *(
        {name: text}
        for name in ("name", "given_name", "family_name")
        for text in (HALF, NUL, "a\r\nb", ["a"], {"a": 1}, 5)
    ),
    *({"email": text} for text in (HALF, NUL, "a@b.c\r\nBcc: x@y.z", ["a@b.c"], {"a": 1}, 5, "nobody", "a b@c.de")),
    {"email": "a" * 4000 + "@b.c"},
    {"email": "a@b.c, d@e.f"},
    {"email": "Ann <a@b.c>"},
    {"groups": [HALF]},
    {"groups": ["x", NUL]},
    {"groups": HALF},
]


@pytest.mark.parametrize("lie", UNSTORABLE, ids=ascii)
@pytest.mark.parametrize("place", ["lie", "about"])
def test_what_cannot_be_stored_of_a_person_signs_nobody_in_and_the_page_says_why(provider: str, lie: dict, place: str):
    setattr(Provider, place, {"email_verified": True} | lie)
    Provider.claims = {name: said for name, said in Provider.claims.items() if name not in lie}
    client = Client()
    assert sign_in(client) == "/sign-in/?failed=claims"
    assert "cannot be stored" in client.get("/sign-in/?failed=claims").text
    assert not User.objects.filter(username__startswith="oidc:").exists()


@pytest.mark.parametrize(
    ("lie", "reason"),
    [
        ({"sid": HALF}, "malformed"),
        ({"sid": NUL}, "malformed"),
        ({"sid": ["s"]}, "malformed"),
        ({"sid": "s" * 256}, "malformed"),
        ({"sub": HALF}, "subject"),
        ({"sub": NUL}, "subject"),
        ({"sub": "a" * 141}, "subject"),
    ],
    ids=ascii,
)
def test_names_of_person_and_session_that_cannot_be_stored_sign_nobody_in(provider: str, lie: dict, reason: str):
    Provider.lie = lie
    if "sub" in lie:
        Provider.claims = Provider.claims | lie
    assert sign_in(Client()) == f"/sign-in/?failed={reason}"


def test_long_names_are_cut_and_groups_that_are_none_name_none(provider: str):
    Provider.claims = Provider.claims | {"given_name": "O" * 400, "groups": {"a": 1}, "email": "", "family_name": None}
    assert sign_in(Client()) == "/"
    assert (olga().first_name, olga().email) == ("O" * 150, "")


@pytest.mark.parametrize(
    "about", [{"sid": HALF}, {"sid": NUL}, {"sub": HALF}, {"sub": NUL}, {"sid": "s" * 300}], ids=ascii
)
def test_a_logout_token_with_names_that_nothing_can_have_is_refused_as_json(provider: str, about: dict):
    client = Client(raise_request_exception=False)
    answer = client.post(LOGOUT, {"logout_token": signed(said_out(provider) | about)})
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


@pytest.mark.parametrize("end", ["", HALF], ids=ascii)
def test_a_logout_token_ends_what_began_before_it_and_nothing_when_it_comes_again(provider: str, end: str):
    jti = uuid4().hex + end
    first, second = Client(), Client()
    sign_in(first)
    token = signed(said_out(provider, sub="abc-1", jti=jti))
    assert Client().post(LOGOUT, {"logout_token": token}).status_code == 200
    assert not inside(first)
    sign_in(second)  # in the same second
    assert Client().post(LOGOUT, {"logout_token": token}).status_code == 200
    assert inside(second)


def test_a_logout_token_that_is_late_ends_nothing_that_began_after_it(provider: str):
    client = Client()
    sign_in(client)
    late = signed(said_out(provider, sub="abc-1", **of_now({"iat": NOW - 20})))
    assert Client().post(LOGOUT, {"logout_token": late}).status_code == 200
    assert inside(client)


def test_a_provider_whose_clock_is_behind_ends_what_it_dated_itself(provider: str):
    client = Client()
    Provider.lie = of_now({"iat": NOW - 40})
    sign_in(client)
    behind = signed(said_out(provider, sub="abc-1", **of_now({"iat": NOW - 30})))
    assert Client().post(LOGOUT, {"logout_token": behind}).status_code == 200
    assert not inside(client)


def test_a_logout_token_of_the_second_in_which_a_session_began_ends_it(provider: str, settings):
    """A token knows whole seconds; between clocks that do not differ nothing else makes up for that."""
    settings.OIDC = settings.OIDC | {"clock_skew": 0}
    second, client = int(time.time()), Client()
    Provider.lie = {"iat": second}
    with clock.frozen(datetime.fromtimestamp(second, UTC) + timedelta(milliseconds=900)):
        sign_in(client)
        token = signed(said_out(provider, sub="abc-1") | {"iat": second})
        assert Client().post(LOGOUT, {"logout_token": token}).status_code == 200
        assert not inside(client)
