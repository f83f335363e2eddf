"""What adds up by a part that is not what its name says does not add up: a discount that comes off nowhere, a tax that
is more than the price, a rounding of any size, change that is told twice, a payment that was declined."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.runtime.connectors.receipts import charge, entry, goods, held, read, receipt, tender, total
from tests.runtime.connectors.test_poslog_sums import posted_total, posting

SOLD, PAID = goods(1, "10.00"), tender(9, "10.00")


def sold(*parts: str, amount: str = "10.00") -> str:
    return receipt(*parts, total(amount))


def discounted(amount: str, more: str) -> str:
    return goods(1, amount).replace("<Quantity>", f"{more}<Quantity>")


def tax(amount: str, number: int = 5) -> str:
    return entry(f"<Tax><Amount>{amount}</Amount></Tax>", number)


@pytest.mark.parametrize("amount", ["3.00", "500.00", "-3.00"])
def test_a_discount_that_comes_off_nowhere_is_held(amount: str) -> None:
    assert f"a difference of {amount.lstrip('-')}" in held(sold(SOLD, charge(2, "Discount", amount), PAID))


STATED = {
    "its own discount": discounted("10.00", "<ExtendedDiscountAmount>3.00</ExtendedDiscountAmount>"),
    "a modifier": discounted(
        "10.00", '<RetailPriceModifier><Amount Action="Subtract">3.00</Amount></RetailPriceModifier>'
    ),
    "modifiers that add as well": discounted(
        "10.00",
        "<RetailPriceModifier><Amount>4.00</Amount></RetailPriceModifier>"
        '<RetailPriceModifier><Amount Action="Add">1.00</Amount></RetailPriceModifier>',
    ),
    "its usual price": discounted("10.00", "<RegularSalesUnitPrice>13.00</RegularSalesUnitPrice>"),
}


@pytest.mark.parametrize("what", STATED)
def test_a_discount_may_sum_up_what_the_lines_state_and_adds_nothing_to_the_total(what: str) -> None:
    made = read(sold(STATED[what], charge(2, "Discount", "3.00"), PAID), line_discounts="in")
    (one,) = made["charges"]
    assert (one["amount"], one["effect"], one["beside"]) == (Decimal("3.00"), 0, True)
    assert made["control"]["adjustments"] == 0
    assert "3.01" in held(sold(STATED[what], charge(2, "Discount", "3.01"), PAID), line_discounts="in")


def test_a_discount_may_sum_up_what_a_reward_took_off() -> None:
    reward = entry(
        '<LoyaltyReward v:summarizedActivity="true"><v:ExtendedRewardAmount>-2.00</v:ExtendedRewardAmount>'
        "<v:RewardCategory>Monetary</v:RewardCategory></LoyaltyReward>",
        3,
    )
    made = read(sold(SOLD, reward, charge(4, "Discount", "2.00"), tender(9, "8.00"), amount="8.00"))
    assert made["charges"][0]["effect"] == 0
    assert "2.50" in held(sold(SOLD, reward, charge(4, "Discount", "2.50"), tender(9, "8.00"), amount="8.00"))


@pytest.mark.parametrize(("name", "amount", "paid"), [("Tip", "2.00", "12.00"), ("Rounding", "-0.02", "9.98")])
def test_what_stands_beside_the_total_adds_nothing_to_it(name: str, amount: str, paid: str) -> None:
    made = read(sold(SOLD, charge(2, name, amount), tender(9, paid)))
    (one,) = made["charges"]
    assert (one["amount"], one["effect"], one["beside"]) == (Decimal(amount), 0, True)
    assert sum(line["amount"] for line in made["lines"]) + one["effect"] == made["total"]
    inside = read(sold(SOLD, charge(2, name, amount), tender(9, paid), amount=paid))
    assert inside["charges"][0]["effect"] == Decimal(amount)
    assert "beside" not in inside["charges"][0]


@pytest.mark.parametrize("amount", ["500.00", "-500.00", "10.01", "-1.60"])
def test_a_tax_that_is_no_part_of_the_price_is_held(amount: str) -> None:
    reason = held(sold(SOLD, tax(amount), PAID))
    assert "tax" in reason
    assert amount.lstrip("-") in reason


@pytest.mark.parametrize("taxes", [("500.00", "-498.40"), ("1.60", "-0.01")])
def test_taxes_that_only_together_are_part_of_the_price_are_held(taxes: tuple[str, str]) -> None:
    assert "tax" in held(sold(SOLD, *(tax(one, at) for at, one in enumerate(taxes, 5)), PAID))


RIGHT = {
    "of a sale": (SOLD, tax("1.60"), PAID),
    "of all of it": (SOLD, tax("10.00"), PAID),
    "of a sale and of what came back": (goods(1, "30.00"), goods(2, "-20.00", kind="Return"), tax("-3.19"), PAID),
    "of a discount": (goods(1, "12.00"), charge(2, "Discount", "2.00"), tax("1.92", 5), tax("-0.32", 6), PAID),
    "of a deposit": (goods(1, "1.00"), charge(2, "Deposit", "9.00"), tax("1.60"), PAID),
}


@pytest.mark.parametrize("what", RIGHT)
def test_a_tax_that_is_part_of_the_price_is_one(what: str) -> None:
    made = read(sold(*RIGHT[what]))
    assert made["control"]["basis"] == "taxes included"
    assert posted_total(posting(made)) == Decimal("10.00")


@pytest.mark.parametrize("written", ["1.60", "-1.60"])
def test_the_tax_of_what_came_back_has_either_sign(written: str) -> None:
    back = goods(1, "10.00", kind="Return", quantity="1")
    assert read(sold(back, tax(written), tender(9, "-10.00"), amount="-10.00"))["control"]["ok"]
    assert "tax" in held(sold(back, tax("10.01"), tender(9, "-10.00"), amount="-10.00"))


@pytest.mark.parametrize("amount", ["500.00", "-500.00", "-1.60"])
def test_a_line_states_no_tax_that_is_no_part_of_it(amount: str) -> None:
    line = discounted("10.00", f"<Tax><Amount>{amount}</Amount></Tax>")
    assert "line 1 of 10.00 states a tax" in held(sold(line, PAID))
    assert "line 1 of 10.00 states a tax" in held(sold(line, tax("1.60"), PAID))
    right = discounted("10.00", "<Tax><Amount>1.60</Amount></Tax>")
    assert read(sold(right, PAID))["lines"][0]["taxes"] == [{"amount": Decimal("1.60")}]


def rounding(direction: str, amount: str, number: int = 8) -> str:
    return entry(
        f'<Tender TenderType="X:Rounding"><Amount>{amount}</Amount>'
        f'<Rounding RoundingDirection="{direction}">{amount}</Rounding></Tender>',
        number,
    )


@pytest.mark.parametrize(
    "parts",
    [
        (tender(7, "5.02"), rounding("Down", "5.00")),
        (rounding("Down", "10.02"),),
        (tender(7, "15.02"), rounding("Up", "5.00")),
        (tender(7, "9.97"), rounding("Down", "0.05")),
        (tender(7, "9.92"), *(rounding("Down", "0.02", at) for at in range(10, 15))),
    ],
)
def test_a_rounding_that_is_a_tender_is_less_than_a_step_of_cash(parts: tuple[str, ...]) -> None:
    assert "cash_step" in held(receipt(goods(1, "10.02"), *parts, total("10.02")))


def test_a_rounding_within_the_step_that_is_declared_pays() -> None:
    parts = goods(1, "10.20"), tender(7, "10.00"), rounding("Down", "0.20"), total("10.20")
    assert "0.20" in held(receipt(*parts))
    assert read(receipt(*parts), cash_step="0.25")["control"]["ok"]
    assert read(receipt(*parts), tolerance="0.20")["control"]["ok"]


@pytest.mark.parametrize("amount", ["-5.00", "5.00", "0.05"])
def test_a_rounding_of_the_receipt_is_less_than_a_step_of_cash(amount: str) -> None:
    paid = str(Decimal(10) + Decimal(amount))
    for stated in (paid, "10.00"):
        assert "cash_step" in held(sold(SOLD, charge(2, "Rounding", amount), tender(9, paid), amount=stated))


def change(*amounts: str) -> str:
    return "".join(f"<TenderChange><Amount>{one}</Amount></TenderChange>" for one in amounts)


def test_all_change_of_a_tender_is_given_back() -> None:
    assert "tenders of 5.00 do not pay" in held(sold(SOLD, tender(9, "20.00", more=change("10.00", "5.00"))))
    (paid,) = read(sold(SOLD, tender(9, "25.00", more=change("10.00", "5.00"))))["tenders"]
    assert paid["change"] == Decimal("15.00")
    assert "tenders of 0 do not pay" in held(sold(SOLD, tender(9, "10.00", more=change("10.00"))))


@pytest.mark.parametrize("written", ["-10.00", "10.00"])
def test_change_that_is_a_tender_of_its_own_is_given_back_once(written: str) -> None:
    made = read(sold(SOLD, tender(8, "20.00"), tender(9, "-10.00", more=change(written))))
    assert made["control"]["ok"]


DECLINED = {
    "its type": 'TypeCode="Declined"',
    "its type, of a vendor": 'TypeCode="v:Refused"',
    "a type that voids": 'TypeCode="Void"',
}
REFUSED = {
    "not approved": '<Authorization Approved="false"><DeclinedCode>05</DeclinedCode></Authorization>',
    "not approved, by an element": "<Authorization><Approved>0</Approved></Authorization>",
    "declined": '<Authorization Declined="true"/>',
    "voided": '<Authorization VoidFlag="true"><AuthorizationCode>1</AuthorizationCode></Authorization>',
    "a code of the refusal alone": "<Authorization><DeclinedCode>05</DeclinedCode></Authorization>",
}


def tried(more: str = "", attributes: str = "") -> str:
    return entry(f'<Tender TenderType="CreditDebit" {attributes}><Amount>10.00</Amount>{more}</Tender>', 8)


@pytest.mark.parametrize("what", [*DECLINED, *REFUSED])
def test_a_payment_that_was_declined_pays_nothing(what: str) -> None:
    one = tried(REFUSED.get(what, ""), DECLINED.get(what, ""))
    assert "tenders of 0 do not pay the total 10.00" in held(sold(SOLD, one))
    made = read(sold(SOLD, one, PAID))
    assert [tender["sequence"] for tender in made["tenders"]] == [9]
    (gone,) = made["voidedTenders"]
    assert (gone["sequence"], gone["declined"], gone["voided"]) == (8, True, True)


def test_a_payment_that_was_asked_for_again_and_approved_pays() -> None:
    refused, approved = REFUSED["not approved"], '<Authorization Approved="true"/>'
    assert read(sold(SOLD, tried(refused + approved)))["control"]["ok"]
    assert read(sold(SOLD, tried('<Authorization HostAuthorized="false"/>')))["control"]["ok"]
    assert "Approved" in held(sold(SOLD, tried('<Authorization Approved="perhaps"/>')))


def test_money_of_another_currency_that_is_told_twice_is_held() -> None:
    twice = "".join(
        f"<ForeignCurrency><CurrencyCode>USD</CurrencyCode><OriginalFaceAmount>{one}</OriginalFaceAmount>"
        "</ForeignCurrency>"
        for one in ("12.00", "13.00")
    )
    assert "ForeignCurrency stands twice" in held(sold(SOLD, tender(9, "10.00", more=twice)))
