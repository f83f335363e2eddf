"""Lists of JSON objects out of a page, each as its own bytes: a record's payload is what the vendor sent, not our re-writing of it."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import msgspec

from runtime.connectors.protocols import Retriable


class Shape:
    """Reads chosen members of a JSON document by dotted path, and nothing else, in one typed pass.

    Shape({"items": ("d.results", list[msgspec.Raw]), "next": ("d.__next", str | None)}).read(body) -> {"items": [...], "next": ...}
    A path that is missing gives None; an empty path is the document itself.
    """

    def __init__(self, members: dict[str, tuple[str, Any]]) -> None:
        self.members = members
        whole = [kind for path, kind in members.values() if not path]
        self.whole = bool(whole)
        self.decoder: Any = msgspec.json.Decoder(whole[0] if whole else _struct(dict(members.values())), float_hook=Decimal)
        self.paths = {name: tuple(path.split(".")) for name, (path, _) in members.items() if path}

    def read(self, body: bytes) -> dict[str, Any]:
        """Raises ValueError (msgspec) when the document is not JSON or a member has another type."""
        root = self.decoder.decode(body)
        if self.whole:
            return {name: root if not path else None for name, (path, _) in self.members.items()}
        return {name: _walk(root, path) for name, path in self.paths.items()}


class KeyReader:
    """Key and version of a record, as text: parts of the key are joined by `/`, whatever their JSON type."""

    def __init__(self, key_fields: Sequence[str], version_field: str | None) -> None:
        self.key_fields, self.version_field = tuple(key_fields), version_field
        fields = {name: (name, Any) for name in (*key_fields, *((version_field,) if version_field else ()))}
        self.shape = Shape(fields)

    def read(self, raw: bytes | msgspec.Raw) -> tuple[str | None, str | None, tuple[Any, ...]]:
        """(key, version, the parts as they are). No key when a part is missing or all are empty: stock keys have empty parts."""
        found = self.shape.read(bytes(raw))
        parts = tuple(found[name] for name in self.key_fields)
        key = None if any(p is None for p in parts) or all(p == "" for p in parts) else "/".join(str(p) for p in parts)
        version = found[self.version_field] if self.version_field else None
        return key, None if version is None else str(version), parts


def page_of(shape: Shape, body: bytes) -> dict[str, Any]:
    """A page, or Retriable: a broken answer to a read is asked for again."""
    try:
        return shape.read(body)
    except ValueError as error:
        raise Retriable(f"the answer is not the expected JSON ({error})") from None


def _struct(paths: dict[str, Any]) -> Any:
    tree: dict[str, Any] = {}
    for path, kind in paths.items():
        *way, last = path.split(".")
        node = tree
        for step in way:
            node = node.setdefault(step, {})
            if not isinstance(node, dict):
                raise ValueError(f"the path {path!r} leads through another one")
        node[last] = kind
    return _define(tree)


def _define(tree: dict[str, Any]) -> Any:
    fields, rename = [], {}
    for number, (name, kind) in enumerate(tree.items()):
        inner = _define(kind) if isinstance(kind, dict) else kind
        fields.append((f"f{number}", inner | None if inner is not Any else Any, None))
        rename[f"f{number}"] = name
    return msgspec.defstruct("Part", fields, rename=rename)


def _walk(root: Any, path: tuple[str, ...]) -> Any:
    for step in path:
        if root is None:
            return None
        names = {encoded: field for field, encoded in zip(root.__struct_fields__, root.__struct_encode_fields__, strict=True)}
        root = getattr(root, names[step])
    return root
