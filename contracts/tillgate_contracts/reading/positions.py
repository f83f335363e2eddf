"""Where each value stands in the original text: a tree of line numbers, built when the first line is asked for."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tillgate_contracts.reading.pointers import escape, split

if TYPE_CHECKING:
    import yaml

# Possessive and with an optional end quote: an unterminated string is one token, never a reason to start again.
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*+"?|[{}\[\],]|\n|[^\s{}\[\],:"]+', re.DOTALL)
_MAX_NODES = 4_000_000


@dataclass(slots=True)
class TextPosition:
    """The line of one value (1-based) and the places below it."""

    line: int
    below: dict[str, TextPosition] | None = None

    def child(self, token: str, line: int) -> TextPosition:
        if self.below is None:
            self.below = {}
        place = TextPosition(line)
        self.below[token] = place
        return place


@dataclass(slots=True)
class LineIndex:
    """Lines by pointer. `duplicate` is the first key found twice: (pointer, line, line of the first)."""

    root: TextPosition
    duplicate: tuple[str, int, int] | None = None
    _cache: dict[str, int] = field(default_factory=dict)

    def line(self, pointer: str) -> int:
        """The line of the value at the pointer, or of its nearest ancestor that exists."""
        known = self._cache.get(pointer)
        if known is not None:
            return known
        place = self.root
        for token in split(pointer):
            below = place.below
            if below is None or token not in below:
                break
            place = below[token]
        self._cache[pointer] = place.line
        return place.line


def json_index(text: str) -> LineIndex:
    """Lines of every value of well-formed JSON (a key's value carries the line of the key). Tolerates broken text."""
    return _JsonLines().read(text)


class _JsonLines:
    """The state of one pass over the tokens of a JSON text."""

    def __init__(self) -> None:
        self.line = 1
        self.root = TextPosition(1)
        self.index = LineIndex(self.root)
        #: One entry per open container: [place, next array position or None for an object]
        self.stack: list[list[Any]] = []
        self.path: list[str] = []
        self.key: str | None = None
        self.key_line = 1

    def read(self, text: str) -> LineIndex:
        for match in _TOKEN.finditer(text):
            token = match.group()
            first = token[0]
            if first == "\n":
                self.line += 1
            elif first == '"' and self.stack and self.stack[-1][1] is None and self.key is None:
                self.key, self.key_line = _unquote(token), self.line
            elif first in "{[":
                self._open(first)
            elif first in "}]":
                self._close()
            elif first != ",":
                self._place_value()
        return self.index

    def _open(self, bracket: str) -> None:
        place, name = self._place_value()
        if self.stack:
            self.path.append(name)
        self.stack.append([place, 0 if bracket == "[" else None])

    def _close(self) -> None:
        if self.stack:
            self.stack.pop()
            if self.path:
                self.path.pop()
        self.key = None

    def _place_value(self) -> tuple[TextPosition, str]:
        """The position of the value that starts here, and its key or index."""
        if not self.stack:
            self.root.line = self.line
            return self.root, ""
        frame = self.stack[-1]
        parent: TextPosition = frame[0]
        if frame[1] is not None:
            token = str(frame[1])
            frame[1] += 1
            return parent.child(token, self.line), token
        token = self.key if self.key is not None else ""
        self.key = None
        if parent.below is not None and token in parent.below and self.index.duplicate is None:
            pointer = "".join("/" + escape(step) for step in [*self.path, token])
            self.index.duplicate = (pointer, self.key_line, parent.below[token].line)
        return parent.child(token, self.key_line), token


def _unquote(token: str) -> str:
    body = token[1:-1]
    if "\\" not in body:
        return body
    try:
        return str(json.loads(token, strict=False))
    except ValueError:
        return body


def event_line(event: yaml.Event) -> int:
    """The line (1-based) that a parser event starts at."""
    mark = event.start_mark
    return mark.line + 1 if mark is not None else 1


def yaml_index(text: str) -> LineIndex:
    """Lines of every value of well-formed YAML. A value behind an alias has the line of the alias."""
    import yaml

    root = TextPosition(1)
    index = LineIndex(root)
    stack: list[list[object]] = []  # [place, next position or None, waiting key, line of the key]

    def place_value(line: int) -> TextPosition:
        if not stack:
            root.line = line
            return root
        frame = stack[-1]
        parent = frame[0]
        assert isinstance(parent, TextPosition)
        if isinstance(frame[1], int):
            token, at = str(frame[1]), line
            frame[1] += 1
        else:
            token, at = str(frame[2]), int(str(frame[3]))
            frame[2] = None
        return parent.child(token, at)

    for count, event in enumerate(yaml.parse(text, Loader=yaml.CSafeLoader)):
        if isinstance(event, yaml.ScalarEvent | yaml.AliasEvent):
            line = event_line(event)
            if stack and stack[-1][1] is None and stack[-1][2] is None:
                stack[-1][2] = event.value if isinstance(event, yaml.ScalarEvent) else f"*{event.anchor}"
                stack[-1][3] = line
            else:
                place_value(line)
        elif isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
            place = place_value(event_line(event))
            stack.append([place, 0 if isinstance(event, yaml.SequenceStartEvent) else None, None, 0])
        elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
            stack.pop()
        if count > _MAX_NODES:
            break
    return index
