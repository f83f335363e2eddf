"""Plain data → Mapping. All findings are collected; unknown keys, functions and lookups are refused."""

from __future__ import annotations

from typing import Any

from kernel.errors import Invalid
from runtime.mapping.conversions import ValueType
from runtime.mapping.errors import excerpt_of, nearest
from runtime.mapping.formula import FormulaError, Node, parse_formula
from runtime.mapping.model import Field, LookupTable, Mapping
from runtime.mapping.paths import MappingPathError, parse_target
from runtime.mapping.spec_values import ValueReader, escape

MAX_FIELDS = 1_000
MAX_NESTING = 6
MAX_ENTRIES = 10_000
_SOURCES = ("from", "formula", "constant", "correlation")
_COMMON = {"to", "note"}
_TYPED = {"type", "required", "default", "write_null", "empty"}
_FITTING: dict[str, tuple[str, ...]] = {  # which kinds of formula a type can take
    "string": ("text",),
    "integer": ("number",),
    "decimal": ("number",),
    "money": ("number",),
    "boolean": ("boolean",),
    "date": ("text",),
    "datetime": ("text",),
    "any": ("number", "text", "boolean"),
}


def parse(spec: Any) -> Mapping:
    """The Mapping of a spec (see docs/reference/mapping.md).

    Raises Invalid("mapping.invalid", …) whose `data["findings"]` holds *every* finding with its JSON Pointer.
    """
    reader = _Reader()
    mapping = reader.mapping(spec)
    if reader.findings or mapping is None:
        first = reader.findings[0]
        more = f" and {len(reader.findings) - 1} more" if len(reader.findings) > 1 else ""
        raise Invalid(
            "mapping.invalid",
            f"The mapping cannot be used: {first.message} (at {first.pointer or '/'}){more}.",
            {"findings": [f.as_data() for f in reader.findings]},
        )
    return mapping


class _Reader(ValueReader):
    def __init__(self) -> None:
        super().__init__()
        self.lookups: dict[str, LookupTable] = {}
        self.declared: frozenset[str] = frozenset()
        self.count = 0

    def mapping(self, spec: Any) -> Mapping | None:
        if not isinstance(spec, dict):
            self.add("wrong_type", "", "a mapping is an object with 'mapping', 'version' and 'fields'")
            return None
        self.keys(spec, {"mapping", "version", "lookups", "fields", "note"}, "")
        name, version = self.text(spec, "mapping", "", limit=200), spec.get("version")
        if not name:
            self.add("missing_key", "/mapping", "the mapping needs a name under 'mapping'")
        if isinstance(version, bool) or not isinstance(version, str | int) or version == "":
            self.add("missing_key", "/version", "the mapping needs a 'version': text or a whole number")
        self.read_lookups(spec.get("lookups", {}))
        fields = self.fields(spec.get("fields"), "/fields", 0)
        return Mapping(name, str(version), fields, dict(self.lookups), self.text(spec, "note", ""))

    def read_lookups(self, spec: Any) -> None:
        if not isinstance(spec, dict):
            self.add("wrong_type", "/lookups", "'lookups' is an object: name → {version, values}")
            return
        self.declared = frozenset(str(n) for n in spec)
        for name, table in spec.items():
            pointer = f"/lookups/{escape(str(name))}"
            if not isinstance(table, dict) or not isinstance(table.get("values"), dict):
                self.add("wrong_type", pointer, "a lookup is {version: …, values: {source: target}}")
                continue
            self.keys(table, {"version", "values", "default", "note"}, pointer)
            version = table.get("version")
            if isinstance(version, bool) or not isinstance(version, str | int) or version == "":
                self.add(
                    "missing_key",
                    f"{pointer}/version",
                    f"the lookup {name!r} needs a 'version': text or a whole number",
                )
            if len(table["values"]) > MAX_ENTRIES:
                self.add("too_many", f"{pointer}/values", f"a lookup has at most {MAX_ENTRIES} entries")
                continue
            for key, value in table["values"].items():
                at = f"{pointer}/values/{escape(str(key))}"
                if not isinstance(key, str):
                    self.add("wrong_type", at, f"the key {excerpt_of(key)} is not text; put it in quotes")
                elif isinstance(value, dict | list) or value is None:
                    self.add("wrong_type", at, "a lookup gives text, a number or true or false")
                else:
                    self.literal(value, at)
            if "default" in table and (
                isinstance(table["default"], dict | list) or not self.literal(table["default"], f"{pointer}/default")
            ):
                self.add(
                    "wrong_type", f"{pointer}/default", "a lookup's default is text, a number, true, false or null"
                )
            values = {k: v for k, v in table["values"].items() if isinstance(k, str)}
            self.lookups[str(name)] = LookupTable(
                str(name), str(version), values, table.get("default"), "default" in table
            )

    def fields(self, specs: Any, pointer: str, depth: int) -> tuple[Field, ...]:
        if not isinstance(specs, list) or not specs:
            self.add("wrong_type", pointer, "a list of at least one field is expected")
            return ()
        if depth > MAX_NESTING:
            self.add("too_deep", pointer, f"'each' is nested deeper than {MAX_NESTING}")
            return ()
        out = []
        for n, spec in enumerate(specs):
            self.count += 1
            if self.count == MAX_FIELDS + 1:
                self.add("too_many", f"{pointer}/{n}", f"a mapping has at most {MAX_FIELDS} fields")
            if self.count > MAX_FIELDS:
                break
            if not isinstance(spec, dict):
                self.add("wrong_type", f"{pointer}/{n}", "a field is an object with 'to' and a source")
            elif one := self.field(spec, f"{pointer}/{n}", depth):
                out.append(one)
        self.targets(out, depth)
        return tuple(out)

    def targets(self, fields: list[Field], depth: int) -> None:
        """A target is written once, and none lies inside another."""
        seen: dict[tuple[str, ...], str] = {}
        for one in fields:
            shown = ".".join(one.target) or "."
            if one.target == () and (depth == 0 or len(fields) > 1):
                self.add(
                    "target_clash", f"{one.pointer}/to", "'.' (the list element itself) is the only field of an 'each'"
                )
            for other, where in seen.items():
                if one.target == other:
                    self.add("target_clash", f"{one.pointer}/to", f"{shown!r} is already written by {where}")
                elif one.target[: len(other)] == other or other[: len(one.target)] == one.target:
                    self.add(
                        "target_clash",
                        f"{one.pointer}/to",
                        f"{shown!r} and {'.'.join(other)!r} ({where}) lie inside one another",
                    )
            seen.setdefault(one.target, one.pointer)

    def field(self, spec: dict[str, Any], pointer: str, depth: int) -> Field | None:
        target = self.target(spec, pointer)
        given = [key for key in _SOURCES if key in spec]
        if len(given) != 1:
            said = f"has {' and '.join(given)}" if given else "has none"
            self.add(
                "source",
                pointer,
                f"a field has exactly one of {', '.join(_SOURCES)}; {'.'.join(target or ('?',))!r} {said}",
            )
            return None
        note = self.text(spec, "note", pointer)
        if "each" in spec:
            return self.each(spec, pointer, depth, target or (), note)
        kind = given[0]
        if kind == "constant":
            return self.constant(spec, pointer, target or (), note)
        if kind == "correlation":
            self.keys(spec, _COMMON | {"correlation"}, pointer)
            if spec["correlation"] is not True:
                self.add("wrong_value", f"{pointer}/correlation", "'correlation' is true or is left out")
            return Field(pointer, target or (), ValueType("string"), correlation=True, note=note)
        value_type = self.type(spec, pointer, _COMMON | _TYPED | {kind, "lookup"})
        source = self.path(spec["from"], f"{pointer}/from") if kind == "from" else None
        text, formula = self.formula(spec["formula"], f"{pointer}/formula") if kind == "formula" else ("", None)
        if (
            formula is not None
            and value_type is not None
            and formula.kind not in (*_FITTING[value_type.name], "any", "unknown")
        ):
            self.add(
                "formula_type",
                f"{pointer}/formula",
                f"the formula gives {formula.kind}, and the field is {value_type.name}",
            )
        lookup = self.lookup(spec, pointer, kind)
        required, null = self.flag(spec, "required", pointer), self.flag(spec, "write_null", pointer)
        if required + null + ("default" in spec) > 1:
            self.add(
                "missing_rule",
                pointer,
                "only one of 'required', 'default' and 'write_null' says what happens when the value is missing",
            )
        default = self.default(spec, pointer, value_type)
        empty = self.choice(spec, "empty", pointer, ("keep", "missing"), "keep") == "missing"
        return Field(
            pointer,
            target or (),
            value_type,
            source,
            formula,
            text,
            required=required,
            default=default,
            has_default="default" in spec,
            null=null,
            empty_is_missing=empty,
            lookup=lookup,
            note=note,
        )

    def target(self, spec: dict[str, Any], pointer: str) -> tuple[str, ...] | None:
        value = spec.get("to")
        if not isinstance(value, str) or not value:
            self.add("missing_key", f"{pointer}/to", "a field needs 'to': the target path")
            return None
        try:
            return parse_target(value)
        except MappingPathError as error:
            self.add("path", f"{pointer}/to", str(error))
            return None

    def formula(self, value: Any, pointer: str) -> tuple[str, Node | None]:
        if not isinstance(value, str):
            self.add("formula", pointer, f"a formula is text, not {excerpt_of(value)}")
            return "", None
        try:
            return value, parse_formula(value, lookups=self.declared)
        except FormulaError as error:
            self.add("formula", pointer, f"{error}: {value[:120]}")
            return value, None

    def lookup(self, spec: dict[str, Any], pointer: str, kind: str) -> str | None:
        if "lookup" not in spec:
            return None
        name = spec["lookup"]
        if kind == "formula":
            self.add("wrong_value", f"{pointer}/lookup", "inside a formula, use lookup(value, 'name')")
        elif not isinstance(name, str) or name not in self.declared:
            self.add("lookup", f"{pointer}/lookup", f"there is no lookup {name!r}.{nearest(str(name), self.declared)}")
        else:
            return name
        return None

    def each(self, spec: dict[str, Any], pointer: str, depth: int, target: tuple[str, ...], note: str) -> Field | None:
        self.keys(spec, _COMMON | {"from", "each", "required", "default", "when"}, pointer)
        if "from" not in spec:
            self.add("source", pointer, "'each' goes with 'from': the path of the source list")
            return None
        if "default" in spec and spec["default"] != []:
            self.add("wrong_value", f"{pointer}/default", "the default of a list is the empty list []")
        required = self.flag(spec, "required", pointer)
        if required and "default" in spec:
            self.add(
                "missing_rule",
                pointer,
                "only one of 'required' and 'default' says what happens when the list is missing",
            )
        text, when = self.formula(spec["when"], f"{pointer}/when") if "when" in spec else ("", None)
        if when is not None and when.kind not in ("boolean", "any"):
            self.add("formula_type", f"{pointer}/when", f"'when' decides, so it gives true or false, not {when.kind}")
        source = self.path(spec["from"], f"{pointer}/from")
        inner = self.fields(spec["each"], f"{pointer}/each", depth + 1)
        return Field(
            pointer,
            target,
            None,
            source,
            required=required,
            default=[],
            has_default="default" in spec,
            each=inner,
            when=when,
            when_text=text,
            note=note,
        )

    def constant(self, spec: dict[str, Any], pointer: str, target: tuple[str, ...], note: str) -> Field:
        value = spec["constant"]
        self.literal(value, f"{pointer}/constant")
        kind = None
        if "type" in spec:
            kind = self.type(spec, pointer, _COMMON | {"type", "constant"})
            value = self.fit(value, kind, f"{pointer}/constant")
        else:
            self.keys(spec, _COMMON | {"type", "constant"}, pointer)
        return Field(pointer, target, kind, constant=value, has_constant=True, note=note)
