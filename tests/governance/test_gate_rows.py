"""G1 by rows: whatever row of a table that the gate reads is deleted or corrupted, a no never becomes a yes.

Which tables those are says the database itself, for each question: those that were read while it was answered. An
ordinary statement may be refused, which is as good. Deletions and corruption are tried a second time beneath the
triggers, as in a restore of a part. A value that says something else (an end that was put off, a vendor that was named)
is a statement and no corruption: nothing here writes one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from django.db import Error, connection, transaction
from django.test import Client

from tests.governance import gate_estate
from tests.governance.gate_estate import NOS, No

pytestmark = pytest.mark.django_db
# Null says something there: no end, no date, no approval, or nothing of its own (an API goes by its system then).
SAYS_BY_NULL = {
    "catalog_api": {"enforced_from", "per_instance", "retired_at", "third_party"},
    "catalog_apiversion": {"deprecated_at", "retired_at", "sunset_at"},
    "catalog_application": {"retired_at"},
    "catalog_environment": {"records_enforced_from"},
    "catalog_providerright": {"ended_at"},
    "catalog_retailstore": {"retired_at"},
    "catalog_subscription": {"valid_until"},
    "governance_applicationrelease": {"ended_at"},
    "governance_approval": {"apply_from", "apply_until", "valid_until", "voided_at"},
    "governance_freezewindow": {"banner", "channel", "domain", "ended_at", "environment", "region", "system", "tier"},
}
AT_LEAST = 60  # damages that are asked about, behind each no
NOT_EVIDENCE = {"kernel_apitoken", "kernel_user", "kernel_user_groups"}  # who asks; without it nobody is answered
SAYS_SOMETHING = {("catalog_slatier", "rules", "'{}'")}  # a tier without rules
ROWS = {"kernel_auditentry": "where verb = 'governance.freeze_planned'"}  # the others say nothing to the gate
GARBAGE = {
    "text": ("''", "'zzz'"),
    "varchar": ("''", "'zzz'"),
    "int8": ("-1", "99000"),
    "int4": ("-1", "99000"),
    "int2": ("-1", "99"),
    "jsonb": ("'null'", "'{}'", "'[]'", "'\"zzz\"'"),
    "_varchar": ("'{}'", "'{zzz}'"),
    "_int4": ("'{}'", "'{-1}'"),
}


def run(statement: str, parameters: Any = (), *, beneath: bool = False) -> list[Any]:
    with connection.cursor() as cursor:
        if beneath:
            cursor.execute("set local session_replication_role = replica")
        cursor.execute(statement, parameters)
        found = cursor.fetchall() if cursor.description else []
        cursor.execute("set local session_replication_role = origin")
        return found


def answer(client: Client, question: dict[str, Any]) -> dict[str, Any] | None:
    """None where the gate gives no answer, which is no yes."""
    body = {"version": "2", "environment": "production", "consumes": []} | question
    response = client.post("/api/v1/gate/verdicts", json.dumps(body), content_type="application/json")
    found: dict[str, Any] | None = response.json() if response.status_code == 200 else None
    return found


def is_yes(found: dict[str, Any] | None) -> bool:
    """`allow`, or an `unknown` that is only reported."""
    return found is not None and (found["verdict"] == "allow" or not found["enforcing"])


def scanned() -> dict[str, int]:
    """How often each table was looked into, in this transaction."""
    rows = run(
        "select relname, coalesce(seq_scan, 0) + coalesce(idx_scan, 0) from pg_stat_xact_user_tables"
        " where schemaname = 'public'"
    )
    return {name: number for name, number in rows if not name.startswith("django_")}


def tables_read(client: Client, question: dict[str, Any]) -> list[str]:
    before = scanned()
    answer(client, question)
    after = scanned()
    return sorted(name for name, number in after.items() if number > before.get(name, 0) and name not in NOT_EVIDENCE)


@dataclass(frozen=True)
class Damage:
    statement: str
    beneath: bool

    def __str__(self) -> str:
        return self.statement + (" -- beneath" if self.beneath else "")


def damages(table: str) -> Iterator[Damage]:
    """Every row deleted, every column of it emptied and filled with garbage; each beneath the triggers as well."""
    columns = run(
        "select column_name, udt_name from information_schema.columns where table_name = %s"
        " and is_generated = 'NEVER' and column_name <> 'id' order by ordinal_position",
        [table],
    )
    for (row,) in run(f"select ctid::text from {table} {ROWS.get(table, '')} order by 1"):
        for beneath in (False, True):
            yield Damage(f"delete from {table} where ctid = '{row}'", beneath)
            for column, kind in columns:
                if column not in SAYS_BY_NULL.get(table, ()):
                    yield Damage(f"update {table} set {column} = null where ctid = '{row}'", beneath)
                for value in [one for one in GARBAGE.get(kind, ()) if (table, column, one) not in SAYS_SOMETHING]:
                    yield Damage(f"update {table} set {column} = {value} where ctid = '{row}'", beneath)


def after(client: Client, damage: Damage, question: dict[str, Any]) -> bool | None:
    """Whether the answer is a yes after the damage; None where the database refuses it. Everything is put back."""
    try:
        with transaction.atomic():
            run(damage.statement, beneath=damage.beneath)
            found = is_yes(answer(client, question))
            transaction.set_rollback(True)
            return found
    except Error:
        return None


def flips(no: No, monkeypatch: pytest.MonkeyPatch, *, every: int, begin: int) -> tuple[int, list[str], set[str]]:
    """How many damages of the rows behind this no were asked about, those that made it a yes, and the tables."""
    client = gate_estate.client()
    no.first(monkeypatch)
    question = no.question()
    found = answer(client, question)
    assert found is not None
    assert not is_yes(found)
    tables = tables_read(client, question)
    tried, wrong = 0, []
    listed = [damage for table in tables for damage in damages(table)]
    for damage in listed[begin % every :: every]:
        yes = after(client, damage, question)
        tried += yes is not None
        if yes:
            wrong.append(str(damage))
    return tried, wrong, set(tables)


def test_a_sample_of_damaged_rows_turns_no_into_yes_nowhere(monkeypatch: pytest.MonkeyPatch):
    """A few damages behind each fifth no; the long test has many more behind each."""
    gate_estate.build()
    tried, wrong = 0, []
    for number, no in list(enumerate(NOS))[::5]:
        with transaction.atomic(), monkeypatch.context() as patch:
            more, bad, _ = flips(no, patch, every=499, begin=7 * number)
            transaction.set_rollback(True)
        tried, wrong = tried + more, wrong + [f"{no.code}: {damage}" for damage in bad]
    assert tried >= 20
    assert wrong == []


# Without rows in this estate: damaged in `test_gate_rows_besides`; or read for what takes a yes away, or of before.
BESIDES = {"catalog_providerright", "catalog_retailstore", "governance_breakacceptance", "governance_waiver"}
TAKES_AWAY = {"governance_contributor", "governance_loosenedfact", "kernel_provedmail"}
OF_BEFORE = {"catalog_contractrevision"}  # which contract a waiver was for that does not say so itself


@pytest.mark.thorough
def test_each_table_that_the_gate_reads_has_rows_to_damage(monkeypatch: pytest.MonkeyPatch):
    gate_estate.build()
    rows: dict[str, int] = {}
    for no in NOS:
        with transaction.atomic(), monkeypatch.context() as patch:
            no.first(patch)
            for table in tables_read(gate_estate.client(), no.question()):
                rows[table] = max(rows.get(table, 0), run(f"select count(*) from {table}")[0][0])
            transaction.set_rollback(True)
    assert {table for table, number in rows.items() if not number} == BESIDES | TAKES_AWAY | OF_BEFORE
    assert len(NOS) * AT_LEAST >= 2_000


@pytest.mark.thorough
@pytest.mark.parametrize("no", NOS, ids=lambda no: no.code)
def test_no_damaged_row_turns_no_into_yes(no: No, monkeypatch: pytest.MonkeyPatch):
    gate_estate.build()
    tried, wrong, tables = flips(no, monkeypatch, every=12, begin=NOS.index(no))
    assert wrong == []
    assert tried >= AT_LEAST
    assert {"catalog_application", "catalog_environment", "governance_freezewindow"} <= tables
