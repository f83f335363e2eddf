"""Deliver to a vendor: the answer of batch k and the intent of batch k+1 are one commit; the call stands outside any transaction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

from runtime.domain.retry import MESSAGE_NOT_NOW, QUOTA_EMPTY, VENDOR_UNAVAILABLE
from runtime.ledger import vendors
from runtime.ledger.append import Fenced
from runtime.ledger.claims import Claim, Proof, quota_left, release, spend, step
from runtime.ledger.connections import Connection
from runtime.ledger.exchange import Exchange, Outcome, item_key
from runtime.ledger.faultpoints import hit
from runtime.ledger.parking import Mapper, Stop, behind, map_messages, park, split, suspects
from runtime.ledger.reading import Message, parked_keys, take
from runtime.ledger.vendors import Answer, Outgoing, Vendor

HELD = "an earlier one of its key is held"
NOT_SENT = "not sent: the gate closed or another release was deployed"


class Overdrawn(Exception):
    """The vendor's quota does not hold this batch any more; nothing was stored."""


@dataclass(frozen=True, slots=True)
class MappedVendor:
    """A vendor client with the mapper of one release."""

    mapper: Mapper
    vendor: Vendor


VendorOfRelease = Callable[[int], MappedVendor]
"""The mapper and client of a release, by its id, for the claimed target. Cached by the caller."""


@dataclass(slots=True)
class Batch:
    """Messages `first..last` of the lane: what goes, and what stops before any call."""

    first: int
    last: int
    items: list[Outgoing]
    stops: list[Stop]
    skipped: list[int]


@dataclass(slots=True)
class Settled:
    """What became of a batch, up to `position`; not stored yet."""

    position: int
    proof: Proof | None
    stops: list[Stop]
    late: list[int]
    failure: str = ""
    retry_after: float | None = None
    throttled: bool = False


def deliver(conn: Connection, taken: Claim, bind: VendorOfRelease, *, max_batches: int = 1 << 30) -> int:
    """Deliver the lane; answers how many messages were passed. Raises Fenced when the lane is lost.

    An open intent found at the start is settled first, by asking. Under a closed gate nothing else happens.
    """
    start, pending = taken.position, None
    if taken.intent is not None:
        pending = _resume(conn, taken, bind)
        if pending is None:
            return 0
        if taken.ask_only:
            _commit(conn, taken, pending, None, leave=0.0)
            return pending.position - start
    elif taken.suspect:
        pending = _set_aside(conn, taken)
    return _forward(conn, taken, bind(taken.release), start, pending, max_batches)


def _set_aside(conn: Connection, taken: Claim) -> Settled | None:
    """Several owners have ended before they called: the next messages become rows, each tried alone, and the lane goes on."""
    messages = take(conn, taken, taken.position, taken.batch)
    if not messages:
        return None
    first, last = messages[0].position, messages[-1].position
    return Settled(last, Proof(first, last, "aside", waiting=len(messages)), suspects(messages, taken), [])


def _forward(
    conn: Connection, taken: Claim, binding: MappedVendor, start: int, pending: Settled | None, max_batches: int
) -> int:
    position = pending.position if pending else taken.position
    for number in range(max_batches + 1):
        stopped = (
            number == max_batches
            or (pending is not None and bool(pending.failure))
            or (taken.pace is not None and number > 0)
        )
        batch = None if stopped else _prepare(conn, taken, binding, position, pending)
        if batch is None and pending is None:
            break
        wait = _wait_after(pending, taken)
        try:
            is_open = _commit(conn, taken, pending, batch, leave=wait)
        except Overdrawn:  # another lane took the rest of the quota first
            batch = None
            is_open = _commit(conn, taken, pending, None, leave=max(wait, QUOTA_EMPTY.pause()))
        pending = None
        if batch is None:
            return position - start
        if not is_open:
            release(conn, taken, wait=wait)
            return position - start
        hit("vendor.after_intent")
        pending = _call(conn, taken, binding.vendor, batch)
        if pending is None:
            return position - start
        position = pending.position
    release(conn, taken)
    return position - start


def _wait_after(pending: Settled | None, taken: Claim) -> float:
    if pending is None:
        return 0.0
    if pending.failure:
        return pending.retry_after or VENDOR_UNAVAILABLE.pause()
    if taken.pace is not None and pending.proof is not None:
        return (pending.proof.last - pending.proof.first + 1) / taken.pace
    return 0.0


def outgoing(taken: Claim, message: Message, document: Any) -> Outgoing:
    return Outgoing(message.position, message.key, item_key(taken, message.position), message.correlation, document)


def _prepare(
    conn: Connection, taken: Claim, binding: MappedVendor, position: int, pending: Settled | None
) -> Batch | None:
    count = min(taken.batch, quota_left(conn, taken.vendor)) if taken.metered else taken.batch
    messages = take(conn, taken, position, count) if count else []
    if not messages:
        return None
    return _batch(conn, taken, binding, messages, {stop.key for stop in pending.stops} if pending else set())


def _batch(
    conn: Connection, taken: Claim, binding: MappedVendor, messages: Sequence[Message], fresh: set[str]
) -> Batch:
    go, waiting = split(messages, parked_keys(conn, taken, messages) | fresh)
    mapped, refused, skipped = map_messages(go, binding.mapper)
    if taken.coalesce:
        newest = {message.key: message.position for message, _ in mapped}
        mapped = [(message, document) for message, document in mapped if newest[message.key] == message.position]
    items = [outgoing(taken, message, document) for message, document in mapped]
    return Batch(messages[0].position, messages[-1].position, items, [*refused, *behind(waiting)], skipped)


def _commit(conn: Connection, taken: Claim, pending: Settled | None, batch: Batch | None, *, leave: float) -> bool:
    """Store the answer of the batch before and the intent of the next; where there is no next, give the lane back for `leave` seconds at
    least. All in one commit. Answers whether the next may be sent. Raises Overdrawn."""
    position = pending.position if pending else taken.position
    try:
        metered = batch is not None and bool(batch.items) and taken.metered
        several = metered or batch is None or (pending is not None and (pending.stops or pending.failure))
        with conn.transaction() if several else nullcontext():
            is_open = step(
                conn,
                taken,
                position,
                proof=pending.proof if pending else None,
                gated=False,
                intent=batch.last if batch else None,
            )
            if batch and metered and is_open and not spend(conn, taken.vendor, len(batch.items)):
                raise Overdrawn
            if pending:
                park(conn, taken, pending.stops)
                _note_vendor(conn, taken, pending)
            if batch is None:
                release(conn, taken, wait=leave)
            hit("vendor.before_commit")
    except Fenced:
        if pending:
            note_late(conn, taken, pending.late)
        raise
    taken.position = position
    return is_open


def _note_vendor(conn: Connection, taken: Claim, settled: Settled) -> None:
    if settled.throttled:
        vendors.throttled(
            conn, taken.vendor, settled.failure, retry_after=settled.retry_after or VENDOR_UNAVAILABLE.pause()
        )
    elif settled.failure:
        vendors.failed(conn, taken.vendor, settled.failure, retry_after=settled.retry_after or 0.0)
    else:
        vendors.works(conn, taken.vendor)


def note(
    conn: Connection, taken: Claim, first: int, last: int, outcome: str, detail: str, reference: str | None = None
) -> None:
    """One row of history. It needs no token: what happened has happened."""
    conn.execute(
        """insert into runtime_attempt (subscription_id, lane, first, last, token, release_id, at, outcome, detail, reference)
           values (%s, %s, %s, %s, %s, %s, clock_timestamp(), %s, %s, %s)""",
        (taken.subscription, taken.lane, first, last, taken.token, taken.release, outcome, detail[:2000], reference),
    )


def note_late(conn: Connection, taken: Claim, positions: Sequence[int]) -> None:
    """Put on record that a request left when the lane was, perhaps, already somebody else's."""
    if positions:
        detail = "a request left after the lease had ended; the next owner may have sent the same"
        note(conn, taken, min(positions), max(positions), "late", detail)


def exchange_with(conn: Connection, taken: Claim, exchange: Exchange, items: Sequence[Outgoing]) -> Outcome:
    """Run an exchange. Where it ends for want of time, what left late before that is on record."""
    try:
        return exchange.run(items)
    except Fenced:
        note_late(conn, taken, exchange.outcome.late)
        raise


def _call(conn: Connection, taken: Claim, vendor: Vendor, batch: Batch) -> Settled | None:
    outcome = exchange_with(conn, taken, Exchange(taken, vendor, ask_first=taken.repeats), batch.items)
    hit("vendor.after_call")
    return _settle(conn, taken, batch, outcome)


def _settle(
    conn: Connection, taken: Claim, batch: Batch, outcome: Outcome, *, keep_unknown: bool = True
) -> Settled | None:
    """Turn answers into evidence and stops. None: something is unknown that can be asked about later; the intent stays open."""
    if keep_unknown and outcome.unresolved and taken.idempotency != "U":
        note(conn, taken, batch.first, batch.last, "unknown", outcome.failure)
        vendors.failed(conn, taken.vendor, outcome.failure or "no trustworthy answer")
        release(conn, taken, wait=VENDOR_UNAVAILABLE.pause())
        return None
    settled_items = [item.position for item in batch.items if outcome.answers[item.position].status != "unsent"]
    all_settled = len(settled_items) == len(batch.items)
    cut = batch.last if all_settled else max([batch.first - 1, *settled_items])
    answers = [(item, outcome.answers[item.position]) for item in batch.items if item.position <= cut]
    stops = sorted(
        [stop for stop in batch.stops if stop.position <= cut] + _stops(answers, taken), key=lambda stop: stop.position
    )
    confirmed = [answer for _, answer in answers if answer.status == "confirmed"]
    refused = sum(stop.state == "dead" for stop in stops)
    proof = None
    if cut >= batch.first:
        skipped = sum(position <= cut for position in batch.skipped)
        superseded = (
            (cut - batch.first + 1) - len(answers) - skipped - sum(stop.position <= cut for stop in batch.stops)
        )
        references = (
            [answer.reference for answer in confirmed] if any(answer.reference for answer in confirmed) else None
        )
        proof = Proof(
            batch.first, cut, "answered", len(confirmed), superseded, skipped, refused, len(stops) - refused, references
        )
    return Settled(
        cut,
        proof,
        stops,
        outcome.late,
        outcome.failure,
        outcome.retry_after,
        bool(outcome.failure and outcome.retry_after),
    )


def _stops(answers: Sequence[tuple[Outgoing, Answer]], taken: Claim) -> list[Stop]:
    stops: list[Stop] = []
    held: set[str] = set()
    for item, answer in answers:
        stop = stop_for(item, answer, taken, held=item.key in held)
        if stop is not None:
            stops.append(stop)
            held.add(item.key)
    return stops


def stop_for(item: Outgoing, answer: Answer, taken: Claim, *, held: bool = False) -> Stop | None:
    """How a message is parked after its answer; None when it is confirmed."""
    if answer.status == "confirmed":
        return None
    if answer.status == "unknown" and taken.idempotency == "U":  # also behind another one: it may have arrived, too
        return Stop(item.position, item.key, "unknown", "unknown", answer.detail or "sent, and no answer")
    if held or answer.detail == HELD:
        return Stop(item.position, item.key, "behind")
    if answer.detail == NOT_SENT:
        return Stop(item.position, item.key, "sending", "unavailable", NOT_SENT)
    if answer.status == "refused":
        return Stop(item.position, item.key, "dead", "refused", answer.detail, answer.pattern)
    if answer.status == "retry":
        return Stop(
            item.position,
            item.key,
            "retry",
            "not_now",
            answer.detail,
            answer.pattern,
            answer.retry_after or MESSAGE_NOT_NOW.pause(),
        )
    if answer.status == "unsent":
        return Stop(
            item.position,
            item.key,
            "retry",
            "unavailable",
            answer.detail,
            answer.pattern,
            answer.retry_after or VENDOR_UNAVAILABLE.pause(),
        )
    return Stop(
        item.position,
        item.key,
        "sending",
        "unknown",
        answer.detail,
        delay=VENDOR_UNAVAILABLE.pause(),
        intent_release=taken.intent_release or taken.release,
    )


# -- an intent without an answer, found at takeover --------------------------------------------------------------------


def _resume(conn: Connection, taken: Claim, bind: VendorOfRelease) -> Settled | None:
    """Ask about the batch whose answer is missing, then send what surely did not arrive.

    When another release made the intent, or the gate is closed, nothing is sent from here: what did not arrive is parked
    and goes through the present release later. A batch that keeps killing its owner is set aside, message by message; so is one
    whose owner has lost its database session, until the end of the lease under which it may still be sending.
    """
    intent = taken.intent if taken.intent is not None else taken.position
    made_by = taken.intent_release or taken.release
    messages = take(conn, taken, taken.position, intent - taken.position, upto=intent)
    if not messages:
        return Settled(taken.position, None, [], [])
    binding = bind(made_by)
    batch = _batch(conn, taken, binding, messages, set())
    if taken.early or taken.suspect:
        return _in_doubt(taken, batch, made_by)
    may_send = made_by == taken.release and not taken.ask_only
    outcome = exchange_with(conn, taken, Exchange(taken, binding.vendor, ask_first=True, send=may_send), batch.items)
    hit("vendor.after_resume")
    if may_send or outcome.failure:
        return _settle(conn, taken, batch, outcome)
    _keep_for_later(taken, batch, outcome)
    return _settle(conn, taken, batch, outcome, keep_unknown=False)


def _in_doubt(taken: Claim, batch: Batch, made_by: int) -> Settled:
    """Every message of a batch that was called as a row of its own, to be asked about first. The lane goes on."""
    why = (
        "its batch ended several workers" if taken.suspect else "its sender is gone and has not said what became of it"
    )
    rows = [
        Stop(i.position, i.key, "sending", "unknown", why, delay=taken.early, intent_release=made_by)
        for i in batch.items
    ]
    stops = sorted([*batch.stops, *rows], key=lambda stop: stop.position)
    proof = Proof(batch.first, batch.last, "aside", 0, 0, len(batch.skipped), 0, len(stops))
    return Settled(batch.last, proof, stops, [])


def _keep_for_later(taken: Claim, batch: Batch, outcome: Outcome) -> None:
    """Nothing may be sent by this release now: what had not arrived waits as a row of its own for the one that may send it, and is
    asked about once more then, for a request may still have been under way."""
    for item in batch.items:
        answer = outcome.answers[item.position]
        if answer.status == "unsent":
            outcome.answers[item.position] = Answer("retry", detail=NOT_SENT)
    taken.intent_release = taken.intent_release or taken.release
