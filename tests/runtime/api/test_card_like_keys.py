"""Two messages that are handed in under different keys are two, whatever their keys look like."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.urls import reverse

from kernel import tokens
from runtime.models import Message, RejectedMessage
from runtime.services import rejudging, resubmitting
from tests.runtime import scene
from tests.runtime.api.test_intake_poslog import RUNG, with_source
from tests.runtime.card_numbers import like_a_card
from tests.runtime.connectors.receipts import poslog, receipt

pytestmark = pytest.mark.django_db(transaction=True)
CARD = "4111111111111111"
TWINS = [like_a_card(number) for number in (1, 2, 3)]
NUMBER = "<SequenceNumber>1</SequenceNumber><Business"


def keyed(pointer: str) -> dict[str, Any]:
    event = {"name": "sale", "meaning": "fact", "key": pointer, "schema": {"type": "object", "required": ["total"]}}
    return {**with_source(poslog={"settings": {"number": "transaction"}}), "event": event}


@pytest.fixture
def hand_in(client: Any) -> Any:
    """`hand_in(body, pointer)` deploys an integration with this key once, and sends."""
    people = scene.estate()
    secret = tokens.issue(actor=people.sofia, user=people.sofia, name="till", scopes=["runtime:write"])[1]
    client.raise_request_exception = False
    made: list[scene.Site] = []

    def send(body: Any, pointer: str = "/id") -> Any:
        if not made:
            made.append(scene.Site(keyed(pointer), people.groups["sales-finance"]))
        xml = isinstance(body, bytes)
        return client.generic(
            "POST",
            reverse("runtime-api:intake", args=["sales"]),
            body if xml else json.dumps({"items": body}).encode(),
            content_type="application/xml" if xml else "application/json",
            headers={"Authorization": f"Bearer {secret}"},
        )

    return send


@pytest.mark.parametrize("pointer", ["/id", "/number", "/head/ref"])
@pytest.mark.parametrize("kind", [str, int])
def test_numbers_that_look_like_cards_are_keys_as_they_are(hand_in: Any, pointer: str, kind: type) -> None:
    *way, last = pointer.split("/")[1:]
    items = []
    for number in TWINS:
        named: Any = {last: kind(number)}
        items.append({"total": 1, "by": CARD, **({way[0]: named} if way else named)})
    answer = hand_in(items, pointer)
    assert answer.json()["accepted"] == 3, answer.content
    assert {one["key"] for one in answer.json()["receipts"]} == set(TWINS)
    assert all("1 card number masked" in one["reason"] for one in answer.json()["receipts"])
    for message in Message.objects.all():
        assert str(message.key) in json.dumps(message.payload)
        assert message.payload["by"] == "411111******1111"
    assert hand_in(items, pointer).json()["duplicate"] == 3


def test_transaction_ids_that_look_like_cards_are_receipts_of_their_own(hand_in: Any) -> None:
    made = [receipt(*RUNG).replace(NUMBER, f"<TransactionID>{one}</TransactionID><Business") for one in TWINS]
    answer = hand_in(poslog(*made))
    assert answer.json()["accepted"] == 3, answer.content
    assert {message.key for message in Message.objects.all()} == {f"7/1/2026-03-02/{one}" for one in TWINS}
    assert all(message.payload["id"] == message.key for message in Message.objects.all())


def test_a_key_that_is_a_card_number_by_its_name_is_refused_and_not_kept(hand_in: Any) -> None:
    answer = hand_in([{"pan": CARD, "total": 1}, {"pan": "5555555555554444", "total": 2}], "/pan")
    assert answer.status_code == 422
    assert "card number" in answer.json()["receipts"][0]["reason"]
    kept = RejectedMessage.objects.all()
    assert len(kept) == 2
    assert CARD not in answer.content.decode() + "".join(f"{one.raw} {one.key}" for one in kept)


def test_a_rejected_message_is_corrected_under_its_own_key(hand_in: Any) -> None:
    hand_in([{"number": one, "by": CARD} for one in TWINS], "/number")
    kept = list(RejectedMessage.objects.order_by("pk"))
    assert [one.key for one in kept] == TWINS
    for one in kept:
        payload = {**json.loads(one.raw), "total": 1}
        assert resubmitting.resubmit_rejected(one.pk, payload=payload, actor=None, note="a").status == "accepted"
    assert {message.key for message in Message.objects.all()} == set(TWINS)


def test_what_lost_the_middle_of_its_key_before_waits_for_the_whole_of_it(hand_in: Any) -> None:
    hand_in([{"number": "x"}], "/number")
    RejectedMessage.objects.update(raw='{"number": "400010******2556", "total": 1}', key="400010******2556")
    done = rejudging.judge_again("sales", "production", dry_run=False, actor=None, reason="again")
    assert (done.passed, done.still.total()) == (0, 1)
    assert not Message.objects.exists()
