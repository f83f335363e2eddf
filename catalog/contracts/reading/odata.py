"""The OData model as an OpenAPI 3.1-shaped normal form: schemas for reading, creating and updating, and the URLs of the service.

Representation follows OData V2 JSON (Edm.Int64 and Edm.Decimal travel as strings, dates as `/Date(…)/`, results under `d`)
and OData JSON 4.01 (numbers, ISO dates, collections under `value`). An entity in a response carries every structural
property, so all of them are required there; what a create or an update may send depends on key, Nullable, Computed,
`sap:creatable` and `sap:updatable`.
"""

from __future__ import annotations

from typing import Any

from catalog.contracts.reading.edmx import Element, Model
from catalog.contracts.reading.lifted import Lifted
from catalog.contracts.reading.limits import Clock, Limits, refusal, too_many
from catalog.contracts.reading.pointers import escape

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
_MAX_PATHS = 20_000
_READ, _CREATE, _UPDATE = "", "-create", "-update"
_OPTIONS = {
    "top": ("$top", {"type": "integer", "minimum": 0}, "sap:pageable"),
    "skip": ("$skip", {"type": "integer", "minimum": 0}, "sap:pageable"),
    "filter": ("$filter", {"type": "string"}, ""),
    "orderby": ("$orderby", {"type": "string"}, ""),
    "select": ("$select", {"type": "string"}, ""),
    "expand": ("$expand", {"type": "string"}, ""),
}


def lift_model(model: Model, clock: Clock, limits: Limits) -> Lifted:
    """The normal form of a model, with an XPath and a line for every schema, property and path."""
    return _Lift(model, clock, limits).run()


class _Lift:
    def __init__(self, model: Model, clock: Clock, limits: Limits) -> None:
        self.model = model
        self.clock = clock
        self.limits = limits
        self.scalars = {**_COMMON, **_BY_VERSION[model.version]}
        self.origins: dict[str, str] = {"": "/Edmx"}
        self.lines: dict[str, int] = {"": 1}
        self.names = self._names()
        self.bound = self._bound()
        self.key_parameters: dict[int, list[dict[str, Any]]] = {}
        self.paths: dict[str, Any] = {}
        self.steps = 0

    def _names(self) -> dict[str, str]:
        """Component name of each type: the local name, or the full one where two namespaces share it."""
        seen: dict[str, int] = {}
        for full in self.model.types:
            local = full.rpartition(".")[2]
            seen[local] = seen.get(local, 0) + 1
        return {full: full if seen[full.rpartition(".")[2]] > 1 else full.rpartition(".")[2] for full in self.model.types}

    def _bound(self) -> dict[str, list[tuple[str, Element, bool]]]:
        """Actions and functions by the type that they are bound to: (qualified name, element, bound to a collection)."""
        found: dict[str, list[tuple[str, Element, bool]]] = {}
        for name, candidates in self.model.callables.items():
            for callee in candidates:
                binding = callee.first("Parameter") if callee.flag("IsBound", False) else None
                if binding is not None:
                    text = binding["Type"]
                    many = text.startswith("Collection(")
                    full = self.model.qualified(text[11:-1] if many else text)
                    found.setdefault(full, []).append((name, callee, many))
        return found

    def step(self, line: int) -> None:
        self.steps += 1
        if self.steps > self.limits.max_values:
            raise too_many(line, self.limits)
        if not self.steps % 2048:
            self.clock.check(line)

    def mark(self, pointer: str, element: Element) -> None:
        self.step(element.line)
        self.origins[pointer] = element.path
        self.lines[pointer] = element.line

    def run(self) -> Lifted:
        first = self.model.schemas[0]
        container = self.model.containers[0] if self.model.containers else None
        title = next(
            (schema["Namespace"] for schema in self.model.schemas if schema.first("EntityContainer")), first["Namespace"]
        )
        schemas: dict[str, Any] = {}
        for full, element in self.model.types.items():
            self._type(full, element, schemas)
        for entry in self.model.containers:
            self._container(entry)
        tree: dict[str, Any] = {
            "openapi": "3.1.0",
            "info": {"title": title, "version": first["sap:schema-version"]},
            "x-edmx": {"version": self.model.version, "container": container.name if container is not None else ""},
            "paths": self.paths,
            "components": {
                "schemas": schemas,
                "parameters": {
                    name: {"name": option, "in": "query", "schema": schema} for name, (option, schema, _) in _OPTIONS.items()
                },
            },
        }
        return Lifted(tree, self.origins, self.lines)

    # --- types -----------------------------------------------------------------------------------------------------

    def _type(self, full: str, element: Element, schemas: dict[str, Any]) -> None:
        name = self.names[full]
        if element.kind == "EnumType":
            schemas[name] = self._enum(element)
            self.mark(f"/components/schemas/{escape(name)}", element)
        elif element.kind == "TypeDefinition":
            schemas[name] = self._facets(dict(self._scalar(element["UnderlyingType"])), element)
            self.mark(f"/components/schemas/{escape(name)}", element)
        else:
            for use in (_READ, _CREATE, _UPDATE):
                schemas[name + use] = self._structure(full, element, use)

    def _enum(self, element: Element) -> dict[str, Any]:
        members = [member.name for member in element.all("Member")]
        if element.flag("IsFlags", False):
            choice = "|".join(members)
            return {"type": "string", "pattern": f"^({choice})(,({choice}))*$", "x-odata-flags": members}
        return {"type": "string", "enum": members}

    def keys(self, element: Element, depth: int = 0) -> list[Element]:
        """The key properties of an entity type, inherited ones included."""
        declared = element.first("Key")
        if declared is not None:
            own = {item.name: item for item in element.all("Property")}
            return [own[ref.name] for ref in declared.all("PropertyRef") if ref.name in own]
        base = self.model.types.get(self.model.qualified(element["BaseType"])) if element["BaseType"] else None
        return self.keys(base, depth + 1) if base is not None and depth < 32 else []

    def _structure(self, full: str, element: Element, use: str) -> dict[str, Any]:
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
            if use == _READ or (use == _CREATE and self._needed(item)):
                required.append(item.name)
        for item in element.all("NavigationProperty"):
            if use != _UPDATE:
                self.mark(f"{pointer}/properties/{escape(item.name)}", item)
                properties[item.name] = self._navigation(item, use)
        made: dict[str, Any] = {"type": "object", "properties": properties}
        if required:
            made["required"] = required
        if keys and use == _READ:
            made["x-odata-key"] = [key.name for key in self.keys(element)]
        if element.flag("OpenType", False):
            made["additionalProperties"] = True
        self._describe(made, element)
        base = self.model.qualified(element["BaseType"]) if element["BaseType"] else ""
        if base in self.names:
            return {"allOf": [{"$ref": f"#/components/schemas/{escape(self.names[base])}{use}"}, made]}
        return made

    def _sent(self, item: Element, use: str, is_key: bool) -> bool:
        """Whether a property appears in this use of its type."""
        if use == _READ:
            return True
        if self._annotated(item, "Computed"):
            return False
        if use == _CREATE:
            return item.flag("sap:creatable", True)
        return not is_key and item.flag("sap:updatable", True) and not self._annotated(item, "Immutable")

    def _needed(self, item: Element) -> bool:
        return not item.flag("Nullable", True) and "DefaultValue" not in item.attributes

    def _annotated(self, item: Element, term: str) -> bool:
        return any(
            annotation["Term"].rpartition(".")[2] == term and annotation.attributes.get("Bool", "true") == "true"
            for annotation in item.all("Annotation")
        )

    def _property(self, item: Element, use: str) -> dict[str, Any]:
        made = self._typed(item["Type"], item, use)
        self._describe(made, item)
        for attribute in ("sap:unit", "sap:semantics"):
            if item[attribute]:
                made["x-" + attribute.replace(":", "-")] = item[attribute]
        if "DefaultValue" in item.attributes and made.get("type") not in ("object", "array"):
            made["default"] = item["DefaultValue"]
        return made

    def _typed(self, text: str, item: Element, use: str) -> dict[str, Any]:
        """The schema of a type expression with the facets and the nullability of the element that names it."""
        nullable = item.flag("Nullable", True)
        if text.startswith("Collection(") and text.endswith(")"):
            inner = self._one(text[11:-1], item, use)
            return {"type": "array", "items": inner}
        return self._or_null(self._one(text, item, use)) if nullable else self._one(text, item, use)

    def _one(self, text: str, item: Element, use: str) -> dict[str, Any]:
        full = self.model.qualified(text)
        if full in self.names:
            kind = self.model.types[full].kind
            suffix = use if kind in ("EntityType", "ComplexType") else ""
            return {"$ref": f"#/components/schemas/{escape(self.names[full])}{suffix}"}
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

    def _facets(self, schema: dict[str, Any], item: Element) -> dict[str, Any]:
        length = item["MaxLength"]
        if schema.get("type") == "string" and length.isdigit() and len(length) < 12 and schema.get("format") is None:
            schema["maxLength"] = int(length)
        precision, scale = item["Precision"], item["Scale"]
        if schema.get("format") == "decimal" and precision.isdigit() and len(precision) < 4:
            whole, fraction = int(precision), int(scale) if scale.isdigit() and len(scale) < 4 else 0
            schema["x-odata-precision"] = whole
            schema["x-odata-scale"] = fraction if scale.isdigit() or not scale else scale
            digits = whole if scale and not scale.isdigit() else max(whole - fraction, 0)
            if schema["type"] == "number" and digits < 300:
                limit = 10**digits if digits <= 18 else float(10**digits)
                schema.update({"exclusiveMinimum": -limit, "exclusiveMaximum": limit})
                if not scale or scale.isdigit():
                    schema["multipleOf"] = 1 if not fraction else float(f"1e-{fraction}")
            elif schema["type"] == "string":
                schema["maxLength"] = whole + (2 if fraction else 1)
        return schema

    def _describe(self, schema: dict[str, Any], element: Element) -> None:
        if element["sap:label"]:
            schema["title"] = element["sap:label"]
        documentation = element.first("Documentation")
        text = element["sap:quickinfo"]
        if documentation is not None:
            parts = [child.text for child in documentation.all("Summary", "LongDescription") if child.text]
            text = " ".join(parts) or text
        for annotation in element.all("Annotation"):
            if annotation["Term"].rpartition(".")[2] in ("Description", "LongDescription") and annotation["String"]:
                text = annotation["String"]
        if text:
            schema["description"] = text

    def _navigation(self, item: Element, use: str) -> dict[str, Any]:
        target, multiplicity = self.target(item)
        made: dict[str, Any]
        if target not in self.names:
            made = {"x-odata-type": target}
        else:
            ref = {"$ref": f"#/components/schemas/{escape(self.names[target])}{use}"}
            if multiplicity == "*":
                rows: dict[str, Any] = {"type": "array", "items": ref}
                wrapped = self.model.version == "2" and use == _READ
                made = {"type": "object", "properties": {"results": rows}} if wrapped else rows
            else:
                made = {"anyOf": [ref, {"type": "null"}]} if multiplicity == "0..1" else {"allOf": [ref]}
        made["x-odata-multiplicity"] = multiplicity
        return made

    def target(self, item: Element) -> tuple[str, str]:
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

    # --- service ---------------------------------------------------------------------------------------------------

    def _container(self, container: Element) -> None:
        space = next(schema["Namespace"] for schema in self.model.schemas if container in schema.children)
        for item in container.children:
            target = f"{space}.{container.name}/{item.name}"
            if item.kind in ("EntitySet", "Singleton"):
                self._set(item, target)
            elif item.kind == "FunctionImport" and self.model.version == "2":
                self._function_import_2(item)
            elif item.kind in ("FunctionImport", "ActionImport"):
                name = self.model.qualified(item["Function"] or item["Action"])
                for callee in self.model.callables.get(name, []):
                    if not callee.flag("IsBound", False):
                        self._call(callee, "", item.name, item)

    def _allowed(self, item: Element, target: str, term: str, switch: str, attribute: str) -> bool:
        """Whether a set permits an act: by SAP's attribute (V2) or by the Capabilities vocabulary (V4)."""
        if not item.flag(attribute, True):
            return False
        for annotation in [*item.all("Annotation"), *self.model.annotations.get(target, [])]:
            if annotation["Term"].rpartition(".")[2] != term:
                continue
            for record in annotation.all("Record"):
                for value in record.all("PropertyValue"):
                    if value["Property"] == switch and value["Bool"] == "false":
                        return False
        return True

    def _set(self, item: Element, target: str) -> None:
        full = self.model.qualified(item["EntityType"] or item["Type"])
        entity = self.model.types.get(full)
        if entity is None:
            return
        name = escape(self.names[full])
        readable = item.flag("sap:addressable", True) and self._allowed(
            item, target, "ReadRestrictions", "Readable", "sap:addressable"
        )
        one = f"/{item.name}"
        if item.kind == "EntitySet":
            collection: dict[str, Any] = {}
            if readable:
                collection["get"] = self._reading(item, name, many=True)
            if self._allowed(item, target, "InsertRestrictions", "Insertable", "sap:creatable"):
                collection["post"] = self._writing(item, name, _CREATE)
            self._add(one, collection, item)
            keys = self.keys(entity)
            if not keys:
                return
            one += self._key_segment(keys)
        single: dict[str, Any] = {}
        if readable:
            single["get"] = self._reading(item, name, many=False)
        if self._allowed(item, target, "UpdateRestrictions", "Updatable", "sap:updatable"):
            single["patch"] = self._writing(item, name, _UPDATE)
        if item.kind == "EntitySet" and self._allowed(item, target, "DeleteRestrictions", "Deletable", "sap:deletable"):
            single["delete"] = self._operation(item, f"Delete {item.name}", {"204": {"description": "Deleted"}})
        if single and item.kind == "EntitySet":
            single = {"parameters": self._key_parameters(self.keys(entity)), **single}
        self._add(one, single, item)
        self._around(item, entity, full, one)

    def _around(self, item: Element, entity: Element, full: str, one: str) -> None:
        """The URLs below an entity: its navigation properties and what is bound to its type."""
        parameters = self._key_parameters(self.keys(entity)) if item.kind == "EntitySet" else []
        for navigation in entity.all("NavigationProperty"):
            target, multiplicity = self.target(navigation)
            if target in self.names:
                get = self._reading(navigation, escape(self.names[target]), many=multiplicity == "*")
                self._add(f"{one}/{navigation.name}", {"parameters": parameters, "get": get}, navigation)
        for name, callee, many in self.bound.get(full, []):
            if not many:
                self._call(callee, one, name, callee, parameters)
            elif item.kind == "EntitySet":
                self._call(callee, f"/{item.name}", name, callee)

    def _key_segment(self, keys: list[Element]) -> str:
        self.steps += len(keys)
        if len(keys) == 1:
            return f"({{{keys[0].name}}})"
        return "(" + ",".join(f"{key.name}={{{key.name}}}" for key in keys) + ")"

    def _key_parameters(self, keys: list[Element]) -> list[dict[str, Any]]:
        made = self.key_parameters.get(id(keys[0])) if keys else []
        if made is None:
            made = [{"name": k.name, "in": "path", "required": True, "schema": self._one(k["Type"], k, "")} for k in keys]
            self.key_parameters[id(keys[0])] = made
        return made

    def _add(self, path: str, item: dict[str, Any], element: Element) -> None:
        methods = [key for key in item if key != "parameters"]
        if len(self.paths) >= _MAX_PATHS:
            raise refusal(
                "contract.too_many_values",
                f"The metadata describes more than {_MAX_PATHS:,} addresses (reached at line {element.line}). Split the service.",
                pointer=element.path,
                line=element.line,
            )
        if methods:
            self.mark(f"/paths/{escape(path)}", element)
            if not item.get("parameters"):
                item.pop("parameters", None)
            self.paths[path] = item

    def _operation(self, item: Element, summary: str, responses: dict[str, Any]) -> dict[str, Any]:
        self.step(item.line)
        error = {"description": "Error", "content": {"application/json": {"schema": {"type": "object"}}}}
        return {"summary": summary, "tags": [item.name], "responses": {**responses, "4XX": error}}

    def _wrap(self, schema: dict[str, Any], many: bool) -> dict[str, Any]:
        if self.model.version == "2":
            inner = schema
            if many:
                rows = {"results": {"type": "array", "items": schema}, "__count": {"type": "string"}}
                inner = {"type": "object", "properties": rows, "required": ["results"]}
            return {"type": "object", "properties": {"d": inner}, "required": ["d"]}
        if not many:
            return schema
        rows = {
            "value": {"type": "array", "items": schema},
            "@odata.count": {"type": "integer"},
            "@odata.nextLink": {"type": "string"},
        }
        return {"type": "object", "properties": rows, "required": ["value"]}

    def _reading(self, item: Element, name: str, *, many: bool) -> dict[str, Any]:
        body = self._wrap({"$ref": f"#/components/schemas/{name}"}, many)
        made = self._operation(item, f"Read {item.name}", {"200": _answer("Read", body)})
        wanted = ("top", "skip", "filter", "orderby", "select", "expand") if many else ("select", "expand")
        made["parameters"] = [
            {"$ref": f"#/components/parameters/{option}"}
            for option in wanted
            if not _OPTIONS[option][2] or item.flag(_OPTIONS[option][2], True)
        ]
        if many and item.flag("sap:requires-filter", False):
            made["parameters"] = [one for one in made["parameters"] if not one["$ref"].endswith("/filter")]
            made["parameters"].append({"name": "$filter", "in": "query", "required": True, "schema": {"type": "string"}})
        return made

    def _writing(self, item: Element, name: str, use: str) -> dict[str, Any]:
        read = self._wrap({"$ref": f"#/components/schemas/{name}"}, many=False)
        if use == _CREATE:
            made = self._operation(item, f"Create {item.name}", {"201": _answer("Created", read)})
        else:
            made = self._operation(item, f"Update {item.name}", {"204": {"description": "Updated"}})
        schema = {"$ref": f"#/components/schemas/{name}{use}"}
        made["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
        return made

    def _returned(self, text: str, item: Element) -> dict[str, Any]:
        if not text:
            return {"204": {"description": "Done"}}
        many = text.startswith("Collection(")
        schema = self._one(text[11:-1] if many else text, item, "")
        return {"200": _answer("Done", self._wrap(schema, many))}

    def _function_import_2(self, item: Element) -> None:
        method = item["m:HttpMethod"].lower() or "get"
        made = self._operation(item, item["sap:label"] or item.name, self._returned(item["ReturnType"], item))
        made["parameters"] = [
            {
                "name": parameter.name,
                "in": "query",
                "required": not parameter.flag("Nullable", False),
                "schema": self._one(parameter["Type"], parameter, ""),
            }
            for parameter in item.all("Parameter")
            if parameter["Mode"] in ("", "In", "InOut")
        ]
        self._add(f"/{item.name}", {method if method in ("get", "post", "put", "delete", "patch") else "get": made}, item)

    def _call(
        self, callee: Element, prefix: str, name: str, element: Element, shared: list[dict[str, Any]] | None = None
    ) -> None:
        """The URL of an action (POST with a body) or a function (GET with parameters in the path)."""
        parameters = list(callee.all("Parameter"))
        if callee.flag("IsBound", False):
            parameters = parameters[1:]
        result = callee.first("ReturnType")
        responses = self._returned(result["Type"], result) if result is not None else self._returned("", callee)
        made = self._operation(callee, name, responses)
        path = f"{prefix}/{name}"
        if callee.kind == "Action":
            properties = {parameter.name: self._typed(parameter["Type"], parameter, _CREATE) for parameter in parameters}
            body: dict[str, Any] = {"type": "object", "properties": properties}
            needed = [parameter.name for parameter in parameters if not parameter.flag("Nullable", True)]
            if needed:
                body["required"] = needed
            if properties:
                made["requestBody"] = {"required": bool(needed), "content": {"application/json": {"schema": body}}}
        else:
            path += "(" + ",".join(f"{parameter.name}={{{parameter.name}}}" for parameter in parameters) + ")"
            made["parameters"] = [
                {"name": p.name, "in": "path", "required": True, "schema": self._one(p["Type"], p, "")} for p in parameters
            ]
        method = "post" if callee.kind == "Action" else "get"
        self._add(path, {"parameters": list(shared or []), method: made}, element)


def _answer(description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}
