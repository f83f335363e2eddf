"""Source and target paths: `header.store`, `lines[0].sku`, `texts[Language='EN'].value`, `$.currency`, `.`.

A bare name is letters, digits and `_ @ : -`; any other name stands in backticks. Inside `each`, a path starts at the
item; `$.` starts at the document; `.` alone is the item itself.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

_NAME = re.compile(r"[A-Za-z_@][A-Za-z0-9_@:-]*|[0-9]+[A-Za-z_][A-Za-z0-9_@:-]*")
_QUOTED = re.compile(r"`([^`]+)`")
_INDEX = re.compile(r"\[(\d{1,4})\]")
_MATCH = re.compile(r"\[(?:([A-Za-z_@][A-Za-z0-9_@:-]*)|`([^`]+)`)\s*=\s*'((?:[^']|'')*)'\]")
_BARE = re.compile(r"[A-Za-z_@][A-Za-z0-9_@:-]*\Z")
MAX_SEGMENTS = 16


class MappingPathError(ValueError):
    """The text is not a path; the message says at which character."""


@dataclass(frozen=True, slots=True)
class Index:
    """`[2]`: the third element, or unknown when the list is shorter."""

    position: int


@dataclass(frozen=True, slots=True)
class PathMatch:
    """`[Language='EN']`: the one element whose text member equals the literal; several are refused, none is unknown."""

    key: str
    literal: str


Segment = str | Index | PathMatch


@dataclass(frozen=True, slots=True)
class Path:
    """`root` says that the path starts at the document although it is used inside `each`."""

    segments: tuple[Segment, ...]
    root: bool = False

    def __str__(self) -> str:
        body = show(self.segments)
        if self.root:
            return f"$.{body}" if body else "$"
        return body or "."


def show(segments: tuple[Segment, ...]) -> str:
    out = ""
    for segment in segments:
        if isinstance(segment, str):
            name = segment if _BARE.match(segment) else f"`{segment}`"
            out += f".{name}" if out else name
        elif isinstance(segment, Index):
            out += f"[{segment.position}]"
        else:
            key = segment.key if _BARE.match(segment.key) else f"`{segment.key}`"
            literal = segment.literal.replace("'", "''")
            out += f"[{key}='{literal}']"
    return out


def parse_path(text: str) -> Path:
    """Reads a whole text as a path. Raises PathError."""
    path, end = scan_path(text, 0)
    if end != len(text):
        raise MappingPathError(f"unexpected {text[end]!r} at character {end + 1} of {text!r}")
    return path


def scan_path(text: str, start: int, *, name: re.Pattern[str] = _NAME) -> tuple[Path, int]:
    """Reads the longest path at `start`; gives it and the position after it. Raises PathError."""
    if text[start : start + 1] == ".":
        return Path(()), start + 1
    at, root, segments = start, False, list[Segment]()
    if text[at : at + 1] == "$":
        root, at = True, at + 1
        if text[at : at + 1] != ".":
            return Path((), root=True), at
        at += 1
    while True:
        found = name.match(text, at) or _QUOTED.match(text, at)
        if not found:
            raise MappingPathError(f"a name is expected at character {at + 1} of {text!r}")
        segments.append(found.group(1) if found.re is _QUOTED else found.group())
        at = found.end()
        while step := _INDEX.match(text, at) or _MATCH.match(text, at):
            if step.re is _INDEX:
                segments.append(Index(int(step.group(1))))
            else:
                segments.append(PathMatch(step.group(1) or step.group(2), step.group(3).replace("''", "'")))
            at = step.end()
        if len(segments) > MAX_SEGMENTS:
            raise MappingPathError(f"more than {MAX_SEGMENTS} steps")
        if text[at : at + 1] != ".":
            return Path(tuple(segments), root), at
        at += 1


def parse_target(text: str) -> tuple[str, ...]:
    """A target is names only: lists are built by `each`. `.` is the list element itself and gives an empty tuple."""
    if text == ".":
        return ()
    path = parse_path(text)
    if path.root or not all(isinstance(s, str) for s in path.segments):
        raise MappingPathError(f"a target is names joined by dots, not {text!r}; lists are built by 'each'")
    return tuple(str(s) for s in path.segments)


class WalkError(Exception):
    """A path leads through something that is not an object or a list; `at` is the path up to there."""

    def __init__(self, at: str, reason: str, value: Any) -> None:
        super().__init__(reason)
        self.at, self.reason, self.value = at, reason, value


def walk(segments: tuple[Segment, ...], start: Any) -> Any:
    """The value at a path, None when it is missing or null. The slow, explaining way. Raises WalkError."""
    value = start
    for n, segment in enumerate(segments):
        if value is None:
            return None
        here = show(segments[:n]) or "the document"
        if isinstance(segment, str):
            if not isinstance(value, dict):
                raise WalkError(here, f"{here} is not an object", value)
            value = value.get(segment)
        elif not isinstance(value, list):
            raise WalkError(here, f"{here} is not a list", value)
        elif isinstance(segment, Index):
            value = value[segment.position] if segment.position < len(value) else None
        else:
            hits = [v for v in value if isinstance(v, dict) and v.get(segment.key) == segment.literal]
            if len(hits) > 1:
                raise WalkError(here, f"{len(hits)} elements of {here} have {segment.key} {segment.literal!r}", value)
            value = hits[0] if hits else None
    return value
