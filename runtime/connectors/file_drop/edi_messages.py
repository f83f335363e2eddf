"""Messages of EDI files, one record each: EDIFACT and X12, with their envelopes checked. What an envelope says and its
messages do not is said; a file that ends within one is cut off."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec

from kernel.errors import Invalid
from runtime.connectors.charsets import is_charset, misread
from runtime.connectors.drop import ClaimedFile, Unreadable
from runtime.connectors.file_drop import edi_loops
from runtime.connectors.file_drop.edi_loops import DOCUMENT, EdiLoop, NotNested, message_object, nested_levels
from runtime.connectors.file_drop.edi_segments import EdiSegment, EdiText, edifact_signs, edifact_text, x12_signs
from runtime.connectors.file_drop.numbers import whole_number
from runtime.connectors.rawjson import Beginning, odd_escape

MOST_SEGMENTS = 200_000  # of one message
MOST_TEXT = 16 * 1024 * 1024
SHOWN = 200_000
Numbered = tuple[int, bytes, str]


class EdiLayout(msgspec.Struct, frozen=True):
    """charset   of the file, where it is not the one that its UNB says (EDIFACT) or that of the dialect (X12)
    types     the messages that are wanted, such as [ORDERS] or ["850"]; others are passed over. Without it all are read
    loops     of messages by their types, in place of those that are known here
    split     a loop whose repetitions are records of their own, each with the rest of its message: `lines`, or
              `groups.lines` for one within another
    """

    charset: str = ""
    types: list[str] = []
    loops: dict[str, list[EdiLoop]] = {}
    split: str = ""

    def verify(self) -> None:
        found = [said for name, loops in self.loops.items() for said in edi_loops.wrong_loops(loops, name)]
        if self.charset and not is_charset(self.charset):
            found.append(f"there is no charset {self.charset!r}")
        if found:
            raise Invalid("connection.settings", f"'edi' cannot be used: {found[0]}.")

    def loops_of(self, kind: str) -> list[EdiLoop]:
        return self.loops.get(kind, edi_loops.LOOPS.get(kind, []))


@dataclass
class _Envelope:
    """An interchange or a group: what it says of itself, and what was counted in it."""

    header: EdiSegment
    about: dict[str, Any]
    reference: str
    messages: int = 0
    groups: int = 0


@dataclass
class _Message:
    header: EdiSegment
    segments: list[EdiSegment] = field(default_factory=list)
    count: int = 1
    size: int = 0
    trouble: str = ""
    beginning: str = ""  # of one that is too large

    def add(self, segment: EdiSegment) -> None:
        self.count += 1
        self.size += len(segment.raw)
        if self.count > MOST_SEGMENTS or self.size > MOST_TEXT:
            self.beginning = self.beginning or _raw(self)[:SHOWN]
            self.trouble = Beginning(f"it has more than {MOST_SEGMENTS} segments or {MOST_TEXT} characters")
            self.segments.clear()
        else:
            self.segments.append(segment)


@dataclass(frozen=True)
class _Tags:
    """The service segments of a standard: of the interchange, of a group, of a message."""

    begins: str
    ends: str
    group: str
    group_ends: str
    message: str
    message_ends: str


_EDIFACT = _Tags("UNB", "UNZ", "UNG", "UNE", "UNH", "UNT")
_X12 = _Tags("ISA", "IEA", "GS", "GE", "ST", "SE")


class EdiMessages:
    """Reads the messages of one file. Raises Unreadable where no further one can be found."""

    def __init__(self, layout: EdiLayout, encoding: str, *, x12: bool) -> None:
        self.layout, self.encoding, self.x12 = layout, encoding, x12
        self.tags = _X12 if x12 else _EDIFACT
        self.number = 0
        self.interchange: _Envelope | None = None
        self.group: _Envelope | None = None
        self.message: _Message | None = None
        self.codec = ""

    def read(self, claimed: ClaimedFile) -> Iterator[Numbered]:
        """(number, the message as JSON, why it cannot be read: empty where it can)."""
        with claimed.open() as file:
            if self.x12:
                text = EdiText(file, self.layout.charset or self.encoding)
            else:
                text = edifact_text(file, self.encoding, self.layout.charset)
            self.codec = text.codec
            begins, found = x12_signs if self.x12 else edifact_signs, False
            while begins(text):
                found = True
                while (segment := text.next()) is not None:
                    yield from self._take(segment, text)
                    if segment.tag == self.tags.ends:
                        break
                if self.interchange is not None:
                    yield from self._unfinished("the file ends within it")
                    said = f"the interchange {self.interchange.reference} has no {self.tags.ends}"
                    raise Unreadable(f"{said}: the file may be cut off")
            if not found:
                raise Unreadable("it is empty")

    def _take(self, segment: EdiSegment, text: EdiText) -> Iterator[Numbered]:
        tags = self.tags
        if segment.tag == tags.begins:
            if self.interchange is not None:
                raise Unreadable(f"segment {segment.number}: {tags.begins} stands within an interchange")
            self._interchange(segment)
        elif segment.tag == tags.message:
            yield from self._unfinished(f"another {tags.message} begins before its end")
            self.message = _Message(segment)
        elif segment.tag == tags.message_ends:
            yield from self._end(segment)
        elif segment.tag == tags.group:
            yield from self._unfinished(f"another {tags.group} begins before its end")
            yield from self._group_open(segment)
            self._begin_group(segment)
        elif segment.tag in (tags.group_ends, tags.ends):
            yield from self._unfinished(f"{segment.tag} stands before its end")
            yield from self._close(segment)
        elif self.message is not None:
            self.message.add(segment)
        else:
            yield self._said(segment.raw, f"segment {segment.number}: {segment.tag} stands outside of a message")

    def _said(self, raw: str, reason: str) -> Numbered:
        self.number += 1
        reason = Beginning(reason) if len(raw) > SHOWN else reason
        return self.number, raw[:SHOWN].encode("utf-8", "replace"), reason

    # -- envelopes -----------------------------------------------------------------------------------------------------
    def _legible(self, header: EdiSegment) -> None:
        if reason := misread(header.raw, self.codec):
            raise Unreadable(f"{header.tag}: {reason} ('charset' of 'edi')")

    def _interchange(self, header: EdiSegment) -> None:
        self._legible(header)
        if self.x12:
            about = _named(header, "sender 6, recipient 8, date 9, time 10, version 12, reference 13")
            about |= {"senderQualifier": header.at(5).strip(), "recipientQualifier": header.at(7).strip()}
            about["test"] = header.at(15) == "T"
        else:
            about = _named(header, "sender 2, recipient 3, date 4, reference 5, application 7")
            about |= {
                "senderQualifier": header.at(2, 2),
                "recipientQualifier": header.at(3, 2),
                "time": header.at(4, 2),
            }
            about["test"] = header.at(11) == "1"
        self.interchange = _Envelope(header, about, about["reference"])
        self.group = None

    def _begin_group(self, header: EdiSegment) -> None:
        self._legible(header)
        if self.interchange is not None:
            self.interchange.groups += 1
        if self.x12:
            about = _named(header, "function 1, sender 2, recipient 3, date 4, time 5, reference 6, version 8")
        else:
            about = _named(header, "function 1, sender 2, recipient 3, date 4, reference 5")
        self.group = _Envelope(header, about, about["reference"])

    def _group_open(self, segment: EdiSegment) -> Iterator[Numbered]:
        """A group that has not ended where another one begins, or the interchange ends."""
        if (group := self.group) is not None:
            self.group = None
            said = f"{self.tags.group} {group.reference} has no {self.tags.group_ends} before {segment.tag}"
            yield self._said(group.header.raw, f"{said}, so nothing says how many messages it has")

    def _close(self, segment: EdiSegment) -> Iterator[Numbered]:
        """The end of a group or of the interchange: what it counts, and the reference that it repeats."""
        whole = segment.tag == self.tags.ends
        if whole:
            yield from self._group_open(segment)
        envelope = self.interchange if whole else self.group
        if envelope is None:
            yield self._said(segment.raw, f"segment {segment.number}: {segment.tag} ends what has not begun")
            return
        counted, what = envelope.messages, "messages"
        if whole and (self.x12 or envelope.groups):
            counted, what = envelope.groups, "groups"
        if whole_number(segment.at(1)) != counted:
            yield self._said(
                segment.raw, f"{segment.tag} says {segment.at(1) or 'nothing'}, and there are {counted} {what}"
            )
        if segment.at(2).strip() != envelope.reference:
            begun = f"{envelope.header.tag} {envelope.reference}"
            yield self._said(segment.raw, f"{segment.tag} ends {segment.at(2) or 'nothing'}, and {begun} is open")
        if whole:
            self.interchange = None
        self.group = None

    # -- messages ------------------------------------------------------------------------------------------------------
    def _unfinished(self, why: str) -> Iterator[Numbered]:
        """A message without its end."""
        if (message := self.message) is None:
            return
        self.message = None
        for envelope in (self.interchange, self.group):
            if envelope is not None:
                envelope.messages += 1
        yield self._said(_raw(message), f"it has no {self.tags.message_ends}: {why}")

    def _end(self, segment: EdiSegment) -> Iterator[Numbered]:
        if (message := self.message) is None:
            yield self._said(segment.raw, f"segment {segment.number}: {segment.tag} ends what has not begun")
            return
        self.message = None
        for envelope in (self.interchange, self.group):
            if envelope is not None:
                envelope.messages += 1
        kind = message.header.at(1) if self.x12 else message.header.at(2)
        if self.layout.types and kind not in self.layout.types:
            return
        reference = message.header.at(2) if self.x12 else message.header.at(1)
        trouble, count = message.trouble, message.count + 1
        if whole_number(segment.at(1)) != count:
            trouble = trouble or f"{segment.tag} says {segment.at(1) or 'nothing'}, and it has {count} segments"
        if segment.at(2).strip() != reference.strip():
            trouble = trouble or f"{segment.tag} ends {segment.at(2) or 'nothing'}, and it is {reference}"
        trouble = trouble or misread(_raw(message), self.codec)
        if trouble:
            yield self._said(_raw(message), trouble)
            return
        try:
            yield from self._made(message, kind)
        except NotNested as error:
            yield self._said(_raw(message), str(error))

    def _made(self, message: _Message, kind: str) -> Iterator[Numbered]:
        about = self._about(message, kind)
        body = message_object(message.segments, self.layout.loops_of(kind))
        if kind == "856" and "levels" in body and "856" not in self.layout.loops:
            body["levels"] = nested_levels(body["levels"])
        head: dict[str, Any] = {"interchange": self.interchange.about if self.interchange else {}}
        if self.group is not None:
            head["group"] = self.group.about
        for record in self._split({**head, "message": about, **body}):
            payload = msgspec.json.encode(record)
            self.number += 1
            yield self.number, payload, odd_escape(payload)

    def _split(self, record: dict[str, Any]) -> Iterator[dict[str, Any]]:
        if not (path := self.layout.split):
            yield record
            return
        outer, _, inner = path.partition(".")
        found = 0
        for each in record.get(outer, ()):
            narrowed = {**record, outer: each}
            for one in each.get(inner, ()) if inner else (each,):
                found += 1
                rest = {name: value for name, value in each.items() if name != inner}
                yield {**narrowed, outer: rest, inner: one} if inner else narrowed
        if not found:
            raise NotNested(f"it has no {path}")

    def _about(self, message: _Message, kind: str) -> dict[str, Any]:
        header = message.header
        if self.x12:
            tag, place = DOCUMENT.get(kind, ("", 0))
            about = {"type": kind, "reference": header.at(2).strip()}
        else:
            tag, place = "BGM", 2
            about = {"type": kind, "reference": header.at(1), "version": header.at(2, 2), "release": header.at(2, 3)}
            about |= {"agency": header.at(2, 4), "association": header.at(2, 5)}
        document = next((one.at(place) for one in message.segments if one.tag == tag), "")
        return {name: text for name, text in {**about, "document": document}.items() if text}


def _raw(message: _Message) -> str:
    if message.beginning:
        return message.beginning
    return "\n".join([message.header.raw, *(one.raw for one in message.segments)])


def _named(segment: EdiSegment, places: str) -> dict[str, Any]:
    pairs = [one.split() for one in places.split(", ")]
    return {name: segment.at(int(place)).strip() for name, place in pairs}
