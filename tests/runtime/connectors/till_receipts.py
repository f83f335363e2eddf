"""Right receipts of tills, as each dialect writes them, and the same with one amount that is a cent off.

An amount that counts is written between two marks; `written` takes them out, and changes the amount of one.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

from tests.runtime.connectors.receipts import ARTS

ZERO, CENT = Decimal("0.00"), Decimal("0.01")
_MARK = re.compile("§(-?[0-9.]+)§")


def m(amount: Decimal) -> str:
    """An amount that counts."""
    return f"§{amount}§"


def written(content: str, wrong: int | None = None, by: Decimal = CENT) -> bytes:
    """The file, with the amount at the place `wrong` changed."""
    place = iter(range(content.count("§")))

    def said(found: re.Match[str]) -> str:
        amount = Decimal(found[1])
        return str(amount + by if next(place) == wrong else amount)

    return _MARK.sub(said, content).encode()


def amounts(content: str) -> int:
    """How many amounts count."""
    return len(_MARK.findall(content))


@dataclass(frozen=True)
class Article:
    """`amount` is what it costs after its discount, above zero also of one that came back."""

    item: str
    amount: Decimal
    discount: Decimal = ZERO
    back: bool = False
    voided: bool = False

    @property
    def net(self) -> Decimal:
        return -self.amount if self.back else self.amount

    @property
    def gross(self) -> Decimal:
        return self.net - self.discount if self.back else self.net + self.discount


@dataclass(frozen=True)
class Bought:
    """A receipt as it happened. `charges`: what adds to the total, and what comes off, below zero. `parts`: into how
    many payments it was split; `change`: what was given back of the last one; `abroad`: the last one was given in
    dollars. `rounding`: by how much more was paid than was due."""

    articles: list[Article]
    charges: dict[str, Decimal] = field(default_factory=dict)
    tax: Decimal = ZERO
    on_top: bool = False
    rounding: Decimal = ZERO
    parts: int = 1
    change: Decimal = ZERO
    abroad: bool = False

    @property
    def sold(self) -> dict[str, Decimal]:
        sums: dict[str, Decimal] = {}
        for one in self.articles:
            if not one.voided:
                sums[one.item] = sums.get(one.item, ZERO) + one.net
        return {item: amount for item, amount in sums.items() if amount}

    @property
    def due(self) -> Decimal:
        """Without its rounding."""
        return sum(self.sold.values(), ZERO) + sum(self.charges.values(), ZERO) + (self.tax if self.on_top else ZERO)

    @property
    def payments(self) -> list[Decimal]:
        """What was handed over, or given back; what was given back of it as change is beside them."""
        whole = self.due + self.rounding
        if whole <= 0:
            return [whole] if whole else []
        first = [(whole / self.parts).quantize(CENT)] * (self.parts - 1)
        return [*(one for one in first if one), whole - sum(first, ZERO) + self.change]

    @property
    def given_back(self) -> Decimal:
        return self.change if self.due + self.rounding > 0 else ZERO


class _Arts(NamedTuple):
    """How a dialect of POSLog writes what the standard leaves open."""

    voids: str
    discounts: str = "in"  # `off`: amounts of lines are those before their discounts
    change: str = "inside"  # `own`, `flag`, `zero`: a tender of its own
    rounding: str = "charge"  # `beside`, `total`, `tender`
    digits: str = ""  # more digits of the tax
    refund: str = ""  # attributes of a tender that gives money back
    head: str = ""
    envelope: tuple[str, str] = ("", "")


def _article(one: Article, number: int, how: _Arts) -> list[str]:
    kind, quantity = ("Return", -1) if one.back else ("Sale", 1)
    amount = one.gross if how.discounts == "off" else one.net
    off = f"<ExtendedDiscountAmount>{one.discount}</ExtendedDiscountAmount>" if one.discount else ""
    if one.discount and how.discounts == "off" and not one.voided:
        off = f"<ExtendedDiscountAmount>{m(one.discount)}</ExtendedDiscountAmount>"

    def line(at: int, said: str, quantity: int, flag: str = "", link: str = "") -> str:
        return (
            f"<LineItem {flag}><SequenceNumber>{at}</SequenceNumber><{kind}><ItemID>{one.item}</ItemID>"
            f"<ExtendedAmount>{said}</ExtendedAmount>{off}<Quantity>{quantity}</Quantity>{link}</{kind}></LineItem>"
        )

    void = 'VoidFlag="true"'
    if not one.voided:
        return [line(number, m(amount), quantity)]
    if how.voids == "flag":
        return [line(number, str(amount), quantity, void)]
    if how.voids == "link":
        link = f"<ItemLink>{number}</ItemLink>"
        return [line(number, m(amount), quantity), line(number + 1, m(amount), quantity, void, link)]
    return [line(number, m(amount), quantity), line(number + 1, m(-amount), -quantity, void)]


def _part(number: int, content: str) -> str:
    return f"<LineItem><SequenceNumber>{number}</SequenceNumber>{content}</LineItem>"


def _tender(amount: str, more: str = "", attributes: str = "") -> str:
    return f'<Tender TenderType="Cash" {attributes}><Amount>{amount}</Amount>{more}</Tender>'


def _paid(sale: Bought, how: _Arts) -> list[str]:
    made = []
    for place, one in enumerate(sale.payments, 1):
        last = place == len(sale.payments)
        inside = last and sale.given_back and how.change == "inside"
        more = f"<TenderChange><Amount>{m(sale.given_back)}</Amount></TenderChange>" if inside else ""
        if last and sale.abroad and one > 0:
            more += (
                f"<ForeignCurrency><CurrencyCode>USD</CurrencyCode><OriginalFaceAmount>{one * 2}</OriginalFaceAmount>"
                "<ExchangeRate>0.5</ExchangeRate></ForeignCurrency>"
            )
        made.append(_tender(m(one), more, how.refund if one < 0 else ""))
    if sale.given_back and how.change == "own":
        given = f"<TenderChange><Amount>{-sale.given_back}</Amount></TenderChange>"
        made.append(_tender(f"{-sale.given_back}", given))
    if sale.given_back and how.change == "flag":
        made.append(_tender(m(sale.given_back), "", 'ChangeFlag="true"'))
    if sale.given_back and how.change == "zero":
        made.append(_tender("0", f"<TenderChange><Amount>{m(sale.given_back)}</Amount></TenderChange>"))
    if sale.rounding and how.rounding == "tender":
        direction = "Up" if sale.rounding > 0 else "Down"
        size = abs(sale.rounding)
        more = f'<Rounding RoundingDirection="{direction}">{size}</Rounding>'
        made.append(f'<Tender TenderType="X:Rounding"><Amount>{m(size)}</Amount>{more}</Tender>')
    return made


def _poslog(sale: Bought, how: _Arts) -> str:
    parts: list[str] = []
    for one in sale.articles:
        parts += _article(one, len(parts) + 1, how)
    for name, amount in sale.charges.items():
        if name == "LoyaltyReward":
            reward = f"<ExtendedRewardAmount>{m(amount)}</ExtendedRewardAmount>"
            parts.append(_part(len(parts) + 1, f'<LoyaltyReward summarizedActivity="true">{reward}</LoyaltyReward>'))
        else:
            parts.append(_part(len(parts) + 1, f"<{name}><Amount>{m(abs(amount))}</Amount></{name}>"))
    if sale.tax:
        said = f"{sale.tax}{how.digits}" if how.digits else m(sale.tax)
        parts.append(_part(len(parts) + 1, f"<Tax><Amount>{said}</Amount></Tax>"))
    stated, more = sale.due, ""
    if sale.rounding and how.rounding in ("charge", "beside"):
        parts.append(_part(len(parts) + 1, f"<Rounding><Amount>{m(sale.rounding)}</Amount></Rounding>"))
        stated += sale.rounding if how.rounding == "charge" else ZERO
    if sale.rounding and how.rounding == "total":
        more = f"<RoundedTotal>{m(sale.due + sale.rounding)}</RoundedTotal>"
    for one in _paid(sale, how):
        parts.append(_part(len(parts) + 1, one))
    tax = f'<Total TotalType="TransactionTaxAmount">{m(sale.tax)}</Total>' if sale.tax else ""
    begin, end = how.envelope
    return (
        f'{begin}<POSLog xmlns="{ARTS}"><Transaction>{how.head}<RetailStoreID>7</RetailStoreID><WorkstationID>1'
        "</WorkstationID><SequenceNumber>1</SequenceNumber><BusinessDayDate>2026-03-02</BusinessDayDate>"
        f"<CurrencyCode>EUR</CurrencyCode><RetailTransaction>{''.join(parts)}"
        f'<Total TotalType="TransactionGrandAmount">{m(stated)}</Total>{tax}{more}</RetailTransaction></Transaction>'
        f"</POSLog>{end}"
    )


def _naxml(sale: Bought) -> str:
    def line(content: str, status: str = "normal") -> str:
        return f'<TransactionLine status="{status}">{content}</TransactionLine>'

    refund = bool(sale.articles) and all(one.back for one in sale.articles)
    lines = ""
    for one in sale.articles:
        amount = str(one.net) if one.voided else m(one.net)
        off = f"<Promotion><PromotionAmount>{one.discount}</PromotionAmount></Promotion>" if one.discount else ""
        lines += line(
            f"<ItemLine><ItemCode><POSCode>{one.item}</POSCode></ItemCode><SalesQuantity>{-1 if one.back else 1}"
            f"</SalesQuantity><SalesAmount>{amount}</SalesAmount>{off}</ItemLine>",
            "cancel" if one.voided else "normal",
        )
    if fee := sale.charges.get("Surcharge"):
        lines += line(f"<FeeLine><FeeAmount>{m(fee)}</FeeAmount></FeeLine>")
    if order := sale.charges.get("PaymentOnAccount"):
        lines += line(f"<MoneyOrderLine><MoneyOrderFaceAmount>{m(order)}</MoneyOrderFaceAmount></MoneyOrderLine>")
    if sale.tax:
        said = m(sale.tax)
        lines += line(f"<TransactionTax><TaxCollectedAmount>{said}</TaxCollectedAmount></TransactionTax>")

    def paid(amount: Decimal, flag: str) -> str:
        tender = f"<Tender><TenderCode>cash</TenderCode></Tender><TenderAmount>{m(amount)}</TenderAmount>"
        return line(f'<TenderInfo>{tender}<ChangeFlag value="{flag}"/></TenderInfo>')

    lines += "".join(paid(one, "yes" if one < 0 else "no") for one in sale.payments)
    if sale.given_back:
        lines += paid(-sale.given_back, "yes")
    tax = f"<TransactionTotalTaxNetAmount>{m(sale.tax)}</TransactionTotalTaxNetAmount>" if sale.tax else ""
    if sale.on_top and sale.tax:
        total = f"<TransactionTotalNetAmount>{m(sale.due - sale.tax)}</TransactionTotalNetAmount>{tax}"
    else:
        total = f"<TransactionTotalGrandAmount>{m(sale.due)}</TransactionTotalGrandAmount>{tax}"
    event = "RefundEvent" if refund else "SaleEvent"
    return (
        "<NAXML-POSJournal><TransmissionHeader><StoreLocationID>7</StoreLocationID></TransmissionHeader><JournalReport>"
        f"<{event}><RegisterID>1</RegisterID><TransactionID>1</TransactionID><BusinessDate>2026-03-02</BusinessDate>"
        f"<TransactionDetailGroup>{lines}</TransactionDetailGroup><TransactionSummary>{total}</TransactionSummary>"
        f"</{event}></JournalReport></NAXML-POSJournal>"
    )


def _idoc(sale: Bought) -> str:
    def condition(sign: str, kind: str, amount: Decimal) -> str:
        return (
            f"<E1WPB03><VORZEICHEN>{sign}</VORZEICHEN><KONDITION>{kind}</KONDITION><KONDVALUE>{m(amount)}</KONDVALUE>"
            "</E1WPB03>"
        )

    parts = ""
    for one in (article for article in sale.articles if not article.voided):
        made = condition("-", "VKP0", one.amount + one.discount)
        made += condition("+", "RAB1", one.discount) if one.discount else ""
        sign = "+" if one.back else "-"
        parts += f"<E1WPB02><ARTNR>{one.item}</ARTNR><VORZEICHEN>{sign}</VORZEICHEN><MENGE>1</MENGE>{made}</E1WPB02>"
    for name, amount in sale.charges.items():
        sign = "-" if amount < 0 else "+"
        parts += f"<E1WPB05><VORZEICHEN>{sign}</VORZEICHEN><RABATTART>{name}</RABATTART>"
        parts += f"<RABVALUE>{m(abs(amount))}</RABVALUE></E1WPB05>"
    if sale.tax:
        value = m(sale.tax) if sale.on_top else str(sale.tax)
        parts += f"<E1WPB07><TAXCODE>A1</TAXCODE><TAXVALUE>{value}</TAXVALUE></E1WPB07>"

    def payment(sign: str, amount: Decimal) -> str:
        return (
            f"<E1WPB06><VORZEICHEN>{sign}</VORZEICHEN><ZAHLART>PTCS</ZAHLART><SUMME>{m(amount)}</SUMME>"
            "<WAEHRUNG>EUR</WAEHRUNG></E1WPB06>"
        )

    parts += "".join(payment("-" if one < 0 else "+", abs(one)) for one in sale.payments)
    if sale.given_back:
        parts += payment("-", sale.given_back)
    return (
        "<WPUBON01><IDOC><EDI_DC40><SNDPRN>7</SNDPRN></EDI_DC40><E1WPB01><KASSID>1</KASSID>"
        f"<VORGDATUM>20260302</VORGDATUM><BONNUMMER>1</BONNUMMER><BELEGWAERS>EUR</BELEGWAERS>{parts}"
        "</E1WPB01></IDOC></WPUBON01>"
    )


class Till(NamedTuple):
    """`charges`: what it has words for, with their signs. `voided`, `rounds`, `abroad`: whether it tells that. `basis`:
    whether taxes come on top (True), are inside (False), or either (None)."""

    profile: str
    write: Callable[[Bought], str]
    charges: dict[str, int]
    voided: bool = True
    rounds: bool = True
    abroad: bool = True
    basis: bool | None = None


_MONEY = {"Tip": 1, "Deposit": 1, "RedeemDeposit": -1, "SaleOfGiftCertificate": 1, "PaymentOnAccount": 1}
_NCR = _Arts("opposite", change="own", refund='TypeCode="Refund"')
_TPNET = _Arts(
    "link",
    rounding="beside",
    digits="34",
    envelope=('<RTSLineItemAddRequest xmlns="urn:example:tpnet">', "</RTSLineItemAddRequest>"),
)
_XSTORE = _Arts("flag", change="flag", rounding="total")
_R10 = _Arts(
    "flag",
    discounts="off",
    change="zero",
    rounding="tender",
    envelope=("<TransactionLogLookupResponse><LogDocuments>", "</LogDocuments></TransactionLogLookupResponse>"),
)
TILLS = {
    "NCR ACS": Till("poslog-ncr-acs", lambda one: _poslog(one, _NCR), _MONEY | {"LoyaltyReward": -1}, basis=True),
    "Diebold Nixdorf TP.net": Till(
        "poslog-tpnet", lambda one: _poslog(one, _TPNET), _MONEY | {"Discount": -1}, basis=False
    ),
    "Oracle Xstore": Till("poslog-xstore", lambda one: _poslog(one, _XSTORE), _MONEY | {"Discount": -1}),
    "NCR R10": Till("poslog-r10", lambda one: _poslog(one, _R10), _MONEY | {"Discount": -1}),
    "NAXML": Till("naxml-journal", _naxml, {"Surcharge": 1, "PaymentOnAccount": 1}, rounds=False, abroad=False),
    "SAP POS inbound": Till(
        "sap-pos-inbound", _idoc, {"ZDISC": -1, "ZDEP": 1}, voided=False, rounds=False, abroad=False
    ),
}
