"""Administrators see on a page what the guard says, and nobody else does."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest
from django.test import Client

from portal import installation
from portal.guard import judgement
from tests import serving_role
from tests.portal import make
from tests.portal.guard_setup import GOOD, SEEN
from tests.unguarded import everything

pytestmark = pytest.mark.django_db
PATH = "/settings/installation/"


def signed_in(client: Client, **more: bool) -> Client:
    client.force_login(make.person("boss", **more))
    return client


def test_each_finding_stands_with_what_to_set_and_what_is_accepted_with_its_last_day(client, monkeypatch, settings):
    settings.DATABASE_ADDRESSES = {"DATABASE_URL": serving_role.owners_address()}
    accepted = next(part for part in everything().split(",") if part.startswith("https:"))
    monkeypatch.setenv("GUARD_ACCEPTS", accepted)
    answer = signed_in(client, is_superuser=True).get(PATH)
    assert answer.status_code == 200
    by_id = {line.finding.id: line for line in answer.context["lines"]}
    assert by_id["https"].tone.word == "Accepted"
    assert str(by_id["https"].until) == accepted.partition(":")[2]
    assert by_id["database_role"].tone.word == "Refused"
    assert by_id["second_factor"].tone.word == "Warning"
    assert "Put a proxy that ends TLS in front" in answer.text
    assert answer.context["tone"].word == "Does not start again"


def test_the_demo_says_that_the_guard_is_not_for_it(client, monkeypatch):
    setup = replace(GOOD, demo=True, allowed_hosts=("localhost",))
    found = judgement.of(setup, replace(SEEN, made_for_demo=True), {}, date(2026, 11, 30))
    monkeypatch.setattr(judgement, "present", lambda: found)
    answer = signed_in(client, is_superuser=True).get(PATH)
    assert not answer.context["lines"]
    assert "The guard is for installations that others reach" in answer.text


def test_nobody_else_learns_what_the_installation_lacks(client):
    assert signed_in(client).get(PATH).status_code == 404


@pytest.mark.parametrize(
    ("made_for_demo", "demo", "word"), [(False, False, "Ready for production"), (True, True, "Demo")]
)
def test_the_state_of_all_is_one_word(made_for_demo: bool, demo: bool, word: str):
    setup = replace(GOOD, demo=demo, allowed_hosts=("localhost",) if demo else GOOD.allowed_hosts)
    found = judgement.of(setup, replace(SEEN, made_for_demo=made_for_demo), {}, date(2026, 11, 30))
    assert installation._tone(found).word == word
