"""A day of a fleet: each of its stores receives the same messages, so keys are counted once for all of them, and only
what differs from store to store is looked at: how far each one is, what left its batch, what it passed over."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from runtime.domain.day_sums import Days
from runtime.domain.reconciliation import (
    CLOSED,
    DEAD,
    DELIVERED,
    NOT_MEANT,
    REPLACED,
    RETRYING,
    UNKNOWN,
    WAITING,
    Tally,
    Total,
)
from runtime.selectors import daily_totals, day_sums
from runtime.selectors.day_sums import FLEET, Chosen, KeptSums
from runtime.services import day_sum_parts as parts
from runtime.services.day_messages import LIMIT, STATE_OF, DayMessage, ReconciledFlow, ReconciledTarget, as_entries

Place = tuple[int, int]


@dataclass(slots=True)
class StoreOfFleet:
    """One store: what became of the day's messages there; `cases` are (state, message) of those without an effect."""

    instance: str
    subscription: int
    tally: Tally
    cases: list[tuple[str, DayMessage]] = field(default_factory=list)


class FleetDay:
    """What the fleets of a flow share: `rows` are the messages that are in no sums yet. `complete` False: more than
    LIMIT messages had to be read, and numbers are lower bounds."""

    def __init__(
        self,
        chosen: Chosen,
        flow: ReconciledFlow,
        sums: KeptSums,
        lanes: Sequence[int],
        rows: Sequence[Mapping[str, Any]],
        days: Days,
    ) -> None:
        self.chosen, self.flow, self.sums, self.lanes, self.days = chosen, flow, sums, lanes, days
        self.complete = True
        self.spans = day_sums.spans(chosen) if sums.at else {}
        for row in rows:
            first, last = self.spans.get(row["lane"], (row["position"], row["position"]))
            self.spans[row["lane"]] = min(first, row["position"]), max(last, row["position"])

    def lines_of(self, side: ReconciledTarget) -> Iterator[StoreOfFleet]:
        ids = [one.pk for one in side.subscriptions]
        far, held = daily_totals.standing(ids, self.spans)
        for number, passed in daily_totals.passed_over(ids, self.spans).items():
            held[number] = passed | held[number]
        keys = self._keys(side)
        waiting = self._waiting(side, [far[number] for number in ids])
        entries = self._that_count(side, {place for number in ids for place in held[number]})
        for one in side.subscriptions:
            yield self._line(one.instance, one.pk, keys, waiting, entries, far[one.pk], held[one.pk])

    def _keys(self, side: ReconciledTarget) -> dict[int, int]:
        """{lane: keys whose newest message of the day is meant for the fleet}"""
        name = side.target.name
        found = {lane: self.sums.newest.get(name, {}).get(lane, 0) for lane in self.lanes}
        after = {lane: self.sums.done_by(FLEET + name, lane) for lane in self.lanes}
        new = self._behind(after)
        pairs = list(zip(new, parts.summed(new, self.days), strict=True))
        day = self.chosen.day.isoformat()
        for lane, one, number in parts.newest_of_the_day(self.flow.stream, pairs, side.meant, self.days):
            if not self.chosen.business or one.facts.day == day:
                found[lane] = found.get(lane, 0) + number
        return found

    def _behind(self, after: Mapping[int, int]) -> list[dict[str, Any]]:
        if not after:
            return []
        found = day_sums.behind(self.chosen, after, LIMIT + 1)
        self.complete = self.complete and len(found) <= LIMIT
        return found[:LIMIT]

    def _waiting(self, side: ReconciledTarget, far: Sequence[dict[int, int]]) -> dict[int, list[int]]:
        """{lane: positions that count}, from where the store that is behind most, but not behind all of the day, has
        come to: sorted, so that what waits is counted."""
        after = {}
        for lane, (first, last) in self.spans.items():
            inside = [at for at in (one.get(lane, 0) for one in far) if first <= at < last]
            if inside:
                after[lane] = min(inside)
        entries = as_entries(self.flow.stream, self._behind(after))
        made: dict[int, list[int]] = {}
        for one in entries:
            if one.newest and side.meant(one.key, one.document):
                made.setdefault(one.lane, []).append(one.position)
        return made

    def _that_count(self, side: ReconciledTarget, places: set[Place]) -> dict[Place, DayMessage]:
        """Of these places, the messages of the day that are the newest of their key on it and meant for the fleet."""
        found = day_sums.at_places(self.chosen, sorted(places), LIMIT + 1)
        self.complete = self.complete and len(found) <= LIMIT
        entries = as_entries(self.flow.stream, found[:LIMIT])
        names = {(one.key, one.position) for one in entries if not self.flow.stream.immutable}
        followed = set(day_sums.followed(self.chosen, self.lanes, sorted(names)))
        return {
            (one.lane, one.position): one
            for one in entries
            if (one.key, one.position) not in followed and side.meant(one.key, one.document)
        }

    def _line(
        self,
        instance: str,
        subscription: int,
        keys: Mapping[int, int],
        positions: Mapping[int, list[int]],
        entries: Mapping[Place, DayMessage],
        far: Mapping[int, int],
        held: Mapping[Place, str],
    ) -> StoreOfFleet:
        waiting = 0
        for lane, number in keys.items():
            at, (first, last) = far.get(lane, 0), self.spans.get(lane, (0, 0))
            if at < first:
                waiting += number
            elif at < last:
                waiting += len(positions.get(lane, ())) - bisect_right(positions.get(lane, ()), at)
        mine = {place: word for place, word in held.items() if place in entries}
        counts = {WAITING: waiting, DELIVERED: sum(keys.values()) - waiting - len(mine)}
        made = StoreOfFleet(instance, subscription, Tally())
        for place, word in mine.items():
            state = STATE_OF.get(word, RETRYING)
            counts[state] = counts.get(state, 0) + 1
            if state in (DEAD, UNKNOWN, CLOSED):
                made.cases.append((state, entries[place]))
        for state, count in counts.items():
            made.tally.by_state[state] = Total(max(count, 0), None)
        due = sum(keys.values()) - counts.get(NOT_MEANT, 0) - counts.get(REPLACED, 0)
        made.tally.due = Total(due, None)
        return made
