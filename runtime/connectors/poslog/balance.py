"""Does a receipt add up? Lines, rewards, charges and taxes make the total, and the tenders pay it.

Tills differ in what they count into the total. Taxes are added (sales tax) or are inside the prices (VAT). Tips and
roundings are part of the total or stand beside it, and are paid with it. A discount reduces the total, or only sums up
what the lines have already; that of a line is in its amount, or comes off. Each receipt is read in the way in which it
adds up to the last digit; one that adds up in none of them is nobody's to guess.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import chain, combinations, product
from typing import Any

from runtime.connectors.poslog.bounds import discounts_of_lines, roundings, step_of, taxes_fit_inside, taxes_of_lines
from runtime.connectors.poslog.rules import PosLogRules
from runtime.connectors.poslog.voids import Entry, UnclearVoid, readings

ZERO = Decimal(0)
_BESIDE = ("tip", "rounding")  # charges that may stand beside the total


@dataclass(frozen=True)
class Stated:
    """What the receipt itself says: its total, and the sum of its taxes."""

    total: Decimal | None
    tax: Decimal | None
    rounded: Decimal | None = None  # what is due of the total in cash
    order: bool = False  # of a customer order, which may be paid later


@dataclass(frozen=True)
class Balance:
    """`ok`: it adds up. `kept` and `voided`: the entries that count, and those that were voided. `reasons` says in
    words what does not add up. `basis`: how taxes count. `adjustments`: what the total has beside the lines;
    `rounding`: the part of it that stands nowhere in the receipt."""

    ok: bool
    kept: list[Entry]
    voided: list[Entry]
    reasons: list[str]
    basis: str = ""
    adjustments: Decimal | None = None
    rounding: Decimal = ZERO
    off: bool = False  # the discounts of lines come off their amounts
    divided: bool = False  # rates of exchange divide
    beside: tuple[str, ...] = ()  # kinds of charges that are no part of the total
    unpaid: Decimal = ZERO  # what the tenders in another currency have above what is due, less than a unit each

    def paid_by(self, entry: Entry) -> Decimal | None:
        """What a tender pays of the total; the last one that was changed takes what is left by rounding."""
        made = entry.divided if self.divided else entry.effect
        changed = [one for one in self.kept if one.family == "tenders" and one.unit]
        return made - self.unpaid if made is not None and changed and changed[-1] is entry else made

    @property
    def control(self) -> dict[str, Any]:
        made: dict[str, Any] = {"ok": self.ok, "reasons": self.reasons}
        if self.basis:
            made["basis"] = self.basis
        if self.adjustments is not None:
            made["adjustments"] = self.adjustments
        if self.rounding:
            made["rounding"] = self.rounding
        return made


def balanced(entries: Sequence[Entry], stated: Stated, rules: PosLogRules) -> Balance:
    """The receipt in the reading in which it adds up, else in the likeliest one, with what does not."""
    goods = [one for one in entries if one.family != "tenders"]
    tenders = [one for one in entries if one.family == "tenders"]
    found: list[Balance] = []
    unclear: list[str] = []
    for mine, theirs in product(list(readings(goods, rules.voids)), list(readings(tenders, rules.voids))):
        if isinstance(mine, UnclearVoid) or isinstance(theirs, UnclearVoid):
            unclear += [str(one) for one in (mine, theirs) if isinstance(one, UnclearVoid) and str(one) not in unclear]
            continue
        kept = [one for at, one in enumerate(goods) if at not in mine[1]]
        kept += [one for at, one in enumerate(tenders) if at not in theirs[1]]
        counted = set(map(id, kept))
        found.append(_summed(kept, [one for one in entries if id(one) not in counted], stated, rules))
    good = [one for one in found if one.ok]
    if not good:
        first = found[0] if found else Balance(False, list(entries), [], [])
        return Balance(False, first.kept, first.voided, first.reasons or unclear)
    plain = _by_article(good[0].kept, off=good[0].off)
    if any(_by_article(one.kept, off=one.off) != plain for one in good[1:]):
        said = "void: the voided lines can be read in two ways that both add up; say which in `voids`"
        return Balance(False, good[0].kept, good[0].voided, [said])
    return good[0]


def _by_article(kept: Sequence[Entry], *, off: bool) -> dict[str, Decimal]:
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for entry in kept:
        if entry.family == "lines":
            sums[entry.name] += (_after(entry) if off else entry.effect) or ZERO
    return {name: amount for name, amount in sums.items() if amount}


def _otherwise(best: _Try, tries: Sequence[_Try], kept: Sequence[Entry]) -> bool:
    """Whether the receipt adds up as well where discounts of lines are read the other way, with other amounts by
    article."""
    if not any(one.holds and one.off != best.off for one in tries):
        return False
    return _by_article(kept, off=best.off) != _by_article(kept, off=not best.off)


def _after(entry: Entry) -> Decimal | None:
    return entry.effect if entry.discounted is None else entry.discounted


def _summed(kept: list[Entry], voided: list[Entry], stated: Stated, rules: PosLogRules) -> Balance:
    reasons = [
        f"{entry.data.get('kind', 'line') if entry.family == 'charges' else entry.family[:-1]} {entry.sequence} "
        "has no amount"
        for entry in kept
        if entry.effect is None and not entry.flaw
    ]
    reasons += [entry.flaw for entry in kept if entry.flaw]
    if stated.total is None:
        return Balance(False, kept, voided, ["the transaction states no grand total", *reasons])
    sums = _Sums.of(kept, rules)
    tries = list(_tries(sums, stated, rules))
    best = next((one for one in tries if one.holds), None)
    if best is None:
        if not _rounds(stated, rules):
            said = f"a RoundedTotal of {stated.rounded} is not {stated.total} rounded to what can be paid in cash"
            reasons.append(f"{said} (`cash_step` says the smallest sum)")
        reasons += _why_not(sums, min(tries, key=lambda one: abs(one.missing) + abs(one.unpaid)), stated.total)
    if stated.tax is not None and sums.tax_entries and abs(stated.tax - sums.taxes) > max(rules.most, sums.fractions):
        said = f"(a difference of {abs(stated.tax - sums.taxes)})"
        reasons.append(f"taxes of {sums.taxes} are not the stated tax {stated.tax} {said}")
    reasons += roundings(kept, rules)
    if best is not None and _otherwise(best, tries, kept):
        reasons.append(
            "the discounts of lines can be read in two ways that both add up; say which in `line_discounts` (in, off)"
        )
    if best is not None and (not sums.tax_entries or best.basis == "taxes included"):
        reasons += taxes_of_lines(kept)
    if best is None or reasons:
        return Balance(False, kept, voided, reasons, best.basis if best else "")
    goods = sums.after if best.off else sums.goods
    unpaid = best.unpaid if sums.slack else ZERO
    return Balance(
        True,
        kept,
        voided,
        [],
        best.basis,
        stated.total - goods,
        best.missing,
        best.off,
        best.divided,
        best.beside,
        unpaid,
    )


@dataclass(frozen=True)
class _Sums:
    goods: Decimal
    rewards: Decimal
    charges: dict[str, Decimal]
    taxes: Decimal
    tax_entries: int
    fractions: Decimal
    paid: Decimal
    divided: Decimal  # what is paid, where rates of exchange divide
    slack: Decimal  # by how much less than this tenders in another currency may miss what is due
    tenders: int
    cash: bool
    inside: bool  # taxes may be inside of the prices
    summed: bool  # the discounts may sum up what came off the lines
    after: Decimal  # the goods, where discounts of lines come off
    discounts: bool  # whether lines state discounts

    @classmethod
    def of(cls, kept: list[Entry], rules: PosLogRules) -> _Sums:
        sums: dict[str, Decimal] = defaultdict(Decimal)
        charges: dict[str, Decimal] = defaultdict(Decimal)
        for entry in kept:
            sums[entry.family] += entry.effect or ZERO
            if entry.family == "charges":
                charges[entry.data["kind"]] += entry.effect or ZERO
        taxes = [entry for entry in kept if entry.family == "taxes"]
        tenders = [entry for entry in kept if entry.family == "tenders"]
        digits = sum(1 for one in taxes if one.effect is not None and _digits(one.effect) > 2)
        fractions, off = Decimal("0.005") * digits, abs(charges.get("discount", ZERO))
        return cls(
            sums["lines"],
            sums["rewards"],
            charges,
            sums["taxes"],
            len(taxes),
            fractions,
            sums["tenders"],
            sum(((one.effect if one.divided is None else one.divided) or ZERO for one in tenders), ZERO),
            sum((one.unit for one in tenders), ZERO),
            len(tenders),
            any((entry.data.get("type") or "").rpartition(":")[2].lower() == "cash" for entry in tenders),
            taxes_fit_inside(kept, fractions),
            any(abs(off - one) <= rules.most for one in discounts_of_lines(kept)),
            sum((_after(entry) or ZERO for entry in kept if entry.family == "lines"), ZERO),
            any(entry.discounted is not None for entry in kept),
        )


def _digits(amount: Decimal) -> int:
    exponent = amount.normalize().as_tuple().exponent
    return -exponent if isinstance(exponent, int) else 0


@dataclass(frozen=True)
class _Try:
    """`missing`: what the total has above the sum; `unpaid`: what the tenders have above what is due."""

    basis: str
    missing: Decimal
    unpaid: Decimal
    holds: bool
    off: bool = False
    divided: bool = False
    beside: tuple[str, ...] = ()


def _tries(sums: _Sums, stated: Stated, rules: PosLogRules) -> Iterator[_Try]:
    """Every way to count, the plainest first."""
    total = stated.total or ZERO
    tables = {"in": (False,), "off": (sums.discounts,), "auto": (False, True) if sums.discounts else (False,)}
    dues = (ZERO, stated.rounded - total) if stated.rounded is not None and _rounds(stated, rules) else (ZERO,)
    present = [name for name in _BESIDE if sums.charges.get(name)]
    beside = chain.from_iterable(combinations(present, size) for size in range(len(present) + 1))
    bases = [("taxes on top", sums.taxes)]
    if sums.tax_entries and sums.inside:
        bases.append(("taxes included", ZERO))
    discounts = (False, True) if sums.charges.get("discount") and sums.summed else (False,)
    rates = ((sums.paid, False), (sums.divided, True)) if sums.slack else ((sums.paid, False),)
    ways = product(tables[rules.line_discounts], dues, list(beside), discounts, bases, rates)
    for off, rounded, outside, summary, (basis, tax), (paid, divided) in ways:
        inside = sum(
            (
                amount
                for name, amount in sums.charges.items()
                if name not in outside and not (summary and name == "discount")
            ),
            ZERO,
        )
        missing = total - ((sums.after if off else sums.goods) + sums.rewards + inside + tax)
        due = total + rounded + sum((sums.charges[name] for name in outside), ZERO)
        unpaid = ZERO if stated.order and not sums.tenders else paid - due
        if outside and not sums.tenders:
            continue
        most = max(rules.most, sums.fractions if tax else ZERO)
        pays = abs(unpaid) <= rules.most or abs(unpaid) < sums.slack
        holds = abs(missing) <= most and pays
        if not holds and rules.step and sums.cash:
            holds = _by_step(missing, total, unpaid, rules) or (
                abs(missing) <= most and _paid_by_step(unpaid, due, rules)
            )
        yield _Try(basis, missing, unpaid, holds, off, divided, (*outside, "discount") if summary else outside)


def _rounds(stated: Stated, rules: PosLogRules) -> bool:
    """Whether the stated rounded total, where there is one, is the total rounded by less than a step of cash."""
    if stated.rounded is None:
        return True
    step, gap = step_of(rules), abs(stated.rounded - (stated.total or ZERO))
    return gap <= rules.most or (gap < step and stated.rounded % step == 0)


def _by_step(missing: Decimal, total: Decimal, unpaid: Decimal, rules: PosLogRules) -> bool:
    """The total itself is rounded to what can be paid in cash."""
    return abs(missing) * 2 <= rules.step and total % rules.step == 0 and abs(unpaid) <= rules.most


def _paid_by_step(unpaid: Decimal, due: Decimal, rules: PosLogRules) -> bool:
    """The total is exact, and what is paid of it in cash is rounded."""
    return abs(unpaid) * 2 <= rules.step


def _why_not(sums: _Sums, best: _Try, total: Decimal) -> list[str]:
    reasons = []
    charges = sum(sums.charges.values(), ZERO)
    parts = f"lines {sums.after if best.off else sums.goods}, rewards {sums.rewards}" + (
        f", charges {charges}" if sums.charges else ""
    )
    if best.missing:
        said = f"(a difference of {abs(best.missing)})"
        reasons.append(f"{parts} and taxes {sums.taxes} do not add up to the total {total} {said}")
    if sums.tax_entries and not sums.inside:
        reasons.append(f"taxes of {sums.taxes} cannot be parts of these prices")
    if best.unpaid:
        paid = f"{sums.paid} (or {sums.divided}, where rates divide)" if sums.slack else sums.paid
        reasons.append(f"tenders of {paid} do not pay the total {total} (a difference of {abs(best.unpaid)})")
    return reasons
