"""The quick half of a contract check: records that surely satisfy a schema, found in the one pass that parses them.

Of a JSON Schema (2020-12) is made a structure type that holds nothing but the schema's own conditions. What decodes
into it satisfies the schema; what does not, or a schema with anything that is not understood here, goes to the full
validator, which alone refuses. So this may be too strict and never too lax; the tests compare it with the validator on
generated documents.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from typing import Annotated, Any, Literal

import msgspec

from runtime.domain.member_names import escapes_colons

_DIALECTS = ("", "https://json-schema.org/draft/2020-12/schema")  # where `format` is a note and not a condition
# Every keyword of the dialect that can refuse a document. Those that are not handled below make the schema not
# understood.
_CONDITIONS = frozenset(
    {
        "$ref",
        "$dynamicRef",
        "$recursiveRef",
        "$id",
        "allOf",
        "anyOf",
        "oneOf",
        "not",
        "if",
        "then",
        "else",
        "dependentSchemas",
        "dependentRequired",
        "dependencies",
        "prefixItems",
        "items",
        "additionalItems",
        "contains",
        "minContains",
        "maxContains",
        "properties",
        "patternProperties",
        "additionalProperties",
        "propertyNames",
        "unevaluatedItems",
        "unevaluatedProperties",
        "type",
        "enum",
        "const",
        "multipleOf",
        "maximum",
        "exclusiveMaximum",
        "minimum",
        "exclusiveMinimum",
        "maxLength",
        "minLength",
        "pattern",
        "maxItems",
        "minItems",
        "uniqueItems",
        "maxProperties",
        "minProperties",
        "required",
    }
)
# Patterns that mean the same here and in ECMA-262: plain characters, digits, positive classes, counts, the two anchors.
_PATTERN = re.compile(
    r"\^?(?:(?:[A-Za-z0-9_ :@/-]|\\[-./+|()\[\]{}^$*?]|\\d"
    r"|\[(?:[A-Za-z0-9](?:-[A-Za-z0-9])?|[_ .:@/+]|\\d|\\-|-(?=\]))+\])"
    r"(?:\{\d+(?:,\d*)?\}|[+*?])?)*\$?\Z"
)
_EXACT = 2**53  # whole numbers below this are exact as binary fractions
_MAX_DEPTH = 24
AT_ONCE = 256  # documents: what was made of them is still at hand when it is tested
_Test = Callable[[list[Any]], bool]


class Acceptance:
    """The quick check of one schema. `closed`: it says of every part of a document what may stand there, so that
    nothing nests deeper than the schema does."""

    def __init__(self, kind: Any, tests: Sequence[_Test], *, closed: bool) -> None:
        self._decode = msgspec.json.Decoder(list[kind]).decode
        self._tests, self.closed = tests, closed

    def __call__(self, payloads: Sequence[bytes]) -> bool:
        """True when every one is JSON that satisfies the schema; False says nothing."""
        return self.judge(payloads)[0]

    def judge(self, payloads: Sequence[bytes], *, names: bool = False) -> tuple[bool, bool]:
        """As above; and, asked for `names`, whether surely no object names a member twice and has none beside those of
        the schema; False says nothing."""
        proven = names
        for start in range(0, len(payloads), AT_ONCE):
            text = b"[" + b",".join(payloads[start : start + AT_ONCE]) + b"]"
            if b"\\" in text and (
                b"\\ud" in text or b"\\uD" in text
            ):  # half a pair in a member that is not looked at would go unseen
                return False, False
            try:
                documents = self._decode(text)
            except msgspec.MsgspecError:
                return False, False
            if len(documents) != len(payloads[start : start + AT_ONCE]):
                return False, False
            if not all(test(documents) for test in self._tests):
                return False, False
            proven = proven and _each_name_once(text, documents)
        return True, proven


def _each_name_once(text: bytes, documents: list[Any]) -> bool:
    """Reading keeps the members that the schema names, one of each name: what it writes again has as many colons only
    where nothing was left out."""
    if escapes_colons(text):
        return False
    return msgspec.json.encode(documents).count(b":") == text.count(b":")


class _NotUnderstood(Exception):
    """The schema says something that only the full validator can judge."""


def compile_acceptance(tree: Mapping[str, Any], pointer: str = "") -> Acceptance | None:
    """Of the schema at a JSON pointer of a document (references are local to it); None when it is not understood as a
    whole."""
    if tree.get("$schema", "") not in _DIALECTS:
        return None
    try:
        reader = _Reader(tree)
        kind = reader.reference(f"#{pointer}")
        return Acceptance(kind, reader.tests, closed=reader.closed)
    except (_NotUnderstood, ValueError, TypeError, OverflowError, re.error):
        return None


class _Reader:
    def __init__(self, tree: Mapping[str, Any]) -> None:
        self.tree = tree
        self.open: list[str] = []
        self.way: list[str] | None = []  # members that lead to what is read now; None inside a list
        self.tests: list[_Test] = []
        self.closed = True

    def reference(self, name: str) -> Any:
        if not name.startswith("#") or (name[1:] and not name.startswith("#/")) or name in self.open or "%" in name:
            raise _NotUnderstood
        found: Any = self.tree
        for part in name[2:].split("/") if name != "#" else []:
            part = part.replace("~1", "/").replace("~0", "~")
            if not isinstance(found, Mapping) or part not in found:
                raise _NotUnderstood
            found = found[part]
        self.open.append(name)
        kind = self.schema(found)
        self.open.pop()
        return kind

    def schema(self, schema: Any) -> Any:
        """The type of values that satisfy a schema."""
        if schema is True:
            return self.anything(Any)
        if not isinstance(schema, Mapping) or len(self.open) > _MAX_DEPTH:
            raise _NotUnderstood
        said = {
            key: value
            for key, value in schema.items()
            if key in _CONDITIONS and not (key == "$id" and not self.open[1:])
        }
        if "$ref" in said:
            return self.reference(str(_only(said, "$ref")))
        if "enum" in said or "const" in said:
            return self.choice(said)
        kinds = said.pop("type", None)
        if kinds is None:
            kinds = "object" if "properties" in said or "required" in said else None
        if kinds is None and not said:
            return self.anything(Any)
        names = [kinds] if isinstance(kinds, str) else list(kinds or ())
        kind = self.one([name for name in names if name != "null"], said)
        return kind | None if "null" in names else kind

    def one(self, names: list[Any], said: dict[str, Any]) -> Any:
        if names == ["object"]:
            return self.object(said)
        if names == ["array"]:
            low, high, items = said.pop("minItems", None), said.pop("maxItems", None), said.pop("items", True)
            way, self.way = self.way, None
            kind = self.nested(items)
            self.way = way
            return _bounded(list[kind], said, min_length=low, max_length=high)  # type: ignore[valid-type]
        if names == ["string"]:
            low, high, pattern = said.pop("minLength", None), said.pop("maxLength", None), said.pop("pattern", None)
            if pattern is not None:
                pattern = _pattern(pattern)
                if self.way and pattern.startswith("^") and pattern.endswith(r"\Z"):
                    self.tests.append(_column(self.way, pattern[1:-2]))
                    pattern = None
            return _bounded(str, said, min_length=low, max_length=high, pattern=pattern)
        if names in (["integer"], ["number"]):
            limits = {
                short: said.pop(name, None)
                for short, name in (
                    ("ge", "minimum"),
                    ("le", "maximum"),
                    ("gt", "exclusiveMinimum"),
                    ("lt", "exclusiveMaximum"),
                )
            }
            whole = names == ["integer"]
            for limit in limits.values():
                good = int if whole else int | float
                if limit is not None and (
                    isinstance(limit, bool) or not isinstance(limit, good) or abs(limit) >= _EXACT
                ):
                    raise _NotUnderstood
            return _bounded(int if whole else float, said, **limits)
        if names == ["boolean"] and not said:
            return bool
        raise _NotUnderstood

    def anything(self, kind: Any) -> Any:
        self.closed = False
        return kind

    def nested(self, schema: Any) -> Any:
        self.open.append("")  # counts the depth; no reference has this name
        kind = self.schema(schema)
        self.open.pop()
        return kind

    def object(self, said: dict[str, Any]) -> Any:
        members, required = said.pop("properties", {}), said.pop("required", [])
        more = said.pop("additionalProperties", True)
        if said or more not in (True, False) or not isinstance(members, Mapping):
            raise _NotUnderstood
        if not members and not required and more is True:
            return self.anything(dict[str, Any])
        if more is False and not set(required) <= set(members):
            raise _NotUnderstood
        fields: list[Any] = []
        for name in dict.fromkeys([*members, *required]):
            key = f"f{len(fields)}"
            if self.way is not None:
                self.way.append(key)
            kind = self.nested(members.get(name, True))
            if self.way is not None:
                self.way.pop()
            fields.append(
                (key, kind)
                if name in required
                else (key, kind | msgspec.UnsetType, msgspec.UNSET)
                if kind is not Any
                else (key, Any, None)
            )
        rename = {field[0]: name for field, name in zip(fields, dict.fromkeys([*members, *required]), strict=True)}
        # Without the defaults, nothing is written again that was not there (_each_name_once).
        return msgspec.defstruct(
            "Part",
            fields,
            kw_only=True,
            rename=rename,
            forbid_unknown_fields=more is False,
            omit_defaults=True,
            gc=False,
        )

    @staticmethod
    def choice(said: dict[str, Any]) -> Any:
        """One of some texts, which may be null where it is listed."""
        values = said.pop("enum", None)
        if "const" in said:
            values = [said.pop("const")] if values is None else None
        kinds = said.pop("type", None)
        names = [kinds] if isinstance(kinds, str) else kinds
        texts = [value for value in values or () if isinstance(value, str)]
        nulls = [value for value in values or () if value is None]
        if (
            said
            or not texts
            or len(texts) + len(nulls) != len(values or ())
            or (names is not None and "string" not in names)
        ):
            raise _NotUnderstood
        kind: Any = Literal[tuple(texts)]
        return kind | None if nulls and (names is None or "null" in names) else kind


def _only(said: dict[str, Any], name: str) -> Any:
    if len(said) != 1:
        raise _NotUnderstood
    return said[name]


def _bounded(kind: Any, said: dict[str, Any], **limits: Any) -> Any:
    """A type with its limits; nothing else may be said about it."""
    if said:
        raise _NotUnderstood
    given = {name: limit for name, limit in limits.items() if limit is not None}
    return Annotated[kind, msgspec.Meta(**given)] if given else kind


def _column(way: list[str], body: str) -> _Test:
    """A test of one member of all documents at once, for an expression anchored at both ends: one search in a text of a
    line each costs a tenth of a search in each. No part of an understood pattern matches a line's end, so lines never
    run together; a value with a line's end in it changes their number. Atomic, so that what was matched is not tried
    again in other ways."""
    lines, getters = re.compile(f"(?>{body}\n)*+"), [attrgetter(name) for name in way]

    def test(documents: list[Any]) -> bool:
        values = documents
        for get in getters:
            values = [get(value) for value in values if value is not None and value is not msgspec.UNSET]
        values = [value for value in values if value is not None and value is not msgspec.UNSET]
        text = "\n".join([*values, ""])
        return text.count("\n") == len(values) and lines.fullmatch(text) is not None

    return test


def _pattern(text: Any) -> str:
    if not isinstance(text, str) or not _PATTERN.match(text):
        raise _NotUnderstood
    ready = re.sub(r"\[[^\]]*\]|\\d", _digits, text)
    return ready[:-1] + r"\Z" if ready.endswith("$") and not ready.endswith("\\$") else ready


def _digits(found: re.Match[str]) -> str:
    part = found[0]
    return "[0-9]" if part == "\\d" else part.replace("\\d", "0-9")


__all__ = ["Acceptance", "compile_acceptance"]
