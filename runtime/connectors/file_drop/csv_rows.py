"""The records of a file with quoted fields. What is wrong with one of them costs that one: a quote that nobody closes
would otherwise swallow the rows behind it."""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TextIO

from runtime.connectors.charsets import misread, raw_bytes
from runtime.connectors.drop import Unreadable

BOM = "\ufeff"  # a byte order mark, also where files that had one were joined
SHOWN = 200_000  # characters of a record that cannot be read that are kept


@dataclass(frozen=True, slots=True)
class UnreadableRow:
    """A record of a file that cannot be read; the ones behind it can."""

    reason: str
    raw: bytes
    cut: bool = False  # only its beginning is kept


Fields = list[str] | UnreadableRow


@dataclass(frozen=True, slots=True)
class CsvForm:
    """`width`: fields of a record, 0 where the first one says it; `trailer`: the first field of a record that has its
    own width; `whole`: the end of the file is its end, so that a last line needs no line break."""

    codec: str
    delimiter: str
    quote: str
    width: int
    trailer: str
    whole: bool
    longest: int


class _TooLong(Exception):
    pass


class _Lines:
    """The lines of a file, with those of the present record in `held`; `number` is that of the last one."""

    def __init__(self, text: TextIO, form: CsvForm) -> None:
        self.text, self.form, self.number, self.most = text, form, 0, form.longest
        self.readline = text.readline
        self.held: list[str] = []
        self.size = 0
        self.again: deque[str] = deque()

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = self.again.popleft() if self.again else self.readline(self.most)
        if line[-1:] != "\n":
            self._look_at(line)
        self.number += 1
        if not self.held and line[:1] == BOM:
            line = line.lstrip(BOM)
        self.held.append(line)
        if len(self.held) == 1:
            self.size = len(line)
            return line
        self.size += len(line)
        if self.size > self.most:
            raise _TooLong(f"the record has more than {self.most} characters")
        return line

    def _look_at(self, line: str) -> None:
        """At a line that has no line feed: the last one, one that ends otherwise, or one that is too long."""
        ends = line.endswith("\r")
        if not line or not (ends or self.form.whole or len(line) >= self.most):
            raise StopIteration
        if len(line) >= self.most and not ends:
            rest = line
            while rest and not rest.endswith(("\n", "\r")):
                rest = self.readline(self.most)
            if not rest:
                raise Unreadable(f"line {self.number + 1} has no end within {self.most} characters")
            self.number += 1
            self.held.append(line)
            raise _TooLong(f"the line has more than {self.most} characters")

    def begin_again(self) -> tuple[int, str]:
        """The first line of the record with its number, without the others, which are read again."""
        first, *others = self.held
        number = self.number - len(others)
        others = [one for one in others if len(one) < self.most]
        self.again.extendleft(reversed(others))
        self.number -= len(others)
        return number, first


class _Broken:
    """A record that cannot be read, with those lines behind it that have not the width of a row."""

    def __init__(self, reason: str, *, at_end: bool) -> None:
        self.reason, self.at_end, self.parts, self.size = reason, at_end, list[str](), 0

    def add(self, text: str) -> None:
        if self.size < SHOWN:
            self.parts.append(text[: SHOWN - self.size])
            self.size += len(self.parts[-1])

    def row(self, codec: str) -> UnreadableRow:
        raw = raw_bytes("".join(self.parts).rstrip("\r\n"), codec)
        return UnreadableRow(self.reason, raw, self.size >= SHOWN)


def csv_rows(text: TextIO, form: CsvForm) -> Iterator[Fields]:
    """Fields of each record. Raises Unreadable for a line that never ends, and for a quote without an end in the last
    record."""
    csv.field_size_limit(form.longest + 1)
    quoting: Any = csv.QUOTE_MINIMAL if form.quote else csv.QUOTE_NONE
    lines = _Lines(text, form)
    reader = csv.reader(lines, delimiter=form.delimiter, quotechar=form.quote or None, quoting=quoting, strict=True)
    width, broken = form.width, None
    while True:
        lines.held.clear()
        try:
            row = next(reader)
        except StopIteration:
            break
        except (csv.Error, _TooLong) as error:
            at_end = "unexpected end" in str(error)
            if at_end and not form.whole:
                break  # it is cut off in the middle of this record
            number, line = lines.begin_again()
            broken = broken or _Broken(f"line {number}: {error}", at_end=at_end)
            broken.add(line)
            continue
        if not row:
            continue
        width = width or len(row)
        if broken is not None:
            if len(row) != width and row[0].strip() != (form.trailer or None):
                broken.add("".join(lines.held))
                continue
            yield broken.row(form.codec)
            broken = None
        if reason := misread("".join(row), form.codec):
            yield UnreadableRow(reason, raw_bytes("".join(lines.held).rstrip("\r\n"), form.codec))
        else:
            yield row
    if broken is not None and broken.at_end:
        raise Unreadable(f"{broken.reason}; nothing is behind it, so the file may be cut off")
    if broken is not None:
        yield broken.row(form.codec)
