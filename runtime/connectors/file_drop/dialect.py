"""Delimited text with any separators: `;` and newline, or `+|` and `&|` + newline. Decoding errors, wrong quotes and
wrong widths are found per record. A byte order mark counts more than the configured encoding."""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Iterator

import msgspec

from kernel.errors import Invalid
from runtime.connectors.charsets import by_mark, errors_of, is_charset, misread, raw_bytes
from runtime.connectors.drop import ClaimedFile, Unreadable
from runtime.connectors.file_drop.csv_rows import BOM, SHOWN, CsvForm, Fields, UnreadableRow, csv_rows
from runtime.connectors.file_drop.numbers import NumberForm
from runtime.connectors.file_drop.quoted_records import Quoted

CHUNK = 256 * 1024
MAX_RECORD = 4 * 1024 * 1024
_SEP = re.compile('"?sep=([^"\r\n])"?[ \t,;|]*(?:\r|\n)', re.IGNORECASE)


class FileDialect(msgspec.Struct, frozen=True):
    """encoding     any that Python knows: utf-8, utf-8-sig, utf-16, cp1252, cp037 (EBCDIC)
    delimiter    between fields, one or more characters
    terminator   between records; `auto` takes \\n, \\r\\n and \\r
    quote        around fields, one character; empty for none. Left out it is `"` where the delimiter is one character,
                 else none
    header       the first record holds the names; else `columns` gives them
    decimal      before the fraction of a number: `.`, or `,` in most of Europe. Rows stay as they are written; sums of
                 trailers are read by it
    grouping     between groups of three digits of a number, where there is such a mark

    A first line `sep=;`, which Excel writes and reads, names the delimiter of its file and is no record.
    """

    encoding: str = "utf-8"
    delimiter: str = ","
    terminator: str = "auto"
    quote: str | None = None
    header: bool = True
    columns: list[str] = msgspec.field(default_factory=list)
    empty_is_missing: bool = True
    decimal: str = "."
    grouping: str = ""

    @property
    def numbers(self) -> NumberForm:
        return NumberForm(self.decimal, self.grouping)

    @property
    def quoting(self) -> str:
        """What stands around fields; empty for nothing."""
        return self.quote if self.quote is not None else '"' if len(self.delimiter) == 1 else ""

    def verify(self) -> None:
        if not is_charset(self.encoding):
            raise Invalid("connection.settings", f"There is no encoding {self.encoding!r}.")
        if not self.delimiter or not self.terminator:
            raise Invalid("connection.settings", "'delimiter' and 'terminator' must not be empty.")
        if len(self.quoting) > 1 or (self.quoting and self.quoting in self.delimiter + self.terminator):
            raise Invalid(
                "connection.settings",
                "'quote' is one character that 'delimiter' and 'terminator' do not hold, or empty.",
            )
        if not self.header and not self.columns:
            raise Invalid("connection.settings", "Without a header, 'columns' must name the fields.")
        if wrong := self.numbers.wrong():
            raise Invalid("connection.settings", f"The dialect cannot be used: {wrong}.")


def rows(claimed: ClaimedFile, dialect: FileDialect, trailer: str = "") -> Iterator[tuple[int, Fields]]:
    """Number and fields of each record; `trailer` begins a record that may have another width. A last record without
    an end is none where the file is cut off. Byte order marks are no part of a field, also where files were joined.
    Raises Unreadable for a record that never ends."""
    with claimed.open() as file:
        head = file.peek(64)[:64]
        codec = by_mark(head, dialect.encoding)
        delimiter = _named_delimiter(head, codec)
        source = _fields(file, codec, dialect, delimiter, trailer, whole=claimed.whole)
        yield from enumerate(source, 2 if delimiter else 1)


_LINE_END = re.compile("[\\n\\r\x85]")  # the last one is that of EBCDIC


def lines(claimed: ClaimedFile, dialect: FileDialect, length: int = 0) -> Iterator[tuple[int, str | UnreadableRow]]:
    """Number and text of each line; with `length` the file has no line ends, and each has so many characters. Raises
    Unreadable as `rows` does."""
    with claimed.open() as file:
        codec = by_mark(file.peek(4)[:4], dialect.encoding)
        source = _blocks(file, codec, length) if length else _records(file, codec, dialect, claimed.whole)
        for number, line in enumerate(source, 1):
            if isinstance(line, UnreadableRow):
                yield number, line
                continue
            line = line.lstrip(BOM)
            reason = misread(line, codec)
            yield number, UnreadableRow(reason, raw_bytes(line, codec)) if reason else line


def _blocks(file: io.BufferedReader, codec: str, length: int) -> Iterator[str | UnreadableRow]:
    decoder = codecs.getincrementaldecoder(codec)(errors_of(codec))
    rest, last, number = "", False, 0
    while not last:
        chunk = file.read(CHUNK)
        last = not chunk
        rest = (rest + decoder.decode(chunk, final=last)).lstrip(BOM)
        at = 0
        while at + length <= len(rest):
            block, number = rest[at : at + length], number + 1
            if end := _LINE_END.search(block):
                raise Unreadable(
                    f"record {number} of {length} characters has a line end at character {end.start() + 1}, so the "
                    "records do not begin where they should; leave out 'length' where each has a line of its own"
                )
            yield block
            at += length
        rest = rest[at:]
    if rest.strip("\r\n\x1a \0"):
        yield UnreadableRow(f"the last record has {len(rest)} of {length} characters", raw_bytes(rest, codec))


def _named_delimiter(head: bytes, codec: str) -> str:
    """What a first line `sep=;` names; empty where there is none."""
    found = _SEP.match(head.decode(codec, "ignore").lstrip(BOM))
    return found[1] if found else ""


def _fields(
    file: io.BufferedReader, codec: str, dialect: FileDialect, named: str, trailer: str, *, whole: bool
) -> Iterator[Fields]:
    delimiter = named or dialect.delimiter
    if dialect.terminator == "auto" and len(delimiter) == 1:
        width = 0 if dialect.header else len(dialect.columns)
        form = CsvForm(codec, delimiter, dialect.quoting, width, trailer, whole, MAX_RECORD)
        with io.TextIOWrapper(file, encoding=codec, errors=errors_of(codec), newline="") as text:
            if named:
                text.readline()
            yield from csv_rows(text, form)
        return
    quoted = Quoted(delimiter, dialect.quoting, MAX_RECORD) if dialect.quoting else None
    for number, record in enumerate(_records(file, codec, dialect, whole, quoted)):
        if named and not number:
            continue
        if isinstance(record, UnreadableRow):
            yield record
            continue
        record = record.lstrip(BOM)
        reason = misread(record, codec)
        yield UnreadableRow(reason, raw_bytes(record, codec)) if reason else _split(record, quoted, delimiter, codec)


def _split(record: str, quoted: Quoted | None, delimiter: str, codec: str) -> Fields:
    """The fields of a record."""
    found = quoted.fields(record) if quoted else record.split(delimiter)
    return UnreadableRow(found, raw_bytes(record, codec)) if isinstance(found, str) else found


def _records(
    file: io.BufferedReader, codec: str, dialect: FileDialect, whole: bool, quoted: Quoted | None = None
) -> Iterator[str | UnreadableRow]:
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
            if quoted and not endless:
                made = quoted.whole(record, terminator)
                if made is None:
                    continue
                record = made
            number += 1
            if endless:
                said = f"record {number} has more than {MAX_RECORD} characters; is the terminator {terminator!r}?"
                yield UnreadableRow(said, raw_bytes(endless, codec), cut=True)
                endless = ""
            elif record.strip("\r\n"):
                yield record.strip("\r\n") if dialect.terminator != "auto" else record
        if endless or len(rest) > MAX_RECORD:
            endless, rest = endless or rest[:SHOWN], rest[-len(terminator) :]
        if not chunk:
            if endless and whole:
                said = f"record {number + 1} has no end within {MAX_RECORD} characters; is the terminator"
                raise Unreadable(f"{said} {terminator!r}?")
            if quoted and quoted.held is not None:
                if not whole:
                    return
                if (last := quoted.whole(rest.rstrip("\x1a"), terminator)) is None:
                    raise Unreadable(
                        f"behind record {number}, a quotation mark opens a field and none closes it, so nobody knows "
                        "where that record ends. Say `quote: ''` where the mark is part of the text"
                    )
                rest = last
            if rest.strip("\r\n\x1a") and whole:
                yield rest.strip("\r\n")
            return
