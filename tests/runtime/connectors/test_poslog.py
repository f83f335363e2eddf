"""POSLog: real transactions, both dialects, and files that mean harm."""

import contextlib
import io
import json
import os
import random
from decimal import Decimal

import pytest
from lxml import etree

from runtime.connectors.legible_xml import LegibleXml
from runtime.connectors.poslog.connector import documents, gap_warnings
from runtime.connectors.poslog.document import gaps, sale_document
from runtime.connectors.poslog.reading import NotPosLog
from runtime.connectors.poslog.rules import PLAIN
from runtime.connectors.poslog.stream import transactions
from runtime.connectors.protocols import RejectedRecord
from runtime.connectors.registry import open_source
from runtime.mapping import decode
from sandbox.poslog import Line, Transaction, document
from tests.runtime.connectors.conformance import SourceConformance, call, read_all

ARTS = "http://www.nrf-arts.org/IXRetail/namespace/"
V6 = f"""<?xml version="1.0" encoding="UTF-8"?>
<p:POSLog xmlns:p="{ARTS}" xmlns:v="urn:vendor" MajorVersion="6" MinorVersion="0" FixVersion="0">
 <p:Transaction MajorVersion="6" CancelFlag="false" TrainingModeFlag="true" TransactionStatus="Delivered">
  <p:BusinessUnit><p:UnitID TypeCode="RetailStore">0815</p:UnitID></p:BusinessUnit>
  <p:WorkstationID>3</p:WorkstationID><p:SequenceNumber>77</p:SequenceNumber><p:TransactionID>T-77</p:TransactionID>
  <p:BusinessDayDate>2026-03-28</p:BusinessDayDate><p:EndDateTime>2026-03-29T00:10:00</p:EndDateTime>
  <p:CurrencyCode>EUR</p:CurrencyCode><v:Shift>late</v:Shift>
  <p:RetailTransaction>
   <p:LineItem><p:SequenceNumber>1</p:SequenceNumber><p:Sale ItemType="Stock"><p:ItemID>TG11</p:ItemID>
     <p:RegularSalesUnitPrice>11.90</p:RegularSalesUnitPrice><p:ActualSalesUnitPrice>9.90</p:ActualSalesUnitPrice>
     <p:ExtendedAmount>19.80</p:ExtendedAmount><p:Quantity UnitOfMeasureCode="EA">2</p:Quantity>
     <v:Colour>red</v:Colour></p:Sale></p:LineItem>
   <p:LineItem><p:SequenceNumber>2</p:SequenceNumber><p:Return><p:ItemID>TG12</p:ItemID>
   <p:ExtendedAmount>5.00</p:ExtendedAmount>
     <p:Quantity>1</p:Quantity></p:Return></p:LineItem>
   <p:LineItem><p:SequenceNumber>3</p:SequenceNumber><p:Tax TaxType="VAT">
   <p:TaxableAmount TaxIncludedInTaxableAmountFlag="true">14.80</p:TaxableAmount>
     <p:Amount>2.36</p:Amount><p:Percent>19</p:Percent></p:Tax></p:LineItem>
   <p:LineItem><p:SequenceNumber>4</p:SequenceNumber><p:Tender TenderType="Cash" TypeCode="Sale">
   <p:Amount>20.00</p:Amount>
     <p:TenderChange><p:Amount>5.20</p:Amount></p:TenderChange></p:Tender></p:LineItem>
   <p:Total TotalType="TransactionGrandAmount">14.80</p:Total>
  </p:RetailTransaction>
 </p:Transaction>
 <p:Transaction><p:BusinessUnit><p:UnitID>0815</p:UnitID></p:BusinessUnit><p:WorkstationID>3</p:WorkstationID>
  <p:SequenceNumber>78</p:SequenceNumber><p:BusinessDayDate>2026-03-28</p:BusinessDayDate>
  <p:TenderControlTransaction><p:TenderPickup>
  <p:Amount>100.00</p:Amount></p:TenderPickup></p:TenderControlTransaction></p:Transaction>
</p:POSLog>"""


def sale(sequence=1, **more):
    lines = [
        Line(item="TG11", description="Espresso", quantity="2", unit_price="1.50", amount="3.00"),
        Line(item="TG12", description="Jar", quantity="-1", unit_price="4.25", amount="-4.25", kind="return"),
    ]
    made = {
        "store": "7",
        "till": "1",
        "date": "2026-03-02",
        "sequence": sequence,
        "end": "2026-03-02T10:00:00",
        "currency": "EUR",
        "lines": lines,
    }
    return Transaction(**{**made, **more})


def read(xml):
    content = xml if isinstance(xml, bytes) else xml.encode()
    return [decode(r.payload) for r in documents(io.BytesIO(content))]


@pytest.mark.shared_data
def test_the_real_file_gives_51_transactions_and_every_sale_adds_up(shared_data):
    path = shared_data / "poslog" / "ncr-acs-51-transactions.xml"
    if not path.is_file():
        pytest.skip(f"{path} is absent")
    with path.open("rb") as file:
        found = list(documents(file, path.name))
    assert len(found) == 51
    assert not any(isinstance(r, RejectedRecord) for r in found)
    assert len({r.key for r in found}) == 51
    made = [decode(r.payload) for r in found]
    sales = [d for d in made if d["kind"] == "retail"]
    assert len(sales) == 42
    assert [d["id"] for d in sales if not d["control"]["ok"]] == []
    assert sum(len(d["lines"]) for d in sales) == 544
    assert sum(len(d["loyalty"]) for d in sales) == 4
    assert sum(len(d.get("voidedLines", ())) for d in sales) == 8, "four lines, and four that void them"
    assert (
        sorted(d["control_kind"] for d in made if d["kind"] == "control")
        == ["no_sale"] * 2 + ["sign_off"] * 3 + ["sign_on"] * 4
    )


def test_version_6_is_read_like_version_2():
    made, pickup = read(V6)
    assert made["id"] == "0815/3/2026-03-28/77"
    assert (made["businessDate"], made["endAt"]) == ("2026-03-28", "2026-03-29T00:10:00"), (
        "the business date outlives midnight"
    )
    assert (made["training"], made["cancelled"], made["transactionId"], made["status"]) == (
        True,
        False,
        "T-77",
        "Delivered",
    )
    assert [(line["kind"], line["amount"], line["quantity"]) for line in made["lines"]] == [
        ("sale", Decimal("19.80"), 2),
        ("return", Decimal("5.00"), 1),
    ]
    assert made["lines"][0]["price"] == Decimal("9.90")
    assert made["lines"][0]["extensions"] == {"Colour": "red"}
    assert made["extensions"] == {"Shift": "late"}
    assert made["control"] == {"ok": True, "reasons": [], "basis": "taxes included", "adjustments": 0}
    assert pickup["kind"] == "tender_control"
    assert pickup["extensions"] == {"TenderPickup": {"Amount": "100.00"}}


def test_sales_returns_and_voids_of_version_2_add_up():
    voided = [
        Line(item="TG11", description="x", quantity="1", unit_price="2.00", amount="2.00"),
        Line(item="TG11", description="x", quantity="-1", unit_price="2.00", amount="-2.00", void=True),
    ]
    made = read(
        document([sale(), sale(2, lines=voided), sale(3, control="Sign on"), sale(4, training=True, loyalty="M-1")])
    )
    assert [d["control"]["ok"] for d in made if "control" in d] == [True, True, True]
    assert [d["kind"] for d in made] == ["retail", "retail", "control", "retail"]
    assert (made[1]["lines"], [line["voided"] for line in made[1]["voidedLines"]]) == ([], [True, True])
    assert (made[3]["training"], made[3]["loyalty"]) == (True, ["M-1"])


def test_a_sale_that_does_not_add_up_is_held_and_says_why():
    xml = document([sale()]).replace(
        b'TotalType="TransactionGrandAmount">-1.25', b'TotalType="TransactionGrandAmount">-1.26'
    )
    (found,) = documents(io.BytesIO(xml))
    assert isinstance(found, RejectedRecord)
    assert "lines -1.25, rewards 0 and taxes 0 do not add up to the total -1.26 (a difference of 0.01)" in found.reason
    (without,) = documents(io.BytesIO(document([sale()]).replace(b"TransactionGrandAmount", b"Other")))
    assert isinstance(without, RejectedRecord)
    assert "the transaction states no grand total" in without.reason


GRAND = '<p:Total TotalType="TransactionGrandAmount">14.80</p:Total>'


def with_totals(*totals, header="<p:CurrencyCode>EUR</p:CurrencyCode>"):
    made = "".join(f'<p:Total TotalType="TransactionGrandAmount"{more}>{amount}</p:Total>' for amount, more in totals)
    xml = V6.replace(GRAND, made).replace("<p:CurrencyCode>EUR</p:CurrencyCode>", header)
    return next(documents(io.BytesIO(xml.encode())))


EUR, CHF = ' Currency="EUR"', ' Currency="CHF"'


@pytest.mark.parametrize(
    "totals",
    [
        [("14.80", ""), ("14.8", "")],
        [("14.80", EUR), ("13.90", CHF)],
        [("14.80", ""), ("13.90", CHF)],
        [("14.80", EUR), ("14.80", "")],
        [("13.90", CHF), ("14.80", EUR)],
    ],
)
def test_totals_of_one_kind_that_agree_or_are_of_other_currencies_are_kept(totals):
    document = decode(with_totals(*totals).payload)
    assert (document["total"], document["control"]["ok"]) == (Decimal("14.80"), True)
    assert len(document["totals"]) == len(totals)


def test_the_only_currency_that_is_stated_is_that_of_the_total():
    assert decode(with_totals(("14.80", EUR), ("14.80", EUR), header="").payload)["total"] == Decimal("14.80")
    assert decode(with_totals(("14.80", CHF), header="").payload)["total"] == Decimal("14.80")
    assert "total" not in decode(with_totals(("14.80", CHF)).payload)


@pytest.mark.parametrize(
    ("totals", "header"),
    [
        ([("99.00", ""), ("14.80", "")], "<p:CurrencyCode>EUR</p:CurrencyCode>"),
        ([("14.80", ""), ("99.00", "")], "<p:CurrencyCode>EUR</p:CurrencyCode>"),
        ([("14.80", EUR), ("99.00", EUR)], "<p:CurrencyCode>EUR</p:CurrencyCode>"),
        ([("14.80", EUR), ("99.00", "")], "<p:CurrencyCode>EUR</p:CurrencyCode>"),
        ([("14.80", EUR), ("99.00", CHF)], ""),
    ],
)
def test_totals_of_one_kind_that_contradict_each_other_reject_the_transaction(totals, header):
    found = with_totals(*totals, header=header)
    assert isinstance(found, RejectedRecord)
    assert "TransactionGrandAmount" in found.reason
    assert "14.80" in found.reason
    assert "99.00" in found.reason


TWICE = {
    "WorkstationID": ("<p:WorkstationID>3</p:WorkstationID>", "<p:WorkstationID>4</p:WorkstationID>"),
    "SequenceNumber": ("<p:SequenceNumber>77</p:SequenceNumber>", "<p:SequenceNumber>78</p:SequenceNumber>"),
    "BusinessDayDate": (
        "<p:BusinessDayDate>2026-03-28</p:BusinessDayDate><p:EndDateTime>",
        "<p:BusinessDayDate>2026-03-29</p:BusinessDayDate>",
    ),
    "CurrencyCode": ("<p:CurrencyCode>EUR</p:CurrencyCode>", "<p:CurrencyCode>CHF</p:CurrencyCode>"),
    "UnitID": ('<p:UnitID TypeCode="RetailStore">0815</p:UnitID>', '<p:UnitID TypeCode="RetailStore">0816</p:UnitID>'),
    "ExtendedAmount": ("<p:ExtendedAmount>19.80</p:ExtendedAmount>", "<p:ExtendedAmount>9.80</p:ExtendedAmount>"),
    "Quantity": (
        '<p:Quantity UnitOfMeasureCode="EA">2</p:Quantity>',
        '<p:Quantity UnitOfMeasureCode="EA">1</p:Quantity>',
    ),
    "Amount": ("<p:Amount>20.00</p:Amount>", "<p:Amount>2.00</p:Amount>"),
}


@pytest.mark.parametrize("name", TWICE)
def test_what_a_transaction_says_once_and_says_twice_differently_rejects_it(name):
    old, second = TWICE[name]
    found = next(documents(io.BytesIO(V6.replace(old, second + old, 1).encode())))
    assert isinstance(found, RejectedRecord), decode(found.payload)
    assert name in found.reason
    assert "twice" in found.reason


def test_what_stands_twice_and_says_the_same_or_is_of_another_unit_is_read():
    old = '<p:Quantity UnitOfMeasureCode="EA">2</p:Quantity>'
    plain = next(documents(io.BytesIO(V6.encode())))
    same = '<p:Quantity UnitOfMeasureCode="EA">2.0</p:Quantity>'
    assert next(documents(io.BytesIO(V6.replace(old, old + same, 1).encode()))).payload == plain.payload
    other = '<p:Quantity UnitOfMeasureCode="KGM">7</p:Quantity>'
    made = decode(next(documents(io.BytesIO(V6.replace(old, old + other, 1).encode()))).payload)
    more = made["lines"][0].pop("more")
    assert [one["@UnitOfMeasureCode"] for one in more["Quantity"]] == ["EA", "KGM"]
    assert made == decode(plain.payload)


def test_amounts_keep_their_digits():
    payload = next(documents(io.BytesIO(document([sale()])))).payload
    assert b'"amount":3.00' in payload


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (b"<WorkstationID>1</WorkstationID>", b"", "missing: workstation"),
        (
            b"<SequenceNumber>1</SequenceNumber><BusinessDayDate>2026-03-02",
            b"<SequenceNumber>x1</SequenceNumber><BusinessDayDate>2026-03-02",
            "not a whole number",
        ),
        (b"<BusinessDayDate>2026-03-02", b"<BusinessDayDate>02.03.2026", "not a date"),
        (b"<ExtendedAmount>3.00", b"<ExtendedAmount>3,00", "ExtendedAmount is '3,00', not a number"),
        (b"<Quantity>2", b"<Quantity>1e5", "Quantity is '1e5', not a number"),
        (b"<Quantity>2", b"<Quantity>NaN", "not a number"),
    ],
)
def test_a_transaction_that_cannot_be_trusted_is_rejected_with_its_xml_and_the_next_is_read(old, new, reason):
    xml = document([sale(), sale(2)])
    assert old in xml
    first, second = documents(io.BytesIO(xml.replace(old, new, 1)), "f.xml")
    assert isinstance(first, RejectedRecord)
    assert reason in first.reason
    assert first.origin == "f.xml#1"
    assert first.payload.startswith(b"<Transaction")
    assert second.key == "7/1/2026-03-02/2"


LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 12))


@pytest.mark.parametrize(
    "xml",
    [
        f'<!DOCTYPE POSLog [<!ENTITY l0 "ha">{LAUGHS}]><POSLog><Transaction>&l11;</Transaction></POSLog>',
        '<!DOCTYPE POSLog [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
        "<POSLog><Transaction><WorkstationID>&x;</WorkstationID></Transaction></POSLog>",
        '<!DOCTYPE POSLog SYSTEM "http://127.0.0.1:9/evil.dtd"><POSLog/>',
        "<Html/>",
        "",
        "not xml",
        "<POSLog><Transaction>",
        "<POSLog>" + "<a>" * 5000,
    ],
)
def test_a_file_that_is_no_poslog_or_means_harm_is_refused_as_a_whole(xml):
    with pytest.raises(NotPosLog):
        list(documents(io.BytesIO(xml.encode())))


def test_damaged_files_give_records_rejections_or_one_refusal_and_nothing_else():
    rng = random.Random(11)
    whole = [V6.encode(), document([sale(), sale(2, control="Sign on"), sale(3, loyalty="M")])]
    for _ in range(300):
        content = bytearray(rng.choice(whole))
        for _ in range(rng.randint(1, 4)):
            at, roll = rng.randrange(len(content)), rng.random()
            if roll < 0.4:
                content[at] = rng.randrange(256)
            elif roll < 0.7:
                del content[at : at + rng.randint(1, 40)]
            else:
                content[at:at] = rng.choice(
                    [b"<", b"&", b"\x00", b"</p:Sale>", b"<Sale/>", b'" ', b"9e9", b"-", "ü".encode()]
                )
        with contextlib.suppress(NotPosLog):
            for made in documents(io.BytesIO(bytes(content))):
                assert isinstance(made, RejectedRecord) or decode(made.payload)["id"] == made.key


def test_what_was_read_is_let_go(tmp_path):
    """Memory holds what one read buffer holds (about 20 of these), however long the file is."""
    path = tmp_path / "big.xml"
    path.write_bytes(document([sale(n) for n in range(1, 1_000)]))
    largest = 0
    with path.open("rb") as file:
        for element, _ in transactions(LegibleXml(file), PLAIN):
            root = element.getparent()
            largest = max(largest, len(root))
    assert largest < 60


def test_gaps_in_a_tills_sequence_are_the_completeness_signal():
    assert gaps([5, 6, 9, 7, 12]) == [(8, 8), (10, 11)]
    assert gaps([5], previous=3) == [(4, 4)]
    assert gaps([1, 2], previous=998) == []
    assert gaps([]) == []
    assert gap_warnings(["7/1/2026-03-02/1", "7/1/2026-03-02/3", "7/2/2026-03-02/9"]) == [
        "7/1/2026-03-02: 2 not seen between its neighbours"
    ]


def test_unknown_kinds_of_transaction_are_kept_under_their_own_name():
    xml = (
        f'<Transaction xmlns="{ARTS}"><RetailStoreID>1</RetailStoreID>'
        "<WorkstationID>1</WorkstationID><SequenceNumber>1</SequenceNumber>"
        "<BusinessDayDate>2026-01-01</BusinessDayDate>"
        "<CarWashTransaction><Wax>yes</Wax></CarWashTransaction></Transaction>"
    )
    made = sale_document(etree.fromstring(xml))
    assert made["kind"] == "other:CarWashTransaction"
    assert made["extensions"] == {"Wax": "yes"}


class TestSource(SourceConformance):
    @pytest.fixture
    def root(self, tmp_path):
        for day in (2, 3):
            path = tmp_path / "incoming" / "7" / f"day{day}.xml"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(document([sale(n, date=f"2026-03-0{day}") for n in range(1, 6)]))
        return tmp_path

    @pytest.fixture
    def make(self, root):
        return lambda: open_source("poslog", {"root": str(root), "page_size": 2, "quiet": 0.0})

    @pytest.fixture
    def circumstances(self):
        return call()

    @pytest.fixture
    def expected(self, root):
        return [f"7/1/2026-03-0{day}/{n}" for day in (2, 3) for n in range(1, 6)]

    def test_a_broken_file_goes_to_quarantine_and_what_was_whole_is_kept(self, root, make, circumstances):
        path = root / "incoming" / "broken.xml"
        path.write_bytes(document([sale(90), sale(91)])[:-400])
        os.utime(path, (1_600_000_000, 1_600_000_000))
        source = make()
        pages = read_all(source, circumstances=circumstances)
        source.close()
        assert "7/1/2026-03-02/90" in [r.key for p in pages for r in p.records]
        assert len([r for p in pages for r in p.rejected if "quarantine" in r.reason]) == 1
        assert len([r.key for p in pages for r in p.records]) == 11

    def test_the_same_file_again_gives_the_same_keys_and_payloads(self, root, make, circumstances):
        def run():
            source = make()
            found = {
                r.key: json.loads(r.payload) for p in read_all(source, circumstances=circumstances) for r in p.records
            }
            source.close()
            return found

        first = run()
        path = root / "incoming" / "again.xml"
        path.write_bytes(document([sale(n, date="2026-03-02") for n in range(1, 6)]))
        again = run()
        assert set(again) < set(first)
        assert all(first[k] == v for k, v in again.items())
