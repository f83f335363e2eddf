"""A PostgreSQL server of a test's own, whose database can be put back to an earlier moment, as a failover to a standby
that lagged, a restored backup and a restored dump do."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType

import psycopg
from psycopg.conninfo import make_conninfo

from portal.embedded import Embedded
from runtime.ledger import connections
from tests.embedded_plugin import ROOT, TEMPLATE, _state_of_migrations

DATABASE = "shop"


class OwnServer:
    """Starts on a copy of the migrated template. `snapshot` keeps the data as they are now, `go_back` puts them
    back."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="tg-own-"))
        self.folder.chmod(0o711)  # the server's own user enters it
        kept = ROOT / ".state" / "tests" / _state_of_migrations()
        if kept.exists():
            subprocess.run(["cp", "-a", f"{kept}/.", str(self.folder)], check=True)
        self.servers = Embedded(self.folder, durable=False)
        self.url = ""
        self.start()
        with psycopg.connect(self._url("postgres"), autocommit=True) as conn:
            if kept.exists():
                conn.execute(f'create database "{DATABASE}" template "{TEMPLATE}"')
            else:
                conn.execute(f'create database "{DATABASE}"')
        if not kept.exists():
            environment = dict(os.environ, DATABASE_URL=self._url(DATABASE), SECRET_KEY="tests", DEMO="no")
            command = [sys.executable, "manage.py", "migrate", "--noinput", "-v0"]
            subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True)

    def __enter__(self) -> OwnServer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.servers.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _url(self, database: str) -> str:
        return f"{self.url.rpartition('/')[0]}/{database}"

    def start(self) -> None:
        self.url = self.servers.start_postgres()

    def stop(self) -> None:
        self.servers.stop()

    def connect(self, database: str = DATABASE) -> connections.Connection:
        """As the product connects, through its own door."""
        return connections.connect(name="tillgate-test", conninfo=make_conninfo(self._url(database)))

    def snapshot(self) -> Path:
        """Stop, keep a copy of the data, start again: what a standby had when it received its last byte."""
        self.stop()
        kept = self.folder / "snapshot"
        shutil.rmtree(kept, ignore_errors=True)
        subprocess.run(["cp", "-a", str(self.servers.data), str(kept)], check=True)
        self.start()
        return kept

    def backup(self) -> Path:
        """A base backup while others work: what a standby had when it received its last byte."""
        kept = self.folder / "backup"
        shutil.rmtree(kept, ignore_errors=True)
        command = [str(self.servers._postgres_bin() / "pg_basebackup"), "-d", self._url(DATABASE), "-D", str(kept)]
        subprocess.run([*command, "-X", "stream", "-c", "fast"], check=True, capture_output=True)
        owner = self.servers.data.stat()
        for path in (kept, *kept.rglob("*")):
            os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)
        return kept

    def go_back(self, kept: Path, *, promoted: bool) -> None:
        """The server stops at once and that copy serves instead: promoted to a new timeline as after a failover or a
        restore to a time, or on the same one, as after the restore of a volume."""
        self.stop()
        shutil.rmtree(self.servers.data)
        subprocess.run(["cp", "-a", str(kept), str(self.servers.data)], check=True)
        if promoted:
            settings, sign = self.servers.data / "postgresql.auto.conf", self.servers.data / "recovery.signal"
            with settings.open("a") as out:
                out.write("restore_command = 'false'\n")
            sign.touch()
            owner = settings.stat()
            os.chown(sign, owner.st_uid, owner.st_gid)
        self.start()
        with psycopg.connect(self._url("postgres"), autocommit=True) as conn:
            while conn.execute("select pg_is_in_recovery() and pg_sleep(0.02) is not null").fetchone() == (True,):
                pass

    def dump(self, to: Path, database: str = DATABASE) -> Path:
        command = [str(self.servers._postgres_bin() / "pg_dump"), "-Fc", "-d", self._url(database), "-f", str(to)]
        subprocess.run(command, check=True, capture_output=True)
        return to

    def restore(self, dump: Path, database: str) -> None:
        """Into a database that is new, on the same server."""
        with psycopg.connect(self._url("postgres"), autocommit=True) as conn:
            conn.execute(f'drop database if exists "{database}" with (force)')
            conn.execute(f'create database "{database}"')
        command = [str(self.servers._postgres_bin() / "pg_restore"), "-d", self._url(database), str(dump)]
        done = subprocess.run(command, capture_output=True, text=True)
        # Approvals of these tests have no change request, so foreign keys to one cannot be made again.
        sealed = tuple(f'on table "governance_{name}"' for name in ("approval", "decision", "slot"))
        wrong = [
            line for line in done.stderr.splitlines() if "error:" in line and not any(one in line for one in sealed)
        ]
        assert not wrong, wrong
