"""Writers of receipts: what a till sold, in the words of each dialect, for tests that read it back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NamedTuple

from tests.runtime.connectors.receipts import charge, entry, goods, poslog, receipt, tender, total

ZERO = Decimal(0)


class Rung(NamedTuple):
    """One article: `amount` is positive, also of one that came back."""

    item: str
    amount: Decimal
    voided: bool
    back: bool
    discount: Decimal

    @property
    def sign(self) -> int:
        return -1 if self.back else 1

    @property
    def net(self) -> Decimal:
        return self.sign * (self.amount - self.discount)


@dataclass
class Sale:
    """A receipt as it happened. `changed`: by how much its stated total is wrong."""

    rung: list[Rung]
    charges: dict[str, Decimal] = field(default_factory=dict)
    tax: Decimal = ZERO
    on_top: bool = False
    changed: Decimal = ZERO

    @property
    def sold(self) -> dict[str, Decimal]:
        sums: dict[str, Decimal] = {}
        for one in self.rung:
            if not one.voided:
                sums[one.item] = sums.get(one.item, ZERO) + one.net
        return {item: amount for item, amount in sums.items() if amount}

    @property
    def due(self) -> Decimal:
        paid = sum(self.sold.values(), ZERO) + (self.tax if self.on_top else ZERO)
        return paid + sum(-amount if name == "Discount" else amount for name, amount in self.charges.items())

    @property
    def stated(self) -> Decimal:
        return self.due + self.changed


def _arts(sale: Sale, voids: str, *, off: bool = False) -> bytes:
    parts: list[str] = []
    for one in sale.rung:
        kind, said, number = ("Return" if one.back else "Sale"), one.sign * one.amount, len(parts) + 1
        alone = one.voided and voids == "flag"
        shown = said if off else one.net
        line = goods(number, str(shown), item=one.item, kind=kind, quantity=str(one.sign), void="true" if alone else "")
        if one.discount:
            line = line.replace(
                "<Quantity>", f"<ExtendedDiscountAmount>{one.discount}</ExtendedDiscountAmount><Quantity>"
            )
        parts.append(line)
        more: dict[str, Any] = {"item": one.item, "kind": kind, "void": "true"}
        if one.voided and voids == "opposite":
            parts.append(goods(number + 1, str(-shown), quantity=str(-one.sign), **more))
        if one.voided and voids == "link":
            parts.append(goods(number + 1, str(shown), quantity=str(one.sign), link=number, **more))
    for name, amount in sale.charges.items():
        parts.append(charge(len(parts) + 1, name, str(amount)))
    if sale.tax:
        parts.append(entry(f"<Tax><Amount>{sale.tax}</Amount></Tax>", len(parts) + 1))
    return poslog(receipt(*parts, tender(99, str(sale.stated)), total(str(sale.stated))))


def _naxml(sale: Sale) -> bytes:
    lines = ""
    for one in sale.rung:
        status, said = ("cancel" if one.voided else "normal"), one.sign * one.amount
        promotion = f"<Promotion><PromotionAmount>{one.discount}</PromotionAmount></Promotion>" if one.discount else ""
        lines += (
            f'<TransactionLine status="{status}"><ItemLine><ItemCode><POSCode>{one.item}</POSCode></ItemCode>'
            f"<SalesQuantity>{one.sign}</SalesQuantity><SalesAmount>{said}</SalesAmount>{promotion}</ItemLine>"
            "</TransactionLine>"
        )
    if sale.tax:
        lines += (
            '<TransactionLine status="normal"><TransactionTax><TaxCollectedAmount>'
            f"{sale.tax}</TaxCollectedAmount></TransactionTax></TransactionLine>"
        )
    return (
        "<NAXML-POSJournal><TransmissionHeader><StoreLocationID>7</StoreLocationID></TransmissionHeader><JournalReport>"
        "<SaleEvent><RegisterID>1</RegisterID><TransactionID>1</TransactionID><BusinessDate>2026-03-02</BusinessDate>"
        f"<TransactionDetailGroup>{lines}<TransactionLine><TenderInfo><Tender><TenderCode>cash</TenderCode></Tender>"
        f"<TenderAmount>{sale.stated}</TenderAmount></TenderInfo></TransactionLine></TransactionDetailGroup>"
        f"<TransactionSummary><TransactionTotalGrandAmount>{sale.stated}</TransactionTotalGrandAmount>"
        "</TransactionSummary></SaleEvent></JournalReport></NAXML-POSJournal>"
    ).encode()


def _idoc(sale: Sale) -> bytes:
    parts = ""
    for one in sale.rung:
        if one.voided:
            continue  # receipts for SAP have what was sold
        conditions = (
            f"<E1WPB03><VORZEICHEN>-</VORZEICHEN><KONDITION>P</KONDITION><KONDVALUE>{one.amount}</KONDVALUE></E1WPB03>"
        )
        if one.discount:
            conditions += (
                "<E1WPB03><VORZEICHEN>+</VORZEICHEN><KONDITION>R</KONDITION>"
                f"<KONDVALUE>{one.discount}</KONDVALUE></E1WPB03>"
            )
        sign = "+" if one.back else "-"
        parts += (
            f"<E1WPB02><ARTNR>{one.item}</ARTNR><VORZEICHEN>{sign}</VORZEICHEN><MENGE>1</MENGE>{conditions}</E1WPB02>"
        )
    if discount := sale.charges.get("Discount"):
        parts += f"<E1WPB05><VORZEICHEN>-</VORZEICHEN><RABVALUE>{discount}</RABVALUE></E1WPB05>"
    if sale.tax:
        parts += f"<E1WPB07><TAXCODE>A</TAXCODE><TAXVALUE>{sale.tax}</TAXVALUE></E1WPB07>"
    sign = "-" if sale.stated < 0 else ""
    return (
        "<WPUBON01><IDOC><EDI_DC40><SNDPRN>7</SNDPRN></EDI_DC40><E1WPB01><KASSID>1</KASSID>"
        "<VORGDATUM>20260302</VORGDATUM><BONNUMMER>1</BONNUMMER><BELEGWAERS>EUR</BELEGWAERS>"
        f"{parts}<E1WPB06><VORZEICHEN>{sign}</VORZEICHEN><ZAHLART>C</ZAHLART>"
        f"<SUMME>{abs(sale.stated)}</SUMME></E1WPB06>"
        "</E1WPB01></IDOC></WPUBON01>"
    ).encode()


class Dialect(NamedTuple):
    """`charges`: what it has words for; `voided`: whether it tells what was voided."""

    profile: str
    write: Callable[[Sale], bytes]
    charges: frozenset[str]
    voided: bool = True


ALL = frozenset(("Discount", "Tip", "Deposit", "SaleOfGiftCertificate"))
DIALECTS = {
    "NCR ACS": Dialect("poslog-ncr-acs", lambda sale: _arts(sale, "opposite"), ALL),
    "TP.net": Dialect("poslog-tpnet", lambda sale: _arts(sale, "link"), ALL),
    "Xstore": Dialect("poslog-xstore", lambda sale: _arts(sale, "flag"), ALL),
    "R10": Dialect("poslog-r10", lambda sale: _arts(sale, "flag", off=True), ALL),
    "NAXML": Dialect("naxml-journal", _naxml, frozenset()),
    "SAP": Dialect("sap-pos-inbound", _idoc, frozenset(("Discount",)), voided=False),
    "unknown, voids by link": Dialect("poslog-drop", lambda sale: _arts(sale, "link"), ALL),
    "unknown, voids by flag": Dialect("poslog-drop", lambda sale: _arts(sale, "flag"), ALL),
    "unknown, voids by amount": Dialect("poslog-drop", lambda sale: _arts(sale, "opposite"), ALL),
    "unknown, discounts that come off": Dialect("poslog-drop", lambda sale: _arts(sale, "flag", off=True), ALL),
}
