"""Public examples of till files, rebuilt in words of our own: docs/reference/public-reports.md says where they stand
and what they show."""

from __future__ import annotations

import io
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from runtime import profiles
from runtime.connectors.poslog.connector import PosLogSettings, documents
from runtime.connectors.protocols import Record, RejectedRecord
from runtime.connectors.settings import read_settings
from runtime.mapping import decode
from tests.runtime.connectors.receipts import entry, goods, poslog, receipt, tender, total
from tests.runtime.connectors.test_poslog_sums import by_article, posted_total, posting


def judged(content: bytes, profile: str = "poslog-drop", **settings: Any) -> Record | RejectedRecord:
    data = {"root": "/nowhere", **profiles.profile(profile).connection(settings)}
    rules = read_settings(PosLogSettings, msgspec.to_builtins(data))
    (found,) = documents(io.BytesIO(content), "f.xml", rules=rules)
    return found


def read(content: bytes, profile: str = "poslog-drop", **settings: Any) -> Any:
    found = judged(content, profile, **settings)
    assert isinstance(found, Record), found.reason
    return decode(found.payload)


def conexxus(event: str, *lines: str, head: str = "", summary: str = "") -> bytes:
    """As a converter of Verifone journals writes it: empty elements for what is not known, days that end in T, times
    with an offset, the currency in an extension of the header."""
    return f"""<NAXML-POSJournal xmlns="http://www.naxml.org/POSBO/Vocabulary/2003-10-16" version="3.6">
      <TransmissionHeader><StoreLocationID>10015</StoreLocationID>
        <extension><countryCode>US</countryCode><currencyCode>USD</currencyCode></extension></TransmissionHeader>
      <JournalReport><JournalHeader><BeginDate>2026-03-02T</BeginDate></JournalHeader>
      <{event}><EventSequenceID/><TrainingModeFlag/><CashierID>1</CashierID><RegisterID>102</RegisterID>
        <TillID>1</TillID><OutsideSalesFlag/><TransactionID>1020140</TransactionID>
        <EventStartDate>2026-03-02T</EventStartDate><EventStartTime>05:22:16-04:00</EventStartTime>
        <EventEndDate>2026-03-02T</EventEndDate><EventEndTime>05:22:29-04:00</EventEndTime>
        <BusinessDate>2026-03-02T00:00:00-04:00</BusinessDate><ReceiptDate/><ReceiptTime/><OfflineFlag/>
        {head or "<SuspendFlag/>"}
        <TransactionDetailGroup>{"".join(lines)}</TransactionDetailGroup>{summary}
      </{event}></JournalReport></NAXML-POSJournal>""".encode()


def department(code: str, amount: str, status: str = "") -> str:
    said = f' status="{status}"' if status else ""
    return (
        f"<TransactionLine{said}><MerchandiseCodeLine><MerchandiseCode>{code}</MerchandiseCode>"
        f"<Description>D{code}</Description><SalesQuantity>1</SalesQuantity><SalesAmount>{amount}</SalesAmount>"
        "</MerchandiseCodeLine></TransactionLine>"
    )


def paid(amount: str) -> str:
    return (
        "<TransactionLine><TenderInfo><Tender><TenderCode>cash</TenderCode></Tender>"
        f"<TenderAmount>{amount}</TenderAmount></TenderInfo></TransactionLine>"
    )


def grand(amount: str, direction: str = "Collected") -> str:
    said = f'<TransactionTotalGrandAmount direction="{direction}">{amount}</TransactionTotalGrandAmount>'
    return f"<TransactionSummary>{said}</TransactionSummary>"


def test_petrosoft_a_sale_with_a_voided_department_line_posts_the_line_that_stayed() -> None:
    lines = department("2701", "15.0000"), department("2701", "15.0000", "void"), department("2702", "10.0000")
    made = read(conexxus("SaleEvent", *lines, paid("10.0000"), summary=grand("10.0000")), "naxml-journal")
    assert made["id"] == "10015/102/2026-03-02/1020140"
    assert (made["currency"], made["endAt"]) == ("USD", "2026-03-02T05:22:29-04:00")
    assert by_article(posting(made)["lines"]) == {"2702": (Decimal(1), Decimal(10))}


def test_petrosoft_a_suspended_sale_is_kept_and_posts_nothing() -> None:
    line = department("2215", "21.9500")
    made = read(conexxus("SaleEvent", line, head='<SuspendFlag value="yes"/>'), "naxml-journal")
    assert (made["suspended"], made["sale"]) == (True, False)


def test_petrosoft_fees_of_a_refund_are_given_back_with_it() -> None:
    fees = (
        "<TransactionLine><FeeLine><FeeID>6</FeeID><MerchandiseCode>712</MerchandiseCode>"
        "<Description>Bottle</Description><FeeAmount>0.9000</FeeAmount></FeeLine>"
        "<MerchandiseCodeLine><MerchandiseCode>2</MerchandiseCode><SalesQuantity>1</SalesQuantity>"
        "<SalesAmount>5.0000</SalesAmount></MerchandiseCodeLine></TransactionLine>"
    )
    made = read(conexxus("RefundEvent", fees, paid("-5.9000"), summary=grand("5.9000", "Refunded")), "naxml-journal")
    sent = posting(made)
    assert by_article(sent["lines"]) == {"2": (Decimal(-1), Decimal("-5.0000"))}
    assert (Decimal(sent["adjustments"]), posted_total(sent)) == (Decimal("-0.9"), Decimal("-5.9"))


def test_petrosoft_a_void_event_with_a_money_order_is_no_sale() -> None:
    order = (
        "<TransactionLine><MoneyOrderLine><MoneyOrderFeeCollected>0.1000</MoneyOrderFeeCollected>"
        "<MoneyOrderFaceAmount>10.1000</MoneyOrderFaceAmount></MoneyOrderLine></TransactionLine>"
    )
    made = read(conexxus("VoidEvent", order), "naxml-journal")
    assert (made["voided"], made["sale"]) == (True, False)


def test_petrosoft_a_money_order_that_is_sold_is_money_and_no_article() -> None:
    order = (
        "<TransactionLine><MoneyOrderLine><MoneyOrderFeeCollected>0.5000</MoneyOrderFeeCollected>"
        "<MoneyOrderFaceAmount>10.0000</MoneyOrderFaceAmount></MoneyOrderLine></TransactionLine>"
    )
    made = read(conexxus("SaleEvent", order, paid("10.5000"), summary=grand("10.5000")), "naxml-journal")
    sent = posting(made)
    assert (sent["lines"], posted_total(sent)) == ([], Decimal("10.5"))


def test_petrosoft_a_drawer_that_is_opened_without_a_sale_keeps_its_number() -> None:
    content = conexxus("OtherEvent", head="<SuspendFlag/><NosaleDetail/>")
    made = read(content, "naxml-journal")
    assert (made["kind"], made["sequence"], made.get("sale")) == ("control", 1020140, None)


def test_passport_a_line_that_was_cancelled_stays_visible_and_costs_nothing() -> None:
    lines = department("4", "50.00", "cancel"), department("4", "3.00", "normal")
    made = read(conexxus("SaleEvent", *lines, paid("3.00"), summary=grand("3.00")), "naxml-journal")
    assert [line["amount"] for line in made["lines"]] == [3]
    assert [line["amount"] for line in made["voidedLines"]] == [50]


def test_passport_tax_is_beside_the_net_amount_where_no_grand_total_stands() -> None:
    tax = (
        "<TransactionLine><TransactionTax><TaxLevelID>99</TaxLevelID><TaxCollectedAmount>0.25</TaxCollectedAmount>"
        "</TransactionTax></TransactionLine>"
    )
    summary = (
        "<TransactionSummary><TransactionTotalNetAmount>2.99</TransactionTotalNetAmount>"
        "<TransactionTotalTaxNetAmount>0.25</TransactionTotalTaxNetAmount></TransactionSummary>"
    )
    made = read(conexxus("SaleEvent", department("17", "2.99"), tax, paid("3.24"), summary=summary), "naxml-journal")
    assert (made["total"], Decimal(posting(made)["adjustments"])) == (Decimal("3.24"), Decimal("0.25"))


def wpubon(*segments: str, number: str = "231") -> bytes:
    return (
        "<WPUBON01><IDOC BEGIN='1'><EDI_DC40 SEGMENT='1'><SNDPRN>0000007708</SNDPRN></EDI_DC40><E1WPB01 SEGMENT='1'>"
        f"<KASSID>3</KASSID><VORGDATUM>20260302</VORGDATUM><VORGZEIT>141530</VORGZEIT><BONNUMMER>{number}</BONNUMMER>"
        f"<BELEGWAERS>RUB</BELEGWAERS>{''.join(segments)}</E1WPB01></IDOC></WPUBON01>"
    ).encode()


def article(sign: str, item: str, quantity: str, *conditions: tuple[str, str, str]) -> str:
    made = "".join(
        f"<E1WPB03><VORZEICHEN>{s}</VORZEICHEN><KONDITION>{kind}</KONDITION><KONDVALUE>{value}</KONDVALUE></E1WPB03>"
        for s, kind, value in conditions
    )
    return f"<E1WPB02><ARTNR>{item}</ARTNR><VORZEICHEN>{sign}</VORZEICHEN><MENGE>{quantity}</MENGE>{made}</E1WPB02>"


def payment(sign: str, amount: str) -> str:
    return f"<E1WPB06><VORZEICHEN>{sign}</VORZEICHEN><ZAHLART>PTCS</ZAHLART><SUMME>{amount}</SUMME></E1WPB06>"


def test_domino_a_price_with_a_minus_and_a_payment_without_a_sign_are_a_sale() -> None:
    made = read(
        wpubon(article("-", "100001", "2.000", ("-", "VKP0", "19.98")), payment("", "19.98")), "sap-pos-inbound"
    )
    assert by_article(posting(made)["lines"]) == {"100001": (Decimal(2), Decimal("19.98"))}


def test_domino_a_return_is_paid_out() -> None:
    back = wpubon(article("+", "100001", "1.000", ("-", "VKP0", "9.99")), payment("-", "9.99"))
    made = read(back, "sap-pos-inbound")
    assert by_article(posting(made)["lines"]) == {"100001": (Decimal(-1), Decimal("-9.99"))}
    assert made["total"] == Decimal("-9.99")


def test_chile_conditions_without_signs_are_held_until_the_types_that_reduce_are_declared() -> None:
    conditions = ("", "PN10", "5990"), ("", "ZDES", "990")
    content = wpubon(article("-", "0123", "1", *conditions), payment("+", "5000"), number="B00000232")
    found = judged(content, "sap-pos-inbound")
    assert isinstance(found, RejectedRecord)
    assert "1980" in found.reason
    made = read(content, "sap-pos-inbound", deducted=["ZDES"])
    assert by_article(posting({"sequence": 0, **made})["lines"]) == {"0123": (Decimal(1), Decimal(5000))}
    assert made["id"] == "0000007708/3/2026-03-02/B00000232"


def test_chile_a_gift_without_a_condition_costs_nothing() -> None:
    content = wpubon(article("-", "1", "1", ("", "PN10", "10")), article("-", "2", "1"), payment("+", "10"))
    made = read(content, "sap-pos-inbound")
    assert [(line["item"], line["amount"]) for line in made["lines"]] == [("1", 10), ("2", 0)]


def test_xstore_a_status_of_an_orphaned_transaction_is_no_sale() -> None:
    content = poslog(receipt(goods(1, "10.00"), total("10.00"), inside='TransactionStatus="dtv:CancelOrphaned"'))
    assert read(content, "poslog-xstore")["sale"] is False


def test_xstore_a_line_with_a_void_flag_is_outside_of_the_total_though_the_same_article_is_sold() -> None:
    lines = goods(1, "10.00"), goods(2, "10.00", void="true"), goods(3, "10.00")
    made = read(poslog(receipt(*lines, tender(9, "20.00"), total("20.00"))), "poslog-xstore")
    assert by_article(posting(made)["lines"]) == {"A": (Decimal(2), Decimal(20))}


def test_xstore_what_is_due_in_cash_is_stated_beside_the_total() -> None:
    rounded = "<RoundedTotal>10.00</RoundedTotal>"
    made = read(poslog(receipt(goods(1, "10.02"), tender(9, "10.00"), total("10.02"), rounded)))
    assert (made["total"], made["roundedTotal"], made["control"]["ok"]) == (Decimal("10.02"), Decimal("10.00"), True)
    exact = read(poslog(receipt(goods(1, "10.02"), tender(9, "10.02", kind="Card"), total("10.02"), rounded)))
    assert posted_total(posting(exact)) == Decimal("10.02")


def test_kwick_a_line_of_a_digital_receipt_that_was_cancelled_is_not_sold() -> None:
    cancelled = goods(2, "19.00", item="B").replace("<LineItem ", '<LineItem CancelFlag="true" ')
    made = read(poslog(receipt(goods(1, "25.00"), cancelled, tender(9, "25.00"), total("25.00"))))
    assert by_article(posting(made)["lines"]) == {"A": (Decimal(1), Decimal("25"))}


@pytest.mark.parametrize(("direction", "amount"), [("Up", "10.00"), ("Down", "9.95")])
def test_lotus_a_rounding_that_is_a_tender_counts_by_its_direction(direction: str, amount: str) -> None:
    due = {"Up": "9.97", "Down": "9.98"}[direction]
    difference = str(abs(Decimal(amount) - Decimal(due)))
    rounding = entry(
        f'<Tender TenderType="X:Rounding"><Amount>{difference}</Amount>'
        f'<Rounding RoundingDirection="{direction}">{difference}</Rounding></Tender>',
        8,
    )
    made = read(poslog(receipt(goods(1, due), tender(7, amount), rounding, total(due))), "poslog-r10")
    assert posted_total(posting(made)) == Decimal(due)


@pytest.mark.parametrize("sign", ["", "x", "0"])
def test_an_article_whose_sign_is_missing_or_odd_is_neither_sold_nor_returned(sign: str) -> None:
    content = wpubon(article(sign, "100001", "1.000", ("-", "VKP0", "10.00")), payment("", "10.00"))
    found = judged(content, "sap-pos-inbound")
    assert isinstance(found, RejectedRecord), found.payload
    assert "VORZEICHEN" in found.reason


def test_a_payment_with_an_odd_sign_is_neither_paid_in_nor_out() -> None:
    content = wpubon(article("-", "100001", "1.000", ("-", "VKP0", "10.00")), payment("x", "10.00"))
    found = judged(content, "sap-pos-inbound")
    assert isinstance(found, RejectedRecord), found.payload
    assert "VORZEICHEN" in found.reason
