"""Rules about GraphQL schemas."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from tillgate_contracts.lint.rule import Violation, rule
from tillgate_contracts.lint.view import LintView
from tillgate_contracts.reading.graphql_form import ROLES
from tillgate_contracts.reading.graphql_names import is_required, named

_GRAPHQL = ("graphql",)
_PASCAL = re.compile(r"_{0,2}[A-Z][A-Za-z0-9]*\Z")
_CAMEL = re.compile(r"_?[a-z][A-Za-z0-9]*\Z")
_UPPER = re.compile(r"[A-Z][A-Z0-9_]*\Z")
_PAGING = frozenset({"first", "last", "limit", "pagesize", "take", "size", "top", "ids", "id", "skus", "page"})
_MONEY = re.compile(r"(amount|price|total|cost|balance|tax|discount|refund)(?!s?(count|type|id|at)\b)\w*\Z", re.I)
NO_REASON = "No longer supported"


def _types(view: LintView) -> Iterator[tuple[str, dict[str, Any]]]:
    yield from view.tree["types"].items()


def _fields(view: LintView) -> Iterator[tuple[str, str, str, dict[str, Any]]]:
    """(type, field, pointer, field) of objects, interfaces and input objects."""
    for name, entry in _types(view):
        for field, value in entry.get("fields", {}).items():
            yield name, field, f"/types/{name}/fields/{field}", value


def _roots(view: LintView) -> dict[str, str]:
    return {name: role for role, name in view.tree.get("roots", {}).items() if role in ROLES}


def _place(view: LintView, type_name: str, field: str) -> dict[str, str]:
    role = _roots(view).get(type_name)
    return {"operation": f"{role.upper()} {field}", "path": field} if role else {}


@rule(
    "graphql-described",
    "wwii",
    title="Operations, types and enums are described",
    why="A schema is the only documentation that every client tool shows.",
    hint="Write a description above the type or the field.",
    families=_GRAPHQL,
)
def graphql_described(view: LintView) -> Iterator[Violation]:
    roots = _roots(view)
    for name, entry in _types(view):
        if name not in roots and not entry.get("description", "").strip():
            yield Violation(f"/types/{name}", f"The {entry['kind']} {name} has no description.")
    for name, field, pointer, value in _fields(view):
        if name in roots and not value.get("description", "").strip():
            yield Violation(pointer, f"{name}.{field} has no description.", **_place(view, name, field))


@rule(
    "graphql-names",
    "wwii",
    title="Types are PascalCase, fields and arguments camelCase, enum values UPPER_CASE",
    why="Clients are generated from these names, and tools expect these forms.",
    hint="Rename it in a new field beside the old one, and deprecate that.",
    families=_GRAPHQL,
)
def graphql_names(view: LintView) -> Iterator[Violation]:
    for name, entry in _types(view):
        if not _PASCAL.match(name):
            yield Violation(f"/types/{name}", f"The type {name} is not PascalCase.")
        for value in entry.get("values", {}):
            if not _UPPER.match(value):
                yield Violation(f"/types/{name}/values/{value}", f"The value {name}.{value} is not UPPER_CASE.")
    for name, field, pointer, value in _fields(view):
        if not _CAMEL.match(field) and not field.startswith("__"):
            yield Violation(pointer, f"{name}.{field} is not camelCase.", **_place(view, name, field))
        for key in value.get("args", {}):
            if not _CAMEL.match(key):
                text = f"The argument {key} of {name}.{field} is not camelCase."
                yield Violation(f"{pointer}/args/{key}", text, **_place(view, name, field))


@rule(
    "graphql-reserved-name",
    "e",
    title="No name begins with two underscores",
    why="Such names are reserved for introspection (GraphQL 2.3.1), and servers refuse the schema.",
    hint="Choose another name.",
    families=_GRAPHQL,
)
def graphql_reserved_name(view: LintView) -> Iterator[Violation]:
    for name, _ in _types(view):
        if name.startswith("__"):
            yield Violation(f"/types/{name}", f"The name {name} is reserved.")
    for name, field, pointer, _ in _fields(view):
        if field.startswith("__"):
            yield Violation(pointer, f"The name {name}.{field} is reserved.")


@rule(
    "graphql-resolved",
    "e",
    title="Every type that is named is defined",
    why="What stands behind it can be neither read nor compared.",
    hint="Add the definition, or correct the name.",
    families=_GRAPHQL,
)
def graphql_resolved(view: LintView) -> Iterator[Violation]:
    for problem in view.document.problems:
        if problem.code == "ref.unresolved":
            yield Violation(problem.pointer, problem.message)


@rule(
    "graphql-implements",
    "e",
    title="A type has the fields of its interfaces",
    why="GraphQL 3.6.1 demands it, and servers refuse the schema.",
    hint="Add the field with the interface's type, or one that is narrower.",
    families=_GRAPHQL,
)
def graphql_implements(view: LintView) -> Iterator[Violation]:
    types = view.tree["types"]
    for name, entry in _types(view):
        own = entry.get("fields", {})
        for interface in entry.get("interfaces", {}):
            for field, value in types.get(interface, {}).get("fields", {}).items():
                if field not in own:
                    text = f"{name} implements {interface} and has no field {field}."
                    yield Violation(f"/types/{name}", text)
                elif missing := value.get("args", {}).keys() - own[field].get("args", {}).keys():
                    text = f"{name}.{field} lacks the argument {min(missing)} of {interface}.{field}."
                    yield Violation(f"/types/{name}/fields/{field}", text)


@rule(
    "graphql-deprecation-reason",
    "wwii",
    title="A deprecation says what to use instead",
    why="Clients cannot move without it.",
    hint='Write @deprecated(reason: "Use … instead; removed on …").',
    families=_GRAPHQL,
)
def graphql_deprecation_reason(view: LintView) -> Iterator[Violation]:
    for name, field, pointer, value in _fields(view):
        if value.get("deprecated") == NO_REASON:
            yield Violation(pointer, f"{name}.{field} is deprecated without a reason.", **_place(view, name, field))
    for name, entry in _types(view):
        for key, value in entry.get("values", {}).items():
            if value.get("deprecated") == NO_REASON:
                yield Violation(f"/types/{name}/values/{key}", f"{name}.{key} is deprecated without a reason.")


@rule(
    "graphql-deprecated-required",
    "e",
    title="What is required is not deprecated",
    why="Nobody can leave it out (GraphQL 3.13.3).",
    hint="Make it optional first.",
    families=_GRAPHQL,
)
def graphql_deprecated_required(view: LintView) -> Iterator[Violation]:
    for name, field, pointer, value in _fields(view):
        if view.tree["types"][name]["kind"] == "input" and "deprecated" in value and is_required(value):
            yield Violation(pointer, f"{name}.{field} is required and deprecated.")
        for key, one in value.get("args", {}).items():
            if "deprecated" in one and is_required(one):
                text = f"The argument {key} of {name}.{field} is required and deprecated."
                yield Violation(f"{pointer}/args/{key}", text, **_place(view, name, field))


@rule(
    "graphql-list-bounded",
    "ewwi",
    title="A list that a client asks for has a size",
    why="A list without first, last or limit grows until it takes the service down.",
    hint="Add first and after, or return a connection with pages.",
    families=_GRAPHQL,
)
def graphql_list_bounded(view: LintView) -> Iterator[Violation]:
    roots = _roots(view)
    types = view.tree["types"]
    for name, field, pointer, value in _fields(view):
        if roots.get(name) != "query" or "[" not in value["type"]:
            continue
        kind = types.get(named(value["type"]), {}).get("kind")
        if kind in ("object", "interface", "union") and not _PAGING & {key.lower() for key in value.get("args", {})}:
            yield Violation(pointer, f"{name}.{field} returns a list without a size.", **_place(view, name, field))


@rule(
    "graphql-money-not-float",
    "eeww",
    title="Money is no Float",
    why="Float rounds: 0.1 + 0.2 is not 0.3, and totals of tills and ledgers differ.",
    hint="Use a decimal scalar, or whole cents as Int.",
    families=_GRAPHQL,
)
def graphql_money_not_float(view: LintView) -> Iterator[Violation]:
    for name, field, pointer, value in _fields(view):
        if named(value["type"]) == "Float" and _MONEY.search(field):
            yield Violation(pointer, f"{name}.{field} is money in a Float.", **_place(view, name, field))


@rule(
    "graphql-list-items",
    "wiii",
    title="Items of a list are never null",
    why="Readers have to guard every item, and a null in a list tells them nothing.",
    hint="Write [Item!].",
    families=_GRAPHQL,
)
def graphql_list_items(view: LintView) -> Iterator[Violation]:
    for name, field, pointer, value in _fields(view):
        written = value["type"].removesuffix("!")
        if written.startswith("[") and not written.endswith("!]"):
            text = f"{name}.{field} is {value['type']}: its items may be null."
            yield Violation(pointer, text, **_place(view, name, field))
