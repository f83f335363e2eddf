"""A PostgreSQL whose clock can be set while it runs: the whole server sees the step, and its sessions, its functions
and its views with it. The campaign's own clock, and that of the product's processes, stay right.

`set_clock.c` is loaded before the C library. (libfaketime reads its file at each look at the clock, also inside of
signal handlers, and PostgreSQL looks there: its memory was corrupt after minutes.)
"""

from __future__ import annotations

import shutil
import struct
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

SOURCE = Path(__file__).with_name("set_clock.c")


def can_be_set() -> bool:
    """Whether this machine has what it takes: a C compiler."""
    return shutil.which("cc") is not None


@dataclass
class DatabaseClock:
    """The server's clock. `settable` is False where there is no compiler: then it is the machine's."""

    folder: Path
    settable: bool = False
    steps: list[tuple[float, float]] = field(default_factory=list)  # since when, and how far it is from ours

    def command(self) -> list[str]:
        """What goes before the command that starts the server."""
        if not self.settable:
            return []
        library, file = self.folder / "set_clock.so", self.folder / "clock"
        if not library.exists():
            subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", library, SOURCE, "-ldl"], check=True)
            self._write(0.0)
        return ["env", f"LD_PRELOAD={library}", f"SET_CLOCK_FILE={file}"]

    def set(self, seconds: float) -> None:
        """From now on it is so far ahead of ours; negative: behind."""
        self.steps.append((time.time(), seconds))
        self._write(seconds)

    def _write(self, seconds: float) -> None:
        """In place, at once: the server has the file in its memory."""
        file = self.folder / "clock"
        file.touch(0o644)
        with file.open("r+b", buffering=0) as ahead:
            ahead.write(struct.pack("q", int(seconds * 1e9)))

    @property
    def touched(self) -> bool:
        """Whether it was ever wrong."""
        return bool(self.steps)

    def ours(self, database: float) -> float:
        """The moment by our clock of a time that was stored by the database's, of the last hour: steps are wider."""
        for seconds in {0.0, *(how_far for _, how_far in self.steps)}:
            if -SPAN <= database - seconds - time.time() <= 5.0:
                return database - seconds
        return database

    def was_ahead(self, before: float) -> float:
        """How far it was ahead at the most, until a moment of ours."""
        return max((seconds for since, seconds in self.steps if since <= before), default=0.0)

    def begins_again(self, begins: float, given: float) -> int:
        """How often what began at a moment of ours is put into the log once more: by each step of a clock that then
        showed a time before it, after what had begun was `given` to its target."""
        return sum(since + IN_FLIGHT >= given and since + seconds < begins for since, seconds in self.steps if seconds)


IN_FLIGHT = 5.0  # seconds for which what was claimed before a step may still arrive
SPAN = 3000.0  # seconds; a step is at least an hour, so a time has one meaning
