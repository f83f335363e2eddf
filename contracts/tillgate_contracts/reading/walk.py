"""One walk over a contract that tells data (examples, defaults, enum values) from keywords."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

NAME_MAPS = frozenset(
    (
        *("properties", "patternProperties", "definitions", "$defs", "dependentSchemas", "dependencies", "schemas"),
        *("parameters", "responses", "headers", "requestBodies", "securitySchemes", "links", "callbacks", "pathItems"),
        *("examples", "encoding", "messages", "messageTraits", "operationTraits", "channels", "operations", "paths"),
        *("webhooks", "content", "mediaTypes", "securityDefinitions", "x-bundled"),
        *("dependentRequired", "mapping", "scopes", "variables"),
    )
)
"""Keywords whose value is a map from names to objects: a name may be spelt like a keyword."""

DATA = frozenset(("example", "default", "enum", "const", "value"))
"""Keywords whose value is data: a `$ref` in there is a value, not a reference. Extensions (`x-…`) are data as well."""


def holds_names(key: str, value: Any) -> bool:
    """Whether a keyword's value is a name map here (`headers` in AsyncAPI is a schema, `parameters` may be a list)."""
    if key not in NAME_MAPS or type(value) is not dict:
        return False
    return not (key == "headers" and (isinstance(value.get("type"), str) or isinstance(value.get("$ref"), str)))


def objects(tree: Any) -> Iterator[dict[str, Any]]:
    """Every object in keyword position, without pointers (fast)."""
    stack: list[tuple[Any, bool]] = [(tree, False)]
    pop, push = stack.pop, stack.append
    while stack:
        value, names = pop()
        if type(value) is dict:
            if not names:
                yield value
            for key, item in value.items():
                kind = type(item)
                if kind is dict:
                    if names:
                        push((item, False))
                    elif key not in DATA and (key[:2] != "x-" or key == "x-bundled"):
                        push((item, holds_names(key, item)))
                elif kind is list and (names or (key not in DATA and key != "examples" and key[:2] != "x-")):
                    push((item, False))
        else:
            for item in value:
                if type(item) is dict or type(item) is list:
                    push((item, False))


def located(tree: Any, tokens: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
    """Every object in keyword position with the tokens of its pointer."""
    stack: list[tuple[tuple[str, ...], Any, bool]] = [(tokens, tree, False)]
    while stack:
        path, value, names = stack.pop()
        if type(value) is dict:
            if not names:
                yield path, value
            for key, item in value.items():
                kind = type(item)
                if kind is dict:
                    if names:
                        stack.append(((*path, key), item, False))
                    elif key not in DATA and (key[:2] != "x-" or key == "x-bundled"):
                        stack.append(((*path, key), item, holds_names(key, item)))
                elif kind is list and (names or (key not in DATA and key != "examples" and key[:2] != "x-")):
                    stack.append(((*path, key), item, False))
        elif type(value) is list:
            for number, item in enumerate(value):
                if type(item) is dict or type(item) is list:
                    stack.append(((*path, str(number)), item, False))
