"""Nothing of a receipt that changes its money or its meaning is lost: currency, times, origin of returns, additions of
vendors."""

from __future__ import annotations

import io
from decimal import Decimal

import pytest

from runtime.connectors.poslog.connector import documents
from runtime.connectors.protocols import Record, RejectedRecord
from tests.runtime.connectors.receipts import entry, goods, held, poslog, read, receipt, tender, total

RUNG = (goods(1, "10.00"), tender(9, "10.00"), total("10.00"))


def in_currency(code: str) -> tuple[str, ...]:
    def said(part: str) -> str:
        for name in ("ExtendedAmount", "Amount"):
            part = part.replace(f"<{name}>", f'<{name} Currency="{code}">')
        return part

    return (*(said(part) for part in RUNG[:2]), total("10.00", attributes=f'Currency="{code}"'))


def test_a_currency_that_stands_on_amounts_alone_is_that_of_the_receipt() -> None:
    assert read(receipt(*in_currency("GBP"), currency=""))["currency"] == "GBP"
    assert read(receipt(*in_currency("GBP"), currency="GBP"))["currency"] == "GBP"


def test_a_receipt_in_a_currency_that_nobody_states_is_held_unless_the_store_declares_one() -> None:
    assert "currency" in held(receipt(*RUNG, currency=""))
    assert read(receipt(*RUNG, currency=""), currency="CHF")["currency"] == "CHF"
    stores = {"7": {"currency": "EUR"}, "8": {"currency": "GBP"}}
    assert read(receipt(*RUNG, currency=""), currency="CHF", stores=stores)["currency"] == "EUR"
    assert read(receipt(*RUNG, currency="USD"), currency="CHF", stores=stores)["currency"] == "USD"


@pytest.mark.parametrize("code", ["EURO", "eu", "12A"])
def test_what_is_no_currency_is_refused(code: str) -> None:
    assert "currency" in held(receipt(*RUNG, currency=code))


def test_amounts_in_two_currencies_are_nobodys_to_guess() -> None:
    mixed = (in_currency("GBP")[0], in_currency("EUR")[1], total("10.00"))
    assert "currenc" in held(receipt(*mixed, currency=""))
    assert "currenc" in held(receipt(*in_currency("GBP"), currency="EUR"))


def test_a_foreign_tender_keeps_its_money_and_its_rate() -> None:
    foreign = (
        "<ForeignCurrency><CurrencyCode>USD</CurrencyCode><OriginalFaceAmount>12.00</OriginalFaceAmount>"
        "<ExchangeRate>0.8333</ExchangeRate></ForeignCurrency>"
    )
    made = read(receipt(RUNG[0], tender(9, "10.00", more=foreign), RUNG[2]))
    assert made["tenders"][0]["foreign"] == {"currency": "USD", "amount": Decimal("12.00"), "rate": Decimal("0.8333")}


TIMES = {
    "with the offset of its own": ("2026-03-02T10:00:00.5+07:00", {}, "2026-03-02T10:00:00.5+07:00"),
    "with the zone of the store": ("2026-07-02T10:00:00", {"zone": "Europe/Berlin"}, "2026-07-02T10:00:00+02:00"),
    "in winter": ("2026-01-02T10:00:00", {"zone": "Europe/Berlin"}, "2026-01-02T10:00:00+01:00"),
    "in the hour that comes twice": ("2026-10-25T02:30:00", {"zone": "Europe/Berlin"}, "2026-10-25T02:30:00"),
    "in UTC": ("2026-03-02T10:00:00Z", {"zone": "Europe/Berlin"}, "2026-03-02T10:00:00Z"),
    "without a zone": ("2026-03-02T10:00:00", {}, "2026-03-02T10:00:00"),
}


@pytest.mark.parametrize("what", TIMES)
def test_times_keep_their_offset_or_get_that_of_the_store(what: str) -> None:
    written, rules, said = TIMES[what]
    made = read(receipt(*RUNG, head=f"<EndDateTime>{written}</EndDateTime>"), **rules)
    assert made["endAt"] == said


@pytest.mark.parametrize(("offset", "said"), [("07:00:00", "+07:00"), ("-03:30", "-03:30"), ("+02:00:00", "+02:00")])
def test_an_offset_that_stands_beside_a_time_is_that_of_the_time(offset: str, said: str) -> None:
    head = f'<BeginDateTime v:Offset="{offset}">2023-12-19T11:42:40.973</BeginDateTime>'
    assert read(receipt(*RUNG, head=head))["beginAt"] == f"2023-12-19T11:42:40.973{said}"
    assert "Offset" in held(receipt(*RUNG, head=head.replace(offset, "late")))


def test_a_return_keeps_its_sale_its_reason_and_what_becomes_of_the_article() -> None:
    back = entry(
        "<Return><ItemID>A</ItemID><POSIdentity><POSItemID>A</POSItemID></POSIdentity>"
        '<POSIdentity POSIDType="EAN"><POSItemID>4006381333931</POSItemID></POSIdentity>'
        '<MerchandiseHierarchy Level="Dept">1</MerchandiseHierarchy><MerchandiseHierarchy Level="Tax">T2'
        "</MerchandiseHierarchy><ExtendedAmount>10.00</ExtendedAmount><Quantity>1</Quantity>"
        '<Quantity UnitOfMeasureCode="KGM">0.4</Quantity><SerialNumber>S-1</SerialNumber><Reason>Broken</Reason>'
        "<Disposal><Method>Scrap</Method></Disposal><TransactionLink><SequenceNumber>5</SequenceNumber>"
        "</TransactionLink><GiftCard><Number>G</Number></GiftCard><TaxExemption><ID>X</ID></TaxExemption>"
        "<ReasonCode>R1</ReasonCode></Return>",
        1,
    )
    made = read(receipt(back, tender(9, "-10.00"), total("-10.00")))
    (line,) = made["lines"]
    assert line["serial"] == "S-1"
    assert line["gtin"] == "4006381333931"
    assert line["more"] == {
        "POSIdentity": [{"POSItemID": "A"}, {"@POSIDType": "EAN", "POSItemID": "4006381333931"}],
        "MerchandiseHierarchy": [{"@Level": "Dept", "#text": "1"}, {"@Level": "Tax", "#text": "T2"}],
        "Quantity": ["1", {"@UnitOfMeasureCode": "KGM", "#text": "0.4"}],
        "Reason": "Broken",
        "ReasonCode": "R1",
        "Disposal": {"Method": "Scrap"},
        "TransactionLink": {"SequenceNumber": "5"},
        "GiftCard": {"Number": "G"},
        "TaxExemption": {"ID": "X"},
    }


def test_additions_of_vendors_are_kept_wherever_they_stand() -> None:
    made = read(
        receipt(
            *RUNG,
            "<v:Body><v:Kind>x</v:Kind></v:Body>",
            "<DocumentNumber>77</DocumentNumber>",
            entry("<v:Note>n</v:Note>", 3),
            head="<v:Shift>late</v:Shift><SellerId>9</SellerId>",
        )
    )
    assert made["extensions"] == {"Shift": "late", "SellerId": "9", "Body": {"Kind": "x"}, "DocumentNumber": "77"}
    assert made["events"] == [{"name": "Note", "value": "n"}]


def test_loyalty_accounts_are_read() -> None:
    account = "<LoyaltyAccount><Program><LoyaltyAccountID>L-9</LoyaltyAccountID></Program></LoyaltyAccount>"
    assert read(receipt(*RUNG, account))["loyalty"] == ["L-9"]


def test_an_order_of_a_customer_with_goods_and_tenders_is_read_like_a_receipt() -> None:
    content = receipt(*RUNG).replace("RetailTransaction", "CustomerOrderTransaction")
    made = read(content)
    assert made["kind"] == "customer_order"
    assert [line["amount"] for line in made["orderedLines"]] == [10]
    assert made["control"]["ok"]


@pytest.mark.parametrize("name", ["transaction", "POSTransaction", "TRANSACTION", "Sale", "RetailTransaction"])
def test_what_looks_like_a_transaction_under_another_name_is_rejected_and_hides_none_of_its_neighbours(
    name: str,
) -> None:
    odd = f"<{name}><SequenceNumber>1</SequenceNumber></{name}>"
    good = receipt(goods(1, "10.00"), tender(9, "10.00"), total("10.00"))
    found = list(
        documents(io.BytesIO(poslog(good, odd, good.replace("<SequenceNumber>1<", "<SequenceNumber>2<", 1))), "f.xml")
    )
    assert [type(one) for one in found] == [Record, RejectedRecord, Record]
    assert isinstance(found[1], RejectedRecord)
    assert f"{name} is none of Transaction" in found[1].reason
    (alone,) = documents(io.BytesIO(poslog(odd)), "f.xml")
    assert isinstance(alone, RejectedRecord)


@pytest.mark.parametrize("name", ["StrangeEvent", "saleEvent", "SuspendEvent"])
def test_an_event_of_a_journal_that_nobody_knows_is_rejected(name: str) -> None:
    content = f"""<NAXML-POSJournal><TransmissionHeader/><JournalReport>
      <{name}><TransactionID>7</TransactionID></{name}></JournalReport></NAXML-POSJournal>"""
    (found,) = documents(io.BytesIO(content.encode()), "f.xml")
    assert isinstance(found, RejectedRecord)
    assert f"{name} is none of" in found.reason
    assert "SaleEvent" in found.reason


@pytest.mark.parametrize("content", [poslog(), b"<NAXML-POSJournal><JournalReport/></NAXML-POSJournal>"])
def test_a_journal_of_a_day_without_sales_has_nothing(content: bytes) -> None:
    assert list(documents(io.BytesIO(content), "f.xml")) == []


def test_an_envelope_may_be_named_like_a_transaction() -> None:
    good = poslog(receipt(goods(1, "10.00"), tender(9, "10.00"), total("10.00"))).decode()
    content = f"<SendTransaction><Head/>{good}</SendTransaction>"
    assert [type(one) for one in documents(io.BytesIO(content.encode()), "f.xml")] == [Record]
