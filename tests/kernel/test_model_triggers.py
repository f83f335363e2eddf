"""No setting of a session leaves out a guard that a model has."""

from __future__ import annotations

from typing import Any

import pgtrigger
import pytest
from django.core.management import call_command
from django.db import IntegrityError, ProgrammingError, connection, transaction

from catalog.models import Contract
from kernel import model_triggers, sql_guards
from tests.catalog import make
from tests.governance.forging import as_serving

pytestmark = pytest.mark.django_db
ROOMS = ("kernel", "catalog", "governance", "runtime")
IGNORE = """
select set_config('pgtrigger.ignore',
                  (select '{' || string_agg(t.tgname, ',') || '}' from pg_trigger t where t.tgname ~ '^pgtrigger_'),
                  true)
"""
LIBRARY = """
create or replace function _pgtrigger_should_ignore(trigger_name name) returns boolean language plpgsql as
$$ begin return trigger_name = any(current_setting('pgtrigger.ignore', true)::text[]); end $$
"""


def said(statement: str, *given: Any) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(statement, given)
        return cursor.fetchall() if cursor.description else []


@pytest.mark.parametrize(
    "deed",
    [
        "update catalog_contract set original = 'x'",
        "update catalog_contract set canonical = 'x' where digest = (select min(digest) from catalog_contract)",
        "delete from catalog_boundary",
        "update kernel_user set kind = 'agent', is_superuser = true where username = 'lea'",
        "delete from catalog_dependency",
    ],
)
def test_the_serving_role_switches_no_guard_of_a_model_off(deed: str) -> None:
    make.estate()
    assert Contract.objects.exists()
    with pytest.raises((IntegrityError, ProgrammingError)), transaction.atomic(), as_serving():
        said(f"{IGNORE};{deed}")


def test_every_guard_of_a_model_stands_whatever_the_session_says() -> None:
    said(IGNORE)
    names = "select tgname, _pgtrigger_should_ignore(tgname) from pg_trigger where starts_with(tgname, 'pgtrigger_')"
    found = dict(said(names))
    assert len(found) >= len(pgtrigger.registered())
    assert not any(found.values())


def test_what_the_library_brings_back_goes_with_the_next_migration() -> None:
    said(LIBRARY)
    call_command("migrate", verbosity=0)
    said(IGNORE)
    assert said(
        "select _pgtrigger_should_ignore('pgtrigger_x'), prosrc = %s from pg_proc where proname = %s",
        model_triggers.FILE.read_text().split("$$")[1],
        "_pgtrigger_should_ignore",
    ) == [(False, True)]


def test_the_verification_knows_the_functions_of_the_models() -> None:
    assert sql_guards.differences(ROOMS) == []
    name = next(iter(model_triggers.bodies()))
    said(LIBRARY)
    said(f"create or replace function {name}() returns trigger language plpgsql as $$ begin return new; end $$")
    trigger, table = sorted(model_triggers.places())[0]
    said(f"drop trigger {trigger} on {table}")
    assert sql_guards.differences(ROOMS) == [
        "function _pgtrigger_should_ignore is not the one of this release",
        f"function {name} is not the one of this release",
        f"trigger {trigger} on {table} is missing",
    ]
