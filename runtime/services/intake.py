"""Intake: a message that a caller pushes is durable before the caller gets an answer."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Hashable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, NamedTuple, cast

import psycopg

from kernel import card_measures, tracing
from kernel.card_data import MaskedCards, masked_text
from kernel.errors import Invalid, NotFound, Unavailable
from kernel.postgresql import errors as database_errors
from kernel.strict_json import Flaw
from runtime.connectors.stamps import StampRules
from runtime.domain import masking
from runtime.domain.batches import IntakeItem, item_of, read_item
from runtime.domain.correlation import correlation_id, lanes_of
from runtime.domain.manifest import Manifest, ManifestSource
from runtime.domain.pointers import PointerReader
from runtime.domain.record_keys import number_text
from runtime.domain.storable import storable_text
from runtime.domain.versions import AtLeast, Unbelieved, version_number
from runtime.ledger import measures, pool
from runtime.ledger.append import CONFLICT, OLDER, TOO_OLD, Appended, IncomingMessage, append
from runtime.ledger.connections import Connection
from runtime.ledger.group_commit import FailedForAll, GroupCommit, PendingCall
from runtime.ledger.known_content import Compared, ManyDoubtful
from runtime.ledger.lane_locks import LanesHeld
from runtime.ledger.streams import ChangedMeanwhile, StreamRef
from runtime.services import finer_versions, held_lanes, intake_place
from runtime.services.dating import DatedItems, items_of
from runtime.services.held_lanes import HeldCalls
from runtime.services.message_checks import (
    KEY_LENGTH,
    ContractChecks,
    Rejection,
    came_last,
    store_rejected,
    too_old,
    usable_key,
)
from runtime.services.wakeups import announce

MAX_ITEMS = 5_000
MOST_TRIES = 3
_SIGN_OF_LIFE = """
insert into runtime_source (stream_id, name, read_at)
select %s, unnest(%s::text[]), clock_timestamp()
on conflict (stream_id, name) do update set read_at = excluded.read_at"""


@dataclass(frozen=True, slots=True)
class IntakeReceipt:
    """The result of one pushed item.

    `accepted`, `duplicate` (the same content is stored already), `older` (a newer state of the key is stored),
    `conflict` (the key is stored with different content; a person decides) or `refused` (`reason`, and `pointer` to the
    place in the item; it is kept as a rejected message).
    """

    index: int
    key: str
    status: str
    correlation: str = ""
    reason: str = ""
    pointer: str = ""


def accept(
    integration_key: str,
    environment: str,
    items: Sequence[Any],
    *,
    source: str | None = None,
    correlations: Sequence[str | None] | None = None,
    traceparent: str | None = None,
) -> list[IntakeReceipt]:
    """Check against the contract and append, in one commit; one receipt per item, in order.

    Items are documents, or IntakeItems as they came over the wire; whatever one holds, the others are stored. Messages
    are accepted while the gate is closed, too: none is delivered then, and none is lost. An empty batch is a
    sign of life: the caller says that there is nothing more to hand in up to now. Raises NotFound where nothing is
    deployed, Invalid for a batch that is too large, Unavailable when the database does not answer.
    """
    if len(items) > MAX_ITEMS:
        raise Invalid("intake.too_many", f"Send at most {MAX_ITEMS} items in one call. This call has {len(items)}.")
    if not items:
        _sign_of_life(integration_key, environment, source)
        return []
    values = {"tillgate.integration": integration_key, "tillgate.environment": environment}
    with tracing.span("intake", {**values, "tillgate.messages": len(items)}) as span:
        made = [without_cards(item_of(item)) for item in items]
        call = _Handed(made, source, correlations, span.traceparent or traceparent)
        receipts = cast("list[IntakeReceipt]", _group_commit.submit((integration_key, environment), call, len(items)))
    return [_told(receipt, item.taken) if item.taken else receipt for receipt, item in zip(receipts, made, strict=True)]


def _told(receipt: IntakeReceipt, taken: MaskedCards) -> IntakeReceipt:
    card_measures.count("intake", taken)
    return replace(receipt, reason="; ".join(filter(None, (receipt.reason, masking.said_of(taken)))))


def without_cards(item: IntakeItem) -> IntakeItem:
    """The item as it may be stored, where no key is known."""
    if item.taken is not None:
        return item
    payload, count = masking.without_cards(item.payload)
    if not count:
        return item
    if item.flaw is not None:
        return item._replace(payload=payload, document=None, taken=count)
    return read_item(payload)._replace(taken=count, given=item.payload)


def _with_its_key(item: IntakeItem, given: bytes, key: PointerReader) -> IntakeItem:
    """As `without_cards`, with the key as it was given."""
    found, value = key(read_item(given).document)
    named = _usable(value) if found else None
    if item.taken is None or named is None:
        return item
    payload, count = masking.without_cards(given, named)
    item.taken.numbers, item.taken.dropped = count.numbers, count.dropped
    if not count.of_key:
        made = read_item(payload)
        return made._replace(flaw=item.flaw or made.flaw, taken=item.taken, given=given)
    return item._replace(flaw=Flaw("key.card", key.pointer, masking.KEY_IS_A_CARD))


def _sign_of_life(integration: str, environment: str, name: str | None) -> None:
    """Of the source that is named, else of all that are fed by intake; a source that is read has looks of its own."""
    with pool.connection() as conn:
        stream, _, manifest = intake_place.deployment(intake_place.deployed_row(conn, (integration, environment)))
        if name is not None and name not in {source.name for source in manifest.sources}:
            raise NotFound("intake.source", f"{integration} has no source {name!r}.")
        fed = [source.name for source in manifest.sources if source.connection is None and name in (None, source.name)]
        if fed:
            conn.execute(_SIGN_OF_LIFE, (stream.id, sorted(fed)))


@dataclass(frozen=True, slots=True)
class _Handed:
    """One call, as it came."""

    items: Sequence[IntakeItem]
    source: str | None
    correlations: Sequence[str | None] | None
    traceparent: str | None


@dataclass(slots=True)
class _Checked:
    """One call after the checks."""

    call: PendingCall[_Handed]
    source: str
    prefix: str
    good: list[tuple[int, IncomingMessage]]
    receipts: list[IntakeReceipt | None]
    rejected: list[Rejection]
    dated: DatedItems | None = None


def _serve(key: Hashable, calls: list[PendingCall[_Handed]]) -> None:
    """Calls for a lane that others hold come here again by themselves, and wait for it. Nobody waits for longer: who
    came while others were waiting is answered with them."""
    if isinstance(key, HeldCalls):
        try:
            held_lanes.wait(key)
        except Unavailable as error:
            raise FailedForAll(error) from error
    _store_together(key, calls)


def _store_together(key: Hashable, calls: list[PendingCall[_Handed]]) -> None:
    """Store the messages of several calls in one commit.

    Where that fails, store each call alone, so that each gets its answer.
    """
    try:
        with measures.COMMIT_SECONDS.time():
            try:
                _store(key, calls)
            except Unavailable as error:
                if error.__cause__ is None or not database_errors.lost(error.__cause__):
                    raise
                _store(key, calls)  # the session had ended, before its commit or just after it
    except Unavailable as error:
        for call in calls:
            if not call.done:
                call.fail(Unavailable(error.code, error.message))
    except Exception as error:
        if len(calls) > 1:
            for call in calls:
                if not call.done:
                    _store_alone(key, call)
        elif isinstance(error, psycopg.DataError):
            calls[0].answer(_store_in_parts(key, calls[0].content, error))
        else:
            raise


def _store_in_parts(key: Hashable, handed: _Handed, error: psycopg.DataError) -> list[IntakeReceipt]:
    """The database refuses a value that passed every check: find the item that holds it, and store the others."""
    items, count = list(handed.items), len(handed.items)
    if count == 1:
        if items[0].flaw is not None:
            raise error
        said = f"the database refuses it: {str(error).splitlines()[0]}"
        items = [items[0]._replace(flaw=Flaw("database.value", "", said))]
    receipts: list[IntakeReceipt] = []
    for start, end in [(0, count)] if count == 1 else [(0, count // 2), (count // 2, count)]:
        correlations = handed.correlations and handed.correlations[start:end]
        part = PendingCall(replace(handed, items=items[start:end], correlations=correlations), end - start)
        _store_part(key, part)
        if part.error is not None:
            raise part.error
        found = cast("list[IntakeReceipt]", part.result)
        receipts += [replace(receipt, index=receipt.index + start) for receipt in found]
    return receipts


def _store_part(key: Hashable, part: PendingCall[_Handed]) -> None:
    _store_together(key, [part])
    while part.moves is not None:
        key, part.moves = part.moves, None
        try:
            _serve(key, [part])
        except FailedForAll as error:
            part.fail(error.cause)


def _store_alone(key: Hashable, call: PendingCall[_Handed]) -> None:
    try:
        _store_together(key, [call])
    except Exception as error:
        call.fail(error)


def _store(key: Hashable, calls: list[PendingCall[_Handed]]) -> None:
    """Where much has to be compared with what is stored, that is done between two tries, while nobody waits for a
    lock. Where a lane is held, the calls for it are moved to a queue of their own."""
    integration, environment = cast("tuple[str, str]", key)[:2]
    compared: Compared = {}
    patient = isinstance(key, HeldCalls)
    for _ in range(MOST_TRIES):
        try:
            return _store_once(integration, environment, calls, compared, patient)
        except ManyDoubtful as found:
            compared |= found.compare()
        except LanesHeld as found:
            held_lanes.met(found.stream, found.lanes)
        except ChangedMeanwhile:
            intake_place.forget((integration, environment))
    _store_once(integration, environment, calls, None, True)


def _store_once(
    integration: str, environment: str, calls: list[PendingCall[_Handed]], compared: Compared | None, patient: bool
) -> None:
    began = time.time_ns()
    with pool.connection() as conn:
        place = (integration, environment)
        still = intake_place.still(place)
        row = intake_place.deployed_row(conn, place) if still is None else still.row
        stream, release, manifest = intake_place.deployment(row)
        try:
            checked = [_check(manifest, call) for call in calls if not call.done]
        except NotFound:
            if still is None:
                raise
            raise ChangedMeanwhile from None  # or not: the next try looks
        if not patient and (held := held_lanes.of(stream.id)):
            checked = _without_held(place, stream, held, checked)
        if not checked:
            return
        extra = stream.known_since is not None or any(one.rejected or one.dated for one in checked)
        with conn.transaction() if extra else nullcontext():
            done = append(
                conn,
                stream,
                [item for one in checked for _, item in one.good],
                release_id=release,
                ordered=not manifest.by_arrival,
                tell_held=True,
                compared=compared,
                finer=finer_versions.of_event(manifest),
                patient=patient,
                still=still,
            )
            start = 0
            for one in checked:
                end = start + len(one.good)
                last = [] if one.dated else came_last(one.rejected, [item for _, item in one.good], one.prefix)
                if one.dated is not None:
                    one.dated.keep(conn, stream, [item for _, item in one.good], done.part(start, end))
                if done.too_old:
                    _refuse_too_old(one, stream, done.positions[start:end])
                    last = []
                start = end
                store_rejected(conn, stream, None, one.source, one.rejected, last)
        pool.health.passed()
        number = 0
        for one in checked:
            for index, item in one.good:
                if one.receipts[index] is None:
                    one.receipts[index] = receipt_of(stream, index, item, done, number)
                number += 1
            one.call.answer(one.receipts)
        intake_place.remember(place, row)
        _note_life(conn, stream, manifest, checked)
    _count((environment, integration), checked)
    _trace(began, [one.call for one in checked])
    if done.accepted:
        announce(manifest.tier, stream.id)


_noted: dict[tuple[int, str], float] = {}


def _note_life(conn: Connection, stream: StreamRef, manifest: Manifest, checked: Sequence[_Checked]) -> None:
    """Where several sources put messages into a stream, its newest one says nothing of each of them: a source that
    hands in has this noted, once a second at most."""
    if len(manifest.sources) == 1:
        return
    now = time.monotonic()
    due = sorted(name for name in {one.source for one in checked} if now - _noted.get((stream.id, name), -1.0) >= 1.0)
    if due:
        conn.execute(_SIGN_OF_LIFE, (stream.id, due))
        _noted.update({(stream.id, name): now for name in due})


def _without_held(
    place: tuple[str, str], stream: StreamRef, held: frozenset[int], checked: Sequence[_Checked]
) -> list[_Checked]:
    """The calls that need none of the lanes that others hold. The others wait for theirs, as many as leave threads for
    everybody else; where every lane is held, there is nobody else."""
    free = []
    places = held_lanes.MOST_WAITING - _group_commit.moved if len(held) < stream.lanes else len(checked)
    for one in checked:
        needed = held.intersection(lanes_of([item.key for _, item in one.good], stream.lanes))
        if not needed:
            free.append(one)
        elif places > 0:
            one.call.move(HeldCalls(*place, stream.id, needed))
            places -= 1
        else:
            one.call.fail(held_lanes.held())
    return free


def _refuse_too_old(one: _Checked, stream: StreamRef, places: Sequence[tuple[int, int]]) -> None:
    """Facts before what is known of them are kept as rejected messages: booked again, they could count twice."""
    for (index, item), place in zip(one.good, places, strict=True):
        if place == TOO_OLD:
            one.rejected.append(rejection := too_old(item, stream))
            one.receipts[index] = IntakeReceipt(index, item.key, "refused", reason=rejection.reason)


def _count(place: tuple[str, str], checked: Sequence[_Checked]) -> None:
    receipts = [receipt.status for one in checked for receipt in one.receipts if receipt is not None]
    measures.COMMIT_SIZE.observe(len(receipts))
    measures.count_received(place, "intake", Counter(receipts))


def _trace(began: int, calls: list[PendingCall[_Handed]]) -> None:
    """The commit that several calls share is a span in the trace of each."""
    if (tracer := tracing.tracer()) is not None:
        now, values = time.time_ns(), {"tillgate.calls": len(calls)}
        for call in calls:
            parent = call.content.traceparent or ""
            tracer.finished("append", parent=parent, start=began, end=now, values=values)


_group_commit: GroupCommit[_Handed] = GroupCommit(_serve)


def receipt_of(stream: StreamRef, index: int, item: IncomingMessage, done: Appended, number: int) -> IntakeReceipt:
    """What became of the item that was the append's `number`. A duplicate has the correlation id of what is stored, for
    a caller that did not get its first answer."""
    lane, position = place = done.positions[number]
    if place == CONFLICT:
        reason = "this key is stored with different content; nothing was overwritten, a person decides"
        return IntakeReceipt(index, item.key, "conflict", reason=reason)
    if place == TOO_OLD:
        return IntakeReceipt(index, item.key, "refused", reason=too_old(item, stream).reason)
    if place == OLDER:
        return IntakeReceipt(index, item.key, "older", reason="a newer state of this key is stored")
    status, reason = "accepted", ""
    if position and item.version.__class__ is AtLeast:
        reason = "its version is a time that lies in the future: it counts as the newest state, until another one comes"
    if not position:
        status, position = "duplicate", (done.held or {}).get(number, 0)
        lane = stream.lane_at(item.key, position)
    correlation = item.correlation or correlation_id(stream.salt, stream.id, lane, position)
    return IntakeReceipt(index, item.key, status, correlation, reason)


def message_of_item(manifest: Manifest, source: ManifestSource, item: IntakeItem) -> IncomingMessage | Rejection:
    """One item that is handed in for a source, as it would be stored, or why it would not."""
    checked = _check(manifest, PendingCall(_Handed([item], source.name, None, None), 1))
    return checked.good[0][1] if checked.good else checked.rejected[0]


def _check(manifest: Manifest, call: PendingCall[_Handed]) -> _Checked:
    """Raises NotFound for a source that the integration does not have."""
    handed = call.content
    try:
        source = manifest.source(handed.source)
    except KeyError:
        raise NotFound("intake.source", f"{manifest.integration} has no source {handed.source!r}.") from None
    checks, prefix = ContractChecks(manifest, source), manifest.prefix(source)
    place = _Places(PointerReader(manifest.event.key), PointerReader(manifest.event.version))
    dated = items_of(manifest, source)
    good: list[tuple[int, IncomingMessage]] = []
    receipts: list[IntakeReceipt | None] = [None] * len(handed.items)
    rejected: list[Rejection] = []
    for index, item in enumerate(handed.items):
        if item.given is not None:
            item = _with_its_key(item, item.given, place.key)
        key, version, problem = _judge(item, place, checks)
        if problem is not None:
            shown = storable_text(key or "")
            reason, pointer = (masked_text(one, MaskedCards()) for one in (problem.message, problem.pointer))
            rejected.append(Rejection(shown, problem.code, reason, item.payload, after=len(good)))
            receipts[index] = IntakeReceipt(index, shown, "refused", reason=reason, pointer=pointer)
            continue
        correlation = handed.correlations[index] if handed.correlations else None
        message = IncomingMessage(
            f"{prefix}{key}", version, item.payload, correlation=correlation, traceparent=handed.traceparent
        )
        stored = message if dated is None else dated.keyed(message)
        if isinstance(stored, Rejection):
            rejected.append(stored)
            receipts[index] = IntakeReceipt(index, f"{key}", "refused", reason=stored.reason)
            continue
        good.append((index, stored))
    return _Checked(call, source.name, prefix, good, receipts, rejected, dated)


def _judge(item: IntakeItem, place: _Places, checks: ContractChecks) -> tuple[str | None, int, Flaw | None]:
    """Key, version, and why the item is rejected, with the class of the reason as code."""
    found, given = place.key(item.document)
    key = _usable(given) if found else None
    if item.flaw is not None:
        return key, 0, replace(item.flaw, code="unreadable")
    if not found:
        return None, 0, Flaw("contract", "", f"there is no key at {place.key.pointer}")
    if key is None:
        said = f"the key must be a text of 1 to {KEY_LENGTH} characters without control characters, or a number"
        return None, 0, Flaw("contract", place.key.pointer, said)
    if problem := checks.first_problem(item.document):
        return key, 0, Flaw("contract", *problem)
    if not place.version.pointer:
        return key, 0, None
    try:
        return key, _version(place.version, item.document), None
    except (ValueError, OverflowError) as error:
        return key, 0, Flaw("version", place.version.pointer, f"the version cannot be read: {error}")


def _version(read: PointerReader, document: Any) -> int:
    """Of a time that cannot have come yet nobody knows when the state came about: it counts as the newest of its key,
    and stands in the way of no later one."""
    found, given = read(document)
    if not found or given is None or given == "":
        raise ValueError(f"there is none at {read.pointer}")
    if isinstance(given, bool) or not isinstance(given, str | int | float | Decimal):
        raise ValueError("it is a number or the text of a time stamp (ISO 8601)")
    number = version_number(text := given if isinstance(given, str) else number_text(given))
    if number > _NOT_YET and given.__class__ is str and _STAMPS.in_future(text):
        return Unbelieved.of(None).number()
    return number


_STAMPS = StampRules()
_NOT_YET = version_number("2020-01-01T00:00:00Z")  # what lies before is not looked at twice


class _Places(NamedTuple):
    key: PointerReader
    version: PointerReader


def _usable(value: Any) -> str | None:
    """A key as text, if it can be one; a number by its value, as where a source is read."""
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal) or value == "":
        return None
    text = value if isinstance(value, str) else number_text(value)
    return text if usable_key(text) else None
