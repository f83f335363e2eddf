"""Quarantined messages are the one row-by-row path: each claimed one is tried alone, and leaves or stays with a
reason."""

from __future__ import annotations

import time

from runtime.domain import retry
from runtime.domain.recovery import QUESTION_AT_FAULT
from runtime.ledger import after, circuit_breaker, edited, measures, safe_probe, sql
from runtime.ledger.append import Fenced
from runtime.ledger.attempts import (
    IN_DOUBT,
    quarantine_entry,
    record_attempt,
    record_calls,
    record_late_send,
    record_question,
    record_trouble,
)
from runtime.ledger.claimed import seconds_since
from runtime.ledger.connections import Connection
from runtime.ledger.database_target import REFUSED_BY_TABLE, MappedTable, refusal, upsert
from runtime.ledger.faultpoints import hit
from runtime.ledger.log_reader import LoggedMessage, decode, oldest_age, read_next
from runtime.ledger.mappers import Skipped, Unmappable, unmappable
from runtime.ledger.quarantine import QuarantineEntry, fingerprint_of
from runtime.ledger.quarantine_claims import QuarantineClaim
from runtime.ledger.send_batch import GO_ON, UNSETTLED_KEY, SendBatch, SendOutcome
from runtime.ledger.trial import TrialEnded, TrialRunner, in_this_process
from runtime.ledger.vendor_client import SendResult
from runtime.ledger.vendor_target import MappedVendor, VendorOfRelease, key_of, outbound

SILENT_SECONDS = 86_400.0  # after which a round counts although the vendor answers nobody
PROBE_WAITS = "not sent yet: the connection is at fault, and a message without an answer could not be asked about"
_KEEP = sql.read("quarantine_keep")
_RELEASE_AFTER_FAILURE = """
update runtime_quarantine
set state = coalesce(%s, state),
    intent_release = case when coalesce(%s, state) = 'sending' then intent_release end,
    sent_at = case when %s = 0 then clock_timestamp() else sent_at end,
    reason = %s,
    lease_until = 'epoch',
    not_before = clock_timestamp() + make_interval(secs => %s),
    attempt = attempt - %s
where subscription_id = %s and lane = %s and position = %s and token = %s"""


def _message(conn: Connection, taken: QuarantineClaim) -> LoggedMessage:
    found = read_next(conn, taken, taken.position - 1, 1, upto=taken.position)
    if not found:
        raise LookupError(f"message {taken.lane}/{taken.position} is gone from the log")
    if taken.payload is not None:
        return found[0]._replace(document=decode(taken.payload))
    return found[0]


def retry_in_database(
    conn: Connection, taken: QuarantineClaim, mapped: MappedTable, *, run: TrialRunner = in_this_process
) -> bool:
    """Try one quarantined message for a table. Answers whether it is delivered. `run` decides in which process it is
    mapped; raises TrialEnded when that process is gone."""
    message, position, key = _message(conn, taken), taken.position, taken.key
    if taken.lease.attempt > taken.limits.max_attempts + 1:
        entry = QuarantineEntry(position, key, "dead", "poison", "too many attempts")
    else:
        try:
            row = run(lambda: mapped.mapper.one(message), taken.lease.deadline)
            with conn.transaction():
                _remove(conn, taken, "confirmed")
                upsert(conn, mapped.table, [(message.position, row)])
                record_attempt(conn, taken, position, position, "confirmed", "")
                hit("quarantine.before_commit")
            return True
        except Skipped:
            return skip(conn, taken)
        except Unmappable as error:
            entry = unmappable(message, error)
        except REFUSED_BY_TABLE as error:
            entry = QuarantineEntry(position, key, "dead", "refused", refusal(error))
    with conn.transaction():
        _keep(conn, taken, entry)
    return False


def retry_at_vendor(
    conn: Connection, taken: QuarantineClaim, vendor_of: VendorOfRelease, *, run: TrialRunner = in_this_process
) -> bool:
    """Try one quarantined message at its vendor: asked about first when it may have been sent. Answers whether it is
    delivered.

    `run` decides in which process it is mapped, asked about and sent; raises TrialEnded when that process is gone.
    Nothing of that work uses the database."""
    if not taken.may_have_been_sent and (why := after.ended_there(conn, taken, taken.position)):
        return skip(conn, taken, why)
    message, attempt = _message(conn, taken), taken.lease.attempt
    if attempt > taken.limits.max_attempts + 1:
        # Not even a question survives: a person finds out whether an earlier try arrived.
        entry = _entry(message, "unknown", "poison", f"{attempt - 1} tries ended their workers")
        entry.sent_between(taken.first_sent, taken.last_sent)
        with conn.transaction():
            _keep(conn, taken, entry)
        return False
    switched = taken.may_have_been_sent and taken.sent_by_another_release
    mapped = vendor_of(taken.intent_release if switched and taken.intent_release else taken.target.release)
    if safe_probe.is_needed(taken) and run is in_this_process:
        wait = safe_probe.message_waits(conn, taken, mapped.vendor, decided=taken.not_arrived)
        if wait is not None:
            release_after_failure(conn, taken, PROBE_WAITS, wait=wait, called=False)
            return False
    exhausted = attempt > taken.limits.max_attempts
    if (taken.is_replay or taken.asks_first(taken.position)) and taken.limits.key_kept is not None:
        before = time.monotonic()
        arrived = before - oldest_age(conn, taken, taken.position, taken.position)
        taken.first_sent = min(taken.first_sent or arrived, arrived)
    sending = SendBatch(
        taken,
        mapped.vendor,
        ask_first=taken.may_have_been_sent or taken.is_replay or taken.asks_first(taken.position),
        lost_key=taken.lost_key(taken.position),
        send=not (switched or taken.lease.ask_only or exhausted),
        accepted=taken.reason_class == "accepted",
        rounds=1 if taken.rounds else None,
    )
    try:
        outcome = _try(conn, taken, message, mapped, sending, run)
    except Skipped:
        return skip(conn, taken)
    except Unmappable as error:
        with conn.transaction():
            _keep(conn, taken, unmappable(message, error))
        return False
    hit("quarantine.after_call")
    return _store(conn, taken, message, outcome, exhausted=exhausted)


def _try(
    conn: Connection,
    taken: QuarantineClaim,
    message: LoggedMessage,
    mapped: MappedVendor,
    sending: SendBatch,
    run: TrialRunner,
) -> SendOutcome:
    """Map and send in the process that `run` chooses. Raises Skipped, Unmappable, Fenced, and TrialEnded."""
    was_edited = edited.since_sent(conn, taken)

    def try_it() -> tuple[SendOutcome, str | None]:
        try:
            item = outbound(taken, message, mapped.mapper.one(message))
            item.accepted_as, item.edited = taken.accepted_as, was_edited
            outcome = sending.run([item])
            if mapped.again is not None and _nobody_asked(taken, sending, outcome):
                outcome.differs = mapped.again.differs(message, item)
            return outcome, None
        except Fenced as error:
            return sending.outcome, str(error)

    try:
        outcome, fenced = run(try_it, taken.lease.deadline)
    except TrialEnded as error:
        error.wait = mapped.vendor.deadline
        raise
    if fenced is not None:
        record_late_send(conn, taken, outcome.late)
        raise Fenced(fenced)
    return outcome


def _nobody_asked(taken: QuarantineClaim, sending: SendBatch, outcome: SendOutcome) -> bool:
    """Whether only the same again, under a key that holds, could settle what another release has sent."""
    unknown = outcome.results[taken.position].status == "unknown" and not outcome.failure
    return unknown and taken.sent_by_another_release and not sending.accepted and sending.key_holds()


def _store(
    conn: Connection, taken: QuarantineClaim, message: LoggedMessage, outcome: SendOutcome, *, exhausted: bool
) -> bool:
    result = outcome.results[message.position]
    ended = result.status in GO_ON
    sent = result.status in (*GO_ON, "accepted", "refused", "unknown", "unsettled") and not outcome.already_there
    try:
        with conn.transaction():
            record_question(conn, taken, outcome)
            record_calls(conn, taken, outcome, [message.position] if result.status in IN_DOUBT else [])
            if taken.fresh_key and sent:
                _record_fresh_key(conn, taken)
            if ended:
                _remove(conn, taken, result.status)
                place = taken.position, taken.position
                record_attempt(conn, taken, *place, result.status, result.detail, result.reference, result.answer)
                circuit_breaker.record_answer(conn, taken)
            else:
                entry, own_fault = _entry_after(taken, message, result, outcome, exhausted=exhausted)
                entry.sent_between(taken.first_sent or taken.claimed_at, outcome.last_sent)
                if not own_fault:
                    _record_vendor(conn, taken, result, outcome)
                elif outcome.answered:
                    circuit_breaker.record_answer(conn, taken)
                _keep(conn, taken, entry, result, own_fault=own_fault)
            hit("quarantine.before_commit")
    except Fenced:
        record_late_send(conn, taken, outcome.late)
        raise
    return ended


def _record_fresh_key(conn: Connection, taken: QuarantineClaim) -> None:
    """The vendor knows the key of before from another message: which one it got instead is on record."""
    detail = f"sent under the fresh key {key_of(taken, taken.position)}"
    record_attempt(conn, taken, taken.position, taken.position, "fresh_key", detail)


def _record_vendor(conn: Connection, taken: QuarantineClaim, result: SendResult, outcome: SendOutcome) -> None:
    """What an unsent or unknown message says about its vendor. Where that answers others and fails at this message, it
    is no failure of the vendor."""
    own_silence = taken.vendor_works and result.status in ("unknown", "unsettled") and outcome.fault is None
    if not own_silence:
        record_trouble(conn, taken, outcome)


def _entry_after(
    taken: QuarantineClaim, message: LoggedMessage, result: SendResult, outcome: SendOutcome, *, exhausted: bool
) -> tuple[QuarantineEntry, bool]:
    """How a message stays in quarantine, and whether the try counts. Only refusals and lost leases do: a vendor that is
    down or silent does not make a message dead."""
    in_doubt = message.position in outcome.in_doubt
    entry = quarantine_entry(message.position, message.key, result, taken, in_doubt=in_doubt)
    if entry is None:
        raise AssertionError("a confirmed message does not stay in quarantine")
    entry.accepted_as = entry.accepted_as or taken.accepted_as
    tries, end = taken.lease.attempt - 1, "unknown" if in_doubt else "dead"
    if result.status == "unsent":
        if exhausted:
            return _entry(message, end, "poison", f"tried {tries} times without an end"), True
        if taken.may_have_been_sent:  # it is asked about once more: an earlier request may still have been under way
            entry.state, entry.rounds = "sending", taken.rounds
        return entry, False
    if result.status == "unknown":
        if outcome.taken_unasked:
            entry = _entry(message, "unknown", "unknown", result.detail)
            entry.accepted_as = taken.accepted_as
            return entry, False
        if outcome.differs == "" and not exhausted:
            return _sent_again_now(taken, entry), False
        if outcome.question_fault is not None and not outcome.failure:
            return _question_at_fault(taken, entry), False
        if taken.reason_class == "accepted":
            entry.reason_class = "accepted"  # no answer to the question: it stays taken
        if not outcome.failure and taken.target.idempotency in ("K", "N"):
            # Nobody can ask, and this claim may not repeat it: the vendor has not failed.
            if exhausted:
                return _entry(message, "unknown", "poison", f"tried {tries} times; the vendor cannot be asked"), False
            if taken.sent_by_another_release:
                reason = "sent by another release, and the vendor cannot be asked"
                if outcome.differs:
                    reason += f"; the release of now would send {outcome.differs}"
                return _entry(message, "unknown", "unknown", reason), False
            entry.delay = retry.CANNOT_ASK.pause()
            return entry, False
        if entry.reason_class == "accepted":
            return _still_accepted(taken, entry), False
        return _still_unknown(taken, entry, result, outcome), False
    if result.status == "accepted":
        return _still_accepted(taken, entry), False
    if result.status in ("unsettled", "forgotten"):
        entry.rounds = taken.rounds
        if outcome.failure:  # sent once more, and no answer
            return _still_unknown(taken, entry, result, outcome), False
        return entry, False
    if result.status == "retry":
        if taken.lease.attempt >= taken.limits.max_attempts:
            return _entry(message, end, "attempts", result.detail or "too many attempts"), True
        entry.delay = max(entry.delay, retry.MESSAGE.pause(taken.lease.attempt))
    if result.status == "refused" and entry.state == "sending":
        entry.rounds = taken.rounds + 1
        if taken.rounds and taken.reason_class == "unsettled":  # once more, after all that was sent had had its time
            entry.state = entry.reason_class = "unknown"
    return entry, True


def _sent_again_now(taken: QuarantineClaim, entry: QuarantineEntry) -> QuarantineEntry:
    """The release of now sends the same to the same place: from here on it is as if that release had sent it."""
    left = 0.0 if taken.last_sent is None else max(0.0, taken.last_sent + taken.limits.settle - time.monotonic())
    entry.intent_release, entry.rounds, entry.reason_class = taken.target.release, taken.rounds, "unsettled"
    entry.reason, entry.delay = UNSETTLED_KEY.format(left), left + 0.01
    return entry


def _question_at_fault(taken: QuarantineClaim, entry: QuarantineEntry) -> QuarantineEntry:
    """The question is wrong (its path, say), and so is no answer of the vendor's: no round counts, and the next try
    comes the later the longer it lasts. Once a release asks rightly, the message goes on by itself."""
    entry.rounds = taken.rounds
    entry.reason_class = "accepted" if taken.reason_class == "accepted" else QUESTION_AT_FAULT
    since = taken.claimed_at - (taken.first_sent or taken.claimed_at)
    entry.delay = retry.UNANSWERED.pause(max(1, int(since).bit_length()))
    return entry


def _still_unknown(
    taken: QuarantineClaim, entry: QuarantineEntry, result: SendResult, outcome: SendOutcome
) -> QuarantineEntry:
    """One more round without an outcome. It counts where the vendor works: it has answered for this message, if only
    with a failure, or has answered others since. When nobody has an answer, the vendor is down, and for a day no person
    is asked about one message after the other."""
    if entry.state != "sending":
        return entry
    works = taken.vendor_works or outcome.question_answered or result.answer is not None
    silent_for = taken.claimed_at - (taken.first_sent or taken.claimed_at)
    counts = outcome.fault is None and (works or silent_for > SILENT_SECONDS)
    entry.rounds = taken.rounds + 1 if counts else taken.rounds
    entry.delay = max(entry.delay, retry.UNANSWERED.pause(entry.rounds))
    if entry.rounds >= max(retry.UNANSWERED.attempts or 0, taken.limits.max_attempts):
        said = outcome.failure or result.detail
        entry.state, entry.reason_class = "unknown", "unknown"
        entry.reason = f"no trustworthy answer in {entry.rounds} rounds; the last one: {said}"
    return entry


def _still_accepted(taken: QuarantineClaim, entry: QuarantineEntry) -> QuarantineEntry:
    entry.rounds = taken.rounds + 1 if taken.reason_class == "accepted" else 1
    entry.delay = retry.ACCEPTED.pause(entry.rounds)
    if retry.ACCEPTED.exhausted(entry.rounds):
        entry.state, entry.reason_class = "unknown", "unknown"
        entry.reason = f"the vendor took it and has not said what became of it in {entry.rounds} questions"
    return entry


def _entry(message: LoggedMessage, state: str, reason_class: str, reason: str) -> QuarantineEntry:
    return QuarantineEntry(message.position, message.key, state, reason_class, reason)


def release_after_failure(
    conn: Connection, taken: QuarantineClaim, reason: str, *, wait: float, called: bool = True
) -> None:
    """Release one quarantined message after a failure of this process. Where its vendor may have been `called`, the try
    counts, and it stays `sending`, so that it is asked about before it is sent again; else it is as it was."""
    uncounted, state = (0, None) if called else (1, taken.previous_state)
    place = taken.subscription, taken.lane, taken.position, taken.lease.token
    conn.execute(_RELEASE_AFTER_FAILURE, (state, state, uncounted, reason[:2000], wait, uncounted, *place))


def skip(conn: Connection, taken: QuarantineClaim, why: str = "not for this target") -> bool:
    """It leaves the quarantine without being sent, and this is why."""
    with conn.transaction():
        _remove(conn, taken, "skipped")
        record_attempt(conn, taken, taken.position, taken.position, "skipped", why)
    return True


def _remove(conn: Connection, taken: QuarantineClaim, outcome: str) -> None:
    gone = conn.execute(
        "delete from runtime_quarantine where subscription_id = %s and lane = %s and position = %s and token = %s",
        (taken.subscription, taken.lane, taken.position, taken.lease.token),
    )
    if gone.rowcount != 1:
        raise _fenced(taken)
    measures.count_one(conn, taken, outcome)


def _keep(
    conn: Connection,
    taken: QuarantineClaim,
    entry: QuarantineEntry,
    result: SendResult | None = None,
    *,
    own_fault: bool = True,
) -> None:
    since_first = seconds_since(entry.first_sent)
    kept = conn.execute(
        _KEEP,
        (
            entry.state,
            entry.reason_class,
            fingerprint_of(taken, entry),
            entry.reason[:2000],
            entry.delay,
            entry.intent_release,
            0 if own_fault else 1,
            entry.rounds,
            entry.accepted_as[:200],
            since_first,
            since_first,
            seconds_since(entry.last_sent),
            taken.subscription,
            taken.lane,
            taken.position,
            taken.lease.token,
        ),
    )
    if kept.rowcount != 1:
        raise _fenced(taken)
    measures.count_one(conn, taken, entry.state)
    said = (result.reference, result.answer) if result else (None, None)
    word = "accepted" if entry.reason_class == "accepted" else entry.state
    record_attempt(conn, taken, taken.position, taken.position, word, entry.reason, *said)


def _fenced(taken: QuarantineClaim) -> Fenced:
    return Fenced(f"quarantined {taken.subscription}/{taken.lane}/{taken.position}: its token is not current")


__all__ = ["MappedTable", "release_after_failure", "retry_at_vendor", "retry_in_database", "skip"]
