"""Reasons and correlation ids are shown and stored; they hold no card number."""

from __future__ import annotations

import io

import pytest

from runtime.connectors.poslog.connector import documents
from runtime.connectors.poslog.reading import NotPosLog
from runtime.connectors.protocols import RejectedRecord
from runtime.domain.batches import correlations
from tests.runtime.connectors.receipts import goods, held, receipt, tender, total

CARD, SHOWN = "4111111111111111", "411111******1111"
RUNG = (goods(1, "10.00"), tender(9, "10.00"), total("10.00"))


def test_the_reason_of_a_rejected_transaction_shows_no_card_number() -> None:
    wrong = receipt(*RUNG).replace(
        "<SequenceNumber>1</SequenceNumber><Business", f"<SequenceNumber>{CARD}</SequenceNumber><Business"
    )
    twice = goods(1, "10.00").replace("<ItemID>", f"<ItemID>{CARD}</ItemID><ItemID>")
    for content in (wrong, receipt(twice, *RUNG[1:])):
        reason = held(content)
        assert CARD not in reason
        assert SHOWN in reason


@pytest.mark.parametrize("written", [CARD, "4111 1111 1111 1111", f"row {CARD}:7"])
def test_no_rejection_of_any_source_shows_a_card_number(written: str) -> None:
    reason = RejectedRecord("f:1", f"n is {written!r}, not a number").reason
    assert "1111 1111" not in reason
    assert CARD not in reason
    assert SHOWN in reason


def test_the_refusal_of_a_whole_document_shows_no_card_number() -> None:
    with pytest.raises(NotPosLog) as refused:
        list(documents(io.BytesIO(b'<?xml version="1.0" encoding="4111111111111111"?><POSLog/>')))
    assert CARD not in str(refused.value)


def test_a_card_number_is_no_correlation_id() -> None:
    found, unusable = correlations([CARD, "run-7", None])
    assert found == [None, "run-7", None]
    assert "card number" in unusable[0]
    assert CARD not in unusable[0]
