"""A person hears of a sign-in from a new place: once, by mail and in the inbox, and whoever holds the new session
cannot put the line away."""

from __future__ import annotations

import io
from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.test import Client

from governance.models import Notice
from kernel import browsers, clock, outbox
from kernel.models import AuditEntry, User
from portal import mail_change, new_places, wiring
from portal.front.proxies import Proxies
from portal.front.wsgi import environ_of
from tests.governance.raw_sql import beneath_guards, run
from tests.portal import make

pytestmark = pytest.mark.django_db
PASSWORD = "a-long-password-of-rita"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
CHROME = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36"
)
HOME, HOME_TOO, AWAY = "198.51.100.7", "198.51.100.90", "203.0.113.7"


@pytest.fixture
def rita() -> User:
    with make.untold():
        made = make.person("rita", email="rita@example.com")
        made.set_password(PASSWORD)
        made.save()
    return made


def sign_in(address: str = HOME, agent: str = FIREFOX, **more: Any) -> Client:
    client = Client(REMOTE_ADDR=address, headers={"user-agent": agent})
    answer = client.post("/sign-in/", {"username": "rita", "password": PASSWORD}, **more)
    assert answer.status_code == 302, answer.content
    return client


def told() -> list[str]:
    wiring.connect()
    new_places.tell_due()
    while outbox.dispatch():
        pass
    return list(Notice.objects.filter(person__username="rita", kind=new_places.KIND).values_list("text", flat=True))


def test_a_sign_in_from_a_new_place_is_told_once_by_mail_and_in_the_inbox(rita: User) -> None:
    sign_in()
    assert told() == [], "before the first there is no usual place"
    sign_in(AWAY, CHROME)
    (text,) = told()
    entry = AuditEntry.objects.filter(verb="kernel.signed_in").latest("pk")
    for said in (f"{entry.at:%d %b %Y, %H:%M} UTC", AWAY, "Chrome on Windows"):
        assert said in text, text
    (message,) = mail.outbox
    assert (message.to, AWAY in message.body) == (["rita@example.com"], True)
    sign_in(AWAY, CHROME)
    assert told() == [text], "the same place once"
    assert len(mail.outbox) == 1


@pytest.mark.parametrize(
    ("address", "agent", "is_new"),
    [
        (HOME, FIREFOX, False),
        (HOME_TOO, FIREFOX, False),  # another address of the same network
        (HOME, FIREFOX.replace("140", "141"), False),  # the browser was renewed
        (HOME, CHROME, True),
        (AWAY, FIREFOX, True),
        ("2001:db8:1:2::7", FIREFOX, True),
        (f"::ffff:{HOME}", FIREFOX, False),
        (HOME, "", True),
        ("", FIREFOX, True),
    ],
)
def test_a_place_is_a_network_and_a_family_of_browsers(rita: User, address: str, agent: str, is_new: bool) -> None:
    sign_in()
    sign_in(address, agent)
    assert bool(told()) == is_new


def test_a_place_of_more_than_a_quarter_ago_is_new_again(rita: User) -> None:
    sign_in()
    sign_in(AWAY)
    told()
    with beneath_guards():
        run("update kernel_auditentry set at = at - %s where verb = 'kernel.signed_in'", new_places.KNOWN_FOR)
    sign_in()
    assert len(told()) == 2


def test_entries_of_before_know_no_browser_and_their_network_counts(rita: User) -> None:
    sign_in()
    with beneath_guards():
        run("update kernel_auditentry set after = after - 'browser' where verb = 'kernel.signed_in'")
    sign_in(HOME, CHROME)
    assert told() == []


def test_the_address_is_that_of_the_client_behind_a_proxy_of_our_own(rita: User) -> None:
    sign_in()
    asked = {
        "method": "POST",
        "path": "/sign-in/",
        "headers": [(b"host", b"127.0.0.1"), (b"x-forwarded-for", f"6.6.6.6, {AWAY}".encode())],
        "client": ("10.0.0.9", 4000),
    }
    environ = environ_of(asked, io.BytesIO(), 0, Proxies(1))
    sign_in(environ["REMOTE_ADDR"], FIREFOX, headers={"x-forwarded-for": "6.6.6.6"})
    (text,) = told()
    assert AWAY in text
    assert "6.6.6.6" not in text


# -- nobody hides it ---------------------------------------------------------------------------------------------------
def unread() -> bool:
    return Notice.objects.filter(kind=new_places.KIND, read_at=None).exists()


def test_the_new_session_cannot_put_the_line_away_and_an_older_one_can(rita: User) -> None:
    with clock.frozen(clock.now() - timedelta(minutes=10)):
        usual = sign_in()
    thief = sign_in(AWAY, CHROME)
    (text,) = told()
    for number in range(12):  # nor push it off the page
        Notice.objects.create(person=rita, kind="decided", text=f"News {number}", source=f"x:{number}")
    assert text in thief.get("/inbox/").content.decode()
    thief.post("/inbox/read/")
    assert unread()
    assert text in usual.get("/inbox/").content.decode()
    usual.post("/inbox/read/")
    assert not unread()


def test_after_three_days_whoever_reads_it_puts_it_away(rita: User) -> None:
    sign_in()
    client = sign_in(AWAY, CHROME)
    told()
    Notice.objects.update(created_at=clock.now() - timedelta(days=4))
    client.post("/inbox/read/")
    assert not unread()


def test_a_session_that_gives_the_account_another_address_of_mail_cannot_keep_the_old_one_from_hearing(
    rita: User,
) -> None:
    sign_in()
    sign_in(AWAY, CHROME)
    mail_change.drop(User.objects.get(pk=rita.pk))
    (message,) = mail.outbox
    assert message.to == ["rita@example.com"]
    for said in (AWAY, "Chrome on Windows", HOME, "Firefox on Linux"):
        assert said in message.body


def test_many_new_places_of_a_day_are_told_five_times(rita: User) -> None:
    sign_in()
    for number in range(8):
        sign_in(f"203.0.{number}.7")
    texts = told()
    assert len(texts) == new_places.MOST_A_DAY
    assert ["further ones of today" in text for text in texts] == [True, False, False, False, False]


@pytest.mark.parametrize(
    ("agent", "family"),
    [
        (FIREFOX, "Firefox on Linux"),
        (CHROME, "Chrome on Windows"),
        (CHROME + " Edg/142.0.0.0", "Edge on Windows"),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
            "Version/18.0 Mobile/15E148 Safari/604.1",
            "Safari on iOS",
        ),
        (
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 "
            "Safari/605.1.15",
            "Safari on macOS",
        ),
        (
            "Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Mobile "
            "Safari/537.36",
            "Chrome on Android",
        ),
        (
            "Mozilla/5.0 (Linux; Android 15; SM-S921B) SamsungBrowser/28.0 Chrome/130.0 Mobile",
            "Samsung Internet on Android",
        ),
        ("curl/8.5.0", "another program"),
        ("", "a program that does not say its name"),
    ],
)
def test_the_family_of_a_browser_is_told_without_its_version(agent: str, family: str) -> None:
    assert browsers.family(agent) == family
