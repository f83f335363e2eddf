"""Which fields the objects of a format have, what each must be, and what stands below it.

OpenAPI 2.0, 3.0.4, 3.1.1, 3.2.0; AsyncAPI 2.6 and 3.0; JSON Schema drafts 4 to 2020-12. A field that is not listed is
data: nothing below it means anything.
"""

from __future__ import annotations

from typing import NamedTuple

#: Shapes of a field's value: nothing below it is looked at; one object; a map from names to objects; a list of objects;
#: a list, or a map (Swagger's shared parameters); one object or a list of them.
DATA, ONE, MAP, LIST, EITHER, SOME = "data", "one", "map", "list", "either", "some"


class FieldRule(NamedTuple):
    """`expected`: what the value must be ("": anything), in the words of a message. `strict`: a contract with another
    value is refused; otherwise the field is left out with a problem. `shape` and `kind`: what stands below."""

    expected: str = ""
    strict: bool = False
    shape: str = DATA
    kind: str = ""


FieldRules = dict[str, FieldRule]
_METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace", "query")
OBJECTS = "an object of objects"


def _needed(shape: str, kind: str) -> FieldRule:
    expected = {
        ONE: "an object",
        MAP: OBJECTS,
        LIST: "a list of objects",
        EITHER: "a list or an object",
        SOME: "a list or an object",
    }
    return FieldRule(expected[shape], True, shape, kind)


def _schema(*, strict: bool = False) -> FieldRule:
    return FieldRule("a schema", strict, ONE, "schema")


def _are(expected: str, *names: str) -> FieldRules:
    return {name: FieldRule(expected) for name in names}


_TEXT = FieldRule("text")
_EXAMPLES = {"example": FieldRule(), "examples": FieldRule()}
_STYLE = {
    **_are("true or false", "explode", "allowReserved", "allowEmptyValue"),
    **_are("text", "style"),
    **_are("", "required", "deprecated", "description"),
}
SCHEMA: FieldRules = {
    **{
        name: FieldRule("an object of schemas", False, MAP, "schema")
        for name in ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")
    },
    "dependencies": FieldRule("", False, MAP, "schema"),
    **{
        name: FieldRule("a list of schemas", False, LIST, "schema")
        for name in ("allOf", "anyOf", "oneOf", "prefixItems")
    },
    **{
        name: _schema()
        for name in (
            *("not", "if", "then", "else", "contains", "propertyNames", "additionalProperties"),
            *("unevaluatedProperties", "unevaluatedItems", "contentSchema", "additionalItems"),
        )
    },
    "items": FieldRule("a schema or a list of schemas", False, SOME, "schema"),
    "type": FieldRule("a type name or a list of them"),
    "required": FieldRule("a list or true or false"),
    "enum": FieldRule("a list"),
    **_are("a number", "minimum", "maximum", "multipleOf"),
    **_are("a number or true or false", "exclusiveMinimum", "exclusiveMaximum"),
    **_are("a whole number", "minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"),
    **_are("a whole number", "minContains", "maxContains"),
    **_are("true or false", "uniqueItems", "nullable", "readOnly", "writeOnly"),
    **_are("text", "pattern", "format", "$ref", "contentEncoding"),
    **_are("an object", "discriminator", "dependentRequired"),
    **_are("", "const", "default", "example", "examples", "title", "description", "$comment", "$schema", "xml"),
    **_are(
        "", "$id", "id", "$anchor", "$dynamicAnchor", "$dynamicRef", "$recursiveRef", "$recursiveAnchor", "deprecated"
    ),
    **_are("", "$vocabulary", "externalDocs", "contentMediaType", "divisibleBy"),
}
_PATHS = {
    "paths": _needed(MAP, "path"),
    "webhooks": _needed(MAP, "path"),
    "x-webhooks": FieldRule("", False, MAP, "path"),
}
_SECURITY = {"security": FieldRule("a list of security requirements", True)}
_SERVERS = {"servers": FieldRule("a list of objects", True)}
_PLAIN = {
    "summary": FieldRule(),
    "description": FieldRule(),
    "externalDocs": FieldRule(),
    "deprecated": FieldRule(),
    "$ref": _TEXT,
}
OPENAPI: dict[str, FieldRules] = {
    "root": {
        "info": FieldRule("an object", True),
        **_PATHS,
        **_SECURITY,
        **_SERVERS,
        "components": _needed(ONE, "components"),
        **_are("a list", "tags"),
        **_are("", "openapi", "externalDocs", "jsonSchemaDialect", "$self"),
        "x-bundled": FieldRule(),
    },
    "components": {
        "schemas": FieldRule("an object of schemas", True, MAP, "schema"),
        "responses": _needed(MAP, "response"),
        "parameters": _needed(MAP, "parameter"),
        "requestBodies": _needed(MAP, "body"),
        "headers": _needed(MAP, "header"),
        "securitySchemes": _needed(MAP, "scheme"),
        "links": _needed(MAP, "link"),
        "callbacks": _needed(MAP, "callback"),
        "pathItems": _needed(MAP, "path"),
        "mediaTypes": _needed(MAP, "media"),
        "examples": FieldRule(),
    },
    "path": {
        **_PLAIN,
        **{method: _needed(ONE, "operation") for method in _METHODS},
        "additionalOperations": _needed(MAP, "operation"),
        "parameters": _needed(EITHER, "parameter"),
        **_SERVERS,
    },
    "operation": {
        **_PLAIN,
        "tags": FieldRule("a list"),
        "operationId": _TEXT,
        "parameters": _needed(EITHER, "parameter"),
        "requestBody": _needed(ONE, "body"),
        "responses": _needed(MAP, "response"),
        "callbacks": _needed(MAP, "callback"),
        **_SECURITY,
        **_SERVERS,
    },
    "callback": {"$ref": _TEXT, "*": FieldRule("", False, ONE, "path")},
    "parameter": {
        **_PLAIN,
        **_STYLE,
        **_EXAMPLES,
        **_are("text", "name", "in"),
        "schema": _schema(),
        "content": _needed(MAP, "media"),
        # Swagger fields that are written in contracts of version 3, too.
        **_are("", "type", "format", "items", "enum", "default", "collectionFormat"),
    },
    "header": {**_PLAIN, **_STYLE, **_EXAMPLES, "schema": _schema(), "content": _needed(MAP, "media")},
    "body": {**_PLAIN, "required": FieldRule(), "content": _needed(MAP, "media")},
    "media": {
        **_EXAMPLES,
        "$ref": _TEXT,
        "schema": _schema(),
        "itemSchema": _schema(),
        "encoding": _needed(MAP, "encoding"),
        "prefixEncoding": _needed(LIST, "encoding"),
        "itemEncoding": _needed(ONE, "encoding"),
    },
    "encoding": {
        **_STYLE,
        "contentType": _TEXT,
        "headers": _needed(MAP, "header"),
        "encoding": _needed(MAP, "encoding"),
        "prefixEncoding": _needed(LIST, "encoding"),
        "itemEncoding": _needed(ONE, "encoding"),
    },
    "response": {
        **_PLAIN,
        "headers": _needed(MAP, "header"),
        "content": _needed(MAP, "media"),
        "links": _needed(MAP, "link"),
    },
    "link": {**_PLAIN, **_are("", "operationRef", "operationId", "parameters", "requestBody", "server")},
    "scheme": {
        **_PLAIN,
        **_are("text", "name", "in"),
        **_are("", "type", "scheme", "bearerFormat", "flows", "openIdConnectUrl", "oauth2MetadataUrl"),
        # Swagger 2.0 writes its one flow into the scheme.
        **_are("", "flow", "authorizationUrl", "tokenUrl", "scopes"),
    },
    "schema": SCHEMA,
}
_ITEM = {**SCHEMA, "collectionFormat": FieldRule(), "required": FieldRule(), "allowEmptyValue": FieldRule()}
SWAGGER: dict[str, FieldRules] = {
    "root": {
        "info": FieldRule("an object", True),
        "paths": _needed(MAP, "path"),
        **_SECURITY,
        "definitions": FieldRule("an object of schemas", True, MAP, "schema"),
        "parameters": _needed(MAP, "parameter"),
        "responses": _needed(MAP, "response"),
        "securityDefinitions": _needed(MAP, "scheme"),
        **_are("a list", "tags"),
        **_are("", "swagger", "host", "basePath", "schemes", "consumes", "produces", "externalDocs"),
        "x-bundled": FieldRule(),
    },
    "path": OPENAPI["path"],
    "operation": {
        **_PLAIN,
        "tags": FieldRule("a list"),
        "operationId": _TEXT,
        "parameters": _needed(EITHER, "parameter"),
        "responses": _needed(MAP, "response"),
        **_SECURITY,
        **_are("", "schemes", "consumes", "produces"),
    },
    "parameter": {**_ITEM, **_are("text", "name", "in"), "schema": _schema()},
    "header": _ITEM,
    "response": {**_PLAIN, "schema": _schema(), "headers": _needed(MAP, "header"), "examples": FieldRule()},
    "scheme": OPENAPI["scheme"],
    "schema": SCHEMA,
}
_NOTES = {
    **_are(
        "", "title", "summary", "description", "tags", "externalDocs", "address", "protocol", "examples", "contentType"
    ),
    "$ref": _TEXT,
    "name": _TEXT,
}
_BINDINGS = {"bindings": FieldRule("an object", True)}
_MESSAGE = {
    **_NOTES,
    **_BINDINGS,
    "contentType": _TEXT,
    "payload": FieldRule("a schema", True, ONE, "payload"),
    "headers": FieldRule("a schema", True, ONE, "payload"),
    "traits": FieldRule("a list or an object", True, SOME, "trait"),
    "oneOf": FieldRule("", False, LIST, "message"),
    "message": FieldRule("an object", True, ONE, "message"),
    **_are("", "messageId", "schemaFormat", "correlationId"),
}
_CHANNEL = {
    **_NOTES,
    **_BINDINGS,
    "parameters": _needed(MAP, "channel parameter"),
    "publish": _needed(ONE, "channel operation"),
    "subscribe": _needed(ONE, "channel operation"),
    "messages": _needed(MAP, "message"),
    "servers": FieldRule("a list", True),
}
ASYNCAPI: dict[str, FieldRules] = {
    "root": {
        "info": FieldRule("an object", True),
        "servers": FieldRule("an object", True, MAP, "server"),
        "channels": _needed(MAP, "channel"),
        "operations": _needed(MAP, "operation"),
        "components": _needed(ONE, "components"),
        **_are("", "asyncapi", "id", "tags", "externalDocs", "defaultContentType", "x-bundled"),
    },
    "components": {
        "schemas": FieldRule("an object of schemas", True, MAP, "payload"),
        "messages": _needed(MAP, "message"),
        "channels": _needed(MAP, "channel"),
        "operations": _needed(MAP, "operation"),
        "parameters": _needed(MAP, "channel parameter"),
        "operationTraits": _needed(MAP, "trait"),
        "messageTraits": _needed(MAP, "trait"),
        "replies": _needed(MAP, "reply"),
        "servers": FieldRule("an object", True, MAP, "server"),
        **_are("", "securitySchemes", "correlationIds", "serverBindings", "channelBindings", "operationBindings"),
        **_are("", "messageBindings", "replyAddresses", "serverVariables", "tags", "externalDocs"),
    },
    "server": {
        **_NOTES,
        **_BINDINGS,
        **_are("", "url", "host", "pathname", "protocolVersion", "security", "variables"),
    },
    "channel": _CHANNEL,
    "channel parameter": {**_NOTES, "schema": _schema(), **_are("", "enum", "default", "location")},
    "channel operation": {
        **_NOTES,
        **_BINDINGS,
        "operationId": _TEXT,
        "message": _needed(ONE, "message"),
        "traits": FieldRule("a list or an object", True, SOME, "trait"),
        "security": FieldRule(),
    },
    "operation": {
        **_NOTES,
        **_BINDINGS,
        "channel": FieldRule("an object", True, ONE, "channel"),
        "messages": FieldRule("a list", True, LIST, "message"),
        "reply": _needed(ONE, "reply"),
        "traits": FieldRule("a list or an object", True, SOME, "trait"),
        **_are("", "action", "security", "operationId"),
    },
    "reply": {
        "$ref": _TEXT,
        "channel": FieldRule("an object", True, ONE, "channel"),
        "messages": FieldRule("a list", True, LIST, "message"),
        "address": FieldRule(),
    },
    "trait": {**_MESSAGE, **_are("", "security", "operationId")},
    "message": _MESSAGE,
    # Version 3 may wrap a schema together with its format.
    "payload": {**SCHEMA, "schema": _schema(), "schemaFormat": FieldRule()},
    "schema": SCHEMA,
}
JSON_SCHEMA: dict[str, FieldRules] = {"root": {**SCHEMA, "x-bundled": FieldRule()}, "schema": SCHEMA}


def grammar_of(format_name: str) -> dict[str, FieldRules]:
    """The objects of a format as it is written; what is lifted to OpenAPI has its objects."""
    if format_name == "openapi-2.0":
        return SWAGGER
    family = format_name.partition("-")[0]
    return {"asyncapi": ASYNCAPI, "jsonschema": JSON_SCHEMA}.get(family, OPENAPI)
