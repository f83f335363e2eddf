"""Reconciliation of one flow on one day: received, delivered to each target, still open.

It counts messages, and money where every message says it. What has settled comes from the sums of the day
(`runtime.services.day_sums`); what is not in them yet, what waits and what left its batch is read message by message.
`target_comparison` asks the target systems.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from django.utils import timezone

from kernel import clock
from kernel.ui.tones import Tone, ok, quiet, wait
from runtime.domain.day_sums import ByCurrency, Days
from runtime.domain.outcome_codes import CONFIRMED
from runtime.domain.reconciliation import (
    BEHIND,
    BLOCKED,
    CLOSED,
    DEAD,
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
    gaps_between,
)
from runtime.models import Integration
from runtime.selectors import daily_totals, day_sums
from runtime.selectors.day_sums import LOG, TO, Chosen, KeptSums
from runtime.services import edited_content
from runtime.services.day_messages import (
    LIMIT,
    MAX_CASES,
    STATE_OF,
    DayMessage,
    ReconciledFlow,
    ReconciledTarget,
    as_entries,
    flow_of,
    standing_of,
    state_of,
)
from runtime.services.fleet_accounts import FleetDay

MOST_WAITING = 5_000  # messages that a target has still to take are judged one by one up to so many


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
    """The day of one flow, `as_of` a moment. Of `dropped` messages that arrived on it only this count is kept.
    `complete` False: more than LIMIT of its messages are in no sums yet, or left their batch, and every number is a
    lower bound. `unjudged`: targets that have so much to take that all of it counts as waiting, also what they will
    skip. `summed_at`: when the sums were brought up to date; None without any."""

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
    as_of: datetime = field(default_factory=clock.now)
    summed_at: datetime | None = None
    unjudged: list[str] = field(default_factory=list)


def account(integration: Integration, environment: str, day: date, *, by: str) -> DailyAccount:
    """The day, from the sums, the log behind them, positions, quarantined messages and decisions.

    The caller has checked the viewer's permission.
    """
    return _Day(flow_of(integration, environment), day, by).account(integration.key)


def chosen_of(stream: int, day: date, *, business: bool) -> Chosen:
    since, until = daily_totals.bounds(day)
    if business:
        since, until = since - timedelta(days=1), until + timedelta(days=day_sums.LATE_DAYS)
    return Chosen(stream, day, business, since, until)


@dataclass(slots=True)
class _States:
    """What became of the messages of one target: cells by store and state."""

    stores: dict[str, dict[str, ByCurrency]] = field(default_factory=dict)
    edited: dict[str, list[tuple[Facts, Facts]]] = field(default_factory=dict)  # as it came, and as it was delivered

    def cells(self, store: str, state: str) -> ByCurrency:
        return self.stores.setdefault(store, {}).setdefault(state, ByCurrency())

    def add(self, state: str, entry: DayMessage, sign: int = 1) -> None:
        self.cells(entry.facts.store, state).cell(entry.facts.currency).count(entry.facts, sign)

    def tallies(self) -> list[tuple[str, Tally]]:
        made = []
        for store, states in sorted(self.stores.items()):
            tally, due = Tally(), ByCurrency()
            for state, cells in states.items():
                tally.by_state[state] = cells.total()
                if state not in (NOT_MEANT, REPLACED):
                    due.merge(cells)
            tally.due = due.total()
            if DELIVERED in states and store in self.edited:
                tally.edited, tally.by_state[DELIVERED] = _as_edited(states[DELIVERED], self.edited[store])
            if any(total.count for total in tally.by_state.values()):
                made.append((store, tally))
        return made


def _as_edited(delivered: ByCurrency, pairs: Sequence[tuple[Facts, Facts]]) -> tuple[Total, Total]:
    """(how many were edited and what it makes, all that was delivered)."""
    made, difference = ByCurrency(), ByCurrency()
    made.merge(delivered)
    for came, sent in pairs:
        made.cell(came.currency).count(came, -1)
        made.cell(sent.currency).count(sent)
        difference.cell(sent.currency).count(sent)
        if came.amount is None or came.currency != sent.currency:
            difference.cell(sent.currency).unknown += 1
        else:
            difference.cell(sent.currency).amount -= came.amount
    return difference.total(), made.total()


class _Day:
    """What is read of one day: the sums, and the messages behind them. `_small`: ordinary targets whose messages that
    are not in their sums are few enough to be judged one by one; the others by name in `_behind`."""

    def __init__(self, flow: ReconciledFlow, day: date, by: str) -> None:
        self.flow, self.by = flow, by
        self.chosen = chosen_of(flow.stream.pk, day, business=by == "business")
        self.sums = day_sums.kept(self.chosen)
        self.lanes = daily_totals.lanes(flow.stream.pk)
        logged = sum(cells.number for cells in self.sums.log.values())
        names = [side.target.name for side in flow.sides if not _fleet(side)]
        behind = {name: logged - _count(self.sums, name) for name in names}
        self.unjudged = {name for name, number in behind.items() if number > MOST_WAITING}
        lower = {lane: self.sums.done_by(LOG, lane) for lane in self.lanes}
        self.logged = dict(lower)
        for name in names:
            if behind[name] and name not in self.unjudged:
                lower = {lane: min(at, self.sums.done_by(TO + name, lane)) for lane, at in lower.items()}
        self.rows = day_sums.behind(self.chosen, lower, LIMIT + 1) if lower else []
        self.complete = len(self.rows) <= LIMIT
        self.rows = self.rows[:LIMIT]
        self.entries = as_entries(flow.stream, self.rows)

    def account(self, key: str) -> DailyAccount:
        made = DailyAccount(key, self.flow.stream.pk, self.chosen.day, self.by, self.complete, Total(), 0)
        made.summed_at, made.unjudged = self.sums.at, sorted(self.unjudged)
        made.dropped = daily_totals.dropped(made.stream, made.day)
        self._log(made)
        far, held = standing_of(self.flow, self.entries)
        left = self._left_their_batch(made)
        for side in self.flow.sides:
            if _fleet(side):
                continue
            for one in side.subscriptions:
                self._target(made, side, one.pk, far[one.pk], held[one.pk], left.get(one.pk, ()))
        fleets = [side for side in self.flow.sides if _fleet(side)]
        if fleets:
            self._fleets(made, fleets)
        return made

    def _log(self, made: DailyAccount) -> None:
        total, made.undated = ByCurrency(), self.sums.undated
        for cells in self.sums.log.values():
            total.merge(cells)
        new = [one for one in self.entries if one.position > self.logged[one.lane]]
        for one in new:
            total.cell(one.facts.currency).count(one.facts)
        made.messages = total.total()
        made.undated += sum(1 for one in new if not one.facts.day)
        made.gaps = gaps_of(self.chosen, new)

    def _left_their_batch(self, made: DailyAccount) -> dict[int, list[tuple[str, str, DayMessage]]]:
        """{subscription: (state, code in the sums, message)} of what is in the sums and left its batch."""
        ids = [one.pk for side in self.flow.sides for one in side.subscriptions if not one.instance]
        found = day_sums.held(self.chosen, ids, LIMIT + 1) if ids and self.sums.at else []
        made.complete = made.complete and len(found) <= LIMIT
        left: dict[int, list[tuple[str, str, DayMessage]]] = {}
        for row, entry in zip(found[:LIMIT], as_entries(self.flow.stream, found[:LIMIT]), strict=True):
            state = STATE_OF.get(row["state"], RETRYING)
            left.setdefault(row["subscription"], []).append((state, row["code"] or CONFIRMED, entry))
        return left

    def _target(
        self,
        made: DailyAccount,
        side: ReconciledTarget,
        subscription: int,
        far: dict[int, int],
        held: dict[tuple[int, int], str],
        left: Sequence[tuple[str, str, DayMessage]],
    ) -> None:
        name, states, cases = side.target.name, _States(), []
        for code, stores in self.sums.targets.get(name, {}).items():
            for store, cells in stores.items():
                states.cells(store, STATE_OF[code]).merge(cells)
        upto = {lane: self.sums.done_by(TO + name, lane) for lane in self.lanes}
        if name in self.unjudged:
            self._waiting(states, name)
            read_from = self.logged
        else:
            read_from = {lane: min(upto[lane], self.logged[lane]) for lane in self.lanes}
        for state, code, entry in left:
            if entry.position > read_from[entry.lane]:
                continue  # read one by one below
            summed = entry.position <= upto[entry.lane]
            states.add(STATE_OF[code] if summed else WAITING, entry, -1)
            states.add(state, entry)
            cases.append((state, entry))
        for entry in self.entries:
            if entry.position > read_from[entry.lane]:
                state = state_of(side, entry, far, held)
                states.add(state, entry)
                cases.append((state, entry))
        self._edited(states, subscription, cases)
        for store, tally in states.tallies():
            made.lines.append(StoreLine(name, side.target.system, store, tally))
        add_cases(
            made,
            [
                UndeliveredMessage(state, name, "", entry.facts.store, entry, subscription, state)
                for state, entry in cases
                if state in (DEAD, UNKNOWN, CLOSED)
            ],
        )

    def _edited(self, states: _States, subscription: int, cases: Sequence[tuple[str, DayMessage]]) -> None:
        """What a person had edited was delivered so, and not as it came."""
        spans = day_sums.spans(self.chosen)
        for one in self.entries:
            first, last = spans.get(one.lane, (one.position, one.position))
            spans[one.lane] = min(first, one.position), max(last, one.position)
        sent = edited_content.delivered(subscription, spans)
        elsewhere = {(one.lane, one.position) for state, one in cases if state != DELIVERED}
        found = day_sums.at_places(self.chosen, sorted(sent.keys() - elsewhere), LIMIT)
        for entry in as_entries(self.flow.stream, found):
            facts = facts_of(sent[entry.lane, entry.position])
            states.edited.setdefault(entry.facts.store, []).append((entry.facts, facts))

    def _waiting(self, states: _States, name: str) -> None:
        """All that is in the log's sums and not in those of this target."""
        for store, cells in self.sums.log.items():
            states.cells(store, WAITING).merge(cells)
        for stores in self.sums.targets.get(name, {}).values():
            for store, cells in stores.items():
                states.cells(store, WAITING).merge(cells, -1)

    def _fleets(self, made: DailyAccount, sides: Sequence[ReconciledTarget]) -> None:
        days = Days(timezone.get_current_timezone())
        fleet = FleetDay(self.chosen, self.flow, self.sums, self.lanes, self.rows, days)
        for side in sides:
            for one in fleet.lines_of(side):
                made.lines.append(StoreLine(side.target.name, side.target.system, one.instance, one.tally, fleet=True))
                add_cases(
                    made,
                    [
                        UndeliveredMessage(
                            state, side.target.name, one.instance, one.instance, entry, one.subscription, state
                        )
                        for state, entry in one.cases
                    ],
                )
        made.complete = made.complete and fleet.complete


def add_cases(made: DailyAccount, cases: Sequence[UndeliveredMessage]) -> None:
    room = max(MAX_CASES - len(made.cases), 0)
    made.cases += cases[:room]
    made.cases_left_out += max(len(cases) - room, 0)


def _fleet(side: ReconciledTarget) -> bool:
    return any(one.instance for one in side.subscriptions)


def _count(sums: KeptSums, name: str) -> int:
    return sum(cells.number for stores in sums.targets.get(name, {}).values() for cells in stores.values())


def gaps_of(chosen: Chosen, new: Sequence[DayMessage]) -> list[Gap]:
    """Numbers of tills that are missing, by what is kept of the day and by `new` messages that are not kept yet."""
    said: dict[day_sums.Till, set[int]] = {}
    for one in new:
        facts = one.facts
        if facts.store and facts.till and facts.day and facts.sequence is not None:
            said.setdefault((facts.store, facts.till, facts.day), set()).add(facts.sequence)
    known: Mapping[day_sums.Till, list[tuple[int, int]]] = day_sums.gaps(chosen) | day_sums.numbers(chosen, said)
    return gaps_between(
        {
            till: [*known.get(till, []), *((number, number) for number in said.get(till, ()))]
            for till in sorted({*known, *said})
        }
    )


def missing_between(flow: ReconciledFlow, first: date, last: date) -> tuple[list[Gap], bool]:
    """Numbers of tills that are missing by all that arrived on these days; False: not all of it could be read."""
    since, until = daily_totals.bounds(first)[0], daily_totals.bounds(last)[1]
    chosen = Chosen(flow.stream.pk, first, False, since, until, last)
    done = day_sums.kept(chosen).done.get(LOG, {})
    after = {lane: done.get(lane, 0) for lane in daily_totals.lanes(flow.stream.pk)}
    found = day_sums.behind(chosen, after, LIMIT + 1)
    return gaps_of(chosen, as_entries(flow.stream, found[:LIMIT])), len(found) <= LIMIT


__all__ = ["LIMIT", "DailyAccount", "StoreLine", "UndeliveredMessage", "account"]
