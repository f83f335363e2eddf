"""What parts of a receipt can be at most: a discount that sums up what the lines have, taxes inside of prices, and
roundings. A part beyond that is not what its name says, though the sums around it may agree."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Any

from runtime.connectors.poslog.amounts import plain
from runtime.connectors.poslog.rules import PosLogRules
from runtime.connectors.poslog.voids import Entry

ZERO = Decimal(0)
CENT = Decimal("0.01")
_EXACT = Context(prec=60, rounding=ROUND_HALF_UP)
USUAL_STEP = Decimal("0.05")  # of what is rounded to be paid in cash, where no `cash_step` is declared


def step_of(rules: PosLogRules) -> Decimal:
    """The smallest sum of cash: a rounding is less than it."""
    return rules.step or USUAL_STEP


def discounts_of_lines(kept: Sequence[Entry]) -> set[Decimal]:
    """The sums that a `Discount` may repeat: what came off the lines, as they state it (their own discount, their
    modifiers, their usual price), what rewards took off, and both."""
    lines = [one.data for one in kept if one.family == "lines"]
    rewards = abs(sum((one.effect or ZERO for one in kept if one.family == "rewards"), ZERO))
    stated = (
        sum((abs(line.get("discount", ZERO)) for line in lines), ZERO),
        sum((one for line in lines for one in _modified(line)), ZERO),
        sum((_below_usual(line) for line in lines), ZERO),
    )
    return {one for sums in (ZERO, *stated) for one in (sums, sums + rewards) if one}


def _modified(line: dict[str, Any]) -> Iterator[Decimal]:
    """What the modifiers of its price take off; what they add is below zero."""
    for one in line.get("modifiers") or ():
        said = one.get("Amount") if isinstance(one, dict) else None
        content, action = (said.get("#text"), said.get("@Action")) if isinstance(said, dict) else (said, None)
        if (amount := plain(content)) is not None:
            yield -abs(amount) if (action or "").strip().lower() == "add" else abs(amount)


def _below_usual(line: dict[str, Any]) -> Decimal:
    usual, quantity, amount = line.get("regularPrice"), line.get("quantity"), line.get("amount")
    if usual is None or quantity is None or amount is None:
        return ZERO
    before: Decimal = _EXACT.quantize(abs(_EXACT.multiply(usual, quantity)), CENT)
    off: Decimal = before - abs(amount)
    return max(ZERO, off)


def taxes_fit_inside(kept: Sequence[Entry], fractions: Decimal) -> bool:
    """Whether the taxes can be parts of the prices: none is more than what was sold, nor less than what was given back
    or taken off."""
    up, down = fractions, fractions
    for one in kept:
        effect = one.effect or ZERO
        if one.family in ("lines", "charges", "rewards"):
            back = effect < 0 or (one.family == "lines" and one.data.get("kind") == "return")
            up += abs(effect) if effect > 0 or back else ZERO
            down += abs(effect) if back else ZERO
            down += abs(one.data.get("discount", ZERO)) if one.family == "lines" else ZERO
    taxes = [one.effect or ZERO for one in kept if one.family == "taxes"]
    return all(-down <= one <= up for one in (*taxes, sum(taxes, ZERO)))


def taxes_of_lines(kept: Sequence[Entry]) -> list[str]:
    """Which lines state a tax that is no part of their price."""
    found = []
    for one in kept:
        taxes = [tax["amount"] for tax in one.data.get("taxes") or () if "amount" in tax]
        if one.family != "lines" or not taxes or one.effect is None:
            continue
        most = abs(one.effect) + abs(one.data.get("discount", ZERO)) + CENT * len(taxes)
        least = -most if one.effect < 0 or one.data["kind"] == "return" else -CENT * len(taxes)
        if not all(least <= amount <= most for amount in (*taxes, sum(taxes, ZERO))):
            said = ", ".join(map(str, taxes))
            found.append(f"line {one.sequence} of {one.amount} states a tax of {said}, which is no part of it")
    return found


def roundings(kept: Sequence[Entry], rules: PosLogRules) -> list[str]:
    """Which roundings are more than what is rounded to pay in cash."""
    most, found = step_of(rules), []
    for family in ("charges", "tenders"):
        mine = [one for one in kept if one.family == family and _is_rounding(one) and one.effect is not None]
        wrong = [one for one in mine if not _rounds(one.effect or ZERO, most, rules)]
        what = family[:-1]
        found += [f"{what} {one.sequence} is a rounding of {abs(one.effect or ZERO)}" for one in wrong]
        whole = sum((one.effect or ZERO for one in mine), ZERO)
        if not wrong and not _rounds(whole, most, rules):
            found.append(f"the roundings of {family} are {abs(whole)} together")
    return [f"{one}; a rounding is less than {most} (`cash_step` says the smallest sum of cash)" for one in found]


def _is_rounding(one: Entry) -> bool:
    return one.data.get("kind") == "rounding" if one.family == "charges" else "rounding" in one.data


def _rounds(amount: Decimal, most: Decimal, rules: PosLogRules) -> bool:
    return abs(amount) < most or abs(amount) <= rules.most


__all__ = ["USUAL_STEP", "discounts_of_lines", "roundings", "step_of", "taxes_fit_inside", "taxes_of_lines"]
