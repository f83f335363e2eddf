"""An installation of an earlier commit becomes one of today by `manage.py migrate`, with everything it held."""

from __future__ import annotations

import gzip
import os
import re
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.embedded_plugin import TEMPLATE

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
EVERYDAY = 0  # an old installation is built and upgraded first, which takes half a minute
# The demo retailer of that day as pg_dump wrote it from PostgreSQL 15, the oldest version that is supported: both
# integrations approved and deployed, 486 messages on their way to 14 targets, one rejected file, one verdict.
OLD = HERE / "installation-2026-11-29.sql.gz"
KEPT = {
    "kernel_auditentry": 156,
    "catalog_apiversion": 10,
    "governance_decision": 12,
    "governance_approval": 2,
    "governance_verdict": 1,
    "runtime_message": 486,
    "runtime_run": 7,
}
# Everything of a schema that can differ between a database that grew and one that was made today.
SHAPE = {
    "columns": """
        select table_name, column_name, data_type, is_nullable, column_default
        from information_schema.columns where table_schema = 'public' and table_name !~ '^runtime_message_'""",
    "functions": """
        select p.proname, pg_get_functiondef(p.oid) from pg_proc p
        where pronamespace = 'public'::regnamespace and prokind = 'f'""",
    "views": "select viewname, definition from pg_views where schemaname = 'public'",
    "triggers": """
        select tgrelid::regclass::text, tgname, pg_get_triggerdef(oid), tgenabled from pg_trigger
        where not tgisinternal and tgrelid::regclass::text !~ '^runtime_message_'""",
    "constraints": """
        select conrelid::regclass::text, contype, pg_get_constraintdef(oid) from pg_constraint
        where connamespace = 'public'::regnamespace and conrelid::regclass::text !~ '^runtime_message_'""",
    "indexes": """
        select tablename, regexp_replace(indexdef, 'INDEX \\S+ ON', 'INDEX ON') from pg_indexes
        where schemaname = 'public' and tablename !~ '^runtime_message_'""",
}


def _server() -> str:
    """The address of the test server without a database name."""
    return os.environ["DATABASE_URL"].rpartition("/")[0]


def _manage(url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    witness = f"no-witness-of-{url.rpartition('/')[2]}"  # what this checkout runs beside the tests has another one
    environment = dict(os.environ, DATABASE_URL=url, SECRET_KEY="tests", DEMO="no", WITNESS_FILE=witness)
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.fixture(scope="module")
def upgraded() -> Iterator[psycopg.Connection]:
    """A database filled from the old dump and migrated by the command that an operator calls."""
    name = f"upgrade_{uuid.uuid4().hex[:8]}"
    admin = psycopg.connect(f"{_server()}/postgres", autocommit=True)
    admin.execute(f'create database "{name}"')
    url = f"{_server()}/{name}"
    try:
        with psycopg.connect(url, autocommit=True) as filling:
            filling.execute(gzip.decompress(OLD.read_bytes()).decode())
        done = _manage(url, "migrate", "--noinput", "-v0")
        assert done.returncode == 0, done.stderr[-3000:]
        with psycopg.connect(url, autocommit=True) as connection:
            yield connection
    finally:
        admin.execute(f'drop database if exists "{name}" with (force)')
        admin.close()


@pytest.fixture(scope="module")
def fresh() -> Iterator[psycopg.Connection]:
    """A database that today's migrations made from nothing, and no test has touched: a copy of the one that the test
    databases are copied from, where there is one."""
    name = f"fresh_{uuid.uuid4().hex[:8]}"
    admin = psycopg.connect(f"{_server()}/postgres", autocommit=True)
    known = admin.execute("select from pg_database where datname = %s", [TEMPLATE]).fetchone()
    admin.execute(f'create database "{name}"' + (f' template "{TEMPLATE}"' if known is not None else ""))
    url = f"{_server()}/{name}"
    try:
        done = _manage(url, "migrate", "--noinput", "-v0")
        assert done.returncode == 0, done.stderr[-3000:]
        with psycopg.connect(url, autocommit=True) as connection:
            yield connection
    finally:
        admin.execute(f'drop database if exists "{name}" with (force)')
        admin.close()


def test_an_old_installation_keeps_every_row_that_counts(upgraded: psycopg.Connection):
    counted = {table: upgraded.execute(f"select count(*) from {table}").fetchone()[0] for table in KEPT}  # type: ignore
    assert counted == KEPT


@pytest.mark.parametrize("part", SHAPE)
def test_an_upgraded_database_has_the_shape_of_a_new_one(
    part: str, upgraded: psycopg.Connection, fresh: psycopg.Connection
):
    grown, made = ({_plain(row) for row in one.execute(SHAPE[part])} for one in (upgraded, fresh))
    assert (sorted(grown - made), sorted(made - grown)) == ([], [])


def _plain(row: tuple[Any, ...]) -> str:
    """A row as text without casts and brackets, which pg_dump writes in another order than PostgreSQL keeps them."""
    return re.sub(r"::(character varying|text)(\[\])?|[()]", "", " | ".join(map(str, row)))


def test_the_approvals_of_an_old_installation_still_open_the_gate(upgraded: psycopg.Connection):
    valid = upgraded.execute(
        "select count(distinct d.id) "
        "from runtime_deployment d "
        "join governance_valid_approval a on a.approval_id = d.approval_id"
    ).fetchone()
    assert valid == (2,)


def test_the_audit_ledger_of_an_old_installation_still_verifies(upgraded: psycopg.Connection):
    done = _manage(f"{_server()}/{upgraded.info.dbname}", "verify_ledger")
    assert done.returncode == 0, done.stdout + done.stderr
