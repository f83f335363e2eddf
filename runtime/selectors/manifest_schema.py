"""The JSON Schema of a manifest for editors: what refuses a manifest, with words, defaults and examples for people, and
the settings of every connector of this installation."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import msgspec

from runtime import profiles
from runtime.connectors import registry
from runtime.connectors.settings_schema import settings_schema, webhook_schema
from runtime.domain.manifest import SCHEMA, Manifest
from runtime.domain.manifest_words import WORDS

Part = dict[str, Any]


def described() -> Part:
    """The schema with words, defaults and examples, without the settings of connectors."""
    made: Part = json.loads(json.dumps(SCHEMA))
    for _, kind, part in parts(made):
        required = set(part.get("required", []))
        for field in msgspec.structs.fields(kind):
            member = part["properties"][field.encode_name]
            words = WORDS[f"{kind.__name__}.{field.encode_name}"]
            part["properties"][field.encode_name] = member | {"description": words.said, "examples": [words.example]}
            if field.encode_name not in required and (default := _default(field)) is not None:
                part["properties"][field.encode_name]["default"] = default
    return made


def for_editors() -> Part:
    """The same, with `settings` by protocol: an editor completes them. `contract` may be `current`, which page and API
    replace by the digest of now."""
    made = described()
    made["properties"]["$schema"] = {"type": "string", "description": "Where this schema is. No part of the manifest."}
    made["$defs"] = {}
    for role, name in (("source", "sources"), ("sink", "targets")):
        side = made["properties"][name]["items"]["properties"]
        side["contract"]["anyOf"] = [{"pattern": side["contract"].pop("pattern")}, {"const": "current"}]
        side["connection"] |= _by_protocol(role, made["$defs"])
    _of_webhooks(made["properties"]["sources"]["items"]["properties"]["webhook"]["properties"], made["$defs"])
    return made


def _of_webhooks(webhook: Part, definitions: Part) -> None:
    """What a profile says already need not be said."""
    definitions["webhook"] = _moved(webhook_schema(), "#/$defs/webhook")
    definitions["webhook"].pop("required", None)
    webhook["settings"]["$ref"] = "#/$defs/webhook"
    webhook["profile"]["enum"] = [name for name, one in profiles.profiles().items() if one.webhook]


def parts(schema: Part) -> Iterator[tuple[str, type[msgspec.Struct], Part]]:
    """(JSON Pointer, type that reads it, schema) of every object of a manifest that a type reads; the manifest
    first."""
    waiting: list[tuple[str, type[msgspec.Struct], Part]] = [("", Manifest, schema)]
    while waiting:
        pointer, kind, part = waiting.pop(0)
        yield pointer, kind, part
        for field in msgspec.structs.fields(kind):
            inner = next(_structs_in(field.type), None)
            member = part["properties"][field.encode_name]
            if inner is not None:
                below = member.get("items", member)
                waiting.append(
                    (f"{pointer}/{field.encode_name}{'/items' if below is not member else ''}", inner, below)
                )


def _structs_in(kind: Any) -> Iterator[type[msgspec.Struct]]:
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        yield kind
    for one in getattr(kind, "__args__", ()):
        yield from _structs_in(one)


def _default(field: msgspec.structs.FieldInfo) -> Any:
    value = field.default
    if field.default_factory is not msgspec.NODEFAULT:
        value = field.default_factory()
    if value is msgspec.NODEFAULT or value is None or value in ("", [], {}):
        return None
    plain = msgspec.to_builtins(value)
    return None if isinstance(plain, dict) and all(one is None for one in plain.values()) else plain


def _by_protocol(role: str, definitions: Part) -> Part:
    speaks = [name for name in registry.names() if role in registry.roles(name)]
    of = {name: list[str]() for name in speaks}
    for name, one in profiles.profiles().items():
        if one.protocol in of:
            of[one.protocol].append(name)
    rules = []
    for name in speaks:
        key = f"{name}-{role}"
        definitions[key] = _moved(settings_schema(name, role), f"#/$defs/{key}")
        required = definitions[key].pop("required", [])
        then: Part = {"properties": {"settings": {"$ref": f"#/$defs/{key}"}, "profile": {"enum": of[name]}}}
        if required:  # a profile may say them
            then["if"] = {"not": {"required": ["profile"]}}
            then["then"] = {"required": ["settings"], "properties": {"settings": {"required": required}}}
        rules.append({"if": {"properties": {"protocol": {"const": name}}, "required": ["protocol"]}, "then": then})
    protocol = {"description": WORDS["Connection.protocol"].said, "enum": speaks}
    return {"properties": _side(protocol), "allOf": rules}


def _side(protocol: Part) -> Part:
    settings = {"type": "object", "description": WORDS["Connection.settings"].said}
    return {"protocol": protocol, "profile": {"description": WORDS["Connection.profile"].said}, "settings": settings}


def _moved(schema: Any, place: str) -> Any:
    """The schema with its references where it stands now."""
    if isinstance(schema, dict):
        return {
            name: f"{place}{one[1:]}" if name == "$ref" and isinstance(one, str) else _moved(one, place)
            for name, one in schema.items()
            if name != "$schema"
        }
    return [_moved(one, place) for one in schema] if isinstance(schema, list) else schema


__all__ = ["described", "for_editors", "parts"]
