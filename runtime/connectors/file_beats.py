"""A file that says that it is being read, so that its reader keeps the source however long that takes."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import IO, Any

CHUNK = 256 * 1024


class _Beating(io.RawIOBase):
    """`stopped`: its reader was told to stop, which says nothing of the file."""

    def __init__(self, file: IO[bytes], beat: Callable[[], object]) -> None:
        self.file: Any = file
        self.beat, self.stopped = beat, False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            self.beat()
        except BaseException:
            self.stopped = True
            raise
        read: int = self.file.readinto(buffer)
        return read

    def seekable(self) -> bool:
        return bool(self.file.seekable())

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return int(self.file.seek(offset, whence))

    def tell(self) -> int:
        return int(self.file.tell())

    def close(self) -> None:
        if not self.closed:
            self.file.close()
        super().close()


def beating(file: IO[bytes], beat: Callable[[], object]) -> io.BufferedReader:
    """The file, with `beat` called before each piece that is read of it."""
    return io.BufferedReader(_Beating(file, beat), CHUNK)


def was_stopped(file: io.BufferedReader) -> bool:
    """Whether reading ended because `beat` raised something."""
    raw = file.raw
    return isinstance(raw, _Beating) and raw.stopped


__all__ = ["beating", "was_stopped"]
