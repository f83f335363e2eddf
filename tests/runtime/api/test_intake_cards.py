"""Cardholder data that is handed in as JSON is not stored, neither in a message nor in a dead letter."""

from __future__ import annotations

import json
from typing import Any

import pytest

from runtime.models import Message, RejectedMessage

pytestmark = pytest.mark.django_db(transaction=True)
CARD = "4111111111111111"


def test_card_numbers_lose_their_middle_and_codes_go_and_the_receipt_says_so(till: Any) -> None:
    item = {"id": "a", "total": 1, "pay": {"PAN": CARD, "cvv": "737"}, "note": f"by {CARD}", "price": 1.10}
    answer = till({"items": [item, {"id": "b", "total": 2}]})
    assert answer.status_code == 202
    first, second = answer.json()["receipts"]
    assert "2 card numbers masked, 1 code dropped" in first["reason"]
    assert second["reason"] == ""
    stored = Message.objects.get(key="a").payload
    assert stored["pay"] == {"PAN": "411111******1111", "cvv": "***"}
    assert stored["note"] == "by 411111******1111"
    assert till({"items": [item]}).json()["duplicate"] == 1


def test_a_dead_letter_of_intake_has_none_either(till: Any) -> None:
    till({"items": [{"pay": {"card_number": CARD, "cvc": 737}}, {"total": 3, "x": CARD}]})
    kept = " ".join(json.dumps(one.raw) for one in RejectedMessage.objects.all())
    assert RejectedMessage.objects.count() == 2
    assert CARD not in kept
    assert "737" not in kept
