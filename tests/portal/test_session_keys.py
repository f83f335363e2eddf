"""Who reads the database has no session of anybody: it holds a digest of each key."""

from __future__ import annotations

import pytest
from django.apps import apps
from django.db import connection
from django.test import Client

from kernel import sessions
from kernel.models import User, UserSession
from tests.governance import make
from tests.portal.make import PASSWORD

pytestmark = pytest.mark.django_db


def signed_in(user: User) -> Client:
    made = Client()
    answer = made.post("/sign-in/", {"username": user.username, "password": PASSWORD})
    assert answer.status_code == 302
    return made


@pytest.fixture
def ann() -> User:
    return make.person("ann")


@pytest.fixture
def here(ann: User) -> Client:
    ann.set_password(PASSWORD)
    ann.save()
    return signed_in(ann)


def test_what_the_table_holds_of_a_session_opens_none(ann: User, here: Client) -> None:
    assert here.get("/settings/account/").status_code == 200
    [row] = UserSession.objects.filter(user=ann)
    thief = Client()
    thief.cookies["sessionid"] = row.session_key
    assert thief.get("/settings/account/").status_code == 302
    assert UserSession.objects.filter(user=ann).count() == 1


def test_no_column_of_any_table_holds_the_key(here: Client) -> None:
    key = here.cookies["sessionid"].value
    assert here.get("/settings/account/").status_code == 200
    tables = [model._meta.db_table for model in apps.get_models() if model._meta.managed]
    with connection.cursor() as cursor:
        held = []
        for table in tables:
            cursor.execute(f'select count(*) from "{table}" t where t::text like %s', [f"%{key}%"])
            held += [table] if cursor.fetchone() != (0,) else []
    assert held == []


def test_a_session_goes_on_changes_its_key_and_ends_as_before(ann: User, here: Client) -> None:
    store = sessions.SessionStore(here.cookies["sessionid"].value)
    assert store.exists(store.session_key)
    before = store.session_key
    store.cycle_key()
    assert store.session_key != before
    assert not store.exists(before)
    assert int(sessions.SessionStore(store.session_key)["_auth_user_id"]) == ann.pk
    store.flush()
    assert not UserSession.objects.filter(user=ann).exists()


def test_all_other_sessions_end_and_the_own_one_stays(ann: User, here: Client) -> None:
    elsewhere = signed_in(ann)
    assert here.get("/settings/account/").text.count("this one") == 1
    here.post("/settings/account/sessions/end/")
    assert here.get("/settings/account/").status_code == 200
    assert elsewhere.get("/settings/account/").status_code == 302
