"""Dialects of JSON Schema that a contract names and that are not the one in which it is read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from tillgate_contracts.reading.pointers import join
from tillgate_contracts.reading.references import Problem
from tillgate_contracts.reading.walk import located

_DRAFT = re.compile(r"https?://json-schema\.org/(?:draft-0([467])|draft/(2019-09|2020-12))/(?:hyper-)?schema#?\Z")
_LATEST = re.compile(r"https?://json-schema\.org/schema#?\Z")
_OPENAPI = re.compile(r"https://spec\.openapis\.org/oas/3\.[12]/dialect/[^/]+\Z")
#: Formats that read schemas as drafts 4 to 7 do: what stands beside `$ref` does not count.
_OLDER = frozenset(("jsonschema-04", "jsonschema-06", "jsonschema-07", "asyncapi-2", "asyncapi-3"))
#: Formats whose schemas have no `$schema`.
_WITHOUT = frozenset(("openapi-2.0", "openapi-3.0"))


def other_dialects(tree: dict[str, Any], kind: str, values: frozenset[int]) -> list[Problem]:
    """A problem for each `$schema` and `jsonSchemaDialect` that is not known, or by which keywords beside `$ref` count
    otherwise than they are read here. `values` are the `id` of objects that are data."""
    if kind in _WITHOUT:
        return []
    older = kind in _OLDER
    found = []
    for pointer, word, name in _named(tree, kind, values):
        meant = _is_older(name.strip())
        if meant is None:
            said = f"{word} names {name[:200]}, which is no known dialect: what its keywords mean is not known."
        elif meant != older:
            said = (
                f"{word} names {name[:200]}, and the schemas are read as {kind}, in which keywords beside $ref "
                f"{'do not count' if older else 'count'}."
            )
        else:
            continue
        found.append(Problem("dialect.unknown", pointer, said))
    return found


def _named(tree: dict[str, Any], kind: str, values: frozenset[int]) -> Iterator[tuple[str, str, str]]:
    """Place, keyword and name of each dialect."""
    base = tree.get("jsonSchemaDialect")
    if kind.startswith("openapi") and isinstance(base, str):
        yield "/jsonSchemaDialect", "jsonSchemaDialect", base
    for tokens, holder in located(tree, values=values):
        name = holder.get("$schema")
        if isinstance(name, str) and (tokens or kind.startswith("jsonschema")):
            yield join((*tokens, "$schema")), "$schema", name


def _is_older(name: str) -> bool | None:
    """Whether a dialect reads `$ref` as drafts 4 to 7 do; None for an unknown one."""
    if draft := _DRAFT.match(name):
        return draft[1] is not None
    return False if _LATEST.match(name) or _OPENAPI.match(name) else None
