"""The history of the attempts at a vendor, and how a result becomes a quarantine entry."""

from __future__ import annotations

from collections.abc import Sequence

from runtime.domain.retry import MESSAGE_NOT_NOW, VENDOR_UNAVAILABLE
from runtime.ledger.claims import Claim
from runtime.ledger.connections import Connection
from runtime.ledger.quarantine import QuarantineEntry
from runtime.ledger.vendor_client import SendResult

_INSERT = """
insert into runtime_attempt (subscription_id, lane, first, last, token, release_id, at, outcome, detail, reference)
values (%s, %s, %s, %s, %s, %s, clock_timestamp(), %s, %s, %s)"""


def record_attempt(
    conn: Connection, taken: Claim, first: int, last: int, outcome: str, detail: str, reference: str | None = None
) -> None:
    """Add one row to the history, even when the lease has ended and the worker no longer owns the lane."""
    token, release = taken.lease.token, taken.target.release
    conn.execute(
        _INSERT, (taken.subscription, taken.lane, first, last, token, release, outcome, detail[:2000], reference)
    )


def record_late_send(conn: Connection, taken: Claim, positions: Sequence[int]) -> None:
    """Record that a request was sent after the lease had ended, when another worker may already have owned the lane."""
    if positions:
        detail = "a request was sent after the lease had ended; the next worker may have sent the same messages"
        record_attempt(conn, taken, min(positions), max(positions), "late", detail)


def record_already_there(conn: Connection, taken: Claim, positions: Sequence[int]) -> None:
    """Record what the vendor had before the database went back: it counts as delivered and was not sent."""
    if positions:
        detail = f"{len(positions)} of them were there before the database went back; they were not sent again"
        record_attempt(conn, taken, min(positions), max(positions), "recovered", detail)


def quarantine_entry(
    position: int, key: str, result: SendResult, taken: Claim, *, held: bool = False
) -> QuarantineEntry | None:
    """The quarantine entry of a message after its result; None when it is confirmed or declined.

    `held`: an earlier message with the same key is in quarantine.
    """
    status = result.status
    if status in ("confirmed", "declined"):
        return None
    if status == "unknown" and taken.target.idempotency == "U":  # comes before `held`: this one may have arrived
        return QuarantineEntry(position, key, "unknown", "unknown", result.detail or "sent, and no answer")
    if status == "forgotten":
        reason_class = "recovery" if taken.lost_key(position) else "unknown"
        return QuarantineEntry(position, key, "unknown", reason_class, result.detail)
    if held or status == "blocked":
        return QuarantineEntry(position, key, "behind")
    if status == "deferred":
        return QuarantineEntry(position, key, "sending", "unavailable", result.detail)
    if status == "refused":
        return QuarantineEntry(position, key, "dead", "refused", result.detail, result.pattern)
    if status == "retry":
        wait = result.retry_after or MESSAGE_NOT_NOW.pause()
        return QuarantineEntry(position, key, "retry", "not_now", result.detail, result.pattern, wait)
    if status == "unsent":
        wait = result.retry_after or VENDOR_UNAVAILABLE.pause()
        return QuarantineEntry(position, key, "retry", "unavailable", result.detail, result.pattern, wait)
    wait, sent_by = VENDOR_UNAVAILABLE.pause(), taken.intent_release or taken.target.release
    return QuarantineEntry(position, key, "sending", "unknown", result.detail, delay=wait, intent_release=sent_by)
