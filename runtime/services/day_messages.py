"""The messages of one flow on one day, one by one: what is in their documents, and what became of each at a target."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from kernel.errors import NotFound
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
    facts_of,
)
from runtime.ledger.log_reader import decode
from runtime.mapping import MappingError, compile_mapping, parse
from runtime.models import Deployment, Integration, Stream, TargetSubscription
from runtime.selectors import daily_totals
from runtime.services.mappers import filter_mapping

LIMIT = 50_000  # messages of one day that one page or one comparison reads one by one
MAX_CASES = 1_000
STATE_OF = {
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
class ReconciledTarget:
    """A target of the deployed release with its subscriptions."""

    target: ManifestTarget
    meant: Callable[[str, Any], bool]
    """Whether a message with this key and document is for it."""
    subscriptions: Sequence[TargetSubscription]


@dataclass(frozen=True, slots=True)
class ReconciledFlow:
    stream: Stream
    manifest: Manifest
    deployment: Deployment
    sides: Sequence[ReconciledTarget]


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
    return as_entries(flow.stream, found[:LIMIT]), complete


def as_entries(stream: Stream, found: Sequence[Mapping[str, Any]]) -> list[DayMessage]:
    """Rows of messages, in order of lane and position, as messages of the day."""
    newest = {row["key"]: (row["lane"], row["position"]) for row in found}  # in order: the last one stays
    made = []
    for row in found:
        document, place = decode(row["payload"].encode()), (row["lane"], row["position"])
        correlation = row["correlation"] or correlation_id(stream.salt, stream.pk, *place)
        last = stream.immutable or newest[row["key"]] == place
        made.append(DayMessage(*place, row["key"], row["received_at"], correlation, document, facts_of(document), last))
    return made


def standing_of(
    flow: ReconciledFlow, entries: Sequence[DayMessage], only: TargetSubscription | None = None
) -> tuple[dict[int, dict[int, int]], dict[int, dict[tuple[int, int], str]]]:
    """How far each target is, and what became of the entries that left their batch or that it names, by place. Of a
    fleet, which receives the same messages in each of its stores, nothing; of one store of it (`only`), the same."""
    spans: dict[int, tuple[int, int]] = {}
    for one in entries:
        first, last = spans.get(one.lane, (one.position, one.position))
        spans[one.lane] = min(first, one.position), max(last, one.position)
    every = [one for side in flow.sides for one in side.subscriptions]
    chosen = [one.pk for one in every if (one == only if only is not None else not one.instance)]
    far, held = daily_totals.standing(chosen, spans)
    for number in chosen:
        held[number] = daily_totals.named_outcomes(number, spans) | held[number]
    return far, held


def _meant(manifest: Manifest, target: ManifestTarget) -> Callable[[str, Any], bool]:
    """Whether a message is for this target, by source and condition.

    One that fails the condition counts: it is a dead letter.
    """
    prefix = manifest.prefix(manifest.source_of(target))
    keep = compile_mapping(parse(filter_mapping(target.when))) if target.when else None

    def meant(key: str, document: Any) -> bool:
        if not key.startswith(prefix):
            return False
        try:
            return keep is None or keep(document).get("keep") is True
        except MappingError:
            return True

    return meant


def state_of(side: ReconciledTarget, entry: DayMessage, far: dict[int, int], held: dict[tuple[int, int], str]) -> str:
    place = (entry.lane, entry.position)
    if place in held:
        return STATE_OF.get(held[place], RETRYING)
    if not side.meant(entry.key, entry.document):
        return NOT_MEANT
    if entry.position > far.get(entry.lane, 0):
        return WAITING
    return DELIVERED if entry.newest else REPLACED
