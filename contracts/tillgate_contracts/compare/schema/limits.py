"""Comparison of size limits: `minLength`, `maxLength`, `minItems`, `maxItems`, `minProperties`, `maxProperties`."""

from __future__ import annotations

from tillgate_contracts.compare.schema.change import NARROWS, WIDENS
from tillgate_contracts.compare.schema.comparison import NodeComparison


def compare_least(comparison: NodeComparison, name: str, keyword: str, old: int, new: int) -> None:
    """Compare a lower size limit. A document without the limit has 0."""
    if old == new:
        return
    if new > old:
        comparison.add(f"{name}-increased", NARROWS, old or None, new, keyword)
    else:
        comparison.add(f"{name}-decreased" if new else f"{name}-unset", WIDENS, old, new or None, keyword)


def compare_most(comparison: NodeComparison, name: str, keyword: str, old: int | None, new: int | None) -> None:
    """Compare an upper size limit. A document without the limit has None."""
    if old == new:
        return
    if new is not None and (old is None or new < old):
        comparison.add(f"{name}-set" if old is None else f"{name}-decreased", NARROWS, old, new, keyword)
    else:
        comparison.add(f"{name}-unset" if new is None else f"{name}-increased", WIDENS, old, new, keyword)
