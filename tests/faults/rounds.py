"""One round of the campaign: a seed, a plan of messages, a kind of vendor; processes that die and start again; calm;
the verdict."""

from __future__ import annotations

import contextlib
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sandbox import journal
from tests.faults import waits
from tests.faults.database_faults import DatabaseFaults
from tests.faults.harness import Installation
from tests.faults.injections import COLLECTOR_POINTS, FOCUS, POINTS, TILL_POINTS, WINDOW, Injections, Options
from tests.faults.judge import Verdict, judge, second
from tests.faults.load import LONG_DEADLINE, Plan
from tests.faults.product import People
from tests.faults.progress import Progress
from tests.faults.source_faults import SourceFaults
from tests.faults.vendor_faults import SLOW_MS, VendorFaults


@dataclass
class Round(Injections):
    """One seed."""

    installation: Installation
    people: People
    options: Options
    seed: int
    blind: bool
    own: bool
    random: random.Random = field(init=False)
    vendor_faults: VendorFaults = field(init=False)
    source_faults: SourceFaults = field(init=False)
    database_faults: DatabaseFaults = field(init=False)
    due: dict[str, float] = field(default_factory=dict)
    undo: list[tuple[float, Any]] = field(default_factory=list)
    longest_pause: float = 0.0
    progress: Progress | None = None
    share: Callable[[], float] = field(default=float)

    def __post_init__(self) -> None:
        self.random = random.Random(f"campaign {self.seed}")
        self.plans = [Plan(self.seed, till, self.options.batches) for till in range(self.options.tills)]
        draws = random.Random(f"vendors {self.seed}")
        self.vendor_faults = VendorFaults(
            self.installation, draws, self.options.vendors, self.plans, self.undo, self.blind
        )

        assert self.people.source is not None
        draws = random.Random(f"sources {self.seed}")
        self.source_faults = SourceFaults(
            self.installation, self.people, self.options, self.people.source, draws, self.seed, self.undo
        )

        draws = random.Random(f"databases {self.seed}")
        self.database_faults = DatabaseFaults(self.installation, self.people, draws, self.options.databases, self.undo)

    # -- processes -------------------------------------------------------------------------------------------------
    def _spawn_worker(self, slot: str, *, calm: bool = False) -> None:
        fault = None
        if not calm and self.random.random() < self.options.armed:
            if self.random.random() < self.options.stops:
                points = [p for p in POINTS if not (self.blind and p == WINDOW)]
                fault = f"{self._point(points)}:{self.random.randint(1, 8)}:stop"
            else:
                fault = f"{self._point(POINTS)}:{self.random.randint(1, 8)}"
        assert self.installation.processes is not None
        self.installation.processes.spawn(slot, "worker", fault=fault, plant=self._plant())

    def _spawn_collector(self, slot: str, *, calm: bool = False) -> None:
        fault = None
        if not calm and self.random.random() < self.options.armed:
            how = ":stop" if self.random.random() < self.options.stops else ""
            fault = f"{self.random.choice(COLLECTOR_POINTS)}:{self.random.randint(1, 12)}{how}"
        assert self.installation.processes is not None
        self.installation.processes.spawn(slot, "collector", fault=fault, plant=self._plant())

    def _point(self, points: Sequence[str]) -> str:
        focus = FOCUS.get(self.options.plant or "")
        return self.random.choice(focus if focus and self.random.random() < 0.5 else points)

    def _spawn_till(self, plan: Plan, *, calm: bool = False) -> None:
        fault = None
        if not calm and self.options.armed and self.random.random() < 0.7:
            how = ":stop" if self.random.random() < 0.3 else ""
            fault = f"{self.random.choice(TILL_POINTS)}:{self.random.randint(5, 40)}{how}"
        assert self.installation.processes is not None
        self.installation.processes.spawn(
            f"till{plan.till}",
            "till",
            fault=fault,
            plant=self._plant(),
            early=self.options.plant == "early",
            pause=self.options.till_pause,
            http=self._http(plan),
            acknowledged=str(self.installation.folder / f"acknowledged-{self.seed}-{plan.till}"),
            plan={"seed": plan.seed, "till": plan.till, "batches": plan.batches},
        )

    def _http(self, plan: Plan) -> dict[str, str] | None:
        """How the last tills hand in; the others use the service directly."""
        if plan.till < self.options.tills - self.options.http_tills:
            return None
        web = self.installation.serve()
        return {"url": web.url, "token": self.people.token, "answers": str(self._answers(plan))}

    def _answers(self, plan: Plan) -> Path:
        return self.installation.folder / f"answers-{self.seed}-{plan.till}"

    def _tills_are_served(self) -> bool:
        paths = [self._answers(plan) for plan in self.plans if self._http(plan) is not None]
        return all(any(call.answer == "202" for call in waits.read(path)) for path in paths)

    def _plant(self) -> str | None:
        return None if self.options.plant in (None, "early") else self.options.plant

    def run(self) -> Verdict:
        installation, options = self.installation, self.options
        installation.vendors.begin(f"round-{self.seed}", blind=self.blind)
        installation.history.note("round", seed=self.seed, blind=self.blind)
        self._vendor_faults()
        self.people.deploy()
        assert installation.processes is not None
        processes = installation.processes
        processes.spawn("scheduler", "scheduler")
        for number in range(options.workers):
            self._spawn_worker(f"worker{number}")
        self._spawn_collector("collector0")
        for plan in self.plans:
            self._spawn_till(plan)
        finished: set[str] = set()
        self._draw_all()
        self.database_faults.tills_are_served = self._tills_are_served
        self.database_faults.begin()
        started = time.monotonic()
        limit = started + options.batches * options.till_pause * 4 + min(60.0, options.rest_within / 2)
        while (len(finished) < options.tills or self.vendor_faults.away) and time.monotonic() < limit:
            self._tend(finished)
            self._inject()
            self.vendor_faults.inject()
            self.source_faults.act()
            self.database_faults.act()
            self._show()
            time.sleep(0.02)
        self.database_faults.end()
        rest = self._calm(finished)
        injected = time.monotonic() - started
        self.source_faults.end()
        installation.goes_on |= self.vendor_faults.goes_on()
        for slot in list(processes.running):
            processes.signal(slot, signal.SIGKILL)
        self._await_end()
        sandbox = installation.vendors.sandbox
        assert sandbox is not None
        journals = {name: list(journal.read(sandbox.journal_path(name))) for name in installation.vendors.proxies}
        late = SLOW_MS[1] / 1000 if self.options.vendors & {"slow", "jobs"} else 0.0
        grace = options.lease + max(options.deadline, LONG_DEADLINE) + self.longest_pause + late + 0.5
        verdict = judge(self.plans, journals, self.people, grace=grace, rest=rest, allowed=self.vendor_faults.allowed)
        self.source_faults.judge(verdict, journals["stores"])
        verdict.facts["seconds"] = round(injected, 1)
        tills = [calls for plan in self.plans if (calls := waits.read(self._answers(plan)))]
        verdict.facts["http"] = dict(Counter(call.answer for calls in tills for call in calls))
        effects = [second(entry) for entries in journals.values() for entry in entries]
        self.database_faults.judge(verdict, tills, effects)
        return verdict

    def _vendor_faults(self) -> None:
        self.vendor_faults.begin(self.options.batches * self.options.till_pause)
        self.source_faults.begin(self.options.batches * self.options.till_pause)

    def _await_end(self) -> None:
        assert self.installation.processes is not None
        ends = time.monotonic() + 10
        while self.installation.processes.running and time.monotonic() < ends:
            self.installation.processes.ended()
            time.sleep(0.02)

    def _tend(self, finished: set[str], *, calm: bool = False) -> None:
        """Start again what has ended, and let go on what has been paused long enough."""
        processes, note = self.installation.processes, self.installation.history.note
        assert processes is not None
        for ended in processes.ended():
            note("ended", slot=ended.slot, status=ended.status)
            if ended.slot.startswith("till") and ended.status == 0:
                finished.add(ended.slot)
            elif ended.slot.startswith("till") and ended.status > 0:
                raise RuntimeError(f"a till failed by itself; see {processes.log}")
            elif ended.slot.startswith("till"):
                self._spawn_till(self.plans[int(ended.slot[4:])], calm=calm)
            elif ended.slot.startswith("worker"):
                if ended.status not in (0, -9):
                    note("worker failed", status=ended.status)
                self._spawn_worker(ended.slot, calm=calm)
            elif ended.slot.startswith("collector"):
                self._spawn_collector(ended.slot, calm=calm)
            elif ended.slot == "scheduler":
                processes.spawn("scheduler", "scheduler")
        if self.installation.web is not None and self.installation.web.keep():
            note("web started again")
        now = time.monotonic()
        for slot, process in list(processes.running.items()):
            if process.resume_at is None and process.stopped:
                length = self.options.lease * self.random.uniform(1.0, 1.7)
                process.resume_at, process.paused_from = now + length, now
                self.longest_pause = max(self.longest_pause, length)
                note("paused", slot=slot, point=process.fault, seconds=length)
            elif process.resume_at is not None and now >= process.resume_at:
                process.resume_at = None
                processes.signal(slot, signal.SIGCONT)
        for at, action in self.undo[:]:
            if now >= at and (at, action) in self.undo:  # who waited for the one before may have done it
                self.undo.remove((at, action))
                action()

    def _calm(self, finished: set[str]) -> bool:
        """Every fault is over and every gate open. Answers whether all work came to rest in time."""
        while self.undo:
            self.undo.pop(0)[1]()
        vendors, servers = self.installation.vendors, self.installation.servers
        web = [self.installation.web.proxy] if self.installation.web is not None else []
        for proxy in (servers.postgres, servers.redis, *vendors.proxies.values(), *web):
            proxy.clear()
        if vendors.sandbox is not None:
            self.vendor_faults.calm()
        self.source_faults.calm()
        self.installation.history.note("calm")
        ends = time.monotonic() + self.options.rest_within
        while time.monotonic() < ends:
            self._tend(finished, calm=True)
            self._show()
            read = self.source_faults.at_rest()
            if read and len(finished) == self.options.tills and self.people.at_rest(self.vendor_faults.goes_on()):
                return True
            time.sleep(0.2)
        return False

    def _show(self) -> None:
        """A line for whoever watches; counting what was acknowledged reads files, so only when a line is due."""
        if self.progress is None or not self.progress.due:
            return
        done = 0
        for plan in self.plans:
            path = self.installation.folder / f"acknowledged-{self.seed}-{plan.till}"
            with contextlib.suppress(OSError):
                done += path.read_bytes().count(b"\n")
        whole = self.options.batches * self.options.tills
        ended = self.installation.history.counts.get("ended", 0)
        self.progress.show(
            self.share(),
            f"seed {self.seed} {'blind' if self.blind else 'keyed'} {done}/{whole} batches, {ended} processes ended",
        )
