"""What proxies of one's own say is believed, and what a client says about itself is not; tokens that nobody has."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import Client

from kernel import tokens
from portal.front import callers, guesses
from portal.front.callers import Callers
from portal.front.guesses import TokenGuesses, TooManyTokens
from portal.front.proxies import Proxies, proxies_of
from portal.started_with import wrong
from tests.portal import make
from tests.portal.test_front import Call, echo, front, run

INNER = proxies_of({"TRUSTED_PROXIES": "10.0.0.0/8, fd00::/8"})


@pytest.mark.parametrize(
    ("proxies", "peer", "said", "address"),
    [
        (Proxies(), "10.0.0.9", "6.6.6.6, 1.2.3.4", "10.0.0.9"),
        (Proxies(1), "10.0.0.9", "6.6.6.6, 1.2.3.4", "1.2.3.4"),
        (Proxies(2), "10.0.0.9", "6.6.6.6, 1.2.3.4", "6.6.6.6"),
        (Proxies(3), "10.0.0.9", "6.6.6.6, 1.2.3.4", "10.0.0.9"),
        (Proxies(1), "10.0.0.9", "", "10.0.0.9"),
        (Proxies(1), "10.0.0.9", "1.2.3.4, unknown", "10.0.0.9"),
        (Proxies(1), "10.0.0.9", "[2001:db8::1]:443", "2001:db8::1"),
        (Proxies(1), "10.0.0.9", "1.2.3.4:5678", "1.2.3.4"),
        (INNER, "10.0.0.9", "6.6.6.6, 1.2.3.4", "1.2.3.4"),
        (INNER, "10.0.0.9", "6.6.6.6, 1.2.3.4, 10.3.3.3", "1.2.3.4"),
        (INNER, "203.0.113.5", "10.0.0.1", "203.0.113.5"),
        (INNER, "::ffff:10.0.0.9", "1.2.3.4", "1.2.3.4"),
        (INNER, "fd00::7", "2001:db8::1, fd00::8", "2001:db8::1"),
        (INNER, "10.0.0.9", "10.0.0.7, 10.0.0.8", "10.0.0.7"),
        (INNER, "10.0.0.9", "1.2.3.4, nonsense, 10.0.0.8", "10.0.0.8"),
        (INNER, "10.0.0.9", "", "10.0.0.9"),
    ],
)
def test_the_address_is_the_nearest_one_that_is_no_proxy_of_ours(
    proxies: Proxies, peer: str, said: str, address: str
) -> None:
    assert proxies.client(peer, said) == address
    assert Callers(proxies).address({b"x-forwarded-for": said.encode()}, peer) == address


def test_which_proxies_there_are_is_stated() -> None:
    assert [proxies_of({"BEHIND_PROXY": given}).count for given in ("", "no", "yes", "1")] == [0, 0, 1, 1]
    assert proxies_of({"BEHIND_PROXY": "yes", "TRUSTED_PROXIES": "2"}).count == 2
    assert proxies_of({"BEHIND_PROXY": "yes", "WEB_PROXIES": "0"}).count == 0
    for environment in ({"TRUSTED_PROXIES": "many"}, {"TRUSTED_PROXIES": "10.0.0.1/8"}, {"WEB_PROXIES": "-1"}):
        with pytest.raises(ImproperlyConfigured, match="_PROXIES: "):
            proxies_of(environment)
        assert "_PROXIES: " in (wrong(environment) or ""), "one line before anything starts"


def seen_by_django(proxies: Proxies, *lines: tuple[str, str]) -> tuple[str, str | None]:
    found: list[tuple[str, str | None]] = []

    def django(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        found.append((environ["REMOTE_ADDR"], environ.get("HTTP_X_FORWARDED_PROTO")))
        return echo(environ, start)

    call = Call("/x", b"a")
    call.scope["headers"] += [(name.encode(), value.encode()) for name, value in lines]
    run(call.on(front(django, callers=Callers(proxies))))
    return found[0]


def test_pages_ledger_and_limits_see_the_address_that_the_proxy_saw() -> None:
    """The peer of these calls is 10.0.0.9."""
    lines = (("x-forwarded-for", "6.6.6.6"), ("x-forwarded-for", "1.2.3.4"), ("x-forwarded-proto", "https"))
    assert seen_by_django(Proxies(1), *lines) == ("1.2.3.4", "https"), "a proxy may add a line of its own"
    assert seen_by_django(Proxies(2), *lines) == ("6.6.6.6", "https")
    assert seen_by_django(INNER, *lines) == ("1.2.3.4", "https")
    elsewhere = proxies_of({"TRUSTED_PROXIES": "192.0.2.0/24"})
    assert seen_by_django(elsewhere, *lines) == ("10.0.0.9", None), "whoever comes past the proxy is not believed"


# -- tokens that nobody has --------------------------------------------------------------------------------------------
def test_an_address_with_one_unknown_token_after_the_other_waits() -> None:
    counted = TokenGuesses()
    for _ in range(guesses.FREE):
        counted.judge("1.2.3.4", 100.0)
        counted.failed("1.2.3.4", 100.0)
    with pytest.raises(TooManyTokens) as caught:
        counted.judge("1.2.3.4", 100.5)
    assert caught.value.data["retry_after"] == 1
    counted.judge("1.2.3.5", 100.5)
    counted.judge("1.2.3.4", 101.5)


def test_only_so_many_addresses_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guesses, "MOST", 3)
    counted = TokenGuesses()
    for n in range(9):
        counted.failed(str(n), 1.0)
    assert list(counted.addresses) == ["6", "7", "8"]


def test_guesses_are_refused_without_a_thread_and_a_token_that_was_good_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(guesses, "FREE", 3)
    asked: list[str] = []

    def django(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        given = environ.get("HTTP_AUTHORIZATION", "")
        asked.append(given)
        if given != "Bearer good":
            start("401 Unauthorized", [])
            return [b""]
        environ[callers.CALLER] = 7
        return echo(environ, start)

    application = front(django)

    def call(token: str) -> int:
        made = Call("/api/v1/apis", b"a", authorization=f"Bearer {token}")
        run(made.on(application))
        return int(made.sent[0]["status"])

    assert call("good") == 200
    assert [call(f"guess-{n}") for n in range(5)] == [401, 401, 401, 429, 429]
    assert len(asked) == 4
    assert call("good") == 200
    without = Call("/sign-in/", b"a", method="GET")
    run(without.on(application))
    assert without.sent[0]["status"] == 401, "who sends no token is not held up"
    refused = Call("/api/v1/apis", b"a", authorization="Bearer guess-9")
    run(refused.on(application))
    assert dict(refused.sent[0]["headers"])[b"retry-after"] == b"1"


@pytest.mark.django_db
def test_a_token_that_nobody_has_is_401_for_the_front_to_count() -> None:
    ann = make.person("ann")
    _, secret = tokens.issue(actor=ann, user=ann, name="x", scopes=["catalog:read"])
    for given, status in (("made-up", 401), (secret, 200)):
        assert Client().get("/api/v1/apis", headers={"Authorization": f"Bearer {given}"}).status_code == status


# -- the host, the scheme and the origin -------------------------------------------------------------------------------
@pytest.mark.django_db
def test_a_wrong_host_is_said_to_be_one() -> None:
    """It was 400 `page.bad_request`: The request could not be read."""
    page = Client().get("/sign-in/", headers={"Host": "evil.example"})
    assert page.status_code == 421
    for said in ("evil.example", "ALLOWED_HOSTS", "Nothing was changed"):
        assert said in page.text
    api = Client().get("/api/v1/apis", headers={"Host": "evil.example"})
    assert (api.status_code, api.json()["code"]) == (421, "request.host")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("headers", "secure", "code", "said"),
    [
        ({"Origin": "https://shop.example"}, False, "page.origin", "BEHIND_PROXY"),
        ({"Origin": "null"}, False, "page.origin", "came from null"),
        ({}, True, "page.referer", "Referer"),
        ({"Referer": "http://testserver/"}, True, "page.referer", "Referer"),
        ({}, False, "page.no_cookie", "Allow cookies"),
    ],
)
def test_a_form_that_is_not_believed_says_the_right_reason(headers: dict, secure: bool, code: str, said: str) -> None:
    """Each was `page.form_expired`: This form is older than your session."""
    strict = Client(enforce_csrf_checks=True)
    answer = strict.post("/sign-in/", {"username": "a"}, headers=headers, secure=secure)
    assert answer.status_code == 403
    assert code in answer.text
    assert said in answer.text


@pytest.mark.django_db
def test_the_public_address_may_send_forms_whatever_the_proxy_says_of_the_scheme(settings: Any) -> None:
    settings.CSRF_TRUSTED_ORIGINS = ["https://tillgate.example"]
    settings.ALLOWED_HOSTS = ["tillgate.example"]
    make.person("ann")
    strict = Client(enforce_csrf_checks=True, headers={"Host": "tillgate.example"})
    page = strict.get("/sign-in/")
    token = page.text.split('name="csrfmiddlewaretoken" value="')[1].split('"')[0]
    sent = {"username": "ann", "password": make.PASSWORD, "csrfmiddlewaretoken": token}
    assert strict.post("/sign-in/", sent, headers={"Origin": "https://tillgate.example"}).status_code == 302
