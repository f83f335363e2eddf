"""The private PostgreSQL's data folder and passwords: what is not whole is left alone and told, and a start that was
interrupted goes on."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from django.conf import settings
from psycopg import sql

from portal.embedded import Embedded, EmbeddedError
from tests import serving_role
from tests.portal.production import until

pytestmark = pytest.mark.thorough

ROOT = Path(__file__).resolve().parents[2]


def started(state: Path) -> str:
    servers = Embedded(state, durable=False)
    try:
        with psycopg.connect(servers.start_postgres()) as conn:
            row = conn.execute("select count(*) from pg_class where relname = 'kept'").fetchone()
            return f"started, {row[0]} kept" if row else "started"
    finally:
        servers.stop()


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state folder with data, its servers stopped."""
    state = tmp_path_factory.mktemp("whole") / "state"
    servers = Embedded(state, durable=False)
    with psycopg.connect(servers.start_postgres(), autocommit=True) as conn:
        conn.execute("create table kept ()")
    servers.stop()
    return servers.state


@pytest.fixture
def state(stopped: Path, tmp_path: Path) -> Iterator[Path]:
    copied = tmp_path / "state"
    subprocess.run(["cp", "-a", str(stopped), str(copied)], check=True)
    servers = Embedded(copied, durable=False)
    if servers.state != copied:  # as root below a closed folder
        shutil.rmtree(servers.state)
        subprocess.run(["cp", "-a", str(stopped), str(servers.state)], check=True)
    yield servers.state
    shutil.rmtree(servers.state, ignore_errors=True)


def everything(folder: Path) -> set[Path]:
    return {path.relative_to(folder) for path in folder.rglob("*")}


@pytest.mark.parametrize("lost", ["PG_VERSION", "global/pg_control", "global/pg_filenode.map", "base", "pg_wal"])
def test_a_data_folder_that_is_not_whole_is_left_alone_and_told(state: Path, lost: str) -> None:
    path = state / "pg" / lost
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    before = everything(state / "pg")
    with pytest.raises(EmbeddedError) as said:
        started(state)
    assert lost in str(said.value)
    assert str(state / "pg") in str(said.value)
    assert "make reset" in str(said.value)
    assert "\n" not in str(said.value)
    assert everything(state / "pg") == before


def test_what_was_put_back_is_served_again(state: Path) -> None:
    (state / "pg" / "PG_VERSION").rename(state / "elsewhere")
    with pytest.raises(EmbeddedError):
        started(state)
    (state / "elsewhere").rename(state / "pg" / "PG_VERSION")
    assert started(state) == "started, 1 kept"


@pytest.mark.parametrize("content", [None, "", "{", "[]", '{"postgres": "x"}'])
def test_lost_passwords_are_told_and_none_are_made(state: Path, content: str | None) -> None:
    path = state / "secrets.json"
    path.unlink()
    if content is not None:
        path.write_text(content)
    with pytest.raises(EmbeddedError, match="Put it back") as said:
        Embedded(state, durable=False)
    assert str(path) in str(said.value)
    assert str(state / "pg") in str(said.value)
    assert (path.read_text() if path.exists() else None) == content


def test_passwords_of_before_there_were_two_roles_get_the_second(state: Path) -> None:
    path = state / "secrets.json"
    known = json.loads(path.read_text())
    path.write_text(json.dumps({name: text for name, text in known.items() if name != "serving"}))
    assert Embedded(state, durable=False).secrets.keys() == known.keys()
    assert {**json.loads(path.read_text()), "serving": ""} == {**known, "serving": ""}


def test_a_start_that_is_killed_while_the_data_is_made_hinders_no_later_one(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from portal.embedded import Embedded; e = Embedded(Path(sys.argv[1]));"
    )
    code += "print(e.state, flush=True); e.start_postgres()"
    killed = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "state")],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert killed.stdout
    state = Path(killed.stdout.readline().strip())
    until(lambda: bool(list(state.glob("*/PG_VERSION"))), 30)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    killed.stdout.close()
    assert list(state.glob("*/PG_VERSION"))
    try:
        assert started(tmp_path / "state") == "started, 0 kept"
        assert not list(state.glob("pg-draft-*"))
    finally:
        shutil.rmtree(state, ignore_errors=True)


@pytest.mark.django_db
def test_a_start_goes_on_where_the_serving_role_has_no_rights_yet() -> None:
    """As a first start, or an upgrade, that was interrupted between its migrations."""
    serving_role.given()
    own = settings.DATABASES["default"]
    server = f"postgresql://{own['USER']}:{own['PASSWORD']}@{own['HOST']}:{own['PORT']}"
    name = f"interrupted_{os.getpid()}"
    made = sql.SQL("create database {} template {}").format(
        sql.Identifier(name), sql.Identifier(os.environ["TEST_DATABASE_TEMPLATE"])
    )
    with psycopg.connect(f"{server}/postgres", autocommit=True) as conn:
        conn.execute(made)
    serving = f"postgresql://{serving_role.ROLE}:{serving_role.PASSWORD}@{own['HOST']}:{own['PORT']}/{name}"
    environment = os.environ | {
        "DATABASE_OWNER_URL": f"{server}/{name}",
        "DATABASE_URL": serving,
        "SECRET_KEY": "test",
        "DEMO": "yes",
    }
    booted = subprocess.Popen(
        [sys.executable, "manage.py", "boot"],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert booted.stdout
    said = []
    for line in booted.stdout:
        said.append(line.strip())
        if line.startswith("Database: up to date"):
            break
    booted.kill()
    booted.wait()
    booted.stdout.close()
    with psycopg.connect(serving) as conn:
        assert conn.execute("select count(*) from kernel_demomark").fetchone() == (0,), said
    assert said[-1] == "Database: up to date", said
    with psycopg.connect(f"{server}/postgres", autocommit=True) as conn:
        conn.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))
