"""A bound on composition: a small schema that doubles at every reference would unfold without end."""

from __future__ import annotations

from typing import Any

from tillgate_contracts.errors import ContractError
from tillgate_contracts.reading.limits import refusal
from tillgate_contracts.reading.pointers import join, resolve
from tillgate_contracts.reading.walk import located, objects

MAX_PARTS = 5_000
"""Parts that one schema may unfold to through allOf, anyOf, oneOf and references; the largest known has 117."""

MAX_CHAIN = 120
"""References and compositions behind one another before a value is described."""

Extent = tuple[int, int]
_COMPOSED = ("allOf", "anyOf", "oneOf")


def check_composition(tree: dict[str, Any]) -> None:
    """Refuse schemas that unfold beyond the bounds.

    Raises ContractError `contract.too_many_values` or `contract.too_deep`.
    """
    known: dict[int, Extent] = {}
    for schema in objects(tree):
        if "$ref" in schema or "allOf" in schema or "anyOf" in schema or "oneOf" in schema:
            parts, chain = _extent(tree, schema, known, set())
            if parts > MAX_PARTS or chain > MAX_CHAIN:
                raise _refusal(tree, schema, chain)


def _refusal(tree: dict[str, Any], schema: dict[str, Any], chain: int) -> ContractError:
    pointer = next((join(tokens) for tokens, value in located(tree) if value is schema), "")
    if chain > MAX_CHAIN:
        return refusal(
            "contract.too_deep",
            f"The schema at {pointer} lies behind more than {MAX_CHAIN} references and compositions. "
            "Shorten the chain.",
            pointer=pointer,
        )
    return refusal(
        "contract.too_many_values",
        f"The schema at {pointer} unfolds to more than {MAX_PARTS:,} parts through references. "
        "Compose it of fewer schemas.",
        pointer=pointer,
    )


def _extent(tree: dict[str, Any], schema: Any, known: dict[int, Extent], path: set[int]) -> Extent:
    """How many parts a schema unfolds to, and behind how long a chain. A part that contains itself counts once."""
    if not isinstance(schema, dict):
        return 1, 1
    key = id(schema)
    if key in known:
        return known[key]
    if key in path:
        return 1, 1
    if len(path) > MAX_CHAIN:
        return 1, MAX_CHAIN + 1
    path.add(key)
    inner: list[Extent] = []
    ref = schema.get("$ref")
    if isinstance(ref, str):
        inner.append(_extent(tree, resolve(tree, ref), known, path))
    for word in _COMPOSED:
        branches = schema.get(word)
        if isinstance(branches, list):
            inner += [_extent(tree, branch, known, path) for branch in branches]
    path.discard(key)
    known[key] = (
        min(1 + sum(parts for parts, _ in inner), MAX_PARTS + 1),
        1 + max((chain for _, chain in inner), default=0),
    )
    return known[key]
