"""The settings of a connector as a JSON Schema (draft 2020-12), for editors, forms and machines.

It is made from the same types that read the settings, and says what each docstring says of a member. A struct with
`VARIANTS` (`paging` by its strategy, `auth` by its kind) is told as a union: each way with the members that serve it.
What reads settings takes members of another way, too, for a manifest goes on top of a profile, and says nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from kernel.errors import Invalid
from runtime.connectors import registry
from runtime.connectors.auth_settings import AuthSettings
from runtime.connectors.webhook_settings import WebhookSettings

_TYPED: Mapping[str, type[msgspec.Struct]] = {"auth": AuthSettings}  # members that are read apart from the others
DIALECT = "https://json-schema.org/draft/2020-12/schema"
REGISTERED = ("base_url", "further_hosts", "token_hosts", "trusted")
"""What the endpoint of a system says, and no manifest."""
_MEMBER = re.compile(r"^ {0,6}([a-z]\w*(?:, [a-z]\w*)*) {2,}(\S.*)$")
_PATTERN_END = re.compile(r"\\Z")  # Python's; ECMA-262 has `$` alone


def settings_schema(protocol: str, role: str, *, given: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The JSON Schema of `settings` in a manifest. `given`: what a profile says already, and a manifest need not.

    Raises Invalid for an unknown protocol, or one that has no such role."""
    title = f"Settings of a {role} over {protocol}"
    return _schema_of(registry.settings_type(protocol, role), role, title, given or ())


def webhook_schema() -> dict[str, Any]:
    """The same of `webhook` at a source."""
    return _schema_of(WebhookSettings, "source", "Settings of webhooks", ())


def _schema_of(kind: type[msgspec.Struct], role: str, title: str, given: Iterable[str]) -> dict[str, Any]:
    typed = {name: one for name, one in _TYPED.items() if name in kind.__struct_fields__}
    parts: dict[str, Any] = {}
    for one in (kind, *typed.values()):
        parts |= msgspec.json.schema(one)["$defs"]
    types = _structs(kind) | {one.__name__: one for one in typed.values()}
    for name, part in parts.items():
        _described(part, types.get(name))
    top = parts.pop(kind.__name__)
    for name, one in typed.items():
        top["properties"][name] = {"$ref": f"#/$defs/{one.__name__}"}
    _told_by_role(top, kind, role)
    for name in REGISTERED:
        top["properties"].pop(name, None)
    known = set(given) | set(REGISTERED)
    top["required"] = [name for name in top.get("required", []) if name not in known]
    for name, part in list(parts.items()):
        if variants := getattr(types.get(name), "VARIANTS", None):
            parts[name] = _union(part, *variants)
    schema = {"$schema": DIALECT, "title": title, **_without_title(top)}
    schema["additionalProperties"] = False
    used = _used(schema, parts)
    plain: dict[str, Any] = _portable(
        schema | ({"$defs": {name: parts[name] for name in sorted(used)}} if used else {})
    )
    return plain


def _structs(kind: type[msgspec.Struct]) -> dict[str, type[msgspec.Struct]]:
    """A struct and all that it holds, by name; some hold themselves."""
    found, waiting = dict[str, type[msgspec.Struct]](), [kind]
    while waiting:
        one = waiting.pop()
        if one.__name__ not in found:
            found[one.__name__] = one
            waiting += [inner for field in msgspec.structs.fields(one) for inner in _types_in(field.type)]
    return found


def _types_in(kind: Any) -> Iterator[type[msgspec.Struct]]:
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        yield kind
    for one in getattr(kind, "__args__", ()):
        yield from _types_in(one)


def _described(part: dict[str, Any], kind: type[msgspec.Struct] | None) -> None:
    """Members with what the docstring says of them; a struct takes only members that it knows."""
    part["additionalProperties"] = False
    words = dict(_members_of(kind.__doc__ or "")) if kind else {}
    for base in kind.__mro__[1:] if kind else ():
        words = dict(_members_of(getattr(base, "__doc__", "") or "")) | words
    for name, member in part.get("properties", {}).items():
        if name in words:
            member.setdefault("description", words[name])
    for field in msgspec.structs.fields(kind) if kind else ():
        member = part["properties"].get(field.encode_name, {})
        if field.default_factory is not msgspec.NODEFAULT and "default" not in member:
            default = msgspec.to_builtins(field.default_factory())
            if isinstance(default, list | dict) and default and "$ref" not in member:
                member["default"] = default
    part["description"] = _prose(str(part.get("description", "")))


def _prose(doc: str) -> str:
    """What a docstring says of the whole: without its lines about members."""
    kept, inside = list[str](), False
    for line in doc.splitlines():
        inside = _MEMBER.match(line) is not None or (inside and line.startswith("       "))
        if not inside:
            kept.append(line)
    return " ".join(" ".join(kept).split())


def _members_of(doc: str) -> Iterator[tuple[str, str]]:
    """Lines of a docstring such as `size, size_param   how many rows`, with the indented lines behind them."""
    names, words = list[str](), list[str]()
    for line in [*doc.splitlines(), ""]:
        found = _MEMBER.match(line)
        if found or not line.startswith("       ") or not names:
            for name in names:
                yield name, " ".join(words)
            names, words = (found[1].split(", "), [found[2].strip()]) if found else ([], [])
        else:
            words.append(line.strip())


def _told_by_role(top: dict[str, Any], kind: type[msgspec.Struct], role: str) -> None:
    """`x-roles` of what serves some roles alone: a form of a source leaves out how a target is written to. It may be
    said nevertheless, for a profile serves both."""
    serves: Mapping[str, frozenset[str]] = getattr(kind, "OF_ROLE", {})
    for name, member in top["properties"].items():
        of = [one for one in registry.ROLES if name in serves.get(one, ())]
        if of and role not in of:
            top["properties"][name] = {**member, "x-roles": of}


def _union(part: dict[str, Any], by: str, ways: Mapping[str, tuple[str, ...]]) -> dict[str, Any]:
    """One schema a way: its word, its own members, and those that serve every way."""
    members, own = part["properties"], {name for names in ways.values() for name in names}
    common = {name: one for name, one in members.items() if name not in own and name != by}
    default = members[by].get("default")
    found = []
    for way, names in ways.items():
        chosen = {name: members[name] for name in names} | common
        one = {"title": way, "type": "object", "properties": {by: {"const": way}} | chosen}
        one["required"] = [*([] if way == default else [by]), *(n for n in part.get("required", []) if n in chosen)]
        found.append(one | {"additionalProperties": False})
    return {"description": part["description"], "oneOf": found}


def _without_title(top: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in top.items() if name != "title"}


def _used(schema: Any, parts: Mapping[str, Any]) -> set[str]:
    """The definitions that a schema leads to."""
    found, waiting = set[str](), [schema]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            name = str(one.get("$ref", "")).rpartition("/")[2]
            if name in parts and name not in found:
                found.add(name)
                waiting.append(parts[name])
            waiting += one.values()
        elif isinstance(one, list):
            waiting += one
    return found


def _portable(value: Any) -> Any:
    """Patterns as ECMA-262 writes them, and defaults that are plain JSON."""
    if isinstance(value, dict):
        return {
            name: _PATTERN_END.sub("$", one) if name == "pattern" and isinstance(one, str) else _portable(one)
            for name, one in value.items()
        }
    if isinstance(value, list):
        return [_portable(one) for one in value]
    return value


def role_of(word: str) -> str:
    """Raises Invalid where this is no role of a connector."""
    if word not in registry.ROLES:
        raise Invalid("connection.role", f"There is no role {word[:60]!r}; there are {', '.join(registry.ROLES)}.")
    return word


__all__ = ["DIALECT", "REGISTERED", "role_of", "settings_schema"]
