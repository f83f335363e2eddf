"""Reconciliation of one flow on one day: received, delivered to each target, still open.

`target_comparison` asks the target systems.

It counts messages, and money where every message says it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from kernel.errors import NotFound
from kernel.ui.tones import Tone, ok, quiet, wait
from runtime.domain import manifest as manifests
from runtime.domain.correlation import correlation_id
from runtime.domain.manifest import Manifest, ManifestTarget
from runtime.domain.outcome_codes import CONFIRMED, QUARANTINED, SKIPPED, SUPERSEDED
from runtime.domain.outcome_codes import DECLINED as DECLINED_THERE
from runtime.domain.reconciliation import (
    BEHIND,
    BLOCKED,
    CLOSED,
    DEAD,
    DECLINED,
    DELIVERED,
    NOT_MEANT,
    REPLACED,
    RETRYING,
    UNKNOWN,
    WAITING,
    Facts,
    Gap,
    Tally,
    Total,
    facts_of,
    gaps,
)
from runtime.ledger.log_reader import decode
from runtime.mapping import MappingError, compile_mapping, parse
from runtime.models import Deployment, Integration, Stream, TargetSubscription
from runtime.selectors import daily_totals
from runtime.services.mappers import filter_mapping

LIMIT = 50_000  # messages of one day that one page or one comparison looks at
MAX_CASES = 1_000
_STATE_OF = {
    "dead": DEAD,
    "unknown": UNKNOWN,
    "behind": BEHIND,
    "blocked": BLOCKED,
    "closed": CLOSED,
    "skipped": NOT_MEANT,
    "declined": DECLINED,
    CONFIRMED: DELIVERED,
    SUPERSEDED: REPLACED,
    SKIPPED: NOT_MEANT,
    DECLINED_THERE: DECLINED,
    QUARANTINED: DELIVERED,  # and no longer in quarantine: it was confirmed from there
}
"""By the state in quarantine, the last attempt, or the code in the evidence of its batch. Every other state in
quarantine moves on by itself."""


@dataclass(frozen=True, slots=True)
class DayMessage:
    """One message of the day with the facts in its document."""

    lane: int
    position: int
    key: str
    received_at: datetime
    correlation: str
    document: Any
    facts: Facts
    newest: bool = True


@dataclass(frozen=True, slots=True)
class StoreLine:
    """One target in one store: the store that the message names, or the instance of a fleet that receives it."""

    target: str
    system: str
    store: str
    tally: Tally
    fleet: bool = False

    @property
    def open(self) -> int:
        return self.tally.count(WAITING, RETRYING, BEHIND, BLOCKED, DEAD, UNKNOWN)

    @property
    def tone(self) -> Tone:
        person = self.tally.count(DEAD, UNKNOWN, BLOCKED)
        if person:
            return wait(f"{person:,} with a person", "user")
        if self.open:
            return wait(f"{self.open:,} on the way")
        return ok("Balanced") if self.tally.due.count else quiet("Nothing due")


@dataclass(frozen=True, slots=True)
class UndeliveredMessage:
    """A message that is a dead letter, of unknown outcome, or closed by a person."""

    what: str
    target: str
    instance: str
    store: str
    entry: DayMessage
    subscription: int
    state: str


@dataclass(slots=True)
class DailyAccount:
    """The day of one flow. Of `dropped` messages that arrived on it only this count is kept. `complete` False: it has
    more messages than were read, and every number is a lower bound."""

    integration: str
    stream: int
    day: date
    by: str
    complete: bool
    messages: Total
    undated: int
    lines: list[StoreLine] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    cases: list[UndeliveredMessage] = field(default_factory=list)
    cases_left_out: int = 0
    dropped: int = 0


@dataclass(frozen=True, slots=True)
class ReconciledTarget:
    """A target of the deployed release with its subscriptions."""

    target: ManifestTarget
    meant: Callable[[DayMessage], bool]
    subscriptions: Sequence[TargetSubscription]


@dataclass(frozen=True, slots=True)
class ReconciledFlow:
    stream: Stream
    manifest: Manifest
    deployment: Deployment
    sides: Sequence[ReconciledTarget]


def account(integration: Integration, environment: str, day: date, *, by: str) -> DailyAccount:
    """The day, from the log, positions, quarantined messages and decisions.

    The caller has checked the viewer's permission.
    """
    flow = flow_of(integration, environment)
    entries, complete = entries_of(flow, day, by)
    made = DailyAccount(
        integration.key, flow.stream.pk, day, by, complete, Total(), sum(1 for one in entries if not one.facts.day)
    )
    made.dropped = daily_totals.dropped(flow.stream.pk, day)
    for one in entries:
        made.messages.add(one.facts)
    made.gaps = gaps(one.facts for one in entries)
    far, held = standing_of(flow, entries)
    for side in flow.sides:
        fleet = any(one.instance for one in side.subscriptions)
        for lines, cases in (
            _of_fleet(side, one, entries, far[one.pk], held[one.pk])
            if fleet
            else _of_target(side, one, entries, far[one.pk], held[one.pk])
            for one in side.subscriptions
        ):
            made.lines += lines
            room = MAX_CASES - len(made.cases)
            made.cases += cases[:room]
            made.cases_left_out += max(len(cases) - room, 0)
    return made


# -- the day -----------------------------------------------------------------------------------------------------------
def flow_of(integration: Integration, environment: str) -> ReconciledFlow:
    deployment = (
        Deployment.objects.select_related("release")
        .filter(integration=integration, environment=environment, active=True)
        .first()
    )
    stream = Stream.objects.filter(integration=integration, environment=environment).first()
    if deployment is None or stream is None:
        raise NotFound(
            "deployment.none", f"{integration.key} is not deployed in {environment}, so there is nothing to reconcile."
        )
    manifest = manifests.load(deployment.release.manifest)
    subscriptions = list(
        TargetSubscription.objects.select_related("vendor")
        .filter(stream=stream, replay_of=None, open=True)
        .order_by("instance")
    )
    sides = [
        ReconciledTarget(target, _meant(manifest, target), [one for one in subscriptions if one.target == target.name])
        for target in manifest.targets
    ]
    return ReconciledFlow(stream, manifest, deployment, sides)


def entries_of(flow: ReconciledFlow, day: date, by: str) -> tuple[list[DayMessage], bool]:
    found = daily_totals.messages(flow.stream.pk, day, business=by == "business", limit=LIMIT + 1)
    complete = len(found) <= LIMIT
    newest = {row["key"]: (row["lane"], row["position"]) for row in found[:LIMIT]}  # in order: the last one stays
    made = []
    for row in found[:LIMIT]:
        document, place = decode(row["payload"].encode()), (row["lane"], row["position"])
        correlation = row["correlation"] or correlation_id(flow.stream.salt, flow.stream.pk, *place)
        last = flow.stream.immutable or newest[row["key"]] == place
        made.append(DayMessage(*place, row["key"], row["received_at"], correlation, document, facts_of(document), last))
    return made, complete


def standing_of(
    flow: ReconciledFlow, entries: Sequence[DayMessage], only: TargetSubscription | None = None
) -> tuple[dict[int, dict[int, int]], dict[int, dict[tuple[int, int], str]]]:
    """How far each target is, and what became of the entries that left their batch or that it names, by place. Of a
    fleet, which receives the same messages in each of its stores, only those that left their batch or that a store
    passed without an effect."""
    spans: dict[int, tuple[int, int]] = {}
    for one in entries:
        first, last = spans.get(one.lane, (one.position, one.position))
        spans[one.lane] = min(first, one.position), max(last, one.position)
    ids = [one.pk for side in flow.sides for one in side.subscriptions if only is None or one == only]
    far, held = daily_totals.standing(ids, spans)
    stores = [one.pk for side in flow.sides for one in side.subscriptions if one.instance and only is None]
    for number, passed in (daily_totals.passed_over(stores, spans) if stores else {}).items():
        held[number] = passed | held[number]
    for side in flow.sides:
        for mine in side.subscriptions:
            if mine.pk in far and (only is not None or not mine.instance):
                held[mine.pk] = daily_totals.named_outcomes(mine.pk, spans) | held[mine.pk]
    return far, held


def _meant(manifest: Manifest, target: ManifestTarget) -> Callable[[DayMessage], bool]:
    """Whether a message is for this target, by source and condition.

    One that fails the condition counts: it is a dead letter.
    """
    prefix = manifest.prefix(manifest.source_of(target))
    keep = compile_mapping(parse(filter_mapping(target.when))) if target.when else None

    def meant(entry: DayMessage) -> bool:
        if not entry.key.startswith(prefix):
            return False
        try:
            return keep is None or keep(entry.document).get("keep") is True
        except MappingError:
            return True

    return meant


def state_of(side: ReconciledTarget, entry: DayMessage, far: dict[int, int], held: dict[tuple[int, int], str]) -> str:
    place = (entry.lane, entry.position)
    if place in held:
        return _STATE_OF.get(held[place], RETRYING)
    if not side.meant(entry):
        return NOT_MEANT
    if entry.position > far.get(entry.lane, 0):
        return WAITING
    return DELIVERED if entry.newest else REPLACED


def _of_target(
    side: ReconciledTarget,
    subscription: TargetSubscription,
    entries: Sequence[DayMessage],
    far: dict[int, int],
    held: dict[tuple[int, int], str],
) -> tuple[list[StoreLine], list[UndeliveredMessage]]:
    """Lines by the store that each message names."""
    tallies: dict[str, Tally] = {}
    cases = []
    for one in entries:
        state = state_of(side, one, far, held)
        tallies.setdefault(one.facts.store, Tally()).add(state, one.facts)
        if state in (DEAD, UNKNOWN, CLOSED):
            cases.append(UndeliveredMessage(state, side.target.name, "", one.facts.store, one, subscription.pk, state))
    return [
        StoreLine(side.target.name, side.target.system, store, tally) for store, tally in sorted(tallies.items())
    ], cases


def _of_fleet(
    side: ReconciledTarget,
    subscription: TargetSubscription,
    entries: Sequence[DayMessage],
    far: dict[int, int],
    held: dict[tuple[int, int], str],
) -> tuple[list[StoreLine], list[UndeliveredMessage]]:
    """Every store receives the same messages, so positions are counted instead of checking each message for 600
    stores.
    """
    by_lane: dict[int, list[int]] = {}
    at = {(one.lane, one.position): one for one in entries if one.newest and side.meant(one)}
    for lane, position in at:
        by_lane.setdefault(lane, []).append(position)
    tally, cases = Tally(), []
    passed = sum(bisect_right(positions, far.get(lane, 0)) for lane, positions in by_lane.items())
    mine = {place: state for place, state in held.items() if place in at}
    counts = {WAITING: len(at) - passed, DELIVERED: passed - len(mine)}
    for place, word in mine.items():
        state = _STATE_OF.get(word, RETRYING)
        counts[state] = counts.get(state, 0) + 1
        if state in (DEAD, UNKNOWN, CLOSED):
            cases.append(
                UndeliveredMessage(
                    state,
                    side.target.name,
                    subscription.instance,
                    subscription.instance,
                    at[place],
                    subscription.pk,
                    state,
                )
            )
    for state, count in counts.items():
        tally.by_state[state] = Total(count, None)
    tally.due = Total(len(at) - counts.get(NOT_MEANT, 0) - counts.get(REPLACED, 0), None)
    return [StoreLine(side.target.name, side.target.system, subscription.instance, tally, fleet=True)], cases


__all__ = [
    "LIMIT",
    "DailyAccount",
    "DayMessage",
    "ReconciledFlow",
    "ReconciledTarget",
    "StoreLine",
    "UndeliveredMessage",
    "account",
    "entries_of",
    "flow_of",
    "standing_of",
    "state_of",
]
