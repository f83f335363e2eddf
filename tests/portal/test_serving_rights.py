"""What the product says to the database is what the role that serves may say: its statements in Python, its functions,
and what tests make its models say (`tests/serving_rights.py`)."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.contrib.auth.models import Permission
from django.db import ProgrammingError

from portal import database_roles
from tests import serving_rights, serving_role

ROOT = Path(__file__).resolve().parents[2]

REFUSED = {
    "update runtime_attempt t set key = null, detail = 'x' from x where t.lane = 1": "runtime_attempt: update of key",
    'UPDATE "governance_approval" SET "voided_at" = %s, "digest" = %s WHERE "id" = 1': "update of digest",
    "insert into runtime_pin (a) values (1) on conflict (a) do update set b = f(1, 2) returning a": "update of b",
    "with gone as (delete from runtime_message where true returning *) select 1": "runtime_message: delete",
    "update runtime_message set (payload, key) = (select 1, 2) where true": "update of key",
    "insert into kernel_auditlink (hash) values ('')": "kernel_auditlink: insert",
    'SELECT "a" FROM "governance_slot" WHERE "id" = 1 FOR UPDATE': "governance_slot: lock",
}
ALLOWED = (
    "select 1 from runtime_message for update",
    "update runtime_message m set payload = x.kept::json from unnest(%s, %s) x where m.lane = 1",
    "insert into runtime_head as h (a) values (1) on conflict (a) do update set position = 1",
    "-- update governance_slot set label = ''\nselect 'delete from governance_slot'",
    "create trigger t before update on governance_slot for each row execute function f()",
)


@pytest.mark.parametrize("statement", REFUSED)
def test_a_statement_that_the_serving_role_may_not_say_is_known(statement: str) -> None:
    assert REFUSED[statement] in (serving_rights.refusal(statement) or "")


@pytest.mark.parametrize("statement", ALLOWED)
def test_what_it_may_say_is_not_refused(statement: str) -> None:
    assert serving_rights.refusal(statement) is None


def _statements(file: Path) -> Iterator[str]:
    """Texts of a module; what is put into one is a word in its place."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(one.value) if isinstance(one, ast.Constant) else "x" for one in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def test_every_statement_in_the_product_is_one_that_the_serving_role_may_say() -> None:
    said = []
    for room in (*database_roles.ROOMS, "portal"):
        for file in sorted((ROOT / room).rglob("*.py")):
            if not {"migrations", "models"} & set(file.parts):  # triggers of models are functions of the database
                said += [f"{file.relative_to(ROOT)}: {why}" for one in _statements(file) if (why := _refused(one))]
        for file in sorted((ROOT / room / "ledger").rglob("*.sql")):
            said += [f"{file.relative_to(ROOT)}: {why}"] if (why := _refused(file.read_text())) else []
    assert said == []


def _refused(text: str) -> str | None:
    return serving_rights.refusal(text) if " " in text.strip() else None


@pytest.mark.django_db
def test_every_function_that_acts_as_its_caller_says_what_the_serving_role_may() -> None:
    with serving_role.connected() as serving:
        found = serving.execute(
            "select p.proname, p.prosrc from pg_proc p "
            "where p.pronamespace = 'public'::regnamespace and not p.prosecdef"
        ).fetchall()
    assert len(found) > 50
    assert {name: why for name, source in found if (why := _refused(source))} == {}


@pytest.mark.django_db
def test_what_the_product_says_in_a_test_is_compared_before_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving_rights, "PRODUCT", (f"{ROOT / 'tests'}/",))
    with pytest.raises(ProgrammingError, match="auth_permission: update"):
        Permission.objects.filter(pk=0).update(name="x")
