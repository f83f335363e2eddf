"""What an owner of the database swaps shows, also where names and texts of functions stay."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection

from kernel import sql_definitions, sql_guards
from tests.governance.forging import as_serving

pytestmark = pytest.mark.django_db
ROOMS = ("kernel", "catalog", "governance", "runtime")


def said(statement: str, *given: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, given or None)


def test_a_migrated_database_is_as_the_release_says() -> None:
    assert sql_guards.differences(ROOMS) == []
    assert sql_definitions.written_by_others(["kernel_auditentry", "kernel_auditlink"]) == []


def test_the_serving_role_looks_as_well_and_leaves_nothing_behind() -> None:
    with as_serving():
        assert sql_guards.differences(ROOMS) == []
        assert sql_guards.differences(ROOMS) == []
    with connection.cursor() as cursor:
        cursor.execute("select count(*) from pg_class where starts_with(relname, 'of_release_')")
        assert cursor.fetchone() == (0,)


SWAPS = {
    "a view that shows more": (
        "create or replace view governance_valid_approval as "
        "select id as approval_id, subject_kind, subject_id, digest, environment from governance_approval",
        "view governance_valid_approval is not the one of this release",
    ),
    "a trigger on a condition": (
        "drop trigger guard on governance_decision; create trigger guard before insert or update or delete "
        "on governance_decision for each row when (false) execute function governance_decision_guard()",
        "trigger guard on governance_decision is not the one of this release",
    ),
    "a trigger that calls another function": (
        "create function harmless() returns trigger language plpgsql as $$ begin return new; end $$;"
        "create or replace trigger guard before insert or update or delete on governance_decision "
        "for each row execute function harmless()",
        "trigger guard on governance_decision is not the one of this release",
    ),
    "a trigger for fewer events": (
        "create or replace trigger guard before delete on governance_decision "
        "for each row execute function governance_decision_guard()",
        "trigger guard on governance_decision is not the one of this release",
    ),
    "a trigger that swallows": (
        "create function swallow() returns trigger language plpgsql as $$ begin return null; end $$;"
        "create trigger aaa before insert on kernel_auditentry for each row execute function swallow()",
        "trigger aaa on kernel_auditentry is of no release",
    ),
    "a rule": (
        "create rule aaa as on insert to kernel_auditentry do instead nothing",
        "rule aaa on kernel_auditentry is of no release",
    ),
    "other names": (
        "alter function governance_may_fill(int[], bigint, bigint, timestamptz) set search_path to evil, public",
        "function governance_may_fill works by other rights or names than in this release",
    ),
    "the owner's rights": (
        "alter function governance_is_party(bigint, bigint) security definer",
        "function governance_is_party works by other rights or names than in this release",
    ),
    "no pinned names": (
        "alter function kernel_record reset search_path",
        "function kernel_record works by other rights or names than in this release",
    ),
}


@pytest.mark.parametrize("swap", SWAPS)
def test_each_swap_shows_and_nothing_else(swap: str) -> None:
    statement, told = SWAPS[swap]
    said(statement)
    assert sql_guards.differences(ROOMS) == [told]


def test_a_grant_on_what_the_owner_alone_writes_shows() -> None:
    said("grant insert, update on kernel_auditentry to public")
    assert sql_definitions.written_by_others(["kernel_auditentry"]) == [
        "everybody may INSERT on kernel_auditentry",
        "everybody may UPDATE on kernel_auditentry",
    ]
