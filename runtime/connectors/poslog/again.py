"""A receipt as the document that was made of it, judged once more by the sums of its XML: what a person corrects in the
document is held to what a till is held to."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from runtime.connectors.poslog.balance import Balance, Stated, balanced
from runtime.connectors.poslog.receipt import entry_of
from runtime.connectors.poslog.rules import PosLogRules
from runtime.connectors.poslog.stated import BadTransaction
from runtime.connectors.poslog.voids import Entry

_KINDS = ("retail", "customer_order")
_LISTS = ("lines", "tenders", "taxes", "rewards", "charges")
_MONEY = frozenset(
    (
        *("amount", "grossAmount", "discount", "effect", "change", "cashback", "quantity", "regularPrice", "price"),
        *("taxable", "percent", "rate"),
    )
)
_NO_SALES = ("training", "cancelled", "suspended", "voided")
_CODE = re.compile(r"[A-Z]{3}\Z")
_HINT = "send the corrected XML of the transaction, or a document whose sums agree"
_DIGITS = 15


def judge_document(document: Mapping[str, Any], rules: PosLogRules) -> None:
    """Raises BadTransaction for a document that would be booked as a sale and does not add up. One that says `sale:
    false`, and one of another kind of transaction without money, post nothing."""
    money = any(document.get(name) for name in (*_LISTS, "orderedLines")) or document.get("total") not in (None, 0)
    if document.get("sale") is False or not (document.get("sale") or money or document.get("kind") in _KINDS):
        return
    said = [name for name in _NO_SALES if document.get(name) not in (None, False)]
    if said and document.get("sale"):
        raise BadTransaction(f"it is {said[0]} and says that it is a sale; {_HINT}")
    if said:
        return
    if document.get("kind") not in _KINDS:
        raise BadTransaction(f"it has money, and its kind is {str(document.get('kind'))[:40]!r}; {_HINT}")
    currency = document.get("currency")
    if not isinstance(currency, str) or not _CODE.match(currency):
        raise BadTransaction(f"its currency is {str(currency)[:20]!r}, not a code of three capitals; {_HINT}")
    reasons = _reasons(document, currency, rules)
    if reasons:
        raise BadTransaction(f"the receipt does not add up: {'; '.join(reasons)}; {_HINT}")


def _reasons(document: Mapping[str, Any], currency: str, rules: PosLogRules) -> list[str]:
    total, order = _number(document.get("total"), "total"), document["kind"] == "customer_order"
    entries = [
        entry_of(name, data, currency, rules)
        for name in _LISTS
        for data in _items(document, name)
        if not data["voided"]
    ]
    if order:
        return _of_order(entries, total, rules)
    if document.get("postVoid") and total is not None and total >= 0:
        return [f"it takes another transaction back, and its total is {total}"]
    rounded = _number(document.get("roundedTotal"), "roundedTotal")
    balance = balanced(entries, Stated(total, _tax(document), rounded), rules)
    return balance.reasons or _unlike(document, balance)


def _tax(document: Mapping[str, Any]) -> Decimal | None:
    """The tax that the document states as a total, where it states one."""
    totals = [one for one in document.get("totals") or () if isinstance(one, dict)]
    found = [one["amount"] for one in totals if one.get("type") == "TransactionTaxAmount" and "amount" in one]
    return _number(found[0], "totals") if len(found) == 1 else None


def _unlike(document: Mapping[str, Any], balance: Balance) -> list[str]:
    """What the document says of its sums has to be what they are: postings are made of it."""
    control = document.get("control")
    said = _number(control.get("adjustments"), "control/adjustments") if isinstance(control, Mapping) else None
    if (said or 0) == (balance.adjustments or 0):
        return []
    return [f"control/adjustments is {said}, and the total less the lines is {balance.adjustments}"]


def _of_order(entries: list[Entry], total: Decimal | None, rules: PosLogRules) -> list[str]:
    """An order posts what was paid, as a charge; its goods are sold later."""
    sums = {
        name: sum((one.effect or Decimal(0) for one in entries if one.family == name), Decimal(0)) for name in _LISTS
    }
    if total is None:
        return ["the transaction states no grand total"]
    made = [one.flaw for one in entries if one.flaw]
    if sums["lines"] + sums["charges"] != total:
        made.append(f"charges of {sums['lines'] + sums['charges']} are not the total {total} that was paid")
    if abs(sums["tenders"] - total) > max(rules.most, *(one.unit for one in entries)):
        made.append(f"tenders of {sums['tenders']} do not pay the total {total}")
    return made


def _items(document: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """The entries of a list, with decimals for numbers and what every entry has. Raises BadTransaction."""
    given = document.get(name) or []
    if not isinstance(given, list) or not all(isinstance(one, dict) for one in given):
        raise BadTransaction(f"{name} is no list of objects; {_HINT}")
    made = []
    for place, one in enumerate(given, 1):
        data = _plain(one, f"{name}/{place - 1}")
        data["sequence"] = one.get("sequence", place)
        data["voided"] = one.get("voided") is True
        if "grossAmount" in data:  # `amount` is what its discount has left of it
            data["amount"] = data["grossAmount"]
        made.append(data)
    return made


def _plain(value: Any, where: str) -> Any:
    if isinstance(value, dict):
        return {
            name: _number(one, f"{where}/{name}")
            if name in _MONEY and one is not None
            else _plain(one, f"{where}/{name}")
            for name, one in value.items()
        }
    return [_plain(one, where) for one in value] if isinstance(value, list) else value


def _number(value: Any, where: str) -> Decimal | None:
    """Raises BadTransaction for what is no decimal of at most 15 digits before its point."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise BadTransaction(f"{where} is {str(value)[:40]!r}, not a number; {_HINT}")
    made = value if isinstance(value, Decimal) else Decimal(str(value))
    if not made.is_finite() or abs(made) >= Decimal(10) ** _DIGITS:
        raise BadTransaction(f"{where} is {str(value)[:40]!r}, not an amount; {_HINT}")
    return made


__all__ = ["judge_document"]
