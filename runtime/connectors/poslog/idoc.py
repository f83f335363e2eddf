"""The sales documents that SAP takes in from tills, receipt by receipt: IDoc WPUBON01.

A receipt (E1WPB01) has articles (E1WPB02: `-` is a sale, `+` a return, by what becomes of the stock), each with
conditions (E1WPB03) and taxes (E1WPB04), discounts (E1WPB05), payments (E1WPB06) and taxes (E1WPB07). The first
condition of an article is its price; another one with the opposite sign, or of a type that is declared, reduces it. No
total is stated: what was paid is it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal

from runtime.connectors.poslog import building
from runtime.connectors.poslog.building import add, say
from runtime.connectors.poslog.identity import is_number
from runtime.connectors.poslog.reading import Element, local, text
from runtime.connectors.poslog.rules import PosLogRules

RECEIPTS = frozenset(("E1WPB01",))
CONTEXT = frozenset(("SNDPRN",))
NAMESPACE = "urn:sap:idoc"
_DAY = re.compile(r"[0-9]{8}\Z")
_TIME = re.compile(r"[0-9]{6}\Z")
_HEAD = ("KASSID", "VORGDATUM", "VORGZEIT", "BONNUMMER", "KASSIERER", "BELEGWAERS", "KUNDNR")
_SEGMENTS = ("E1WPB02", "E1WPB05", "E1WPB06", "E1WPB07")
_ARTICLE = ("QUALARTNR", "ARTNR", "SERIENNR", "VORZEICHEN", "MENGE", "REFBONNR", "E1WPB03", "E1WPB04")
_PAYMENT = ("VORZEICHEN", "ZAHLART", "SUMME", "WAEHRUNG")


def transaction_of(receipt: Element, context: Mapping[str, str], rules: PosLogRules) -> Element:
    """The receipt as a POSLog transaction; what POSLog has no word for is a vendor's element in it."""
    made = building.new("Transaction")
    number, day = text(receipt, "BONNUMMER"), text(receipt, "VORGDATUM")
    day = f"{day[:4]}-{day[4:6]}-{day[6:]}" if day and _DAY.match(day) else day
    say(made, "RetailStoreID", context.get("SNDPRN") or None)
    say(made, "WorkstationID", text(receipt, "KASSID"))
    say(made, "SequenceNumber", number if number and is_number(number) else None)
    say(made, "BusinessDayDate", day)
    time = text(receipt, "VORGZEIT")
    if day and time and _TIME.match(time):
        say(made, "EndDateTime", f"{day}T{time[:2]}:{time[2:4]}:{time[4:]}")
    say(made, "OperatorID", text(receipt, "KASSIERER"))
    say(made, "CurrencyCode", text(receipt, "BELEGWAERS"))
    body = add(made, "RetailTransaction")
    say(body, "ReceiptNumber", number)
    if (customer := text(receipt, "KUNDNR")) is not None:
        add(add(body, "Customer"), "CustomerID", customer)
    paid: list[str | None] = []
    for place, segment in enumerate((one for one in receipt if local(one) in _SEGMENTS), 1):
        line = add(body, "LineItem")
        add(line, "SequenceNumber", str(place))
        name = local(segment)
        if name == "E1WPB02":
            _article(line, segment, rules)
        elif name == "E1WPB05":
            _discount(line, segment, rules)
        elif name == "E1WPB06":
            paid.append(_payment(line, segment))
        else:
            say(add(line, "Tax", TaxID=text(segment, "TAXCODE")), "Amount", text(segment, "TAXVALUE"))
    amounts = [building.decimal_of(one) for one in paid]
    exchanged = any(local(one) == "E1WPB02" for one in receipt)  # one article for another, and nothing was paid
    if (amounts or exchanged) and None not in amounts:
        total = sum((one for one in amounts if one is not None), Decimal(0))
        add(body, "Total", str(total), TotalType="TransactionGrandAmount")
    building.keep(body, receipt, (*_HEAD, *_SEGMENTS), NAMESPACE)
    return made


def _sign(segment: Element) -> str:
    return text(segment, "VORZEICHEN") or ""


def _unsigned(sign: str) -> str:
    """What stands in the place of an amount, which is no number and makes the receipt wait."""
    return f"VORZEICHEN {sign[:20]!r}" if sign else "VORZEICHEN missing"


def _number(segment: Element, name: str) -> str | None:
    """SAP writes a minus sign behind a number, too."""
    written = text(segment, name)
    return f"-{written[:-1].strip()}" if written and written.endswith("-") else written


def _article(line: Element, segment: Element, rules: PosLogRules) -> None:
    quantity = _number(segment, "MENGE")
    back = (_sign(segment) == "+") != building.negative(quantity)
    made = add(line, "Return" if back else "Sale")
    item = text(segment, "ARTNR")
    say(made, "ItemID", item)
    if item and text(segment, "QUALARTNR") == "EANN":
        add(add(made, "POSIdentity", POSIDType="EAN"), "POSItemID", item)
    say(made, "SerialNumber", text(segment, "SERIENNR"))
    amount = _price(segment, rules)
    if (sign := _sign(segment)) not in ("+", "-"):
        amount = _unsigned(sign)  # nobody knows whether it was sold or returned
    say(made, "ExtendedAmount", building.below_zero(amount) if back else amount)
    size = quantity.removeprefix("-") if quantity else None
    say(made, "Quantity", building.below_zero(size) if back else size)
    for tax in (one for one in segment if local(one) == "E1WPB04"):
        say(add(made, "Tax", TaxID=text(tax, "MWSKZ")), "Amount", _number(tax, "MWSBT"))
    if (origin := text(segment, "REFBONNR")) is not None:
        add(add(made, "TransactionLink", ReasonCode="Return"), "ReceiptNumber", origin)
    building.keep(made, segment, _ARTICLE, NAMESPACE)
    for condition in (one for one in segment if local(one) == "E1WPB03"):
        building.keep(made, [condition], (), NAMESPACE)  # type: ignore[arg-type]


def _price(segment: Element, rules: PosLogRules) -> str:
    """What an article comes to by its conditions; one without any costs nothing."""
    conditions = [one for one in segment if local(one) == "E1WPB03"]
    total, first = Decimal(0), _sign(conditions[0]) if conditions else ""
    for one in conditions:
        written = _number(one, "KONDVALUE")
        value = building.decimal_of(written)
        if value is None:
            return written or ""
        reduces = text(one, "KONDITION") in rules.deducted or (one is not conditions[0] and _sign(one) != first)
        total += -abs(value) if reduces else value
    return str(total)


def _discount(line: Element, segment: Element, rules: PosLogRules) -> None:
    more = _sign(segment) == "+" and text(segment, "RABATTART") not in rules.deducted
    say(add(line, "Surcharge" if more else "Discount"), "Amount", _number(segment, "RABVALUE"))
    building.keep(line, segment, ("VORZEICHEN", "RABVALUE"), NAMESPACE)


def _payment(line: Element, segment: Element) -> str | None:
    made = add(line, "Tender", TenderType=text(segment, "ZAHLART"))
    amount = _number(segment, "SUMME")
    amount = building.below_zero(amount) if _sign(segment) == "-" else amount
    if (sign := _sign(segment)) not in ("", "+", "-"):  # some tills give payments none, which are paid in
        amount = _unsigned(sign)
    if amount is not None:
        add(made, "Amount", amount, Currency=text(segment, "WAEHRUNG"))
    building.keep(made, segment, _PAYMENT, NAMESPACE)
    return amount


__all__ = ["CONTEXT", "RECEIPTS", "transaction_of"]
