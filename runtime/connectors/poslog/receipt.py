"""The body of a receipt: its lines, tenders, taxes, rewards and charges, and whether they add up."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from typing import Any, NamedTuple

from runtime.connectors.poslog.amounts import number, whole
from runtime.connectors.poslog.balance import Balance, Stated, balanced
from runtime.connectors.poslog.reading import (
    Element,
    as_data,
    attribute,
    child,
    currency_at,
    currency_in,
    extensions,
    local,
    standard,
    text,
)
from runtime.connectors.poslog.rules import PosLogRules
from runtime.connectors.poslog.stated import BadTransaction, stated, total_of
from runtime.connectors.poslog.status import flag, not_sold
from runtime.connectors.poslog.tenders import change_of, foreign_of, is_declined, paid
from runtime.connectors.poslog.voids import Entry

# Children of LineItem that are goods, with the sign of their kind.
_GOODS = {
    "Sale": "sale",
    "Return": "return",
    "SaleForDelivery": "sale",
    "SaleForPickup": "sale",
    "PreviousCustomerOrder": "sale",
}
# Children of LineItem that change what is to be paid and are no goods; -1: they reduce it, whichever sign is written.
_CHARGES = {
    "Discount": ("discount", -1),
    "Tip": ("tip", 1),
    "Deposit": ("deposit", 1),
    "RedeemDeposit": ("deposit_redeemed", -1),
    "Rounding": ("rounding", 1),
    "SaleOfGiftCertificate": ("gift_certificate", 1),
    "PaymentOnAccount": ("payment_on_account", 1),
    "Surcharge": ("surcharge", 1),
}
_SIGNS = dict(_CHARGES.values()) | {"customer_order": 1}
_AMOUNTS = ("ExtendedAmount", "Amount", "FaceValueAmount", "RoundingAmount", "DepositAmount", "TipAmount")
# Children of the body that are read; all others are kept as they are.
RECEIPT = frozenset(
    (
        *("LineItem", "Total", "RoundedTotal", "TransactionLink", "ReceiptNumber", "Customer", "ReasonCode"),
        *("TransactionStatus", "TypeCode", "CurrencyCode"),
    )
)
_OF_LINES = frozenset(
    (
        *("POSIdentity", "ItemID", "Description", "MerchandiseHierarchy", "Quantity", "RegularSalesUnitPrice"),
        *("ActualSalesUnitPrice", "ExtendedAmount", "ExtendedDiscountAmount", "RetailPriceModifier"),
        *("PriceModification", "Tax", "SerialNumber", "ItemLink"),
    )
)
_OF_TENDERS = frozenset(("TenderID", "Amount", "TenderChange", "Cashback", "ForeignCurrency", "ItemLink", "TypeCode"))
_MEMBERS = ("LoyaltyID", "LoyaltyMembershipID", "LoyaltyAccountID")
_LISTS = ("lines", "tenders", "taxes", "rewards", "charges")


class _Money(NamedTuple):
    """In which currency the receipt is, by which rules it is read, and which currency the line states of itself."""

    currency: str | None
    rules: PosLogRules
    of_line: str | None


def receipt(body: Element, currency: str | None, rules: PosLogRules) -> tuple[dict[str, Any], Balance]:
    """The document's part for a receipt, and how it adds up. `lines`, `tenders`, `taxes`, `rewards` and `charges` are
    those that count; what was voided is under `voidedLines` and the like. Raises BadTransaction."""
    entries, other = _entries(body, currency, rules)
    declined = [one.data for one in entries if "declined" in one.data]
    entries = [one for one in entries if "declined" not in one.data]
    sums = [c for c in body if local(c) == "Total"]
    totals = [_total(one) for one in sums]
    total = _grand(sums, currency)
    tax = number(total_of(sums, "TransactionTaxAmount", currency), "Total")
    rounded = number(stated(body, "RoundedTotal"), "RoundedTotal")
    balance = balanced(entries, Stated(total, tax, rounded, local(body) == "CustomerOrderTransaction"), rules)
    made: dict[str, Any] = {name: [_counted(e, balance) for e in balance.kept if e.family == name] for name in _LISTS}
    for name in _LISTS:
        if gone := [{**one.data, "voided": True} for one in balance.voided if one.family == name]:
            made[f"voided{name.capitalize()}"] = gone
    if declined:
        made["voidedTenders"] = [*made.get("voidedTenders", ()), *({**one, "voided": True} for one in declined)]
    if not made["charges"]:
        del made["charges"]
    made |= {
        "loyalty": _members(body, rules.member),
        "totals": totals,
        "customer": text(body, "Customer", "CustomerID"),
        "receipt": text(body, "ReceiptNumber"),
        "links": [as_data(c) for c in body if local(c) == "TransactionLink"],
        "events": [{"name": local(c), "value": as_data(c)} for c in other],
        "total": total,
        "control": balance.control,
    }
    if rounded is not None:
        made["roundedTotal"] = rounded
    return made, balance


def _counted(entry: Entry, balance: Balance) -> dict[str, Any]:
    """A line whose discount comes off has what is left as its amount; a tender in other money says what it pays,
    and what stands beside the total adds nothing to it."""
    if entry.divided is not None:
        return {**entry.data, "effect": balance.paid_by(entry)}
    if entry.family == "charges" and entry.data["kind"] in balance.beside:
        return {**entry.data, "effect": Decimal(0), "beside": True}
    if not balance.off or entry.discounted is None:
        return entry.data
    return {**entry.data, "amount": entry.discounted, "grossAmount": entry.data["amount"]}


def _members(body: Element, member: str) -> list[str]:
    """Who collects points, each once; numbers of zeros are no account."""
    if member:
        accounts = [one for one in body.iter() if local(one) == "LoyaltyAccount"]
        named = [one for account in accounts for one in account.iter() if local(one) == member]
    else:
        named = [one for one in body.iter() if local(one) in _MEMBERS]
    return list(dict.fromkeys(found for one in named if (found := text(one)) and found.strip("0")))


def _entries(body: Element, currency: str | None, rules: PosLogRules) -> tuple[list[Entry], list[Element]]:
    """What the receipt is made of, in its order, and the parts of lines that are neither goods nor money."""
    made: list[Entry] = []
    other: list[Element] = []
    for place, line in enumerate((c for c in body if local(c) == "LineItem"), 1):
        whole_line = {
            "sequence": whole(text(line, "SequenceNumber"), place),
            "voided": not_sold(line),
            "entry": attribute(line, "EntryMethod"),
        }
        for part in line:
            name = local(part)
            if name in ("", "SequenceNumber"):
                continue
            about = {**whole_line, "voided": whole_line["voided"] or not_sold(part)}
            entry: Entry | None
            entry = _entry(part, name, about, _link(line, part), _Money(currency, rules, currency_at(line)))
            if entry is not None:
                made.append(entry)
            if entry is None or entry.family == "charges":
                other.append(part)
    return made, other


def _entry(part: Element, name: str, about: dict[str, Any], link: int | None, money: _Money) -> Entry | None:
    if name in _GOODS:
        return entry_of("lines", _line(part, _GOODS[name], about), *money[:2], link)
    if name == "Tender":
        return entry_of("tenders", _tender(part, about, money.of_line), *money[:2], link)
    if name == "Tax":
        return entry_of("taxes", _tax(part, about), *money[:2], link)
    if name == "LoyaltyReward":
        return entry_of("rewards", _reward(part, about), *money[:2], link)
    if name in _CHARGES:
        return entry_of("charges", _charge(part, _CHARGES[name][0], about), *money[:2], link)
    return None


def entry_of(
    family: str, data: dict[str, Any], currency: str | None, rules: PosLogRules, link: int | None = None
) -> Entry:
    """An entry of a list of the document, with what it adds to the total. Raises BadTransaction for a charge of a kind
    that there is not."""
    voided, amount = data["voided"], data.get("amount")
    if family == "lines":
        return Entry(family, data, voided, data.get("item") or "", amount, _signed(data), link, _discounted(data))
    if family == "tenders":
        what = paid(data, currency, rules)
        more = None, what.divided, what.unit, what.flaw
        return Entry(family, data, voided, data.get("type") or "", amount, what.effect, link, *more)
    if family == "taxes":
        return Entry(family, data, voided, data.get("id") or "", amount, data.get("amount", _NONE), link)
    if family == "rewards":
        effect = amount if data.get("counts") else _NONE
        return Entry(family, data, voided, data.get("promotion") or "", amount, effect, link)
    kind = data.get("kind")
    if kind not in _SIGNS:
        raise BadTransaction(f"charge {data['sequence']} is {str(kind)[:40]!r}; it is one of {', '.join(_SIGNS)}")
    effect = amount if amount is None or _SIGNS[kind] > 0 else -abs(amount)
    if effect is not None:
        data["effect"] = effect
    return Entry(family, data, voided, kind, amount, effect, link)


_NONE = Decimal(0)


def _link(line: Element, part: Element) -> int | None:
    """The sequence of the line that an `ItemLink` names, by itself or by an element in it."""
    found = child(line, "ItemLink")
    if found is None:
        found = child(part, "ItemLink")
    if found is None:
        return None
    named = next((c for c in found.iter() if local(c) in ("SequenceNumber", "LineItemSequenceNumber")), found)
    return whole(text(named), 0) or None


def _charge(part: Element, kind: str, about: dict[str, Any]) -> dict[str, Any]:
    """Money that is no article. `amount` as it is written; `effect` is what it adds to the total."""
    amount = next((value for name in _AMOUNTS if (value := _deep(part, name)) is not None), text(part))
    made = {
        **about,
        "kind": kind,
        "amount": number(amount, local(part)),
        "id": text(part, "SerialNumber")
        or text(part, "GiftCertificate", "SerialNumber")
        or text(part, "AccountNumber"),
    }
    return {name: value for name, value in made.items() if value is not None}


def _deep(part: Element, name: str) -> str | None:
    """Of the part itself, else of one of its children."""
    if (found := stated(part, name)) is not None:
        return found
    return next((value for one in part if local(one) and (value := stated(one, name)) is not None), None)


def _line(part: Element, kind: str, about: dict[str, Any]) -> dict[str, Any]:
    quantity = child(part, "Quantity")
    made = {
        **about,
        "kind": kind,
        "type": attribute(part, "ItemType"),
        "item": stated(part, "ItemID") or text(part, "POSIdentity", "POSItemID"),
        "gtin": _gtin(part),
        "description": text(part, "Description"),
        "department": text(part, "MerchandiseHierarchy"),
        "quantity": number(stated(part, "Quantity"), "Quantity"),
        "serial": text(part, "SerialNumber"),
        "link": whole(text(part, "ItemLink"), 0) or None,
        "unit": attribute(quantity, "UnitOfMeasureCode") if quantity is not None else None,
        "regularPrice": number(stated(part, "RegularSalesUnitPrice"), "RegularSalesUnitPrice"),
        "price": number(stated(part, "ActualSalesUnitPrice"), "ActualSalesUnitPrice"),
        "amount": number(stated(part, "ExtendedAmount"), "ExtendedAmount"),
        "discount": number(stated(part, "ExtendedDiscountAmount"), "ExtendedDiscountAmount"),
        "modifiers": [as_data(c) for c in part if local(c) in ("RetailPriceModifier", "PriceModification")] or None,
        "taxes": [_tax(c, {}) for c in part if local(c) == "Tax"] or None,
        "more": _more(part, _OF_LINES),
        "extensions": extensions([c for c in part if not standard(c)]) or None,
    }
    return {name: value for name, value in made.items() if value is not None}


def _gtin(part: Element) -> str | None:
    for identity in (c for c in part if local(c) == "POSIdentity"):
        if (attribute(identity, "POSIDType") or "").upper() in ("GTIN", "EAN", "UPC", "GTIN14", "EAN13"):
            return text(identity, "POSItemID")
    return None


def _more(part: Element, read: frozenset[str]) -> dict[str, Any] | None:
    """What the standard has and the document has no word for, and of what stands several times, all of it."""
    said = {(local(c), str(sorted(c.attrib.items())) if local(c) == "Quantity" else str(as_data(c))) for c in part}
    names = Counter(name for name, _ in said)
    rest = [c for c in part if standard(c) and (local(c) not in read or (names[local(c)] > 1 and local(c) in _MANY))]
    return extensions(rest) or None


_MANY = ("POSIdentity", "MerchandiseHierarchy", "Quantity", "SerialNumber", "ItemLink")


def _tender(part: Element, about: dict[str, Any], of_line: str | None) -> dict[str, Any]:
    amount = child(part, "Amount")
    made = {
        **about,
        "type": attribute(part, "TenderType"),
        "use": attribute(part, "TypeCode"),
        "id": text(part, "TenderID"),
        "amount": number(stated(part, "Amount"), "Tender/Amount"),
        "currency": (currency_at(amount) if amount is not None else None) or currency_in(part) or of_line,
        "change": change_of(part),
        "cashback": number(stated(part, "Cashback"), "Cashback"),
        "authorization": text(part, "Authorization", "AuthorizationCode"),
        "reference": text(part, "Authorization", "ReferenceNumber"),
        "foreign": foreign_of(part),
        "declined": is_declined(part) or None,
        "given_back": flag(part, "ChangeFlag") or None,
        "rounding": _direction(part),
        "more": _more(part, _OF_TENDERS),
        "extensions": extensions([c for c in part if not standard(c)]) or None,
    }
    return {name: value for name, value in made.items() if value is not None}


def _direction(part: Element) -> str | None:
    """Of a rounding that is told as a tender: `up` is more than the total that was paid, and pays nothing of it."""
    rounding = child(part, "Rounding")
    said = (attribute(rounding, "RoundingDirection") or "").strip().lower() if rounding is not None else ""
    return said if said in ("up", "down") else None


def _tax(part: Element, about: dict[str, Any]) -> dict[str, Any]:
    taxable = child(part, "TaxableAmount")
    included = flag(taxable, "TaxIncludedInTaxableAmountFlag") if taxable is not None else None
    made = {
        **about,
        "id": attribute(part, "TaxID") or text(part, "TaxAuthority"),
        "type": attribute(part, "TaxType"),
        "taxable": number(stated(part, "TaxableAmount"), "TaxableAmount"),
        "amount": number(stated(part, "Amount"), "Tax/Amount"),
        "percent": number(stated(part, "Percent"), "Percent"),
        "reason": text(part, "Reason"),
        "included": included,
    }
    return {name: value for name, value in made.items() if value is not None}


def _reward(part: Element, about: dict[str, Any]) -> dict[str, Any]:
    """A promotion. Only money that the till itself sums up counts (`counts`): details of a summary would count
    twice."""
    category, summed = text(part, "RewardCategory"), attribute(part, "summarizedActivity")
    amount = number(stated(part, "ExtendedRewardAmount") or stated(part, "Amount"), "ExtendedRewardAmount")
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


def _signed(line: dict[str, Any]) -> Decimal | None:
    """A return reduces the total whichever sign its till writes. None: the line says no amount."""
    amount: Decimal | None = line.get("amount")
    return amount if amount is None or line.get("kind") != "return" else -abs(amount)


def _discounted(line: dict[str, Any]) -> Decimal | None:
    """What a line comes to where its discount is not in its amount yet. None: it states none."""
    effect = _signed(line)
    discount: Decimal | None = line.get("discount")
    if effect is None or not discount:
        return None
    return effect - abs(discount) if effect >= 0 else effect + abs(discount)


_TOTALS = ("TransactionGrandAmount", "TransactionPurchaseAmount", "TransactionNetAmount")


def _total(element: Element) -> dict[str, Any]:
    """One of a kind that decides nothing may be words."""
    kind, said = attribute(element, "TotalType"), text(element)
    try:
        return {"type": kind, "amount": number(said, f"Total {kind}")}
    except BadTransaction:
        if kind in (*_TOTALS, "TransactionTaxAmount"):
            raise
        return {"type": kind, "text": said}


def _grand(totals: list[Element], currency: str | None) -> Decimal | None:
    for kind in _TOTALS:
        if (found := number(total_of(totals, kind, currency), "Total")) is not None:
            return found
    return None
