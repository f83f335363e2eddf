"""Does a mapping fit the two contracts it stands between? Schemas are JSON-Schema- or OpenAPI-shaped dicts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from runtime.mapping.conversions import ValueType
from runtime.mapping.errors import MappingFinding, nearest
from runtime.mapping.explain import full_path
from runtime.mapping.formula import Aggregate, FormulaOperation, FunctionCall, Node, Read
from runtime.mapping.functions import FUNCTIONS
from runtime.mapping.model import Field, Mapping
from runtime.mapping.paths import Index, Path, PathMatch, show

Schema = dict[str, Any]
Resolver = Callable[[str], Any]
_FITS: dict[str, tuple[str, ...]] = {  # mapping type → source types that can hold it
    "string": ("string", "integer"),
    "integer": ("integer", "number", "string"),
    "decimal": ("number", "integer", "string"),
    "money": ("number", "integer", "string"),
    "boolean": ("boolean", "string"),
    "date": ("string",),
    "datetime": ("string",),
}
_LIMIT = 30


def check_against(
    mapping: Mapping,
    source_schema: Schema,
    target_schema: Schema,
    *,
    resolve: Resolver | None = None,
    resolve_target: Resolver | None = None,
) -> list[MappingFinding]:
    """Findings about the mapping, pointers into its spec: source fields that do not exist (with the nearest names),
    required target fields that stay empty, types, lengths and enums that do not fit.

    `resolve(ref)` gives the schema of a `$ref`; without it, `#/…` is looked up in the schema itself. A schema that says
    nothing about a place (open object, no type) gives no finding.
    """
    source = _Schemas(source_schema, resolve)
    target = _Schemas(target_schema, resolve_target or resolve)
    checker = _Checker(mapping, source, target)
    checker.fields(mapping.fields, (), source.merged(source_schema), target.merged(target_schema), "")
    return checker.findings


class _Schemas:
    """$ref, allOf, oneOf, anyOf and nullable smoothed into one view: properties, required, items, types."""

    def __init__(self, root: Schema, resolve: Resolver | None) -> None:
        self.root, self.resolve = root, resolve

    def deref(self, schema: Any) -> Schema:
        for _ in range(_LIMIT):
            if not isinstance(schema, dict) or "$ref" not in schema:
                return schema if isinstance(schema, dict) else {}
            ref = schema["$ref"]
            if self.resolve is not None:
                schema = self.resolve(ref)
            else:
                schema = _local(self.root, ref)
        return {}

    def merged(self, schema: Any, depth: int = 0) -> Schema:
        """The union view: a property exists if any branch has it; it is required if the schema and every branch say
        so."""
        own = self.deref(schema)
        if depth > _LIMIT or not own:
            return {}
        out = {k: v for k, v in own.items() if k not in ("allOf", "oneOf", "anyOf")}
        out["properties"], out["required"] = dict(own.get("properties") or {}), set(own.get("required") or ())
        for part in own.get("allOf") or ():
            inner = self.merged(part, depth + 1)
            out["properties"].update(inner.get("properties", {}))
            out["required"] |= inner.get("required", set())
            out.update({k: v for k, v in inner.items() if k not in ("properties", "required") and k not in out})
        for word in ("oneOf", "anyOf"):
            branches = [self.merged(b, depth + 1) for b in own.get(word) or ()]
            branches = [b for b in branches if b.get("type") != "null"]
            for branch in branches:
                out["properties"].update(
                    {k: v for k, v in branch.get("properties", {}).items() if k not in out["properties"]}
                )
            if branches:
                out["required"] |= set.intersection(*(b.get("required", set()) for b in branches))
                types = [t for b in branches for t in self.types(b)]
                if "type" not in out and types and all(self.types(b) for b in branches):
                    out["type"] = types
                if "items" not in out:
                    out.update(next(({"items": b["items"]} for b in branches if "items" in b), {}))
                out["open"] = out.get("open") or any(self.open(b) for b in branches)
        return out

    def types(self, schema: Schema) -> list[str]:
        kind = schema.get("type")
        found = [kind] if isinstance(kind, str) else list(kind or ())
        if not found and schema.get("properties"):
            found = ["object"]
        return [t for t in found if t != "null"]

    def nullable(self, schema: Schema) -> bool:
        kind = schema.get("type")
        return bool(schema.get("nullable")) or (isinstance(kind, list) and "null" in kind)

    def open(self, schema: Schema) -> bool:
        """Nothing can be said about other members: no properties declared at all, or extra members have a schema."""
        return (
            bool(schema.get("open"))
            or not schema.get("properties")
            or isinstance(schema.get("additionalProperties"), dict)
        )

    def member(self, schema: Schema, name: str) -> Schema | None:
        """None: does not exist. {}: nothing is known."""
        if name in schema.get("properties", {}):
            return self.merged(schema["properties"][name])
        if isinstance(schema.get("additionalProperties"), dict):
            return self.merged(schema["additionalProperties"])
        if self.types(schema) and "object" not in self.types(schema):
            return None
        return {} if self.open(schema) or schema.get("patternProperties") else None

    def element(self, schema: Schema) -> Schema:
        return self.merged(schema.get("items") or {})


def _local(root: Schema, ref: Any) -> Any:
    if not isinstance(ref, str) or not ref.startswith("#"):
        return {}
    node: Any = root
    for step in ref[1:].split("/")[1:]:
        step = step.replace("~1", "/").replace("~0", "~")
        node = node.get(step) if isinstance(node, dict) else None
    return node


class _Checker:
    def __init__(self, mapping: Mapping, source: _Schemas, target: _Schemas) -> None:
        self.mapping, self.source, self.target = mapping, source, target
        self.findings: list[MappingFinding] = []
        self.root = source.merged(source.root)

    def add(self, code: str, pointer: str, message: str, *, warning: bool = False, member: str = "") -> None:
        self.findings.append(
            MappingFinding(f"mapping.{code}", pointer, message, "warning" if warning else "error", member)
        )

    def fields(
        self, fields: tuple[Field, ...], around: tuple[Field, ...], source: Schema, target: Schema, prefix: str
    ) -> None:
        for one in fields:
            self.field(one, around, source, self.place(one, target, prefix), prefix)
        if not (len(fields) == 1 and fields[0].target == ()):
            pointer = around[-1].pointer if around else "/fields"
            self.unfilled(target, [(f.target, f.always, f.pointer) for f in fields], prefix, pointer)

    # -- source side -----------------------------------------------------------------------------------------------

    def field(self, one: Field, around: tuple[Field, ...], source: Schema, place: Schema | None, prefix: str) -> None:
        found = self.look(one.source, source, around, f"{one.pointer}/from") if one.source else None
        if one.each is not None:
            self.each(one, around, found, place, prefix)
            return
        if one.formula is not None:
            self.formula(one.formula, source, around, f"{one.pointer}/formula")
        if one.type is not None and isinstance(one.type.currency, Path):
            self.look(one.type.currency, source, around, f"{one.pointer}/currency/from")
        if found:
            self.readable(one, found)
        if place:
            self.writable(one, place, prefix)

    def each(
        self, one: Field, around: tuple[Field, ...], found: Schema | None, place: Schema | None, prefix: str
    ) -> None:
        shown = prefix + ".".join(one.target)
        if found and (types := self.source.types(found)) and "array" not in types:
            self.add(
                "not_a_list",
                f"{one.pointer}/from",
                f"{one.source} is {' or '.join(types)} in the source contract, not a list",
            )
            found = {}
        if place and (types := self.target.types(place)) and "array" not in types:
            self.add(
                "type_mismatch",
                f"{one.pointer}/to",
                f"{shown} is {' or '.join(types)} in the target contract, not a list",
            )
            place = {}
        if place and isinstance(low := place.get("minItems"), int) and low > 0 and one.has_default:
            self.add(
                "target_bounds",
                f"{one.pointer}/default",
                f"{shown} needs at least {low} elements, and the default has none",
            )
        inner = self.source.element(found or {})
        if one.when is not None:
            self.formula(one.when, inner, (*around, one), f"{one.pointer}/when")
        assert one.each is not None
        self.fields(one.each, (*around, one), inner, self.target.element(place or {}), f"{shown}[].")

    def look(self, path: Path, base: Schema, around: tuple[Field, ...], pointer: str) -> Schema | None:
        """The schema at a path: None after a finding, {} where nothing is known."""
        schema = self.root if path.root else base
        for n, segment in enumerate(path.segments):
            if isinstance(segment, Index | PathMatch):
                if (types := self.source.types(schema)) and "array" not in types:
                    self.add(
                        "not_a_list",
                        pointer,
                        f"{show(path.segments[:n])} is {' or '.join(types)} in the source contract, not a list",
                    )
                    return None
                schema = self.source.element(schema)
                if isinstance(segment, PathMatch) and self.source.member(schema, segment.key) is None:
                    self.unknown(segment.key, schema, path, around, pointer)
                    return None
                continue
            inner = self.source.member(schema, segment)
            if inner is None:
                self.unknown(segment, schema, path, around, pointer)
                return None
            schema = inner
        return schema

    def unknown(self, name: str, schema: Schema, path: Path, around: tuple[Field, ...], pointer: str) -> None:
        hint = nearest(name, schema.get("properties", {}))
        message = (
            f"the field {full_path(path, around)} does not exist in the source contract: there is no {name!r}.{hint}"
        )
        self.add("field_does_not_exist", pointer, message)

    def formula(self, node: Node, base: Schema, around: tuple[Field, ...], pointer: str) -> None:
        for read, wanted in _typed_reads(node, None):
            if isinstance(read, Aggregate):
                found = self.look(read.items, base, around, pointer)
                if found and (types := self.source.types(found)) and "array" not in types:
                    self.add(
                        "not_a_list",
                        pointer,
                        f"{read.items} is {' or '.join(types)} in the source contract, not a list",
                    )
                elif found and read.rest:
                    inner = Path(read.rest)
                    self.look(inner, self.source.element(found), around, pointer)
                continue
            found = self.look(read.path, base, around, pointer)
            types = self.source.types(found) if found else []
            fits = {"number": ("number", "integer"), "text": ("string",), "boolean": ("boolean",)}.get(wanted or "", ())
            if types and fits and not set(types) & set(fits):
                said = f"{full_path(read.path, around)} is {' or '.join(types)} in the source contract"
                said += f", and the formula needs a {wanted}"
                cure = (
                    "; use number(…)"
                    if wanted == "number" and "string" in types
                    else "; use text(…)"
                    if wanted == "text"
                    else ""
                )
                self.add("type_mismatch", pointer, said + cure)

    def readable(self, one: Field, found: Schema) -> None:
        types = self.source.types(found)
        pointer = f"{one.pointer}/from"
        if one.lookup is not None:
            self.covered(one, found)
            return
        assert one.type is not None
        fits = _FITS.get(one.type.name)
        if types and fits and not set(types) & set(fits):
            self.add(
                "type_mismatch",
                pointer,
                f"{one.source} is {' or '.join(types)} in the source contract and cannot be read as {one.type.name}",
            )
        elif one.type.name == "boolean" and types == ["string"] and not (one.type.true or one.type.false):
            self.add(
                "type_mismatch",
                pointer,
                f"{one.source} is text in the source contract; say which texts mean true and false",
            )
        elif one.type.name == "integer" and types == ["number"]:
            self.add(
                "may_not_fit",
                pointer,
                f"{one.source} may have a fraction in the source contract; such documents are refused",
                warning=True,
            )
        if one.required and self.source.nullable(found):
            self.add(
                "may_be_missing",
                pointer,
                f"{one.source} may be null in the source contract; such documents are refused",
                warning=True,
            )
        limit, longest = one.type.max_length, found.get("maxLength")
        if limit is not None and isinstance(longest, int) and longest > limit:
            self.add(
                "may_not_fit",
                pointer,
                f"{one.source} may have {longest} characters, and the field takes {limit}",
                warning=True,
            )

    def covered(self, one: Field, found: Schema) -> None:
        table = self.mapping.lookups[one.lookup or ""]
        open_values = [str(v) for v in found.get("enum") or () if v is not None and str(v) not in table.values]
        if open_values and not table.has_default:
            listed = ", ".join(repr(v) for v in open_values[:5]) + (" …" if len(open_values) > 5 else "")
            message = f"the lookup {table.name!r} has no entry for {listed}, which the source contract allows; "
            message += "such documents are refused"
            self.add("lookup_gap", f"{one.pointer}/lookup", message, warning=True)

    # -- target side -----------------------------------------------------------------------------------------------

    def place(self, one: Field, target: Schema, prefix: str) -> Schema | None:
        schema = target
        for name in one.target:
            inner = self.target.member(schema, name)
            if inner is None and schema.get("additionalProperties") is not False and not self.target.types(schema):
                inner = {}
            if inner is None:
                shown = prefix + ".".join(one.target)
                hint = nearest(name, schema.get("properties", {}))
                self.add(
                    "field_does_not_exist",
                    f"{one.pointer}/to",
                    f"the field {shown} does not exist in the target contract: there is no {name!r}.{hint}",
                )
                return None
            schema = inner
        if schema.get("readOnly"):
            self.add(
                "read_only", f"{one.pointer}/to", f"{prefix}{'.'.join(one.target)} is read-only in the target contract"
            )
        return schema

    def unfilled(
        self,
        target: Schema,
        written: list[tuple[tuple[str, ...], bool, str]],
        prefix: str,
        pointer: str,
        depth: int = 0,
    ) -> None:
        for name in sorted(target.get("required", ())):
            schema = self.target.member(target, name) or {}
            if schema.get("readOnly"):
                continue
            here = [(t, always, p) for t, always, p in written if t[:1] == (name,)]
            if not here:
                said = f"the target contract requires {prefix}{name}, and no field fills it"
                self.add("required_target_unfilled", pointer, said, member=f"{prefix}{name}")
            elif not any(always for _, always, _ in here):
                said = (
                    f"the target contract requires {prefix}{name}, and the field may leave it out; "
                    "say 'required' or give a 'default'"
                )
                self.add("required_target_may_be_missing", here[0][2], said, member=f"{prefix}{name}")
        if depth > _LIMIT:
            return
        for name in {t[0] for t, _, _ in written if len(t) > 1}:
            inner = [(t[1:], always, p) for t, always, p in written if t[0] == name and len(t) > 1]
            self.unfilled(self.target.member(target, name) or {}, inner, f"{prefix}{name}.", pointer, depth + 1)

    def writable(self, one: Field, place: Schema, prefix: str) -> None:
        shown, types = prefix + ".".join(one.target), self.target.types(place)
        pointer = f"{one.pointer}/to"
        written = _written(one)
        if types and written and not any(_accepts(types, w) for w in written):
            said = " or ".join(sorted(set(written)))
            self.add(
                "type_mismatch",
                pointer,
                f"{shown} is {' or '.join(types)} in the target contract, and the mapping writes {said}",
            )
        if one.null and types and not self.target.nullable(place):
            self.add("type_mismatch", f"{one.pointer}/write_null", f"{shown} may not be null in the target contract")
        if place.get("enum"):
            self.within(one, list(place["enum"]), shown)
        longest, limit = place.get("maxLength"), one.type.max_length if one.type else None
        if isinstance(longest, int) and one.type and one.type.name == "string" and not one.has_constant:
            source_says = one.lookup is not None
            if not source_says and (limit is None or limit > longest):
                said = f"{shown} takes at most {longest} characters in the target contract; "
                said += f"say max_length: {longest} to refuse longer ones here"
                self.add("may_not_fit", pointer, said, warning=True)
        if one.type and one.type.name in ("date", "datetime") and one.type.write == "iso":
            form, expected = place.get("format"), {"date": "date", "datetime": "date-time"}[one.type.name]
            if form in ("date", "date-time", "time") and form != expected:
                self.add(
                    "type_mismatch",
                    pointer,
                    f"{shown} has the format {form} in the target contract, and the mapping writes a {one.type.name}",
                )

    def within(self, one: Field, allowed: list[Any], shown: str) -> None:
        """Constants, defaults and lookup results must be values that the target lists."""
        given: list[tuple[str, Any]] = []
        if one.has_constant:
            given.append((f"{one.pointer}/constant", one.constant))
        if one.has_default:
            given.append((f"{one.pointer}/default", one.default))
        if one.lookup is not None:
            table = self.mapping.lookups[one.lookup]
            given += [(f"/lookups/{table.name}/values/{key}", value) for key, value in table.values.items()]
            given += (
                [(f"/lookups/{table.name}/default", table.default)]
                if table.has_default and table.default is not None
                else []
            )
        for pointer, value in given:
            if value not in allowed:
                listed = ", ".join(repr(v) for v in allowed[:6]) + (" …" if len(allowed) > 6 else "")
                self.add(
                    "not_in_enum",
                    pointer,
                    f"{shown} does not take {value!r}; the target contract lists {listed}."
                    f"{nearest(str(value), allowed)}",
                )


def _typed_reads(node: Node, wanted: str | None) -> Iterator[tuple[Read | Aggregate, str | None]]:
    """Every read with the kind that its place needs, None where anything will do."""
    if isinstance(node, Read | Aggregate):
        yield node, wanted
    elif isinstance(node, FormulaOperation):
        inner = (
            "number" if node.op in ("+", "-", "*", "neg") else "boolean" if node.op in ("and", "or", "not") else None
        )
        known = {a.kind for a in node.args} - {"any", "unknown"}
        if inner is None and len(known) == 1:
            inner = known.pop()
        for arg in node.args:
            yield from _typed_reads(arg, inner)
    elif isinstance(node, FunctionCall):
        takes = FUNCTIONS[node.name].takes
        for n, arg in enumerate(node.args):
            kind = takes[min(n, len(takes) - 1)]
            yield from _typed_reads(arg, None if kind == "any" else kind)


def _written(one: Field) -> list[str]:
    """JSON types that a field writes; empty when it depends on the data."""
    if one.correlation:
        return ["string"]
    if one.has_constant:
        return [_json_type(one.constant)]
    kind: ValueType | None = one.type
    if kind is None or kind.name == "any":
        return []
    if kind.name in ("string", "date", "datetime"):
        return ["string"]
    if kind.name == "money":
        return [{"object": "object", "minor": "integer", "text": "string"}.get(kind.write, "number")]
    if kind.name == "decimal":
        return ["string" if kind.write == "text" else "integer" if kind.scale == 0 else "number"]
    return [kind.name]


def _json_type(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    names = {str: "string", int: "integer", dict: "object", list: "array", type(None): "null"}
    return names.get(type(value), "number")


def _accepts(types: list[str], written: str) -> bool:
    return written in types or (written == "integer" and "number" in types)
