"""The way of sign-ins and sign-outs with a certified OpenID provider (`oidc-provider`): nothing of it is ours but our
side, so what it refuses and sends is what the standard says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jwt
import pytest

from governance.models import GroupMapping
from governance.services import provider_tokens
from kernel import clock
from kernel.models import AuditEntry, User
from tests.governance import make, real_provider
from tests.governance.fake_provider import oidc_settings
from tests.governance.real_provider import SECRET, Browser, RealProvider

pytestmark = [pytest.mark.django_db, pytest.mark.skipif(bool(real_provider.missing()), reason=real_provider.missing())]
BACKENDS = ["django.contrib.auth.backends.ModelBackend", "governance.web.oidc.Backend"]
NOBODY = "/sign-in/?failed="


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealProvider]:
    with real_provider.started(tmp_path_factory.mktemp("oidc") / "one") as provider:
        yield provider


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    Browser.close_all()


@pytest.fixture
def provider(one: RealProvider, settings: Any) -> RealProvider:
    asked_of(one, settings)
    while not one.logout_tokens.empty():
        one.logout_tokens.get()
    return one


def asked_of(provider: RealProvider, settings: Any) -> None:
    settings.OIDC = oidc_settings(provider.issuer) | {
        "client_secret": SECRET,
        "scopes": "openid profile groups",
        "clock_skew": 0,
    }
    settings.AUTHENTICATION_BACKENDS = BACKENDS
    provider_tokens._known.clear()
    provider_tokens._keys.clear()


def in_here(browser: Browser) -> bool:
    return bool(browser.here.get("/inbox/").status_code == 200)


# -- signing in --------------------------------------------------------------------------------------------------------
@pytest.mark.thorough  # each starts a provider of its own
@pytest.mark.parametrize("way", ["client_secret_basic", "client_secret_post"])
@pytest.mark.parametrize("groups_in", ["user info", "ID token"])
def test_somebody_signs_in_whichever_way_the_client_is_named(
    settings: Any, tmp_path: Path, way: str, groups_in: str, house: make.House
):
    GroupMapping.objects.create(claim="grp-architects", group=make.team("architects").group)
    with real_provider.started(tmp_path / "oidc", way=way, groups_in=groups_in) as provider:
        asked_of(provider, settings)
        browser = Browser()
        assert browser.sign_in("olga") == "/"
        olga = User.objects.get(username="oidc:olga")
        assert (str(olga), [group.name for group in olga.groups.all()]) == ("Olga Ocean", ["architects"])
        assert in_here(browser)


def test_who_has_no_group_there_has_no_right_here(provider: RealProvider):
    assert Browser().sign_in("otto") == "/"
    assert User.objects.get(username="oidc:otto").groups.count() == 0


def test_a_silent_question_keeps_who_is_signed_in_there(provider: RealProvider):
    browser = Browser()
    browser.sign_in("olga")
    sessions = AuditEntry.objects.filter(verb="kernel.signed_in").count()
    with clock.frozen(clock.now() + timedelta(minutes=9)):
        asked = browser.sign_in("olga", prompt="none")
    assert asked == "/"
    assert AuditEntry.objects.filter(verb="kernel.signed_in").count() == sessions


# -- what somebody in between changes ----------------------------------------------------------------------------------
def test_another_nonce_than_this_browsers_signs_nobody_in(provider: RealProvider):
    browser = Browser()
    assert browser.sign_in("olga", nonce="of-somebody-else") == f"{NOBODY}nonce"
    assert not in_here(browser)


def test_without_the_verifier_of_this_browser_the_provider_gives_no_token(provider: RealProvider):
    browser = Browser()
    stranger = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
    assert browser.sign_in("olga", code_challenge=stranger) == f"{NOBODY}provider"
    assert not in_here(browser)


def test_a_code_counts_once_and_in_the_browser_that_asked_for_it(provider: RealProvider):
    began, other = Browser(), Browser()
    address = began.away("olga")
    assert other.back(address).startswith(NOBODY)
    assert began.back(address) == "/"
    assert began.back(address) == f"{NOBODY}state"
    assert not in_here(other)


def test_a_code_for_another_client_signs_nobody_in(provider: RealProvider):
    browser = Browser()
    assert browser.sign_in("olga", client_id="another") == f"{NOBODY}provider"
    assert not in_here(browser)


def test_a_token_for_another_client_is_not_believed(provider: RealProvider, settings: Any):
    """As if the provider's answer came from another client's sign-in: it is asked as that client, we are ours."""
    browser = Browser()
    settings.OIDC = settings.OIDC | {"client_id": "another"}
    address = browser.away("olga")
    settings.OIDC = settings.OIDC | {"client_id": "tillgate"}
    assert browser.back(address) == f"{NOBODY}provider"


@pytest.mark.parametrize(("later", "word"), [(timedelta(minutes=11), "expired"), (timedelta(minutes=-5), "issued")])
def test_a_token_that_is_over_or_not_yet_issued_signs_nobody_in(provider: RealProvider, later: timedelta, word: str):
    browser = Browser()
    with clock.frozen(clock.now() + later):
        came = browser.sign_in("olga")
    assert came.startswith(NOBODY), came
    assert came != f"{NOBODY}1"
    assert not in_here(browser)


def test_who_stops_there_is_told_here(provider: RealProvider):
    browser = Browser()
    start = urlsplit(browser.here.get("/sign-in/provider/")["Location"])
    page = browser.there.get(start.geturl(), follow_redirects=True)
    abort = next(part for part in page.text.split('"') if part.endswith("/abort"))
    assert browser.back(browser.through(abort, "olga")) == f"{NOBODY}1"


@pytest.mark.parametrize("iss", ["", "&iss=http%3A%2F%2Fevil.example"])
def test_an_answer_that_does_not_name_this_provider_signs_nobody_in(provider: RealProvider, iss: str):
    browser = Browser()
    address = re.sub(r"&iss=[^&]*", iss, browser.away("olga"))
    assert browser.back(address) == f"{NOBODY}issuer"
    assert not in_here(browser)


# -- keys --------------------------------------------------------------------------------------------------------------
def test_a_key_that_the_provider_changed_is_read_and_the_old_one_counts_no_more(settings: Any, tmp_path: Path):
    with real_provider.started(tmp_path / "oidc", kid="old") as provider:
        asked_of(provider, settings)
        browser = Browser()
        assert browser.sign_in("olga") == "/"
        old = str(browser.here.session["oidc_id_token"])
        port = urlsplit(provider.issuer).port
    read_at, keys = provider_tokens._keys[provider.issuer]
    provider_tokens._keys[provider.issuer] = (read_at - provider_tokens.KEYS_AGAIN_SECONDS, keys)
    with real_provider.started(tmp_path / "oidc", kid="new", port=port):
        again = Browser()
        assert again.sign_in("olga") == "/"
        assert jwt.get_unverified_header(again.here.session["oidc_id_token"])["kid"] == "new"
        with pytest.raises(provider_tokens.RefusedToken):
            provider_tokens.verified(old)


# -- signing out -------------------------------------------------------------------------------------------------------
def test_a_sign_out_here_ends_the_session_there(provider: RealProvider):
    browser = Browser()
    browser.sign_in("olga")
    away = browser.here.post("/sign-out/").context["provider"]
    assert away.startswith(f"{provider.issuer}/session/end?")
    assert browser.through(away, "olga").startswith(f"{real_provider.HERE}/sign-in/")
    assert not in_here(browser)
    came = browser.sign_in("olga", prompt="none")
    assert came == f"{NOBODY}1"  # there nobody is signed in any more


def test_a_sign_out_there_ends_the_session_here_and_no_other(provider: RealProvider):
    browser, elsewhere = Browser(), Browser()
    browser.sign_in("olga")
    elsewhere.sign_in("olga")
    browser.signed_out_there(provider.issuer)
    token = provider.logout_tokens.get(timeout=10)
    assert in_here(browser)  # until it is told
    answer = browser.here.post("/sign-in/provider/logout/", {"logout_token": token})
    assert answer.status_code == 200, answer.content
    assert not in_here(browser)
    assert in_here(elsewhere)
    ended = AuditEntry.objects.get(verb="kernel.sessions_ended")
    assert ended.after["by"] == "identity provider"


def test_a_logout_token_for_another_client_ends_nothing(provider: RealProvider, settings: Any):
    settings.OIDC = settings.OIDC | {"client_id": "another"}
    browser = Browser()
    browser.sign_in("olga")
    browser.signed_out_there(provider.issuer)
    token = provider.logout_tokens.get(timeout=10)
    assert jwt.decode(token, options={"verify_signature": False})["aud"] == "another"
    settings.OIDC = settings.OIDC | {"client_id": "tillgate"}
    answer = browser.here.post("/sign-in/provider/logout/", {"logout_token": token})
    assert answer.status_code == 400, answer.content
    assert in_here(browser)


def test_a_logout_token_that_came_before_ends_nothing_that_began_later(provider: RealProvider):
    browser = Browser()
    browser.sign_in("olga")
    browser.signed_out_there(provider.issuer)
    token = provider.logout_tokens.get(timeout=10)
    for _ in range(2):
        assert browser.here.post("/sign-in/provider/logout/", {"logout_token": token}).status_code == 200
    assert not in_here(browser)
    browser.sign_in("olga")
    assert browser.here.post("/sign-in/provider/logout/", {"logout_token": token}).status_code == 200
    assert in_here(browser)
