"""Swagger 2.0 lifted to the shape of OpenAPI 3.0, remembering where every moved part came from.

Source of the correspondences: OpenAPI Specification 2.0 and 3.0.4. What has no counterpart keeps its meaning in an
extension, or a keyword of the schema (`collectionFormat: tsv`), so that a change of it is still seen.
"""

from __future__ import annotations

from typing import Any

from tillgate_contracts.reading.lifted import Lifted
from tillgate_contracts.reading.pointers import escape, fragment_tokens, join, resolve
from tillgate_contracts.reading.walk import DATA, holds_names

_METHODS = ("get", "put", "post", "delete", "options", "head", "patch")
_JSON = "application/json"
_FORM = "application/x-www-form-urlencoded"
_MULTIPART = "multipart/form-data"
_MOVED = {
    "definitions": "schemas",
    "parameters": "parameters",
    "responses": "responses",
    "securityDefinitions": "securitySchemes",
}
_PARAMETER_KEYS = frozenset(
    ("name", "in", "description", "required", "allowEmptyValue", "collectionFormat", "deprecated")
)
_FLOWS = {
    "implicit": "implicit",
    "password": "password",
    "application": "clientCredentials",
    "accessCode": "authorizationCode",
}


def lift(source: dict[str, Any]) -> Lifted:
    """The normal form of a Swagger 2.0 tree. The source is not changed."""
    return _Lift(source).run()


class _Lift:
    def __init__(self, source: dict[str, Any]) -> None:
        self.source = source
        self.origins: dict[str, str] = {}
        self.inner_refs: list[dict[str, Any]] = []
        self.consumes = _texts(source.get("consumes"))
        self.produces = _texts(source.get("produces"))

    def run(self) -> Lifted:
        source = self.source
        tree: dict[str, Any] = {"openapi": "3.0.3", "info": source.get("info", {})}
        for key, value in source.items():
            if key in ("tags", "externalDocs", "security") or key.startswith("x-"):
                tree[key] = self.schema(value) if key == "x-bundled" else value
        servers = self.servers(_texts(source.get("schemes")))
        if servers:
            tree["servers"] = servers
            self.origins["/servers"] = "/basePath" if "basePath" in source else "/host"
        tree["paths"] = {
            path: self.path_item(item, f"/paths/{escape(path)}") if path.startswith("/") else item
            for path, item in _map(source.get("paths")).items()
        }
        components = self.components()
        if components:
            tree["components"] = components
        lifted = Lifted(tree, self.origins)
        for holder in self.inner_refs:
            holder["$ref"] = "#" + lifted.moved(join(fragment_tokens(holder["$ref"]) or []))
        return lifted

    def servers(self, schemes: list[str]) -> list[dict[str, Any]]:
        host, base = self.source.get("host"), self.source.get("basePath")
        path = base if isinstance(base, str) else ""
        if not isinstance(host, str) or not host:
            return [{"url": path}] if path else []
        return [{"url": f"{scheme}://{host}{path}"} for scheme in schemes] or [{"url": f"//{host}{path}"}]

    def components(self) -> dict[str, Any]:
        made: dict[str, Any] = {}
        for old, new in _MOVED.items():
            items = _map(self.source.get(old))
            if not items:
                continue
            section: dict[str, Any] = {}
            for name, value in items.items():
                here, there = f"/components/{new}/{escape(name)}", f"/{old}/{escape(name)}"
                self.origins[here] = there
                if old == "definitions":
                    section[name] = self.schema(value)
                elif old == "securityDefinitions":
                    section[name] = _security_scheme(_map(value))
                elif old == "responses":
                    section[name] = self.response(_map(value), here, there, self.produces)
                elif _map(value).get("in") not in ("body", "formData"):
                    section[name] = self.parameter(_map(value), here, there)
            made[new] = section
        return made

    def path_item(self, item: Any, pointer: str) -> dict[str, Any]:
        item = _map(item)
        shared, bodies = self.parameters(item, pointer, pointer)
        made: dict[str, Any] = {
            key: value for key, value in item.items() if key not in _METHODS and key not in ("parameters", "$ref")
        }
        if isinstance(item.get("$ref"), str):
            made["$ref"] = self.ref({"$ref": item["$ref"]})["$ref"]
        if shared:
            made["parameters"] = shared
        for method in _METHODS:
            if isinstance(item.get(method), dict):
                made[method] = self.operation(item[method], f"{pointer}/{method}", bodies)
        return made

    def operation(
        self, operation: dict[str, Any], pointer: str, shared_bodies: list[tuple[dict[str, Any], str]]
    ) -> dict[str, Any]:
        moved = ("parameters", "responses", "consumes", "produces", "schemes")
        made = {key: value for key, value in operation.items() if key not in moved}
        parameters, bodies = self.parameters(operation, pointer, pointer)
        if parameters:
            made["parameters"] = parameters
        named = {(body.get("name"), body.get("in")) for body, _ in bodies}
        bodies += [pair for pair in shared_bodies if (pair[0].get("name"), pair[0].get("in")) not in named]
        consumes = _texts(operation["consumes"]) if "consumes" in operation else self.consumes
        body = self.request_body(bodies, f"{pointer}/requestBody", consumes)
        if body:
            made["requestBody"] = body
        own_produces = "produces" in operation
        produces = _texts(operation["produces"]) if own_produces else self.produces
        made["responses"] = {
            code: self.response_or_ref(value, f"{pointer}/responses/{escape(code)}", produces, own_produces)
            for code, value in _map(operation.get("responses")).items()
        }
        if "schemes" in operation:
            servers = self.servers(_texts(operation["schemes"]))
            if servers:
                made["servers"] = servers
        return made

    def parameters(
        self, holder: dict[str, Any], here: str, there: str
    ) -> tuple[list[dict[str, Any]], list[tuple[dict[str, Any], str]]]:
        """The parameters that stay parameters, and those that make the body, each with its source pointer."""
        kept: list[dict[str, Any]] = []
        bodies: list[tuple[dict[str, Any], str]] = []
        declared = holder.get("parameters")
        for number, item in enumerate(declared if isinstance(declared, list) else []):
            if not isinstance(item, dict):
                continue
            source = f"{there}/parameters/{number}"
            target = item
            if isinstance(item.get("$ref"), str):
                found = resolve(self.source, item["$ref"])
                target = found if isinstance(found, dict) else {}
            if target.get("in") in ("body", "formData"):
                if target is not item:
                    source = join(fragment_tokens(str(item["$ref"])) or [])
                bodies.append((target, source))
                continue
            normal = f"{here}/parameters/{len(kept)}"
            self.origins[normal] = source
            kept.append(self.ref(dict(item)) if "$ref" in item else self.parameter(item, normal, source))
        return kept, bodies

    def parameter(self, item: dict[str, Any], here: str, there: str) -> dict[str, Any]:
        made = {key: value for key, value in item.items() if (key in _PARAMETER_KEYS or key.startswith("x-"))}
        made.pop("collectionFormat", None)
        made.pop("x-nullable", None)
        made["schema"] = self.value_schema(item)
        self.origins[f"{here}/schema"] = there
        if item.get("type") == "array":
            made.update(_serialisation(item.get("collectionFormat"), str(item.get("in"))))
        return made

    def value_schema(self, item: dict[str, Any]) -> dict[str, Any]:
        """The schema of a parameter, header or form field: the keywords that Swagger writes beside name and place."""
        inner = {key: value for key, value in item.items() if key not in _PARAMETER_KEYS and not key.startswith("x-")}
        form, place = item.get("collectionFormat"), item.get("in") or "header"
        if form == "tsv" or (place in ("path", "header") and form is not None):
            inner["collectionFormat"] = form  # it has no counterpart
        if item.get("x-nullable") is True:
            inner["x-nullable"] = True
        made = self.schema(inner)
        assert isinstance(made, dict)
        return made

    def request_body(self, bodies: list[tuple[dict[str, Any], str]], here: str, consumes: list[str]) -> dict[str, Any]:
        for body, source in bodies:
            if body.get("in") == "body":
                made: dict[str, Any] = {
                    key: body[key] for key in body if key in ("description", "required") or key.startswith("x-")
                }
                if isinstance(body.get("name"), str):
                    made["x-body-name"] = body["name"]
                media: dict[str, Any] = {"schema": self.schema(body["schema"])} if "schema" in body else {}
                made["content"] = {}
                for kind in consumes or [_JSON]:
                    made["content"][kind] = media
                    self.origins[f"{here}/content/{escape(kind)}"] = source
                self.origins[here] = source
                return made
        return self.form(bodies, here, consumes) if bodies else {}

    def form(self, fields: list[tuple[dict[str, Any], str]], here: str, consumes: list[str]) -> dict[str, Any]:
        kinds = [kind for kind in consumes if kind.partition(";")[0].strip().lower() in (_FORM, _MULTIPART)]
        has_file = any(item.get("type") == "file" for item, _ in fields)
        kinds = kinds or [_MULTIPART if has_file else _FORM]
        properties: dict[str, Any] = {}
        encoding: dict[str, Any] = {}
        required = []
        for item, source in fields:
            name = str(item.get("name", ""))
            schema = self.value_schema(item)
            if isinstance(item.get("description"), str):
                schema["description"] = item["description"]
            properties[name] = schema
            if item.get("required") is True:
                required.append(name)
            if item.get("type") == "array":
                encoding[name] = _serialisation(item.get("collectionFormat"), "query")
            for kind in kinds:
                self.origins[f"{here}/content/{escape(kind)}/schema/properties/{escape(name)}"] = source
        whole: dict[str, Any] = {"type": "object", "properties": properties}
        if required:
            whole["required"] = required
        media = {"schema": whole, **({"encoding": encoding} if encoding else {})}
        self.origins[here] = fields[0][1]
        return {**({"required": True} if required else {}), "content": dict.fromkeys(kinds, media)}

    def response_or_ref(self, value: Any, pointer: str, produces: list[str], own_produces: bool) -> Any:
        value = _map(value)
        if not isinstance(value.get("$ref"), str):
            return self.response(value, pointer, pointer, produces)
        target = resolve(self.source, value["$ref"])
        if own_produces and isinstance(target, dict) and "schema" in target:
            source = join(fragment_tokens(value["$ref"]) or [])
            self.origins[pointer] = source
            return self.response(target, pointer, source, produces)
        return self.ref(dict(value))

    def response(self, value: dict[str, Any], here: str, there: str, produces: list[str]) -> dict[str, Any]:
        made: dict[str, Any] = {
            key: item for key, item in value.items() if key in ("description", "$ref") or key.startswith("x-")
        }
        examples = _map(value.get("examples"))
        if "schema" in value:
            schema = value["schema"]
            is_file = _map(schema).get("type") == "file"
            kinds = produces or ["application/octet-stream" if is_file else _JSON]
            lifted = self.schema(schema)
            made["content"] = {}
            for kind in kinds:
                media = {"schema": lifted}
                if kind in examples:
                    media["example"] = examples[kind]
                    self.origins[f"{here}/content/{escape(kind)}/example"] = f"{there}/examples/{escape(kind)}"
                made["content"][kind] = media
                self.origins[f"{here}/content/{escape(kind)}"] = there
        elif examples:
            made["content"] = {kind: {"example": example} for kind, example in examples.items()}
        headers = _map(value.get("headers"))
        if headers:
            made["headers"] = {}
            for name, header in headers.items():
                header = _map(header)
                made["headers"][name] = {"schema": self.value_schema(header)}
                if isinstance(header.get("description"), str):
                    made["headers"][name]["description"] = header["description"]
                self.origins[f"{here}/headers/{escape(name)}/schema"] = f"{there}/headers/{escape(name)}"
        return made

    def ref(self, holder: dict[str, Any]) -> dict[str, Any]:
        """A copy of a reference holder that points into the normal form."""
        tokens = fragment_tokens(str(holder["$ref"]))
        made = dict(holder)
        if not tokens:
            return made
        if tokens[0] in _MOVED and len(tokens) > 1:
            made["$ref"] = "#" + join(["components", _MOVED[tokens[0]], *tokens[1:]])
        elif tokens[0] == "paths" and len(tokens) > 2:
            self.inner_refs.append(made)
        return made

    def schema(self, value: Any, names: bool = False) -> Any:
        """A schema in the spelling of OpenAPI 3.0."""
        if isinstance(value, list):
            return [self.schema(item) for item in value]
        if not isinstance(value, dict):
            return value
        if names:
            return {key: self.schema(item) for key, item in value.items()}
        made = self.ref(value) if isinstance(value.get("$ref"), str) else dict(value)
        for key, item in value.items():
            if key not in DATA and isinstance(item, dict | list):
                made[key] = self.schema(item, holds_names(key, item))
        if isinstance(made.get("discriminator"), str):
            made["discriminator"] = {"propertyName": made["discriminator"]}
        if made.get("x-nullable") is True and "nullable" not in made:
            made["nullable"] = True
        made.pop("x-nullable", None)
        if made.get("type") == "file":
            made["type"], made["format"] = "string", "binary"
        if made.get("collectionFormat") == "csv":  # the default; another one has no counterpart and stays a keyword
            made.pop("collectionFormat")
        return made


def _serialisation(collection_format: Any, place: str) -> dict[str, Any]:
    if place in ("path", "header"):
        extra = {} if collection_format in (None, "csv") else {"x-collectionFormat": collection_format}
        return {"style": "simple", **extra}
    return {
        "multi": {"style": "form", "explode": True},
        "ssv": {"style": "spaceDelimited", "explode": False},
        "pipes": {"style": "pipeDelimited", "explode": False},
        "tsv": {"style": "form", "explode": False, "x-collectionFormat": "tsv"},
    }.get(str(collection_format), {"style": "form", "explode": False})


def _security_scheme(value: dict[str, Any]) -> dict[str, Any]:
    kind = value.get("type")
    extra = {key: item for key, item in value.items() if key == "description" or key.startswith("x-")}
    if kind == "basic":
        return {"type": "http", "scheme": "basic", **extra}
    if kind == "oauth2":
        flow = {
            new: value[old]
            for old, new in (("authorizationUrl", "authorizationUrl"), ("tokenUrl", "tokenUrl"))
            if old in value
        }
        flow["scopes"] = _map(value.get("scopes"))
        name = str(value.get("flow"))
        return {"type": "oauth2", "flows": {_FLOWS.get(name, name): flow}, **extra}
    return dict(value)


def _map(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _texts(value: Any) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []
