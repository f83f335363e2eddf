"""What lies below the state folder is for the account that runs Tillgate alone: folders 0700, files 0600.

Mail of the demo, the emulators' journals, logs and signs of life are no secrets of their own, but they quote what is.
Folders of before are closed at the next start. The data of the private PostgreSQL belongs to the account that runs it.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import stat
from collections.abc import Iterator
from pathlib import Path

UMASK = 0o077
OURS = ("life", "mail", "poslog", "sandbox", "valkey", "witness")
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def make(folder: Path) -> Path:
    """The folder, for its owner alone; one that is there already is closed, where it is ours."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    _close(folder)
    return folder


def tighten(state: Path) -> int:
    """Close what a release of before, or another umask, left open. Answers how many files and folders that were."""
    return sum(_close(path) for path in _below(state))


def admit(state: Path, account: pwd.struct_passwd) -> None:
    """Root's state folder: the account of the private PostgreSQL passes through it, and nobody else does."""
    os.chown(state, -1, account.pw_gid)
    state.chmod(0o710)


def may_enter(path: Path, account: pwd.struct_passwd) -> bool:
    """Whether the account may pass through all folders down to this one."""
    resolved = path.resolve()
    return all(_passes(p.stat(), account) for p in [resolved, *resolved.parents] if p.is_dir())


def _passes(found: os.stat_result, account: pwd.struct_passwd) -> bool:
    if found.st_uid == account.pw_uid:
        return bool(found.st_mode & stat.S_IXUSR)
    return bool(found.st_mode & (stat.S_IXGRP if found.st_gid == account.pw_gid else stat.S_IXOTH))


def _below(state: Path) -> Iterator[Path]:
    with contextlib.suppress(OSError):
        yield from (path for path in state.iterdir() if path.is_file())
    for name in OURS:
        for folder, _, files in os.walk(state / name):
            yield Path(folder)
            yield from (Path(folder, file) for file in files)


def _close(path: Path) -> bool:
    with contextlib.suppress(OSError):  # it went meanwhile, or belongs to somebody else, who has to see to it
        found = path.lstat()
        if found.st_mode & _OTHERS and not stat.S_ISLNK(found.st_mode):
            path.chmod(stat.S_IMODE(found.st_mode) & ~_OTHERS)
            return True
    return False
