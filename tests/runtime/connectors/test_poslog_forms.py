"""POSLog in the envelopes in which tills send it, and parts of it that decide nothing."""

from __future__ import annotations

import io

import pytest

from runtime.connectors.poslog.connector import documents
from runtime.connectors.poslog.reading import NotPosLog
from runtime.connectors.protocols import Record
from tests.runtime.connectors.receipts import ARTS, goods, held, poslog, read, receipt, tender, total

RUNG = (goods(1, "10.00"), tender(9, "10.00"), total("10.00"))
INSIDE = poslog(receipt(*RUNG)).decode()
BARE = receipt(*RUNG).replace("<Transaction ", f'<Transaction xmlns="{ARTS}" xmlns:v="urn:vendor" ')


@pytest.mark.parametrize(
    "content",
    [
        f'<RTSLineItemAddRequest xmlns="urn:tp"><Header/><Body>{INSIDE}</Body></RTSLineItemAddRequest>',
        f'<TransactionLogLookupResponse xmlns="urn:r10"><Log>{BARE}</Log></TransactionLogLookupResponse>',
        f'<s:Envelope xmlns:s="urn:soap"><s:Body>{INSIDE}</s:Body></s:Envelope>',
        BARE,
    ],
)
def test_a_poslog_in_an_envelope_is_read(content: str) -> None:
    (found,) = documents(io.BytesIO(content.encode()))
    assert isinstance(found, Record)
    assert found.key == "7/1/2026-03-02/1"


def test_a_document_without_a_transaction_is_no_poslog() -> None:
    with pytest.raises(NotPosLog, match="Html"):
        list(documents(io.BytesIO(b"<Html><Body/></Html>")))
    assert list(documents(io.BytesIO(poslog()))) == []


@pytest.mark.parametrize("day", ["2018-02-31", "2026-13-01", "2026-02-29", "2026-03-02x"])
def test_a_day_that_no_calendar_has_is_refused(day: str) -> None:
    assert "is not a date" in held(receipt(*RUNG).replace("2026-03-02", day))


@pytest.mark.parametrize("day", ["2026-03-02T10:00:00", "2026-03-02Z", "2026-03-02+01:00", "2026-03-02 10:00:00"])
def test_a_day_with_a_time_or_a_zone_is_read(day: str) -> None:
    assert read(receipt(*RUNG).replace("2026-03-02", day))["businessDate"] == "2026-03-02"


def test_a_total_of_a_kind_that_nobody_uses_rejects_nothing() -> None:
    made = read(receipt(*RUNG, total("TEN PESOS", "GlosaAmountTotal")))
    assert made["totals"] == [
        {"type": "TransactionGrandAmount", "amount": 10},
        {"type": "GlosaAmountTotal", "text": "TEN PESOS"},
    ]
    assert "TransactionGrandAmount" in held(receipt(*RUNG[:2], total("TEN")))
