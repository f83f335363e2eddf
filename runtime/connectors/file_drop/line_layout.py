"""What lines of a file mean whose fields have no names of their own: their widths, and, where lines are of several
types, which belongs to which."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Literal

import msgspec

from kernel.errors import Invalid
from runtime.domain.json_paths import LONGEST

MOST_LINES = 100_000  # of one record
_NUMBER = re.compile("[0-9]+", re.ASCII)


class LineField(msgspec.Struct, frozen=True):
    """name       of the value in the record; empty for filler
    width      characters, in files of fixed width
    at         where it begins, counted from 1; without it, behind the field before
    decimals   how many of its digits stand behind a point that is not written: `0000012500` with 4 is `1.2500`
    """

    name: str = ""
    width: int = 0
    at: int = 0
    decimals: int | None = None


class LineSums(msgspec.Struct, frozen=True):
    """What a trailer says: field `count` how many `of` there are between it and the line that it closes, `lines` or
    (in a header or trailer of the file) `records`; `ends` counts those two, too. Field `total` says what field `sum`
    of the lines of type `in_lines` adds up to."""

    count: str = ""
    of: Literal["lines", "records"] = "lines"
    ends: bool = False
    total: str = ""
    sum: str = ""
    in_lines: str = ""


class LineType(msgspec.Struct, frozen=True):
    """type     what stands where the type of a line stands
    role     record: one begins here. part: belongs to the line of the type `below` before it, in a list `name`.
             header, trailer: of the file; a header goes with each record. skip: not looked at
    below    of a part: the type that it belongs to
    name     of a part: under which name it stands in what it belongs to, and of a header in each record; without it,
             its type
    closes   of a part: the record is whole only when it has come. It is an object, no list
    sums     what a trailer of the file, or a part, says of the lines before it, or a header of those behind it
    """

    type: str
    fields: list[LineField] = []
    role: Literal["record", "part", "header", "trailer", "skip"] = "record"
    below: str = ""
    name: str = ""
    closes: bool = False
    sums: LineSums | None = None


class LinePlace(msgspec.Struct, frozen=True):
    """Where the type of a line stands: from character `at` (counted from 1), `width` long; in delimited lines, in field
    `at`."""

    at: int = 1
    width: int = 0


class LineLayout(msgspec.Struct, frozen=True):
    """fields   of every line, where all are of one type
    place    where the type of a line stands, where there are several
    types    the types
    length   characters of a line in files without line ends
    short    whether blanks at the end of a line may be left out (false)
    """

    fields: list[LineField] = []
    place: LinePlace | None = None
    types: list[LineType] = []
    length: int = 0
    short: bool = False

    @property
    def by_type(self) -> dict[str, LineType]:
        return {one.type: one for one in self.types}

    def verify(self, *, fixed: bool) -> None:
        """Raises Invalid with the first thing that cannot work."""
        for said in self._wrong(fixed=fixed):
            raise Invalid("connection.settings", f"'lines' cannot be used: {said}.")

    def _wrong(self, *, fixed: bool) -> Iterator[str]:
        if bool(self.fields) == bool(self.types):
            yield "give 'fields', where all lines are of one type, or 'types'"
        if self.types and (self.place is None or self.place.at < 1 or (fixed and self.place.width < 1)):
            yield "'place' says where the type of a line stands: 'at' counts from 1, and 'width' is that of the type"
        if not self.types and not fixed:
            yield "delimited lines of one type are 'format: delimited'"
        if not fixed and (self.length or self.short):
            yield "'length' and 'short' are for lines of fixed width"
        if self.length < 0 or self.length > 1_000_000:
            yield "'length' is at most 1,000,000 characters"
        known = self.by_type
        if len(known) != len(self.types):
            yield "a type stands twice"
        for one in self.types:
            yield from _wrong_type(one, known)
        headers = [one.name or one.type for one in self.types if one.role == "header"]
        for one in self.types:
            names = [field.name for field in one.fields if field.name]
            names += [part.name or part.type for part in self.types if part.below == one.type]
            if twice := sorted({name for name in names if names.count(name) > 1}):
                yield f"{one.type} has two members {twice[0]!r}; give one another 'name'"
            if both := sorted(set(names) & set(headers)) if one.role == "record" else []:
                yield f"{both[0]!r} is a header and a member of {one.type}; give one another 'name'"
        if self.types and not any(one.role == "record" for one in self.types):
            yield "no type has the role 'record'"
        if sum(one.role == "trailer" for one in self.types) > 1:
            yield "only one type is the trailer of the file"
        for fields in [self.fields, *(one.fields for one in self.types)]:
            yield from _wrong_fields(fields, fixed=fixed)


def _wrong_type(one: LineType, known: dict[str, LineType]) -> Iterator[str]:
    if not one.type.strip():
        yield "a type is empty"
    if (one.role == "part") != bool(one.below):
        yield f"{one.type} names 'below', as a part does and nothing else" if one.below else f"{one.type} needs 'below'"
    way, at = [one.type], one
    while at.below:
        if at.below not in known or known[at.below].role not in ("record", "part") or at.below in way:
            yield f"{at.type} is below {at.below}, which is no record and no part of one"
            return
        way.append(at.below)
        at = known[at.below]
    if one.closes and one.role != "part":
        yield f"{one.type} is no part, so it closes nothing"
    if one.sums is None:
        return
    sums, names = one.sums, {field.name for field in one.fields}
    if one.role in ("record", "skip") or (sums.of == "records" and one.role == "part"):
        yield f"{one.type} says no sums: a header or trailer does, or a part over the lines of its record"
    if not (sums.count or sums.total) or bool(sums.total) != bool(sums.sum and sums.in_lines):
        yield f"'sums' of {one.type} has a 'count', or a 'total' with 'sum' and 'in_lines'"
    if any(name not in names for name in (sums.count, sums.total) if name):
        yield f"'sums' of {one.type} names a field that it does not have"
    if sums.in_lines and sums.sum not in {field.name for field in known.get(sums.in_lines, one).fields}:
        yield f"'sums' of {one.type} names a field that {sums.in_lines} does not have"


def _wrong_fields(fields: list[LineField], *, fixed: bool) -> Iterator[str]:
    names = [one.name for one in fields if one.name]
    if len(set(names)) != len(names):
        yield "a field stands twice"
    for one in fields:
        if len(one.name) > LONGEST or any(mark in one.name for mark in '."\\`'):
            yield f"{one.name[:40]!r} is no name of a field: without dots, quotation marks, backticks, backslashes"
        if fixed and not 1 <= one.width <= 1_000_000:
            yield f"{one.name or 'a filler'} needs its 'width'"
        if not fixed and (one.width or one.at):
            yield f"{one.name}: fields of delimited lines stand in their order"
        if one.at < 0 or (one.decimals is not None and not 0 <= one.decimals <= 30):
            yield f"{one.name}: 'at' counts from 1, and 'decimals' is at most 30"


class WrongLine(Exception):
    """Why a line cannot be read."""


def cut(line: str, fields: Sequence[LineField], *, short: bool) -> dict[str, str]:
    """The values of a line of fixed width, without blanks around them. Raises WrongLine."""
    found, at = dict[str, str](), 0
    reach = max([0, *_ends(fields)])
    if len(line) > reach and line[reach:].strip():
        raise WrongLine(f"it has {len(line.rstrip())} characters, and its fields end at {reach}")
    if len(line) < reach and not short:
        raise WrongLine(f"it has {len(line)} characters, and its fields end at {reach}")
    for one in fields:
        at = one.at - 1 if one.at else at
        text = line[at : at + one.width]
        if one.decimals is not None and text.strip() and len(text) < one.width:
            raise WrongLine(f"it ends in the middle of {one.name}")
        at += one.width
        if one.name:
            found[one.name] = value_of(text.strip(), one)
    return found


def _ends(fields: Sequence[LineField]) -> Iterator[int]:
    at = 0
    for one in fields:
        at = (one.at - 1 if one.at else at) + one.width
        yield at


def named(parts: Sequence[str], fields: Sequence[LineField]) -> dict[str, str]:
    """The values of a delimited line. Raises WrongLine."""
    if len(parts) != len(fields):
        raise WrongLine(f"{len(parts)} fields instead of {len(fields)}")
    return {one.name: value_of(text, one) for text, one in zip(parts, fields, strict=True) if one.name}


def value_of(text: str, field: LineField) -> str:
    """A value with its point, where that is implied. Raises WrongLine for what are no digits."""
    if field.decimals is None or not text:
        return text
    sign = "-" if "-" in (text[0], text[-1]) else ""
    digits = text.strip("+-").strip()
    if not _NUMBER.fullmatch(digits) or len(text) - len(text.strip("+-")) > 1:
        raise WrongLine(f"{field.name} is {text[:40]!r}, and digits with at most one sign were expected")
    digits = digits.lstrip("0").rjust(field.decimals + 1, "0")
    whole, fraction = digits[: len(digits) - field.decimals], digits[len(digits) - field.decimals :]
    return f"{sign}{whole}.{fraction}" if fraction else f"{sign}{whole}"
