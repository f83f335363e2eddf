"""JSON lines, one at a time, as UTF-8 whatever the file's charset; the file may be gzip."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

from runtime.connectors.charsets import by_mark, errors_of, misread, raw_bytes
from runtime.connectors.drop import ClaimedFile, Unreadable
from runtime.connectors.rawjson import Beginning, unreadable

MAX_LINE = 16 * 1024 * 1024
SHOWN = 200_000  # of a line that is too long


def json_lines(claimed: ClaimedFile, encoding: str) -> Iterator[tuple[int, bytes, str]]:
    """(number, line, why it cannot be read: empty when it can) of each line that is not empty. A last line without an
    end is none where the file is cut off. Raises Unreadable for a line that never ends."""
    with claimed.open() as file:
        codec = by_mark(file.peek(4)[:4], encoding)
        utf8 = codec in ("utf-8", "utf-8-sig")
        lines = _bytes(file, claimed.whole) if utf8 else _decoded(file, codec, claimed.whole)
        for number, (line, reason) in enumerate(lines, 1):
            if payload := line.strip():
                reason = reason or unreadable(payload)
                if reason and number == 1 and payload in (b"[", b"{", b"[{"):
                    reason = f"{reason}; its objects are no lines, so read it with 'format: json'"
                yield number, payload, reason


def _bytes(file: io.BufferedReader, whole: bool) -> Iterator[tuple[bytes, str]]:
    first = True
    while line := file.readline(MAX_LINE):
        if first:
            line, first = line.removeprefix(b"\xef\xbb\xbf"), False
        if line.endswith(b"\n"):
            yield line, ""
        elif len(line) >= MAX_LINE - 3:
            yield line[:SHOWN], _pass_over(file, b"\n")
        elif whole:
            yield line, ""


def _decoded(file: io.BufferedReader, codec: str, whole: bool) -> Iterator[tuple[bytes, str]]:
    with io.TextIOWrapper(file, encoding=codec, errors=errors_of(codec), newline="\n") as text:
        while line := text.readline(MAX_LINE):
            ended, reason = line.endswith("\n"), misread(line, codec)
            if not ended and len(line) >= MAX_LINE:
                yield raw_bytes(line[:SHOWN], codec), _pass_over(text, "\n")
            elif reason:
                yield raw_bytes(line[:SHOWN], codec), reason
            elif ended or whole:
                yield line.encode(), ""


def _pass_over(file: Any, end: bytes | str) -> str:
    """To the end of a line that is too long; says so. Raises Unreadable where there is none."""
    while piece := file.readline(MAX_LINE):
        if piece.endswith(end):
            return Beginning(f"the line has more than {MAX_LINE} bytes")
    raise Unreadable(f"a line has no end within {MAX_LINE} bytes")
