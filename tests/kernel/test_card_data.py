"""Cardholder data does not enter: card numbers lose their middle, codes and tracks go."""

from __future__ import annotations

from typing import Any

import pytest

from kernel.card_data import MaskedCards, masked

VISA, AMEX, MASTER = "4111111111111111", "378282246310005", "5555 5555 5555 4444"


@pytest.mark.parametrize(
    ("given", "left", "numbers", "dropped"),
    [
        ({"note": f"paid by {VISA}."}, {"note": "paid by 411111******1111."}, 1, 0),
        ({"x": [VISA, {"y": AMEX}]}, {"x": ["411111******1111", {"y": "378282*****0005"}]}, 2, 0),
        ({"x": MASTER}, {"x": "555555******4444"}, 1, 0),
        ({"x": 4111111111111111}, {"x": "411111******1111"}, 1, 0),
        ({"PrimaryAccountNumber": "1234567890123456"}, {"PrimaryAccountNumber": "123456******3456"}, 1, 0),
        ({"card_number": "short"}, {"card_number": "***"}, 1, 0),
        ({"cardNumber": "411111******1111"}, {"cardNumber": "411111******1111"}, 0, 0),
        ({"pan": "************1111"}, {"pan": "************1111"}, 0, 0),
        ({"CVV": "123", "a": 1}, {"CVV": "***", "a": 1}, 0, 1),
        ({"card": {"cvc2": 123, "Track2Data": ";x=?", "pin_block": "A"}}, None, 0, 3),
    ],
)
def test_card_data_is_masked_by_name_and_by_its_check_digit(given: Any, left: Any, numbers: int, dropped: int) -> None:
    count = MaskedCards()
    made = masked(given, count)
    assert (count.numbers, count.dropped) == (numbers, dropped)
    if left is not None:
        assert made == left


@pytest.mark.parametrize(
    "value",
    [
        {"item": "00000000090162", "gtin": "4006381333931"},
        {"ItemID": VISA},  # an article is an article
        {"loyaltyId": "6304000000000000"},
        {"x": "4111111111111112"},  # no check digit
        {"x": "1234567890123452"},  # of no issuer
        {"id": "7/1/2026-03-02/1", "at": "2026-03-02T10:00:00.123456+00:00"},
        {"company": "x", "panel": "5", "accounts": "7", "identifier": "0004111111111111111100"},
        {"amount": 12.5, "n": 7, "none": None, "yes": True},
    ],
)
def test_what_is_no_card_stays_as_it_is(value: Any) -> None:
    count = MaskedCards()
    assert masked(value, count) is value
    assert not count


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("code", "5018100000030"),  # an article of Great Britain whose number passes the check of cards, too
        ("sscc", "356000000000000022"),
        ("gln", "5020100000002"),
        ("serialNumber", "4111111111111111"),
    ],
)
def test_what_trade_numbers_its_things_with_is_no_card(name: str, number: str) -> None:
    count = MaskedCards()
    assert masked({name: number}, count) == {name: number}
    assert not count
