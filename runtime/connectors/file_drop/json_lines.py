"""JSON lines, one at a time, as UTF-8 whatever the file's charset; the file may be gzip."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

from runtime.connectors.charsets import by_mark, misread
from runtime.connectors.drop import UNPACKING, Unreadable, not_unpacked
from runtime.connectors.file_drop.dialect import errors_of
from runtime.connectors.rawjson import unreadable
from runtime.connectors.unpacking import open_unpacked

MAX_LINE = 16 * 1024 * 1024


def json_lines(path: Path, encoding: str, limit: int) -> Iterator[tuple[int, bytes, str]]:
    """(number, line, why it cannot be read: empty when it can) of each line that is not empty. Raises Unreadable where
    nothing behind a place can be read."""
    try:
        with open_unpacked(path, limit) as file:
            codec = by_mark(file.peek(4)[:4], encoding)
            lines = _bytes(file) if codec in ("utf-8", "utf-8-sig") else _decoded(file, codec)
            for number, (line, reason) in enumerate(lines, 1):
                if payload := line.strip():
                    yield number, payload, reason or unreadable(payload)
    except UNPACKING as error:
        raise not_unpacked(error, limit) from None


def _bytes(file: io.BufferedReader) -> Iterator[tuple[bytes, str]]:
    first = True
    while line := file.readline(MAX_LINE):
        if len(line) == MAX_LINE and not line.endswith(b"\n"):
            raise Unreadable(f"a line has no end within {MAX_LINE} bytes")
        yield line.removeprefix(b"\xef\xbb\xbf") if first else line, ""
        first = False


def _decoded(file: io.BufferedReader, codec: str) -> Iterator[tuple[bytes, str]]:
    try:
        with io.TextIOWrapper(file, encoding=codec, errors=errors_of(codec), newline="\n") as text:
            while line := text.readline(MAX_LINE):
                yield line.encode("utf-8", "surrogateescape"), misread(line, codec)
    except UnicodeDecodeError as error:
        raise Unreadable(f"not {codec} ({error.reason})") from None
