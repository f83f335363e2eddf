"""The history of the attempts at a vendor, what an outcome says about that vendor, and how a result becomes a
quarantine entry."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from runtime.connectors.protocols import OutboundMessage
from runtime.domain.recovery import CANNOT_BE_ASKED, KEY_FORGOTTEN
from runtime.domain.retry import ACCEPTED, MESSAGE_NOT_NOW, UNANSWERED, VENDOR_UNAVAILABLE
from runtime.ledger import circuit_breaker, measures
from runtime.ledger.claimed import Claim
from runtime.ledger.connections import Connection
from runtime.ledger.quarantine import QuarantineEntry
from runtime.ledger.send_batch import SendOutcome
from runtime.ledger.vendor_client import SendResult

_INSERT = """
insert into runtime_attempt (
    subscription_id, lane, first, last, token, release_id, at, outcome, detail, reference, answer
)
values (%s, %s, %s, %s, %s, %s, clock_timestamp(), %s, %s, %s, %s)"""
IN_DOUBT = ("unknown", "unsettled", "forgotten", "differs", "any_state", "other_state")
WORDS = {
    "unsettled": "unknown",
    "forgotten": "unknown",
    "differs": "unknown",
    "deferred": "sending",
    "confirmed": "answered",
    "declined": "answered",
}
"""The word of the history where it is another. What ended with its batch is counted by the evidence of that batch, so
here it is only `answered`."""


def record_attempt(
    conn: Connection,
    taken: Claim,
    first: int,
    last: int,
    outcome: str,
    detail: str,
    reference: str | None = None,
    answer: str | None = None,
) -> None:
    """Add one row to the history, even when the lease has ended and the worker no longer owns the lane."""
    conn.execute(_INSERT, _row(taken, first, last, outcome, detail, reference, answer))


def _row(
    taken: Claim, first: int, last: int, outcome: str, detail: str, reference: str | None, answer: str | None
) -> tuple[object, ...]:
    named = reference[:200] if reference else None
    said = answer[:2000] if answer else None
    place = taken.subscription, taken.lane, first, last, taken.lease.token, taken.target.release
    return (*place, outcome, detail[:2000], named, said)


def answers_worth_keeping(
    answered: Sequence[tuple[OutboundMessage, SendResult]],
) -> list[tuple[OutboundMessage, SendResult]]:
    """Answers that say more than the evidence of their batch: of the vendor's business, about what it has not
    confirmed, and of a call with one message."""
    alone = len(answered) == 1
    return [
        (message, result)
        for message, result in answered
        if result.status == "declined"
        or (result.answer is not None and (alone or result.status != "confirmed"))
        or (result.reference is not None and result.status == "accepted")
    ]


def record_answers(conn: Connection, taken: Claim, answers: Sequence[tuple[OutboundMessage, SendResult]]) -> None:
    """Add one row to the history for each answer."""
    rows = [
        _row(
            taken,
            message.position,
            message.position,
            WORDS.get(result.status, result.status),
            result.detail,
            result.reference,
            result.answer,
        )
        for message, result in answers
    ]
    if rows:
        with conn.cursor() as cursor:
            cursor.executemany(_INSERT, rows)


def record_calls(conn: Connection, taken: Claim, outcome: SendOutcome, told: Collection[int] = ()) -> None:
    """Add a row to the history for calls that had no outcome: one for neighbours whose call said the same. `told`:
    positions of which another row says so. What was settled since is `unanswered`, and in no doubt any more."""
    rows: list[tuple[int, int, str, SendResult]] = []
    for position in sorted(outcome.calls.keys() - set(told)):
        now, said = outcome.results.get(position), outcome.calls[position]
        word = "unanswered" if now is not None and now.status not in IN_DOUBT else "unknown"
        if rows and rows[-1][1:] == (position - 1, word, said):
            rows[-1] = (rows[-1][0], position, word, said)
        else:
            rows.append((position, position, word, said))
    if rows:
        with conn.cursor() as cursor:
            values = [_row(taken, first, last, word, one.detail, None, one.answer) for first, last, word, one in rows]
            cursor.executemany(_INSERT, values)


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


def record_trouble(conn: Connection, taken: Claim, outcome: SendOutcome) -> None:
    """What an outcome says about the vendor that did not take its messages, or about the connection to it."""
    vendor = taken.target.vendor
    if outcome.fault is not None:
        circuit_breaker.record_fault_of(conn, taken, outcome.fault, outcome.failure)
    elif outcome.failure and outcome.retry_after:
        measures.count_answer(conn, taken, "answered")  # that it is not now is an answer
        circuit_breaker.record_throttling(conn, vendor, outcome.failure, retry_after=outcome.retry_after)
    elif outcome.failure:
        measures.count_answer(conn, taken, "unanswered")
        circuit_breaker.record_failure(conn, vendor, outcome.failure)


def record_question(conn: Connection, taken: Claim, outcome: SendOutcome) -> None:
    """What an outcome says about how its target is asked: whether the question is wrong, or right again."""
    if outcome.question_fault is not None:
        circuit_breaker.record_question_fault(conn, taken, outcome.question_fault, outcome.question_detail)
    elif outcome.question_answered:
        circuit_breaker.end_question_fault(conn, taken)


def quarantine_entry(
    position: int, key: str, result: SendResult, taken: Claim, *, held: bool = False, in_doubt: bool = False
) -> QuarantineEntry | None:
    """The quarantine entry of a message after its result; None when nothing more is to be done about it.

    `held`: an earlier message with the same key is in quarantine. `in_doubt`: an earlier try may have arrived.
    """
    status = result.status
    if status in ("confirmed", "declined"):
        return None
    sent_by = taken.intent_release or taken.target.release
    if status == "unsettled":  # it may still arrive, whatever holds it back
        wait = result.retry_after or 0.0
        return QuarantineEntry(position, key, "sending", status, result.detail, delay=wait, intent_release=sent_by)
    if status == "forgotten":
        reason_class = CANNOT_BE_ASKED if taken.lost_key(position) else KEY_FORGOTTEN
        return QuarantineEntry(position, key, "unknown", reason_class, result.detail)
    if status == "differs":
        return QuarantineEntry(position, key, "unknown", status, result.detail, intent_release=sent_by)
    if status == "unknown" and taken.target.idempotency == "U":  # comes before `held`: this one may have arrived
        return QuarantineEntry(position, key, "unknown", "unknown", result.detail or "sent, and no answer")
    if held or status == "blocked":
        return QuarantineEntry(position, key, "behind")
    if status == "refused" and in_doubt and not taken.is_replay:
        return _refused_again(position, key, result, taken)
    if status == "refused":
        return QuarantineEntry(position, key, "dead", "refused", result.detail, result.pattern)
    if status in ("retry", "unsent"):
        entry = _unsent(position, key, result)
        if in_doubt:  # "not now" may well mean that the first one is under way
            entry.state, entry.intent_release = "sending", sent_by
        return entry
    if status == "deferred":
        return QuarantineEntry(position, key, "sending", "unavailable", result.detail)
    if status == "accepted":
        wait, named = ACCEPTED.pause(), result.reference or ""
        entry = QuarantineEntry(position, key, "sending", status, result.detail, delay=wait, intent_release=sent_by)
        entry.accepted_as = named
        return entry
    wait = UNANSWERED.pause()
    return QuarantineEntry(position, key, "sending", "unanswered", result.detail, delay=wait, intent_release=sent_by)


def _refused_again(position: int, key: str, result: SendResult, taken: Claim) -> QuarantineEntry:
    """Of two calls the second was refused: that says nothing about the first, which may still take effect."""
    reason = f"refused when it was sent again, and the first may have arrived: {result.detail}"
    sent_by = taken.intent_release or taken.target.release
    entry = QuarantineEntry(position, key, "sending", "unsettled", reason, result.pattern, intent_release=sent_by)
    entry.delay, entry.rounds = taken.limits.settle, 1
    return entry


def _unsent(position: int, key: str, result: SendResult) -> QuarantineEntry:
    now = result.status == "retry"
    wait = result.retry_after or (MESSAGE_NOT_NOW if now else VENDOR_UNAVAILABLE).pause()
    reason_class = "not_now" if now else "unavailable"
    return QuarantineEntry(position, key, "retry", reason_class, result.detail, result.pattern, wait)
