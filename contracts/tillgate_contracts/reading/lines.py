"""From a place in the normal form back to the author's file: source pointer and line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tillgate_contracts.reading.bundle import BUNDLE
from tillgate_contracts.reading.pointers import escape
from tillgate_contracts.reading.positions import LineIndex, json_index, yaml_index


@dataclass(slots=True)
class SourceText:
    """The text of one file and its line index, built at the first question."""

    text: str
    is_json: bool
    _index: LineIndex | None = None

    def line(self, pointer: str) -> int:
        if self._index is None:
            self._index = json_index(self.text) if self.is_json else yaml_index(self.text)
        return self._index.line(pointer)


@dataclass(slots=True)
class Locator:
    """`origins` maps pointers of the normal form to pointers of the source, where a lift moved them; what lies below a
    moved place moves with it. `known_lines` holds lines by normal-form pointer for formats without a line index
    (EDMX)."""

    main: SourceText | None = None
    files: dict[str, SourceText] = field(default_factory=dict)
    origins: Mapping[str, str] = field(default_factory=dict)
    known_lines: Mapping[str, int] = field(default_factory=dict)

    def origin(self, pointer: str) -> str:
        """The source pointer; for EDMX an XPath; for a bundled file `file.yaml#/pointer`."""
        if self.known_lines:
            return self.origins.get(self._known(pointer), "")
        bundled = self._bundled(pointer)
        if bundled:
            return f"{bundled[0]}#{bundled[1]}"
        if not self.origins:
            return pointer
        prefix, rest = pointer, ""
        while True:
            if prefix in self.origins:
                return self.origins[prefix] + rest
            if not prefix:
                return pointer
            prefix, _, token = prefix.rpartition("/")
            rest = f"/{token}{rest}"

    def line(self, pointer: str) -> int | None:
        """The line (1-based) of a normal-form pointer or of its nearest ancestor; None without the original text."""
        if self.known_lines:
            return self.known_lines.get(self._known(pointer))
        bundled = self._bundled(pointer)
        if bundled:
            return self.files[bundled[0]].line(bundled[1])
        return None if self.main is None else self.main.line(self.origin(pointer))

    def _known(self, pointer: str) -> str:
        while pointer and pointer not in self.known_lines:
            pointer = pointer.rpartition("/")[0]
        return pointer

    def _bundled(self, pointer: str) -> tuple[str, str] | None:
        if not pointer.startswith(f"/{BUNDLE}/"):
            return None
        for name in self.files:
            prefix = f"/{BUNDLE}/{escape(name)}"
            if pointer == prefix or pointer.startswith(prefix + "/"):
                return name, pointer[len(prefix) :]
        return None
