"""Segments of EDI files, EDIFACT (ISO 9735) and ASC X12, piece by piece: their separators, release characters,
charsets."""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from runtime.connectors.charsets import by_mark, errors_of
from runtime.connectors.drop import Unreadable

CHUNK = 64 * 1024
LONGEST = 1_000_000  # characters of a segment
_BLANKS = " \t\r\n\0\x1a\ufeff"
_TAG = re.compile("[A-Z][A-Z0-9]{1,2}")
# ISO 9735, code list 0001. Levels A and B are ASCII: what is more than that is read by the dialect's encoding.
_CHARSETS = {
    "UNOC": "iso-8859-1",
    "UNOD": "iso-8859-2",
    "UNOE": "iso-8859-5",
    "UNOF": "iso-8859-7",
    "UNOG": "iso-8859-3",
    "UNOH": "iso-8859-4",
    "UNOI": "iso-8859-6",
    "UNOJ": "iso-8859-8",
    "UNOK": "iso-8859-9",
    "UNOL": "iso-8859-15",
    "UNOW": "utf-8",
    "UNOY": "utf-8",
}
_ISA = 106  # characters of an ISA segment with its terminator (X12.5)


@dataclass(frozen=True, slots=True)
class EdiSigns:
    """What stands between segments, elements, components and repetitions, and takes their meaning away (release);
    empty where there is none."""

    segment: str = "'"
    element: str = "+"
    component: str = ":"
    release: str = "?"
    repetition: str = ""


@dataclass(slots=True)
class EdiSegment:
    """`elements`: of each its repetitions, of each its components. `number`: its place in the file, from 1."""

    tag: str
    elements: list[list[list[str]]] = field(default_factory=list)
    number: int = 0
    raw: str = ""

    def at(self, element: int, component: int = 1) -> str:
        """The text at a place, counted from 1; empty where there is none."""
        if element > len(self.elements):
            return ""
        parts = self.elements[element - 1][0]
        return parts[component - 1] if component <= len(parts) else ""


class EdiText:
    """The text of a file, in which segments are found one after the other."""

    def __init__(self, file: io.BufferedReader, codec: str) -> None:
        self.file, self.codec = file, codec
        self.decoder: Any = codecs.getincrementaldecoder(codec)(errors_of(codec))
        self.text, self.at, self.ended, self.number = "", 0, False, 0
        self.signs = EdiSigns()
        self.segment = _pattern(self.signs)

    def more(self) -> bool:
        if self.ended:
            return False
        chunk = self.file.read(CHUNK)
        self.ended = not chunk
        self.text, self.at = self.text[self.at :] + self.decoder.decode(chunk, final=self.ended), 0
        return True

    def head(self, length: int) -> str:
        """What stands next, behind blanks and line ends, without passing it; empty at the end."""
        while True:
            rest = self.text[self.at : self.at + 4096]
            blank = len(rest) - len(rest.lstrip(_BLANKS))
            self.at += blank
            if len(self.text) - self.at >= length or (not blank and not self.more()):
                return self.text[self.at : self.at + length]

    def use(self, signs: EdiSigns) -> None:
        self.signs, self.segment = signs, _pattern(signs)

    def next(self) -> EdiSegment | None:
        """The next segment; None at the end. Raises Unreadable for one without an end, and for what is none."""
        if not self.head(1):
            return None
        while not (found := self.segment.match(self.text, self.at)):
            if len(self.text) - self.at > LONGEST:
                raise Unreadable(f"segment {self.number + 1} has no end within {LONGEST} characters")
            if not self.more():
                shown = self.text[self.at : self.at + 40]
                raise Unreadable(f"segment {self.number + 1} ({shown!r}) has no end: the file may be cut off")
        raw = found[0][: -len(self.signs.segment)]
        if not self.signs.release:
            raw = raw.rstrip(" ")  # blanks at the end of an element of X12 mean nothing
        self.at, self.number = found.end(), self.number + 1
        made = _split(raw, self.signs)
        made.number, made.raw = self.number, raw
        if not _TAG.fullmatch(made.tag):
            raise Unreadable(f"segment {self.number} begins with {raw[:20]!r}, which is no name of a segment")
        return made


def edifact_text(file: io.BufferedReader, encoding: str, charset: str) -> EdiText:
    """A file whose charset is `charset`, else what its UNB says, else `encoding`."""
    head = file.peek(1024)[:1024].decode("latin-1")
    said = re.search(r"UNB[^A-Z](UNO[A-Z])", head)
    codec = charset or by_mark(file.peek(4)[:4], _CHARSETS.get(said[1], encoding) if said else encoding)
    return EdiText(file, codec)


def edifact_signs(text: EdiText) -> bool:
    """Passes a UNA and takes its separators, or those that UNB shows. False at the end. Raises Unreadable where neither
    stands here."""
    head = text.head(3)
    if not head:
        return False
    if head == "UNA":
        una = text.head(9)
        component, element, release, repetition, segment = (una[at : at + 1] for at in (3, 4, 6, 7, 8))
        if len(una) < 9 or len({component, element, segment}) < 3 or segment.isalnum():
            raise Unreadable(f"its UNA is {una!r}, which names no separators")
        text.at += 9
        text.use(EdiSigns(segment, element, component, release.strip(), repetition.strip()))
        head = text.head(3)
    elif text.head(4)[3:] == "\x1d":  # level B without UNA (ISO 9735 version 3, 5.1)
        text.use(EdiSigns("\x1c", "\x1d", "\x1f", ""))
    else:
        text.use(EdiSigns())
    if head != "UNB":
        raise Unreadable(f"{text.head(20)!r} stands where an interchange begins, which is with UNA or UNB")
    if text.head(20)[4:].partition(text.signs.element)[0].partition(text.signs.component)[2][:1] == "4":
        signs = text.signs
        text.use(EdiSigns(signs.segment, signs.element, signs.component, signs.release, signs.repetition or "*"))
    elif text.signs.repetition:  # reserved before version 4 of the syntax
        signs = text.signs
        text.use(EdiSigns(signs.segment, signs.element, signs.component, signs.release))
    return True


def x12_signs(text: EdiText) -> bool:
    """Takes the separators that the ISA segment shows by its fixed width. False at the end."""
    head = text.head(_ISA + 4)
    if not head:
        return False
    if head[:3] != "ISA" or len(head) < _ISA:
        raise Unreadable(f"{head[:20]!r} stands where an interchange begins, which is with an ISA of {_ISA} characters")
    element, component, segment = head[3], head[104], head[105]
    if segment == " ":  # blanks before the terminator are none
        segment = head[105:].lstrip(" ")[:1]
    fields = head[:104].split(element)
    if len(fields) != 17 or element.isalnum() or component.isalnum() or not segment or segment.isalnum():
        raise Unreadable(
            "its ISA shows no separators: 16 elements of fixed width end at character 105, a terminator behind"
        )
    if segment == "\r" and head[106:107] == "\n":
        segment = "\r\n"
    repetition = fields[11] if fields[12] >= "00402" and len(fields[11]) == 1 and not fields[11].isalnum() else ""
    text.use(EdiSigns(segment, element, component, "", repetition))
    return True


def _pattern(signs: EdiSigns) -> re.Pattern[str]:
    end = re.escape(signs.segment)
    if not signs.release:
        return re.compile(f".*?{end}", re.DOTALL)
    free, release = re.escape(signs.segment + signs.release), re.escape(signs.release)
    return re.compile(f"(?:[^{free}]++|{release}.)*+{end}", re.DOTALL)


def _split(raw: str, signs: EdiSigns) -> EdiSegment:
    parts = list(_parts(raw, signs.element, signs.release))
    tag = parts[0].strip().partition(signs.component)[0]  # a tag may have its nesting behind it
    elements = [
        [
            [_plain(one, signs.release) for one in _parts(each, signs.component, signs.release)]
            for each in (_parts(part, signs.repetition, signs.release) if signs.repetition else [part])
        ]
        for part in parts[1:]
    ]
    return EdiSegment(tag, elements)


def _parts(text: str, sign: str, release: str) -> Iterator[str]:
    if not release or release not in text:
        yield from text.split(sign)
        return
    begin = at = 0
    while at < len(text):
        if text[at] == release:
            at += 2
        elif text[at] == sign:
            yield text[begin:at]
            begin = at = at + 1
        else:
            at += 1
    yield text[begin:]


def _plain(text: str, release: str) -> str:
    if not release or release not in text:
        return text
    return re.sub(f"{re.escape(release)}(.)", r"\1", text, flags=re.DOTALL)
