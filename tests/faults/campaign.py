"""The fault campaign: real processes, seeded injections, judged by the vendors' journals. `python -m tests.faults.campaign --minutes 5`.

A round has a seed, a fixed plan of messages and a kind of vendor: `blind` ones check neither keys nor versions, so that every second
send shows (workers are then not paused between lease check and socket, which nobody could survive); `keyed` ones do, and pauses fall
anywhere. Rounds follow each other, blind and keyed in turn, until the time is over.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sandbox import journal
from tests.faults.harness import Installation
from tests.faults.judge import Verdict, judge
from tests.faults.load import Plan
from tests.faults.product import People

POINTS = (
    "worker.claimed", "database.before_transaction", "database.after_step", "database.before_commit", "database.after_commit",
    "vendor.after_intent", "vendor.before_send", "vendor.after_send", "vendor.after_call", "vendor.before_commit", "vendor.unknown",
    "vendor.after_ask", "vendor.after_resume", "parked.claimed", "parked.after_call", "parked.before_commit",
)  # fmt: skip
TILL_POINTS = ("append.before_write", "append.before_commit", "append.after_commit")
WINDOW = "vendor.before_send"
FOCUS = {
    "outside": ("database.after_step",),
    "token": ("vendor.after_call", "vendor.after_send", "vendor.after_ask"),
    "intent": ("vendor.after_send",),
}
"""Where a planted bug lives: half of the armed workers of such a run end or stop there."""


@dataclass(frozen=True, slots=True)
class Options:
    """How hard a round is. Times in seconds, rates as mean times between two injections."""

    batches: int = 150
    tills: int = 2
    workers: int = 3
    lease: float = 3.0
    deadline: float = 0.8
    till_pause: float = 0.15
    kill_every: float = 1.5
    stop_every: float = 4.0
    vendor_every: float = 2.5
    postgres_every: float = 6.0
    restart_every: float = 20.0
    redis_every: float = 6.0
    decide_every: float = 10.0
    closed_for: float = 6.0
    plant: str | None = None
    armed: float = 0.6  # share of workers that are born to die or stop at a named point
    stops: float = 0.4  # of those, how many stop instead
    rest_within: float = 90.0
    progress: bool = False


@dataclass
class Round:
    """One seed."""

    installation: Installation
    people: People
    options: Options
    seed: int
    blind: bool
    own: bool
    random: random.Random = field(init=False)
    due: dict[str, float] = field(default_factory=dict)
    undo: list[tuple[float, Any]] = field(default_factory=list)
    longest_pause: float = 0.0

    def __post_init__(self) -> None:
        self.random = random.Random(f"campaign {self.seed}")
        self.plans = [Plan(self.seed, till, self.options.batches) for till in range(self.options.tills)]

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
            f"till{plan.till}", "till", fault=fault, plant=self._plant(), early=self.options.plant == "early", pause=self.options.till_pause,
            acknowledged=str(self.installation.folder / f"acknowledged-{self.seed}-{plan.till}"),
            plan={"seed": plan.seed, "till": plan.till, "batches": plan.batches},
        )  # fmt: skip

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
        for number in range(options.workers):
            self._spawn_worker(f"worker{number}")
        for plan in self.plans:
            self._spawn_till(plan)
        processes.spawn("scheduler", "scheduler")
        finished: set[str] = set()
        self._draw_all()
        started = time.monotonic()
        limit = started + options.batches * options.till_pause * 4 + 60
        while len(finished) < options.tills and time.monotonic() < limit:
            self._tend(finished)
            self._inject()
            self._show(started, finished)
            time.sleep(0.02)
        rest = self._calm(finished)
        injected = time.monotonic() - started
        for slot in list(processes.running):
            processes.signal(slot, signal.SIGKILL)
        self._await_end()
        sandbox = installation.vendors.sandbox
        assert sandbox is not None
        erp, stores = (list(journal.read(sandbox.journal_path(name))) for name in ("erp", "stores"))
        grace = options.lease + options.deadline + self.longest_pause + 0.5
        verdict = judge(self.plans, erp, stores, self.people, grace=grace, rest=rest)
        verdict.facts["seconds"] = round(injected, 1)
        return verdict

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
            elif ended.slot == "scheduler":
                processes.spawn("scheduler", "scheduler")
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
            if now >= at:
                self.undo.remove((at, action))
                action()

    def _calm(self, finished: set[str]) -> bool:
        """Every fault is over and every gate open. Answers whether all work came to rest in time."""
        for _, action in self.undo:
            action()
        self.undo.clear()
        vendors, servers = self.installation.vendors, self.installation.servers
        for proxy in (servers.postgres, servers.redis, vendors.erp, vendors.stores):
            proxy.clear()
        if vendors.sandbox is not None:
            vendors.sandbox.erp.clear()
            vendors.sandbox.stores.clear()
        self.installation.history.note("calm")
        ends = time.monotonic() + self.options.rest_within
        while time.monotonic() < ends:
            self._tend(finished, calm=True)
            if len(finished) == self.options.tills and self.people.at_rest():
                return True
            time.sleep(0.1)
        return False

    def _show(self, started: float, finished: set[str]) -> None:
        if not self.options.progress:
            return
        done = 0
        for plan in self.plans:
            path = self.installation.folder / f"acknowledged-{self.seed}-{plan.till}"
            with contextlib.suppress(OSError):
                done += path.read_bytes().count(b"\n")
        whole = self.options.batches * self.options.tills
        bar = "#" * (done * 30 // whole)
        kills = self.installation.history.counts.get("ended", 0)
        print(
            f"\rseed {self.seed} {'blind' if self.blind else 'keyed'} [{bar:30}] {time.monotonic() - started:4.0f} s, {kills} ended",
            end="",
            file=sys.stderr,
        )

    # -- injections ------------------------------------------------------------------------------------------------
    def _draw_all(self) -> None:
        for name in ("kill", "stop", "vendor", "postgres", "restart", "redis", "decide"):
            self._draw(name)

    def _draw(self, name: str) -> None:
        mean = getattr(self.options, f"{name}_every")
        self.due[name] = time.monotonic() + (self.random.expovariate(1 / mean) if mean else float("inf"))

    def _inject(self) -> None:
        now = time.monotonic()
        for name, at in list(self.due.items()):
            if now >= at:
                getattr(self, f"_{name}")()
                self._draw(name)

    def _some_worker(self) -> str | None:
        assert self.installation.processes is not None
        running = [
            p.slot
            for p in self.installation.processes.running.values()
            if p.kind == "worker" and p.resume_at is None and not p.stopped
        ]
        return self.random.choice(running) if running else None

    def _kill(self) -> None:
        assert self.installation.processes is not None
        if slot := self._some_worker():
            self.installation.history.note("kill", slot=slot)
            self.installation.processes.signal(slot, signal.SIGKILL)

    def _stop(self) -> None:
        """At any moment at all: only where vendors check keys, because the moment may lie between lease check and socket."""
        assert self.installation.processes is not None
        if not self.blind and (slot := self._some_worker()):
            self.installation.history.note("stop", slot=slot)
            self.installation.processes.signal(slot, signal.SIGSTOP)

    def _vendor(self) -> None:
        vendors = self.installation.vendors
        proxy = self.random.choice((vendors.erp, vendors.stores))
        faults, seconds = self.random.choice((
            ({"cut_response": 0.4}, 2.0), ({"cut_middle": 0.4}, 2.0), ({"cut_request": 0.4}, 1.5), ({"blackhole": True}, 1.5), ({"refuse": True}, 1.5),
            ({"latency": 0.2, "jitter": 0.2}, 2.0), ({"slice_bytes": 40}, 1.5), ({"cut_down": 700}, 1.5), ({"cut_up": 900}, 1.5),
        ))  # fmt: skip
        self.installation.history.note("vendor", **faults)
        proxy.set(**faults)
        if "refuse" in faults:
            proxy.reset()
        self.undo.append((time.monotonic() + seconds, proxy.clear))

    def _vendor_faults(self) -> None:
        """Throughout a round: some answers cut after acting, some batches applied in part, some 503."""
        sandbox = self.installation.vendors.sandbox
        assert sandbox is not None
        if not self.options.vendor_every:
            return
        for control in (sandbox.erp, sandbox.stores):
            control.fault("cut_after", rate=0.03)
            control.fault("cut_prefix", rate=0.03)
            control.fault("status", ops="writes", status=503, rate=0.01, retry_after=1)

    def _postgres(self) -> None:
        servers, note = self.installation.servers, self.installation.history.note
        what = self.random.choice(("terminate", "reset", "latency", "cut", "blackhole"))
        note("postgres", what=what)
        if what == "terminate":
            self.people.sql(
                """select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database()
                      and (application_name like 'tillgate-worker%' or application_name = 'tillgate-intake')"""
            )
        elif what == "reset":
            servers.postgres.reset()
        else:
            faults: dict[str, Any] = {
                "latency": {"latency": 0.03, "jitter": 0.05},
                "cut": {"cut_response": 0.02},
                "blackhole": {"blackhole": True},
            }[what]
            servers.postgres.set(**faults)
            self.undo.append((time.monotonic() + 1.5, servers.postgres.clear))

    def _restart(self) -> None:
        if self.own:
            self.installation.history.note("restart")
            self.installation.servers.restart_postgres()

    def _redis(self) -> None:
        servers, note = self.installation.servers, self.installation.history.note
        what = self.random.choice(("flush", "pause", "readonly", "kill", "blackhole", "reset"))
        if not self.own and what not in ("blackhole", "reset"):
            what = "reset"
        note("redis", what=what)
        if what == "kill":
            servers.kill_redis()
            self.undo.append((time.monotonic() + 2.0, servers.start_redis))
        elif what == "reset":
            servers.redis.reset()
        elif what == "blackhole":
            servers.redis.set(blackhole=True)
            self.undo.append((time.monotonic() + 2.0, servers.redis.clear))
        else:
            import redis

            with contextlib.suppress(redis.RedisError), redis.Redis.from_url(servers.redis_url, socket_timeout=1) as client:
                if what == "flush":
                    client.flushall()
                elif what == "pause":
                    client.client_pause(1500)
                else:
                    client.replicaof("127.0.0.1", "1")
                    self.undo.append((time.monotonic() + 2.0, self._writable))

    def _writable(self) -> None:
        import redis

        with (
            contextlib.suppress(redis.RedisError),
            redis.Redis.from_url(self.installation.servers.redis_url, socket_timeout=1) as client,
        ):
            client.replicaof("NO", "ONE")

    def _decide(self) -> None:
        """A rolling deploy, or a revocation in flight that ends later. One at a time."""
        if any(getattr(action, "__self__", None) is self.people for _, action in self.undo):
            return
        people = self.people
        what = self.random.choice(("deploy", "void", "pause", "freeze"))
        later = {"void": people.deploy, "pause": people.resume, "freeze": people.thaw}
        getattr(people, what)()
        if what in later:
            self.undo.append((time.monotonic() + self.options.closed_for * self.random.uniform(0.5, 1.5), later[what]))


@dataclass
class Campaign:
    """Servers, product and people once; then rounds."""

    folder: Path
    options: Options
    seed: int
    own: bool = True
    installation: Installation = field(init=False)
    people: People = field(init=False)

    def start(self, database_url: str | None = None) -> Campaign:
        self.installation = Installation(self.folder, self.seed, own=self.own, lease=self.options.lease)
        if self.own:
            self.installation.prepare_django()
        self.people = People(self.installation, deadline=self.options.deadline)
        self.people.move_in()
        self.installation.start_processes(database_url)
        if self.options.plant:
            from tests.faults import plants

            for trigger in plants.WITHOUT_TRIGGERS.get(self.options.plant, ()):
                table = "runtime_parked" if "parked" in trigger else "runtime_progress"
                self.people.sql(f"alter table {table} disable trigger {trigger}")
        return self

    def round(self, seed: int, *, blind: bool) -> Verdict:
        return Round(self.installation, self.people, self.options, seed, blind, self.own).run()

    def stop(self) -> None:
        if hasattr(self, "people"):
            self.people.leave()
        if hasattr(self, "installation"):
            self.installation.stop()


def report(seed: int, blind: bool, verdict: Verdict) -> str:
    words = " ".join(f"{kind} {count}" for kind, count in verdict.counts().items())
    return f"seed {seed} {'blind' if blind else 'keyed'}: {words}  {json.dumps(verdict.facts)}"


def main() -> int:
    from tests.faults.plants import WHAT

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60.0, help="begin rounds until so much time has passed")
    parser.add_argument("--seed", type=int, default=1, help="the first round's seed")
    parser.add_argument("--batches", type=int, default=150, help="batches of each till and round (10 sales and 4 prices each)")
    parser.add_argument("--pause", type=float, default=0.15, help="seconds between two batches of a till")
    parser.add_argument("--plant", choices=sorted(WHAT), help="put a known bug in; it must be found")
    parser.add_argument("--calm", action="store_true", help="the same load without any fault")
    parser.add_argument("--vendor", choices=("blind", "keyed", "both"), default="both")
    parser.add_argument(
        "--subject", choices=("tillgate", "celery"), default="tillgate", help="celery: plain Celery and Redis, for comparison"
    )
    parser.add_argument("--keep", type=Path, help="keep journals, logs and history in this folder")
    given = parser.parse_args()
    if given.subject == "celery":
        from tests.faults.celery_subject import run

        return run(given.seed, given.minutes)
    folder = given.keep or Path(tempfile.mkdtemp(prefix="tg-faults-"))
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o711)
    options = Options(
        batches=given.batches,
        till_pause=given.pause,
        plant=given.plant,
        progress=sys.stderr.isatty(),
        **(CALM if given.calm else {}),
    )
    campaign = Campaign(folder, options, given.seed)
    dirty, ends, seed, total, messages = 0, time.monotonic() + given.minutes * 60, given.seed, Verdict(), 0
    try:
        campaign.start()
        while True:
            blind = given.vendor == "blind" or (given.vendor == "both" and seed % 2 == 1)
            verdict = campaign.round(seed, blind=blind)
            print(f"\r{report(seed, blind, verdict)}", flush=True)
            for kind, examples in verdict.examples.items():
                print(f"   {kind}: {examples}", flush=True)
            dirty += not verdict.clean
            messages += verdict.facts["sales"] + verdict.facts["prices"]
            for kind in Verdict.KINDS:
                setattr(total, kind, getattr(total, kind) + getattr(verdict, kind))
            seed += 1
            if time.monotonic() > ends or (given.plant and dirty):
                break
    finally:
        campaign.stop()
        if given.keep is None and not dirty:
            shutil.rmtree(folder, ignore_errors=True)
    counts = dict(sorted(campaign.installation.history.counts.items()))
    print(json.dumps({"rounds": seed - given.seed, "seeds": [given.seed, seed - 1], "messages": messages, **total.counts(), "injected": counts,
                      "kept": str(folder) if dirty or given.keep else None}))  # fmt: skip
    return 1 if dirty else 0


CALM: dict[str, Any] = {
    "kill_every": 0.0, "stop_every": 0.0, "vendor_every": 0.0, "postgres_every": 0.0, "restart_every": 0.0, "redis_every": 0.0, "decide_every": 0.0, "armed": 0.0,
}  # fmt: skip

if __name__ == "__main__":
    sys.exit(main())
