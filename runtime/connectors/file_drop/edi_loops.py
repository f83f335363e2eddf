"""Segments of a message as an object: by their tags, and in loops (an order's lines, a shipment's packages). Elements
are named as people of EDI name them: `BGM02`, the second component of `DTM01` is `DTM01_2`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from runtime.connectors.file_drop.edi_segments import EdiSegment


class EdiLoop(msgspec.Struct, frozen=True):
    """name     of the list in which the repetitions of this loop stand
    begins   tag of the segment that begins one
    until    tags that end it: everything else belongs to it. Its own beginning always ends it
    holds    the only tags that belong to it; everything else ends it. One of `until` and `holds` is given
    loops    within it
    always   whether its list is there where nothing stands in it
    """

    name: str
    begins: str
    until: list[str] = []
    holds: list[str] = []
    loops: list[EdiLoop] = []
    always: bool = True

    def takes(self, tag: str) -> bool:
        if tag == self.begins:
            return False
        if self.holds:
            return tag in self.holds or any(one.begins == tag or one.takes(tag) for one in self.loops)
        return tag not in self.until


def wrong_loops(loops: Sequence[EdiLoop], where: str) -> Iterator[str]:
    """What cannot work, in words."""
    names = [one.name for one in loops] + [one.begins for one in loops]
    if len(set(names)) != len(names):
        yield f"two loops of {where} have the same name or begin with the same segment"
    for one in loops:
        if not one.name or not one.begins or any(mark in one.name for mark in '."\\`') or one.name.isupper():
            said = "names are not in capitals, as tags are"
            yield f"a loop of {where} has the name {one.name!r} and begins with {one.begins!r}: {said}"
        if bool(one.until) == bool(one.holds):
            yield f"the loop {one.name} of {where} needs one of 'until' and 'holds'"
        yield from wrong_loops(one.loops, f"{where}, {one.name}")


_PARTY = EdiLoop("parties", "NAD", holds=["LOC", "FII", "RFF", "DTM", "DOC", "CTA", "COM"])
_TAX = EdiLoop("taxes", "TAX", holds=["MOA", "LOC"])
_CHARGE = EdiLoop("allowances", "ALC", holds=["ALI", "QTY", "RNG", "PCD", "MOA", "RTE", "TAX", "DTM"])
_SUMMARY = EdiLoop("summary", "UNS", until=["UNT"], loops=[_TAX, _CHARGE])
_END = ["UNS", "CNT"]
_PACK = EdiLoop("packs", "PAC", holds=["MEA", "QTY", "HAN", "PCI", "RFF", "DTM", "GIR", "GIN", "DLM"])
_N1 = EdiLoop("parties", "N1", holds=["N2", "N3", "N4", "REF", "PER", "FOB", "TD5"])

# What of a message is known here. Everything else, and other messages, are read by their tags alone.
LOOPS: dict[str, list[EdiLoop]] = {
    "ORDERS": [_PARTY, EdiLoop("lines", "LIN", until=_END, loops=[_PARTY, _TAX, _CHARGE]), _SUMMARY],
    "DESADV": [
        _PARTY,
        EdiLoop(
            "packages",
            "CPS",
            until=["CNT"],
            loops=[_PACK, EdiLoop("lines", "LIN", until=["CPS", "CNT"], loops=[_PARTY])],
        ),
        EdiLoop("lines", "LIN", until=["CPS", "CNT"], loops=[_PARTY], always=False),  # without packages
    ],
    "INVOIC": [_PARTY, _TAX, _CHARGE, EdiLoop("lines", "LIN", until=_END, loops=[_PARTY, _TAX, _CHARGE]), _SUMMARY],
    "INVRPT": [_PARTY, EdiLoop("lines", "LIN", until=_END, loops=[_PARTY]), _SUMMARY],
    "PRICAT": [
        _PARTY,
        EdiLoop(
            "groups",
            "PGI",
            until=_END,
            loops=[EdiLoop("lines", "LIN", until=["PGI", *_END], loops=[_PARTY, _TAX, _CHARGE])],
        ),
        # of a list without groups
        EdiLoop("lines", "LIN", until=["PGI", *_END], loops=[_PARTY, _TAX, _CHARGE], always=False),
        _SUMMARY,
    ],
    "850": [_N1, EdiLoop("lines", "PO1", until=["CTT"], loops=[_N1])],
    "856": [EdiLoop("levels", "HL", until=["CTT"], loops=[_N1])],
    "810": [_N1, EdiLoop("lines", "IT1", until=["TDS"], loops=[_N1]), EdiLoop("summary", "TDS", until=["SE"])],
    "846": [_N1, EdiLoop("lines", "LIN", until=["CTT"], loops=[_N1])],
    "832": [_N1, EdiLoop("lines", "LIN", until=["CTT"], loops=[_N1])],
}
MOST_LEVELS = 30  # of a shipment; each is two levels of the record, which has at most 64
ONCE = frozenset({"BGM", "BEG", "BSN", "BIG", "BIA", "BCT", "CTT"})  # once in a message, by the standards
DOCUMENT = {"850": ("BEG", 3), "856": ("BSN", 2), "810": ("BIG", 2), "846": ("BIA", 3), "832": ("BCT", 2)}


class NotNested(Exception):
    """Levels of a shipment that name what is not there."""


def as_object(segment: EdiSegment, number: int) -> dict[str, Any]:
    """The elements that have a text, by name; `n` is the segment's place in its message."""
    made: dict[str, Any] = {"n": number}
    for at, repeats in enumerate(segment.elements, 1):
        name = f"{segment.tag}{at:02}"
        for place, text in enumerate(repeats[0], 1):
            if text:
                made[name if place == 1 else f"{name}_{place}"] = text
        if len(repeats) > 1:
            made[f"{name}_more"] = [
                {f"c{place}": text for place, text in enumerate(one, 1) if text} for one in repeats[1:]
            ]
    return made


def message_object(segments: Sequence[EdiSegment], loops: Sequence[EdiLoop]) -> dict[str, Any]:
    """A message without its first and last segment."""
    root: dict[str, Any] = {one.name: [] for one in loops if one.always}
    open_: list[tuple[EdiLoop | None, Sequence[EdiLoop], dict[str, Any]]] = [(None, loops, root)]
    for number, segment in enumerate(segments, 2):
        while len(open_) > 1 and (held := open_[-1][0]) is not None and not held.takes(segment.tag):
            open_.pop()
        made = as_object(segment, number)
        begun = next((one for one in open_[-1][1] if one.begins == segment.tag), None)
        if begun is not None:
            inner: dict[str, Any] = {segment.tag: made, **{one.name: [] for one in begun.loops if one.always}}
            open_[-1][2].setdefault(begun.name, []).append(inner)
            open_.append((begun, begun.loops, inner))
        elif segment.tag in ONCE and segment.tag not in open_[-1][2]:
            open_[-1][2][segment.tag] = made
        elif segment.tag in ONCE:
            raise NotNested(f"{segment.tag} stands twice, at segment {number}")
        else:
            open_[-1][2].setdefault(segment.tag, []).append(made)
    return root


def nested_levels(levels: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Levels of a shipment (HL) below those that they name. Raises NotNested, for more than MOST_LEVELS, too."""
    known: dict[str, dict[str, Any]] = {}
    depths: dict[str, int] = {"": 0}
    top = list[dict[str, Any]]()
    for level in levels:
        segment = level["HL"]
        name, above = segment.get("HL01", ""), segment.get("HL02", "")
        if not name or name in known:
            raise NotNested(f"the level {name or 'without a number'} stands twice, at segment {segment['n']}")
        if above and above not in known:
            raise NotNested(f"level {name} stands below level {above}, which is not before it")
        depths[name] = depths[above] + 1
        if depths[name] > MOST_LEVELS:
            raise NotNested(f"level {name} is nested deeper than {MOST_LEVELS} levels, at segment {segment['n']}")
        level["levels"] = []
        known[name] = level
        (known[above]["levels"] if above else top).append(level)
    return top
