"""Delimited text with any separators: `;` and newline, or `+|` and `&|` + newline. Decoding errors, wrong quotes and
wrong widths are found per record. A byte order mark counts more than the configured encoding."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import msgspec

from kernel.errors import Invalid
from runtime.connectors.charsets import by_mark, misread, single_byte
from runtime.connectors.drop import UNPACKING, Unreadable, not_unpacked
from runtime.connectors.unpacking import open_unpacked

CHUNK = 256 * 1024
MAX_RECORD = 4 * 1024 * 1024


class FileDialect(msgspec.Struct, frozen=True):
    """encoding     any that Python knows: utf-8, utf-8-sig, utf-16, cp1252, cp037 (EBCDIC)
    delimiter    between fields, one or more characters
    terminator   between records; `auto` takes \\n, \\r\\n and \\r
    quote        quoting character for one-character delimiters, empty for none
    header       the first record holds the names; else `columns` gives them
    """

    encoding: str = "utf-8"
    delimiter: str = ","
    terminator: str = "auto"
    quote: str = '"'
    header: bool = True
    columns: list[str] = msgspec.field(default_factory=list)
    empty_is_missing: bool = True

    def verify(self) -> None:
        try:
            codecs.lookup(self.encoding)
        except LookupError:
            raise Invalid("connection.settings", f"There is no encoding {self.encoding!r}.") from None
        if not self.delimiter or not self.terminator:
            raise Invalid("connection.settings", "'delimiter' and 'terminator' must not be empty.")
        if not self.header and not self.columns:
            raise Invalid("connection.settings", "Without a header, 'columns' must name the fields.")


@dataclass(frozen=True, slots=True)
class UnreadableRow:
    """A record of a file that cannot be read; the ones behind it can."""

    reason: str
    raw: bytes


Fields = list[str] | UnreadableRow


def rows(path: Path, dialect: FileDialect, limit: int) -> Iterator[Fields]:
    """Fields of each record; the file may be gzip. Raises Unreadable where nothing behind a place can be read, or a
    record never ends."""
    try:
        with open_unpacked(path, limit) as file:
            codec = by_mark(file.peek(4)[:4], dialect.encoding)
            if dialect.terminator == "auto" and len(dialect.delimiter) == 1:
                yield from _csv(file, codec, dialect)
                return
            for record in _records(file, codec, dialect):
                reason = misread(record, codec)
                yield UnreadableRow(reason, _raw(record, codec)) if reason else record.split(dialect.delimiter)
    except UNPACKING as error:
        raise not_unpacked(error, limit) from None


def errors_of(codec: str) -> str:
    """How a decoder keeps bytes that are not of its charset: as surrogate escapes, in charsets that extend ASCII."""
    return "surrogateescape" if codec in ("utf-8", "utf-8-sig") or single_byte(codec) else "strict"


class _Lines:
    """The lines of a file, with those of the present record kept."""

    def __init__(self, file: Iterable[str]) -> None:
        self.file, self.held = iter(file), list[str]()

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = next(self.file)
        self.held.append(line)
        return line


def _csv(file: io.BufferedReader, codec: str, dialect: FileDialect) -> Iterator[Fields]:
    quoting: Literal[0, 3] = csv.QUOTE_MINIMAL if dialect.quote else csv.QUOTE_NONE
    csv.field_size_limit(MAX_RECORD)
    with io.TextIOWrapper(file, encoding=codec, errors=errors_of(codec), newline="") as text:
        lines = _Lines(text)
        reader = csv.reader(
            lines, delimiter=dialect.delimiter, quotechar=dialect.quote or None, quoting=quoting, strict=True
        )
        yield from _csv_rows(reader, lines, codec)


def _csv_rows(reader: Any, lines: _Lines, codec: str) -> Iterator[Fields]:
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except UnicodeDecodeError as error:
            raise Unreadable(
                f"after line {reader.line_num}: not {codec} (byte {error.object[error.start]:#04x})"
            ) from None
        except csv.Error as error:
            if "unexpected end of data" in str(error) or "field larger" in str(error):  # a quote that nobody closes
                raise Unreadable(f"line {reader.line_num}: {error}") from None
            yield UnreadableRow(f"line {reader.line_num}: {error}", _raw("".join(lines.held), codec))
            lines.held.clear()
            continue
        if reason := misread("".join(row), codec):
            yield UnreadableRow(reason, _raw("".join(lines.held), codec))
        elif row:
            yield row
        lines.held.clear()


def _raw(text: str, codec: str) -> bytes:
    """The bytes of a record as they stood in the file."""
    plain = "utf-8" if codec == "utf-8-sig" else codec
    return text.rstrip("\r\n").encode(plain, errors_of(codec) if errors_of(codec) != "strict" else "replace")


def _records(file: io.BufferedReader, codec: str, dialect: FileDialect) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder(codec)(errors_of(codec))
    terminator = "\n" if dialect.terminator == "auto" else dialect.terminator
    rest, number = "", 0
    newline = io.IncrementalNewlineDecoder(None, translate=True) if dialect.terminator == "auto" else None
    while True:
        chunk = file.read(CHUNK)
        try:
            text = decoder.decode(chunk, final=not chunk)
        except UnicodeDecodeError as error:
            raise Unreadable(f"after record {number}: not {codec} ({error.reason})") from None
        if newline:
            text = newline.decode(text, final=not chunk)
        *whole, rest = (rest + text).split(terminator)
        for record in whole:
            number += 1
            if record.strip("\r\n"):
                yield record.strip("\r\n") if dialect.terminator != "auto" else record
        if len(rest) > MAX_RECORD:
            raise Unreadable(
                f"record {number + 1} has no end within {MAX_RECORD} characters; is the terminator {terminator!r}?"
            )
        if not chunk:
            if rest.strip("\r\n\x1a"):
                yield rest.strip("\r\n")
            return
