"""A flag that says that something was not sold, and a currency, are read wherever they stand, or the receipt waits."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.runtime.connectors.receipts import entry, goods, held, read, receipt, tender, total

SOLD, PAID = goods(1, "10.00"), tender(9, "10.00")
RUNG = (SOLD, PAID, total("10.00"))
B = "<ItemID>B</ItemID><Quantity>1</Quantity><ExtendedAmount>5.00</ExtendedAmount>"
NAMES = (
    "VoidFlag",
    "CancelFlag",
    "VoidedFlag",
    "Voided",
    "TrainingModeFlag",
    "SuspendFlag",
    "SuspendedFlag",
    "voidflag",
)
SALE = "<SequenceNumber>2</SequenceNumber><Sale>{b}</Sale></LineItem>"
PLACES = {
    "an attribute of the line": '<LineItem {name}="{value}">' + SALE,
    "a vendor's attribute": '<LineItem v:{name}="{value}">' + SALE,
    "an element of the line": "<LineItem><{name}>{value}</{name}>" + SALE,
    "an attribute of the sale": "<LineItem>" + SALE.replace("<Sale>", '<Sale {name}="{value}">'),
    "an element of the sale": "<LineItem>" + SALE.replace("{b}", "{b}<{name}>{value}</{name}>"),
}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("place", PLACES)
def test_a_line_that_was_not_sold_is_not_booked(place: str, name: str) -> None:
    line = PLACES[place].format(name=name, value="true", b=B)
    made = read(receipt(SOLD, line, PAID, total("10.00")))
    assert [one["item"] for one in made["lines"]] == ["A"]
    assert [one["item"] for one in made["voidedLines"]] == ["B"]
    counted = receipt(SOLD, line, tender(9, "15.00"), total("15.00"))
    assert "does not add up" in held(counted)
    assert "does not add up" in held(counted, voids="flag")
    sold = PLACES[place].format(name=name, value="false", b=B)
    assert len(read(receipt(SOLD, sold, tender(9, "15.00"), total("15.00")))["lines"]) == 2


@pytest.mark.parametrize("name", ["VoidedFlag", "TrainingModeFlag"])
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("value", ["perhaps", ""])
def test_a_flag_of_a_line_that_cannot_be_read_holds_the_receipt(place: str, name: str, value: str) -> None:
    line = PLACES[place].format(name=name, value=value, b=B)
    assert name in held(receipt(SOLD, line, tender(9, "15.00"), total("15.00")))


@pytest.mark.parametrize("part", ["Tender", "Deposit", "Tax"])
def test_a_payment_a_charge_and_a_tax_that_were_taken_back_count_for_nothing(part: str) -> None:
    gone = entry(f'<{part} VoidFlag="true"><Amount>2.00</Amount></{part}>', 2)
    assert read(receipt(SOLD, gone, PAID, total("10.00")))["control"]["ok"]
    counted = "12.00" if part != "Tender" else "10.00"
    paid = "8.00" if part == "Tender" else "12.00"
    assert "does not add up" in held(receipt(SOLD, gone, tender(9, paid), total(counted)))


def test_flags_in_other_letters_are_read() -> None:
    assert read(receipt(*RUNG, on='trainingModeFlag="true"'))["training"]
    assert read(receipt(*RUNG, inside='suspendflag="TRUE"'))["suspended"]
    assert read(receipt(*RUNG, "<voidFlag>1</voidFlag>"))["voided"]
    assert read(receipt(*RUNG, on='transactionStatus="Suspended"'))["suspended"]


OTHERS = {
    "TestFlag": "training",
    "Training": "training",
    "IsTraining": "training",
    "AbortFlag": "cancelled",
    "AbortedFlag": "cancelled",
    "FailedFlag": "cancelled",
    "Cancel": "cancelled",
    "IsSuspended": "suspended",
    "IsVoided": "voided",
}


@pytest.mark.parametrize("name", OTHERS)
def test_other_names_of_flags_are_read(name: str) -> None:
    for given in ({"on": f'{name}="true"'}, {"inside": f'{name}="1"'}, {"head": f"<{name}>true</{name}>"}):
        made = read(receipt(*RUNG, **given))
        assert (made[OTHERS[name]], made["sale"]) == (True, False)
    assert name in held(receipt(*RUNG, head=f"<{name}/>"))


@pytest.mark.parametrize("word", ["Training", "v:Suspended", "CANCELED"])
def test_a_type_of_transaction_that_a_vendor_states_says_that_it_is_no_sale(word: str) -> None:
    assert read(receipt(*RUNG, on=f'v:TransactionType="{word}"'))["sale"] is False
    assert read(receipt(*RUNG, on='v:TransactionType="RETAIL_SALE"'))["sale"] is True


def test_a_post_void_beside_its_receipt_takes_another_transaction_back() -> None:
    assert "takes another transaction back" in held(receipt(*RUNG, head="<PostVoid/>"))


UNPLACED = {
    "the till's part": "<v:Register><v:TrainingModeFlag>true</v:TrainingModeFlag></v:Register>",
    "an attribute of it": '<v:Register TrainingModeFlag="true"/>',
    "a wrapper": '<v:Wrap><v:Inner SuspendFlag="1"/></v:Wrap>',
    "a void": '<v:Header VoidFlag="true"/>',
    "one that cannot be read": '<v:Register TrainingModeFlag="perhaps"/>',
}


@pytest.mark.parametrize("what", UNPLACED)
def test_a_flag_where_nobody_can_tell_what_it_is_about_holds_the_receipt(what: str) -> None:
    said = "Flag"
    assert said in held(receipt(*RUNG, head=UNPLACED[what]))
    assert said in held(receipt(*RUNG, UNPLACED[what]))
    assert read(
        receipt(*RUNG, head=UNPLACED[what].replace("true", "false").replace('"1"', '"0"').replace("perhaps", "0"))
    )


def test_training_deep_in_a_line_holds_the_receipt_and_a_modifier_that_was_taken_back_does_not() -> None:
    inside = SOLD.replace("</Sale>", '<v:Till><v:Mode TrainingModeFlag="true"/></v:Till></Sale>')
    assert "TrainingModeFlag" in held(receipt(inside, PAID, total("10.00")))
    more = '<RetailPriceModifier VoidFlag="true"><Amount>1.00</Amount></RetailPriceModifier></Sale>'
    assert read(receipt(SOLD.replace("</Sale>", more), PAID, total("10.00")))["sale"]


@pytest.mark.parametrize(
    "link",
    [
        '<TransactionLink VoidFlag="true"><SequenceNumber>1</SequenceNumber></TransactionLink>',
        '<v:OriginalTransaction VoidFlag="true"/>',
        "<v:PreviousReceipt><v:Suspended>true</v:Suspended></v:PreviousReceipt>",
    ],
)
def test_a_flag_of_another_transaction_says_nothing_of_this_one(link: str) -> None:
    assert read(receipt(*RUNG, link))["sale"] is True


USD = {
    "the line": SOLD.replace("<LineItem ", '<LineItem Currency="USD" '),
    "the sale": SOLD.replace("<Sale>", '<Sale CurrencyCode="USD">'),
    "the amount, in small letters": SOLD.replace("<ExtendedAmount>", '<ExtendedAmount currency="USD">'),
    "the amount, by another name": SOLD.replace("<ExtendedAmount>", '<ExtendedAmount currencyID="USD">'),
    "an element of the sale": SOLD.replace("<Sale>", "<Sale><CurrencyCode>USD</CurrencyCode>"),
    "an element of the line": SOLD.replace("<Sale>", "<Currency>USD</Currency><Sale>"),
}


@pytest.mark.parametrize("where", USD)
def test_a_currency_is_read_wherever_a_line_states_it(where: str) -> None:
    assert "USD" in held(receipt(USD[where], PAID, total("10.00")))
    assert read(receipt(USD[where], PAID, total("10.00"), currency=""), currency="EUR")["currency"] == "USD"


PAID_USD = {
    "the line": PAID.replace("<LineItem ", '<LineItem Currency="USD" '),
    "the tender": PAID.replace("<Tender ", '<Tender CurrencyCode="USD" '),
    "an element of the tender": PAID.replace("<Amount>", "<CurrencyCode>USD</CurrencyCode><Amount>"),
    "the amount, in small letters": PAID.replace("<Amount>", '<Amount currency="USD">'),
}


@pytest.mark.parametrize("where", PAID_USD)
def test_a_currency_is_read_wherever_a_tender_states_it(where: str) -> None:
    assert "tender 9 is in USD" in held(receipt(SOLD, PAID_USD[where], total("10.00")))
    assert read(receipt(SOLD, PAID_USD[where].replace("USD", "EUR"), total("10.00")))["sale"]


def test_a_total_in_small_letters_is_of_its_currency() -> None:
    assert "no grand total" in held(receipt(SOLD, PAID, total("10.00", attributes='currency="USD"')))


def test_an_identifier_of_a_currency_that_is_no_code_says_nothing() -> None:
    made = read(receipt(SOLD.replace("<Sale>", '<Sale CurrencyID="1">'), PAID, total("10.00")))
    assert made["currency"] == "EUR"


def test_amounts_of_a_flagged_line_do_not_count_twice() -> None:
    line = PLACES["an attribute of the sale"].format(name="VoidFlag", value="true", b=B)
    made = read(receipt(SOLD, line, PAID, total("10.00")))
    assert sum(one["amount"] for one in made["lines"]) == Decimal("10.00")
