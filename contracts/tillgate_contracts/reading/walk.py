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


#: What a walk meets: an object in keyword position, a map of names, a map of links, one link.
_KEYWORDS, _NAMES, _LINKS, _LINK = 0, 1, 2, 3
_LINK_VALUES = frozenset(("parameters", "requestBody"))
_NOTHING: frozenset[int] = frozenset()


def _state_below(state: int, key: str, item: Any, kind: type) -> int:
    """How the value of a key is walked; -1 for data, which is not."""
    if state == _NAMES:
        return _KEYWORDS
    if state == _LINKS:
        return _LINK
    if key in DATA or (key[:2] == "x-" and key != "x-bundled") or (state == _LINK and key in _LINK_VALUES):
        return -1
    if kind is list:
        return -1 if key == "examples" else _KEYWORDS
    if not holds_names(key, item):
        return _KEYWORDS
    return _LINKS if key == "links" else _NAMES


def objects(tree: Any, values: frozenset[int] = _NOTHING) -> Iterator[dict[str, Any]]:
    """Every object in keyword position, without pointers (fast). `values`: the `id` of containers that are data."""
    stack: list[tuple[Any, int]] = [(tree, _KEYWORDS)]
    pop, push = stack.pop, stack.append
    while stack:
        value, state = pop()
        if type(value) is dict:
            if state in (_KEYWORDS, _LINK):
                yield value
            for key, item in value.items():
                kind = type(item)
                if (kind is dict or kind is list) and id(item) not in values:
                    below = _state_below(state, key, item, kind)
                    if below >= 0:
                        push((item, below))
        else:
            for item in value:
                if type(item) is dict or type(item) is list:
                    push((item, _KEYWORDS))


def located(
    tree: Any, tokens: tuple[str, ...] = (), values: frozenset[int] = _NOTHING
) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
    """Every object in keyword position with the tokens of its pointer. `values`: as for `objects`."""
    stack: list[tuple[tuple[str, ...], Any, int]] = [(tokens, tree, _KEYWORDS)]
    while stack:
        path, value, state = stack.pop()
        if type(value) is dict:
            if state in (_KEYWORDS, _LINK):
                yield path, value
            for key, item in value.items():
                kind = type(item)
                if (kind is dict or kind is list) and id(item) not in values:
                    below = _state_below(state, key, item, kind)
                    if below >= 0:
                        stack.append(((*path, key), item, below))
        elif type(value) is list:
            for number, item in enumerate(value):
                if type(item) is dict or type(item) is list:
                    stack.append(((*path, str(number)), item, _KEYWORDS))
