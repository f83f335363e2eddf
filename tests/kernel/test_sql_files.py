"""The SQL of a migrated database is the SQL of the files, whatever the database had before."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.apps import apps
from django.db import connection
from django.db.migrations.loader import MigrationLoader

from kernel.sql_files import ApplySql, definitions, files_of

ROOT = Path(__file__).resolve().parents[2]
ROAD = ("kernel", "catalog", "governance", "runtime")
ROOMS = [room for room in ROAD if (ROOT / room / "sql").is_dir()]


PIN = " SET search_path TO 'public', 'pg_temp'\n"


def texts(room: str) -> dict[tuple[str, str], str]:
    """Without the schema that a function is pinned to: where a serving role has its rights, those whose file does not
    say it are pinned as well (`portal/database_roles.py`), and whether it has them depends on the tests before.
    """
    with connection.cursor() as cursor:
        return {name: text.replace(PIN, "") for name, (_, text) in definitions(cursor, room).items()}


def apply(room: str) -> dict[tuple[str, str], str]:
    """Apply the files of a room inside the test's transaction, which is rolled back; returns what the database has
    then.
    """
    with connection.schema_editor() as editor:
        ApplySql(room).database_forwards(room, editor, None, None)
    return texts(room)


def drift(room: str) -> set[tuple[str, str]]:
    """What the database has otherwise than the files, or has although no file defines it, or has not."""
    before = texts(room)
    after = apply(room)
    return {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}


def execute(sql: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql)


@pytest.mark.django_db
@pytest.mark.parametrize("room", ROOMS)
def test_a_migrated_database_has_exactly_what_the_files_define(room: str):
    assert files_of(room)
    assert texts(room)
    assert drift(room) == set()


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("planted", "name"),
    [
        (
            "create or replace function governance_void(change bigint, reason text) returns void language sql as ''",
            ("function", "governance_void(bigint,text)"),
        ),
        (
            "create function governance_void(change bigint) returns void language sql as ''",
            ("function", "governance_void(bigint)"),
        ),
        (
            "create view governance_live_approval as select * from governance_valid_approval",
            ("view", "governance_live_approval"),
        ),
        (
            "create or replace view governance_valid_approval as"
            " select id as approval_id, subject_kind, subject_id, digest, environment from governance_approval",
            ("view", "governance_valid_approval"),
        ),
        (
            "create trigger old_guard before insert on governance_slot"
            " for each row execute function kernel_refuse_change()",
            ("trigger", "old_guard on governance_slot"),
        ),
        ("drop trigger guard on governance_slot", ("trigger", "guard on governance_slot")),
        (
            "create or replace trigger guard before delete on governance_slot"
            " for each row execute function governance_slot_guard()",
            ("trigger", "guard on governance_slot"),
        ),
    ],
)
def test_a_difference_is_found_and_applying_the_files_mends_it(planted: str, name: tuple[str, str]):
    sound = texts("governance")
    execute(planted)
    assert drift("governance") == {name}
    assert texts("governance") == sound


@pytest.mark.django_db
def test_objects_of_models_and_of_other_rooms_are_left_alone():
    others = {room: texts(room) for room in ROAD if room != "governance"}
    execute("create function operator_report() returns int language sql as 'select 1'")
    apply("governance")
    assert {room: texts(room) for room in others} == others
    execute("select operator_report()")


@pytest.mark.django_db
def test_reversed_it_drops_all_and_forwards_it_makes_all_again():
    sound = texts("kernel")
    dependants = [room for room in reversed(ROOMS) if room != "kernel"]
    for room in [*dependants, "kernel"]:
        with connection.schema_editor() as editor:
            if room == "governance":  # the views of the runtime join those of governance
                execute("drop view if exists runtime_against_record, runtime_permitted, runtime_gate cascade")
            ApplySql(room).database_backwards(room, editor, None, None)
        assert texts(room) == {}
    assert apply("kernel") == sound


def applying() -> dict[str, list[tuple[str, str]]]:
    """The migrations that apply SQL files, by room, and the loader's graph."""
    found: dict[str, list[tuple[str, str]]] = {}
    for key, migration in MigrationLoader(None).disk_migrations.items():
        for operation in migration.operations:
            if isinstance(operation, ApplySql):
                found.setdefault(operation.room, []).append(key)
    return found


def test_the_files_of_a_room_are_applied_once_and_after_those_of_the_rooms_below():
    at = applying()
    assert set(at) == set(ROOMS)
    assert all(len(keys) == 1 for keys in at.values()), at
    graph = MigrationLoader(None).graph
    for number, room in enumerate(ROOMS):
        before = graph.forwards_plan(at[room][0])
        for below in ROOMS[:number]:
            assert at[below][0] in before, f"the migration {at[room][0]} must depend on {at[below][0]}"


@pytest.mark.parametrize("room", ROOMS)
def test_migrations_hold_no_text_of_a_function_view_or_trigger(room: str):
    text = re.compile(r"create\s+(or\s+replace\s+)?(constraint\s+)?(function|view|trigger)", re.IGNORECASE)
    holding = [
        file.name
        for file in (Path(apps.get_app_config(room).path) / "migrations").glob("*.py")
        if text.search("\n".join(line for line in file.read_text().splitlines() if "pgtrigger" not in line))
    ]
    assert holding == []


def test_sql_files_keep_to_the_width_of_the_code():
    files = sorted(ROOT.glob("*/sql/**/*.sql"))
    wide = [f"{f}:{n}" for f in files for n, line in enumerate(f.read_text().splitlines(), 1) if len(line) > 120]
    assert wide == []
