"""All instances of fleet targets at a glance: whether a store is normal, late, queueing or stopped, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from kernel.ui.tones import Tone, ok, quiet, stop, wait
from kernel.ui.wording import number
from kernel.viewer import Viewer
from runtime.domain import degraded
from runtime.domain.degraded import OperatingState
from runtime.selectors import flows
from runtime.selectors.backlog import Backlog
from runtime.selectors.flows import Flow
from runtime.selectors.gates import GateState

ROW = 100


@dataclass(slots=True)
class StoreFlow:
    """One flow of one store. `operating_state` says whether data flows, how old it is, and what the store may do."""

    flow: Flow
    backlog: Backlog
    gate: GateState | None

    @property
    def operating_state(self) -> OperatingState:
        return self.flow.operating_state(self.backlog, self.gate)

    @property
    def mode(self) -> str:
        return self.operating_state.mode

    @property
    def central(self) -> bool:
        """One flow for all stores, without an instance for each."""
        return not self.flow.fleet

    @property
    def lag(self) -> timedelta:
        return self.operating_state.age or timedelta(0)

    @property
    def tone(self) -> Tone:
        now = self.operating_state
        if now.delivery == degraded.STOPPED_BY_PEOPLE:
            return stop("Stopped")
        if now.delivery == degraded.HELD:
            return wait(now.label, "alert")
        if self.backlog.for_person:
            return wait(f"{number(self.backlog.for_person)} with a person", "user")
        if now.unread:
            return wait("Source not read", "alert")
        if now.degraded or now.stale:
            return wait("Late")
        return ok("Normal") if now.stale is False else quiet("Age unknown")

    @property
    def why(self) -> str:
        if self.gate is not None and not self.gate.open:
            return self.gate.says
        if self.backlog.for_person and not self.operating_state.unread:
            return "Messages wait for a person; others continue."
        if says := self.flow.source_says:
            return f"{says[0].upper()}{says[1:]}."
        now = self.operating_state
        if now.age is None and not self.flow.source.look.can_look:
            return "Its source only hands in: nobody can tell silence from nothing new."
        if now.age is None and now.degraded:
            return "Nothing was delivered here yet."
        return "Later than its tier allows." if now.stale else ""


_STRICT = (degraded.NORMAL, degraded.LOCAL, degraded.QUEUE, degraded.STOPPED)
_WORST = {"stop": 0, "wait": 1, "quiet": 2, "ok": 3}


@dataclass(slots=True)
class Store:
    """One instance of a fleet, with its flows. The worst of them gives its tone.

    `central` are flows that it shares with every other store: they go from or to its system without an instance of
    their own, and declare what a store may do while they are down (`degraded_mode`). They count for its mode, not for
    its tone: what is down for all is said once.
    """

    name: str
    system: str
    flows: list[StoreFlow] = field(default_factory=list)
    central: list[StoreFlow] = field(default_factory=list)

    @property
    def title(self) -> str:
        """Its name, and that it is a store where the name is a number only."""
        return titled(self.name)

    @property
    def all_flows(self) -> list[StoreFlow]:
        return [*self.flows, *self.central]

    @property
    def worst(self) -> StoreFlow:
        return min(self.flows, key=lambda one: _WORST[one.tone.tone])

    @property
    def tone(self) -> Tone:
        return self.worst.tone

    @property
    def mode(self) -> str:
        """The strictest among its flows and those that all stores share."""
        return max((one.mode for one in self.all_flows), key=_STRICT.index)

    @property
    def normal(self) -> bool:
        """Nothing to look at. A store whose age cannot be known is not called late, and not fresh either."""
        return self.tone.tone in ("ok", "quiet")

    @property
    def waiting(self) -> int:
        return sum(one.backlog.on_the_way for one in self.flows)

    @property
    def lag(self) -> timedelta:
        return max(one.lag for one in self.flows)

    @property
    def last_confirmed_at(self) -> datetime | None:
        return max(filter(None, (one.backlog.last_delivery_at for one in self.flows)), default=None)

    @property
    def since(self) -> datetime | None:
        return min(filter(None, (one.backlog.oldest_at for one in self.flows)), default=None)


@dataclass(frozen=True, slots=True)
class StoreRow:
    """Up to a hundred stores, sorted by name, for the grid."""

    heading: str
    stores: tuple[Store, ...]

    @property
    def abnormal(self) -> int:
        return sum(1 for store in self.stores if not store.normal)

    @property
    def note(self) -> str:
        count = f"{len(self.stores)} store{'s' if len(self.stores) != 1 else ''} · "
        if not self.abnormal:
            return count + "all normal"
        return count + (f"{self.abnormal} need{'s' if self.abnormal == 1 else ''} attention")


def titled(name: str) -> str:
    return name if any(sign.isalpha() for sign in name) else f"Store {name}"


def fleet(viewer: Viewer, environment: str) -> list[Store]:
    """All stores of all fleet targets that the viewer may see, by system and name; as many queries as `flows.today`."""
    found: dict[tuple[str, str], Store] = {}
    today = flows.today(viewer, environment)
    for flow in today:
        if not flow.fleet:
            continue
        for instance, backlog, gate in flow.instances:
            store = found.setdefault((flow.target_system, instance), Store(instance, flow.target_system))
            store.flows.append(StoreFlow(flow, backlog, gate))
    shared = _central(today, {system for system, _ in found})
    for store in found.values():
        store.central = shared.get(store.system, [])
    return [found[key] for key in sorted(found)]


def _central(today: Sequence[Flow], fleets: set[str]) -> dict[str, list[StoreFlow]]:
    """Flows without instances on which the stores of a system depend: the system hands in through them or is their
    target, and their manifest says what a store may do while they are down."""
    found: dict[str, list[StoreFlow]] = {}
    for flow in today:
        if flow.fleet or flow.degraded_mode is None:
            continue
        for _, backlog, gate in flow.instances:
            for system in {flow.source_system, flow.target_system} & fleets:
                found.setdefault(system, []).append(StoreFlow(flow, backlog, gate))
    return found


def in_rows(stores: Sequence[Store]) -> list[StoreRow]:
    made = []
    for start in range(0, len(stores), ROW):
        part = tuple(stores[start : start + ROW])
        first, last = part[0], part[-1]
        several = f"{first.title} to {last.name}".replace("Store ", "Stores ", first.title != first.name)
        made.append(StoreRow(first.title if len(part) == 1 else several, part))
    return made
