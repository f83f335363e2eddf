"""Room for bodies that are being read or wait for a thread: so many bytes of a process, and of one caller a share. What
is longer than a page lies in a file, and a full disk is said as such."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections import Counter
from collections.abc import Hashable
from threading import Lock

from kernel import measures
from kernel.errors import Unavailable

IN_MEMORY = 256 * 1024  # of one body; also the most that is taken from who is not known yet
TOTAL = 256 * 1024 * 1024  # of a process, but no more than half of what is free where files of a moment lie
KEPT = measures.gauge("web_kept_body_bytes", "Bytes of bodies that are being read or wait for a thread.")


def total() -> int:
    """When the process starts."""
    return min(TOTAL, shutil.disk_usage(tempfile.gettempdir()).free // 2)


def no_room() -> Unavailable:
    return Unavailable(
        "request.no_room",
        "There is no room for this body now, so nothing was done. Send it again, or in smaller parts.",
        {"retry_after": 5},
    )


class BodyRoom:
    """Taken by the event loop, given back by whichever thread closes the body."""

    def __init__(self, size: int) -> None:
        self.size, self.used = size, 0
        self.by: Counter[Hashable] = Counter()
        self._lock = Lock()

    def take(self, caller: Hashable, size: int, share: int) -> None:
        """`share`: the part of all that this caller may have is one of so many. Raises Unavailable."""
        with self._lock:
            if self.used + size > self.size or self.by[caller] + size > max(self.size // share, IN_MEMORY):
                raise no_room()
            self.used += size
            self.by[caller] += size
        KEPT.inc(size)

    def give_back(self, caller: Hashable, size: int) -> None:
        with self._lock:
            self.used -= size
            self.by[caller] -= size
            if not self.by[caller]:
                del self.by[caller]
        KEPT.dec(size)


class KeptBody(tempfile.SpooledTemporaryFile[bytes]):
    """One body in this room; closing it makes room again."""

    def __init__(self, room: BodyRoom, caller: Hashable, share: int) -> None:
        super().__init__(max_size=IN_MEMORY)
        self._room, self._caller, self._share, self._taken = room, caller, share, 0

    def add(self, part: bytes) -> None:
        """Raises Unavailable where there is no room."""
        self._room.take(self._caller, len(part), self._share)
        self._taken += len(part)
        try:
            self.write(part)
        except OSError:
            raise no_room() from None

    def close(self) -> None:
        taken, self._taken = self._taken, 0
        with contextlib.suppress(OSError):  # what could not be written is not wanted any more
            super().close()
        if taken:
            self._room.give_back(self._caller, taken)
