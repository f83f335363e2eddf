"""The OData model as an OpenAPI 3.1-shaped normal form: the schemas of its types, and the URLs of the service.

OData V2 wraps results under `d`, and collections under `results`; OData 4 puts collections under `value`.
"""

from __future__ import annotations

from typing import Any

from tillgate_contracts.reading.edmx_model import EdmxElement, EdmxModel
from tillgate_contracts.reading.lifted import Lifted
from tillgate_contracts.reading.limits import Clock, ReadingLimits, refusal
from tillgate_contracts.reading.odata_limits import limits_of
from tillgate_contracts.reading.odata_types import CREATE, UPDATE, TypeLift
from tillgate_contracts.reading.pointers import escape

_MAX_PATHS = 20_000
_OPTIONS = {
    "top": ("$top", {"type": "integer", "minimum": 0}, "sap:pageable"),
    "skip": ("$skip", {"type": "integer", "minimum": 0}, "sap:pageable"),
    "filter": ("$filter", {"type": "string"}, ""),
    "orderby": ("$orderby", {"type": "string"}, ""),
    "select": ("$select", {"type": "string"}, ""),
    "expand": ("$expand", {"type": "string"}, ""),
}


def lift_model(model: EdmxModel, clock: Clock, limits: ReadingLimits) -> Lifted:
    """The normal form of a model, with an XPath and a line for every schema, property and path."""
    return _Lift(model, clock, limits).run()


class _Lift(TypeLift):
    def __init__(self, model: EdmxModel, clock: Clock, limits: ReadingLimits) -> None:
        super().__init__(model, clock, limits)
        self.bound = self._bound()
        self.key_parameters: dict[int, list[dict[str, Any]]] = {}
        self.paths: dict[str, Any] = {}

    def _bound(self) -> dict[str, list[tuple[str, EdmxElement, bool]]]:
        """Actions and functions by the type that they are bound to: (name, element, bound to a collection)."""
        found: dict[str, list[tuple[str, EdmxElement, bool]]] = {}
        for name, candidates in self.model.callables.items():
            for callee in candidates:
                binding = callee.first("Parameter") if callee.flag("IsBound", False) else None
                if binding is not None:
                    text = binding["Type"]
                    many = text.startswith("Collection(")
                    full = self.model.qualified(text[11:-1] if many else text)
                    found.setdefault(full, []).append((name, callee, many))
        return found

    def run(self) -> Lifted:
        first = self.model.schemas[0]
        container = self.model.containers[0] if self.model.containers else None
        title = next(
            (schema["Namespace"] for schema in self.model.schemas if schema.first("EntityContainer")),
            first["Namespace"],
        )
        schemas = self.schemas()
        for entry in self.model.containers:
            self._container(entry)
        tree: dict[str, Any] = {
            "openapi": "3.1.0",
            "info": {"title": title, "version": first["sap:schema-version"]},
            "x-edmx": {
                "version": self.model.version,
                "container": container.name if container is not None else "",
                **(self._limits(container, f"{title}.{container.name}") if container is not None else {}),
            },
            "paths": self.paths,
            "components": {
                "schemas": schemas,
                "parameters": {
                    name: {"name": option, "in": "query", "schema": schema}
                    for name, (option, schema, _) in _OPTIONS.items()
                },
            },
        }
        return Lifted(tree, self.origins, self.lines)

    def _container(self, container: EdmxElement) -> None:
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

    def _allowed(self, item: EdmxElement, target: str, term: str, switch: str, attribute: str) -> bool:
        """Whether a set permits an operation: by SAP's attribute (V2) or by the Capabilities vocabulary (V4)."""
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

    def _set(self, item: EdmxElement, target: str) -> None:
        full = self.model.qualified(item["EntityType"] or item["Type"])
        entity = self.model.types.get(full)
        if entity is None:
            if full:  # a type of another document, or of nobody: what is read there is not known
                self._add(f"/{item.name}", {"get": self._reading(item, escape(full), many=True)}, item)
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
                collection["post"] = self._writing(item, name, CREATE)
            self._add(one, collection, item)
            keys = self.keys(entity)
            if not keys:
                return
            one += self._key_segment(keys)
        single: dict[str, Any] = {}
        if readable:
            single["get"] = self._reading(item, name, many=False)
        if self._allowed(item, target, "UpdateRestrictions", "Updatable", "sap:updatable"):
            single["patch"] = self._writing(item, name, UPDATE)
        if item.kind == "EntitySet" and self._allowed(item, target, "DeleteRestrictions", "Deletable", "sap:deletable"):
            single["delete"] = self._operation(item, f"Delete {item.name}", {"204": {"description": "Deleted"}})
        if single and item.kind == "EntitySet":
            single = {"parameters": self._key_parameters(self.keys(entity)), **single}
        self._add(one, single, item)
        said, holders = self._limits(item, target), [*self._operations(f"/{item.name}"), *self._operations(one)]
        if holders:
            holders[0].update(said)
        self._around(item, entity, full, one)

    def _limits(self, item: EdmxElement, target: str) -> dict[str, str]:
        return limits_of(item, [*item.all("Annotation"), *self.model.annotations.get(target, [])])

    def _operations(self, path: str) -> list[dict[str, Any]]:
        return [value for key, value in self.paths.get(path, {}).items() if key != "parameters"]

    def _around(self, item: EdmxElement, entity: EdmxElement, full: str, one: str) -> None:
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

    def _key_segment(self, keys: list[EdmxElement]) -> str:
        self.steps += len(keys)
        if len(keys) == 1:
            return f"({{{keys[0].name}}})"
        return "(" + ",".join(f"{key.name}={{{key.name}}}" for key in keys) + ")"

    def _key_parameters(self, keys: list[EdmxElement]) -> list[dict[str, Any]]:
        made = self.key_parameters.get(id(keys[0])) if keys else []
        if made is None:
            made = [
                {"name": k.name, "in": "path", "required": True, "schema": self.one(k["Type"], k, "")} for k in keys
            ]
            self.key_parameters[id(keys[0])] = made
        return made

    def _add(self, path: str, item: dict[str, Any], element: EdmxElement) -> None:
        methods = [key for key in item if key != "parameters"]
        if len(self.paths) >= _MAX_PATHS:
            raise refusal(
                "contract.too_many_values",
                f"The metadata describes more than {_MAX_PATHS:,} addresses (reached at line {element.line}). "
                "Split the service.",
                pointer=element.path,
                line=element.line,
            )
        if methods:
            self.mark(f"/paths/{escape(path)}", element)
            if not item.get("parameters"):
                item.pop("parameters", None)
            self.paths[path] = item

    def _operation(self, item: EdmxElement, summary: str, responses: dict[str, Any]) -> dict[str, Any]:
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

    def _reading(self, item: EdmxElement, name: str, *, many: bool) -> dict[str, Any]:
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
            made["parameters"].append(
                {"name": "$filter", "in": "query", "required": True, "schema": {"type": "string"}}
            )
        return made

    def _writing(self, item: EdmxElement, name: str, use: str) -> dict[str, Any]:
        read = self._wrap({"$ref": f"#/components/schemas/{name}"}, many=False)
        if use == CREATE:
            made = self._operation(item, f"Create {item.name}", {"201": _answer("Created", read)})
        else:
            made = self._operation(item, f"Update {item.name}", {"204": {"description": "Updated"}})
        schema = {"$ref": f"#/components/schemas/{name}{use}"}
        made["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
        return made

    def _returned(self, text: str, item: EdmxElement) -> dict[str, Any]:
        if not text:
            return {"204": {"description": "Done"}}
        many = text.startswith("Collection(")
        schema = self.one(text[11:-1] if many else text, item, "")
        return {"200": _answer("Done", self._wrap(schema, many))}

    def _function_import_2(self, item: EdmxElement) -> None:
        method = item["m:HttpMethod"].lower() or "get"
        made = self._operation(item, item["sap:label"] or item.name, self._returned(item["ReturnType"], item))
        made["parameters"] = [
            {
                "name": parameter.name,
                "in": "query",
                "required": not parameter.flag("Nullable", False),
                "schema": self.one(parameter["Type"], parameter, ""),
            }
            for parameter in item.all("Parameter")
            if parameter["Mode"] in ("", "In", "InOut")
        ]
        self._add(
            f"/{item.name}", {method if method in ("get", "post", "put", "delete", "patch") else "get": made}, item
        )

    def _call(
        self,
        callee: EdmxElement,
        prefix: str,
        name: str,
        element: EdmxElement,
        shared: list[dict[str, Any]] | None = None,
    ) -> None:
        """The URL of an action (POST with a body) or a function (GET with parameters in the path)."""
        parameters = list(callee.all("Parameter"))
        if callee.flag("IsBound", False):
            parameters = parameters[1:]
        result = callee.first("ReturnType")
        responses = self._returned(result["Type"], result) if result is not None else self._returned("", callee)
        made = {**self._operation(callee, name, responses), **limits_of(callee, callee.all("Annotation"))}
        path = f"{prefix}/{name}"
        if callee.kind == "Action":
            properties = {parameter.name: self.typed(parameter["Type"], parameter, CREATE) for parameter in parameters}
            body: dict[str, Any] = {"type": "object", "properties": properties}
            needed = [parameter.name for parameter in parameters if not parameter.flag("Nullable", True)]
            if needed:
                body["required"] = needed
            if properties:
                made["requestBody"] = {"required": bool(needed), "content": {"application/json": {"schema": body}}}
        else:
            path += "(" + ",".join(f"{parameter.name}={{{parameter.name}}}" for parameter in parameters) + ")"
            made["parameters"] = [
                {"name": p.name, "in": "path", "required": True, "schema": self.one(p["Type"], p, "")}
                for p in parameters
            ]
        method = "post" if callee.kind == "Action" else "get"
        self._add(path, {"parameters": list(shared or []), method: made}, element)


def _answer(description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}
