"""A sale that nobody paid, that is rounded by more than a step of cash, or whose money is of two currencies, is no sale
that can be booked."""

from __future__ import annotations

import pytest

from tests.runtime.connectors.receipts import goods, held, read, receipt, tender, total

SOLD, PAID = goods(1, "10.00"), tender(9, "10.00")
USD = 'Currency="USD"'


@pytest.mark.parametrize("parts", [(SOLD,), (SOLD, tender(9, "10.00", void="true")), (SOLD, tender(9, "0.00"))])
def test_what_nobody_paid_is_held(parts: tuple[str, ...]) -> None:
    reason = held(receipt(*parts, total("10.00")))
    assert "do not pay the total 10.00" in reason
    assert "difference of 10.00" in reason


def test_what_comes_to_nothing_needs_no_tender() -> None:
    swapped = (SOLD, goods(2, "-10.00", kind="Return", item="B", quantity="-1"), total("0.00"))
    assert read(receipt(*swapped))["sale"] is True


ROUNDED = goods(1, "10.02")


@pytest.mark.parametrize(
    ("rounded", "paid", "rules"),
    [
        ("1.00", "1.00", {}),
        ("0.00", "", {}),
        ("9.95", "9.95", {}),
        ("10.03", "10.03", {}),
        ("10.00", "10.00", {"cash_step": "0.01", "tolerance": "0.01"}),
        ("9.95", "9.95", {"cash_step": "0.05"}),
        ("1.00", "1.00", {"cash_step": "0.05"}),
    ],
)
def test_a_rounded_total_is_held_that_no_step_of_cash_explains(rounded: str, paid: str, rules: dict[str, str]) -> None:
    parts = [ROUNDED, total("10.02"), f"<RoundedTotal>{rounded}</RoundedTotal>", *([tender(9, paid)] if paid else [])]
    assert "cash_step" in held(receipt(*parts), **rules)


@pytest.mark.parametrize("rules", [{}, {"cash_step": "0.05"}, {"tolerance": "0.02"}, {"cash_step": "5"}])
def test_a_rounded_total_within_what_is_declared_is_paid(rules: dict[str, str]) -> None:
    parts = (ROUNDED, total("10.02"), "<RoundedTotal>10.00</RoundedTotal>", tender(9, "10.00", kind="CreditDebit"))
    assert read(receipt(*parts), **rules)["control"]["ok"]


def test_a_rounded_total_that_rounds_nothing_is_paid() -> None:
    assert read(receipt(SOLD, PAID, total("10.00"), "<RoundedTotal>10.00</RoundedTotal>"))["control"]["ok"]


CHANGE = f"<TenderChange><Amount {USD}>10.00</Amount></TenderChange>"
PRICE = f"<ActualSalesUnitPrice {USD}>10.00</ActualSalesUnitPrice>"
PRICED = SOLD.replace("<ExtendedAmount>", f"{PRICE}<ExtendedAmount>")
UNTOLD = "<ForeignCurrency><CurrencyCode>USD</CurrencyCode></ForeignCurrency>"
MIXED = {
    "the only grand total": (SOLD, PAID, total("10.00", attributes=USD)),
    "the change": (SOLD, tender(9, "20.00", more=CHANGE), total("10.00")),
    "cash given beside": (SOLD, tender(9, "20.00", more=f"<Cashback {USD}>10.00</Cashback>"), total("10.00")),
    "the rounded total": (SOLD, PAID, total("10.00"), f"<RoundedTotal {USD}>10.00</RoundedTotal>"),
    "a price": (PRICED, PAID, total("10.00")),
    "a usual price": (PRICED.replace("Actual", "Regular"), PAID, total("10.00")),
    "a modifier": (
        SOLD.replace(
            "<ExtendedAmount>", f"<RetailPriceModifier><Amount {USD}>1</Amount></RetailPriceModifier><ExtendedAmount>"
        ),
        PAID,
        total("10.00"),
    ),
    "a payment that says no sum of it": (SOLD, tender(9, "10.00", more=UNTOLD), total("10.00")),
    "the body": (SOLD, PAID, total("10.00"), "<CurrencyCode>USD</CurrencyCode>"),
}


@pytest.mark.parametrize("what", MIXED)
def test_money_of_another_currency_is_not_booked_as_that_of_the_receipt(what: str) -> None:
    reason = held(receipt(*MIXED[what]))
    assert "no grand total" in reason if what == "the only grand total" else "USD" in reason


def test_a_receipt_without_a_currency_has_that_of_its_prices_or_of_its_body() -> None:
    assert read(receipt(PRICED, PAID, total("10.00"), currency=""), currency="EUR")["currency"] == "USD"
    inside = (SOLD, PAID, total("10.00"), "<CurrencyCode>USD</CurrencyCode>")
    assert read(receipt(*inside, currency=""), currency="EUR")["currency"] == "USD"


def test_a_payment_that_the_till_has_changed_is_one() -> None:
    told = UNTOLD.replace("</CurrencyCode>", "</CurrencyCode><OriginalFaceAmount>11.00</OriginalFaceAmount>")
    assert read(receipt(SOLD, tender(9, "10.00", more=told), total("10.00")))["control"]["ok"]
