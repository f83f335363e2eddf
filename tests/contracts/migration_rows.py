"""What OpenAPI 3.0 and 3.1 write differently and mean alike: one row a spelling, as a table for the test.

Sources: OpenAPI 3.0.4 and 3.1.1 (in 3.1.1 section 4.8.14.6 "Migrating binary descriptions from OAS 3.0"), the
clarification of `nullable` that 3.0.3 carries, JSON Schema 2020-12.
"""

from __future__ import annotations

from typing import Any

TEXT, WHOLE, NUMBER = {"type": "string"}, {"type": "integer"}, {"type": "number"}
CODE = {"$ref": "#/components/schemas/Code"}
SHARED = {"Code": {"type": "string", "minLength": 2}, "Colour": {"type": "string", "enum": ["red", "blue"]}}
COLOUR = {"$ref": "#/components/schemas/Colour"}
OCTETS = "application/octet-stream"


def listed(items: Any) -> dict[str, Any]:
    return {"type": "array", "items": items}


def having(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


#: Name, schema of 3.0, schema of 3.1. The same set of values in every position and in both directions.
SAME: list[tuple[str, Any, Any]] = [
    ("same text", having(a=TEXT), having(a=TEXT)),
    ("nullable", {**TEXT, "nullable": True}, {"type": ["string", "null"]}),
    ("nullable: anyOf", {**TEXT, "nullable": True}, {"anyOf": [TEXT, {"type": "null"}]}),
    ("nullable: oneOf", {**WHOLE, "nullable": True}, {"oneOf": [{"type": "null"}, WHOLE]}),
    ("nullable: false", {**TEXT, "nullable": False}, TEXT),
    ("nullable without a type", {"nullable": True}, {}),
    ("nullable object", {**having(a=TEXT), "nullable": True}, {**having(a=TEXT), "type": ["object", "null"]}),
    ("nullable reference", {"allOf": [CODE], "nullable": True}, {"oneOf": [CODE, {"type": "null"}]}),
    ("nullable reference: anyOf", {"allOf": [CODE], "nullable": True}, {"anyOf": [CODE, {"type": "null"}]}),
    (
        "enum with null",
        {**TEXT, "nullable": True, "enum": ["a", None]},
        {"type": ["string", "null"], "enum": ["a", None]},
    ),
    ("enum without null", {**TEXT, "nullable": True, "enum": ["a"]}, {"type": ["string", "null"], "enum": ["a"]}),
    ("enum without null, not nullable", {**TEXT, "nullable": True, "enum": ["a"]}, {**TEXT, "enum": ["a"]}),
    ("enum with a null that the type refuses", {**TEXT, "enum": ["a", None]}, {**TEXT, "enum": ["a"]}),
    ("enum of one", {**TEXT, "enum": ["a"]}, {"const": "a"}),
    ("byte", {**TEXT, "format": "byte"}, {**TEXT, "contentEncoding": "base64"}),
    ("base64", {**TEXT, "format": "base64"}, {**TEXT, "contentEncoding": "base64"}),
    ("base64url", {**TEXT, "format": "base64url"}, {**TEXT, "contentEncoding": "base64url"}),
    ("bytes in a list", listed({**TEXT, "format": "byte"}), listed({**TEXT, "contentEncoding": "base64"})),
    (
        "nullable byte",
        {**TEXT, "format": "byte", "nullable": True},
        {"type": ["string", "null"], "contentEncoding": "base64"},
    ),
    ("binary", {**TEXT, "format": "binary"}, {**TEXT, "contentMediaType": OCTETS}),
    ("exclusive minimum", {**NUMBER, "minimum": 1, "exclusiveMinimum": True}, {**NUMBER, "exclusiveMinimum": 1}),
    ("exclusive maximum", {**NUMBER, "maximum": 9, "exclusiveMaximum": True}, {**NUMBER, "exclusiveMaximum": 9}),
    ("inclusive minimum", {**NUMBER, "minimum": 1, "exclusiveMinimum": False}, {**NUMBER, "minimum": 1}),
    ("exclusive bound of a whole number", {**WHOLE, "minimum": 1, "exclusiveMinimum": True}, {**WHOLE, "minimum": 2}),
    ("exclusiveMinimum without a bound", {**NUMBER, "exclusiveMinimum": True}, NUMBER),
    ("example", {**TEXT, "example": "a"}, {**TEXT, "examples": ["a"]}),
    ("example of null", {**TEXT, "nullable": True, "example": None}, {"type": ["string", "null"], "examples": [None]}),
    ("type list: anyOf", {"anyOf": [TEXT, WHOLE]}, {"type": ["string", "integer"]}),
    ("type list: oneOf", {"oneOf": [TEXT, WHOLE]}, {"type": ["integer", "string"]}),
    ("reference", CODE, CODE),
    ("words beside a reference", {**CODE, "description": "A"}, {**CODE, "description": "A"}),
    ("ignored beside a reference", {**CODE, "maxLength": 3}, CODE),
    ("ignored null beside a reference", {**CODE, "nullable": True}, CODE),
    ("words around a reference", {"allOf": [CODE], "description": "A"}, {**CODE, "description": "A"}),
    ("a bound around a reference", {"allOf": [CODE], "maxLength": 3}, {**CODE, "maxLength": 3}),
    ("a bound with a reference", {"allOf": [CODE, {"maxLength": 3}]}, {**CODE, "maxLength": 3}),
    (
        "two negations",
        {"allOf": [{"not": {"required": ["x"]}}, {"not": {"required": ["z"]}}]},
        {"allOf": [{"not": {"required": ["x"]}}, {"not": {"required": ["z"]}}]},
    ),
    (
        "two conditions of a list",
        listed({"allOf": [{"not": {"enum": ["a"]}}, {"not": {"enum": ["b"]}}, TEXT]}),
        listed({"allOf": [TEXT, {"not": {"const": "b"}}, {"not": {"const": "a"}}]}),
    ),
    (
        "a read-only property",
        {**having(id={**TEXT, "readOnly": True}), "required": ["id"]},
        {**having(id={**TEXT, "readOnly": True}), "required": ["id"]},
    ),
    ("tree", having(next={"$ref": "#/components/schemas/Tree"}), having(next={"$ref": "#/components/schemas/Tree"})),
]

#: Name, schema of 3.0, schema of 3.1, what the revision does: it reads alike and means something else.
OTHER: list[tuple[str, Any, Any, str]] = [
    ("nullable left in 3.1", {**TEXT, "nullable": True}, {**TEXT, "nullable": True}, "narrows"),
    ("null lost", {**TEXT, "nullable": True}, TEXT, "narrows"),
    ("null gained", TEXT, {"type": ["string", "null"]}, "widens"),
    ("a bound beside a reference", {**CODE, "maxLength": 3}, {**CODE, "maxLength": 3}, "narrows"),
    ("enum gains null", {**TEXT, "nullable": True, "enum": ["a"]}, {"enum": ["a", None]}, "widens"),
    ("byte to another encoding", {**TEXT, "format": "byte"}, {**TEXT, "contentEncoding": "base32"}, "both"),
    ("byte to binary", {**TEXT, "format": "byte"}, {**TEXT, "contentMediaType": OCTETS}, "both"),
    ("byte dropped", {**TEXT, "format": "byte"}, TEXT, "widens"),
    ("binary to a picture", {**TEXT, "format": "binary"}, {**TEXT, "contentMediaType": "image/png"}, "narrows"),
    ("minimum became exclusive", {**NUMBER, "minimum": 1}, {**NUMBER, "exclusiveMinimum": 1}, "narrows"),
    ("types gained", {"anyOf": [TEXT, WHOLE]}, {"type": ["string", "integer", "boolean"]}, "widens"),
]

_BINARY = {**TEXT, "format": "binary"}
_PICTURE = "image/png"

#: Media type, schema of 3.0, schema of 3.1 (None: no schema): files as bodies and as parts of a form.
FILES: list[tuple[str, Any, Any]] = [
    (OCTETS, _BINARY, {}),
    (OCTETS, _BINARY, None),
    (OCTETS, _BINARY, {"contentMediaType": OCTETS}),
    (OCTETS, None, {}),
    (_PICTURE, _BINARY, {}),
    (_PICTURE, _BINARY, None),
    (_PICTURE, _BINARY, {**TEXT, "contentMediaType": _PICTURE}),
    ("multipart/form-data", having(file=_BINARY), having(file={})),
    ("multipart/form-data", having(file=_BINARY), having(file={**TEXT, "contentMediaType": OCTETS})),
    ("multipart/form-data", having(file=_BINARY), having(file={"contentMediaType": OCTETS})),
    ("multipart/form-data", having(files=listed(_BINARY)), having(files=listed({}))),
    ("multipart/form-data", having(files=listed(_BINARY)), having(files=listed({"contentMediaType": OCTETS}))),
    ("multipart/mixed", having(note=TEXT, file=_BINARY), having(note=TEXT, file={})),
]
