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
    """A node of the evidence with its JSON Pointer. Every access that finds nothing usable is noted in `missing`.

    A provider may have hundreds of consumers: a pointer is written only when something is said about its place, and a
    piece that is usable is read without a node of its own.
    """

    __slots__ = ("_above", "_key", "missing", "value")

    def __init__(self, value: Any, missing: list[str], above: Evidence | str = "", key: str | None = None) -> None:
        """`above` is the node that has this one under `key`, or a pointer that stands for itself."""
        self.value = value
        self.missing = missing
        self._above = above
        self._key = key

    @property
    def pointer(self) -> str:
        above = self._above if isinstance(self._above, str) else self._above.pointer
        return above if self._key is None else f"{above}/{escape(self._key)}"

    def child(self, key: str) -> Evidence:
        found = self._at(key)
        if found is not None:
            return Evidence(found, self.missing, self, key)
        node = Evidence(MISSING, self.missing, self, key)
        if self.value is not MISSING:
            self.missing.append(node.pointer)
        return node

    def _at(self, key: str) -> Any:
        """What stands under the key; None where nothing does."""
        value = self.value
        return value.get(key) if type(value) is dict or isinstance(value, Mapping) else None

    @property
    def known(self) -> bool:
        return self.value is not MISSING

    def unusable(self) -> Any:
        if self.value is not MISSING:
            self.missing.append(self.pointer)
        return MISSING

    def says(self, key: str, word: str) -> bool:
        """Whether exactly this word stands there. Nothing is noted: who gets no for an answer reads the piece."""
        return bool(self._at(key) == word)

    def text(self, key: str, *allowed: str) -> Any:
        """A non-empty string, one of `allowed` where given; MISSING otherwise."""
        value = self._at(key)
        if isinstance(value, str) and value and (not allowed or value in allowed):
            return value
        return self.child(key).unusable()

    def whole(self, key: str) -> Any:
        value = self._at(key)
        if isinstance(value, int) and not isinstance(value, bool):
            return value
        return self.child(key).unusable()

    def flag(self, key: str) -> Any:
        value = self._at(key)
        return value if isinstance(value, bool) else self.child(key).unusable()

    def moment(self, key: str, *words: str) -> Any:
        """A zone-aware time, or one of `words` (such as "never")."""
        value = self._at(key)
        if isinstance(value, str):
            if value in words:
                return value
            try:
                at = datetime.fromisoformat(value)
            except ValueError:
                return self.child(key).unusable()
            if at.tzinfo is not None:
                return at
        return self.child(key).unusable()

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
            found = items.value[name]
            yield name, items.child(name) if found is None else Evidence(found, self.missing, items, name)
