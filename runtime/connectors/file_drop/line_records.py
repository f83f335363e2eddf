"""Records made of lines: of fixed width, or of several types that nest (header, detail, trailer)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from runtime.connectors.drop import ClaimedFile, Unreadable
from runtime.connectors.file_drop.controls import ControlSums
from runtime.connectors.file_drop.csv_rows import UnreadableRow
from runtime.connectors.file_drop.dialect import FileDialect, lines, rows
from runtime.connectors.file_drop.line_layout import MOST_LINES, LineLayout, LineSums, LineType, WrongLine, cut, named
from runtime.connectors.rawjson import Beginning, odd_escape

SHOWN = 200_000  # characters that are kept of a record that cannot be read
Numbered = tuple[int, bytes, str]
Line = tuple[str, dict[str, str]]  # the type of a line, its values


class _Begun:
    """A record that is being read: what it became so far, the lines that others may belong to, what is wrong."""

    def __init__(self, number: int, kind: LineType, values: dict[str, Any]) -> None:
        self.number, self.kind, self.values = number, kind, values
        self.open = [(kind.type, values)]
        self.parts = list[Line]()
        self.came, self.size, self.count = list[str](), 0, 0  # its lines as they came; how many stand below the first
        self.trouble, self.closed = "", False

    def wrong(self, said: str) -> None:
        self.trouble = self.trouble or said

    def keep(self, text: str) -> None:
        if self.size < SHOWN:
            self.came.append(text[: SHOWN - self.size])
            self.size += len(self.came[-1]) + 1

    def attach(self, kind: LineType, name: str, values: dict[str, Any]) -> None:
        """Below the nearest line of the type that it belongs to. Raises WrongLine where there is none."""
        above = list(self.open)
        while above and above[-1][0] != kind.below:
            above.pop()
        if not above:
            raise WrongLine(f"{kind.type} stands without {kind.below} before it")
        self.open = [*above, (kind.type, values)]
        if kind.closes:
            above[-1][1][name] = values
        else:
            above[-1][1][name].append(values)


class LineRecords:
    """Reads the records of one file."""

    def __init__(self, layout: LineLayout, dialect: FileDialect, *, fixed: bool) -> None:
        self.layout, self.dialect, self.fixed = layout, dialect, fixed
        self.types = layout.by_type
        self.trailer = next((one for one in layout.types if one.role == "trailer"), None)
        self.header = dict[str, Any]()
        self.begun: _Begun | None = None
        self.ended = False
        self.first = ""  # the type of the header with which this file, or part of one that was joined, began
        self.cut = list[int]()  # lines of headers before which a trailer is missing
        self.count = self.records = 0  # of the file so far: lines that are no header and no trailer; records
        self.ends = sum(any(one.role == role for one in layout.types) for role in ("header", "trailer"))
        self.sums = self._of_file()  # what headers and the trailer of the file speak of
        self.stated = dict[str, tuple[int, str, dict[str, str]]]()  # what headers say: line, text, values

    def read(self, claimed: ClaimedFile) -> Iterator[Numbered]:
        """(number of its first line, the record as JSON, why it cannot be read: empty where it can). Raises Unreadable
        where a header cannot be read or a trailer is missing; the rest of a file that was joined is read before."""
        for number, came in self._lines(claimed):
            yield from self._one(number, came) if self.layout.types else self._alone(number, came)
        yield from self._whole()
        yield from self._headers_hold()
        if self.trailer and self.cut:
            said = f"files were joined, and {self.trailer.type!r} is missing before the header"
            raise Unreadable(f"{said} in line {', '.join(map(str, self.cut[:5]))}: what stands there may be cut off")
        if self.trailer and not self.ended:
            raise Unreadable(f"the trailer {self.trailer.type!r} is missing: the file may be cut off")

    def _lines(self, claimed: ClaimedFile) -> Iterator[tuple[int, str | list[str] | UnreadableRow]]:
        if self.fixed:
            return lines(claimed, self.dialect, self.layout.length)
        return rows(claimed, self.dialect)

    def _alone(self, number: int, came: str | list[str] | UnreadableRow) -> Iterator[Numbered]:
        if isinstance(came, UnreadableRow):
            yield number, came.raw, _reason(came)
            return
        try:
            payload = msgspec.json.encode(self._shown(self._values(came, self.layout.fields)))
            yield number, payload, odd_escape(payload)
        except WrongLine as error:
            yield number, self._text(came).encode(), str(error)

    def _one(self, number: int, came: str | list[str] | UnreadableRow) -> Iterator[Numbered]:
        """A line of one of the types."""
        if isinstance(came, UnreadableRow):
            self.count += 1
            yield from self._wrong(number, _reason(came), came.raw)
            return
        text, found = self._text(came), self._type(came)
        kind = self.types.get(found)
        if kind is not None and kind.role in ("record", "header", "trailer"):
            yield from self._whole()
        if kind is not None and kind.role == "header":
            yield from self._begin(number, kind, came)
        elif self.ended:
            yield number, text.encode(), "it stands behind the trailer, whose count and sum do not cover it"
        elif kind is not None and kind.role == "trailer":
            yield from self._end(number, kind, came)
        else:
            self.count += 1
            if kind is None:
                yield from self._wrong(number, f"there is no type {found[:40]!r} in 'lines'", text.encode())
            elif kind.role == "record":
                self._record(number, kind, came)
            elif kind.role == "part":
                yield from self._part(number, kind, came)
            elif self.begun is not None:
                self.begun.count += 1

    def _begin(self, number: int, kind: LineType, came: str | list[str]) -> Iterator[Numbered]:
        """A header: of the file, or of the next one of several that were joined."""
        if self._again(kind):
            if not self.ended:
                self.cut.append(number)
            yield from self._headers_hold()
            self.ended, self.count, self.records, self.sums, self.header = False, 0, 0, self._of_file(), {}
            self.first = ""
        self.first = self.first or kind.type
        try:
            values = self._values(came, kind.fields)
        except WrongLine as error:
            raise Unreadable(f"line {number}, {kind.type}: {error}") from None
        self.header[kind.name or kind.type] = self._shown(values)
        if kind.sums is not None:
            self.stated[kind.type] = number, self._text(came), values

    def _again(self, kind: LineType) -> bool:
        """Whether another file begins here: behind the trailer, or with the header with which this one began."""
        if self.ended or self.trailer is None:
            return self.ended or (kind.name or kind.type) in self.header
        return kind.type == self.first or (not self.first and self.records > 0)

    def _headers_hold(self) -> Iterator[Numbered]:
        """What headers say of the lines behind them is compared at the end of the file."""
        stated, self.stated = self.stated, {}
        for name, (number, text, values) in stated.items():
            for said in self._of_whole(self.types[name], values):
                yield number, text.encode(), said

    def _end(self, number: int, kind: LineType, came: str | list[str]) -> Iterator[Numbered]:
        self.ended = True
        try:
            values = self._values(came, kind.fields)
        except WrongLine as error:
            yield number, self._text(came).encode(), f"{kind.type}: {error}"
            return
        for said in self._of_whole(kind, values):
            yield number, self._text(came).encode(), said

    def _of_file(self) -> dict[str, ControlSums]:
        return {one.type: self._sums(one) for one in self.layout.types if one.sums and one.role != "part"}

    def _of_whole(self, kind: LineType, values: dict[str, str]) -> Iterator[str]:
        """Contradictions of the file and what a header or its trailer says of it."""
        if (sums := kind.sums) is not None:
            held = self.sums[kind.type]
            held.count = (self.records if sums.of == "records" else self.count) + self.ends * sums.ends
            yield from self._contradictions(held, kind, sums, values)

    def _record(self, number: int, kind: LineType, came: str | list[str]) -> None:
        self.records += 1
        self.begun = _Begun(number, kind, {})
        self._fill(number, kind, came, self.begun)

    def _part(self, number: int, kind: LineType, came: str | list[str]) -> Iterator[Numbered]:
        begun = self.begun
        if begun is None:
            said = f"{kind.type} stands outside of a record: no line that it belongs to is before it"
            yield number, self._text(came).encode(), said
            return
        if kind.sums is not None:
            self._check(number, kind, kind.sums, came, begun)
        self._fill(number, kind, came, begun)
        if kind.closes:
            begun.closed = True
            yield from self._whole()

    def _fill(self, number: int, kind: LineType, came: str | list[str], begun: _Begun) -> None:
        """A line becomes values of its record."""
        begun.keep(self._text(came))
        values = begun.values if kind is begun.kind else dict[str, Any]()
        below = [one for one in self.layout.types if one.below == kind.type and not one.closes]
        values |= {one.name or one.type: [] for one in below}
        try:
            read = self._values(came, kind.fields)
            values |= self._shown(read)
            if kind is not begun.kind:
                begun.count += 1
                if begun.count > MOST_LINES:
                    raise WrongLine(f"the record has more than {MOST_LINES} lines")
                begun.attach(kind, kind.name or kind.type, values)
                begun.parts.append((kind.type, read))
        except WrongLine as error:
            begun.wrong(f"line {number}, {kind.type}: {error}")
            return
        for name, held in self.sums.items():
            if (sums := self.types[name].sums) is not None and sums.in_lines == kind.type:
                held.add(self._amount(kind, sums.sum, read), f"line {number}")

    def _check(self, number: int, kind: LineType, sums: LineSums, came: str | list[str], begun: _Begun) -> None:
        """What a trailer within a record says of the lines before it."""
        try:
            values = self._values(came, kind.fields)
        except WrongLine:
            return  # said where its values are taken
        held = self._sums(kind)
        for name, read in begun.parts:
            if name == sums.in_lines:
                held.add(self._amount(self.types[name], sums.sum, read), name)
        held.count = begun.count + 2 * sums.ends
        for said in self._contradictions(held, kind, sums, values):
            begun.wrong(f"line {number}, {kind.type}: {said}")

    def _contradictions(
        self, held: ControlSums, kind: LineType, sums: LineSums, values: dict[str, str]
    ) -> Iterator[str]:
        count = values[sums.count] if sums.count else None
        return held.contradictions(count, self._amount(kind, sums.total, values) if sums.total else None)

    def _sums(self, kind: LineType) -> ControlSums:
        sums, who = kind.sums or LineSums(), "the header" if kind.role == "header" else "the trailer"
        return ControlSums(sums.sum, self.dialect.numbers, sums.of, who)

    def _amount(self, kind: LineType, name: str, values: dict[str, str]) -> str:
        """An amount as the dialect writes it: a point that is implied is written as `.`."""
        implied = any(one.name == name and one.decimals is not None for one in kind.fields)
        return values[name].replace(".", self.dialect.decimal) if implied else values[name]

    def _wrong(self, number: int, reason: str, raw: bytes) -> Iterator[Numbered]:
        """A line of which nobody knows what it is: its record cannot be trusted."""
        if self.begun is None:
            yield number, raw, reason
            return
        self.begun.keep(raw.decode("utf-8", "replace"))
        self.begun.wrong(f"line {number}: {reason}")

    def _whole(self) -> Iterator[Numbered]:
        """The record that is being read ends here."""
        if (begun := self.begun) is None:
            return
        self.begun = None
        closing = [one.type for one in self.layout.types if one.closes and self._record_of(one) == begun.kind.type]
        if closing and not begun.closed:
            begun.wrong(f"its {closing[0]} is missing")
        payload = msgspec.json.encode({**begun.values, **self.header})
        reason = begun.trouble or odd_escape(payload)
        if begun.trouble and begun.size >= SHOWN:
            reason = Beginning(begun.trouble)
        yield begun.number, "\n".join(begun.came).encode() if begun.trouble else payload, reason

    def _record_of(self, kind: LineType) -> str:
        while kind.below:
            kind = self.types[kind.below]
        return kind.type

    def _type(self, came: str | list[str]) -> str:
        place = self.layout.place
        at, width = (place.at - 1, place.width) if place else (0, 0)
        if isinstance(came, str):
            return came[at : at + width].strip()
        return came[at].strip() if at < len(came) else ""

    def _values(self, came: str | list[str], fields: Sequence[Any]) -> dict[str, str]:
        if not fields:
            return {}
        return cut(came, fields, short=self.layout.short) if isinstance(came, str) else named(came, fields)

    def _shown(self, values: dict[str, str]) -> dict[str, Any]:
        return {name: text for name, text in values.items() if text} if self.dialect.empty_is_missing else dict(values)

    def _text(self, came: str | list[str]) -> str:
        return came if isinstance(came, str) else self.dialect.delimiter.join(came)


def _reason(row: UnreadableRow) -> str:
    return Beginning(row.reason) if row.cut else row.reason
