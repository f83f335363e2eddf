"""One simulated world: actors, a clock, a vendor with a journal, people who deploy and revoke, and a scheduler that a
seed drives.

Every actor runs the product's own code in a greenlet. It gives way before each statement, at each named point and
around each vendor call; there the scheduler decides who goes on, and whether this actor is killed, paused beyond its
lease, cut off from the database, or whether the database restarts. The same seed gives the same schedule, step by step.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Callable
from functools import partial
from typing import Any

import greenlet
import msgspec
import psycopg

from runtime.ledger.append import Appended, IncomingMessage, append
from runtime.ledger.leases import LEASE_SECONDS
from runtime.ledger.streams import StreamRef
from runtime.worker import delivery
from tests.faults import sim_append, sim_claims, sim_lane_sleep, sim_quarantine, sim_sources, sim_vendors  # noqa: F401
from tests.faults.sim_actors import Actor, SimClients
from tests.faults.sim_database import Database
from tests.faults.sim_judge import judge
from tests.faults.sim_patches import patched
from tests.faults.sim_shapes import DROWSY_WEIGHTS, FAULTS, NEVER, TABLE, VENDOR, WEIGHTS, Killed, Shape, Verdict
from tests.faults.sim_vendor_server import VendorServer

MAX_STEPS = 60_000
DROWSY_UNTIL = 1000.0 + 20 * LEASE_SECONDS
FATES = ("cut", "cut", "half", "half", "down", "throttled", "503", "503", "503", "slow", "slow", "lie", "outage")
_encode = msgspec.json.encode


class World:
    """Builds itself from a seed, runs until everything is at rest, and judges."""

    ahead = 0.0  # of the database's clock before that of processes, which is never set

    def __init__(self, shape: Shape, plants: frozenset[str] = frozenset()) -> None:
        self.shape, self.plants = shape, plants
        self.random = random.Random(f"world {shape.seed}")
        self.now = 1000.0
        self.hub = greenlet.getcurrent()
        self.counts: Counter[str] = Counter()
        self.verdict = Verdict(shape.seed, counts=self.counts)
        self.database = Database(lambda: self.now + self.ahead, plants)
        self.vendor = VendorServer(self)
        self.trouble = shape.trouble
        self.faults_left = shape.faults
        self.actors: list[Actor] = []
        self.numbers = 0
        self.current: Actor | None = None
        self.trace: list[tuple[float, str, str, Any, Any]] | None = None
        self.permits: dict[int, list[list[float]]] = defaultdict(
            list
        )  # release → [from, to] by the people's own decisions
        self.frozen_since: float | None = None
        self.release = 0
        self.produced: list[tuple[str, int]] = []  # what the sources have, in order per key
        self.acknowledged: set[tuple[str, int]] = set()
        self.skipped: set[tuple[str, int]] = set()
        self.given_up: set[tuple[str, int]] = set()
        self.outages = 0
        self.busy_producers = 0
        self.era = 0  # how often the database went back
        self.unhurried = False
        self.reached: set[int] = set()  # subscriptions for which the vendor was called
        self.sent_again: set[tuple[str, int]] = set()  # facts that a replay may send after later ones of their key
        self.odd = False  # whether the source shows rows that cannot be read
        self.producers: dict[str, Callable[[Actor], None]] = {}
        self._build()

    # -- building --------------------------------------------------------------------------------------------------
    def _build(self) -> None:
        shape, rows = self.shape, self.database.rows
        rows["stream"][1,] = {"lanes": shape.lanes, "salt": 7}
        rows["source"][1,] = {"token": 0, "lease_until": 0.0, "cursor": None, "running": False, "start": None}
        rows["source"][1,] |= {"tally": {}}
        for lane in range(shape.lanes):
            rows["lane"][1, lane] = {"next": 1}
        self.stream = StreamRef(1, shape.lanes, 7, False)
        self._deploy()
        for subscription, kind in ((VENDOR, "vendor"), *(((TABLE, "database"),) if shape.table else ())):
            rows["vendor"][subscription,] = {
                "breaker": "closed",
                "failures": 0,
                "openings": 0,
                "fault": "",
                "open_until": 0.0,
                "probe_subscription": None,
                "probe_lane": None,
                "probe_until": 0.0,
                "not_before": 0.0,
                "concurrency": None,
                "success": None,
            }
            rows["subscription"][subscription,] = {
                "stream": 1,
                "target": kind,
                "instance": "",
                "kind": kind,
                "idempotency": shape.idempotency,
                "coalesce": shape.coalesce and kind == "vendor",
                "batch": shape.batch,
                "max_attempts": shape.max_attempts,
                "pace": None,
                "settle": shape.settle,
                "key_kept": shape.key_kept,
                "deadline": shape.deadline,
                "vendor": subscription,
                "tier": 2,
                "open": True,
                "deployment": self.deployment,
            }
            for lane in range(shape.lanes):
                rows["progress"][subscription, lane] = dict(sim_claims.UNTOUCHED)
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
        for number in range(1 + (shape.seed % 3 == 0) if plans[0] else 0):
            self.producers[f"collector{number}"] = lambda actor: self._collect(actor, plans[0])
        for number, plan in enumerate(plans[1:], 1):
            if plan:
                self.producers[f"intake{number}"] = partial(self._take_in, plan=plan)
        self.busy_producers = len(self.producers)
        for role, body in self.producers.items():
            self.spawn(role, body)
        if shape.odd and plans[0]:
            self.spawn("source", self._be_odd)
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
        rows["deployment"][self.deployment,] = {
            "id": self.deployment,
            "release": self.release,
            "active": True,
            "paused": False,
        }
        for key, s in rows["subscription"].items():
            rows["subscription"][key] = s | {"deployment": self.deployment}
            if (holder := self.database.held.get(place := ("subscription", key))) and place in holder.writes:
                holder.writes[place] |= {"deployment": self.deployment}  # it changes other columns of the row
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
    def item(self, key: str, version: int) -> IncomingMessage:
        return IncomingMessage(key, version, _encode({"k": key, "v": version, "skip": (key, version) in self.skipped}))

    def append(self, actor: Actor, items: list[IncomingMessage], **more: Any) -> Appended:
        actor.reserve = len(items)
        if "early" in self.plants:  # the answer leaves before the commit
            self.acknowledged.update((item.key, item.version) for item in items)
        more |= {"release_id": self.release}
        done = append(actor.conn, self.stream, items, **more)  # type: ignore[arg-type]
        self.acknowledged.update((item.key, item.version) for item in items)
        return done

    def _collect(self, actor: Actor, plan: list[tuple[str, int]]) -> None:
        """A source with pages that overlap, read by the product's own reader; the cursor is the ledger's."""
        sim_sources.collect(self, actor, plan, random.Random(f"pages {self.shape.seed}").randint(1, 4))
        self.busy_producers -= 1

    def _be_odd(self, actor: Actor) -> None:
        """The source shows rows that nobody can read, for a while."""
        actor.sleep(self.random.uniform(0.0, 0.4))
        self.odd = True
        actor.sleep(self.random.uniform(0.2, LEASE_SECONDS))
        self.odd = False

    def _take_in(self, actor: Actor, plan: list[tuple[str, int]]) -> None:
        """Somebody pushes, and pushes again until the answer has come."""
        while todo := [one for one in plan if one not in self.acknowledged]:
            if self.shape.drowsy or self.unhurried:  # work comes for as long as they stand still, or replay
                actor.sleep(self.random.uniform(0.0, LEASE_SECONDS))
            some = todo[: self.random.randint(1, 2)]
            try:
                self.append(actor, [self.item(*one) for one in some])
                if self.random.random() < 0.2:
                    self.append(actor, [self.item(*one) for one in some])
            except psycopg.OperationalError:
                actor.sleep(0.2)
                actor.reconnect()
        self.busy_producers -= 1

    def beat(self, actor: Actor) -> None:
        """What a worker does before a round now and then."""

    def patches(self) -> list[tuple[Any, str, Any]]:
        return []

    # -- workers ---------------------------------------------------------------------------------------------------
    def _work(self, actor: Actor) -> None:
        clients: Any = SimClients(actor)
        while True:
            try:
                self.beat(actor)
                served = delivery.serve_one(
                    actor.conn, clients, owner=actor.name, quarantine_first=self.random.random() < 0.25
                )  # type: ignore[arg-type]
            except psycopg.OperationalError:
                actor.sleep(0.2)
                actor.reconnect()
                continue
            except (
                psycopg.Error
            ) as error:  # the product's loop does not catch it: the process ends and is started again
                self.counts[f"worker ended by {type(error).__name__}"] += 1
                self.end(actor)
                raise Killed from None
            if served is None:
                actor.sleep(self.random.uniform(0.1, 0.5) * LEASE_SECONDS)
                if self.random.random() < 0.3:
                    sim_lane_sleep.let_sleep(self, actor)
            elif served.fenced:
                self.counts["fenced"] += 1

    def fate(self) -> str:
        if self.random.random() >= self.trouble:
            return "ok"
        if (self.shape.overwrites or self.shape.drowsy) and self.random.random() < 0.7:
            return "slow"
        forgets = self.shape.key_kept < NEVER and self.random.random() < 0.5
        fate = "outage" if forgets and not self.outages else self.random.choice(FATES)
        if fate == "outage" and self.outages:
            return "cut"
        self.outages += fate == "outage"
        return fate

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
        kind = self.random.choices(FAULTS, DROWSY_WEIGHTS if self.shape.drowsy else WEIGHTS)[0]
        if actor.role in ("people", "vendor", "source", "clock", "scheduler") or (
            actor.still and kind in ("pause", "cut off")
        ):
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
            actor.ready_at = self.now + LEASE_SECONDS * self.random.uniform(
                *((0.02, 4.0) if self.shape.drowsy else (0.9, 2.2))
            )
            return False
        elif kind == "cut off":  # the server has ended the session; its client does not know yet, and is slow
            actor.conn.lose("terminating connection due to administrator command")
            actor.waits_for = None
            actor.ready_at = self.now + LEASE_SECONDS * self.random.uniform(0.1, 0.9)
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
        """Nobody can go on at this time. Over when everything produced has ended somewhere and nothing waits for its
        time."""
        if self.busy_producers or any(not a.role.startswith(("worker", "scheduler")) for a in self.actors):
            return False
        if not self.shape.drowsy or self.now > DROWSY_UNTIL:
            self.trouble = 0.0
            self.faults_left = 0
        rows = self.database.rows
        for (subscription, lane), p in rows["progress"].items():
            if self.waits_for_ever(subscription):
                continue
            behind = p["position"] < self.end_of(subscription, lane, p)
            if behind and "sequence" in self.plants:  # numbers of rolled back transactions never come
                behind = any(ln == lane and at > p["position"] for _, ln, at in rows["message"])
            if behind or p["intent"] is not None:
                return False
        final = {
            (place[0], q["key"], place[2]) for place, q in rows["parked"].items() if q["state"] in ("dead", "unknown")
        }
        for (subscription, _, position), q in rows["parked"].items():
            if self.waits_for_ever(subscription):
                continue
            if q["state"] in ("retry", "sending") and not any(
                s == subscription and k == q["key"] and at < position for s, k, at in final
            ):
                return False
            if q["state"] == "behind" and not any(
                s == subscription and k == q["key"] and at < position for s, k, at in final
            ):
                return False
        return not self._settle_unknown()

    def end_of(self, subscription: int, lane: int, p: dict[str, Any]) -> int:
        """The last position that this target has to pass."""
        end: int = self.database.rows["lane"][1, lane]["next"] - 1
        return min(end, p["upto"]) if "replay_of" in self.database.rows["subscription"][subscription,] else end

    def waits_for_ever(self, subscription: int) -> bool:
        """Whether people want nothing more of it."""
        return False

    def _settle_unknown(self) -> bool:
        """A person looks at the vendor's own books and says, for each unknown outcome, whether it arrived. "It did not"
        is believed only once the vendor can act no more on what was sent."""
        rows = self.database.rows
        arrived = {(e.key, e.version) for e in self.vendor.journal}
        found = [(place, q) for place, q in rows["parked"].items() if q["state"] == "unknown"]
        for place, q in found:
            m = rows["message"][1, place[1], place[2]]
            one = m["key"], m["version"]
            # What arrived is given up, and so is what the vendor can never take.
            hopeless = one in self.shape.stubborn or one[0] in self.shape.killers
            gone = hopeless or one in arrived or one in self.vendor.turned_down
            settle = rows["subscription"][place[0],]["settle"]
            if not gone and q["sent_at"] is not None and q["sent_at"] + settle > self.database.now():
                self.counts["looked at too early by a person"] += 1
                continue
            self.counts["settled by a person"] += 1
            if gone:
                del rows["parked"][place]
                said = {"subscription": place[0], "lane": place[1], "first": place[2], "last": place[2]}
                self.database.logs["attempt"].append(said | {"outcome": "given_up"})
                sim_quarantine.wake_next(rows["parked"], place[0], q["key"], self.database.now())
                self.given_up.add(one)
            else:
                rows["parked"][place] = q | sim_quarantine.NOT_ARRIVED
        for actor in self.actors if found else ():
            actor.ready_at = self.now
        return bool(found)

    def _finish(self) -> None:
        for actor in list(self.actors):
            actor.dead = True
            actor.fall()
        self.actors.clear()
        judge(self)
