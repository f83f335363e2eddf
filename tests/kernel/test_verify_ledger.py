"""The command that walks the ledger: what it prints and how it exits."""

from __future__ import annotations

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction

from kernel import audit

pytestmark = pytest.mark.django_db(transaction=True)


def write(count: int = 3) -> None:
    for number in range(count):
        with transaction.atomic():
            audit.record("kernel.tested", "thing", number, actor=None)


def run(*arguments: str) -> str:
    out = StringIO()
    call_command("verify_ledger", *arguments, stdout=out)
    return out.getvalue()


def test_a_sound_ledger_prints_an_anchor_that_the_next_run_accepts():
    write()
    anchor = run().split()[-1]
    assert anchor.startswith("3:")
    write(1)
    assert "4 entries" in run("--anchor", anchor)
    assert json.loads(run("--json", "--anchor", anchor))["sound"] is True


def test_a_cut_ledger_fails_against_its_anchor_with_exit_one():
    write()
    anchor = run().split()[-1]
    with connection.cursor() as cursor:
        cursor.execute(
            "set session_replication_role = replica; delete from kernel_auditlink where position = 3; "
            "delete from kernel_auditentry where subject_id = '2'; set session_replication_role = origin"
        )
    assert "2 entries" in run()
    with pytest.raises(CommandError, match="anchored head") as refused:
        run("--anchor", anchor)
    assert refused.value.returncode == 1


def test_an_anchor_that_cannot_be_read_exits_two():
    with pytest.raises(CommandError, match="64 hex digits") as refused:
        run("--anchor", "three")
    assert refused.value.returncode == 2
