"""Compressed answers and files, unpacked piece by piece and never beyond a limit.

gzip may consist of several members, one behind the other (RFC 1952 §2.2); `deflate` is the zlib format (RFC 9110
§8.4.1.2) or, from servers that know no better, raw.
"""

from __future__ import annotations

import gzip
import io
import zlib
from pathlib import Path
from typing import Any

CODINGS = frozenset({"gzip", "x-gzip", "deflate"})
_GZIP = b"\x1f\x8b"


class OverLimit(Exception):
    """What was unpacked is larger than allowed."""


class Unpacker:
    """`feed` the pieces as they come, then `finish`. Raises OverLimit, and zlib.error for what is no such format."""

    def __init__(self, coding: str, limit: int) -> None:
        self.gzip, self.limit, self.size = coding != "deflate", limit, 0
        self.begun = self.ended = False
        self._held = b""
        self._unit: Any = None

    def feed(self, piece: bytes) -> bytes:
        data, parts = self._held + piece, []
        self._held = b""
        while data:
            if self._unit is None:
                if self.ended and not (self.gzip and data.strip(b"\0")):
                    break  # zeros behind the last member are padding
                if len(data) < 2:
                    self._held = data
                    break
                self._unit, self.begun, self.ended = zlib.decompressobj(self._format(data)), True, False
            part = self._unit.decompress(data, self.limit - self.size + 1)
            self.size += len(part)
            if self.size > self.limit or self._unit.unconsumed_tail:
                raise OverLimit
            parts.append(part)
            data = b""
            if self._unit.eof:
                data, self._unit, self.ended = self._unit.unused_data, None, True
        return b"".join(parts)

    def finish(self) -> None:
        if self._held or (self.begun and not self.ended):
            raise zlib.error("the compressed answer is incomplete")

    def _format(self, data: bytes) -> int:
        if self.gzip:
            return 31
        return 15 if data[0] & 0x0F == 8 and int.from_bytes(data[:2], "big") % 31 == 0 else -15


class _Limited(io.RawIOBase):
    """A stream that ends with OverLimit behind so many bytes."""

    def __init__(self, inner: gzip.GzipFile, limit: int) -> None:
        self.inner, self.left = inner, limit

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self.inner.read(len(buffer))
        self.left -= len(data)
        if self.left < 0:
            raise OverLimit
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self.inner.close()
        super().close()


def open_unpacked(path: Path, limit: int) -> io.BufferedReader:
    """A file, unpacked where its first bytes say that it is gzip, whatever its name."""
    file = path.open("rb")
    if file.peek(2)[:2] != _GZIP:
        return file
    file.close()
    return io.BufferedReader(_Limited(gzip.open(path), limit), 256 * 1024)


__all__ = ["CODINGS", "OverLimit", "Unpacker", "open_unpacked"]
