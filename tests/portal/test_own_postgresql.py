"""A PostgreSQL of one's own, as the how-to says: the administrator makes two roles and a database, and nobody else is
superuser. And that of compose, where the step that migrates makes the serving role."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from portal.embedded import Embedded

pytestmark = pytest.mark.thorough
ROOT = Path(__file__).resolve().parents[2]
HOW_TO = ROOT / "docs" / "how-to" / "two-database-roles.md"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """The address of an empty server as its superuser."""
    servers = Embedded(tmp_path / "state", durable=False, max_connections=30)
    try:
        address = servers.start_postgres().replace("/tillgate", "/postgres")
        with psycopg.connect(address, autocommit=True) as admin:
            admin.execute("drop database tillgate with (force)")
            admin.execute("drop role if exists tillgate_serving")
        yield address
    finally:
        servers.stop()


def at(server: str, user: str, password: str, database: str) -> str:
    return re.sub(r"//[^@]*@([^/]+)/[^?]*", rf"//{user}:{password}@\1/{database}", server)


def manage(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env=kept | {"SECRET_KEY": "of-a-test", "REDIS_URL": "redis://127.0.0.1:9/0", "DEMO": "no"} | environment,
        capture_output=True,
        text=True,
        timeout=300,
    )


def serves(serving: str, tmp_path: Path) -> None:
    """What the serving role may and may not, by the product and by hand."""
    said = {"DATABASE_URL": serving, "STATE_DIR": str(tmp_path / "serving")}
    checked = manage("database_roles", "--check", **said)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    verified = manage("verify_ledger", "--no-witness", **said)
    assert verified.returncode == 0, verified.stdout + verified.stderr
    pending = manage("migrate", "--check", **said)
    assert pending.returncode == 0, pending.stdout + pending.stderr
    with psycopg.connect(serving, autocommit=True) as conn:
        (row,) = conn.execute(
            "select rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls from pg_roles"
            " where rolname = current_user"
        )
        assert not any(row)
        conn.execute("select kernel_record(null, 'somebody', 'test.said', 'test', '1', null, '{}', '', '')")
        for refused in (
            "create table here (id int)",
            "create schema here",
            "truncate kernel_auditentry",
            "delete from kernel_auditentry",
            "insert into kernel_auditentry (verb) values ('x')",
            "alter table kernel_auditentry disable trigger all",
            "set session_replication_role = replica",
            "drop table governance_approval",
            "create role another",
            "alter function governance_asks_for_less(bigint) rename to gone",
        ):
            with pytest.raises(psycopg.Error):
                conn.execute(refused)  # type: ignore[call-overload]


def test_two_roles_that_an_administrator_made_are_enough(server: str, tmp_path: Path):
    (made,) = re.findall(r"```sql\n(.*?)```", HOW_TO.read_text(), flags=re.DOTALL)[:1]
    statements = [line.strip() for line in made.replace("'…'", "'a-password-of-a-test'").splitlines() if line.strip()]
    assert len(statements) == 3
    with psycopg.connect(server, autocommit=True) as admin:
        for statement in statements:
            admin.execute(statement)  # type: ignore[call-overload]
    owner = at(server, "tillgate_owner", "a-password-of-a-test", "tillgate")
    serving = at(server, "tillgate_serving", "a-password-of-a-test", "tillgate")
    said = {"DATABASE_OWNER_URL": owner, "DATABASE_URL": serving, "STATE_DIR": str(tmp_path / "own")}
    done = manage("migrate", "-v", "0", **said)
    assert done.returncode == 0, done.stdout + done.stderr
    with psycopg.connect(owner) as conn:
        assert conn.execute(
            "select rolsuper or rolcreaterole from pg_roles where rolname = current_user"
        ).fetchone() == (False,)
        owners = conn.execute("select distinct tableowner from pg_tables where schemaname = 'public'").fetchall()
    assert owners == [("tillgate_owner",)]
    again = manage(
        "migrate", "-v", "0", DATABASE_OWNER_URL=owner, DATABASE_URL=serving, STATE_DIR=str(tmp_path / "own")
    )
    assert again.returncode == 0, again.stdout + again.stderr
    serves(serving, tmp_path)


def test_the_step_that_migrates_makes_the_serving_role_of_compose(server: str, tmp_path: Path):
    """The image's server has one superuser, and `make-secrets.sh` both addresses."""
    folder = tmp_path / "secrets"
    subprocess.run(["sh", str(ROOT / "deploy" / "make-secrets.sh"), str(folder)], check=True, capture_output=True)
    read = {name: (folder / name).read_text() for name in ("postgres_password", "database_url", "database_owner_url")}
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute(f"create role tillgate superuser login password '{read['postgres_password'].strip()}'")
        admin.execute("create database tillgate owner tillgate")
    place = re.sub(r".*@([^/]+)/.*", r"\1", server)
    for name in ("database_url", "database_owner_url"):
        (folder / name).write_text(read[name].replace("@postgres/", f"@{place}/"))
    done = manage(
        "migrate",
        "--noinput",
        DATABASE_OWNER_URL_FILE=str(folder / "database_owner_url"),
        DATABASE_URL_FILE=str(folder / "database_url"),
        STATE_DIR=str(tmp_path / "own"),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    serves((folder / "database_url").read_text(), tmp_path)
