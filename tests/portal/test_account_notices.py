"""A person hears of a password, a token, an address and a right that somebody gave their account, by whatever way."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.core import mail
from django.db import transaction

from governance.models import Notice
from kernel import acting, outbox, tokens
from kernel.models import OutboxEvent, User
from portal import account_notices, wiring
from tests.governance.raw_sql import run as run_sql
from tests.portal import make

pytestmark = pytest.mark.django_db
NEW = "a-new-long-password"


def people() -> tuple[User, User]:
    with make.untold():
        return make.person("rita", email="rita@example.com"), make.person("boss", is_superuser=True)


def told(username: str = "rita") -> list[str]:
    wiring.connect()
    account_notices.tell_due()
    while outbox.dispatch():
        pass
    return list(Notice.objects.filter(person__username=username, kind="account").values_list("text", flat=True))


def _reset(rita: User) -> None:
    rita.set_password(NEW)
    rita.save()


def _taken(rita: User) -> None:
    rita.set_unusable_password()
    rita.save()


def _address(rita: User) -> None:
    rita.email = "somebody@elsewhere.example"
    rita.save()


def _administrator(rita: User) -> None:
    rita.is_superuser = True
    rita.save()


def _token(rita: User) -> None:
    tokens.issue(actor=User.objects.get(username="boss"), user=rita, name="nightly", scopes=["catalog:read"])


DEEDS: dict[str, tuple[Callable[[User], None], str]] = {
    "password": (_reset, "set another password for your account"),
    "no password": (_taken, "took the password of your account away"),
    "address": (_address, "gave your account another address of mail"),
    "right": (_administrator, "made you an administrator"),
    "token": (_token, "made a token that acts as you: nightly"),
}


@pytest.mark.parametrize("deed", DEEDS)
def test_the_person_hears_of_what_an_administrator_did_to_the_account_once_by_mail_and_in_the_inbox(deed: str) -> None:
    rita, boss = people()
    do, words = DEEDS[deed]
    with acting.by(boss):
        do(rita)
    (text,) = told()
    assert text.startswith(f"{acting.text_of(boss)} {words}"), text
    assert [message.subject for message in mail.outbox if words in message.subject]
    assert told() == [text], "once"
    assert told("boss") == [], "who did it knows"


def test_plain_sql_that_sets_a_password_is_told_as_well() -> None:
    rita, _ = people()
    with transaction.atomic():
        run_sql("update kernel_user set password = 'pbkdf2_sha256$1$x$y' where id = %s", rita.pk)
    (text,) = told()
    assert "set another password for your account" in text


def test_what_the_person_does_is_told_where_a_thief_of_the_session_could_do_it() -> None:
    rita, _ = people()
    with acting.by(rita):
        tokens.issue(actor=rita, user=rita, name="own", scopes=["catalog:read"])
        rita.first_name = "Rita"
        rita.save()
        assert told() == []
        _reset(rita)
    (text,) = told()
    assert text.startswith("Your password was changed by you")


def test_two_schedulers_that_see_the_same_entry_make_one_notice() -> None:
    rita, boss = people()
    with acting.by(boss):
        _reset(rita)
    account_notices.tell_due()
    event = OutboxEvent.objects.get(topic=account_notices.TOPIC)
    with transaction.atomic():
        outbox.emit(event.topic, key=event.key, payload=event.payload)
    assert len(told()) == 1
