"""Single cases of tills in the field: parts in places where the standard does not have them, and receipts of one kind
of money alone."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
import yaml

from runtime.mapping import compile_mapping, parse
from runtime.services.mappers import filter_mapping
from tests.runtime.connectors.receipts import charge, entry, goods, held, poslog, read, receipt, tender, total
from tests.runtime.connectors.test_poslog_sums import DEMO, posted_total, posting

RUNG = (goods(1, "10.00"), tender(9, "10.00"), total("10.00"))


def reaches_the_erp(document: Any) -> bool:
    formula = yaml.safe_load(DEMO.read_text())["targets"][0]["when"]
    return compile_mapping(parse(filter_mapping(formula)))(document).get("keep") is True


@pytest.mark.parametrize("name", ["SaleOfGiftCertificate", "PaymentOnAccount", "Deposit"])
def test_a_receipt_without_an_article_brings_its_money_to_the_books(name: str) -> None:
    made = read(receipt(charge(1, name, "50.00"), tender(2, "50.00"), total("50.00")))
    assert reaches_the_erp(made)
    assert posted_total(posting(made)) == Decimal("50.00")


def test_a_deposit_of_an_order_reaches_the_books_as_well() -> None:
    parts = goods(1, "100.00"), charge(2, "Deposit", "20.00"), tender(3, "20.00"), total("100.00")
    made = read(receipt(*parts).replace("RetailTransaction", "CustomerOrderTransaction"))
    assert reaches_the_erp(made)
    assert posted_total(posting(made)) == Decimal("20.00")


@pytest.mark.parametrize("part", ["LineItem", "Total", "Tender"])
def test_goods_and_money_outside_of_a_body_are_not_passed_over(part: str) -> None:
    """ARTS 1.0 has them directly below the transaction, which says its kind by `xsi:type`."""
    content = receipt(*RUNG)
    begin, end = content.index("<RetailTransaction"), content.index("</Transaction>")
    placed = {"LineItem": "".join(RUNG[:2]), "Total": RUNG[2], "Tender": "<Tender><Amount>10.00</Amount></Tender>"}
    reason = held(content[:begin] + placed[part] + content[end:])
    assert part in reason
    assert "RetailTransaction" in reason


def test_a_transaction_with_two_bodies_is_nobodys_to_guess() -> None:
    content = receipt(*RUNG)
    begin, end = content.index("<RetailTransaction"), content.index("</Transaction>")
    assert "RetailTransaction" in held(content[:end] + content[begin:end] + content[end:])


@pytest.mark.parametrize("before", [True, False])
def test_what_a_vendor_puts_beside_a_receipt_does_not_take_its_place(before: bool) -> None:
    """R10 has a FoodServiceTransaction beside the RetailTransaction."""
    beside = "<FoodServiceTransaction><OrderTime/></FoodServiceTransaction>"
    content = receipt(*RUNG, head=beside if before else "")
    made = read(content if before else content.replace("</Transaction>", f"{beside}</Transaction>"))
    assert (made["kind"], made["sale"]) == ("retail", True)
    assert made["extensions"] == {"FoodServiceTransaction": {"OrderTime": ""}}


def test_elements_of_a_vendor_without_a_namespace_are_kept_wherever_they_stand() -> None:
    inside = "<DocumentNumber>77</DocumentNumber><Instalments><Count>3</Count></Instalments>"
    line = goods(1, "10.00").replace("</Sale>", "<SellerId>12</SellerId></Sale>")
    more = entry("<TotalDiscountLine><Rut>1-9</Rut></TotalDiscountLine>", 3)
    content = receipt(line, more, *RUNG[1:], inside, head="<Branch>B</Branch>")
    made = read(f"<POSLog>{content}</POSLog>".encode())
    assert made["extensions"] == {"Branch": "B", "DocumentNumber": "77", "Instalments": {"Count": "3"}}
    assert made["lines"][0]["more"] == {"SellerId": "12"}
    assert made["events"] == [{"name": "TotalDiscountLine", "value": {"Rut": "1-9"}}]


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("NoSale", "no_sale"),
        ("EndOfDay", "end_of_day"),
        ("StartOfDay", "start_of_day"),
        ("TrainingModeStart", "training"),
        ("v:PostVoid", "post_void"),
        ("Unheard", "other"),
    ],
)
@pytest.mark.parametrize(
    "form", ['<ControlTransaction TypeCode="{}"/>', "<ControlTransaction><TypeCode>{}</TypeCode></ControlTransaction>"]
)
def test_a_control_says_its_kind_by_its_code(said: str, kind: str, form: str) -> None:
    content = receipt().replace("<RetailTransaction ></RetailTransaction>", form.format(said))
    assert read(content)["control_kind"] == kind


def test_a_receipt_that_only_says_its_total_is_kept_and_posts_nothing() -> None:
    """A receipt for spotting a customer (Ecrebo): no till, no number, no goods and no money."""
    content = (
        b"<POSLog><Transaction><BusinessUnit><UnitID>BK</UnitID></BusinessUnit><ReceiptNumber>T-1</ReceiptNumber>"
        b'<POSLogDateTime TypeCode="Transaction">2026-03-02T12:00:00</POSLogDateTime><CurrencyCode>GBP</CurrencyCode>'
        b'<CustomerOrderTransaction TypeCode="Transaction" TransactionStatus="Tendered">'
        b'<Total TotalType="TransactionGrandAmount">7.50</Total></CustomerOrderTransaction></Transaction></POSLog>'
    )
    assert "workstation, business date, sequence number" in held(content)
    made = read(content, till="0", number="receipt", day_begins="00:00")
    assert (made["id"], made["sale"], made["total"]) == ("BK/0/2026-03-02/T-1", False, Decimal("7.50"))


def test_times_that_stand_for_several_steps_are_read_once() -> None:
    """Decathlon's receipts have a time of the sale and one of the payment."""
    head = "".join(
        f'<{name} TypeCode="D:{step}">2026-03-02T1{at}:00:00</{name}>'
        for name in ("BeginDateTime", "EndDateTime")
        for at, step in enumerate(("Sales", "Payment"))
    )
    content = receipt(*RUNG, head=head, inside='TransactionStatus="Finished"')
    content = content.replace("<BusinessDayDate>2026-03-02</BusinessDayDate>", "")
    made = read(content, day_begins="00:00")
    assert (made["businessDate"], made["beginAt"], made["sale"]) == ("2026-03-02", "2026-03-02T10:00:00", True)


def test_a_vendor_that_states_an_amount_and_its_own_currency_keeps_both() -> None:
    foreign = tender(9, "10.00", more="<v:Paid v:Currency='USD'>11.00</v:Paid>")
    made = read(poslog(receipt(RUNG[0], foreign, RUNG[2])))
    assert made["tenders"][0]["extensions"] == {"Paid": {"@Currency": "USD", "#text": "11.00"}}
    assert made["currency"] == "EUR"


WRAPPED = {
    "all of it in one": "<v:Body>{lines}{total}</v:Body>",
    "lines in a list": "<LineItems>{lines}</LineItems>{total}",
    "each in its own, further in": "<v:A><v:Sold>{sold}</v:Sold></v:A><v:Paid>{paid}</v:Paid><v:S>{total}</v:S>",
    "beside a copy of another sale": (
        "<v:Original><LineItem><Sale><ItemID>Z</ItemID><ExtendedAmount>99</ExtendedAmount></Sale></LineItem>"
        "</v:Original><TransactionLink><LineItem/></TransactionLink><v:Body>{lines}{total}</v:Body>"
    ),
}


@pytest.mark.parametrize("form", WRAPPED.values(), ids=WRAPPED)
def test_lines_in_an_element_of_a_vendor_are_those_of_the_receipt(form: str) -> None:
    sold, paid = goods(1, "7.00") + goods(2, "3.00", item="B"), tender(3, "10.00")
    made = read(receipt(form.format(lines=sold + paid, sold=sold, paid=paid, total=total("10.00"))))
    plain = read(receipt(sold + paid, total("10.00")))
    for name in ("sale", "lines", "tenders", "total", "control", "currency"):
        assert made[name] == plain[name], name
    assert reaches_the_erp(made)


def test_wrapped_lines_that_do_not_add_up_wait_and_flags_of_theirs_count() -> None:
    lines = goods(1, "7.00") + goods(2, "3.00", item="B")
    assert "a difference of 1" in held(receipt(f"<v:B>{lines}{tender(3, '11.00')}{total('11.00')}</v:B>"))
    assert "states no grand total" in held(receipt(f"<v:B>{lines}{tender(3, '10.00')}</v:B>"))
    voided = goods(1, "7.00") + goods(2, "3.00", item="B", void="true") + tender(3, "7.00")
    assert [one["item"] for one in read(receipt(f"<v:B>{voided}{total('7.00')}</v:B>"))["lines"]] == ["A"]
    told = held(receipt(f"<v:B><v:SuspendedFlag>true</v:SuspendedFlag>{lines}{total('10.00')}</v:B>"))
    assert "SuspendedFlag stands in B" in told


SALE = "<Sale><ItemID>A</ItemID><ExtendedAmount>10.00</ExtendedAmount></Sale>"


@pytest.mark.parametrize(
    "content",
    [
        SALE,
        f"<v:Items>{SALE}</v:Items>",
        f"<LineItem><SequenceNumber>1</SequenceNumber><v:Item>{SALE}</v:Item></LineItem>",
        '<v:Payments><Tender TenderType="Cash"><Amount>10.00</Amount></Tender></v:Payments>',
    ],
)
def test_goods_where_nobody_reads_them_hold_the_receipt(content: str) -> None:
    reason = held(receipt(content, total("10.00")))
    assert "where nobody reads it" in reason
    assert "LineItem" in reason
    flagged = read(receipt(content, total("10.00"), on='CancelFlag="true"'))
    assert (flagged["sale"], flagged["cancelled"]) == (False, True)


def test_a_receipt_of_unknown_lines_waits_where_it_comes_to_something() -> None:
    line = "<LineItem><SequenceNumber>1</SequenceNumber><v:Service><Price>10.00</Price></v:Service></LineItem>"
    reason = held(receipt(line, total("10.00")))
    assert "its total is 10.00, and none of its lines is one that is known (Service)" in reason
    for nothing in ("", total("0.00")):
        assert read(receipt(line, nothing))["sale"] is False


def test_a_copy_that_a_vendor_puts_beside_the_lines_changes_nothing() -> None:
    lines = goods(1, "10.00") + tender(2, "10.00")
    made = read(receipt(lines, total("10.00"), f"<v:Copy>{lines}{SALE}</v:Copy>"))
    assert (made["sale"], len(made["lines"])) == (True, 1)
    assert "Copy" in made["extensions"]
