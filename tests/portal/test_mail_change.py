"""A new address of mail counts when its link was opened there; the old address is told."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.core import mail
from django.test import Client

from kernel import clock
from kernel.models import AuditEntry, User
from tests.portal import make

pytestmark = pytest.mark.django_db
NEW = "ann@new.example"


@pytest.fixture
def ann() -> User:
    return make.person("ann", email="ann@old.example")


@pytest.fixture
def here(ann: User) -> Client:
    made = Client()
    assert made.post("/sign-in/", {"username": "ann", "password": make.PASSWORD}).status_code == 302
    return made


def asked(here: Client, address: str = NEW) -> str:
    """The link that came to the new address."""
    assert here.post("/settings/account/details/", {"email": address}).status_code == 302
    assert mail.outbox[-1].to == [address]
    found = re.search(r"https?://[^/]+(/settings/account/mail/\S+)", str(mail.outbox[-1].body))
    assert found
    return found[1]


def address() -> str:
    return User.objects.get(username="ann").email


def test_an_address_counts_when_its_link_was_opened_and_the_old_one_is_told(here: Client):
    link = asked(here)
    assert address() == "ann@old.example"
    assert NEW in here.get(link).text
    assert address() == "ann@old.example", "a program that looks at links changes nothing"
    assert here.post(link).status_code == 302
    assert address() == NEW
    assert mail.outbox[-1].to == ["ann@old.example"]
    [entry] = AuditEntry.objects.filter(verb="kernel.account_changed")
    assert (entry.after["email"], NEW in repr(vars(entry))) == ("changed", False)


def test_a_link_is_good_once_for_a_day_for_its_person_and_as_it_was_made(here: Client):
    link = asked(here)
    make.person("bob")
    other = Client()
    other.post("/sign-in/", {"username": "bob", "password": make.PASSWORD})
    assert other.post(link).status_code == 422
    assert Client().post(link).status_code == 302, "to the sign-in"
    assert here.post(link[:-3] + "xx/").status_code == 422
    assert here.post(link).status_code == 302
    assert here.post(link).status_code == 422


def test_a_link_of_the_day_before_yesterday_is_not_good(here: Client, monkeypatch):
    link = asked(here)
    monkeypatch.setattr("portal.mail_change.GOOD_FOR", timedelta(seconds=-1))
    assert here.post(link).status_code == 422
    assert address() == "ann@old.example"


def test_no_address_at_all_counts_at_once_and_the_old_one_is_told(here: Client):
    assert here.post("/settings/account/details/", {"email": ""}).status_code == 302
    assert (address(), mail.outbox[-1].to) == ("", ["ann@old.example"])


def test_another_address_needs_a_fresh_proof(here: Client, settings):
    settings.SIGN_IN_FRESH_MINUTES = 15
    link = asked(here)
    with clock.frozen(clock.now() + timedelta(minutes=16)):
        assert here.post(link).status_code == 403
        assert here.post("/settings/account/details/", {"email": "ann@third.example"}).status_code == 403
    assert (address(), len(mail.outbox)) == ("ann@old.example", 1)


def test_a_mail_server_that_does_not_take_it_changes_nothing(here: Client, settings):
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1
    answer = here.post("/settings/account/details/", {"email": NEW})
    assert answer.status_code == 503
    assert "did not take the message" in answer.text
