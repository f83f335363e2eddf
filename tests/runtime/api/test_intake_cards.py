"""Cardholder data that is handed in as JSON is not stored, neither in a message nor in a dead letter."""

from __future__ import annotations

import json
from typing import Any

import pytest

from runtime.models import Message, RejectedMessage
from runtime.services import rejudging

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


def test_neither_a_reason_nor_a_name_of_a_dead_letter_holds_a_card_number(till: Any) -> None:
    body = f'{{"items": [{{"id": "a", "{CARD}": 1, "{CARD}": 2}}, {{"id": "b", "pan": "{CARD}", "pan": 1}}]}}'
    answer = till(body.encode())
    assert [one["status"] for one in answer.json()["receipts"]] == ["refused", "refused"]
    kept = [f"{one.raw} {one.reason}" for one in RejectedMessage.objects.all()]
    assert len(kept) == 2
    assert CARD not in answer.content.decode() + "".join(kept)
    done = rejudging.judge_again("sales", "production", dry_run=False, actor=None, reason="again")
    assert (done.passed, done.still.total()) == (0, 2)
