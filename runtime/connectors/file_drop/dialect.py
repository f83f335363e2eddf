"""Delimited text with any separators: `;` and newline, or `+|` and `&|` + newline. Decoding errors and wrong widths are
found per record."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import msgspec

from kernel.errors import Invalid
from runtime.connectors.drop import Unreadable

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


def rows(path: Path, dialect: FileDialect) -> Iterator[list[str]]:
    """Fields of each record. Raises Unreadable where the bytes are not of the encoding or a record never ends."""
    if dialect.terminator == "auto" and len(dialect.delimiter) == 1:
        yield from _csv(path, dialect)
        return
    for record in _records(path, dialect):
        yield record.split(dialect.delimiter)


def _csv(path: Path, dialect: FileDialect) -> Iterator[list[str]]:
    quoting: Literal[0, 3] = csv.QUOTE_MINIMAL if dialect.quote else csv.QUOTE_NONE
    csv.field_size_limit(MAX_RECORD)
    with path.open(encoding=dialect.encoding, newline="") as file:
        reader = csv.reader(
            file, delimiter=dialect.delimiter, quotechar=dialect.quote or None, quoting=quoting, strict=True
        )
        while True:
            try:
                row = next(reader)
            except StopIteration:
                return
            except UnicodeDecodeError as error:
                raise Unreadable(
                    f"after line {reader.line_num}: not {dialect.encoding} (byte {error.object[error.start]:#04x})"
                ) from None
            except csv.Error as error:
                raise Unreadable(f"line {reader.line_num}: {error}") from None
            if row:
                yield row


def _records(path: Path, dialect: FileDialect) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder(dialect.encoding)()
    terminator = "\n" if dialect.terminator == "auto" else dialect.terminator
    rest, number = "", 0
    newline = io.IncrementalNewlineDecoder(None, translate=True) if dialect.terminator == "auto" else None
    with path.open("rb") as file:
        while True:
            chunk = file.read(CHUNK)
            try:
                text = decoder.decode(chunk, final=not chunk)
            except UnicodeDecodeError as error:
                raise Unreadable(f"after record {number}: not {dialect.encoding} ({error.reason})") from None
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
