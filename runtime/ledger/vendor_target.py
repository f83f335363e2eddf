"""Deliver to a vendor: the results of batch k and the intent of batch k+1 are one commit; the call runs outside any
transaction."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any, Protocol

from runtime.connectors.protocols import OutboundMessage
from runtime.domain.correlation import trace_context
from runtime.domain.outcome_codes import CONFIRMED, DECLINED, QUARANTINED, SKIPPED, SUPERSEDED
from runtime.domain.retry import QUOTA_EMPTY, UNANSWERED_BATCH, VENDOR_UNAVAILABLE
from runtime.ledger import after, circuit_breaker, measures, safe_probe
from runtime.ledger.append import Fenced
from runtime.ledger.attempts import (
    IN_DOUBT,
    answers_worth_keeping,
    quarantine_entry,
    record_already_there,
    record_answers,
    record_attempt,
    record_calls,
    record_late_send,
    record_question,
    record_trouble,
)
from runtime.ledger.claimed import Claim
from runtime.ledger.claims import quota_left, release, release_unanswered, renew, spend, step
from runtime.ledger.connections import Connection
from runtime.ledger.evidence import DeliveryEvidence, outcomes_by_position
from runtime.ledger.faultpoints import hit
from runtime.ledger.leases import LEASE_SECONDS, lease_for_call
from runtime.ledger.log_reader import LoggedMessage, oldest_age, quarantined_keys, read_next, until_a_key_repeats
from runtime.ledger.mappers import Mapper
from runtime.ledger.quarantine import QuarantineEntry, blocked_by_earlier, poison_suspects, quarantine, split_blocked
from runtime.ledger.send_batch import SendBatch, SendOutcome, idempotency_key
from runtime.ledger.vendor_client import SendResult, VendorClient

SENDER_GONE = "its sender is gone and has not said what became of it"


class QuotaOverdrawn(Exception):
    """The vendor's quota does not hold this batch any more; nothing was stored."""


class SendsAgain(Protocol):
    """How the release of now would send what another one has sent."""

    def differs(self, message: LoggedMessage, sent: OutboundMessage) -> str:
        """Why that would not be the same once more; empty where it would."""
        ...


@dataclass(frozen=True, slots=True)
class MappedVendor:
    """A vendor client with the mapper of one release. `again`: of another release than that of now, how that of now
    sends the same."""

    mapper: Mapper
    vendor: VendorClient
    again: SendsAgain | None = None


VendorOfRelease = Callable[[int], MappedVendor]
"""The mapper and client of a release, by its id, for the claimed target. Cached by the caller."""


@dataclass(slots=True)
class PreparedBatch:
    """Messages `first..last` of the lane: what will be sent, what goes to quarantine before any call, and what is
    skipped."""

    first: int
    last: int
    messages: list[OutboundMessage]
    entries: list[QuarantineEntry]
    skipped: list[int]


@dataclass(slots=True)
class BatchResult:
    """What became of a batch, up to `position`; not stored yet. `answered`: the vendor has said something about it."""

    position: int
    evidence: DeliveryEvidence | None
    entries: list[QuarantineEntry]
    outcome: SendOutcome = field(default_factory=SendOutcome)
    answers: list[tuple[OutboundMessage, SendResult]] = field(default_factory=list)


def deliver(conn: Connection, taken: Claim, vendor_of: VendorOfRelease, *, max_batches: int = 1 << 30) -> int:
    """Deliver the lane; answers how many messages were passed. Raises Fenced when the lane is lost.

    An open intent found at the start is settled first, by asking. Under a closed gate nothing else happens.
    """
    start, pending = taken.position, None
    if taken.intent is not None:
        pending = _resume(conn, taken, vendor_of)
        if pending is None:
            return 0
        if taken.lease.ask_only:
            _commit(conn, taken, pending, None, leave=0.0)
            return pending.position - start
    elif taken.poison_suspect:
        pending = _quarantine_next(conn, taken)
    mapped = vendor_of(taken.target.release)
    if safe_probe.is_needed(taken):
        if pending is not None:  # what is known is stored first; the next claim probes
            return _forward(conn, taken, mapped, start, pending, 0)
        if (wait := safe_probe.lane_waits(conn, taken, mapped.vendor)) is not None:
            release(conn, taken, wait=wait)
            return 0
    return _forward(conn, taken, mapped, start, pending, max_batches)


def _quarantine_next(conn: Connection, taken: Claim) -> BatchResult | None:
    """Several owners have ended before they called: the next messages go to quarantine, each tried alone, and the lane
    goes on."""
    messages = read_next(conn, taken, taken.position, taken.limits.batch)
    if not messages:
        return None
    first, last = messages[0].position, messages[-1].position
    everything = outcomes_by_position(first, last, {}, rest=QUARANTINED)
    evidence = DeliveryEvidence(first, last, "aside", waiting=len(messages), outcomes=everything)
    return BatchResult(last, evidence, poison_suspects(messages, taken))


def _forward(
    conn: Connection, taken: Claim, mapped: MappedVendor, start: int, pending: BatchResult | None, max_batches: int
) -> int:
    position = pending.position if pending else taken.position
    for number in range(max_batches + 1):
        failed = pending is not None and bool(pending.outcome.failure)
        stopped = number == max_batches or failed or (taken.limits.pace is not None and number > 0)
        batch = None if stopped else _prepare(conn, taken, mapped.mapper, position, pending)
        if batch is None and pending is None:
            break
        wait = _wait_after(pending, taken)
        try:
            is_open = _commit(conn, taken, pending, batch, leave=wait, lease=lease_for_call(mapped.vendor.deadline))
        except QuotaOverdrawn:  # another lane took the rest of the quota first
            batch = None
            is_open = _commit(conn, taken, pending, None, leave=max(wait, QUOTA_EMPTY.pause()))
        pending = None
        if batch is None:
            return position - start
        if not is_open:
            release(conn, taken, wait=wait)
            return position - start
        hit("vendor.after_intent")
        pending = _call(conn, taken, mapped.vendor, batch)
        if pending is None:
            return position - start
        position = pending.position
        taken.lease.probe = taken.lease.probe and not pending.outcome.answered
    release(conn, taken)
    return position - start


def _wait_after(pending: BatchResult | None, taken: Claim) -> float:
    if pending is None:
        return 0.0
    if pending.outcome.failure:
        return pending.outcome.retry_after or VENDOR_UNAVAILABLE.pause()
    if taken.limits.pace is not None and pending.evidence is not None:
        return (pending.evidence.last - pending.evidence.first + 1) / taken.limits.pace
    return 0.0


def key_of(taken: Claim, position: int) -> str:
    """The idempotency key of the message at this position for the claimed target."""
    target = taken.target
    return idempotency_key(
        target.stream_salt,
        target.original_subscription,
        taken.lane,
        position,
        epochs=target.key_epochs,
        fresh_key=taken.fresh_key,
    )


def outbound(taken: Claim, message: LoggedMessage, document: Any) -> OutboundMessage:
    """A mapped message as it is sent to the claimed target."""
    key, trace = key_of(taken, message.position), message.traceparent
    if taken.spans is not None:
        trace = taken.spans.begin(message.position, message.correlation, trace)
    elif trace:
        trace = trace_context(message.correlation, key, trace) or ""
    made = OutboundMessage(message.key, key, b"", document, message.position, message.correlation, traceparent=trace)
    made.corrects = message.corrects
    return made


def _prepare(
    conn: Connection, taken: Claim, mapper: Mapper, position: int, pending: BatchResult | None
) -> PreparedBatch | None:
    limits = taken.limits
    count = limits.batch_at_pace
    if limits.metered:
        count = min(count, quota_left(conn, taken.target.vendor))
    upto = taken.same_recovery_until(position + 1)
    if upto is not None and taken.upto is not None:
        upto = min(upto, taken.upto)
    messages = read_next(conn, taken, position, count, upto=upto) if count else []
    if not messages:
        return None
    if taken.states_overwrite_each_other and not limits.coalesce:
        messages = until_a_key_repeats(messages)
    fresh = {entry.key for entry in pending.entries} if pending else set()
    batch = _batch(conn, taken, mapper, messages, fresh)
    while taken.lease.probe and len(batch.messages) > 1:  # an open circuit breaker is tried with one message
        messages = [message for message in messages if message.position <= batch.messages[0].position]
        batch = _batch(conn, taken, mapper, messages, fresh)
    return batch


def _batch(
    conn: Connection, taken: Claim, mapper: Mapper, messages: Sequence[LoggedMessage], fresh: set[str]
) -> PreparedBatch:
    free, waiting = split_blocked(messages, quarantined_keys(conn, taken, messages) | fresh)
    go, not_there = after.split(conn, taken, free)
    mapped, refused, skipped = mapper.many(go)
    if taken.limits.coalesce:
        newest = {message.key: message.position for message, _ in mapped}
        mapped = [(message, document) for message, document in mapped if newest[message.key] == message.position]
    out = [outbound(taken, message, document) for message, document in mapped]
    entries = [*refused, *not_there, *blocked_by_earlier(waiting)]
    return PreparedBatch(messages[0].position, messages[-1].position, out, entries, skipped)


def _commit(
    conn: Connection,
    taken: Claim,
    pending: BatchResult | None,
    batch: PreparedBatch | None,
    *,
    leave: float,
    lease: float = LEASE_SECONDS,
) -> bool:
    """Store the results of the batch before and the intent of the next, under a lease that lasts for its call; where
    there is no next, release the lane for `leave` seconds at least. All in one commit. Answers whether the next may be
    sent. Raises QuotaOverdrawn."""
    position, begun = pending.position if pending else taken.position, time.monotonic()
    try:
        metered = batch is not None and bool(batch.messages) and taken.limits.metered
        extra = pending is not None and bool(
            pending.entries or pending.answers or pending.outcome.failure or pending.outcome.calls
        )
        with conn.transaction() if metered or batch is None or extra else nullcontext():
            evidence = pending.evidence if pending else None
            intent = batch.last if batch else None
            is_open = step(conn, taken, position, evidence=evidence, gated=False, intent=intent, lease=lease)
            if batch and metered and is_open and not spend(conn, taken.target.vendor, len(batch.messages)):
                raise QuotaOverdrawn
            if pending:
                quarantine(conn, taken, pending.entries)
                told = [message.position for message, result in pending.answers if result.status in IN_DOUBT]
                record_calls(conn, taken, pending.outcome, told)
                record_answers(conn, taken, pending.answers)
                _record_vendor(conn, taken, pending)
            if batch is None:
                release(conn, taken, wait=leave)
            hit("vendor.before_commit")
    except Fenced:
        if pending:
            record_late_send(conn, taken, pending.outcome.late)
        raise
    if pending:
        measures.count_batch(conn, taken, pending.evidence)
    taken.position = position
    taken.first_sent, taken.last_sent, taken.rounds = begun, None, 0
    return is_open


def _record_vendor(conn: Connection, taken: Claim, result: BatchResult) -> None:
    record_question(conn, taken, result.outcome)
    if result.outcome.failure:
        record_trouble(conn, taken, result.outcome)
    elif result.outcome.answered:
        circuit_breaker.record_answer(conn, taken)


def run_batch(conn: Connection, taken: Claim, sending: SendBatch, messages: Sequence[OutboundMessage]) -> SendOutcome:
    """Send a batch. Where it ends for want of time, what left late before that is on record."""
    try:
        outcome = sending.run(messages)
    except Fenced:
        record_late_send(conn, taken, sending.outcome.late)
        raise
    record_already_there(conn, taken, outcome.already_there)
    return outcome


def _sending(
    conn: Connection, taken: Claim, client: VendorClient, *, ask_first: bool, lost_key: bool, send: bool = True
) -> SendBatch:
    def renewed(deadline: float) -> None:
        renew(conn, taken, deadline)

    return SendBatch(taken, client, ask_first=ask_first, lost_key=lost_key, send=send, renew=renewed)


def _bound_first_sent(conn: Connection, taken: Claim, first: int, last: int) -> None:
    """What a replay sends was sent first by its original subscription, and what is asked about after the database went
    back perhaps in the time that is lost: at the earliest when it arrived."""
    if (taken.is_replay or taken.asks_first(first)) and taken.limits.key_kept is not None:
        before = time.monotonic()
        arrived = before - oldest_age(conn, taken, first, last)
        taken.first_sent = min(taken.first_sent or before, arrived)


def _call(conn: Connection, taken: Claim, client: VendorClient, batch: PreparedBatch) -> BatchResult | None:
    _bound_first_sent(conn, taken, batch.first, batch.last)
    ask_first, lost_key = taken.is_replay or taken.asks_first(batch.first), taken.lost_key(batch.first)
    sending = _sending(conn, taken, client, ask_first=ask_first, lost_key=lost_key)
    outcome = run_batch(conn, taken, sending, batch.messages)
    hit("vendor.after_call")
    return _settle(conn, taken, batch, outcome)


def _settle(
    conn: Connection, taken: Claim, batch: PreparedBatch, outcome: SendOutcome, *, keep_unknown: bool = True
) -> BatchResult | None:
    """Turn results into evidence and quarantine entries. None: nothing is known of any message and all can be asked
    about later; the intent stays open. Where something is known, it is kept, and the others are quarantined one by
    one."""
    if keep_unknown and outcome.unresolved and not outcome.tells_something and taken.target.idempotency != "U":
        if outcome.question_fault is None:
            outcome.failure = outcome.failure or "no trustworthy answer"
        said = outcome.failure or outcome.question_detail
        record_attempt(conn, taken, batch.first, batch.last, "unknown", said, answer=_first_answer(outcome))
        record_trouble(conn, taken, outcome)
        record_question(conn, taken, outcome)
        wait = outcome.retry_after or UNANSWERED_BATCH.pause()
        release_unanswered(conn, taken, wait=wait, last_sent=outcome.last_sent)
        return None
    results = outcome.results
    settled = [message.position for message in batch.messages if results[message.position].status != "unsent"]
    end = batch.last if len(settled) == len(batch.messages) else max([batch.first - 1, *settled])
    answered = [(message, results[message.position]) for message in batch.messages if message.position <= end]
    before_call = [entry for entry in batch.entries if entry.position <= end]
    entries = sorted(before_call + _entries(answered, taken, outcome), key=lambda entry: entry.position)
    evidence = _evidence(batch, end, answered, entries, len(before_call)) if end >= batch.first else None
    return BatchResult(end, evidence, entries, outcome, answers_worth_keeping(answered))


def _first_answer(outcome: SendOutcome) -> str | None:
    return next((result.answer for result in outcome.results.values() if result.answer), None)


def _evidence(
    batch: PreparedBatch,
    end: int,
    answered: Sequence[tuple[OutboundMessage, SendResult]],
    entries: Sequence[QuarantineEntry],
    before_call: int,
) -> DeliveryEvidence:
    confirmed = [(message.position, result) for message, result in answered if result.status == "confirmed"]
    declined = [message.position for message, result in answered if result.status == "declined"]
    skipped = [position for position in batch.skipped if position <= end]
    refused = sum(entry.state == "dead" for entry in entries)
    superseded = (end - batch.first + 1) - len(answered) - len(skipped) - before_call
    groups = {
        CONFIRMED: [position for position, _ in confirmed],
        DECLINED: declined,
        SKIPPED: skipped,
        QUARANTINED: [entry.position for entry in entries],
    }
    references = [result.reference for _, result in confirmed]
    return DeliveryEvidence(
        batch.first,
        end,
        "answered",
        len(confirmed),
        superseded,
        len(skipped),
        refused,
        len(entries) - refused,
        references if any(references) else None,
        len(declined),
        outcomes_by_position(batch.first, end, groups, rest=SUPERSEDED),
    )


def _entries(
    answered: Sequence[tuple[OutboundMessage, SendResult]], taken: Claim, outcome: SendOutcome
) -> list[QuarantineEntry]:
    entries: list[QuarantineEntry] = []
    held: set[str] = set()
    for message, result in answered:
        doubt = message.position in outcome.in_doubt
        entry = quarantine_entry(message.position, message.key, result, taken, held=message.key in held, in_doubt=doubt)
        if entry is not None:
            entry.sent_between(taken.first_sent, outcome.last_sent)
            entries.append(entry)
            held.add(message.key)
    return entries


# -- an intent without an answer, found at takeover --------------------------------------------------------------------


def _resume(conn: Connection, taken: Claim, vendor_of: VendorOfRelease) -> BatchResult | None:
    """Ask about the batch whose answer is missing, then send what surely did not arrive.

    When another release made the intent, or the gate is closed, nothing is sent from here: what did not arrive is
    quarantined and goes through the present release later. A batch that keeps ending its owner is quarantined, message
    by message; so is one whose owner has lost its database session, until the end of the lease under which it may still
    be sending.
    """
    intent = taken.intent if taken.intent is not None else taken.position
    made_by = taken.intent_release or taken.target.release
    messages = read_next(conn, taken, taken.position, intent - taken.position, upto=intent)
    if not messages:
        return BatchResult(taken.position, None, [])
    mapped = vendor_of(made_by)
    batch = _batch(conn, taken, mapped.mapper, messages, set())
    if taken.lease.remaining_of_dead_owner or taken.poison_suspect or UNANSWERED_BATCH.exhausted(taken.rounds):
        return _in_doubt(taken, batch, made_by)
    _bound_first_sent(conn, taken, batch.first, batch.last)
    may_send = made_by == taken.target.release and not taken.lease.ask_only
    lost_key = taken.lost_key(batch.first)
    sending = _sending(conn, taken, mapped.vendor, ask_first=True, lost_key=lost_key, send=may_send)
    outcome = run_batch(conn, taken, sending, batch.messages)
    if taken.lease.overdue_by is not None:
        outcome.calls = _lost_calls(batch) | outcome.calls
    hit("vendor.after_resume")
    if may_send or outcome.failure:
        return _settle(conn, taken, batch, outcome)
    _defer_unsent(taken, batch, outcome)
    return _settle(conn, taken, batch, outcome, keep_unknown=False)


def _in_doubt(taken: Claim, batch: PreparedBatch, made_by: int) -> BatchResult:
    """Quarantine every message of a batch that was called, to be asked about first. The lane goes on."""
    reason_class, why = "unknown", SENDER_GONE
    if taken.poison_suspect:
        why = "its batch ended several workers"
    elif not taken.lease.remaining_of_dead_owner:
        reason_class, why = "unanswered", f"no trustworthy answer about its batch in {taken.rounds} rounds"
    wait = taken.lease.remaining_of_dead_owner
    in_doubt = [
        QuarantineEntry(message.position, message.key, "sending", reason_class, why, delay=wait, intent_release=made_by)
        for message in batch.messages
    ]
    for entry in in_doubt:
        entry.sent_between(taken.first_sent, taken.last_sent)
    entries = sorted([*batch.entries, *in_doubt], key=lambda entry: entry.position)
    superseded = batch.last - batch.first + 1 - len(batch.skipped) - len(entries)
    groups = {SKIPPED: batch.skipped, QUARANTINED: [entry.position for entry in entries]}
    outcomes = outcomes_by_position(batch.first, batch.last, groups, rest=SUPERSEDED)
    counts = 0, superseded, len(batch.skipped), 0, len(entries)
    evidence = DeliveryEvidence(batch.first, batch.last, "aside", *counts, outcomes=outcomes)
    lost = _lost_calls(batch) if reason_class == "unknown" else {}
    return BatchResult(batch.last, evidence, entries, SendOutcome(calls=lost))


def _lost_calls(batch: PreparedBatch) -> dict[int, SendResult]:
    """What an owner may have sent that has ended without a word."""
    said = SendResult("unknown", detail=SENDER_GONE)
    return {message.position: said for message in batch.messages}


def _defer_unsent(taken: Claim, batch: PreparedBatch, outcome: SendOutcome) -> None:
    """Nothing may be sent by this release now: what had not arrived waits in quarantine for the release that may send
    it, and is asked about once more then, for a request may still have been under way."""
    for message in batch.messages:
        if outcome.results[message.position].status == "unsent":
            detail = "not sent: the gate closed or another release was deployed"
            outcome.results[message.position] = SendResult("deferred", detail=detail)
    taken.intent_release = taken.intent_release or taken.target.release
