"""How long a file has been as it is, by clocks that its writer cannot set.

The time of change that a writer gives a file (`mtime`) may be that of the original, of another zone or of no clock at
all. The file system keeps one of its own for every change (`ctime`); what it calls now, the stamp of a folder shows
that is touched at that moment, so a file server's clock may be wrong. Where a file has a stamp behind that now, since
the clock was set back, it counts how long we have seen the file unchanged: what was seen stands in the folder, for each
run looks but once.
"""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from pathlib import Path

from runtime.connectors import drop_modes

_AT_ONCE = 2.0  # seconds: a file may change while a folder is being listed

State = tuple[int, int, int, int]


def state_of(found: os.stat_result) -> State:
    """What shows that a file was changed or replaced."""
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino


class FileAges:
    """`begin` before a folder is listed, `age` for its files, `end` behind it. `work` is a folder of ours on the same
    file system."""

    def __init__(self, work: Path) -> None:
        self.touched, self.kept = work, work / ".looks"
        self.seen: dict[str, tuple[State, float]] = {}
        self.known: dict[str, tuple[State, float]] | None = None
        self.now, self.here = 0.0, 0.0

    def begin(self) -> None:
        self.here = time.time()
        self.now = self._touch()
        self.known = self._load() if self.known is None else self.seen
        self.seen = {}

    def age(self, path: str, found: os.stat_result) -> float:
        """Seconds since the last change."""
        age = self.now - found.st_ctime
        if age >= -_AT_ONCE:
            return max(age, 0.0)
        state, since = state_of(found), self.here
        if (held := (self.known or {}).get(path)) and held[0] == state:
            since = min(held[1], since)
        self.seen[path] = state, since
        return self.here - since

    def end(self) -> None:
        """Keep what has to be looked at again by another run. A full disk costs another look, and no file."""
        if self.seen == self.known:
            return
        half = self.kept.with_name(".looks.new")
        with suppress(OSError):
            if self.seen:
                with open(half, "w", encoding="utf-8", opener=drop_modes.opened) as out:
                    out.write(json.dumps(self.seen))
                os.replace(half, self.kept)
            else:
                self.kept.unlink(missing_ok=True)

    def _touch(self) -> float:
        """The present by the clock of the file system; ours, where nothing can be written."""
        try:
            os.utime(self.touched)
            return self.touched.stat().st_mtime
        except OSError:
            return self.here

    def _load(self) -> dict[str, tuple[State, float]]:
        try:
            kept = json.loads(self.kept.read_text())
            return {path: (tuple(state), float(since)) for path, (state, since) in kept.items()}
        except (OSError, ValueError, TypeError, AttributeError):
            return {}
