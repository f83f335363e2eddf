"""Compressed answers and files, unpacked piece by piece and never beyond a limit.

gzip may consist of several members, one behind the other (RFC 1952 §2.2); `deflate` is the zlib format (RFC 9110
§8.4.1.2) or, from servers that know no better, raw.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal

from runtime.connectors import zip_files

CODINGS = frozenset({"gzip", "x-gzip", "deflate"})
_GZIP = b"\x1f\x8b"
_CHUNK = 256 * 1024


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


Trouble = Literal["", "junk", "cut", "damaged", "too_large"]


@dataclass(frozen=True, slots=True)
class Packing:
    """What a look through a packed file has shown. `size` bytes can be unpacked and are the content: of a file that is
    `cut` off those before its end, of a `damaged` one the members before the damage, whose checksums are right; behind
    all of one with `junk` stands something that is not packed. `members`: the files in a zip archive that can be read,
    `left_out` the others; of one that is cut off or damaged nothing is read."""

    size: int
    trouble: Trouble = ""
    reason: str = ""
    members: tuple[str, ...] | None = None
    left_out: tuple[zip_files.LeftOut, ...] = ()

    @property
    def whole(self) -> bool:
        """Whether nothing of the content is missing."""
        return self.trouble in ("", "junk")


def packing_of(path: Path, limit: int, beat: Callable[[], object] = lambda: None) -> Packing | None:
    """Look through a file that is gzip or a zip archive by its first bytes, whatever its name; None for every other
    file. `beat` is called meanwhile."""
    if (archive := zip_files.look(path, limit, beat)) is not None:
        trouble: Trouble = "cut" if archive.cut else "too_large" if archive.large else "damaged"
        return Packing(
            archive.size, trouble if archive.reason else "", archive.reason, archive.members, archive.left_out
        )
    with path.open("rb") as file:
        if file.peek(2)[:2] != _GZIP:
            return None
        members = _Members(file)
        size = 0
        for piece in members.pieces():
            beat()
            size += len(piece)
            if size > limit:
                return Packing(0, "too_large", f"unpacked it has more than the {limit} bytes allowed")
    proven = members.proven if members.trouble == "damaged" else size
    return Packing(proven, members.trouble, members.reason)


class _Members:
    """The unpacked pieces of a gzip file, member by member. Afterwards `trouble` and `reason` say why they end before
    the file does; `proven` is the size of the members whose checksum was right."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file, self.data = file, b""
        self.trouble: Trouble = ""
        self.reason, self.proven = "", 0

    def pieces(self) -> Iterator[bytes]:
        size = 0
        while self._next_member():
            unit: Any = zlib.decompressobj(31)
            while not unit.eof:
                ended = not self.data and not self._read()
                try:
                    piece = unit.flush() if ended else unit.decompress(self.data, _CHUNK)
                except zlib.error as error:
                    self.trouble, self.reason = "damaged", f"it cannot be unpacked: it is damaged ({error})"
                    return
                self.data = unit.unconsumed_tail
                size += len(piece)
                yield piece
                if ended and not unit.eof:
                    self._cut_off()
                    return
            self.data, self.proven = unit.unused_data, size

    def _read(self) -> bool:
        read = self.file.read(_CHUNK)
        self.data += read
        return bool(read)

    def _next_member(self) -> bool:
        """Whether another member begins here; zeros before it are padding."""
        self.data = self.data.lstrip(b"\0")
        while len(self.data) < 2 and self._read():
            self.data = self.data.lstrip(b"\0")
        if self.data[:2] == _GZIP:
            return True
        if self.data == _GZIP[:1]:
            self._cut_off()
        elif self.data:
            left = len(self.data) + sum(map(len, iter(lambda: self.file.read(_CHUNK), b"")))
            self.trouble = "junk"
            self.reason = f"behind its packed data stand {left} bytes that are not packed; what is before them was read"
        return False

    def _cut_off(self) -> None:
        self.trouble, self.reason = "cut", "it is cut off: its packed data end in the middle"


class _Content(io.RawIOBase):
    """The first `size` bytes that a packed file holds."""

    def __init__(self, file: IO[bytes], size: int) -> None:
        self.file, self.left, self.held = file, size, b""
        self.pieces = _Members(file).pieces()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self.held and self.left:
            piece = next(self.pieces, None)
            if piece is None:
                raise EOFError("it ends before its content does")
            self.held = piece[: self.left]
            self.left -= len(self.held)
        given = self.held[: len(buffer)]
        buffer[: len(given)] = given
        self.held = self.held[len(given) :]
        return len(given)

    def close(self) -> None:
        self.file.close()
        super().close()


def open_unpacked(path: Path, packing: Packing | None, member: str = "") -> io.BufferedReader:
    """The content of a file whose `packing_of` is known; of an archive that of a member. Reading raises EOFError where
    it has changed since."""
    if packing is not None and packing.members is not None:
        return zip_files.open_member(path, member)
    file = path.open("rb")
    return file if packing is None else io.BufferedReader(_Content(file, packing.size), _CHUNK)


__all__ = ["CODINGS", "OverLimit", "Packing", "Unpacker", "open_unpacked", "packing_of"]
