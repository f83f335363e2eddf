"""Changes of XML content, before a direction gives them a level."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from operator import eq
from typing import Any

from tillgate_contracts.compare.soap.components import Tree, TypeRef


@dataclass(frozen=True, slots=True)
class XmlChange:
    """One change. Pointers are into the normal forms of both sides, None where there is nothing."""

    kind: str
    text: str
    old_pointer: str | None
    new_pointer: str | None
    old: Any = None
    new: Any = None


@dataclass(slots=True)
class PairResult:
    """What changed inside a pair, and the pairs below it."""

    changes: list[XmlChange] = field(default_factory=list)
    children: list[tuple[TypeRef, TypeRef]] = field(default_factory=list)
    words: bool = False


def value_constraints(
    whole: str,
    one: Tree,
    other: Tree,
    at: tuple[str | None, str | None],
    same: Callable[[str | None, str | None], bool] = eq,
) -> list[XmlChange]:
    """Changes of `default` and `fixed`. `same` says whether two texts are one value of the type."""
    found = []
    if not same(one.get("default"), other.get("default")):
        told = f"{whole} has the default {other.get('default')!r} instead of {one.get('default')!r}."
        found.append(XmlChange("default-changed", told, *at, one.get("default"), other.get("default")))
    old, new = one.get("fixed"), other.get("fixed")
    if not same(old, new):
        kind = "fixed-added" if old is None else "fixed-removed" if new is None else "fixed-changed"
        found.append(XmlChange(kind, f"{whole} is fixed to {new!r} instead of {old!r}.", *at, old, new))
    return found
