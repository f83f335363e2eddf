"""What a customer order takes in is money of its day: it reaches the books though its goods are not sold yet."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.runtime.connectors.receipts import charge, goods, held, read, receipt, tender, total
from tests.runtime.connectors.test_poslog_sums import posted_total, posting


def order(*parts: str) -> str:
    return receipt(*parts).replace("RetailTransaction", "CustomerOrderTransaction")


PAID = {
    "a deposit, told as one": ((goods(1, "100.00"), charge(2, "Deposit", "20.00"), tender(3, "20.00")), "20.00"),
    "the whole order": ((goods(1, "100.00"), tender(3, "100.00")), "100.00"),
    "with change": ((goods(1, "100.00"), tender(3, "120.00"), tender(4, "-20.00")), "100.00"),
}


@pytest.mark.parametrize("what", PAID)
def test_the_money_of_a_customer_order_reaches_the_books(what: str) -> None:
    parts, paid = PAID[what]
    made = read(order(*parts, total("100.00")))
    assert made["sale"] is True
    assert made["lines"] == []
    assert [line["item"] for line in made["orderedLines"]] == ["A"]
    assert (made["total"], made["orderTotal"]) == (Decimal(paid), Decimal("100.00"))
    sent = posting(made)
    assert posted_total(sent) == Decimal(sent["total"]) == Decimal(paid)
    assert sent["lines"] == []


def test_an_order_that_takes_nothing_in_is_no_sale() -> None:
    made = read(order(goods(1, "100.00"), total("100.00")))
    assert made["sale"] is False
    assert [line["item"] for line in made["orderedLines"]] == ["A"]


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ((goods(1, "100.00"), tender(3, "20.00"), total("100.00")), "80.00"),
        ((goods(1, "100.00"), charge(2, "Deposit", "25.00"), tender(3, "20.00"), total("100.00")), "5.00"),
        ((goods(1, "100.00"), tender(3, "120.00"), total("100.00")), "20.00"),
        ((goods(1, "100.00"), tender(3, "20.00")), "no grand total"),
    ],
)
def test_an_order_whose_money_is_not_explained_is_held_with_the_difference(parts: tuple[str, ...], said: str) -> None:
    reason = held(order(*parts))
    assert "does not add up" in reason
    assert said in reason


def test_orders_may_be_left_to_another_system() -> None:
    made: Any = read(order(goods(1, "100.00"), tender(3, "100.00"), total("100.00")), orders="apart")
    assert made["sale"] is False
    assert "orderTotal" not in made


@pytest.mark.parametrize("flag", ["TrainingModeFlag", "CancelFlag", "SuspendFlag", "VoidFlag"])
def test_an_order_that_does_not_count_takes_nothing_in(flag: str) -> None:
    content = order(goods(1, "100.00"), tender(3, "100.00"), total("100.00"))
    assert read(content.replace("<Transaction ", f'<Transaction {flag}="true" '))["sale"] is False
