"""Which schemas of a document extend which, and what the mapping of a discriminator names.

OpenAPI 3.0.4 section 4.7.24 (Composition and Inheritance): a parent with a discriminator stands for every schema that
extends it by `allOf`. Section 4.8.25 (Discriminator Object): a schema without an entry in `mapping` is chosen by the
name of its component; an entry is such a name or a URI reference.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

_NAME = re.compile(r"^[A-Za-z0-9._-]+$")
_SECTIONS: tuple[tuple[str, ...], ...] = (("components", "schemas"), ("definitions",), ("$defs",))
_FILE = re.compile(r"\.(?:json|ya?ml)$", re.IGNORECASE)


class Family:
    """Parents and children among the named schemas of one document. `resolve` follows a local reference."""

    def __init__(self, tree: Any, resolve: Callable[[str], Any]) -> None:
        self._tree = tree
        self._resolve = resolve
        self._ancestors: dict[int, dict[int, Any]] = {}
        self._by_parent: dict[int, list[str]] | None = None
        self._children: dict[int, tuple[str, ...]] = {}
        self._kept: list[Any] = []

    def ancestors(self, raw: Any) -> dict[int, Any]:
        """The raw schemas that a schema extends or is a name for, through `$ref` and `allOf`, by their identity."""
        known = self._ancestors.get(id(raw))
        if known is not None:
            return known
        found: dict[int, Any] = {}
        stack = [raw]
        while stack:
            for item in self._next(stack.pop()):
                if id(item) not in found:
                    found[id(item)] = item
                    stack.append(item)
        self._kept.append(raw)
        self._ancestors[id(raw)] = found
        return found

    def _next(self, raw: Any) -> Iterator[Any]:
        if not isinstance(raw, dict):
            return
        ref, composed = raw.get("$ref"), raw.get("allOf")
        if isinstance(ref, str):
            target = self._resolve(ref)
            if target is not None and isinstance(target.raw, dict):
                yield target.raw
        if isinstance(composed, list):
            yield from (item for item in composed if isinstance(item, dict))

    def children(self, raw: Any) -> tuple[str, ...]:
        """References to the schemas that extend a schema which has a discriminator, itself or from its own parents."""
        if self._by_parent is None:
            self._by_parent = self._index()
        if not self._by_parent or id(raw) not in self._by_parent:
            return ()
        known = self._children.get(id(raw))
        if known is None:
            tagged = "discriminator" in raw or any("discriminator" in item for item in self.ancestors(raw).values())
            known = self._children[id(raw)] = tuple(self._by_parent[id(raw)]) if tagged else ()
        return known

    def _index(self) -> dict[int, list[str]]:
        found: dict[int, list[str]] = {}
        for ref, raw in self._named():
            if isinstance(raw.get("allOf"), list):
                for parent in self.ancestors(raw):
                    found.setdefault(parent, []).append(ref)
        return found

    def _named(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Every named schema with a reference to it: components, and what lies at the top of bundled files."""
        for section in _SECTIONS:
            yield from self._section(self._tree, section, "#")
        files = self._tree.get("x-bundled") if isinstance(self._tree, dict) else None
        for name, file in files.items() if isinstance(files, dict) else ():
            if not isinstance(file, dict):
                continue
            start = "#/x-bundled/" + _escape(name)
            yield start, file
            for section in ((), *_SECTIONS):
                yield from self._section(file, section, start)

    @staticmethod
    def _section(tree: Any, section: tuple[str, ...], start: str) -> Iterator[tuple[str, dict[str, Any]]]:
        for word in section:
            tree = tree.get(word) if isinstance(tree, dict) else None
        prefix = "/".join((start, *section))
        for name, raw in tree.items() if isinstance(tree, dict) else ():
            if isinstance(raw, dict):
                yield f"{prefix}/{_escape(str(name))}", raw

    def reference_of(self, text: str) -> str:
        """The reference that an entry of a mapping stands for: a name of a component, else the URI as written."""
        if _NAME.match(text):
            for section in _SECTIONS:
                ref = "/".join(("#", *section, _escape(text)))
                if self._resolve(ref) is not None:
                    return ref
        return text

    def extends(self, branch: Any, holder: Any) -> bool:
        """True for a branch of a union that itself extends the schema which holds the union."""
        return id(holder) in self.ancestors(branch)


def name_of(ref: str) -> str:
    """The name of the schema that a reference leads to, as a discriminator's value: `#/components/schemas/Cash` is
    `Cash`, a bundled file `cash.yaml` is `cash`."""
    last = ref.rsplit("/", 1)[-1].replace("~1", "/").replace("~0", "~")
    return _FILE.sub("", last.rsplit("/", 1)[-1]) if "x-bundled/" in ref else last


def _escape(token: str) -> str:
    return token.replace("~", "~0").replace("/", "~1")
