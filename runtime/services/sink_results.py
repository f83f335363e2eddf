"""What a connector says became of one item, as the ledger's result."""

from __future__ import annotations

from runtime.connectors.protocols import WriteResult
from runtime.ledger.vendor_client import SendResult


def result_of(outcome: WriteResult) -> SendResult:
    reference, answer = outcome.reference, outcome.answer
    detail = f"{outcome.message} [{outcome.code}]" if outcome.code and outcome.message else outcome.message
    if outcome.status in ("confirmed", "accepted"):
        return SendResult(outcome.status, reference, answer=answer)
    if outcome.status == "unknown":
        return SendResult("unknown", reference, detail=outcome.message, fault=outcome.fault, answer=answer)
    if outcome.status == "declined":
        return SendResult("declined", reference, detail or outcome.code, outcome.code, answer=answer)
    if outcome.code == "not_sent":
        return SendResult(
            "unsent", detail=outcome.message, retry_after=outcome.retry_after or None, fault=outcome.fault
        )
    if outcome.retriable:
        wait = outcome.retry_after
        return SendResult("retry", reference, detail, outcome.code, retry_after=wait, answer=answer)
    pattern = f"{outcome.code}: {outcome.message}"
    return SendResult("refused", reference, detail or outcome.code, pattern, answer=answer)
