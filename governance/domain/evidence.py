"""Reads evidence strictly: what is missing is recorded as unknown, never taken for the harmless value.

Evidence is JSON. Absence is written in words (`"never"`, `"none"`, `[]`), so that a deleted piece can be told from a
known nothing. Collections carry their size (`{"total": 2, "items": {…}}`), so that a deleted member shows as well.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from kernel.difference import escape

MISSING: Final = object()


class Evidence:
    """A node of the evidence with its JSON Pointer. Every access that finds nothing usable is noted in `missing`."""

    __slots__ = ("missing", "pointer", "value")

    def __init__(self, value: Any, missing: list[str], pointer: str = "") -> None:
        self.value = value
        self.missing = missing
        self.pointer = pointer

    def child(self, key: str) -> Evidence:
        pointer = f"{self.pointer}/{escape(key)}"
        if isinstance(self.value, Mapping) and self.value.get(key) is not None:
            return Evidence(self.value[key], self.missing, pointer)
        if self.value is not MISSING:
            self.missing.append(pointer)
        return Evidence(MISSING, self.missing, pointer)

    @property
    def known(self) -> bool:
        return self.value is not MISSING

    def unusable(self) -> Any:
        if self.value is not MISSING:
            self.missing.append(self.pointer)
        return MISSING

    def text(self, key: str, *allowed: str) -> Any:
        """A non-empty string, one of `allowed` where given; MISSING otherwise."""
        node = self.child(key)
        if isinstance(node.value, str) and node.value and (not allowed or node.value in allowed):
            return node.value
        return node.unusable()

    def whole(self, key: str) -> Any:
        node = self.child(key)
        if isinstance(node.value, int) and not isinstance(node.value, bool):
            return node.value
        return node.unusable()

    def flag(self, key: str) -> Any:
        node = self.child(key)
        return node.value if isinstance(node.value, bool) else node.unusable()

    def moment(self, key: str, *words: str) -> Any:
        """A zone-aware time, or one of `words` (such as "never")."""
        node = self.child(key)
        if isinstance(node.value, str):
            if node.value in words:
                return node.value
            try:
                at = datetime.fromisoformat(node.value)
            except ValueError:
                return node.unusable()
            if at.tzinfo is not None:
                return at
        return node.unusable()

    def texts(self, key: str) -> Any:
        """A counted list of strings: `{"total": n, "items": [...]}`."""
        return self.child(key).texts_here()

    def texts_here(self) -> Any:
        """The same, of this very piece."""
        total, items = self.whole("total"), self.child("items")
        if (
            total is MISSING
            or not isinstance(items.value, list)
            or len(items.value) != total
            or not all(isinstance(i, str) and i for i in items.value)
        ):
            return items.unusable()
        return list(items.value)

    def members_of(self, key: str) -> Iterator[tuple[str, Any]]:
        """The members of a counted object with plain values, sorted; a value that is none is missing evidence."""
        for name, node in self.members(key):
            if node.known:
                yield name, node.value

    def members(self, key: str) -> Iterator[tuple[str, Evidence]]:
        """The members of a counted object `{"total": n, "items": {name: {...}}}`, sorted; a wrong count is missing
        evidence.
        """
        node = self.child(key)
        total, items = node.whole("total"), node.child("items")
        if total is MISSING or not isinstance(items.value, Mapping) or len(items.value) != total:
            items.unusable()
            return
        for name in sorted(items.value):
            yield name, items.child(name)
