"""Query a target system which of a day's messages it has, and keep its answer.

This reconciles deliveries. A lookup cannot tell whether a posting is right in the general ledger of the target system.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Any

from django.db import connection, transaction
from psycopg import sql

from kernel import audit, clock
from kernel.errors import Conflict, NotFound, Unavailable
from kernel.models import User
from runtime import permissions
from runtime.connectors.protocols import HeldDocument, OutboundMessage
from runtime.domain.held_documents import unlike
from runtime.domain.reconciliation import DELIVERED, NOT_MEANT, REPLACED, WAITING
from runtime.ledger.log_reader import LoggedMessage
from runtime.ledger.mappers import Mapper, Skipped, Unmappable
from runtime.ledger.send_batch import idempotency_key
from runtime.ledger.vendor_client import CannotAsk, SendResult
from runtime.models import Integration, TargetComparison, TargetSubscription
from runtime.selectors import corrections, daily_totals
from runtime.services import edited_content, system_connections
from runtime.services.day_messages import (
    LIMIT,
    MAX_CASES,
    DayMessage,
    ReconciledFlow,
    ReconciledTarget,
    entries_of,
    flow_of,
    standing_of,
    state_of,
)
from runtime.services.mappers import columns_of, mapper_of, row_mapper
from runtime.services.sink_vendor import SinkVendor
from runtime.services.state_questions import names_prove

CHUNK = 200
ASK_SECONDS = 20.0


def compare(
    integration: Integration, environment: str, day: date, *, by: str, target: str, instance: str, actor: User | None
) -> TargetComparison:
    """Query the target which of the day's messages it has, and keep the answer. Sends nothing that changes anything.

    At most ASK_SECONDS are spent; messages that were not queried stay unknown. Raises Forbidden, NotFound
    `target.unknown`, Conflict `reconciliation.cannot_ask` where the connection has no lookup, Unavailable while the
    circuit breaker is open or an address is missing.
    """
    permissions.require_operate(actor, integration)
    flow = flow_of(integration, environment)
    side, subscription = _chosen(flow, target, instance)
    entries, complete = entries_of(flow, day, by)
    far, held = standing_of(flow, entries, subscription)
    due = [
        (one, state)
        for one in entries
        if (state := state_of(side, one, far[subscription.pk], held[subscription.pk])) not in (NOT_MEANT, REPLACED)
    ]
    due = _as_edited(subscription, due)
    found = _Findings(len(due))
    if not flow.stream.immutable:
        due = found.newest_states(due, daily_totals.heads(flow.stream.pk, [one.key for one, _ in due]))
    if side.target.table is not None:
        _ask_table(flow, side, due, found)
    else:
        _ask_vendor(flow, side, subscription, due, found)
    found.judge(lambda entries: _now(flow, side, subscription, entries))
    if found.under_way:
        found.note = found.note or f"{found.under_way:,} messages were being sent during the query."
    note = found.note or ("" if complete else f"Only the first {LIMIT:,} messages of the day were read.")
    return _keep(subscription, day, by, found, note, actor)


def _as_edited(subscription: TargetSubscription, due: Sequence[tuple[DayMessage, str]]) -> list[tuple[DayMessage, str]]:
    """What a person has edited was sent as edited, and is compared so."""
    edited = edited_content.of(subscription.pk, [(one.lane, one.position) for one, _ in due])
    return [
        (replace(one, document=edited.get((one.lane, one.position), one.document)) if edited else one, state)
        for one, state in due
    ]


def _keep(
    subscription: TargetSubscription, day: date, by: str, found: _Findings, note: str, actor: User | None
) -> TargetComparison:
    said = ("missing", "extra", "twice", "differs")
    counts = {"due": found.due, "asked": found.asked} | {name: found.counts[name] for name in said}
    with transaction.atomic():
        made = TargetComparison.objects.create(
            target=subscription,
            day=day,
            by=by,
            **counts,
            agreed=found.counts["agreed"],
            silent=found.counts["silent"],
            unproven=found.counts["unproven"],
            note=note,
            cases=found.cases,
            asked_by=actor,
        )
        place = {"target": subscription.target, "instance": subscription.instance, "day": day.isoformat()}
        key = subscription.stream.integration.key
        audit.record("runtime.compared", "integration", key, actor=actor, after=place | counts)
    return made


# -- the target system -------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class _There:
    """What the target says of one message. `documents` None: it gave no answer that can be trusted. `amount`: what is
    due; None where it is not compared. `sent`: what was sent, with which everything else that is declared of a document
    is compared. `unlike`: it says itself that it is another one. `any_state`: earlier states have the same name, and it
    does not show which one it is."""

    documents: Sequence[HeldDocument] | None
    amount: Decimal | None = None
    sent: Any = None
    unlike: bool = False
    any_state: bool = False

    @property
    def known(self) -> bool:
        return bool(self.documents)

    @property
    def fault(self) -> str:
        """`twice`, `differs`, or empty where one document of the right amount is there, or none."""
        documents = self.documents or ()
        if len(documents) > 1:
            return "twice"
        amounts = [one.amount for one in documents]
        if self.amount is not None and any(amount not in (None, self.amount) for amount in amounts):
            return "differs"
        return "differs" if self.unlike or any(unlike(one.holds, self.sent) for one in documents) else ""

    @property
    def words(self) -> str:
        """The documents with their amounts, as a person reads them."""
        shown = [
            one.reference if one.amount is None else f"{one.reference} ({one.amount})" for one in self.documents or ()
        ]
        return ", ".join(shown)[:200]


_YES, _NO, _SILENT = _There((HeldDocument(""),)), _There(()), _There(None)


class _Findings:
    """Answers, compared with the state here after the last answer, because delivery continues meanwhile."""

    def __init__(self, due: int) -> None:
        self.due = due
        self.replaced = Counter[str]()  # earlier states by key, which the newest one that was delivered speaks for
        self.followed = set[str]()  # keys that have a later message, which this day does not show as delivered
        self.counts = dict.fromkeys(("agreed", "missing", "extra", "twice", "differs", "silent", "unproven"), 0)
        self.under_way = 0
        self.answers: list[tuple[DayMessage, str, _There]] = []
        self.cases: list[dict[str, Any]] = []
        self.note = ""

    @property
    def asked(self) -> int:
        return self.reached - self.under_way

    @property
    def reached(self) -> int:
        return sum(1 + self.replaced[entry.key] for entry, _, _ in self.answers)

    def newest_states(
        self, due: Sequence[tuple[DayMessage, str]], heads: Mapping[str, int]
    ) -> list[tuple[DayMessage, str]]:
        """Without the states that were delivered before another one of their key: that one is there instead. In order
        of arrival, as they come."""
        newest = {one.key: number for number, (one, state) in enumerate(due) if state == DELIVERED}
        left = [pair for number, pair in enumerate(due) if number >= newest.get(pair[0].key, 0)]
        self.replaced.update(one.key for number, (one, _) in enumerate(due) if number < newest.get(one.key, 0))
        self.followed = {one.key for one, _ in left if heads.get(one.key) != one.position}
        return left

    def put(self, entry: DayMessage, state: str, there: _There) -> None:
        self.answers.append((entry, state, there))

    def judge(self, now: Callable[[Sequence[DayMessage]], dict[tuple[int, int], str | None]]) -> None:
        """`now` returns the current state of messages that seem to differ, None for one that is being sent."""
        odd = [entry for entry, state, there in self.answers if there.known and state != DELIVERED]
        present = now(odd) if odd else {}
        for entry, state, there in self.answers:
            latest, many = present.get((entry.lane, entry.position), state), 1 + self.replaced[entry.key]
            if latest is None:
                self.under_way += many
                continue
            word = _word(latest, there)
            if word == "differs" and entry.key in self.followed:
                word = "unproven"
            self.counts[word] += many
            if word not in ("agreed", "unproven"):
                self._case(entry, latest, word, there.words)

    def _case(self, entry: DayMessage, state: str, what: str, there: str) -> None:
        if len(self.cases) < MAX_CASES:
            self.cases.append(
                {
                    "lane": entry.lane,
                    "position": entry.position,
                    "key": entry.key,
                    "correlation": entry.correlation,
                    "what": what,
                    "state": state,
                    "there": there,
                }
            )


def _word(state: str, there: _There) -> str:
    """One word for a message: a second effect is said first, whatever its state here."""
    if there.documents is None:
        return "silent"
    if there.fault == "twice":
        return "twice"
    if there.known and there.any_state and (state != DELIVERED or not there.fault):
        return "unproven"
    if there.known != (state == DELIVERED):
        return "extra" if there.known else "missing"
    return there.fault or "agreed"


def _now(
    flow: ReconciledFlow, side: ReconciledTarget, subscription: TargetSubscription, entries: Sequence[DayMessage]
) -> dict[tuple[int, int], str | None]:
    intents = daily_totals.under_way(
        subscription.pk
    )  # before the positions: a call that ends in between is seen as delivered
    far, held = standing_of(flow, entries, subscription)
    made: dict[tuple[int, int], str | None] = {}
    for one in entries:
        state = state_of(side, one, far[subscription.pk], held[subscription.pk])
        made[one.lane, one.position] = None if state == WAITING and one.position <= intents.get(one.lane, 0) else state
    return made


def _chosen(flow: ReconciledFlow, target: str, instance: str) -> tuple[ReconciledTarget, TargetSubscription]:
    for side in flow.sides:
        for one in side.subscriptions:
            if (one.target, one.instance) == (target, instance):
                return side, one
    raise NotFound("target.unknown", f"There is no target {target!r}{f' of {instance!r}' if instance else ''} here.")


def _chunks(due: Sequence[tuple[DayMessage, str]], found: _Findings) -> Iterator[Sequence[tuple[DayMessage, str]]]:
    """Parts of what is due until the time is used up, which is then noted."""
    until = time.monotonic() + ASK_SECONDS
    for start in range(0, len(due), CHUNK):
        if time.monotonic() > until:
            left = found.due - found.reached
            found.note = f"Queried for {ASK_SECONDS:.0f} s; {left:,} of {found.due:,} messages were not queried."
            return
        yield due[start : start + CHUNK]


def _ask_vendor(
    flow: ReconciledFlow,
    side: ReconciledTarget,
    subscription: TargetSubscription,
    due: Sequence[tuple[DayMessage, str]],
    found: _Findings,
) -> None:
    vendor, now = subscription.vendor, clock.now()
    if vendor.not_before > now or (vendor.breaker == "open" and vendor.open_until > now):
        raise Unavailable(
            "reconciliation.vendor",
            f"{vendor.system_key} accepts no calls now, so it cannot be queried. Try again later.",
        )
    if side.target.connection is None:
        raise Conflict(
            "reconciliation.cannot_ask", f"The target {side.target.name} has no connection that could be queried."
        )
    sink, secrets = system_connections.open_sink(
        side.target.connection,
        system=side.target.system,
        environment=flow.stream.environment,
        release=flow.deployment.release_id,
    )
    prefix = flow.manifest.prefix(flow.manifest.source_of(side.target))
    prove = names_prove(flow.manifest, side.target)
    client = SinkVendor(sink, secrets, side.target, subscription.instance, prefix=prefix, prove=prove)
    mapper = mapper_of(flow.manifest, side.target)
    epochs = daily_totals.key_epochs(flow.stream.pk)
    try:
        for part in _chunks(due, found):
            items = [_outbound(flow, subscription, mapper, epochs, entry) for entry, _ in part]
            for item, corrects in zip(items, corrections.among(flow.stream.pk, [e for e, _ in part]), strict=True):
                item.corrects = corrects
            answers = _answers(client, subscription, items)
            for (entry, state), answer in zip(part, answers, strict=True):
                found.put(entry, state, answer if isinstance(answer, _There) else _SILENT)
            silent = [answer for answer in answers if isinstance(answer, SendResult)]
            if answers and len(silent) == len(answers):
                found.note = f"It gave no answer that can be trusted: {silent[0].detail}"[:500]
                return
    except CannotAsk:
        raise Conflict(
            "reconciliation.cannot_ask",
            f"The connection of {side.target.name} offers no lookup, so the target system cannot be queried.",
        ) from None
    finally:
        client.close()


def _answers(
    client: SinkVendor, subscription: TargetSubscription, items: Sequence[OutboundMessage]
) -> list[_There | SendResult]:
    """What the target has of each message: its documents under the business name where it lists them, else whether it
    knows the message. A target that keeps our keys for a time only says nothing by "not there" about older ones."""
    listed = client.documents(items)
    if listed is not None:
        return [
            one if isinstance(one, SendResult) else _listed(client, tuple(one), item)
            for one, item in zip(listed, items, strict=True)
        ]
    by_reference = client.asks_by_reference
    answers = client.ask(items, by="reference" if by_reference else "key")
    forgets = subscription.idempotency == "K" and not by_reference and client.target.ask_by == "idempotency_key"
    return [_there(answer, forgets=forgets) for answer in answers]


def _listed(client: SinkVendor, documents: Sequence[HeldDocument], item: OutboundMessage) -> _There:
    any_state = bool(documents) and not client.shows_state(documents, item)
    return _There(documents, client.amount_due(item), item.document, any_state=any_state)


def _there(answer: SendResult, *, forgets: bool) -> _There | SendResult:
    if answer.status in ("confirmed", "differs", "any_state", "other_state"):
        unlike, any_state = answer.status in ("differs", "other_state"), answer.status in ("any_state", "other_state")
        return _There((HeldDocument(answer.reference or ""),), unlike=unlike, any_state=any_state)
    if answer.status == "unsent" and not forgets:
        return _NO
    detail = "it may have forgotten our key" if answer.status == "unsent" else answer.detail
    return SendResult("unknown", detail=detail)


def _outbound(
    flow: ReconciledFlow,
    subscription: TargetSubscription,
    mapper: Mapper,
    epochs_by_lane: dict[int, list[tuple[int, int]]],
    entry: DayMessage,
) -> OutboundMessage:
    epochs = epochs_by_lane.get(entry.lane, ())
    key = idempotency_key(flow.stream.salt, subscription.pk, entry.lane, entry.position, epochs=epochs)
    return OutboundMessage(entry.key, key, b"", _mapped(mapper, entry), entry.position, entry.correlation)


def _mapped(mapper: Mapper, entry: DayMessage) -> Any:
    """What would be sent, for vendors that know a message by a field of it; empty where the mapping refuses it."""
    try:
        return mapper.one(LoggedMessage(entry.position, entry.key, entry.document, entry.correlation))
    except (Unmappable, Skipped):
        return {}


def _ask_table(
    flow: ReconciledFlow, side: ReconciledTarget, due: Sequence[tuple[DayMessage, str]], found: _Findings
) -> None:
    """Tables of the product are read by the key that the mapping fills."""
    table = side.target.table
    assert table is not None
    columns = columns_of(side.target)
    mapper = row_mapper(mapper_of(flow.manifest, side.target), columns)
    places = [columns.index(name) for name in table.key]
    statement = sql.SQL("select {key}::text from {table} where ({key}::text) = any(%s)").format(
        table=sql.Identifier(*table.name.split(".")),
        key=sql.SQL(" || chr(31) || ").join(sql.SQL("{}::text").format(sql.Identifier(k)) for k in table.key),
    )
    for part in _chunks(due, found):
        names = [_row_key(mapper, entry, places) for entry, _ in part]
        with connection.cursor() as cursor:
            cursor.execute(statement, [[name for name in names if name]])
            there = {row[0] for row in cursor.fetchall()}
        for (entry, state), name in zip(part, names, strict=True):
            found.put(entry, state, _SILENT if name is None else _YES if name in there else _NO)


def _row_key(mapper: Mapper, entry: DayMessage, places: Sequence[int]) -> str | None:
    row = _mapped(mapper, entry)
    if not row:
        return None
    return "\x1f".join(str(row[place]) for place in places)


__all__ = ["ASK_SECONDS", "compare"]
