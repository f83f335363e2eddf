"""OData types as schemas: what a response carries, and what a create or an update may send.

Representation follows OData V2 JSON (Edm.Int64 and Edm.Decimal travel as strings, dates as `/Date(…)/`) and OData JSON
4.01 (numbers, ISO dates). An entity in a response carries every structural property, so all of them are required
there; what a create or an update may send depends on key, Nullable, Computed, `sap:creatable` and `sap:updatable`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from tillgate_contracts.reading.edmx_model import EdmxElement, EdmxModel
from tillgate_contracts.reading.limits import Clock, ReadingLimits, too_many
from tillgate_contracts.reading.odata_limits import PREFIX, limits_of
from tillgate_contracts.reading.pointers import escape

_WHOLE = re.compile(r"^[+-]?[0-9]{1,19}$")
_COMMON: dict[str, dict[str, Any]] = {
    "Edm.String": {"type": "string"},
    "Edm.Boolean": {"type": "boolean"},
    "Edm.Guid": {"type": "string", "format": "uuid"},
    "Edm.Binary": {"type": "string", "format": "base64url"},
    "Edm.Stream": {"type": "string", "format": "base64url"},
    "Edm.Byte": {"type": "integer", "minimum": 0, "maximum": 255},
    "Edm.SByte": {"type": "integer", "minimum": -128, "maximum": 127},
    "Edm.Int16": {"type": "integer", "minimum": -32768, "maximum": 32767},
    "Edm.Int32": {"type": "integer", "format": "int32"},
    "Edm.Single": {"type": "number", "format": "float"},
    "Edm.Double": {"type": "number", "format": "double"},
    "Edm.Date": {"type": "string", "format": "date"},
    "Edm.TimeOfDay": {"type": "string", "format": "time"},
    "Edm.Duration": {"type": "string", "format": "duration"},
}
_BY_VERSION: dict[str, dict[str, dict[str, Any]]] = {
    "2": {
        "Edm.Int64": {"type": "string", "format": "int64"},
        "Edm.Decimal": {"type": "string", "format": "decimal"},
        "Edm.DateTime": {"type": "string", "format": "x-odata-date"},
        "Edm.DateTimeOffset": {"type": "string", "format": "x-odata-date-offset"},
        "Edm.Time": {"type": "string", "format": "duration"},
    },
    "4": {
        "Edm.Int64": {"type": "integer", "format": "int64"},
        "Edm.Decimal": {"type": "number", "format": "decimal"},
        "Edm.DateTimeOffset": {"type": "string", "format": "date-time"},
    },
}
READ, CREATE, UPDATE = "", "-create", "-update"
"""Suffixes of a type's schemas by use."""


class TypeLift:
    """The types of a model as schemas, with the place of each in the XML."""

    def __init__(self, model: EdmxModel, clock: Clock, limits: ReadingLimits) -> None:
        self.model = model
        self.clock = clock
        self.limits = limits
        self.scalars = {**_COMMON, **_BY_VERSION[model.version]}
        self.origins: dict[str, str] = {"": "/Edmx"}
        self.lines: dict[str, int] = {"": 1}
        self.names = self._names()
        self.below: dict[str, list[str]] = {}
        for full, element in model.types.items():
            if element["BaseType"]:
                self.below.setdefault(model.qualified(element["BaseType"]), []).append(full)
        self.bases = self.below.keys() & model.types.keys()
        self.beside = self._annotations_beside()
        self.steps = 0

    def _names(self) -> dict[str, str]:
        """Component name of each type: the local name, or the full one where two namespaces share it."""
        seen: dict[str, int] = {}
        for full in self.model.types:
            local = full.rpartition(".")[2]
            seen[local] = seen.get(local, 0) + 1
        return {
            full: full if seen[full.rpartition(".")[2]] > 1 else full.rpartition(".")[2] for full in self.model.types
        }

    def _annotations_beside(self) -> dict[int, list[EdmxElement]]:
        """Annotations of types and of their properties that stand elsewhere and name them as their target: they mean
        what they would mean inside (CSDL XML 4.01 section 14.2)."""
        found: dict[int, list[EdmxElement]] = {}
        for full, element in self.model.types.items() if self.model.annotations else ():
            for item, target in ((element, full), *((one, f"{full}/{one.name}") for one in element.children)):
                if target in self.model.annotations:
                    found[id(item)] = self.model.annotations[target]
        return found

    def annotations(self, item: EdmxElement) -> list[EdmxElement]:
        return [*item.all("Annotation"), *self.beside.get(id(item), ())]

    def step(self, line: int) -> None:
        self.steps += 1
        if self.steps > self.limits.max_values:
            raise too_many(line, self.limits)
        if not self.steps % 2048:
            self.clock.check(line)

    def mark(self, pointer: str, element: EdmxElement) -> None:
        self.step(element.line)
        self.origins[pointer] = element.path
        self.lines[pointer] = element.line

    def schemas(self) -> dict[str, Any]:
        """Every schema by its component name."""
        made: dict[str, Any] = {}
        for full, element in self.model.types.items():
            self._type(full, element, made)
        return made

    def _type(self, full: str, element: EdmxElement, schemas: dict[str, Any]) -> None:
        name = self.names[full]
        if element.kind == "EnumType":
            schemas[name] = self._enum(element)
            self.mark(f"/components/schemas/{escape(name)}", element)
        elif element.kind == "TypeDefinition":
            schemas[name] = self._facets(dict(self._scalar(element["UnderlyingType"])), element)
            self.mark(f"/components/schemas/{escape(name)}", element)
        else:
            for use in (READ, CREATE, UPDATE):
                schemas[name + use] = self._structure(full, element, use)

    def _enum(self, element: EdmxElement) -> dict[str, Any]:
        members = [member.name for member in element.all("Member")]
        numbers = self._numbers(element)
        more = {} if list(numbers.values()) == list(range(len(members))) else {"x-odata-numbers": numbers}
        if element.flag("IsFlags", False):
            choice = "|".join(members)
            return {"type": "string", "pattern": f"^({choice})(,({choice}))*$", "x-odata-flags": members, **more}
        return {"type": "string", "enum": members, **more}

    @staticmethod
    def _numbers(element: EdmxElement) -> dict[str, Any]:
        """The number behind each member: as stated, else one more than the last (CSDL XML 4.01 section 10.3)."""
        numbers: dict[str, Any] = {}
        following = 0
        for member in element.all("Member"):
            written = str(member["Value"] or "").strip()
            stated = int(written) if _WHOLE.match(written) else None
            numbers[member.name] = written if written and stated is None else following if stated is None else stated
            following = (stated if stated is not None else following) + 1
        return numbers

    def keys(self, element: EdmxElement, depth: int = 0) -> list[EdmxElement]:
        """The key properties of an entity type, inherited ones included."""
        declared = element.first("Key")
        if declared is not None:
            own = {item.name: item for item in element.all("Property")}
            return [own[ref.name] for ref in declared.all("PropertyRef") if ref.name in own]
        base = self.model.types.get(self.model.qualified(element["BaseType"])) if element["BaseType"] else None
        return self.keys(base, depth + 1) if base is not None and depth < 32 else []

    def _key_names(self, element: EdmxElement) -> list[str]:
        """The names of the key in URLs: an alias stands for its property there, and has a path of its own where that is
        a property of a property (CSDL XML 4.01 section 6.5)."""
        for entry in (element, *self._ancestors(element)):
            declared = entry.first("Key")
            if declared is not None:
                own = {item.name for item in entry.all("Property")}
                return [
                    (ref["Alias"] or ref.name) + ("" if ref.name in own else f"={ref.name}")
                    for ref in declared.all("PropertyRef")
                ]
        return []

    def _ancestors(self, element: EdmxElement) -> Iterator[EdmxElement]:
        for _ in range(32):
            base = self.model.types.get(self.model.qualified(element["BaseType"])) if element["BaseType"] else None
            if base is None:
                return
            yield base
            element = base

    def _structure(self, full: str, element: EdmxElement, use: str) -> dict[str, Any]:
        name = self.names[full] + use
        pointer = f"/components/schemas/{escape(name)}"
        self.mark(pointer, element)
        keys = {key.name for key in self.keys(element)}
        properties: dict[str, Any] = {}
        required: list[str] = []
        for item in element.all("Property"):
            if not self._sent(item, use, item.name in keys):
                continue
            self.mark(f"{pointer}/properties/{escape(item.name)}", item)
            properties[item.name] = self._property(item, use)
            if use == READ or (use == CREATE and self._needed(item)):
                required.append(item.name)
        for item in element.all("NavigationProperty"):
            if use != UPDATE:
                self.mark(f"{pointer}/properties/{escape(item.name)}", item)
                properties[item.name] = self._navigation(item, use)
        made: dict[str, Any] = {"type": "object", "properties": properties}
        if required:
            made["required"] = required
        names = self._key_names(element) if use == READ else []
        if names:
            made["x-odata-key"] = names
        if element.flag("OpenType", False):
            made["additionalProperties"] = True
            if element["BaseType"] or full in self.bases:
                made["x-odata-open"] = True
        elif use != READ and not element["BaseType"] and full not in self.bases:
            # What a closed type does not declare is refused, but for control information.
            made["additionalProperties"] = False
            made["patternProperties"] = {"^__" if self.model.version == "2" else "@": {}}
        self._describe(made, element)
        if use == READ:
            made.update(limits_of(element, self.annotations(element)))
            if element.flag("Abstract", False) and full not in self.bases:
                made[f"{PREFIX}Abstract"] = "true"  # with types derived from it, they are told one by one
        base = self.model.qualified(element["BaseType"]) if element["BaseType"] else ""
        if base:
            made = {"allOf": [{"$ref": f"#/components/schemas/{escape(self.names.get(base, base))}{use}"}, made]}
        if full in self.bases:
            made["discriminator"] = self._discriminator(full, use)
        return made

    def _discriminator(self, full: str, use: str) -> dict[str, Any]:
        """Wherever a type is declared, a type derived from it may stand, named in the control information (OData JSON
        4.01 section 4.6.3, V2 JSON section 7). An abstract type stands nowhere itself (CSDL XML 4.01 section 6.3)."""
        old = self.model.version == "2"
        mapping = {
            other if old else f"#{other}": f"#/components/schemas/{escape(self.names[other])}{use}"
            for other in (full, *self._derived(full))
            if not self.model.types[other].flag("Abstract", False)
        }
        return {"propertyName": "__metadata" if old else "@odata.type", "mapping": mapping}

    def _derived(self, full: str) -> list[str]:
        """Every type below a type, in the order of the model."""
        found: dict[str, None] = {}
        stack = [full]
        while stack:
            for name in self.below.get(stack.pop(), ()):
                if name not in found and name != full:
                    found[name] = None
                    stack.append(name)
                    self.step(self.model.types[name].line)
        return list(found)

    def _sent(self, item: EdmxElement, use: str, is_key: bool) -> bool:
        """Whether a property appears in this use of its type."""
        if use == READ:
            return True
        if self._annotated(item, "Computed"):
            return False
        if use == CREATE:
            return item.flag("sap:creatable", True)
        return not is_key and item.flag("sap:updatable", True) and not self._annotated(item, "Immutable")

    def _needed(self, item: EdmxElement) -> bool:
        return not item.flag("Nullable", True) and "DefaultValue" not in item.attributes

    def _annotated(self, item: EdmxElement, term: str) -> bool:
        return any(
            annotation["Term"].rpartition(".")[2] == term and annotation.attributes.get("Bool", "true") == "true"
            for annotation in self.annotations(item)
        )

    def _property(self, item: EdmxElement, use: str) -> dict[str, Any]:
        made = self.typed(item["Type"], item, use)
        self._describe(made, item)
        for attribute in ("sap:unit", "sap:semantics"):
            if item[attribute]:
                made["x-" + attribute.replace(":", "-")] = item[attribute]
        if use == READ:
            made.update(limits_of(item, self.annotations(item)))
        if "DefaultValue" in item.attributes and made.get("type") not in ("object", "array"):
            made["default"] = item["DefaultValue"]
        return made

    def typed(self, text: str, item: EdmxElement, use: str) -> dict[str, Any]:
        """The schema of a type expression with the facets and the nullability of the element that names it."""
        nullable = item.flag("Nullable", True)
        if text.startswith("Collection(") and text.endswith(")"):
            inner = self.one(text[11:-1], item, use)
            return {"type": "array", "items": inner}
        return self._or_null(self.one(text, item, use)) if nullable else self.one(text, item, use)

    def one(self, text: str, item: EdmxElement, use: str) -> dict[str, Any]:
        full = self.model.qualified(text)
        if full in self.names:
            kind = self.model.types[full].kind
            suffix = use if kind in ("EntityType", "ComplexType") else ""
            return {"$ref": f"#/components/schemas/{escape(self.names[full])}{suffix}"}
        if _is_foreign(text):
            return {"$ref": f"#/components/schemas/{escape(full)}"}  # which nothing in this document is
        return self._facets(dict(self._scalar(text)), item)

    def _or_null(self, schema: dict[str, Any]) -> dict[str, Any]:
        if "$ref" in schema:
            return {"anyOf": [schema, {"type": "null"}]}
        if isinstance(schema.get("type"), str):
            return {**schema, "type": [schema["type"], "null"]}
        return schema

    def _scalar(self, text: str) -> dict[str, Any]:
        known = self.scalars.get(text)
        return known if known is not None else {"x-odata-type": text}

    def _facets(self, schema: dict[str, Any], item: EdmxElement) -> dict[str, Any]:
        length = item["MaxLength"]
        if schema.get("type") == "string" and length.isdecimal() and len(length) < 12 and schema.get("format") is None:
            schema["maxLength"] = int(length)
        precision, scale = item["Precision"], item["Scale"]
        if schema.get("format") == "decimal" and precision.isdecimal() and len(precision) < 4:
            whole, fraction = int(precision), int(scale) if scale.isdecimal() and len(scale) < 4 else 0
            schema["x-odata-precision"] = whole
            schema["x-odata-scale"] = fraction if scale.isdecimal() or not scale else scale
            digits = whole if scale and not scale.isdecimal() else max(whole - fraction, 0)
            if schema["type"] == "number" and digits < 300:
                limit = 10**digits if digits <= 18 else float(10**digits)
                schema.update({"exclusiveMinimum": -limit, "exclusiveMaximum": limit})
                if not scale or scale.isdecimal():
                    schema["multipleOf"] = 1 if not fraction else float(f"1e-{fraction}")
            elif schema["type"] == "string":
                schema["maxLength"] = whole + (2 if fraction else 1)
        return schema

    def _describe(self, schema: dict[str, Any], element: EdmxElement) -> None:
        if element["sap:label"]:
            schema["title"] = element["sap:label"]
        documentation = element.first("Documentation")
        text = element["sap:quickinfo"]
        if documentation is not None:
            parts = [child.text for child in documentation.all("Summary", "LongDescription") if child.text]
            text = " ".join(parts) or text
        for annotation in self.annotations(element):
            if annotation["Term"].rpartition(".")[2] in ("Description", "LongDescription") and annotation["String"]:
                text = annotation["String"]
        if text:
            schema["description"] = text

    def _navigation(self, item: EdmxElement, use: str) -> dict[str, Any]:
        target, multiplicity = self.target(item)
        made: dict[str, Any]
        if target not in self.names and not _is_foreign(target):
            made = {"x-odata-type": target}
        else:
            ref = {"$ref": f"#/components/schemas/{escape(self.names.get(target, target))}{use}"}
            if multiplicity == "*":
                rows: dict[str, Any] = {"type": "array", "items": ref}
                wrapped = self.model.version == "2" and use == READ
                made = {"type": "object", "properties": {"results": rows}} if wrapped else rows
            else:
                made = {"anyOf": [ref, {"type": "null"}]} if multiplicity == "0..1" else {"allOf": [ref]}
        made["x-odata-multiplicity"] = multiplicity
        if use == READ:
            made.update(limits_of(item, self.annotations(item)))
        if item.flag("ContainsTarget", False):
            made["x-odata-contained"] = True
        return made

    def target(self, item: EdmxElement) -> tuple[str, str]:
        """Type and multiplicity (`1`, `0..1`, `*`) that a navigation property leads to."""
        if item["Type"]:
            text = item["Type"]
            if text.startswith("Collection("):
                return self.model.qualified(text[11:-1]), "*"
            return self.model.qualified(text), "0..1" if item.flag("Nullable", True) else "1"
        association = self.model.associations.get(self.model.qualified(item["Relationship"]))
        for end in association.all("End") if association is not None else ():
            if end["Role"] == item["ToRole"]:
                return self.model.qualified(end["Type"]), end["Multiplicity"] or "1"
        return item["Relationship"], "0..1"


def _is_foreign(name: str) -> bool:
    """Whether a type is declared in a schema, though in none of this document: neither `Edm.…` nor of a vocabulary."""
    return "." in name and not name.startswith(("Edm.", "Org.OData."))
