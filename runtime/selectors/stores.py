"""All instances of fleet targets at a glance: whether a store is normal, late, queueing or stopped, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from kernel.ui.tones import Tone, ok, stop, wait
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
        return wait("Late") if now.stale else ok("Normal")

    @property
    def why(self) -> str:
        if self.gate is not None and not self.gate.open:
            return self.gate.says
        if self.backlog.for_person:
            return "Messages wait for a person; others continue."
        return "Later than its tier allows." if self.operating_state.stale else ""


_STRICT = (degraded.NORMAL, degraded.LOCAL, degraded.QUEUE, degraded.STOPPED)
_WORST = {"stop": 0, "wait": 1, "ok": 2}


@dataclass(slots=True)
class Store:
    """One instance of a fleet, with its flows. The worst of them gives its tone."""

    name: str
    system: str
    flows: list[StoreFlow] = field(default_factory=list)

    @property
    def worst(self) -> StoreFlow:
        return min(self.flows, key=lambda one: _WORST[one.tone.tone])

    @property
    def tone(self) -> Tone:
        return self.worst.tone

    @property
    def mode(self) -> str:
        """The strictest among its flows."""
        return max((one.mode for one in self.flows), key=_STRICT.index)

    @property
    def normal(self) -> bool:
        return self.tone.tone == "ok"

    @property
    def waiting(self) -> int:
        return sum(one.backlog.waiting + one.backlog.retrying + one.backlog.behind for one in self.flows)

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


def fleet(viewer: Viewer, environment: str) -> list[Store]:
    """All stores of all fleet targets that the viewer may see, by system and name; as many queries as `flows.today`."""
    found: dict[tuple[str, str], Store] = {}
    for flow in flows.today(viewer, environment):
        if not flow.fleet:
            continue
        for instance, backlog, gate in flow.instances:
            store = found.setdefault((flow.target_system, instance), Store(instance, flow.target_system))
            store.flows.append(StoreFlow(flow, backlog, gate))
    return [found[key] for key in sorted(found)]


def in_rows(stores: Sequence[Store]) -> list[StoreRow]:
    made = []
    for start in range(0, len(stores), ROW):
        part = tuple(stores[start : start + ROW])
        heading = part[0].name if len(part) == 1 else f"{part[0].name} to {part[-1].name}"
        made.append(StoreRow(heading, part))
    return made
