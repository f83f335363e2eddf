"""Money of another country pays what it comes to in the currency of the receipt, or the sale waits."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.runtime.connectors.receipts import entry, goods, held, read, receipt, tender, total

SOLD = goods(1, "10.00")


def foreign(code: str, face: str, rate: str = "") -> str:
    said = f"<ExchangeRate>{rate}</ExchangeRate>" if rate else ""
    return (
        f"<ForeignCurrency><CurrencyCode>{code}</CurrencyCode><OriginalFaceAmount>{face}</OriginalFaceAmount>{said}"
        "</ForeignCurrency>"
    )


def given_in(code: str, amount: str, more: str = "", number: int = 9, kind: str = "") -> str:
    """A tender whose own amount is in another currency."""
    return entry(f'<Tender TenderType="Cash" {kind}><Amount Currency="{code}">{amount}</Amount>{more}</Tender>', number)


def sold(*tenders: str, amount: str = "10.00", currency: str = "EUR") -> str:
    return receipt(goods(1, amount), *tenders, total(amount), currency=currency)


RIGHT = {
    "a rate that multiplies": tender(9, "10.00", more=foreign("USD", "12.00", "0.8333")),
    "a rate that divides": tender(9, "10.00", more=foreign("USD", "12.00", "1.2")),
    "a rate of many digits": tender(9, "10.00", more=foreign("USD", "12.00", "0.833333333333")),
    "no rate": tender(9, "10.00", more=foreign("USD", "12.00")),
    "the own currency": tender(9, "10.00", more=foreign("EUR", "10.00", "1")),
    "an amount in the other currency": given_in("USD", "12.00", foreign("USD", "12.00", "0.833333")),
    "an amount in the other currency, a rate that divides": given_in("USD", "12.00", foreign("USD", "12.00", "1.2")),
    "an amount in the other currency, a rate alone": given_in(
        "USD", "12.00", "<ForeignCurrency><ExchangeRate>0.8333</ExchangeRate></ForeignCurrency>"
    ),
    "change in the own currency": tender(
        9, "16.66", more=foreign("USD", "20.00", "0.833") + "<TenderChange><Amount>6.66</Amount></TenderChange>"
    ),
    "change of an amount in the other currency": given_in(
        "USD", "20.00", foreign("USD", "20.00", "0.833") + "<TenderChange><Amount>6.66</Amount></TenderChange>"
    ),
}


@pytest.mark.parametrize("what", RIGHT)
def test_money_of_another_country_pays_what_it_comes_to(what: str) -> None:
    (paid,) = read(sold(RIGHT[what]))["tenders"]
    if paid.get("currency") == "USD":
        assert paid["effect"] == Decimal("10.00")
    assert "foreign" in paid


WRONG = {
    "one to one": (given_in("USD", "10.00", foreign("USD", "10.00", "0.8")), "8.00"),
    "one to one, by a rate that divides": (given_in("USD", "10.00", foreign("USD", "10.00", "1.25")), "12.50"),
    "an amount that the rate does not make": (tender(9, "10.00", more=foreign("USD", "12.00", "0.8")), "9.60 or 15.00"),
    "a cent more than was given": (tender(9, "10.00", more=foreign("USD", "12.02", "0.8333")), "10.02"),
    "the own currency, and another amount": (tender(9, "10.00", more=foreign("EUR", "12.00", "1")), "12.00 EUR"),
    "the own currency without a rate": (tender(9, "10.00", more=foreign("EUR", "12.00")), "12.00 EUR"),
    "no rate": (given_in("USD", "10.00", foreign("USD", "10.00")), "no rate"),
    "no ForeignCurrency": (given_in("USD", "10.00"), "no rate"),
    "two amounts": (given_in("USD", "12.00", foreign("USD", "13.00", "0.8333")), "13.00 USD"),
    "two currencies": (given_in("USD", "12.00", foreign("CHF", "12.00", "0.8333")), "12.00 CHF"),
    "a rate of nothing": (given_in("USD", "12.00", foreign("USD", "12.00", "0")), "ExchangeRate"),
    "a rate that is none": (tender(9, "10.00", more=foreign("USD", "12.00", "-0.8333")), "ExchangeRate"),
    "a rate that nobody can count with": (
        given_in("USD", "999999999999999", foreign("USD", "999999999999999", "0.000000000001")),
        "do not pay",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_money_of_another_country_that_does_not_come_to_the_total_is_held(what: str) -> None:
    content, said = WRONG[what]
    assert said in held(sold(content))


def test_a_tolerance_or_a_step_of_cash_is_that_of_what_is_changed_as_well() -> None:
    """Cash that is changed is rounded to what can be given out."""
    content = sold(tender(9, "10.00", more=foreign("USD", "12.00", "0.8350")))
    assert "0.02" in held(content)
    assert read(content, cash_step="0.05")["sale"]
    assert read(content, tolerance="0.02")["sale"]


def test_a_unit_is_that_of_the_currency_of_the_receipt() -> None:
    yen = given_in("USD", "12.00", foreign("USD", "12.00", "148.27"))
    assert read(sold(yen, amount="1779", currency="JPY"))["tenders"][0]["effect"] == 1779
    assert "do not pay" in held(sold(yen, amount="1780", currency="JPY"))
    dinar = given_in("USD", "12.00", foreign("USD", "12.00", "0.3071"))
    assert read(sold(dinar, amount="3.685", currency="KWD"))["tenders"][0]["effect"] == Decimal("3.685")
    assert "do not pay" in held(sold(dinar, amount="3.690", currency="KWD"))


def test_several_payments_in_other_currencies_pay_together_to_the_last_cent() -> None:
    parts = (
        given_in("USD", "5.01", foreign("USD", "5.01", "0.8333"), 7),
        given_in("CHF", "3.33", foreign("CHF", "3.33", "1.0477"), 8),
        tender(9, "2.34"),
    )
    made = read(sold(*parts))
    assert sum(one.get("effect", one["amount"]) for one in made["tenders"]) == Decimal("10.00")


def test_money_that_is_given_back_in_another_currency_is_given_back() -> None:
    back = goods(1, "-10.00", kind="Return", quantity="-1")
    for more in ('TypeCode="Refund"', 'ChangeFlag="true"'):
        paid = given_in("USD", "12.00", foreign("USD", "12.00", "0.8333"), kind=more)
        made = read(receipt(back, paid, total("-10.00")))
        assert made["tenders"][0]["effect"] == Decimal("-10.00")


def test_a_voided_payment_and_one_of_no_sale_are_not_asked() -> None:
    wrong = tender(8, "10.00", more=foreign("USD", "12.00", "0.5"), void="true")
    assert read(sold(wrong, tender(9, "10.00")), voids="flag")["sale"]
    training = receipt(SOLD, wrong.replace('VoidFlag="true"', ""), total("10.00"), on='TrainingModeFlag="true"')
    assert read(training)["training"]


def test_an_order_takes_in_what_the_money_comes_to() -> None:
    paid = given_in("USD", "12.00", foreign("USD", "12.00", "0.8333"))
    made = read(sold(paid).replace("RetailTransaction", "CustomerOrderTransaction"))
    assert (made["total"], made["charges"][0]["effect"]) == (Decimal("10.00"), Decimal("10.00"))


@given(st.integers(1, 10**6), st.decimals("0.0001", "300", places=4), st.booleans(), st.booleans())
@settings(max_examples=200, deadline=None)
def test_any_payment_in_another_currency_pays_what_it_comes_to_and_no_cent_else(
    cents: int, rate: Decimal, divides: bool, own: bool
) -> None:
    face = Decimal(cents).scaleb(-2)
    due = (face / rate if divides else face * rate).quantize(Decimal("0.01"))
    if not due:
        return
    more = foreign("USD", str(face), str(rate))

    def written(amount: Decimal) -> dict[str, Any]:
        paid = tender(9, str(amount), more=more) if own else given_in("USD", str(face), more)
        return {"content": sold(paid, amount=str(amount))}

    made = read(**written(due))
    assert made["sale"]
    assert own or made["tenders"][0]["effect"] == due
    other = due + Decimal("0.02")
    both = {(face / rate).quantize(Decimal("0.01")), (face * rate).quantize(Decimal("0.01"))}
    if all(abs(other - one) > Decimal("0.01") for one in both):
        assert "does not add up" in held(**written(other))
