"""`manage.py` finds the private database of the `make up` that runs here, says which one, and never takes another."""

from __future__ import annotations

import contextlib
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from portal import running_here
from portal.up import StartRefused, only_one

ROOT = Path(__file__).resolve().parents[2]
ASKED = "from django.db import connection as c; c.ensure_connection(); print('in', c.settings_dict['NAME'])"
REMOVED = {*running_here.NAMED, *(f"{name}_FILE" for name in running_here.NAMED), "REDIS_URL", "DEMO", "STATE_DIR"}


def bare(state: Path, **more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in REMOVED and "SANDBOX" not in name}
    return kept | {"STATE_DIR": str(state)} | more


def command(state: Path, *arguments: str, **more: str) -> Any:
    asked = [sys.executable, "manage.py", *(arguments or ("shell", "-v0", "-c", ASKED))]
    return subprocess.run(
        asked, cwd=ROOT, env=bare(state, **more), capture_output=True, text=True, timeout=120, check=False
    )


def url_of_tests() -> str:
    found = connection.settings_dict
    password = f":{found['PASSWORD']}" if found["PASSWORD"] else ""
    return f"postgresql://{found['USER']}{password}@{found['HOST']}:{found['PORT']}/{found['NAME']}"


@contextlib.contextmanager
def up(state: Path, **added: str) -> Iterator[None]:
    """What `make up` holds and writes while it serves."""
    with only_one(state):
        given = {"PATH": os.environ["PATH"]}
        running_here.write(state, given, given | added, owner="")
        try:
            yield
        finally:
            running_here.remove(state)


@pytest.mark.django_db
def test_a_command_beside_make_up_is_in_its_database_and_says_so_in_one_line(tmp_path: Path) -> None:
    with up(tmp_path, DATABASE_URL=url_of_tests(), SECRET_KEY="k" * 50):
        answered = command(tmp_path)
    assert answered.returncode == 0, answered.stderr
    assert answered.stdout.strip().endswith(f"in {connection.settings_dict['NAME']}")
    told = f"using the private database of `make up` in {tmp_path} (process {os.getpid()}), as its serving role."
    assert answered.stderr.splitlines() == [f"tillgate: {told}"]


def test_without_a_make_up_that_runs_the_command_says_what_to_start(tmp_path: Path) -> None:
    with up(tmp_path, DATABASE_URL="postgresql://nobody@127.0.0.1:1/none", SECRET_KEY="k"):
        kept = (tmp_path / running_here.FILE).read_bytes()
    for left in (False, True):  # one that was killed leaves its file, and holds no lock
        if left:
            (tmp_path / running_here.FILE).write_bytes(kept)
        answered = command(tmp_path)
        assert answered.returncode == 2
        assert "not running, or still starting. Start it with `make up`" in answered.stderr
        assert len(answered.stderr.splitlines()) == 1


def test_a_make_up_with_a_database_of_its_own_is_told_apart(tmp_path: Path) -> None:
    with up(tmp_path, SECRET_KEY="k"), pytest.raises(running_here.NotRunning, match="its own DATABASE_URL"):
        running_here.adopt("shell", tmp_path, {})


@pytest.mark.parametrize(
    "said",
    [
        {"DATABASE_URL": "postgresql://a@b/c"},
        {"DATABASE_URL_FILE": "/run/secrets/url"},
        {"DATABASE_OWNER_URL": "postgresql://a@b/c"},
        {"SECRET_KEY": "x"},
        {"SECRET_KEY_FILE": "/run/secrets/key"},
        {"DEMO": "no"},
        {"DEMO": "False"},
    ],
)
def test_what_names_a_database_a_key_or_production_is_left_alone(tmp_path: Path, said: dict[str, str]) -> None:
    with up(tmp_path, DATABASE_URL="postgresql://demo@127.0.0.1:1/demo", SECRET_KEY="k"):
        environment = dict(said)
        assert running_here.adopt("shell", tmp_path, environment) is None
    assert environment == said


def test_commands_without_a_database_and_folders_without_make_up_take_nothing_over(tmp_path: Path) -> None:
    with up(tmp_path / "up", DATABASE_URL="postgresql://demo@127.0.0.1:1/demo", SECRET_KEY="k"):
        for name in ("makemigrations", "help", "--version", ""):
            assert running_here.adopt(name, tmp_path / "up", {}) is None
        assert running_here.adopt("shell", tmp_path / "elsewhere", {}) is None


def test_only_what_changes_tables_is_given_their_owner(tmp_path: Path) -> None:
    owner = "postgresql://postgres:p@127.0.0.1:1/demo"
    with only_one(tmp_path):
        running_here.write(tmp_path, {}, {"DATABASE_URL": "postgresql://s@127.0.0.1:1/demo", "SECRET_KEY": "k"}, owner)
        migrating: dict[str, str] = {}
        reading: dict[str, str] = {}
        assert "as the owner of its tables" in str(running_here.adopt("migrate", tmp_path, migrating))
        assert "as its serving role" in str(running_here.adopt("shell", tmp_path, reading))
    assert migrating["DATABASE_OWNER_URL"] == owner
    assert "DATABASE_OWNER_URL" not in reading


def test_what_is_kept_is_for_its_account_alone_and_holds_no_secret_that_was_given(tmp_path: Path) -> None:
    given = {"TILLGATE_SECRET_ERP": "user:password", "DEMO": "yes", "LANG": "C"}
    environment: dict[str, str] = {}
    with only_one(tmp_path):
        running_here.write(tmp_path, given, given | {"DATABASE_URL": "postgresql://a@b/c"}, owner="")
        path = tmp_path / running_here.FILE
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert "password" not in path.read_text()
        running_here.adopt("shell", tmp_path, environment)
    assert environment == {"DATABASE_URL": "postgresql://a@b/c", "DEMO": "yes"}


def test_looking_does_not_keep_a_make_up_from_starting(tmp_path: Path) -> None:
    running_here.write(tmp_path, {}, {"DATABASE_URL": "postgresql://a@b/c"}, owner="")
    (tmp_path / running_here.LOCK).touch()
    with pytest.raises(running_here.NotRunning):
        running_here.adopt("shell", tmp_path, {})
    with contextlib.suppress(StartRefused), only_one(tmp_path):
        return
    raise AssertionError("the lock was kept")
