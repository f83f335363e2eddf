"""Which kind of contract a parsed tree is."""

from __future__ import annotations

import re
from typing import Any

from tillgate_contracts.reading.grammar import SCHEMA
from tillgate_contracts.reading.limits import refusal

OPENAPI = ("openapi-3.0", "openapi-3.1", "openapi-3.2")
FORMATS = (
    "openapi-2.0",
    *OPENAPI,
    "asyncapi-2",
    "asyncapi-3",
    "jsonschema-04",
    "jsonschema-06",
    "jsonschema-07",
    "jsonschema-2019-09",
    "jsonschema-2020-12",
    "edmx-2",
    "edmx-4",
    "graphql-sdl",
    "wsdl-1.1",
    "wsdl-2.0",
    "xsd-1.0",
)
"""Every format name that a Document can carry."""

_DIALECT = re.compile(r"^https?://json-schema\.org/(?:draft-(0[3467])|draft/(2019-09|2020-12))/(?:hyper-)?schema#?\Z")
_TYPES = frozenset(("null", "boolean", "integer", "number", "string", "array", "object", "any"))
#: Keywords that say by themselves that a file is a schema, where their value is one that they can have.
_TELLING = frozenset(("$ref", "$defs", "type", "properties", "patternProperties", "allOf", "anyOf", "oneOf"))
_WORDS = frozenset(SCHEMA) | {"tags", "deprecated", "readOnly", "writeOnly", "$comment", "comment", "summary"}
GRAPHQL_SUFFIXES = (".graphql", ".graphqls", ".gql", ".sdl")
_SDL_SKIPPED = re.compile(r'(?:[\s,\ufeff]+|#[^\r\n]*|"""(?:\\"""|[^"]|"(?!""))*+"""|"(?:\\.|[^"\\\r\n])*+"(?!\s*:))*+')
_SDL_DEFINITION = re.compile(
    r"(?:extend\s+)?(?:schema\s*[{@]|"
    r"(?:type|interface|union|enum|input|scalar)\s+[_A-Za-z]\w*\s*(?![:\w])|directive\s*@)"
)
_SDL_EXECUTABLE = re.compile(r"(?:(?:query|mutation|subscription)\s*(?:[_A-Za-z]\w*\s*)?[({@]|fragment\s+\w+\s+on\b)")
#: Schema formats of event payloads that are JSON Schema.
_JSON_PAYLOADS = (
    "application/vnd.aai.asyncapi",
    "application/schema+json",
    "application/schema+yaml",
    "application/vnd.oai.openapi",
)
_STRANGERS = {
    "swaggerVersion": "Swagger 1.x",
    "raml": "RAML",
    "item": "a Postman collection",
    "log": "an HTTP archive (HAR)",
    "arazzo": "an Arazzo workflow",
    "overlay": "an OpenAPI overlay",
    "kind": "a Kubernetes object",
    "__schema": "a GraphQL introspection result; export the schema as SDL instead",
}


def is_json_payload(schema_format: object) -> bool:
    """Whether a payload of this `schemaFormat` is a JSON Schema; so it is where none is named."""
    return not isinstance(schema_format, str) or schema_format.lower().startswith(_JSON_PAYLOADS)


def looks_like_sdl(text: str, name: str | None) -> bool:
    """Whether a text is GraphQL: by its first definition, or by the name of its file."""
    if name and name.lower().endswith(GRAPHQL_SUFFIXES):
        return True
    start = _SDL_SKIPPED.match(text[:1_000_000])
    position = start.end() if start else 0
    head = text[position : position + 400]
    return bool(_SDL_DEFINITION.match(head) or _SDL_EXECUTABLE.match(head))


def detect(tree: Any) -> str:
    """The format name. Raises ContractError `contract.not_a_contract` or `contract.unknown_version`."""
    if isinstance(tree, bool):
        return "jsonschema-2020-12"
    if not isinstance(tree, dict):
        what = "a list" if isinstance(tree, list) else "a single value"
        raise refusal(
            "contract.not_a_contract",
            f"The file holds {what}, and a contract is an object: "
            "OpenAPI, Swagger, AsyncAPI, JSON Schema, OData EDMX, GraphQL SDL, WSDL or XML Schema.",
        )
    for key, finder in (("openapi", _openapi), ("swagger", _swagger), ("asyncapi", _asyncapi)):
        if key in tree:
            return finder(tree[key], tree)
    if _is_schema(tree):
        return dialect(tree)
    guess = next((f" It looks like {name}." for key, name in _STRANGERS.items() if key in tree), "")
    keys = ", ".join(sorted(map(str, tree))[:6]) or "none"
    raise refusal(
        "contract.not_a_contract",
        "The file names no contract format: "
        "neither openapi, swagger, asyncapi nor a keyword that makes a JSON Schema stands at its top "
        f"(found: {keys}).{guess}",
    )


def _is_schema(tree: dict[str, Any]) -> bool:
    """A JSON Schema says so: by its dialect, by a keyword that tells, or by consisting of nothing but keywords.

    `$schema` may also name the schema that a settings file has to fit; that makes no schema of it.
    """
    declared = tree.get("$schema")
    if isinstance(declared, str) and "json-schema.org/" in declared:
        return True
    if "type" in tree and not _fits(
        "type", tree["type"]
    ):  # a feature of GeoJSON, a resource of ARM: they have properties
        return False
    fitting = {word for word, value in tree.items() if word in SCHEMA and _fits(word, value)}
    if fitting & _TELLING:
        return True
    return bool(fitting) and all(key in _WORDS or str(key).startswith("x-") for key in tree)


def _fits(word: str, value: Any) -> bool:
    """Whether a keyword could have this value; keywords that only describe tell nothing."""
    expected = SCHEMA[word].expected
    if word == "type":
        names = value if isinstance(value, list) else [value]
        return bool(names) and all(isinstance(name, str) and name in _TYPES for name in names)
    if word == "required":
        return isinstance(value, list) and bool(value) and all(isinstance(name, str) for name in value)
    if word == "dependencies":
        return isinstance(value, dict) and bool(value) and all(isinstance(one, dict | list) for one in value.values())
    if word in ("format", "default", "title", "description", "id", "$id") or (not expected and word != "const"):
        return False
    if word == "pattern":
        return isinstance(value, str) and _is_expression(value)
    members = value.values() if isinstance(value, dict) else value
    if expected == "an object of schemas":
        return isinstance(value, dict) and all(isinstance(one, dict | bool) for one in members)
    if expected == "a list of schemas":
        return isinstance(value, list) and bool(value) and all(isinstance(one, dict | bool) for one in members)
    kinds: dict[str, tuple[type, ...]] = {
        "a schema": (dict, bool),
        "a schema or a list of schemas": (dict, bool, list),
        "a list": (list,),
        "text": (str,),
        "an object": (dict,),
        "true or false": (bool,),
    }
    if expected in kinds:
        return isinstance(value, kinds[expected])
    return word == "const" or (isinstance(value, int | float) and not isinstance(value, bool))


def _is_expression(text: str) -> bool:
    try:
        re.compile(text)
    except (re.error, OverflowError, RecursionError):
        return False
    return True


def _openapi(value: Any, tree: dict[str, Any]) -> str:
    text = _version(value)
    found = re.match(r"3\.([012])(?:\.\S*)?\Z", text)
    if not found:
        raise _unknown("openapi", text, "2.0 (as swagger), 3.0, 3.1 and 3.2")
    edmx = tree.get("x-edmx")
    if isinstance(edmx, dict) and edmx.get("version") in ("2", "4"):
        return f"edmx-{edmx['version']}"
    return f"openapi-3.{found.group(1)}"


def _swagger(value: Any, tree: dict[str, Any]) -> str:
    text = _version(value)
    if text not in ("2.0", "2"):
        raise _unknown("swagger", text, "2.0")
    return "openapi-2.0"


def _asyncapi(value: Any, tree: dict[str, Any]) -> str:
    text = _version(value)
    found = re.match(r"([23])\.\d+(?:\.\S*)?\Z", text)
    if not found:
        raise _unknown("asyncapi", text, "2.x and 3.x")
    return f"asyncapi-{found.group(1)}"


def _version(value: Any) -> str:
    return str(value).strip() if isinstance(value, str | int | float) and not isinstance(value, bool) else repr(value)


def _unknown(key: str, text: str, known: str) -> Exception:
    shown = text if len(text) <= 40 else text[:40] + "…"
    return refusal(
        "contract.unknown_version",
        f"{key}: {shown} is not a version that is read; known are {known}.",
        pointer=f"/{key}",
    )


def dialect(schema: dict[str, Any]) -> str:
    """The JSON Schema draft: by `$schema`, or, where that is absent or unknown, by the keywords that are used."""
    declared = schema.get("$schema")
    if isinstance(declared, str):
        found = _DIALECT.match(declared.strip())
        if found:
            draft = found.group(1) or found.group(2)
            if draft == "03":
                raise refusal(
                    "contract.unknown_version",
                    "JSON Schema draft 3 is not read; known are draft 4, 6, 7, 2019-09 and 2020-12.",
                    pointer="/$schema",
                )
            return f"jsonschema-{draft}"
        if declared.strip().rstrip("#") in ("http://json-schema.org/schema", "https://json-schema.org/schema"):
            return "jsonschema-2020-12"
    return _guess(schema)


def _guess(schema: dict[str, Any]) -> str:
    stack: list[Any] = [schema]
    seen = 0
    older = False
    while stack and seen < 5000:
        value = stack.pop()
        seen += 1
        if isinstance(value, dict):
            if value.get("exclusiveMinimum") is True or value.get("exclusiveMaximum") is True:
                return "jsonschema-04"
            if {
                "$defs",
                "prefixItems",
                "dependentRequired",
                "dependentSchemas",
                "unevaluatedProperties",
            } & value.keys():
                return "jsonschema-2020-12"
            if "definitions" in value or isinstance(value.get("items"), list) or "dependencies" in value:
                older = True
            stack += list(value.values())
        elif isinstance(value, list):
            stack += value
    return "jsonschema-07" if older else "jsonschema-2020-12"
