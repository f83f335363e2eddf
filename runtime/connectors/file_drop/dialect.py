"""Delimited text with any separators: `;` and newline, or `+|` and `&|` + newline. Decoding errors, wrong quotes and
wrong widths are found per record. A byte order mark counts more than the configured encoding."""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterator

import msgspec

from kernel.errors import Invalid
from runtime.connectors.charsets import by_mark, errors_of, is_charset, misread, raw_bytes
from runtime.connectors.drop import ClaimedFile, Unreadable
from runtime.connectors.file_drop.csv_rows import SHOWN, CsvForm, Fields, UnreadableRow, csv_rows

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
        if not is_charset(self.encoding):
            raise Invalid("connection.settings", f"There is no encoding {self.encoding!r}.")
        if not self.delimiter or not self.terminator:
            raise Invalid("connection.settings", "'delimiter' and 'terminator' must not be empty.")
        if not self.header and not self.columns:
            raise Invalid("connection.settings", "Without a header, 'columns' must name the fields.")


def rows(claimed: ClaimedFile, dialect: FileDialect, trailer: str = "") -> Iterator[Fields]:
    """Fields of each record; `trailer` begins a record that may have another width. A last record without an end is
    none where the file is cut off. Raises Unreadable for a record that never ends."""
    with claimed.open() as file:
        codec = by_mark(file.peek(4)[:4], dialect.encoding)
        if dialect.terminator == "auto" and len(dialect.delimiter) == 1:
            width = 0 if dialect.header else len(dialect.columns)
            form = CsvForm(codec, dialect.delimiter, dialect.quote, width, trailer, claimed.whole, MAX_RECORD)
            with io.TextIOWrapper(file, encoding=codec, errors=errors_of(codec), newline="") as text:
                yield from csv_rows(text, form)
            return
        for record in _records(file, codec, dialect, claimed.whole):
            if isinstance(record, UnreadableRow):
                yield record
                continue
            reason = misread(record, codec)
            yield UnreadableRow(reason, raw_bytes(record, codec)) if reason else record.split(dialect.delimiter)


def _records(file: io.BufferedReader, codec: str, dialect: FileDialect, whole: bool) -> Iterator[str | UnreadableRow]:
    decoder = codecs.getincrementaldecoder(codec)(errors_of(codec))
    terminator = "\n" if dialect.terminator == "auto" else dialect.terminator
    rest, number, endless = "", 0, ""
    newline = io.IncrementalNewlineDecoder(None, translate=True) if dialect.terminator == "auto" else None
    while True:
        chunk = file.read(CHUNK)
        text = decoder.decode(chunk, final=not chunk)
        if newline:
            text = newline.decode(text, final=not chunk)
        *found, rest = (rest + text).split(terminator)
        for record in found:
            number += 1
            if endless:
                said = f"record {number} has more than {MAX_RECORD} characters; is the terminator {terminator!r}?"
                yield UnreadableRow(said, raw_bytes(endless, codec))
                endless = ""
            elif record.strip("\r\n"):
                yield record.strip("\r\n") if dialect.terminator != "auto" else record
        if endless or len(rest) > MAX_RECORD:
            endless, rest = endless or rest[:SHOWN], rest[-len(terminator) :]
        if not chunk:
            if endless and whole:
                said = f"record {number + 1} has no end within {MAX_RECORD} characters; is the terminator"
                raise Unreadable(f"{said} {terminator!r}?")
            if rest.strip("\r\n\x1a") and whole:
                yield rest.strip("\r\n")
            return
