"""Lists of JSON objects out of a page, each as its own bytes: a record's payload is what the vendor sent, not our
re-writing of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from decimal import Decimal
from operator import attrgetter
from typing import Any

import msgspec

from kernel.errors import Invalid
from runtime.domain import record_keys
from runtime.domain.json_paths import LONGEST, PATTERN, WRONG, steps


class Beginning(str):
    """Why a record cannot be read of which only the beginning is kept, for it is too large."""


class Shape:
    """Reads chosen members of a JSON document by dotted path, and nothing else, in one typed pass.

    Shape({"items": ("d.results", list[msgspec.Raw]), "next": ("d.__next", str | None)}).read(body) -> {"items": [...],
    "next": ...} A path that is missing gives None; an empty path is the document itself.
    """

    def __init__(self, members: dict[str, tuple[str, Any]]) -> None:
        self.members = members
        whole = [kind for path, kind in members.values() if not path]
        self.whole = bool(whole)
        kind = whole[0] if whole else _struct(dict(members.values()))
        self.decoder: Any = msgspec.json.Decoder(kind, float_hook=Decimal)
        self.paths = {} if whole else {name: _getter(kind, path) for name, (path, _) in members.items()}

    def read(self, body: bytes) -> dict[str, Any]:
        """Raises ValueError (msgspec) when the document is not JSON or a member has another type."""
        root = self.decoder.decode(body)
        if self.whole:
            return {name: root if not path else None for name, (path, _) in self.members.items()}
        return {name: get(root) for name, get in self.paths.items()}


class KeyReader:
    """Key and version of a record, as text: parts of the key, texts or numbers, are written and joined by
    `domain.record_keys`."""

    def __init__(self, key_fields: Sequence[str], version_field: str | None) -> None:
        self.key_fields, self.version_field = tuple(key_fields), version_field
        paths = dict.fromkeys([*key_fields, *([version_field] if version_field else [])], Any)
        kind = _struct(paths)
        self.decode: Callable[[Any], Any] = msgspec.json.Decoder(kind, float_hook=Decimal).decode
        many: Any = list[kind]  # type: ignore[valid-type]
        self.decode_all: Callable[[Any], list[Any]] = msgspec.json.Decoder(many, float_hook=Decimal).decode
        self.parts = [_getter(kind, name) for name in key_fields]
        self.only = self.parts[0] if len(self.parts) == 1 else None
        self.version = _getter(kind, version_field) if version_field else None

    def read(self, raw: Any) -> tuple[str | None, str | None, tuple[Any, ...]]:
        """(key, version, the parts as they are). No key when a part is missing or all are empty: stock keys have empty
        parts.

        Raises ValueError (msgspec) when the record is no JSON object.
        """
        return self._parts(self.decode(raw))

    def read_all(self, raws: Sequence[bytes]) -> tuple[list[str], list[str | None]]:
        """Keys and versions of many records in one pass. Raises ValueError when any of them is no JSON object (msgspec)
        or has no key."""
        found = self.decode_all(b"[" + b",".join(raws) + b"]")
        if len(found) != len(raws):
            raise ValueError("not one object each")
        versions = (
            [
                v if v.__class__ is str or v is None else str(v) if v.__class__ is int else _key_text(v)
                for v in map(self.version, found)
            ]
            if self.version
            else None
        )
        keys: list[Any] = (
            [part if part.__class__ is str or part is None else _key_text(part) for part in map(self.only, found)]
            if self.only is not None
            else [self._parts(one)[0] for one in found]
        )
        if not all(keys):
            raise ValueError("a key field is missing")
        return keys, versions or [None] * len(keys)

    def _parts(self, found: Any) -> tuple[str | None, str | None, tuple[Any, ...]]:
        version = self.version(found) if self.version else None
        shown = version if version is None or version.__class__ is str else _key_text(version)
        if self.only is not None:
            part = self.only(found)
            key = None if part is None or part == "" else part if part.__class__ is str else _key_text(part)
            return key, shown, (part,)
        parts = tuple([get(found) for get in self.parts])
        if any(part is None for part in parts) or all(part == "" for part in parts):
            return None, shown, parts
        return record_keys.joined([_key_text(part) for part in parts]), shown, parts


def _key_text(part: Any) -> str:
    """A part of a key or a version as text, numbers by their value. Raises ValueError for what is no name: a list, an
    object, a truth value."""
    if isinstance(part, bool | list | dict):
        kinds = {bool: "a truth value", list: "a list", dict: "an object"}
        raise ValueError(f"a key or version field holds {kinds[type(part)]}, not text or a number")
    return record_keys.number_text(part) if isinstance(part, int | Decimal) else str(part)


_SUSPECT = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")
_ESCAPE = re.compile(rb"\\(?:u([0-9a-fA-F]{4})|.)", re.DOTALL)


def odd_escape(payload: bytes) -> str:
    """What is wrong with the escapes of a JSON text that is otherwise read without complaint, or would stop the reading
    of its neighbours: half a surrogate pair, NUL. Empty for the usual text, which costs one look for a backslash."""
    if b"\\" not in payload or b"\\u" not in payload or not _SUSPECT.search(payload):
        return ""
    high = -1  # where a low surrogate has to stand
    for found in _ESCAPE.finditer(payload):
        code = int(found[1], 16) if found[1] else 0x20
        if high >= 0 and (found.start() != high or not 0xDC00 <= code < 0xE000):
            return _half(payload, high - 6)
        if 0xD800 <= code < 0xDC00:
            high = found.end()
            continue
        if 0xDC00 <= code < 0xE000 and high < 0:
            return _half(payload, found.start())
        if code == 0:
            return f"it holds NUL (\\u0000 at byte {found.start()}), which no text may hold; correct it at the source"
        high = -1
    return _half(payload, high - 6) if high >= 0 else ""


def _half(payload: bytes, at: int) -> str:
    shown = payload[at : at + 6].decode("ascii", "replace")
    return f"it holds half a character ({shown} at byte {at}, half a surrogate pair); correct it at the source"


def unreadable(payload: bytes) -> str:
    """Why a JSON text cannot be read, in words; empty when it can."""
    try:
        payload.decode()
    except UnicodeDecodeError as error:
        return (
            f"it is not UTF-8 (byte {payload[error.start]:#04x} at {error.start}); the source has to declare its "
            "charset in the content type, or 'charset' in the connection's settings names it"
        )
    if found := odd_escape(payload):
        return found
    try:
        msgspec.json.decode(payload)
    except (ValueError, RecursionError) as error:
        return f"it cannot be read as JSON: {error}"
    return ""


def _struct(paths: dict[str, Any]) -> Any:
    tree: dict[str, Any] = {}
    for path, kind in paths.items():
        if len(path) > LONGEST or not re.match(PATTERN, path):
            raise Invalid("connection.settings", f"{path[:80]!r}: {WRONG}.")
        *way, last = steps(path) or ("",)
        node: Any = tree
        for step in way:
            node = node.setdefault(step, {}) if isinstance(node, dict) else None
        if not isinstance(node, dict) or last in node:
            raise Invalid(
                "connection.settings", f"The path {path!r} and another one lie inside one another: {', '.join(paths)}."
            )
        node[last] = kind
    return _define(tree)


def _define(tree: dict[str, Any]) -> Any:
    fields, rename = [], {}
    for number, (name, kind) in enumerate(tree.items()):
        inner = _define(kind) if isinstance(kind, dict) else kind
        fields.append((f"f{number}", inner | None if inner is not Any else Any, None))
        rename[f"f{number}"] = name
    return msgspec.defstruct("Part", fields, rename=rename)


def _getter(kind: Any, path: str) -> Callable[[Any], Any]:
    """Reads the member that a dotted path of `_struct` became; None where something on the way is missing."""
    names = []
    for step in steps(path) or ("",):
        at = kind.__struct_encode_fields__.index(step)
        names.append(kind.__struct_fields__[at])
        kind = next(
            (a for a in getattr(kind.__annotations__[names[-1]], "__args__", ()) if hasattr(a, "__struct_fields__")),
            None,
        )
    if len(names) == 1:
        return attrgetter(names[0])

    def get(root: Any) -> Any:
        for name in names:
            if root is None:
                return None
            root = getattr(root, name)
        return root

    return get
