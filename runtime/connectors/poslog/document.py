"""One POSLog transaction → one canonical document: the shape that mappings start from.

Every kind of transaction becomes a document, sales or not, so that the till's sequence shows its gaps. Money and
quantities are Decimals and are written as JSON numbers with their own digits. What the vendor added is kept under
`extensions`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from typing import Any

from runtime.connectors.poslog.reading import Element, as_data, attribute, child, local, standard, text
from runtime.connectors.poslog.stated import BadTransaction, stated, total_of
from runtime.domain import record_keys

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}\Z")
_AMOUNT = re.compile(r"[+-]?\d{1,15}(\.\d{1,6})?\Z")
# Children of LineItem that are goods, with the sign of their kind.
_GOODS = {
    "Sale": "sale",
    "Return": "return",
    "SaleForDelivery": "sale",
    "SaleForPickup": "sale",
    "PreviousCustomerOrder": "sale",
}
_KINDS = {
    "RetailTransaction": "retail",
    "ControlTransaction": "control",
    "TenderControlTransaction": "tender_control",
    "CustomerOrderTransaction": "customer_order",
    "InventoryControlTransaction": "inventory_control",
    "BackOfficeTransaction": "back_office",
    "ForeCourtTransaction": "forecourt",
}
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
}
_READ = {
    "RetailStoreID",
    "BusinessUnit",
    "WorkstationID",
    "SequenceNumber",
    "BusinessDayDate",
    "BeginDateTime",
    "EndDateTime",
    "OperatorID",
    "CurrencyCode",
    "TransactionID",
    "TillID",
}


def sale_document(transaction: Element) -> dict[str, Any]:
    """The canonical document. Raises BadTransaction; a sum that does not add up is no error but a reason under
    `control`."""
    header = _header(transaction)
    body = next((c for c in transaction if local(c).endswith("Transaction")), None)
    kind = _KINDS.get(local(body), f"other:{local(body)}") if body is not None else "empty"
    document: dict[str, Any] = {
        **header,
        "kind": kind,
        "reason": text(body, "ReasonCode") if body is not None else None,
    }
    if body is not None and kind == "control":
        document["control_kind"] = _control_kind(body)
    if body is not None and kind == "retail":
        document |= _retail(body, header)
    extensions = [c for c in transaction if local(c) and local(c) not in _READ and c is not body]
    if body is not None and kind != "retail":
        extensions += [c for c in body if local(c) and local(c) != "ReasonCode"]
    document["extensions"] = _extensions(extensions)
    return {name: value for name, value in document.items() if value is not None}


def _header(transaction: Element) -> dict[str, Any]:
    store = stated(transaction, "RetailStoreID") or stated(transaction, "BusinessUnit", "UnitID")
    till = stated(transaction, "WorkstationID")
    day = stated(transaction, "BusinessDayDate")
    sequence = stated(transaction, "SequenceNumber")
    missing = [
        n
        for n, v in (("store", store), ("workstation", till), ("business date", day), ("sequence number", sequence))
        if not v
    ]
    if missing:
        raise BadTransaction(
            f"a sale is identified by store, workstation, business date and sequence; missing: {', '.join(missing)}"
        )
    assert store is not None
    assert till is not None
    assert day is not None
    assert sequence is not None
    if not _DATE.match(day[:10]):
        raise BadTransaction(f"the business date {day!r} is not a date")
    if not (sequence.isascii() and sequence.isdecimal() and len(sequence) <= 15):
        raise BadTransaction(f"the sequence number {sequence[:40]!r} is not a whole number")
    number = int(sequence)
    operator = child(transaction, "OperatorID")
    return {
        "id": record_keys.joined([store, till, day[:10], str(number)]),
        "store": store,
        "till": till,
        "businessDate": day[:10],
        "sequence": number,
        "transactionId": text(transaction, "TransactionID"),
        "beginAt": text(transaction, "BeginDateTime"),
        "endAt": text(transaction, "EndDateTime"),
        "operator": text(operator),
        "currency": stated(transaction, "CurrencyCode"),
        "training": _flag(transaction, "TrainingModeFlag"),
        "cancelled": _flag(transaction, "CancelFlag"),
        "offline": _flag(transaction, "OfflineFlag"),
        "suspended": _flag(transaction, "SuspendFlag"),
        "status": attribute(transaction, "TransactionStatus"),
    }


def _retail(body: Element, header: dict[str, Any]) -> dict[str, Any]:
    lines, tenders, taxes, rewards, other = [], list[dict[str, Any]](), [], [], list[Element]()
    loyalty: list[str] = []
    for number, entry in enumerate((c for c in body if local(c) == "LineItem"), 1):
        about = {
            "sequence": _whole(text(entry, "SequenceNumber"), number),
            "voided": _flag(entry, "VoidFlag"),
            "entry": attribute(entry, "EntryMethod"),
        }
        for part in entry:
            name = local(part)
            if name in _GOODS:
                lines.append(_line(part, _GOODS[name], about))
            elif name == "Tender":
                tenders.append(_tender(part, about))
            elif name == "Tax":
                taxes.append(_tax(part, about))
            elif name == "LoyaltyReward":
                rewards.append(_reward(part, about))
            elif name not in ("", "SequenceNumber"):
                other.append(part)
    for element in body.iter():
        name = local(element)
        if name in ("LoyaltyID", "LoyaltyMembershipID") and (found := text(element)) and found.strip("0"):
            loyalty.append(found)
    sums = [c for c in body if local(c) == "Total"]
    totals = [{"type": _type(c, "TotalType"), "amount": _money(text(c), "Total")} for c in sums]
    made = {
        "lines": lines,
        "tenders": tenders,
        "taxes": taxes,
        "rewards": rewards,
        "loyalty": list(dict.fromkeys(loyalty)),
        "totals": totals,
        "customer": text(body, "Customer", "CustomerID"),
        "receipt": text(body, "ReceiptNumber"),
        "links": [as_data(c) for c in body if local(c) == "TransactionLink"],
        "events": [{"name": local(c), "value": as_data(c)} for c in other],
    }
    made["voided"] = header["status"] in ("PostVoided", "Voided") or (
        attribute(body, "TransactionStatus") in ("PostVoided", "Voided")
    )
    made["total"] = _grand(sums, header["currency"])
    made["control"] = control(made, _money(total_of(sums, "TransactionTaxAmount", header["currency"]), "Total"))
    return made


def _line(part: Element, kind: str, about: dict[str, Any]) -> dict[str, Any]:
    quantity = child(part, "Quantity")
    made = {
        **about,
        "kind": kind,
        "type": _type(part, "ItemType"),
        "item": stated(part, "ItemID") or text(part, "POSIdentity", "POSItemID"),
        "gtin": _gtin(part),
        "description": text(part, "Description"),
        "department": text(part, "MerchandiseHierarchy"),
        "quantity": _number(stated(part, "Quantity"), "Quantity"),
        "unit": attribute(quantity, "UnitOfMeasureCode") if quantity is not None else None,
        "regularPrice": _money(stated(part, "RegularSalesUnitPrice"), "RegularSalesUnitPrice"),
        "price": _money(stated(part, "ActualSalesUnitPrice"), "ActualSalesUnitPrice"),
        "amount": _money(stated(part, "ExtendedAmount"), "ExtendedAmount"),
        "discount": _money(stated(part, "ExtendedDiscountAmount"), "ExtendedDiscountAmount"),
        "modifiers": [as_data(c) for c in part if local(c) in ("RetailPriceModifier", "PriceModification")] or None,
        "taxes": [_tax(c, {}) for c in part if local(c) == "Tax"] or None,
        "extensions": _extensions([c for c in part if not standard(c)]) or None,
    }
    return {name: value for name, value in made.items() if value is not None}


def _gtin(part: Element) -> str | None:
    identity = child(part, "POSIdentity")
    if identity is None or (attribute(identity, "POSIDType") or "").upper() not in (
        "GTIN",
        "EAN",
        "UPC",
        "GTIN14",
        "EAN13",
    ):
        return None
    return text(identity, "POSItemID")


def _tender(part: Element, about: dict[str, Any]) -> dict[str, Any]:
    amount = child(part, "Amount")
    made = {
        **about,
        "type": _type(part, "TenderType"),
        "use": _type(part, "TypeCode"),
        "id": text(part, "TenderID"),
        "amount": _money(stated(part, "Amount"), "Tender/Amount"),
        "currency": attribute(amount, "Currency") if amount is not None else None,
        "change": _money(stated(part, "TenderChange", "Amount"), "TenderChange/Amount"),
        "cashback": _money(stated(part, "Cashback"), "Cashback"),
        "authorization": text(part, "Authorization", "AuthorizationCode"),
        "reference": text(part, "Authorization", "ReferenceNumber"),
        "extensions": _extensions([c for c in part if not standard(c)]) or None,
    }
    return {name: value for name, value in made.items() if value is not None}


def _tax(part: Element, about: dict[str, Any]) -> dict[str, Any]:
    taxable = child(part, "TaxableAmount")
    included = attribute(taxable, "TaxIncludedInTaxableAmountFlag") == "true" if taxable is not None else None
    made = {
        **about,
        "id": attribute(part, "TaxID") or text(part, "TaxAuthority"),
        "type": _type(part, "TaxType"),
        "taxable": _money(stated(part, "TaxableAmount"), "TaxableAmount"),
        "amount": _money(stated(part, "Amount"), "Tax/Amount"),
        "percent": _number(stated(part, "Percent"), "Percent"),
        "reason": text(part, "Reason"),
        "included": included,
    }
    return {name: value for name, value in made.items() if value is not None}


def _reward(part: Element, about: dict[str, Any]) -> dict[str, Any]:
    """A promotion. Only money that the till itself sums up counts (`counts`): details of a summary would count
    twice."""
    category, summed = text(part, "RewardCategory"), attribute(part, "summarizedActivity")
    amount = _money(stated(part, "ExtendedRewardAmount") or stated(part, "Amount"), "ExtendedRewardAmount")
    monetary = category in (None, "Monetary") and amount is not None
    made = {
        **about,
        "promotion": text(part, "PromotionID"),
        "level": text(part, "RewardLevel"),
        "category": category,
        "type": text(part, "RewardType"),
        "amount": amount,
        "counts": monetary and (summed == "true" or (summed is None and attribute(part, "detailedData") is None)),
    }
    return {name: value for name, value in made.items() if value is not None}


def control(made: dict[str, Any], stated_tax: Decimal | None) -> dict[str, Any]:
    """Do lines, taxes, rewards and tenders add up to the till's own total? `reasons` says in words what does not.

    Voided lines come as a second line with a negative amount, so all lines count. Taxes come on top (sales tax) or are
    inside the prices (VAT); either is right, and `basis` says which it was.
    """
    total, reasons = made["total"], list[str]()
    unknown = [f"line {e['sequence']} has no amount" for e in made["lines"] if "amount" not in e]
    unknown += [f"tender {e['sequence']} has no amount" for e in made["tenders"] if "amount" not in e]
    if total is None:
        return {"ok": False, "reasons": ["the transaction states no grand total", *unknown]}
    goods = sum((_signed(e) for e in made["lines"] if "amount" in e), Decimal(0))
    rewards = sum((e["amount"] for e in made["rewards"] if e["counts"]), Decimal(0))
    taxes = sum((e["amount"] for e in made["taxes"] if "amount" in e), Decimal(0))
    net, gross = goods + rewards, goods + rewards + taxes
    basis = "taxes on top" if gross == total else "taxes included" if net == total else ""
    if not basis:
        reasons.append(f"lines {goods}, rewards {rewards} and taxes {taxes} do not add up to the total {total}")
    paid = sum((_paid(e) for e in made["tenders"] if "amount" in e and not e["voided"]), Decimal(0))
    if made["tenders"] and paid != total:
        reasons.append(f"tenders of {paid} do not pay the total {total}")
    if stated_tax is not None and made["taxes"] and stated_tax != taxes:
        reasons.append(f"taxes of {taxes} are not the stated tax {stated_tax}")
    made_up: dict[str, Any] = {"ok": not reasons and not unknown, "reasons": reasons + unknown}
    return made_up | ({"basis": basis} if basis else {})


def _signed(line: dict[str, Any]) -> Decimal:
    """A return reduces the total whichever sign its till writes."""
    amount: Decimal = line["amount"]
    return -abs(amount) if line["kind"] == "return" and not line["voided"] else amount


def _paid(tender: dict[str, Any]) -> Decimal:
    """Change is a tender of its own (2.x: the same negative amount again inside) or is told beside the amount given
    (6.0)."""
    amount: Decimal = tender["amount"]
    if tender.get("use") == "Refund":
        return -abs(amount)
    change = tender.get("change")
    return amount if change is None or change == amount else amount - abs(change)


def _grand(totals: list[Element], currency: str | None) -> Decimal | None:
    for kind in ("TransactionGrandAmount", "TransactionPurchaseAmount", "TransactionNetAmount"):
        if (found := _money(total_of(totals, kind, currency), "Total")) is not None:
            return found
    return None


def _control_kind(body: Element) -> str:
    return next((_CONTROLS[local(c)] for c in body if local(c) in _CONTROLS), "other")


def _extensions(elements: list[Element]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for element in elements:
        name, value = local(element), as_data(element)
        if name in out:
            out[name] = [*out[name], value] if isinstance(out[name], list) else [out[name], value]
        else:
            out[name] = value
    return out


def _flag(element: Element, name: str) -> bool:
    return attribute(element, name) in ("true", "1")


def _type(element: Element, name: str) -> str | None:
    """An enumeration value as it stands, a vendor's own (`acs:NegativeItem`) included."""
    return attribute(element, name)


def _whole(value: str | None, fallback: int) -> int:
    return int(value) if value is not None and value.isascii() and value.isdecimal() and len(value) < 10 else fallback


def _number(value: str | None, where: str) -> Decimal | None:
    if value is None:
        return None
    if not (_AMOUNT.match(value) and value.isascii()):
        raise BadTransaction(f"{where} is {value[:40]!r}, not a number")
    try:
        return Decimal(value)
    except InvalidOperation:
        raise BadTransaction(f"{where} is {value[:40]!r}, not a number") from None


def _money(value: str | None, where: str) -> Decimal | None:
    return _number(value, where)


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
