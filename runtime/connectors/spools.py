"""Folders of this machine for files while they are read: of one reader each, of its account alone, and gone with it.
What a killed reader left is removed by the next one."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from contextlib import suppress
from itertools import count
from pathlib import Path

PREFIX, _NEW = "tillgate-files-", "tillgate-new-files-"


class Spool:
    def __init__(self) -> None:
        self._folder: Path | None = None
        self._lock, self._numbers = -1, count(1)

    def place(self) -> Path:
        """Where the next file goes."""
        if self._folder is None:
            above = Path(tempfile.gettempdir())
            _remove_left(above)
            new = Path(tempfile.mkdtemp(prefix=_NEW))
            self._lock = os.open(new, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._folder = new.rename(above / new.name.replace(_NEW, PREFIX, 1))  # held before others see it
        return self._folder / str(next(self._numbers))

    def close(self) -> None:
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            os.close(self._lock)
        self._folder, self._lock = None, -1


def _remove_left(above: Path) -> None:
    """Folders that no process holds any more."""
    for left in above.glob(f"{PREFIX}*"):
        with suppress(OSError):
            if left.is_symlink() or left.stat().st_uid != os.getuid():
                continue
            held = os.open(left, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(left, ignore_errors=True)
            finally:
                os.close(held)


__all__ = ["Spool"]
