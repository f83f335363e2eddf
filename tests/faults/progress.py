"""How far a long run is: one line that is written over on a terminal, and a line of its own every so often
elsewhere."""

from __future__ import annotations

import sys
import time

WIDTH = 30


class Progress:
    """`title` begins every line. Writes to standard error."""

    def __init__(self, title: str, *, every: float = 15.0) -> None:
        self.title, self.terminal = title, sys.stderr.isatty()
        self.every = 0.5 if self.terminal else every
        self._next, self._begun = 0.0, time.monotonic()

    @property
    def due(self) -> bool:
        return time.monotonic() >= self._next

    def show(self, share: float, words: str) -> None:
        """`share` of the whole that is done, 0 to 1. Does nothing when the last line is young."""
        if not self.due:
            return
        self._next = time.monotonic() + self.every
        bar = "#" * int(min(1.0, share) * WIDTH)
        seconds = int(time.monotonic() - self._begun)
        line = f"{self.title} [{bar:{WIDTH}}] {min(1.0, share):4.0%} {seconds // 60}:{seconds % 60:02} {words}"
        sys.stderr.write(f"\r\033[K{line}" if self.terminal else f"{line}\n")
        sys.stderr.flush()

    def clear(self) -> None:
        """Make room for a line that stays."""
        if self.terminal:
            sys.stderr.write("\r\033[K")
            sys.stderr.flush()
