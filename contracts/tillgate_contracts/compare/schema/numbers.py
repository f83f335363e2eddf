"""Comparison of bounds and of `multipleOf`."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from tillgate_contracts.compare.schema.change import NARROWS, NONE, WIDENS
from tillgate_contracts.compare.schema.comparison import NodeComparison
from tillgate_contracts.compare.schema.node import Bound, Node
from tillgate_contracts.compare.schema.values import one_or_list


def compare_minimum(comparison: NodeComparison) -> None:
    """`minimum` and `exclusiveMinimum`."""
    _compare_bound(comparison, "min", comparison.old.low, comparison.new.low)


def compare_maximum(comparison: NodeComparison) -> None:
    """`maximum` and `exclusiveMaximum`."""
    _compare_bound(comparison, "max", comparison.old.high, comparison.new.high)


def compare_multiples(comparison: NodeComparison) -> None:
    """`multipleOf`."""
    old, new = comparison.old, comparison.new
    if old.multiples != new.multiples:
        effect = NONE
        if not all(any(_divides(need, have) for have in old.multiples) for need in new.multiples):
            effect |= NARROWS
        if not all(any(_divides(need, have) for have in new.multiples) for need in old.multiples):
            effect |= WIDENS
        if _whole(old) and _whole(new):
            needs, haves = ([one for one in side.multiples if not _is_unit(one)] for side in (new, old))
            if needs == haves:
                return
            effect = _drop_units(haves, needs, effect)
        kind = (
            "multiple-of-added"
            if not old.multiples
            else "multiple-of-removed"
            if not new.multiples
            else "multiple-of-changed"
        )
        comparison.add(kind, effect, one_or_list(old.multiples), one_or_list(new.multiples), "multipleOf")


def _whole(node: Node) -> bool:
    return node.whole or (node.types is not None and "number" not in node.types)


def _is_unit(value: Any) -> bool:
    """Whether every integer is a multiple of a number, as of 1 and of a half."""
    return _divides(value, 1)


def _drop_units(haves: list[Any], needs: list[Any], effect: int) -> int:
    """Units say nothing about integers."""
    if effect & NARROWS and all(any(_divides(need, have) for have in haves) for need in needs):
        effect &= ~NARROWS
    if effect & WIDENS and all(any(_divides(have, need) for need in needs) for have in haves):
        effect &= ~WIDENS
    return effect


def _divides(part: Any, whole: Any) -> bool:
    """True when every multiple of `whole` is a multiple of `part`."""
    return (Fraction(str(whole)) / Fraction(str(part))).denominator == 1


def _compare_bound(comparison: NodeComparison, side: str, old: Bound | None, new: Bound | None) -> None:
    if old == new:
        return
    words = ("minimum", "exclusiveMinimum") if side == "min" else ("maximum", "exclusiveMaximum")
    if old is None or new is None:
        present = new if old is None else old
        exclusive = bool(present and present.exclusive)
        name = f"exclusive-{side}" if exclusive else side
        kind, effect = (f"{name}-set", NARROWS) if old is None else (f"{name}-unset", WIDENS)
        comparison.add(kind, effect, old and old.value, new and new.value, words[exclusive])
        return
    tighter = _order(side, new) > _order(side, old)
    effect = NARROWS if tighter else WIDENS
    verb = ("increased" if tighter else "decreased") if side == "min" else ("decreased" if tighter else "increased")
    told = False
    for word, name in zip(words, (side, f"exclusive-{side}"), strict=True):
        before, after = comparison.old.raw_bounds.get(word), comparison.new.raw_bounds.get(word)
        if before is not None and after is not None and before != after and ((after > before) == (verb == "increased")):
            comparison.add(f"{name}-{verb}", effect, before, after, word)
            told = True
    if not told:
        name = f"exclusive-{side}" if new.exclusive and old.exclusive else side
        comparison.add(f"{name}-{verb}", effect, old.value, new.value, words[new.exclusive])


def _order(side: str, bound: Bound) -> tuple[Any, int]:
    """Sort key: the higher, the tighter."""
    value = bound.value if side == "min" else -bound.value
    return value, int(bound.exclusive)
