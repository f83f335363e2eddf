"""How often a password may be tried: counted by the account that is looked up, whoever tries at once; nobody is locked
out by strangers."""

from __future__ import annotations

import re
import threading
import uuid
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client

from kernel import clock, outbox, sign_in_limits, sign_ins
from kernel.models import KnownPlace, SignInLimit
from portal import wiring
from tests.portal import make

pytestmark = pytest.mark.django_db


def sign_in(client: Client, name: str, password: str = make.PASSWORD, address: str = "192.0.2.1"):
    return client.post("/sign-in/", {"username": name, "password": password}, REMOTE_ADDR=address)


def fail(times: int, name: str = "ann", address: str = "203.0.113.9") -> list[int]:
    return [sign_in(Client(), name, "no", address).status_code for _ in range(times)]


def later(minutes: float) -> None:
    """As if so many minutes had passed for everything that is counted."""
    for row in SignInLimit.objects.all():
        row.open_at -= timedelta(minutes=minutes)
        row.save()


@pytest.mark.parametrize("spelled", ["ann ", " ann", "ａnn", "ann\t", "ａｎｎ\u3000"])
def test_another_spelling_of_a_name_is_the_same_account(spelled: str) -> None:
    make.person("ann")
    assert fail(5) == [422] * 5
    assert sign_in(Client(), spelled).status_code == 429
    assert sign_in(Client(), spelled, "no").status_code == 429


def test_blanks_behind_a_name_give_no_further_tries() -> None:
    make.person("ann")
    seen = [sign_in(Client(), "ann" + " " * n, "no").status_code for n in range(9)]
    assert seen == [422] * 5 + [429] * 4


def test_of_tries_at_the_same_time_exactly_five_are_looked_at() -> None:
    name, seen, ready = uuid.uuid4().hex, [], threading.Barrier(24)

    def one() -> None:
        try:
            ready.wait(20)
            seen.append(sign_in_limits.begin(name=name, address="192.0.2.7", browser="").open)
        finally:
            connection.close()

    threads = [threading.Thread(target=one) for _ in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    forget = threading.Thread(target=lambda: (SignInLimit.objects.all().delete(), connection.close()))
    forget.start()
    forget.join()
    assert (seen.count(True), len(seen)) == (5, 24)


def test_the_pause_grows_and_ends_by_itself() -> None:
    make.person("ann")
    fail(5)
    waits = []
    for _ in range(6):
        refused = sign_in(Client(), "ann", "no")
        assert refused.status_code == 429
        waits.append(int(refused["Retry-After"]))
        later(waits[-1] / 60)
        assert sign_in(Client(), "ann", "no").status_code == 422, "one try after each pause"
    assert waits[:4] == [60, 120, 240, 480]
    assert waits[-1] <= 900
    later(15)
    assert sign_in(Client(), "ann").status_code == 302
    assert fail(5) == [422] * 5, "a right password begins anew"


def test_failures_are_forgotten_after_a_quiet_time() -> None:
    fail(4)
    later(60)
    assert fail(5) == [422] * 5


def test_strangers_do_not_lock_out_who_has_signed_in_with_this_browser_before() -> None:
    make.person("rita")
    mine = Client()
    assert sign_in(mine, "rita").status_code == 302
    mine.post("/sign-out/")
    assert fail(9, "rita") == [422] * 5 + [429] * 4
    assert sign_in(mine, "rita", address="198.51.100.44").status_code == 302, "from wherever"
    assert sign_in(Client(), "rita", address="198.51.100.45").status_code == 429


def test_strangers_do_not_lock_out_who_has_signed_in_from_this_address_before() -> None:
    make.person("rita")
    assert sign_in(Client(), "rita").status_code == 302
    fail(9, "rita")
    assert sign_in(Client(), "rita").status_code == 302


def test_a_known_browser_has_a_limit_of_its_own_and_is_known_for_its_own_accounts_alone() -> None:
    make.person("rita"), make.person("sofia")
    mine = Client()
    sign_in(mine, "rita")
    mine.post("/sign-out/")
    assert [sign_in(mine, "rita", "no").status_code for _ in range(7)] == [422] * 5 + [429] * 2
    fail(5, "sofia")
    assert sign_in(mine, "sofia").status_code == 429
    assert sign_in(Client(), "rita", address="198.51.100.44").status_code == 302, "others are not held up by it"


def test_what_stands_in_the_cookie_of_a_browser_is_not_what_is_stored() -> None:
    make.person("rita")
    mine = Client()
    answer = sign_in(mine, "rita")
    cookie = answer.cookies["tillgate_browser"]
    assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "Lax", "/sign-in/")
    assert not KnownPlace.objects.filter(place__contains=cookie.value).exists()
    forged = Client()
    forged.cookies["tillgate_browser"] = "0" * 43
    fail(5, "rita")
    assert sign_in(forged, "rita", address="198.51.100.44").status_code == 429


def test_an_address_that_fails_too_often_waits_but_for_who_is_known() -> None:
    make.person("rita"), make.person("carl")
    assert sign_in(Client(), "rita").status_code == 302
    for n in range(29):
        sign_in(Client(), f"nobody{n}", "no")
    assert sign_in(Client(), "nobody-30", "no").status_code == 422
    assert sign_in(Client(), "carl").status_code == 429
    assert sign_in(Client(), "rita").status_code == 302, "known from this address"
    assert sign_in(Client(), "carl", address="198.51.100.44").status_code == 302
    later(1)
    assert sign_in(Client(), "carl").status_code == 302


def test_right_passwords_of_many_people_behind_one_address_are_no_failures() -> None:
    for n in range(40):
        tried = sign_in_limits.begin(name=f"p{n}", address="192.0.2.1", browser="")
        assert tried.open
        tried.was_right()


def test_addresses_of_one_network_of_ipv6_are_one_client() -> None:
    for n in range(30):
        sign_in(Client(), f"nobody{n}", "no", f"2001:db8:1:2::{n:x}")
    assert sign_in(Client(), "nobody", "no", "2001:db8:1:2:ffff::1").status_code == 429
    assert sign_in(Client(), "nobody", "no", "2001:db8:1:3::1").status_code == 422


def test_names_that_nobody_has_are_limited_in_the_same_words() -> None:
    make.person("ann")
    fail(5, "ann", "192.0.2.8"), fail(5, "nobody", "192.0.2.9")
    known, unknown = (sign_in(Client(), "ann", address="192.0.2.8"), sign_in(Client(), "nobody", address="192.0.2.9"))
    assert (known.status_code, known["Retry-After"]) == (unknown.status_code, unknown["Retry-After"])
    assert "".join(re.split('FToken[^}]*|value="[^"]*"', known.text)) == "".join(
        re.split('FToken[^}]*|value="[^"]*"', unknown.text)
    )
    assert 'value="ann"' in known.text  # what was typed is kept
    for said in ("60 seconds", "signed in before", "was not looked at"):
        assert said in known.text
    assert "Nothing was checked" not in known.text


@pytest.mark.parametrize("name", ["", "   "])
def test_what_is_no_name_counts_for_the_address(name: str) -> None:
    make.person("ann")
    assert {sign_in(Client(), name, "no", "192.0.2.3").status_code for _ in range(30)} == {422}
    assert sign_in(Client(), "ann", address="192.0.2.3").status_code == 429


def test_a_redis_that_loses_everything_or_is_away_changes_nothing(settings) -> None:
    make.person("ann")
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    assert fail(6) == [422] * 5 + [429]


def test_no_name_and_no_address_is_stored_in_clear() -> None:
    fail(1, "my-password-by-mistake")
    stored = " ".join(SignInLimit.objects.values_list("key", flat=True))
    assert "my-password" not in stored
    assert "203.0.113" not in stored


def test_a_password_of_my_own_session_is_limited_apart_from_the_sign_in() -> None:
    ann = make.person("ann")
    mine = Client()
    mine.force_login(ann)
    tries = [mine.post("/settings/account/confirm/", {"password": "no"}) for _ in range(6)]
    assert "This is not your password" in tries[4].text
    assert "Too many wrong passwords" in tries[5].text
    assert sign_in(Client(), "ann").status_code == 302


def test_the_owner_of_an_account_is_told_once_a_day_and_at_the_next_sign_in(mailoutbox) -> None:
    ann = make.person("ann", email="ann@example.org")
    ann.last_login = clock.now() - timedelta(hours=2)
    ann.save()
    fail(9)
    with clock.frozen(clock.now() + timedelta(minutes=5)):
        sign_ins.tell_settled()
        sign_ins.tell_settled()
    wiring.connect()
    while outbox.dispatch():
        pass
    texts = list(ann.notices.values_list("text", flat=True))
    assert len(texts) == 1
    assert "5 failed sign-ins" in texts[0]
    assert [mail.to for mail in mailoutbox] == [["ann@example.org"]]
    later(2)
    mine = Client()
    assert sign_in(mine, "ann").status_code == 302
    assert "5 failed sign-ins with your name since you last signed in" in mine.get("/settings/account/").text


def test_old_counts_and_places_go() -> None:
    ann = make.person("ann")
    fail(1)
    sign_in(Client(), "ann")
    KnownPlace.objects.update(seen_at=clock.now() - timedelta(days=91))
    later(60 * 24 * 2)
    sign_in_limits.forget()
    assert (SignInLimit.objects.count(), KnownPlace.objects.filter(user=ann).count()) == (0, 0)
