"""The settings of a connector as tables for people, made from the schema that editors get."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from runtime.connectors import registry
from runtime.connectors.settings_schema import settings_schema

_HEAD = "| setting | is | without it | |\n|---|---|---|---|"
Parts = dict[str, Any]


def markdown(protocol: str) -> str:
    """A page of the reference: every setting of a protocol, whatever its role. Raises Invalid for an unknown one."""
    schema = settings_schema(protocol, registry.roles(protocol)[0])
    parts: Parts = schema.get("$defs", {})
    said = f"`manage.py connector_schema {protocol} --markdown` makes this page from the schema; a test compares them."
    lines = [f"# Settings of `{protocol}`", "", said, "", schema["description"], ""]
    lines += [_HEAD, *_rows(schema, parts)]
    for name, part in parts.items():
        lines += ["", f"## {name}", "", part.get("description", "") or "", ""]
        ways = part.get("oneOf")
        if ways is None:
            lines += [_HEAD, *_rows(part, parts)]
            continue
        own = [set(way["properties"]) for way in ways]
        common = set.intersection(*own)
        by = next(n for n, one in ways[0]["properties"].items() if "const" in one)
        lines += [f"| `{by}` | settings of its own |", "|---|---|"]
        for way in ways:
            names = [f"`{n}`" for n in way["properties"] if n not in common]
            lines.append(f"| `{way['title']}` | {', '.join(names) or 'none'} |")
        every = {n: one for way in ways for n, one in way["properties"].items() if n != by}
        lines += ["", _HEAD, *_rows({"properties": every}, parts)]
    return "\n".join(lines).replace("\n\n\n", "\n\n").rstrip() + "\n"


def _rows(part: Parts, parts: Parts) -> Iterator[str]:
    required = set(part.get("required", []))
    for name, member in part.get("properties", {}).items():
        default = "required" if name in required else _default(member.get("default"))
        words = " ".join(str(member.get("description", "")).split()).replace("|", "\\|")
        roles = f"({', '.join(member['x-roles'])}) " if "x-roles" in member else ""
        yield f"| `{name}` | {_kind(member, parts)} | {default} | {roles}{words} |"


def _default(value: Any) -> str:
    if value in (None, "", [], {}):
        return "none"
    if isinstance(value, dict) and not any(value.values()):
        return "none"
    return f"`{json.dumps(value, ensure_ascii=False)}`".replace("|", "\\|")


def _kind(member: Parts, parts: Parts) -> str:
    if "$ref" in member:
        name = member["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "enum" in member:
        return ", ".join(f"`{one}`" for one in member["enum"] if one != "")
    if "anyOf" in member:
        kinds = [_kind(one, parts) for one in member["anyOf"] if one.get("type") != "null"]
        return " or ".join(dict.fromkeys(kinds))
    of = str(member.get("type", "any value"))
    if of == "array":
        return f"list of {_kind(member.get('items', {}), parts)}"
    if of == "object":
        inner = member.get("additionalProperties", {})
        return f"object of {_kind(inner, parts)}" if isinstance(inner, dict) and inner else "object"
    return "path" if str(member.get("pattern", "")).startswith("^(?:(?:`") else of
