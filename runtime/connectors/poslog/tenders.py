"""What was paid: the tenders of a receipt, and what each pays of the total in the currency of the receipt.

A till that takes the money of another country writes what it pays in one of two ways. The `Amount` is in the currency
of the receipt, and `ForeignCurrency` says what was given for it; or the `Amount` itself is in the other currency, and
`ForeignCurrency` says the rate. The standard calls the rate `ExchangeRate` and leaves its direction open. Oracle Retail
Point-of-Service multiplies (units of its currency for one of the other), others divide. So both are tried, and what
fits in neither is no payment that can be told.
"""

from __future__ import annotations

import re
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Any, NamedTuple

from kernel.money import minor_digits
from runtime.connectors.poslog.amounts import number
from runtime.connectors.poslog.reading import Element, as_data, attribute, child, currency_at, local, text
from runtime.connectors.poslog.rules import PosLogRules
from runtime.connectors.poslog.stated import BadTransaction, stated
from runtime.connectors.poslog.status import boolean, flag, values_of

_RATE = re.compile(r"[0-9]{1,9}(\.[0-9]{1,12})?\Z")
_EXACT = Context(prec=60, rounding=ROUND_HALF_UP)
_LETTERS = re.compile("[^a-z]")
_UNPAID = frozenset(
    (
        *("declined", "refused", "rejected", "denied", "failed", "expired", "timedout", "void", "voided", "postvoid"),
        *("postvoided", "cancel", "canceled", "cancelled", "reversed", "suspended", "training", "trainingmode"),
    )
)
_APPROVED = ("Approved", "ApprovedFlag", "IsApproved")
_FACES = ("OriginalFaceAmount", "FaceAmount", "ForeignAmount", "Amount")


class Paid(NamedTuple):
    """What a tender pays of the total; None: it says no amount. `divided`: what it pays where its rate divides, of one
    whose amount is in another currency. `unit`: how exact such an amount is. `flaw`: why nobody can tell."""

    effect: Decimal | None
    divided: Decimal | None = None
    unit: Decimal = Decimal(0)
    flaw: str = ""


def foreign_of(part: Element) -> dict[str, Any] | None:
    """The money that was given, where it is of another currency than the receipt. Raises BadTransaction."""
    several = [one for one in part if local(one) == "ForeignCurrency"]
    if not several:
        return None
    found = several[0]
    if any(as_data(one) != as_data(found) for one in several[1:]):
        raise BadTransaction("ForeignCurrency stands twice and contradicts itself")
    amount = next((one for name in _FACES if (one := child(found, name)) is not None), None)
    code = text(found, "CurrencyCode") or (None if amount is None else currency_at(amount))
    made = {
        "currency": code or currency_at(found),
        "amount": number(text(amount), "ForeignCurrency") if amount is not None else None,
        "rate": _rate(text(found, "ExchangeRate") or text(found, "Rate")),
    }
    return {name: value for name, value in made.items() if value is not None} or None


def change_of(part: Element) -> Decimal | None:
    """What was given back of a tender: the standard lets it have several, one for each kind of money."""
    found = [number(stated(one, "Amount"), "TenderChange/Amount") for one in part if local(one) == "TenderChange"]
    return sum((one for one in found if one is not None), Decimal(0)) if any(one is not None for one in found) else None


def is_declined(part: Element) -> bool:
    """Whether nothing was paid by it: its type says so, or every authorisation of it was refused. Raises
    BadTransaction for a flag that cannot be read."""
    kinds = (attribute(part, "TypeCode"), text(part, "TypeCode"))
    if any(_LETTERS.sub("", (one or "").rpartition(":")[2].lower()) in _UNPAID for one in kinds):
        return True
    asked = [_refused(one) for one in part if local(one) == "Authorization"]
    return bool(asked) and all(asked)


def _refused(authorization: Element) -> bool:
    approved = [one for name in _APPROVED for one in values_of([authorization], name)]
    if approved:
        return not all(boolean(one, "Approved") for one in approved)
    if flag(authorization, "Declined") or flag(authorization, "DeclinedFlag") or flag(authorization, "VoidFlag"):
        return True
    return text(authorization, "DeclinedCode") is not None and text(authorization, "AuthorizationCode") is None


def _rate(written: str | None) -> Decimal | None:
    if written is None:
        return None
    if not _RATE.match(written) or not Decimal(written):
        raise BadTransaction(f"ExchangeRate is {written[:40]!r}, not a number above 0")
    return Decimal(written)


def unit_of(currency: str | None) -> Decimal:
    """The smallest unit of a currency: a cent, where nothing else is known."""
    return Decimal(1).scaleb(-minor_digits(currency or ""))


def paid(tender: dict[str, Any], currency: str | None, rules: PosLogRules) -> Paid:
    """What a tender of the document pays in the currency of the receipt, and how exactly that is known."""
    amount: Decimal | None = tender.get("amount")
    if amount is None:
        return Paid(None)
    given: dict[str, Any] = tender.get("foreign", {})
    code, own = tender.get("currency"), currency is None or tender.get("currency") in (None, currency)
    if own:
        return Paid(_net(tender, amount), flaw=_unlike(tender, given, amount, currency, rules))
    face, rate = given.get("amount", amount), given.get("rate")
    said = f"tender {tender['sequence']} is in {code}, the receipt in {currency}"
    if rate is None:
        hint = (
            "have the till write the Amount in the currency of the receipt, or a ForeignCurrency with its ExchangeRate"
        )
        return Paid(None, flaw=f"{said}, and no rate says what it pays; {hint}")
    if given.get("currency", code) != code or abs(face) != abs(amount):
        other = f"{face} {given.get('currency', code)}"
        return Paid(None, flaw=f"{said}, and its ForeignCurrency says {other} in place of {amount} {code}")
    unit = unit_of(currency)
    times, divided = (_EXACT.quantize(one, unit) for one in _converted(amount, rate))
    return Paid(_net(tender, times), _net(tender, divided), unit)


def _converted(amount: Decimal, rate: Decimal) -> tuple[Decimal, Decimal]:
    """By a rate that multiplies, and by one that divides."""
    return _EXACT.multiply(amount, rate), _EXACT.divide(amount, rate)


def _unlike(
    tender: dict[str, Any], given: dict[str, Any], amount: Decimal, currency: str | None, rules: PosLogRules
) -> str:
    """Why the amount is not what was given for it; empty where it is, or where nothing says so."""
    code, face, rate = given.get("currency"), given.get("amount"), given.get("rate")
    said = f"tender {tender['sequence']} of {amount} was given as {face} {code or 'of another currency'}"
    if face is None:
        if code is None or currency is None or code == currency:
            return ""
        return f"tender {tender['sequence']} was given in {code}, and how much of it is not said"
    if code is not None and code == currency:
        return "" if abs(face) == abs(amount) else f"{said}, which is the currency of the receipt"
    if rate is None:
        return ""
    least = max(unit_of(currency), rules.step)
    both = _converted(abs(face), rate)
    gaps = [abs(one - abs(amount)) for one in both]
    if any(gap < least or gap <= rules.most for gap in gaps):
        return ""
    times, divided = (_EXACT.quantize(one, unit_of(currency)) for one in both)
    return f"{said} at a rate of {rate}, which is {times} or {divided} (a difference of {min(gaps):f})"


def _net(tender: dict[str, Any], amount: Decimal) -> Decimal:
    """Change is a tender of its own (2.x: the same negative amount again inside) or is told beside the amount given
    (6.0)."""
    if tender.get("use") == "Refund" or tender.get("given_back"):
        return -abs(amount)
    if "rounding" in tender:
        return -abs(amount) if tender["rounding"] == "up" else abs(amount)
    change: Decimal | None = tender.get("change")
    return amount if change is None or (amount < 0 and abs(change) == -amount) else amount - abs(change)


__all__ = ["Paid", "change_of", "foreign_of", "is_declined", "paid", "unit_of"]
