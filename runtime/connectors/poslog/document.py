"""One POSLog transaction → one canonical document: the shape that mappings start from.

Every kind of transaction becomes a document, sales or not, so that the till's sequence shows its gaps. Money and
quantities are Decimals and are written as JSON numbers with their own digits. What the vendor added is kept under
`extensions`.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from runtime.connectors.poslog.identity import NAMES, header_of
from runtime.connectors.poslog.moments import currency_of
from runtime.connectors.poslog.orders import of_order
from runtime.connectors.poslog.reading import Element, attribute, extensions, local, text
from runtime.connectors.poslog.receipt import RECEIPT, receipt
from runtime.connectors.poslog.rules import PLAIN, PosLogRules
from runtime.connectors.poslog.stated import BadTransaction
from runtime.connectors.poslog.status import OTHERS, is_post_void, status_of, unplaced_flag

_KINDS = {
    "RetailTransaction": "retail",
    "ControlTransaction": "control",
    "TenderControlTransaction": "tender_control",
    "CustomerOrderTransaction": "customer_order",
    "InventoryControlTransaction": "inventory_control",
    "BackOfficeTransaction": "back_office",
    "ForeCourtTransaction": "forecourt",
}
_RECEIPTS = ("retail", "customer_order")  # bodies that may have goods and tenders
_RECEIPT = "{*}RetailTransaction"
_IN_BODIES = ("LineItem", "Total", "Tender", "Sale", "Return")
_GOODS_AND_MONEY = ("Sale", "Return", "Tender", "SaleForDelivery", "SaleForPickup")
_NO_SALES = ("training", "cancelled", "suspended", "voided")
_CONTROLS = {
    "NoSale": "no_sale",
    "OperatorSignOn": "sign_on",
    "OperatorSignOff": "sign_off",
    "BusinessEOD": "end_of_day",
    "BusinessSOD": "start_of_day",
    "POSEOD": "end_of_day",
    "POSSOD": "start_of_day",
    "TrainingMode": "training",
    "SessionSettle": "settle",
    "PostVoid": "post_void",
    "EndOfDay": "end_of_day",
    "StartOfDay": "start_of_day",
    "TrainingModeStart": "training",
    "TrainingModeEnd": "training",
}
_READ = NAMES | {"CurrencyCode", "TransactionStatus", "TypeCode"}


def sale_document(transaction: Element, rules: PosLogRules = PLAIN) -> dict[str, Any]:
    """The canonical document; `sale` says of a receipt whether it is one that counts. Raises BadTransaction, for a
    sale that does not add up, too."""
    header = header_of(transaction, rules)
    body = _body(transaction)
    if body is not None and _KINDS.get(local(body)) in _RECEIPTS:
        _unwrap(body)
    kind = _KINDS.get(local(body), f"other:{local(body)}") if body is not None else "empty"
    document: dict[str, Any] = {
        **header,
        **status_of(transaction, body if kind in _RECEIPTS else None, rules.statuses),
        "kind": kind,
        "reason": text(body, "ReasonCode") if body is not None else None,
    }
    if kind not in _RECEIPTS:
        del document["voided"]
    if body is not None and local(body) == "PostVoidTransaction" and rules.post_voids == "held":
        _reversed_by_hand(body, document)
    if body is not None and kind == "control":
        document["control_kind"] = _control_kind(body)
    if body is not None and kind in _RECEIPTS:
        unplaced_flag(transaction, body)
        currency = currency_of(header["currency"], body, rules.currency_of(header["store"]))
        made, balance = receipt(body, currency, rules)
        document |= made | {"currency": currency}
        if is_post_void(transaction, body, document["typeCode"]):
            _take_back(document)
        document["sale"] = _is_sale(document)
        if not document["sale"] and not any(document[name] for name in _NO_SALES):
            _nothing_left_out(body, document["total"])
        if kind == "customer_order":
            reasons = of_order(document, balance, counts=document["sale"] and rules.orders == "payments")
        else:
            reasons = balance.reasons
        if document["sale"] and reasons:
            raise BadTransaction(f"the receipt does not add up: {'; '.join(reasons)}")
        if document["sale"] and currency is None:
            raise BadTransaction("it states no currency; say that of the stores in the source's settings (`currency`)")
    more = [c for c in transaction if local(c) and local(c) not in _READ and c is not body]
    if body is not None:
        read = RECEIPT if kind == "retail" else ("ReasonCode",)
        more += [c for c in body if local(c) and local(c) not in read]
    document["extensions"] = extensions(more)
    return {name: value for name, value in document.items() if value is not None}


def _body(transaction: Element) -> Element | None:
    """What happened. A receipt counts more than what stands beside it (`FoodServiceTransaction`). Raises BadTransaction
    where goods and money stand outside of a body, or in two."""
    bodies = [one for one in transaction if local(one).endswith("Transaction")]
    receipts = [one for one in bodies if _KINDS.get(local(one)) in _RECEIPTS]
    if len(receipts) > 1:
        said = " and ".join(local(one) for one in receipts)
        raise BadTransaction(f"it has {said}: two receipts under one number; have the till send a transaction for each")
    if outside := next((local(c) for c in transaction if local(c) in _IN_BODIES), None):
        raise BadTransaction(f"{outside} stands directly below the transaction; it belongs into a RetailTransaction")
    if any(one.getparent() is not transaction for one in transaction.iter(_RECEIPT)):
        said = "a RetailTransaction stands further in, and nothing of it would be booked"
        raise BadTransaction(f"{said}; have the till send a Transaction for each RetailTransaction")
    return next(iter(receipts or bodies), None)


def _unwrap(body: Element) -> None:
    """Lines and totals that a till puts into an element of its own (`<v:Body><LineItem>`) become those of the receipt,
    where it has none of that name itself. What stands in a line or a link is about that alone."""
    for name in ("LineItem", "Total", "RoundedTotal"):
        if not any(local(one) == name for one in body):
            for one in list(_within(body, (name,))):
                body.append(one)


def _within(element: Element, names: tuple[str, ...]) -> Iterator[Element]:
    """Elements of these names, wherever they stand but in another one, in a line or in what is about another sale."""
    for one in element:
        name = local(one)
        if name in names:
            yield one
        elif name and name != "LineItem" and not name.endswith("Link") and not name.startswith(OTHERS):
            yield from _within(one, names)


def _nothing_left_out(body: Element, total: Decimal | None) -> None:
    """Raises BadTransaction where a receipt of which no line can be read has goods or money in it."""
    lines = [one for one in body if local(one) == "LineItem"]
    left = next((one for place in (body, *lines) for one in _within(place, _GOODS_AND_MONEY)), None)
    if left is not None and (parent := left.getparent()) is not None:
        raise BadTransaction(
            f"{local(left)} stands in {local(parent)}, where nobody reads it; it belongs into a LineItem of the receipt"
        )
    if lines and total:
        said = ", ".join(
            dict.fromkeys(local(c) for one in lines for c in one if local(c) not in ("", "SequenceNumber"))
        )
        raise BadTransaction(f"its total is {total}, and none of its lines is one that is known ({said[:200]})")


def _is_sale(document: dict[str, Any]) -> bool:
    """Something was rung, and nothing says that it is no sale."""
    if any(document[name] for name in _NO_SALES):
        return False
    return any(document.get(name) for name in ("lines", "charges", "tenders", "voidedLines", "voidedCharges"))


def _reversed_by_hand(body: Element, document: dict[str, Any]) -> None:
    """A post-void that names a sale and no amounts: the sale is in the books, and nothing takes it out by itself."""
    if any(document[name] for name in ("training", "cancelled", "suspended")):
        return
    link = next((one for one in body if local(one) == "TransactionLink"), None)
    names = ("RetailStoreID", "WorkstationID", "BusinessDayDate", "SequenceNumber")
    sale = "/".join(said for name in names if (said := text(link, name))) if link is not None else ""
    raise BadTransaction(
        f"it takes the transaction {sale or 'that it links to'} back and states no amounts; reverse that one in the "
        "books and dismiss this, or keep such transactions (`post_voids: kept`)"
    )


def _take_back(document: dict[str, Any]) -> None:
    """A transaction that takes another one back is a sale with the opposite sign. Written with the sign of the sale
    itself, nobody can tell it from one."""
    if not any(document[name] for name in ("training", "cancelled", "suspended")) and (
        document["total"] is None or document["total"] >= 0
    ):
        raise BadTransaction(
            "it takes another transaction back (TypeCode, PostVoid) and states no negative total; reverse that one"
        )
    document["postVoid"] = True
    for line in document["lines"]:
        if line["kind"] == "sale" and line.get("amount", 0) <= 0 and line.get("quantity", 0) <= 0:
            line["kind"] = "return"


def _control_kind(body: Element) -> str:
    """By the element in it, else by its `TypeCode`."""
    said = (attribute(body, "TypeCode") or text(body, "TypeCode") or "").rpartition(":")[2]
    return next((_CONTROLS[local(c)] for c in body if local(c) in _CONTROLS), _CONTROLS.get(said, "other"))


def gaps(sequences: Iterator[int] | list[int], *, previous: int | None = None) -> list[tuple[int, int]]:
    """Missing runs (first, last) of one till and business day, the completeness signal: every transaction kind counts.

    `previous` is the last number seen before. A number below it starts a new roll and is no gap.
    """
    missing, last = [], previous
    for number in sorted(set(sequences)):
        if last is not None and number > last + 1:
            missing.append((last + 1, number - 1))
        last = number if last is None else max(last, number)
    return missing
