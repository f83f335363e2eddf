"""Calls of tills and pipelines that were answered by a 5xx, counted in the process: what refuses them is most often
that the database is away. The count goes into the database as soon as that takes it (`runtime.services.refused_calls`).

A process that ends before leaves its count beside its sign of life, for the next one on this machine.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from kernel import life_signs, measures
from runtime.services.refused_calls import RefusedMinute

OPERATIONS = ("intake", "gate")
NO_REASON = "page.server_error"
MINUTE = 60.0
MOST_MINUTES = 3000  # kept in a process; beyond it the newest of the same kind takes what comes
FIRST_REASONS = ("database.unavailable", "database.crowded", "database.busy", "intake.database", "request.busy")
_NOTE = ".refused"

REFUSED = measures.counter(
    "refused_calls",
    "Calls of intake and gate that were answered by a 5xx, by why; counted while the database was away, too.",
    ["operation", "why"],
)
for _operation in OPERATIONS:
    for _why in FIRST_REASONS:
        REFUSED.labels(_operation, _why)  # from 0 on: `increase` sees nothing of a series that begins with more

Store = Callable[[list[RefusedMinute]], None]


@dataclass(slots=True)
class _Counted:
    refused: int
    first: float
    last: float


Minutes = dict[tuple[str, str, int], _Counted]
"""Operation, why, and minute of the process's own clock."""


@dataclass(slots=True)
class RefusedCallCount:
    """What is not in the database yet. `note` is called by the event loop, `write` by a thread."""

    monotonic: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
    _minutes: Minutes = field(default_factory=dict)
    _newest: dict[tuple[str, str], int] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _kept: bool = False

    def note(self, operation: str, why: str) -> None:
        if operation not in OPERATIONS:
            return
        REFUSED.labels(operation, why).inc()
        now = self.monotonic()
        with self._lock:
            minute = int(now // MINUTE)
            if len(self._minutes) >= MOST_MINUTES:
                minute = self._newest.get((operation, why), minute)
            self._newest[operation, why] = minute
            held = self._minutes.setdefault((operation, why, minute), _Counted(0, now, now))
            held.refused, held.last = held.refused + 1, now

    def write(self, store: Store) -> None:
        """Hand over what was counted. Raises what `store` raises; nothing is forgotten then, and it is kept beside the
        sign of life of this process."""
        self._adopt()
        with self._lock:
            taken, self._minutes, self._newest = self._minutes, {}, {}
        if not taken:
            return
        try:
            store(self._rows(taken))
        except BaseException:
            self._add(taken)
            self._keep()
            raise
        if self._kept and (mine := _file(os.getpid())) is not None:
            mine.unlink(missing_ok=True)
        self._kept = False

    def _rows(self, minutes: Minutes) -> list[RefusedMinute]:
        now = self.monotonic()
        return [
            RefusedMinute(operation, why, one.refused, max(now - one.first, 0.0), max(now - one.last, 0.0))
            for (operation, why, _), one in minutes.items()
        ]

    def _add(self, minutes: Minutes) -> None:
        with self._lock:
            for key, one in minutes.items():
                held = self._minutes.setdefault(key, _Counted(0, one.first, one.last))
                held.refused, held.first = held.refused + one.refused, min(held.first, one.first)
                held.last = max(held.last, one.last)
                self._newest[key[:2]] = max(self._newest.get(key[:2], key[2]), key[2])

    def _keep(self) -> None:
        if (mine := _file(os.getpid())) is None:
            return
        with self._lock:
            behind = self.wall() - self.monotonic()
            rows = [
                [*key[:2], one.refused, one.first + behind, one.last + behind] for key, one in self._minutes.items()
            ]
        with contextlib.suppress(OSError):  # where the disk is full, too, the process alone knows
            mine.write_text(json.dumps(rows))
            self._kept = True

    def _adopt(self) -> None:
        """What processes that have ended could not hand over. The first that renames the file has it."""
        place = life_signs.folder()
        for file in place.glob(f"*{_NOTE}") if place is not None else ():
            with contextlib.suppress(OSError, ValueError, TypeError):
                pid = int(file.stem)
                if (pid == os.getpid() and self._kept) or (pid != os.getpid() and life_signs.exists(pid)):
                    continue
                mine = file.rename(file.with_suffix(f".taken-{os.getpid()}"))
                rows = json.loads(mine.read_text())
                mine.unlink()
                behind = self.wall() - self.monotonic()
                self._add(
                    {(o, w, int((f - behind) // MINUTE)): _Counted(n, f - behind, b - behind) for o, w, n, f, b in rows}
                )


def _file(pid: int) -> Path | None:
    place = life_signs.folder()
    return place / f"{pid}{_NOTE}" if place is not None else None


counted = RefusedCallCount()
