"""The point of sale journal of NAXML (Conexxus, versions 3 and 4): petrol stations and convenience stores.

A file holds one event or many. `SaleEvent` and `RefundEvent` are receipts, amounts of refunds are negative; the lines
of a `VoidEvent` are all cancelled, and so is it. A line with `status="cancel"` was cancelled and stays visible. Change
is a tender with `ChangeFlag`. Taxes are told as lines of their own. The grand total is stated, or is the net amount and
its taxes.
"""

from __future__ import annotations

from collections.abc import Mapping

from runtime.connectors.poslog import building
from runtime.connectors.poslog.building import add, say
from runtime.connectors.poslog.identity import is_number
from runtime.connectors.poslog.reading import Element, attribute, child, local, text
from runtime.connectors.poslog.rules import PosLogRules

EVENTS = frozenset(("SaleEvent", "RefundEvent", "VoidEvent", "FinancialEvent", "OtherEvent"))
CONTEXT = frozenset(("StoreLocationID", "currencyCode"))
NAMESPACE = "urn:naxml"
_BODIES = {"FinancialEvent": "TenderControlTransaction", "OtherEvent": "ControlTransaction"}
_FLAGS = {name: name for name in ("TrainingModeFlag", "SuspendFlag", "OfflineFlag", "VoidFlag", "CancelFlag")}
_GOODS = ("ItemLine", "FuelLine", "MerchandiseCodeLine", "FuelPrepayLine")
_PARTS = (*_GOODS, "TenderInfo", "TransactionTax", "FeeLine", "MoneyOrderLine", "TransactionLineSequenceNumber")
_CODES = {"upca": "UPC", "ean13": "EAN13", "gtin": "GTIN"}
_READ = frozenset(
    (
        *("CashierID", "RegisterID", "TillID", "TransactionID", "BusinessDate", "EventStartDate", "EventStartTime"),
        *("EventEndDate", "EventEndTime", "ReceiptDate", "ReceiptTime", "EventDateTime", "TransactionDetailGroup"),
        *("TransactionSummary", *_FLAGS),
    )
)
_OF_LINES = frozenset(
    (
        *("ItemCode", "Description", "ActualSalesPrice", "RegularSellPrice", "MerchandiseCode", "SalesQuantity"),
        *("SalesAmount", "FuelGradeID"),
    )
)
_OF_TENDERS = frozenset(("Tender", "TenderAmount", "ChangeFlag"))


def transaction_of(event: Element, context: Mapping[str, str], rules: PosLogRules) -> Element:
    """The event as a POSLog transaction; what POSLog has no word for is a vendor's element in it."""
    kind = local(event)
    made = building.new("Transaction")
    say(made, "RetailStoreID", context.get("StoreLocationID") or None)
    say(made, "WorkstationID", text(event, "RegisterID"))
    say(made, "TillID", text(event, "TillID"))
    named = text(event, "TransactionID")
    counts = rules.number != "transaction" or named is None or is_number(named)
    say(made, "SequenceNumber" if counts else "TransactionID", named)
    say(made, "BusinessDayDate", text(event, "BusinessDate"))
    say(made, "BeginDateTime", _moment(event, "EventStart") or text(event, "EventDateTime"))
    say(made, "EndDateTime", _moment(event, "EventEnd") or _moment(event, "Receipt"))
    say(made, "OperatorID", text(event, "CashierID"))
    say(made, "CurrencyCode", context.get("currencyCode") or None)
    for theirs, ours in _FLAGS.items():
        if said := _said(child(event, theirs)):
            made.set(ours, _boolean(said))
    if kind == "VoidEvent":
        made.set("VoidFlag", "true")
    body = add(made, _BODIES.get(kind, "RetailTransaction"))
    if kind in _BODIES:
        building.keep(body, event, _READ, NAMESPACE)
        return made
    group = child(event, "TransactionDetailGroup")
    for number, line in enumerate((one for one in (group if group is not None else ()) if local(one)), 1):
        _line(body, line, number, refund=kind == "RefundEvent")
    _totals(body, child(event, "TransactionSummary"))
    building.keep(body, event, _READ, NAMESPACE)
    return made


def _moment(event: Element, name: str) -> str | None:
    day, time = text(event, f"{name}Date"), text(event, f"{name}Time")
    return f"{day.removesuffix('T')}T{time}" if day and time else None


def _said(flag: Element | None) -> str | None:
    """A flag that is empty says nothing."""
    return None if flag is None else (attribute(flag, "value") or text(flag))


def _boolean(said: str) -> str:
    """`yes` and `no`; what is neither is the reader's to refuse."""
    return {"yes": "true", "no": "false"}.get(said.strip().lower(), said)


def _line(body: Element, line: Element, number: int, *, refund: bool) -> None:
    made = add(body, "LineItem")
    add(made, "SequenceNumber", text(line, "TransactionLineSequenceNumber") or str(number))
    status = (attribute(line, "status") or "normal").strip().lower()
    if status != "normal":
        made.set("VoidFlag", "true" if status in ("cancel", "void", "voided", "cancelled") else status)
    for part in line:
        name = local(part)
        if name in _GOODS:
            _goods(made, part, refund=refund)
        elif name == "TenderInfo":
            _tender(made, part)
        elif name == "TransactionTax":
            tax = add(made, "Tax", TaxID=text(part, "TaxLevelID"))
            say(tax, "TaxableAmount", text(part, "TaxableSalesAmount"))
            say(tax, "Amount", text(part, "TaxCollectedAmount"))
        elif name == "FeeLine":
            _charge(made, "Surcharge", text(part, "FeeAmount"), part, refund=refund)
        elif name == "MoneyOrderLine":
            _charge(made, "PaymentOnAccount", text(part, "MoneyOrderFaceAmount"), part, refund=refund)
            if text(part, "MoneyOrderFeeCollected") is not None:
                _charge(made, "Surcharge", text(part, "MoneyOrderFeeCollected"), None, refund=refund)
    building.keep(made, line, _PARTS, NAMESPACE)


def _charge(line: Element, name: str, amount: str | None, part: Element | None, *, refund: bool) -> None:
    """Money that is no article; of a refund it is given back."""
    made = add(line, name)
    say(made, "Amount", building.below_zero(amount) if refund else amount)
    if part is not None:
        building.keep(made, part, ("FeeAmount", "MoneyOrderFaceAmount", "MoneyOrderFeeCollected"), NAMESPACE)


def _goods(line: Element, part: Element, *, refund: bool) -> None:
    amount, quantity = text(part, "SalesAmount"), text(part, "SalesQuantity")
    back = refund or building.negative(amount) or building.negative(quantity)
    made = add(line, "Return" if back else "Sale")
    code, merchandise = text(part, "ItemCode", "POSCode"), text(part, "MerchandiseCode")
    say(made, "ItemID", code or text(part, "FuelGradeID") or merchandise)
    format_of = child(part, "ItemCode", "POSCodeFormat")
    kind = _CODES.get((attribute(format_of, "format") or "").lower()) if format_of is not None else None
    if code and kind:
        add(add(made, "POSIdentity", POSIDType=kind), "POSItemID", code)
    say(made, "MerchandiseHierarchy", merchandise)
    say(made, "Description", text(part, "Description"))
    say(made, "RegularSalesUnitPrice", text(part, "RegularSellPrice"))
    say(made, "ActualSalesUnitPrice", text(part, "ActualSalesPrice"))
    say(made, "ExtendedAmount", amount)
    say(made, "ExtendedDiscountAmount", _reductions(part))
    say(made, "Quantity", quantity)
    building.keep(made, part, _OF_LINES, NAMESPACE)


def _reductions(part: Element) -> str | None:
    """Promotions and discounts of one line, of which not every system says whether they are in its amount."""
    names = ("PromotionAmount", "DiscountAmount")
    found = [building.decimal_of(text(one)) for one in part.iter() if local(one) in names]
    return str(sum(abs(one) for one in found if one is not None)) if found and None not in found else None


def _tender(line: Element, part: Element) -> None:
    made = add(line, "Tender", TenderType=text(part, "Tender", "TenderCode"))
    if change := _said(child(part, "ChangeFlag")):
        made.set("ChangeFlag", _boolean(change))
    say(made, "TenderID", text(part, "Tender", "TenderSubCode"))
    say(made, "Amount", text(part, "TenderAmount"))
    building.keep(made, part, _OF_TENDERS, NAMESPACE)


def _totals(body: Element, summary: Element | None) -> None:
    if summary is None:
        return
    stated, net = child(summary, "TransactionTotalGrandAmount"), text(summary, "TransactionTotalNetAmount")
    tax = text(summary, "TransactionTotalTaxNetAmount")
    if stated is not None:
        back = (attribute(stated, "direction") or "").strip().lower().startswith("refund")
        grand = building.below_zero(text(stated)) if back else text(stated)
    else:
        parts = building.decimal_of(net), building.decimal_of(tax or "0")
        grand = net if None in parts else str((parts[0] or 0) + (parts[1] or 0))
    if grand is not None:
        add(body, "Total", grand, TotalType="TransactionGrandAmount")
    if tax is not None:
        add(body, "Total", tax, TotalType="TransactionTaxAmount")
    building.keep(
        body,
        summary,
        ("TransactionTotalGrandAmount", "TransactionTotalNetAmount", "TransactionTotalTaxNetAmount"),
        NAMESPACE,
    )


__all__ = ["CONTEXT", "EVENTS", "transaction_of"]
