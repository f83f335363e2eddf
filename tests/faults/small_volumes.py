"""Parts of a database on small volumes of their own, which can be filled and emptied: the message log, and the
write-ahead log, without whose next segment PostgreSQL ends itself."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import psycopg

LOG_BYTES = 48 * 1024 * 1024
WAL_BYTES = 192 * 1024 * 1024
WAL_SETTINGS = ("-c", "max_wal_size=64MB", "-c", "min_wal_size=32MB")  # of a server whose log has little room
_PARTS = "select inhrelid::regclass::text from pg_inherits where inhparent = 'runtime_message'::regclass"
_EAT = "select pg_logical_emit_message(true, 'campaign', repeat('x', 4000000))"
_MOST_EATEN = 80  # of these: more than the volume holds


class SmallVolume:
    """A volume of its own for a part of the database, which can be filled and emptied. Raises OSError where nothing may
    be mounted."""

    def __init__(self, folder: Path, size: int = LOG_BYTES) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        command = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=0777", "tmpfs", str(folder)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        except FileNotFoundError as error:
            raise OSError(str(error)) from None
        if done.returncode:
            raise OSError(done.stderr.strip())

    def fill(self) -> None:
        with contextlib.suppress(OSError), (self.folder / "ballast").open("wb", buffering=0) as ballast:
            while ballast.write(b"\0" * 65536):
                pass

    @property
    def filled(self) -> bool:
        return (self.folder / "ballast").exists()

    def free(self) -> None:
        (self.folder / "ballast").unlink(missing_ok=True)

    def release(self) -> None:
        subprocess.run(["umount", "-l", str(self.folder)], capture_output=True, check=False)


def log_on_a_volume(conn: psycopg.Connection[Any], servers: Any) -> Any:
    """Move the partitions of the log to a small volume, which is answered; back again where `servers` is None. Raises
    OSError."""
    volume, space = None, "pg_default"
    if servers is not None:
        volume, space = SmallVolume(Path(servers.state) / "small"), "small"
        inside = volume.folder / "space"
        inside.mkdir(mode=0o777)
        _give(inside, servers)
        conn.execute(f"create tablespace small location '{inside}'".encode())
    for (part,) in conn.execute(_PARTS).fetchall():
        conn.execute(f"alter table {part} set tablespace {space}".encode())
    if servers is None:
        conn.execute("drop tablespace small")
    return volume


def wal_on_a_volume(servers: Any) -> SmallVolume:
    """Move the write-ahead log of a server that does not run. Raises OSError."""
    volume = SmallVolume(Path(servers.state) / "wal", WAL_BYTES)
    before, there = servers.data / "pg_wal", volume.folder / "pg_wal"
    shutil.move(before, there)
    for path in (there, *there.rglob("*")):
        _give(path, servers)
    before.symlink_to(there)
    return volume


def _give(path: Path, servers: Any) -> None:
    if servers._pg_user is not None:
        os.chown(path, servers._pg_user.pw_uid, servers._pg_user.pw_gid)


def eat_wal(url: str) -> bool:
    """Write until the server has no room for the next segment. Answers whether it has ended this session over it."""
    try:
        with psycopg.connect(url, autocommit=True, connect_timeout=5) as conn:
            for _ in range(_MOST_EATEN):
                conn.execute(_EAT)
    except psycopg.Error:
        return True
    return False
