"""Comparison of the limits of a size: `minLength`, `maxItems`, `minProperties` and their like."""

from __future__ import annotations

from tillgate_contracts.compare.schema.change import NARROWS, WIDENS
from tillgate_contracts.compare.schema.comparison import NodeComparison


def compare_least(comparison: NodeComparison, name: str, keyword: str, old: int, new: int) -> None:
    """A lower limit of a size (absent is 0)."""
    if old == new:
        return
    if new > old:
        comparison.add_of_type(f"{name}-increased", NARROWS, old or None, new, keyword)
    else:
        comparison.add_of_type(f"{name}-decreased" if new else f"{name}-unset", WIDENS, old, new or None, keyword)


def compare_most(comparison: NodeComparison, name: str, keyword: str, old: int | None, new: int | None) -> None:
    """An upper limit of a size (absent is none)."""
    if old == new:
        return
    if new is not None and (old is None or new < old):
        comparison.add_of_type(f"{name}-set" if old is None else f"{name}-decreased", NARROWS, old, new, keyword)
    else:
        comparison.add_of_type(f"{name}-unset" if new is None else f"{name}-increased", WIDENS, old, new, keyword)
