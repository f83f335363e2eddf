"""Records of JSON files that are no lines: an array, a list somewhere in a document, documents one behind the other,
printed over as many lines as they like. Each record is the bytes that came; a file of any size passes in pieces."""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Iterator
from typing import Any

import msgspec

from kernel.errors import Invalid
from runtime.connectors.charsets import by_mark, converted_badly, errors_of
from runtime.connectors.drop import ClaimedFile, Unreadable
from runtime.connectors.rawjson import Beginning, unreadable
from runtime.domain.json_paths import JsonPath, steps

CHUNK = 256 * 1024
MOST_BYTES = 16 * 1024 * 1024  # of one record
SHOWN = 200_000  # bytes of a record that is too long
LONGEST_AROUND = 10_000
_BLANK = re.compile(rb"[ \t\r\n]*")
_SCALAR = re.compile(rb"[-+.0-9A-Za-z]*")
_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+"|"|[][{}]', re.DOTALL)
_CLOSES = {ord("{"): ord("}"), ord("["): ord("]")}
Numbered = tuple[int, bytes, str]


class JsonLayout(msgspec.Struct, frozen=True):
    """items    path to the list whose members are records: `epcisBody.eventList`. Without it a document that is a list
             has its members as records, and any other document is one
    around   names of values that stand elsewhere in the document and go with each of its records, and their paths
    """

    items: JsonPath = ""
    around: dict[str, JsonPath] = {}

    def verify(self) -> None:
        if self.around and not self.items:
            raise Invalid(
                "connection.settings", "'json.around' needs 'json.items': elsewhere a record is all there is."
            )
        for name, path in self.around.items():
            way, items = steps(path), steps(self.items)
            if not path or way[: len(items)] == items or items[: len(way)] == way:
                said = "names a value beside the list, which neither holds the other"
                raise Invalid("connection.settings", f"'json.around.{name}' {said}.")


def json_documents(claimed: ClaimedFile, layout: JsonLayout, encoding: str) -> Iterator[Numbered]:
    """(number, the record, why it cannot be read: empty where it can). Raises Unreadable where no further record can be
    found: brackets that do not match, an end in the middle, no list at the path."""
    beside: Iterator[bytes] = iter(())
    if layout.around:
        with claimed.open() as file:
            beside = iter([_beside(found) for found in _Documents(file, encoding, layout, values=True).documents()])
    number = 0
    with claimed.open() as file:
        reader = _Documents(file, encoding, layout)
        for _ in reader.documents():
            values = next(beside, b"")
            for payload, reason in reader.items():
                number += 1
                reason = reason or converted_badly(payload, reader.converted) or unreadable(payload)
                if not reason and not payload.startswith(b"{"):
                    reason = "it is no object"
                if values and not reason:
                    payload, reason = _with(payload, values, layout)
                yield number, payload, reason


def _beside(found: dict[str, bytes]) -> bytes:
    return b",".join(msgspec.json.encode(name) + b":" + value for name, value in found.items())


def _with(payload: bytes, values: bytes, layout: JsonLayout) -> tuple[bytes, str]:
    held = msgspec.json.decode(payload)
    if both := [name for name in layout.around if name in held]:
        return payload, f"it has a {both[0]!r} of its own; give 'around' another name"
    return b"{" + values + (b"," if held else b"") + payload[1:].lstrip(), ""


class _Scanner:
    """Bytes of a file from a place on: `data` from `at`."""

    def __init__(self, file: io.BufferedReader, encoding: str) -> None:
        self.file, self.data, self.at, self.passed, self.ended = file, b"", 0, 0, False
        codec = by_mark(file.peek(4)[:4], encoding)
        self.converted = "" if codec.lower().replace("_", "-") in ("utf-8", "utf8", "utf-8-sig") else codec
        self.decoder: Any = codecs.getincrementaldecoder(codec)(errors_of(codec)) if self.converted else None
        if codec == "utf-8-sig":
            file.read(3)

    def more(self) -> bool:
        """Another piece behind what there is; what is behind `at` stays."""
        if self.ended:
            return False
        chunk = self.file.read(CHUNK)
        self.ended = not chunk
        if self.decoder:
            chunk = _utf8(self.decoder.decode(chunk, final=self.ended))
        self.passed += self.at
        self.data, self.at = self.data[self.at :] + chunk, 0
        return bool(chunk) or not self.ended

    def next(self) -> int:
        """The next byte that is no blank, without passing it; -1 at the end."""
        while True:
            found = _BLANK.match(self.data, self.at)
            self.at = found.end() if found else self.at
            if self.at < len(self.data):
                return self.data[self.at]
            if not self.more():
                return -1

    def expect(self, wanted: bytes) -> int:
        """Passes one of these bytes. Raises Unreadable where something else stands there."""
        byte = self.next()
        if byte < 0 or byte not in wanted:
            raise self.wrong(f"{_named(byte)} where {' or '.join(map(_named, wanted))} was expected")
        self.at += 1
        return byte

    def wrong(self, said: str) -> Unreadable:
        return Unreadable(f"it is no JSON behind byte {self.passed + self.at}: {said}")

    def value(self, limit: int) -> tuple[bytes, str]:
        """The bytes of the value that begins here, and why they are not all: it has more than `limit`."""
        first = self.next()
        if first < 0:
            raise self.wrong("it ends where a value was expected")
        if first not in b'{["':
            return self._scalar(), ""
        open_: list[int] = []
        shown, place = b"", 0  # of a value that is too long; how far it was looked at
        while True:
            for token in _TOKEN.finditer(self.data, self.at + place):
                byte, length = token[0][0], token.end() - token.start()
                if byte == 0x22 and length == 1:  # a string that goes on
                    place = token.start() - self.at
                    break
                place = token.end() - self.at
                if byte in _CLOSES:
                    open_.append(_CLOSES[byte])
                elif byte != 0x22 and (not open_ or open_.pop() != byte):
                    self.at += place - 1
                    raise self.wrong(f"{_named(byte)} closes what it did not open")
                if not open_:
                    found = self.data[self.at : self.at + place]
                    self.at += place
                    if place > MOST_BYTES:  # one long text
                        shown = shown or found[:SHOWN]
                    return (shown, Beginning(f"it has more than {limit} bytes")) if shown else (found, "")
            else:
                place = len(self.data) - self.at
            if place > limit:
                shown = shown or self.data[self.at : self.at + min(SHOWN, limit)]
                self.at, place = self.at + place, 0
            if len(self.data) - self.at > 2 * MOST_BYTES:
                raise self.wrong(f"a text has no end within {2 * MOST_BYTES} bytes")
            if not self.more():
                raise Unreadable(f"it ends in the middle of the record that begins at byte {self.passed + self.at}")

    def _scalar(self) -> bytes:
        while True:
            found = _SCALAR.match(self.data, self.at)
            end = found.end() if found else self.at
            if end < len(self.data) or not self.more():
                break
        if end == self.at:
            raise self.wrong(f"{_named(self.next())} where a value was expected")
        found_bytes, self.at = self.data[self.at : end], end
        return found_bytes


class _Documents(_Scanner):
    """The documents of a file. With `values` each gives what stands beside its list; else `items` gives its records,
    to be read to their end before the next document."""

    def __init__(self, file: io.BufferedReader, encoding: str, layout: JsonLayout, *, values: bool = False) -> None:
        super().__init__(file, encoding)
        self.values = values
        self.path = steps(layout.items) if layout.items else ()
        self.around = {steps(path): name for name, path in layout.around.items()} if values else {}
        self.found: dict[str, bytes] = {}
        self.listed = False

    def documents(self) -> Iterator[dict[str, bytes]]:
        number = 0
        while self.next() >= 0:
            number += 1
            self.found, self.listed = {}, False
            if self.values:
                for _ in self.items():
                    pass
            yield self.found
            if not self.values and not self.listed:
                raise Unreadable(f"document {number} was not read")  # who asks for the next one has read this one
            if self.next() == 0x2C:
                raise self.wrong("',' between two documents")
        if not number:
            raise Unreadable("it is empty")

    def items(self) -> Iterator[tuple[bytes, str]]:
        if not self.path:
            self.listed = True
            if self.next() == 0x5B:
                yield from self._members()
            else:
                yield self.value(MOST_BYTES)
            return
        yield from self._walk(())
        if not self.listed:
            raise Unreadable(f"there is no list at {'.'.join(self.path)!r}")

    def _walk(self, way: tuple[str, ...]) -> Iterator[tuple[bytes, str]]:
        """Over the members of the object that begins here, into those that lead to the list."""
        self.expect(b"{")
        if self.next() == 0x7D:
            self.at += 1
            return
        while True:
            name, _ = self.value(LONGEST_AROUND) if self.next() == 0x22 else (b"", "")
            here = (*way, _text(name, self))
            self.expect(b":")
            if here == self.path:
                yield from self._list()
            elif here in self.around:
                self._value(self.around[here])
            elif self._leads(here) and self.next() == 0x7B:
                yield from self._walk(here)
            else:
                self.value(LONGEST_AROUND)
            if self.expect(b",}") == 0x7D:
                return

    def _leads(self, here: tuple[str, ...]) -> bool:
        return any(one[: len(here)] == here for one in (self.path, *self.around))

    def _value(self, name: str) -> None:
        value, reason = self.value(LONGEST_AROUND)
        if name in self.found and self.found[name] != value:
            raise self.wrong(f"{name!r} stands twice and says two things")
        if reason := reason or unreadable(value):
            raise self.wrong(f"{name!r}: {reason}")
        self.found[name] = value

    def _list(self) -> Iterator[tuple[bytes, str]]:
        if self.listed:
            raise self.wrong(f"{'.'.join(self.path)!r} stands twice")
        if self.next() == 0x5B:
            self.listed = True
            if self.values:
                self.value(LONGEST_AROUND)
            else:
                yield from self._members()
        elif self.next() == 0x7B:  # one record, from a writer that makes no list of one
            self.listed = True
            yield self.value(MOST_BYTES)
        else:
            self.value(LONGEST_AROUND)

    def _members(self) -> Iterator[tuple[bytes, str]]:
        self.expect(b"[")
        if self.next() == 0x5D:
            self.at += 1
            return
        while True:
            yield self.value(MOST_BYTES)
            if self.expect(b",]") == 0x5D:
                return


def _utf8(text: str) -> bytes:
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")


def _text(name: bytes, scanner: _Scanner) -> str:
    try:
        return str(msgspec.json.decode(name, type=str))
    except ValueError:
        raise scanner.wrong("a name in quotation marks was expected") from None


def _named(byte: int) -> str:
    return "the end" if byte < 0 else repr(chr(byte)) if byte < 0x80 else f"byte {byte:#04x}"
