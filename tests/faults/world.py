"""One simulated world: actors, a clock, a vendor with a journal, people who deploy and revoke, and a scheduler that a seed drives.

Every actor runs the product's own code in a greenlet. It gives way before each statement, at each named point and around each
vendor call; there the scheduler decides who goes on, and whether this actor is killed, paused beyond its lease, cut off from the
database, or whether the database restarts. The same seed gives the same schedule, step by step.
"""

from __future__ import annotations

import contextlib
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import greenlet
import msgspec
import psycopg

from runtime.ledger import append as append_module
from runtime.ledger import claims, database_target, exchange, parked, vendor_target
from runtime.ledger.append import Fenced, Item, StreamRef, append
from runtime.ledger.claims import LEASE_SECONDS
from runtime.ledger.database_target import Table
from runtime.ledger.parked import DatabaseServing
from runtime.ledger.parking import Skipped, Unmappable
from runtime.ledger.reading import Message
from runtime.ledger.vendor_target import Binding
from runtime.ledger.vendors import Answer, CannotAsk, Outgoing
from runtime.services import delivering
from tests.faults.model import Database, SimConnection, Transaction

VENDOR, TABLE = 1, 2  # subscriptions
CALL_SECONDS = LEASE_SECONDS / 8
MAX_STEPS = 12_000
_encode = msgspec.json.encode


class Killed(BaseException):
    """SIGKILL: nothing of the process runs after it."""


class Stuck(AssertionError):
    """The world does not come to rest although every fault is over."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What a seed makes of the world. `window`: pauses may also fall between the lease check and the write to the socket."""

    seed: int
    lanes: int
    keys: int
    messages: int
    workers: int
    batch: int
    idempotency: str
    asks: bool
    honours: bool
    coalesce: bool
    table: bool
    faults: int
    fault_rate: float
    decisions: int
    intakes: int
    stay: float
    trouble: float
    killers: frozenset[str]
    refused: frozenset[str]
    unmappable: frozenset[str]
    max_attempts: int
    window: bool

    @classmethod
    def of(cls, seed: int, *, window: bool = False, calm: bool = False) -> Shape:
        r = random.Random(f"shape {seed}")
        idempotency = r.choices("LKNU", (5, 3, 2, 1))[0]
        keys = r.randint(2, 5)
        names = [f"k{i}" for i in range(keys)]
        rare = {name: r.random() for name in names}
        poison = r.random() < 0.04 and not calm
        return cls(
            seed=seed, lanes=r.choice((1, 1, 2)), keys=keys, messages=r.randint(4, 14), workers=r.choice((2, 2, 3)), batch=r.choice((1, 2, 3, 5)),
            idempotency=idempotency, asks=idempotency == "L" or (idempotency in "KN" and r.random() < 0.5), honours=idempotency in "KN",
            coalesce=r.random() < 0.2, table=r.random() < 0.5, faults=0 if calm else r.randint(1, 7), fault_rate=r.choice((0.01, 0.03, 0.08)),
            decisions=0 if calm else r.choice((0, 0, 1, 2, 4)), intakes=r.choice((0, 1, 2)), stay=r.choice((0.0, 0.3, 0.6)), trouble=0.0 if calm else r.choice((0.05, 0.25)),
            killers=frozenset(n for n in names if poison and rare[n] < 0.3), refused=frozenset(n for n in names if rare[n] > 0.9),
            unmappable=frozenset(n for n in names if 0.87 < rare[n] < 0.9), max_attempts=r.randint(3, 5), window=window,
        )  # fmt: skip


@dataclass(slots=True)
class Effect:
    subscription: int
    key: str
    version: int
    release: int
    at: float
    late: bool
    conn: SimConnection | None


@dataclass(slots=True)
class Verdict:
    """What one schedule ended with. Every count but `counts` must be zero."""

    seed: int
    lost: list[str] = field(default_factory=list)
    twice: list[str] = field(default_factory=list)
    disorder: list[str] = field(default_factory=list)
    unauthorised: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    KINDS = ("lost", "twice", "disorder", "unauthorised", "unknown")

    @property
    def clean(self) -> bool:
        return not any(getattr(self, kind) for kind in self.KINDS)

    def found(self) -> dict[str, list[str]]:
        return {kind: getattr(self, kind) for kind in self.KINDS if getattr(self, kind)}


class Actor:
    """A process in the simulated world: one greenlet, one connection."""

    def __init__(self, world: World, role: str, body: Callable[[Actor], None], number: int) -> None:
        self.world, self.role, self.name = world, role, f"{role}.{number}"
        self.body = body
        self.number = number
        self.ready_at = 0.0
        self.waits_for: Transaction | None = None
        self.dead = self.finished = False
        self.doom = ""  # what happens to it after its present statement
        self.still = False  # inside the window that no vendor without keys can close
        self.conn = SimConnection(world.database, self)
        self.granted: tuple[int, float] | None = None  # release and time of the last claim or step with an open gate
        self.asks_only = False
        self.reserve = 0
        self.greenlet = greenlet.greenlet(self._main, world.hub)

    def _main(self) -> None:
        try:
            self.body(self)
            self.finished = True
        except Killed:
            self.dead = True

    # -- called by the model and by the patched parts of the ledger --------------------------------------------------
    def alive(self) -> None:
        if self.dead:
            raise Killed

    def step(self) -> None:
        self.alive()
        world = self.world
        world.now += world.random.random() * 0.02
        if world.random.random() >= world.shape.stay:
            world.hub.switch()
            self.alive()

    def after(self) -> None:
        if self.doom:
            doom, self.doom = self.doom, ""
            if doom == "kill":
                self.world.end(self)
                raise Killed
            self.conn.lose("terminating connection due to administrator command")
            raise psycopg.OperationalError(self.conn.lost)

    def wait(self, holder: Transaction) -> None:
        self.waits_for = holder
        self.world.hub.switch()
        self.waits_for = None
        self.conn.usable()

    def wake(self) -> None:
        self.waits_for = None

    def grant(
        self,
        database: Database,
        tx: Transaction,
        subscription: int,
        release: int,
        *,
        to_ask: bool = False,
        at: float | None = None,
    ) -> None:
        """The database let this actor take work. Judged at once, by the list of decisions and not by the gate's own tables."""
        self.asks_only = to_ask
        if not to_ask:
            at = database.now() if at is None else at
            self.granted = (release, at)
            if not self.world.authorised(release, at, database.now()):
                self.world.verdict.unauthorised.append(
                    f"{self.name} took work for subscription {subscription} as release {release} at {at:.2f}"
                )

    def hit(self, point: str) -> None:
        if point == "vendor.before_send":
            self.still = not (self.world.shape.honours or self.world.shape.window)
        self.step()
        self.still = False

    def sleep(self, seconds: float) -> None:
        self.ready_at = self.world.now + seconds
        self.world.hub.switch()
        self.alive()

    def fall(self) -> None:
        """Unwind a dead actor's stack; one that never ran has none."""
        if self.greenlet:
            self.greenlet.throw(Killed)

    def reconnect(self) -> None:
        self.alive()
        self.conn = SimConnection(self.world.database, self)


class VendorServer:
    """The other side: what it did is its journal, which no worker can change."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.journal: list[Effect] = []
        self.known: set[str] = set()
        self.absorbed = 0

    def act(self, actor: Actor, item: Outgoing, release: int, *, late: bool) -> Answer:
        world = self.world
        if item.key in world.shape.refused:
            return Answer("refused", detail="unknown article")
        if world.random.random() < world.trouble * 0.3:
            return Answer("retry", detail="busy with this one")
        if item.idempotency_key in self.known and world.shape.honours:
            self.absorbed += 1
            return Answer("confirmed", "again")
        self.known.add(item.idempotency_key)
        if world.trace is not None:
            world.trace.append((world.now, actor.name, "ACT", item.key, item.document["v"]))
        self.journal.append(Effect(VENDOR, item.key, item.document["v"], release, world.now, late, actor.conn))
        if actor.asks_only:
            world.verdict.unauthorised.append(f"{actor.name} sent {item.key}@{item.document['v']} though it may only ask")
        elif actor.granted is None or actor.granted[0] != release:
            world.verdict.unauthorised.append(f"{actor.name} sent as release {release} with the grant {actor.granted}")
        return Answer("confirmed", f"V{len(self.journal)}")


class SimVendor:
    """The client side, as one actor under one release uses it."""

    deadline = CALL_SECONDS

    def __init__(self, actor: Actor, release: int) -> None:
        self.actor, self.release = actor, release

    def send(self, items: Any, *, guard: Callable[[], None]) -> list[Answer]:
        actor = self.actor
        world, server = actor.world, actor.world.vendor
        actor.step()
        if any(item.key in world.shape.killers for item in items):
            world.counts["killed by poison"] += 1
            world.end(actor)
            raise Killed
        started = world.now
        guard()
        fate = world.fate()
        if fate == "down":
            actor.step()
            return [Answer("unsent", detail="connection refused")] * len(items)
        if fate == "throttled":
            actor.step()
            return [Answer("unsent", detail="429", retry_after=world.random.uniform(0.5, 3.0))] * len(items)
        late = world.now - started > LEASE_SECONDS / 2
        count = world.random.randrange(len(items)) if fate == "half" else len(items)
        answers = [server.act(actor, item, self.release, late=late) for item in items[:count]]
        world.counts[f"sent {fate}"] += 1
        actor.step()
        return answers if fate == "ok" else [Answer("unknown", detail="the answer was cut")] * len(items)

    def ask(self, items: Any) -> list[Answer]:
        actor = self.actor
        world = actor.world
        if not world.shape.asks:
            raise CannotAsk
        actor.step()
        world.counts["asked"] += len(items)
        if world.random.random() < world.trouble * 0.4:
            return [Answer("unknown", detail="no answer to the question")] * len(items)
        answers = [
            Answer("confirmed", "asked") if item.idempotency_key in world.vendor.known else Answer("unsent") for item in items
        ]
        actor.step()
        return answers


class SimBinder:
    """Stands where `runtime.services.bindings.Binder` stands: mapper and vendor client per release."""

    def __init__(self, actor: Actor) -> None:
        self.actor = actor

    def vendor(self, taken: Any) -> Callable[[int], Binding]:
        return lambda release: Binding(self.map, SimVendor(self.actor, release))

    def table(self, taken: Any) -> DatabaseServing:
        return DatabaseServing(
            Table(f"target {taken.subscription}", ("k",), ("k", "v")), lambda message: (message.key, self.map(message)["v"])
        )

    def map(self, message: Message) -> Any:
        if message.key in self.actor.world.shape.unmappable:
            raise Unmappable("no amount")
        if message.document.get("skip"):
            raise Skipped
        return message.document


class World:
    """Builds itself from a seed, runs until everything is at rest, and judges."""

    def __init__(self, shape: Shape, plants: frozenset[str] = frozenset()) -> None:
        self.shape, self.plants = shape, plants
        self.random = random.Random(f"world {shape.seed}")
        self.now = 1000.0
        self.hub = greenlet.getcurrent()
        self.counts: Counter[str] = Counter()
        self.verdict = Verdict(shape.seed, counts=self.counts)
        self.database = Database(lambda: self.now, plants)
        self.vendor = VendorServer(self)
        self.trouble = shape.trouble
        self.faults_left = shape.faults
        self.actors: list[Actor] = []
        self.numbers = 0
        self.current: Actor | None = None
        self.trace: list[tuple[float, str, str, Any, Any]] | None = None
        self.permits: dict[int, list[list[float]]] = defaultdict(list)  # release → [from, to] by the people's own decisions
        self.frozen_since: float | None = None
        self.release = 0
        self.produced: list[tuple[str, int]] = []  # what the sources have, in order per key
        self.acknowledged: set[tuple[str, int]] = set()
        self.skipped: set[tuple[str, int]] = set()
        self.busy_producers = 0
        self._build()

    # -- building --------------------------------------------------------------------------------------------------
    def _build(self) -> None:
        shape, rows = self.shape, self.database.rows
        rows["stream"][1,] = {"lanes": shape.lanes, "salt": 7, "token": 0, "lease_until": 0.0, "cursor": None}
        for lane in range(shape.lanes):
            rows["lane"][1, lane] = {"next": 1}
        self.stream = StreamRef(1, shape.lanes, 7, False)
        self._deploy()
        for subscription, kind in ((VENDOR, "vendor"), *(((TABLE, "database"),) if shape.table else ())):
            rows["vendor"][subscription,] = {
                "breaker": "closed", "failures": 0, "openings": 0, "open_until": 0.0, "probe_subscription": None, "probe_lane": None, "probe_until": 0.0,
                "not_before": 0.0, "concurrency": None, "success": None,
            }  # fmt: skip
            rows["subscription"][subscription,] = {
                "stream": 1, "target": kind, "instance": "", "kind": kind, "idempotency": shape.idempotency, "coalesce": shape.coalesce and kind == "vendor",
                "batch": shape.batch, "max_attempts": shape.max_attempts, "pace": None, "vendor": subscription, "tier": 2, "open": True,
                "deployment": self.deployment,
            }  # fmt: skip
            for lane in range(shape.lanes):
                rows["progress"][subscription, lane] = {
                    "position": 0, "upto": None, "intent": None, "intent_release": None, "ask_only": False, "attempt": 0, "token": 0,
                    "lease_until": 0.0, "not_before": 0.0, "owner": None,
                }  # fmt: skip
        producers = 1 + shape.intakes
        plans: list[list[tuple[str, int]]] = [[] for _ in range(producers)]
        versions: Counter[str] = Counter()
        for _ in range(shape.messages):
            key = f"k{self.random.randrange(shape.keys)}"
            versions[key] += 1
            plans[int(key[1:]) % producers].append((key, versions[key]))
            self.produced.append((key, versions[key]))
            if self.random.random() < 0.04:
                self.skipped.add((key, versions[key]))
        self.busy_producers = sum(bool(plan) for plan in plans)
        if plans[0]:
            self.spawn("collector", lambda actor: self._collect(actor, plans[0]))
        for number, plan in enumerate(plans[1:], 1):
            if plan:
                self.spawn(f"intake{number}", lambda actor, plan=plan: self._take_in(actor, plan))
        for number in range(shape.workers):
            self.spawn(f"worker{number}", self._work)
        if shape.decisions:
            self.spawn("people", self._decide)

    def spawn(self, role: str, body: Callable[[Actor], None], *, delay: float = 0.0) -> Actor:
        self.numbers += 1
        actor = Actor(self, role, body, self.numbers)
        actor.ready_at = self.now + delay
        self.actors.append(actor)
        return actor

    # -- people ----------------------------------------------------------------------------------------------------
    def _deploy(self) -> None:
        rows = self.database.rows
        for row in rows["deployment"].values():
            if row["active"]:
                row["active"] = False
                self._close(row["release"])
        self.release += 1
        self.deployment = 100 + self.release
        rows["deployment"][self.deployment,] = {"id": self.deployment, "release": self.release, "active": True, "paused": False}
        for key, s in rows["subscription"].items():
            rows["subscription"][key] = s | {"deployment": self.deployment}
        if not self.database.frozen:
            self.permits[self.release].append([self.now, float("inf")])

    def _close(self, release: int) -> None:
        for span in self.permits[release]:
            span[1] = min(span[1], self.now)

    def authorised(self, release: int, start: float, end: float) -> bool:
        return any(begin <= end and start <= until for begin, until in self.permits[release])

    def _decide(self, actor: Actor) -> None:
        """Void, freeze, pause, deploy: each is one commit; what it allows from then on is written down here too."""
        db = self.database
        for _ in range(self.shape.decisions):
            actor.sleep(self.random.uniform(0.0, LEASE_SECONDS * 0.6))
            what = self.random.choice(("deploy", "void", "freeze", "pause"))
            self.counts[f"decision {what}"] += 1
            row = db.rows["deployment"][self.deployment,]
            if what == "deploy":
                self._deploy()
                continue
            self._close(self.release)
            if what == "void":
                db.void.add(self.release)
            elif what == "freeze":
                db.frozen = True
            else:
                db.rows["deployment"][self.deployment,] = row | {"paused": True}
            actor.sleep(self.random.uniform(0.0, LEASE_SECONDS * 1.5))
            db.frozen = False
            if what == "void":
                self._deploy()
            else:
                db.rows["deployment"][self.deployment,] = db.rows["deployment"][self.deployment,] | {"paused": False}
                self.permits[self.release].append([self.now, float("inf")])

    # -- producers -------------------------------------------------------------------------------------------------
    def _item(self, key: str, version: int) -> Item:
        return Item(key, version, _encode({"k": key, "v": version, "skip": (key, version) in self.skipped}))

    def _append(self, actor: Actor, items: list[Item], **more: Any) -> None:
        actor.reserve = len(items)
        if "early" in self.plants:  # the answer leaves before the commit
            self.acknowledged.update((item.key, item.version) for item in items)
        append(actor.conn, self.stream, items, release_id=self.release, lease_seconds=LEASE_SECONDS, **more)  # type: ignore[arg-type]
        self.acknowledged.update((item.key, item.version) for item in items)

    def _collect(self, actor: Actor, plan: list[tuple[str, int]]) -> None:
        """A source with pages that overlap; the cursor is the ledger's."""
        r = random.Random(f"pages {self.shape.seed}")
        page = r.randint(1, 4)
        while True:
            try:
                found = actor.conn.execute("sim: claim the source", (1, LEASE_SECONDS)).fetchone()
                if found is None:
                    actor.sleep(LEASE_SECONDS / 3)
                    continue
                token, cursor = found
                start = int(cursor or 0)
                while start < len(plan):
                    begin = max(0, start - self.random.randint(0, 2))
                    end = min(len(plan), start + page)
                    self._append(actor, [self._item(*one) for one in plan[begin:end]], cursor=str(end), token=token)
                    start = end
                self.busy_producers -= 1
                return
            except Fenced:
                self.counts["source fenced"] += 1
            except psycopg.OperationalError:
                actor.sleep(0.2)
                actor.reconnect()

    def _take_in(self, actor: Actor, plan: list[tuple[str, int]]) -> None:
        """Somebody pushes, and pushes again until the answer has come."""
        while todo := [one for one in plan if one not in self.acknowledged]:
            some = todo[: self.random.randint(1, 2)]
            try:
                self._append(actor, [self._item(*one) for one in some])
                if self.random.random() < 0.2:
                    self._append(actor, [self._item(*one) for one in some])
            except psycopg.OperationalError:
                actor.sleep(0.2)
                actor.reconnect()
        self.busy_producers -= 1

    # -- workers ---------------------------------------------------------------------------------------------------
    def _work(self, actor: Actor) -> None:
        binder: Any = SimBinder(actor)
        while True:
            try:
                served = delivering.serve_one(actor.conn, binder, owner=actor.name)  # type: ignore[arg-type]
            except psycopg.OperationalError:
                actor.sleep(0.2)
                actor.reconnect()
                continue
            except psycopg.Error as error:  # the product's loop does not catch it: the process ends and is started again
                self.counts[f"worker ended by {type(error).__name__}"] += 1
                self.end(actor)
                raise Killed from None
            if served is None:
                actor.sleep(self.random.uniform(0.1, 0.5) * LEASE_SECONDS)
            elif served.fenced:
                self.counts["fenced"] += 1

    def fate(self) -> str:
        if self.random.random() >= self.trouble:
            return "ok"
        return self.random.choice(("cut", "cut", "half", "half", "down", "throttled"))

    # -- faults ----------------------------------------------------------------------------------------------------
    def end(self, actor: Actor) -> None:
        """SIGKILL. The server rolls its transaction back; somebody starts the process again."""
        actor.dead = True
        actor.conn.lose("the process is gone")
        actor.waits_for = None
        self.spawn(actor.role, actor.body, delay=self.random.uniform(0.05, 1.0))

    def _inject(self, actor: Actor) -> bool:
        """Maybe break something where this actor stands. Answers whether it may go on now."""
        if not self.faults_left or self.random.random() >= self.shape.fault_rate:
            return True
        kind = self.random.choices(("kill", "kill after", "lose", "lose after", "pause", "restart"), (4, 4, 1, 3, 6, 1))[0]
        if actor.role == "people" or (actor.still and kind == "pause"):
            return True
        self.faults_left -= 1
        self.counts[kind] += 1
        if self.trace is not None:
            self.trace.append((self.now, actor.name, f"FAULT {kind}", None, None))
        if kind == "kill":
            self.end(actor)
            actor.fall()
            return False
        if kind in ("kill after", "lose after"):
            actor.doom = kind.split()[0]
        elif kind == "lose":
            actor.conn.lose("connection reset by peer")
        elif kind == "pause":
            actor.ready_at = self.now + LEASE_SECONDS * self.random.uniform(0.9, 2.2)
            return False
        else:
            for other in self.actors:
                other.conn.lose("the database system is starting up")
                other.waits_for = None
        return True

    # -- the scheduler ---------------------------------------------------------------------------------------------
    def run(self) -> Verdict:
        steps = 0
        with patched(self):
            while True:
                steps += 1
                ready = [a for a in self.actors if a.waits_for is None and a.ready_at <= self.now]
                if not ready:
                    if self._at_rest():
                        break
                    self.now = min(a.ready_at for a in self.actors if a.waits_for is None)
                    continue
                if steps > MAX_STEPS:
                    self.verdict.unknown.append("the world does not come to rest")
                    break
                actor = ready[int(self.random.random() * len(ready))]
                if not self._inject(actor):
                    self._bury(actor)
                    continue
                self.current = actor
                actor.greenlet.switch()
                self._bury(actor)
            self._finish()
        self.counts["steps"] += steps
        return self.verdict

    def _bury(self, actor: Actor) -> None:
        if actor.dead or actor.finished:
            self.actors.remove(actor)

    def _at_rest(self) -> bool:
        """Nobody can go on at this time. Over when everything produced has ended somewhere and nothing waits for its time."""
        if self.busy_producers or any(not a.role.startswith("worker") for a in self.actors):
            return False
        self.trouble = 0.0
        self.faults_left = 0
        rows = self.database.rows
        for (_, lane), p in rows["progress"].items():
            behind = p["position"] < rows["lane"][1, lane]["next"] - 1
            if behind and "sequence" in self.plants:  # numbers of rolled back transactions never come
                behind = any(ln == lane and at > p["position"] for _, ln, at in rows["message"])
            if behind or p["intent"] is not None:
                return False
        final = {(place[0], q["key"], place[2]) for place, q in rows["parked"].items() if q["state"] in ("dead", "unknown")}
        for (subscription, _, position), q in rows["parked"].items():
            if q["state"] in ("retry", "sending") and not any(
                s == subscription and k == q["key"] and at < position for s, k, at in final
            ):
                return False
            if q["state"] == "behind" and not any(s == subscription and k == q["key"] and at < position for s, k, at in final):
                return False
        return not self._settle_unknown()

    def _settle_unknown(self) -> bool:
        """A person looks at the vendor's own books and says, for each unknown outcome, whether it arrived."""
        rows = self.database.rows
        arrived = {(e.key, e.version) for e in self.vendor.journal}
        found = [(place, q) for place, q in rows["parked"].items() if q["state"] == "unknown"]
        for place, q in found:
            m = rows["message"][1, place[1], place[2]]
            self.counts["settled by a person"] += 1
            if (m["key"], m["version"]) in arrived:
                del rows["parked"][place]
            else:
                rows["parked"][place] = q | {"state": "retry", "not_before": 0.0}
        for actor in self.actors if found else ():
            actor.ready_at = self.now
        return bool(found)

    def _finish(self) -> None:
        for actor in list(self.actors):
            actor.dead = True
            actor.fall()
        self.actors.clear()
        judge(self)


# -- the judge -------------------------------------------------------------------------------------------------------------


def judge(world: World) -> None:
    """Compares what was produced, what the vendor's journal shows and what waits for a person."""
    verdict, db, shape = world.verdict, world.database, world.shape
    produced = set(world.produced)
    logged = Counter((m["key"], m["version"]) for m in db.rows["message"].values())
    verdict.lost += [f"acknowledged and not in the log: {one}" for one in sorted(world.acknowledged - set(logged))]
    verdict.twice += [f"in the log {n} times: {one}" for one, n in logged.items() if n > 1]
    where = {(m["key"], m["version"]): place for place, m in db.rows["message"].items()}
    for subscription in [key[0] for key in db.rows["subscription"]]:
        if subscription == VENDOR:
            effects = world.vendor.journal
        else:
            effects = [
                Effect(of, key, version, 0, 0.0, False, None)
                for of, _, (key, version) in db.logs["applied"]
                if of == subscription
            ]
        happened = Counter((e.key, e.version) for e in effects)
        windowed = {(e.key, e.version) for e in effects if e.late}
        newest: dict[str, int] = {}
        for e in effects:
            if newest.get(e.key, 0) > e.version and (e.key, e.version) not in windowed:
                verdict.disorder.append(f"{subscription}: {e.key}@{e.version} after @{newest[e.key]}")
            newest[e.key] = max(newest.get(e.key, 0), e.version)
        for one, count in happened.items():
            if count > 1 and one in windowed:
                world.counts["doubled in the window"] += 1
                _window(world, subscription, where[one], one)
            elif count > 1:
                verdict.twice.append(f"{subscription}: {one} {count} times")
        waits = {place[1:]: q for place, q in db.rows["parked"].items() if place[0] == subscription}
        for one in sorted(produced):
            if one not in where:
                verdict.lost.append(f"{one} never came into the log")
                continue
            _, lane, position = where[one]
            q = waits.get((lane, position))
            if q is not None:
                again_is_harmless = q["state"] in ("behind", "sending") and (shape.honours or q["state"] == "sending")
                if happened[one] and not (q["state"] == "unknown" or one in windowed or again_is_harmless):
                    verdict.unknown.append(f"{subscription}: {one} took effect and is {q['state']} {q['reason_class']}")
                first = any(
                    k == one[0] and waits[at]["state"] == "dead"
                    for (k, v), (_, *at_) in where.items()
                    if v < one[1] and (at := tuple(at_)) in waits
                )
                if q["state"] in ("sending", "retry") and not first:
                    verdict.unknown.append(f"{subscription}: {one} is still {q['state']}")
                if q["state"] == "dead" and not _deserved(shape, one[0], q):
                    verdict.lost.append(f"{subscription}: {one} is dead without a reason: {q['reason_class']} {q['reason']}")
                world.counts[f"ended {q['state']}"] += 1
            elif (
                not happened[one]
                and one not in world.skipped
                and not _superseded(
                    shape,
                    subscription,
                    one,
                    set(happened)
                    | {(q["key"], v) for (k, v), (_, ln, at) in where.items() if (q := waits.get((ln, at))) and k == q["key"]},
                )
            ):
                verdict.lost.append(f"{subscription}: {one} at {lane}/{position}")
        _tiles(world, subscription)
    world.counts["messages"] += len(produced)
    world.counts["effects"] += len(world.vendor.journal)
    world.counts["absorbed by the vendor's key"] += world.vendor.absorbed


def _window(world: World, subscription: int, place: Any, one: tuple[str, int]) -> None:
    """A second send after a pause inside the window must be on record, unless its sender was killed or cut off right after it."""
    _, lane, position = place
    notes = [
        n
        for n in world.database.logs["attempt"]
        if n["subscription"] == subscription and n["lane"] == lane and n["outcome"] == "late"
    ]
    late = [e for e in world.vendor.journal if (e.key, e.version) == one and e.late]
    if any(n["first"] <= position <= n["last"] for n in notes):
        world.counts["of them on record"] += 1
    elif any(e.conn is not None and e.conn.lost for e in late):
        world.counts["of them the sender was gone"] += 1
    else:
        world.verdict.unknown.append(f"{subscription}: {one} was sent late and a second time, and nobody noted it")


def _deserved(shape: Shape, key: str, q: dict[str, Any]) -> bool:
    if q["reason_class"] in ("refused", "mapping"):
        return key in shape.refused | shape.unmappable
    return q["reason_class"] in ("poison", "attempts")


def _superseded(shape: Shape, subscription: int, one: tuple[str, int], ended: set[tuple[str, int]]) -> bool:
    """A later value of the same key took its place: allowed where values are absolute, and in tables."""
    if subscription == VENDOR and not shape.coalesce:
        return False
    return any(key == one[0] and version > one[1] for key, version in ended)


def _tiles(world: World, subscription: int) -> None:
    """Evidence covers 1 to the position without a gap and without an overlap."""
    db = world.database
    for of, lane in db.rows["progress"]:
        if of != subscription:
            continue
        end = 0
        for row in [row for row in db.logs["delivery"] if row["subscription"] == of and row["lane"] == lane]:
            if row["first"] != end + 1:
                positions = [at for (_, ln, at) in db.rows["message"] if ln == lane and end < at < row["first"]]
                if positions or row["first"] <= end:
                    kind = world.verdict.lost if row["first"] > end + 1 else world.verdict.twice
                    kind.append(f"{of}: evidence of lane {lane} goes from {end} to {row['first']}")
            end = max(end, row["last"])


# -- the patches: clock, named points, the one statement that is built as an object ----------------------------------------


class _Time:
    """Stands for the module `time` inside the ledger."""

    def __init__(self, world: World) -> None:
        self._world = world

    def monotonic(self) -> float:
        return self._world.now


@contextlib.contextmanager
def patched(world: World) -> Iterator[None]:
    """Replace, while a world runs, what would leave it."""
    clock = _Time(world)

    def hit(point: str) -> None:
        actor = world.current
        assert actor is not None
        actor.hit(point)

    def upsert(conn: SimConnection, table: Table, rows: Any) -> None:
        of = int(table.name.split()[1])
        conn.execute("sim: apply", [(of, position, values) for position, values in rows])

    places: list[tuple[Any, str, Any]] = [(module, "time", clock) for module in (claims, exchange, parked)]
    places += [(module, "hit", hit) for module in (append_module, database_target, vendor_target, exchange, parked, delivering)]
    places += [(database_target, "upsert", upsert), (parked, "upsert", upsert)]
    from tests.faults.plants import SIMULATED

    for name in world.plants:
        places += SIMULATED[name]
    before = [(module, name, getattr(module, name)) for module, name, _ in places]
    for module, name, value in places:
        setattr(module, name, value)
    try:
        yield
    finally:
        for module, name, value in reversed(before):
            setattr(module, name, value)
