"""Avro: whether a reader's schema resolves what a writer's wrote (Avro specification 1.12, Schema Resolution)."""

from __future__ import annotations

from typing import Any

import orjson

from tillgate_contracts.compare.payloads.kinds import PayloadChange

_PRIMITIVES = frozenset(("null", "boolean", "int", "long", "float", "double", "bytes", "string"))
_NAMED = frozenset(("record", "error", "enum", "fixed"))
_PROMOTED = {
    "int": ("long", "float", "double"),
    "long": ("float", "double"),
    "float": ("double",),
    "string": ("bytes",),
    "bytes": ("string",),
}
_MAX_DEPTH = 100


class AvroError(Exception):
    """The payload is no Avro schema."""


class AvroSchema:
    """One schema with its named types by full name."""

    def __init__(self, payload: Any) -> None:
        """Raises AvroError when it is none."""
        if isinstance(payload, str) and payload.strip()[:1] in ("{", "["):
            try:
                payload = orjson.loads(payload)
            except orjson.JSONDecodeError as error:
                raise AvroError(str(error)) from None
        self.names: dict[str, dict[str, Any]] = {}
        self.root = self._read(payload, "", 0)

    def _read(self, value: Any, space: str, depth: int) -> Any:
        """A schema in which names are full and every type is an object, a list (union) or a full name."""
        if depth > _MAX_DEPTH:
            raise AvroError("nested too deeply")
        if isinstance(value, str):
            return {"type": value} if value in _PRIMITIVES else {"type": "named", "name": _full(value, space)}
        if isinstance(value, list):
            return {"type": "union", "branches": [self._read(item, space, depth + 1) for item in value]}
        if not isinstance(value, dict) or "type" not in value:
            raise AvroError("neither a name, nor a union, nor an object with a type")
        kind = value["type"]
        if not isinstance(kind, str):
            return self._read(kind, space, depth + 1)
        if kind in _NAMED:
            return self._named(kind, value, space, depth)
        if kind == "array" and "items" in value:
            return {"type": "array", "items": self._read(value["items"], space, depth + 1)}
        if kind == "map" and "values" in value:
            return {"type": "map", "values": self._read(value["values"], space, depth + 1)}
        if kind not in _PRIMITIVES:
            return {"type": "named", "name": _full(kind, space)}
        return {"type": kind, **_logical(value)}

    def _named(self, kind: str, value: dict[str, Any], space: str, depth: int) -> Any:
        name = value.get("name")
        if not isinstance(name, str) or not name:
            raise AvroError(f"a {kind} without a name")
        own = value.get("namespace")
        full = _full(name, own if isinstance(own, str) else space)
        inner = full.rpartition(".")[0]
        made: dict[str, Any] = {"type": "record" if kind == "error" else kind, "name": full, **_logical(value)}
        aliases = value.get("aliases")
        made["aliases"] = [_full(str(one), inner) for one in aliases] if isinstance(aliases, list) else []
        if full in self.names:
            raise AvroError(f"{full} is defined twice")
        self.names[full] = made
        if kind == "enum":
            symbols = value.get("symbols")
            made["symbols"] = [str(one) for one in symbols] if isinstance(symbols, list) else []
            if "default" in value:
                made["default"] = value["default"]
        elif kind == "fixed":
            made["size"] = value.get("size")
        else:
            fields = value.get("fields")
            if not isinstance(fields, list):
                raise AvroError(f"the record {full} has no list of fields")
            made["fields"] = [self._field(one, inner, depth) for one in fields]
        return {"type": "named", "name": full}

    def _field(self, value: Any, space: str, depth: int) -> dict[str, Any]:
        if not isinstance(value, dict) or not isinstance(value.get("name"), str) or "type" not in value:
            raise AvroError("a field without a name or a type")
        aliases = value.get("aliases")
        made = {"name": value["name"], "type": self._read(value["type"], space, depth + 1)}
        made["aliases"] = [str(one) for one in aliases] if isinstance(aliases, list) else []
        if "default" in value:
            made["default"] = value["default"]
        return made

    def same_as(self, other: AvroSchema) -> bool:
        """Whether both say the same, whatever their words and their order of keys."""
        return self.root == other.root and self.names == other.names

    def follow(self, value: dict[str, Any]) -> dict[str, Any]:
        return self.names.get(value["name"], value) if value["type"] == "named" else value


def compare_avro(old: Any, new: Any, direction: str) -> list[PayloadChange]:
    """Changes of a payload in a direction: what the reader cannot resolve, and what else is worth knowing.

    Raises AvroError when one of them is no Avro schema.
    """
    before, after = AvroSchema(old), AvroSchema(new)
    reader, writer = (after, before) if direction == "event-receive" else (before, after)
    resolution = _Resolution(reader, writer)
    resolution.read(reader.root, writer.root, "the payload", 0)
    found = resolution.found
    other = _Resolution(writer, reader)
    other.read(writer.root, reader.root, "the payload", 0)
    known = {change.text for change in found}
    found += [
        PayloadChange("loosened", f"Only where nobody reads so: {change.text[:1].lower()}{change.text[1:]}")
        for change in other.found
        if change.text not in known and change.kind not in ("unresolved", "logical-type-changed")
    ]
    return found + _noted(before, after)


class _Resolution:
    def __init__(self, reader: AvroSchema, writer: AvroSchema) -> None:
        self.reader, self.writer = reader, writer
        self.found: list[PayloadChange] = []
        self.done: set[tuple[str, str]] = set()

    def add(self, kind: str, text: str, old: Any = None, new: Any = None) -> None:
        change = PayloadChange(kind, text, old, new)
        if change not in self.found:
            self.found.append(change)

    def read(self, reader: dict[str, Any], writer: dict[str, Any], where: str, depth: int) -> None:
        one, other = self.reader.follow(reader), self.writer.follow(writer)
        if "named" in (one["type"], other["type"]):
            name = one["name"] if one["type"] == "named" else other["name"]
            self.add("unresolved", f"{_cap(where)} names {name}, which the schema does not define.")
            return
        if other["type"] == "union":
            for branch in other["branches"]:
                if self._fit(one, branch, depth) is None:
                    told = self.writer.follow(branch)
                    name = told.get("name", told["type"])
                    self.add("branch-unreadable", f"{_cap(where)} may be {name}, which the reader cannot read.")
                else:
                    self._into(one, branch, where, depth)
            return
        if one["type"] == "union":
            if self._fit(one, other, depth) is None:
                self.add("type-unreadable", f"{_cap(where)} is {other.get('name', other['type'])} for the writer only.")
            else:
                self._into(one, other, where, depth)
            return
        self._single(one, other, where, depth)

    def _into(self, reader: dict[str, Any], branch: dict[str, Any], where: str, depth: int) -> None:
        fitting = self._fit(reader, branch, depth)
        if fitting is not None:
            self.read(fitting, branch, where, depth + 1)

    def _fit(self, reader: dict[str, Any], branch: dict[str, Any], depth: int) -> dict[str, Any] | None:
        """The reader's branch that a writer's value is resolved against: the first that matches."""
        options = reader["branches"] if reader["type"] == "union" else [reader]
        target = self.writer.follow(branch)
        followed = [self.reader.follow(option) for option in options]
        for exact in (True, False):
            for option in followed:
                if self._matches(option, target, exact=exact):
                    return option
        return None

    def _matches(self, reader: dict[str, Any], writer: dict[str, Any], *, exact: bool) -> bool:
        if reader["type"] == writer["type"]:
            return reader["type"] not in ("record", "enum", "fixed") or _same_name(reader, writer)
        return not exact and reader["type"] in _PROMOTED.get(writer["type"], ())

    def _single(self, one: dict[str, Any], other: dict[str, Any], where: str, depth: int) -> None:
        kind = one["type"]
        if kind != other["type"]:
            if kind not in _PROMOTED.get(other["type"], ()):
                self.add("type-unreadable", f"{_cap(where)} is written as {other['type']} and read as {kind}.")
            else:
                self._meaning(one, other, where)
            return
        if kind in ("record", "enum", "fixed") and not _same_name(one, other):
            self.add("name-unreadable", f"{_cap(where)} is written as {other['name']} and read as {one['name']}.")
            return
        self._meaning(one, other, where)
        if kind == "array":
            self.read(one["items"], other["items"], f"an item of {where}", depth + 1)
        elif kind == "map":
            self.read(one["values"], other["values"], f"a value of {where}", depth + 1)
        elif kind == "enum":
            self._enum(one, other)
        elif kind == "fixed" and one["size"] != other["size"]:
            self.add(
                "size-unreadable", f"{one['name']} is written with {other['size']} and read with {one['size']} bytes."
            )
        elif kind == "record" and (one["name"], other["name"]) not in self.done:
            self.done.add((one["name"], other["name"]))
            self._record(one, other, depth)

    def _meaning(self, one: dict[str, Any], other: dict[str, Any], where: str) -> None:
        keys = ("logicalType", "precision", "scale")
        if all(one.get(key) == other.get(key) for key in keys):
            return
        if one.get("logicalType") == other.get("logicalType") == "decimal":
            text = f"{_cap(where)} is a decimal of another scale or precision for the reader."
            self.add("decimal-unreadable", text)
            return
        told = [side.get("logicalType") or side["type"] for side in (other, one)]
        self.add("logical-type-changed", f"{_cap(where)} is written as {told[0]} and read as {told[1]}.")

    def _enum(self, one: dict[str, Any], other: dict[str, Any]) -> None:
        for symbol in other["symbols"]:
            if symbol not in one["symbols"]:
                kind = "symbol-becomes-default" if "default" in one else "symbol-unreadable"
                self.add(kind, f"The symbol {symbol} of {other['name']} is not known to the reader.", symbol)

    def _record(self, one: dict[str, Any], other: dict[str, Any], depth: int) -> None:
        written = {field["name"]: field for field in other["fields"]}
        for field in one["fields"]:
            found = written.get(field["name"]) or next((written[n] for n in field["aliases"] if n in written), None)
            where = f"`{field['name']}` of {one['name']}"
            if found is not None:
                self.read(field["type"], found["type"], where, depth + 1)
            elif "default" not in field:
                self.add(
                    "field-without-default", f"{_cap(where)} is not written, and the reader has no default for it."
                )


def _noted(before: AvroSchema, after: AvroSchema) -> list[PayloadChange]:
    """What resolution does not refuse: fields that come and go, defaults."""
    found = []
    for name, old in before.names.items():
        new = after.names.get(name)
        if new is None or old["type"] != "record" or new["type"] != "record":
            continue
        left, right = ({field["name"]: field for field in side["fields"]} for side in (old, new))
        renamed = {alias for field in new["fields"] for alias in field["aliases"]}
        for key in left:
            if key not in right and key not in renamed:
                found.append(PayloadChange("field-removed", f"`{key}` of {name} was removed.", key))
        for key, field in right.items():
            if key not in left and not set(field["aliases"]) & left.keys():
                found.append(PayloadChange("field-added", f"`{key}` of {name} was added.", None, key))
            elif key in left and left[key].get("default") != field.get("default"):
                data = left[key].get("default"), field.get("default")
                found.append(PayloadChange("default-changed", f"The default of `{key}` of {name} changed.", *data))
    return found


def _same_name(reader: dict[str, Any], writer: dict[str, Any]) -> bool:
    """The unqualified names are equal, or an alias of the reader is the writer's name."""
    short = writer["name"].rpartition(".")[2]
    return reader["name"].rpartition(".")[2] == short or writer["name"] in reader["aliases"]


def _logical(value: dict[str, Any]) -> dict[str, Any]:
    return {key: value[key] for key in ("logicalType", "precision", "scale") if key in value}


def _full(name: str, space: str) -> str:
    return name if "." in name or not space else f"{space}.{name}"


def _cap(text: str) -> str:
    return text[:1].upper() + text[1:]
