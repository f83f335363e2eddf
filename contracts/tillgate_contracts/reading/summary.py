"""The parts of a contract that a catalog shows: operations, schema names, fields, servers, security."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tillgate_contracts.reading.pointers import MISSING, escape, resolve
from tillgate_contracts.reading.walk import objects

METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace", "query")
"""The HTTP methods that a path item may have; `query` is new in OpenAPI 3.2."""

MAX_FIELDS = 5000


@dataclass(frozen=True, slots=True)
class OperationSummary:
    """One operation. `method` is an HTTP method in capitals, or `SEND`, `RECEIVE`, `PUBLISH`, `SUBSCRIBE` for events;
    `path` is the path template, `webhook:<name>`, or the channel's address; `pointer` is into the normal form.
    GraphQL: `QUERY`, `MUTATION` or `SUBSCRIPTION` and the root field, with its arguments (`request`) and its type
    (`response`)."""

    method: str
    path: str
    operation_id: str
    summary: str
    tags: tuple[str, ...]
    deprecated: bool
    pointer: str
    messages: tuple[str, ...] = ()
    request: str = ""
    response: str = ""


def text_at(tree: Any, *keys: str) -> str:
    """The text at a path of keys; empty when it is absent or neither text nor a number. Numbers become text."""
    for key in keys:
        tree = tree.get(key) if isinstance(tree, dict) else None
    if isinstance(tree, bool) or not isinstance(tree, str | int | float):
        return ""
    return str(tree).strip()


def mapping(value: Any, *keys: str) -> dict[str, Any]:
    """The object at a path of keys; empty when it is absent or not an object."""
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def follow(tree: dict[str, Any], value: Any) -> Any:
    """The value at the end of a chain of references. Follows at most 32 references."""
    for _ in range(32):
        if not (isinstance(value, dict) and isinstance(value.get("$ref"), str)):
            return value
        found = resolve(tree, value["$ref"])
        if found is MISSING:
            return None
        value = found
    return None


def operations(tree: dict[str, Any], kind: str) -> tuple[OperationSummary, ...]:
    """Every operation of a normal form."""
    if kind == "asyncapi-2":
        return tuple(_channels_2(tree))
    if kind == "asyncapi-3":
        return tuple(_operations_3(tree))
    return tuple(_path_operations(tree))


def _path_operations(tree: dict[str, Any]) -> Iterator[OperationSummary]:
    for place in ("paths", "webhooks"):
        for path, item in mapping(tree, place).items():
            resolved = follow(tree, item)
            if not isinstance(resolved, dict) or path.startswith("x-"):
                continue
            pointer = f"/{place}/{escape(path)}"
            shown = path if place == "paths" else f"webhook:{path}"
            for method in METHODS:
                if isinstance(resolved.get(method), dict):
                    yield _operation(method.upper(), shown, resolved[method], f"{pointer}/{method}")
            for method, operation in mapping(resolved, "additionalOperations").items():
                if isinstance(operation, dict):
                    yield _operation(method, shown, operation, f"{pointer}/additionalOperations/{escape(method)}")


def _operation(
    method: str, path: str, value: dict[str, Any], pointer: str, messages: tuple[str, ...] = ()
) -> OperationSummary:
    tags = value.get("tags")
    names = [tag.get("name") if isinstance(tag, dict) else tag for tag in tags] if isinstance(tags, list) else []
    return OperationSummary(
        method,
        path,
        text_at(value, "operationId"),
        text_at(value, "summary") or text_at(value, "title") or text_at(value, "description").split("\n", 1)[0],
        tuple(name for name in names if isinstance(name, str)),
        value.get("deprecated") is True,
        pointer,
        messages,
    )


def _channels_2(tree: dict[str, Any]) -> Iterator[OperationSummary]:
    for address, item in mapping(tree, "channels").items():
        channel = follow(tree, item)
        for method in ("publish", "subscribe"):
            value = mapping(channel, method)
            if value:
                message = value.get("message")
                several = message.get("oneOf") if isinstance(message, dict) else None
                names = _message_names(tree, several if isinstance(several, list) else [message])
                yield _operation(method.upper(), address, value, f"/channels/{escape(address)}/{method}", names)


def _operations_3(tree: dict[str, Any]) -> Iterator[OperationSummary]:
    for name, item in mapping(tree, "operations").items():
        value = follow(tree, item)
        if not isinstance(value, dict):
            continue
        channel = follow(tree, value.get("channel"))
        address = text_at(channel, "address") or text_at(value, "channel", "$ref").rpartition("/")[2]
        messages = value.get("messages")
        if not isinstance(messages, list):
            messages = list(mapping(channel, "messages").values())
        made = _operation(
            text_at(value, "action").upper(),
            address,
            {"operationId": name, **value},
            f"/operations/{escape(name)}",
            _message_names(tree, messages),
        )
        yield made


def _message_names(tree: dict[str, Any], messages: list[Any]) -> tuple[str, ...]:
    names = []
    for message in messages:
        value = follow(tree, message)
        name = text_at(value, "name") or text_at(value, "messageId") or text_at(message, "$ref").rpartition("/")[2]
        if name:
            names.append(name)
    return tuple(names)


def components(tree: dict[str, Any]) -> dict[str, Any]:
    """Every named component by its pointer."""
    found = {}
    for section, items in mapping(tree, "components").items():
        if isinstance(items, dict):
            found.update({f"/components/{escape(section)}/{escape(name)}": value for name, value in items.items()})
    for section in ("$defs", "definitions"):
        found.update({f"/{section}/{escape(name)}": value for name, value in mapping(tree, section).items()})
    return found


def named_schemas(tree: dict[str, Any]) -> list[str]:
    """Names of the schemas: components, or the definitions of a JSON Schema."""
    return [*mapping(tree, "components", "schemas"), *mapping(tree, "$defs"), *mapping(tree, "definitions")]


def field_names(tree: dict[str, Any]) -> tuple[str, ...]:
    """Property and parameter names, each once, at most MAX_FIELDS."""
    seen: dict[str, None] = {}
    for value in objects(tree):
        properties = value.get("properties")
        if type(properties) is dict:
            seen.update(dict.fromkeys(properties))
        name = value.get("name")
        if type(name) is str and "in" in value:
            seen[name] = None
        if len(seen) >= MAX_FIELDS:
            break
    return tuple(list(seen)[:MAX_FIELDS])


def servers(tree: dict[str, Any]) -> tuple[str, ...]:
    """Base URLs as written, with their variables."""
    declared = tree.get("servers")
    if isinstance(declared, list):
        return tuple(url for server in declared if (url := text_at(server, "url")))
    found = []
    for server in mapping(tree, "servers").values():
        value = follow(tree, server)
        url = text_at(value, "url")
        if not url and text_at(value, "host"):
            protocol = text_at(value, "protocol")
            url = f"{protocol}://{text_at(value, 'host')}{text_at(value, 'pathname')}"
        if url:
            found.append(url)
    return tuple(found)


def security_schemes(tree: dict[str, Any]) -> Mapping[str, str]:
    """Kind of each scheme by name."""
    found = {}
    for name, item in mapping(tree, "components", "securitySchemes").items():
        value = follow(tree, item)
        kind = text_at(value, "type")
        if kind == "http":
            kind = f"http {text_at(value, 'scheme')}".strip()
        elif kind in ("apiKey", "httpApiKey"):
            kind = f"{kind} ({text_at(value, 'in')})"
        elif kind == "oauth2":
            flows = ", ".join(mapping(value, "flows"))
            kind = f"oauth2 ({flows})" if flows else kind
        found[name] = kind or "unknown"
    return found
