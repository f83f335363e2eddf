"""The private servers: they start anywhere, twice, after a crash; they keep data and ask for a password."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
import redis

from portal.embedded import Embedded

pytestmark = pytest.mark.thorough

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def state(tmp_path: Path) -> Path:
    folder = tmp_path / "a folder with spaces" / "state"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def servers(state: Path):
    made = Embedded(state, durable=False)
    yield made
    made.stop()


def test_data_survives_a_restart_and_the_folder_of_others_is_no_hindrance(state: Path):
    first = Embedded(state, durable=False)
    with psycopg.connect(first.start_postgres(), autocommit=True) as connection:
        connection.execute("create table kept as select 41 + 1 as answer")
    first.stop()
    second = Embedded(state, durable=False)
    try:
        with psycopg.connect(second.start_postgres()) as connection:
            assert connection.execute("select answer from kept").fetchone() == (42,)
    finally:
        second.stop()


def test_a_server_killed_hard_comes_back_with_its_data(state: Path):
    first = Embedded(state, durable=True)
    with psycopg.connect(first.start_postgres(), autocommit=True) as connection:
        connection.execute("create table kept as select 1 as answer")
    os.kill(first.postgres_pid, signal.SIGKILL)
    os.waitpid(first.postgres_pid, 0)
    second = Embedded(state, durable=True)
    try:
        with psycopg.connect(second.start_postgres()) as connection:
            assert connection.execute("select count(*) from kept").fetchone() == (1,)
    finally:
        second.stop()
        first.stop()


def test_a_server_left_behind_by_a_killed_supervisor_ends_with_it_or_is_replaced(state: Path):
    code = (
        "import sys, os, signal; from pathlib import Path; from portal.embedded import Embedded;"
        "e = Embedded(Path(sys.argv[1]), durable=False); print(e.start_postgres(), flush=True);"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    orphaned = subprocess.run([sys.executable, "-c", code, str(state)], capture_output=True, text=True, cwd=ROOT)
    assert orphaned.returncode == -signal.SIGKILL, orphaned.stderr
    again = Embedded(state, durable=False)
    try:
        with psycopg.connect(again.start_postgres()) as connection:
            assert connection.execute("select 1").fetchone() == (1,)
    finally:
        again.stop()


def test_nothing_answers_without_the_password_and_everything_is_on_loopback(servers: Embedded):
    url, cache = servers.start_postgres(), servers.start_valkey()
    naked = url.replace(servers.secrets["postgres"], "wrong")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(naked)
    with psycopg.connect(url) as connection:
        assert connection.execute("show listen_addresses").fetchone() == ("127.0.0.1",)
        rules = connection.execute("select distinct auth_method from pg_hba_file_rules").fetchall()
    assert rules == [("scram-sha-256",)]
    client = redis.Redis.from_url(cache.replace(servers.secrets["valkey"], "wrong"))
    with pytest.raises(redis.AuthenticationError):
        client.ping()
    client.close()
    with redis.Redis.from_url(cache) as good:
        assert good.ping()
        assert good.config_get("bind")["bind"] == "127.0.0.1"


def test_the_passwords_are_readable_by_their_owner_only(servers: Embedded):
    mode = stat.S_IMODE((servers.state / "secrets.json").stat().st_mode)
    assert mode == 0o600


def test_a_taken_port_is_said_in_one_line(tmp_path: Path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        environment = dict(os.environ, PORT=str(port), STATE_DIR=str(tmp_path / "state"))
        done = subprocess.run(
            [sys.executable, "-m", "portal.up"], env=environment, cwd=ROOT, capture_output=True, text=True, timeout=60
        )
    assert done.returncode == 1
    assert (
        done.stderr.strip() == f"tillgate: Port {port} is taken by another program. Choose another: PORT=8001 make up"
    )


@pytest.mark.parametrize(
    ("name", "url", "word"),
    [
        ("DATABASE_URL", "mysql://localhost/x", "only PostgreSQL 15 or newer"),
        ("DATABASE_URL", "postgresql://nobody:x@127.0.0.1:9/none", "127.0.0.1"),
        ("REDIS_URL", "redis://127.0.0.1:9/0", "REDIS_URL"),
    ],
)
def test_a_wrong_url_is_one_clear_line_and_a_failing_exit_code(tmp_path: Path, name: str, url: str, word: str):
    environment = {k: v for k, v in os.environ.items() if k not in {"DATABASE_URL", "REDIS_URL"}} | {
        name: url,
        "STATE_DIR": str(tmp_path / "state"),
    }
    done = subprocess.run(
        [sys.executable, "-m", "portal.up"], env=environment, cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1
    assert word in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_the_rights_of_a_given_database_are_checked_before_anything_starts(servers: Embedded, tmp_path: Path):
    url = servers.start_postgres()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("create role poor login password 'poor'")
    poor = url.replace(f"postgres:{servers.secrets['postgres']}@", "poor:poor@")
    environment = {k: v for k, v in os.environ.items() if k != "REDIS_URL"} | {
        "DATABASE_URL": poor,
        "STATE_DIR": str(tmp_path / "state"),
    }
    done = subprocess.run(
        [sys.executable, "-m", "portal.up"], env=environment, cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1
    assert "may not create tables" in done.stderr


def test_the_second_supervisor_says_where_the_first_one_serves(tmp_path: Path):
    from portal.up import only_one

    with only_one(tmp_path) as lock:
        lock.write("http://127.0.0.1:8000 (process 1)")
        lock.flush()
        done = subprocess.run(
            [sys.executable, "-m", "portal.up"],
            env=dict(os.environ, STATE_DIR=str(tmp_path)),
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
        )
    assert done.returncode == 1
    assert (
        done.stderr.strip() == "tillgate: Tillgate is already up here: http://127.0.0.1:8000 (process 1). "
        "Stop it with Ctrl-C in its terminal."
    )


def test_the_greeting_names_every_account_its_page_and_the_pipelines_token(tmp_path: Path):
    from portal.up import greeting

    said = greeting(8123, 41.2, tmp_path)
    assert "http://127.0.0.1:8123 after 41 s" in said
    assert "rita   release manager" in said
    assert f"export TILLGATE_TOKEN=$(cat {tmp_path}/pipeline-token)" in said
    assert "$(cat .state/pipeline-token)" in greeting(8000, 1.0, ROOT / ".state")
