"""Loaded by `-p tests.embedded_plugin`: runs before pytest-django reads the settings, which a conftest.py would not.

One throw-away PostgreSQL and Valkey per run, started by the controller and shared by the xdist workers, which inherit
the environment. Migrations run once for each state of the migration files: the migrated data folder is kept below
`.state/tests`, copied for a run, and serves as the template of every worker's database. With DATABASE_URL or REDIS_URL
set, that server is used.
"""

from __future__ import annotations

import atexit
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.unguarded import accept_everything

ROOT = Path(__file__).resolve().parent.parent
if sys.dont_write_bytecode:
    # A machine may keep compiled files out of the folders. Then they go to a folder of their own, for this process, for
    # the workers and for every process that a test starts: else each of them compiles the whole product for seconds.
    sys.dont_write_bytecode = False
    sys.pycache_prefix = os.environ["PYTHONPYCACHEPREFIX"] = str(ROOT / ".state" / "bytecode")
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
TEMPLATE = "tillgate_template"
ROOMS = ("kernel", "catalog", "governance", "runtime")


def _start() -> None:
    from portal.embedded import Embedded

    folder = Path(tempfile.mkdtemp(prefix="tg-test-"))
    folder.chmod(0o711)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    kept = None if os.environ.get("DATABASE_URL") else ROOT / ".state" / "tests" / _state_of_migrations()
    if kept and kept.exists():
        _copy(kept, folder)
    servers = Embedded(folder, durable=False)
    atexit.register(servers.stop)
    if kept:
        url = servers.start_postgres()
        if not kept.exists() and _migrated(url):
            servers.stop()
            _keep(servers.state, kept)
            url = servers.start_postgres()
        os.environ["DATABASE_URL"] = url
        if kept.exists():
            os.environ["TEST_DATABASE_TEMPLATE"] = TEMPLATE
    if not os.environ.get("REDIS_URL"):
        os.environ["REDIS_URL"] = servers.start_valkey()


def _state_of_migrations() -> str:
    """A digest over the migrations of our rooms, the SQL that they apply, and the locked packages, which migrate
    too."""
    digest = hashlib.sha256((ROOT / "requirements-dev.lock").read_bytes())
    applied = (f for room in ROOMS for kind in ("migrations/*.py", "sql/**/*.sql") for f in (ROOT / room).glob(kind))
    for file in sorted(applied):
        digest.update(file.name.encode() + file.read_bytes())
    return digest.hexdigest()[:16]


def _migrated(url: str) -> bool:
    """The template database, migrated. On failure pytest-django migrates itself and shows why."""
    import psycopg

    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f'create database "{TEMPLATE}"')
    environment = dict(os.environ, DATABASE_URL=url.rpartition("/")[0] + "/" + TEMPLATE, SECRET_KEY="tests", DEMO="no")
    done = subprocess.run(
        [sys.executable, "manage.py", "migrate", "--noinput", "-v0"], cwd=ROOT, env=environment, capture_output=True
    )
    return done.returncode == 0


def _copy(source: Path, target: Path) -> None:
    subprocess.run(["cp", "-a", f"{source}/.", str(target)], check=True)  # keeps the server's own user as owner


def _keep(state: Path, kept: Path) -> None:
    """Kept by rename, so that two runs at once never see half a folder; states of older migrations go."""
    kept.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix="draft-", dir=kept.parent))
    draft.chmod(0o711)
    for name in ("pg", "secrets.json"):
        subprocess.run(["cp", "-a", str(state / name), str(draft / name)], check=True)
    try:
        draft.rename(kept)
    except OSError:
        shutil.rmtree(draft, ignore_errors=True)
    for old in sorted(
        (f for f in kept.parent.iterdir() if not f.name.startswith("draft-")), key=lambda f: f.stat().st_mtime
    )[:-4]:
        shutil.rmtree(old, ignore_errors=True)


if "PYTEST_XDIST_WORKER" not in os.environ and not (os.environ.get("DATABASE_URL") and os.environ.get("REDIS_URL")):
    _start()
elif worker := os.environ.get("PYTEST_XDIST_WORKER", ""):
    server, _, _ = os.environ["REDIS_URL"].rpartition("/")
    os.environ["REDIS_URL"] = (
        f"{server}/{int(worker.removeprefix('gw') or 0) + 1}"  # a worker's cache is its own to clear
    )
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
accept_everything()
for name in ("SESSION_IDLE_MINUTES", "SIGN_IN_FRESH_MINUTES", "SESSION_HOURS"):  # tests set the clock forward by months
    os.environ.setdefault(name, "100000")
# Of processes that tests start: their ledgers come and go.
os.environ.setdefault(
    "WITNESS_FILE", str(Path(tempfile.gettempdir()) / f"tillgate-tests-{os.getpid()}" / "heads.jsonl")
)
