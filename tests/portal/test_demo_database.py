"""The demo's people, whose password is known, exist and sign in only in a database that was made for the demo."""

from __future__ import annotations

import io
from typing import Any

import psycopg
import pytest
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction
from django.test import Client

from kernel.errors import Conflict
from kernel.models import AuditEntry, DemoMark, User
from portal import demo, demo_database
from portal.guard import judgement, looks, telling
from portal.sign_ins import PASSWORD
from tests import serving_role
from tests.portal import make

pytestmark = pytest.mark.django_db(transaction=True)


def sign_in(name: str, password: str) -> int:
    return Client().post("/sign-in/", {"username": name, "password": password}).status_code


@pytest.fixture
def fast_demo(settings: Any, tmp_path: Any) -> Any:
    settings.STATE_DIR = tmp_path
    settings.DEMO = True
    demo_database.begin()
    return settings


def test_a_database_with_other_people_gets_none_of_the_demo(settings: Any, tmp_path: Any):
    settings.STATE_DIR = tmp_path
    make.person("erika")
    with pytest.raises(Conflict, match="holds data that is not the demo's"):
        demo.apply()
    assert [person.username for person in User.objects.all()] == ["erika"]
    assert "holds data that is not the demo's" in (demo_database.refusal() or "")
    settings.DEMO = True
    with pytest.raises(CommandError, match="Set DEMO=no"):
        call_command("boot", stdout=io.StringIO())


def test_an_empty_database_becomes_the_demos_and_stays_it(fast_demo: Any):
    assert DemoMark.objects.count() == 1
    make.person("ada")
    demo_database.begin()
    assert demo_database.refusal() is None
    assert demo_database.is_open()


def test_the_role_that_serves_marks_no_database_that_is_in_use():
    make.person("erika")
    with serving_role.connected() as serving, pytest.raises(psycopg.errors.CheckViolation, match="not empty"):
        serving.execute("insert into kernel_demomark (id) values (1)")


def test_a_mark_is_neither_taken_away_nor_opened_again(fast_demo: Any):
    with pytest.raises(IntegrityError), transaction.atomic():
        DemoMark.objects.all().delete()
    demo_database.end()
    with pytest.raises(IntegrityError), transaction.atomic():
        DemoMark.objects.update(ended_at=None)
    with pytest.raises(Conflict, match="The demo of this database ended"):
        demo_database.begin()


def test_the_demos_password_opens_nothing_elsewhere(settings: Any):
    person = make.person("ada")
    person.set_password(PASSWORD)
    person.save()
    assert sign_in("ada", PASSWORD) == 422
    settings.DEMO = True
    assert sign_in("ada", PASSWORD) == 422, "DEMO=yes does not make a database the demo's"
    other = make.person("erika")
    assert sign_in(other.username, make.PASSWORD) == 302


def test_the_demos_password_opens_the_demo_until_it_is_switched_off_or_ends(fast_demo: Any):
    person = make.person("ada")
    person.set_password(PASSWORD)
    person.save()
    assert sign_in("ada", PASSWORD) == 302
    fast_demo.DEMO = False
    assert sign_in("ada", PASSWORD) == 422
    fast_demo.DATABASE_ADDRESSES = {"DATABASE_URL": serving_role.address()}
    assert looks.seen().demo_accounts == ("ada",)
    assert looks.seen().made_for_demo is True
    with pytest.raises(CommandError, match="still have the demo's password: ada"):
        call_command("end_demo")
    User.objects.update(is_active=False)
    call_command("end_demo", stdout=io.StringIO())
    assert AuditEntry.objects.filter(verb="kernel.demo_ended").count() == 1
    assert (looks.seen().demo_accounts, looks.seen().made_for_demo) == ((), False)


def test_nobody_chooses_the_demos_password():
    with pytest.raises(ValidationError, match="password of the demo"):
        validate_password(PASSWORD)
    validate_password("another good long one")


def test_a_demo_of_before_is_known_by_its_first_people_and_nobody_elses():
    from importlib import import_module

    mark = import_module("kernel.migrations.0013_demo_mark")._MADE_FOR_THE_DEMO
    names = ["ada", "arno", "petra", "paul", "sofia", "lena", "stan", "ivy", "ida", "sam", "erika"]
    with make.untold():
        for name in names:
            User.objects.create(username=name)
        with connection.cursor() as cursor:
            cursor.execute(mark)
    assert DemoMark.objects.count() == 1
    assert demo_database.refusal() is None


def test_people_who_share_two_names_with_the_demo_are_no_demo():
    from importlib import import_module

    mark = import_module("kernel.migrations.0013_demo_mark")._MADE_FOR_THE_DEMO
    with make.untold():
        for name in ("erika", "ada", "rita"):
            User.objects.create(username=name)
        with connection.cursor() as cursor:
            cursor.execute(mark)
    assert DemoMark.objects.count() == 0


def test_what_is_accepted_stands_in_the_ledger_once_for_each_last_day(monkeypatch: pytest.MonkeyPatch):
    accepted = [("redis", "2026-12-31"), ("redis", "2026-12-31"), ("redis", "2027-01-15")]
    for name, until in accepted:
        assert telling._tell(name, "REDIS_URL has no password", until) in (True, False)
    found = AuditEntry.objects.filter(verb="kernel.guard_accepted").order_by("id")
    assert [(one.subject_id, one.after["until"]) for one in found] == [("redis", "2026-12-31"), ("redis", "2027-01-15")]
    monkeypatch.setenv("GUARD_ACCEPTS", "")
    assert telling.tell() == 0


def test_the_deployment_check_fails_with_a_line_for_each(monkeypatch: pytest.MonkeyPatch, settings: Any):
    monkeypatch.setenv("GUARD_ACCEPTS", "")
    settings.DEBUG = True
    settings.DATABASE_ADDRESSES = {"DATABASE_URL": serving_role.owners_address()}
    out = io.StringIO()
    with pytest.raises(CommandError) as refused:
        call_command("check", "--deploy", stdout=out, stderr=out)
    said = str(refused.value)
    for name in ("debug", "https", "public_url", "database_role"):
        assert f"tillgate.guard.{name}" in said, name
    assert judgement.present().refusals
