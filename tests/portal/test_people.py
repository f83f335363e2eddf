"""Sign-ins, failures and sign-outs in the ledger, and the page about one person."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.cache import cache
from django.db.models import F
from django.test import Client

from kernel import acting, sign_ins, tokens
from kernel.models import AuditEntry, SignInFailures, User
from tests.portal import make

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _no_earlier_failures():
    cache.clear()


def sign_in(client: Client, name: str, password: str = make.PASSWORD):
    return client.post("/sign-in/", {"username": name, "password": password})


def entries(verb: str) -> list[AuditEntry]:
    return list(AuditEntry.objects.filter(verb=verb).order_by("pk"))


def test_a_sign_in_and_a_sign_out_are_entries_of_the_person(client):
    ann = make.person("ann")
    sign_in(client, "ann")
    client.post("/sign-out/")
    [came], [went] = entries("kernel.signed_in"), entries("kernel.signed_out")
    assert (came.actor, came.subject_kind, came.subject_id) == (ann, "sign_in", str(ann.pk))
    assert came.after["way"] == "password"
    assert came.after["session"] == went.after["session"] != ""
    assert make.PASSWORD not in repr(vars(came))


def test_a_failure_names_the_account_and_never_what_was_typed_for_a_name(client):
    ann = make.person("ann")
    sign_in(client, "ann", "wrong")
    sign_in(client, "my secret password", "wrong")
    known, unknown = entries("kernel.sign_in_failed")
    assert (known.subject_id, unknown.subject_id) == (str(ann.pk), "unknown name")
    assert "my secret password" not in repr([vars(known), vars(unknown)])


def test_a_flood_of_failures_is_a_handful_of_entries_and_its_sum(client, rf):
    make.person("ann")
    for _ in range(123):
        sign_ins.failed(rf.post("/sign-in/"), "ann")
    by_minute = list(SignInFailures.objects.order_by("minute").values_list("failures", flat=True))
    assert sum(by_minute) == 123
    assert len(by_minute) <= 2  # the minute may end during the flood
    at_once = [[told for told in (1, 10, 100) if told <= failures] for failures in by_minute]
    not_told = [failures for failures in by_minute if failures not in (1, 10, 100)]
    SignInFailures.objects.update(minute=F("minute") - timedelta(minutes=5))
    assert sign_ins.tell_settled() == len(not_told)
    assert sign_ins.tell_settled() == 0
    told = [entry.after["failures"] for entry in entries("kernel.sign_in_failed")]
    assert sorted(told) == sorted([*(one for minute in at_once for one in minute), *not_told])


def test_counts_of_yesterday_are_dropped(rf):
    sign_ins.failed(rf.post("/sign-in/"), "nobody")
    SignInFailures.objects.update(minute=F("minute") - timedelta(days=2))
    sign_ins.tell_settled()
    assert not SignInFailures.objects.exists()


def test_sign_ins_are_read_by_the_person_and_by_administrators_alone(client):
    make.person("ann")
    sign_in(client, "ann")
    assert "kernel.signed_in" in client.get("/ledger/").text
    other = Client()
    other.force_login(make.person("bob"))
    assert "kernel.signed_in" not in other.get("/ledger/").text
    boss = Client()
    boss.force_login(make.person("boss", is_superuser=True))
    assert "kernel.signed_in" in boss.get("/ledger/").text


def test_a_page_tells_what_was_given_to_a_person_and_by_whom(client):
    boss, ann = make.person("boss", is_superuser=True, first_name="Bea", last_name="Boss"), make.person("ann")
    with acting.by(boss):
        ann.set_password("another-long-one")
        ann.save()
        ann.is_superuser = True
        ann.save()
    tokens.issue(actor=boss, user=ann, name="till seven", scopes=["catalog:read"])
    client.force_login(boss)
    page = client.get(f"/people/{ann.pk}/").text
    for words in ("Password set", "Made administrator of everything", "till seven", "Bea Boss", "written by"):
        assert words in page
    assert "another-long-one" not in page
    assert ann.password not in page
    assert "Given to others" in client.get(f"/people/{boss.pk}/").text


def test_the_page_is_for_administrators_and_the_person(client):
    ann, bob = make.person("ann"), make.person("bob")
    client.force_login(ann)
    assert client.get(f"/people/{ann.pk}/").status_code == 200
    missing, hidden = client.get("/people/999999/"), client.get(f"/people/{bob.pk}/")
    assert (missing.status_code, hidden.status_code) == (404, 404)
    assert f"/people/{ann.pk}/" in client.get("/ledger/").text
    assert f"/people/{bob.pk}/" not in client.get("/ledger/").text


def test_the_administration_leads_to_the_page_about_the_person(client):
    boss = make.person("boss", is_superuser=True, is_staff=True)
    client.force_login(boss)
    assert f"/people/{boss.pk}/" in client.get(f"/admin/kernel/user/{boss.pk}/change/").text
    assert User.objects.count() == 1
