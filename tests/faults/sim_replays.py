"""Worlds with replays under load: the vendor loses a part of what it had, people replay an interval, cancel some, and
start again what a rewind has taken away. And dry runs, which must reach no vendor and say the same twice.

A replay is a subscription of its own over the same log, with progress of its own; its rows are written here, in one
step, as `runtime.services.replays` writes them in one transaction.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass, field, replace
from typing import Any

from runtime.connectors.protocols import OutboundMessage
from runtime.domain.outcome_codes import DECIDED
from runtime.ledger import replay_order
from runtime.ledger.leases import LEASE_SECONDS
from runtime.ledger.vendor_client import SendResult
from runtime.worker import replay_delivery
from tests.faults import sim_claims
from tests.faults.sim_actors import Actor
from tests.faults.sim_database import Database, Row, Transaction, statement
from tests.faults.sim_judge import deserved, tiles
from tests.faults.sim_rewind import RewoundWorld, VendorThatRemembers, rewound_shape
from tests.faults.sim_shapes import NEVER, VENDOR, Shape
from tests.faults.sim_vendor_server import VendorServer
from tests.faults.world import World

FIRST_REPLAY, FIRST_DRY_RUN = 10, 1000
One = tuple[str, int]
Place = tuple[int, int]


def replay_shape(seed: int) -> Shape:
    """What a seed makes of such a world. Class U is never replayed."""
    r, shape = random.Random(f"replays {seed}"), Shape.of(seed)
    idempotency = r.choices("LKN", (4, 3, 3))[0]
    shape = replace(shape, idempotency=idempotency, coalesce=False, table=False, odd=False, messages=r.randint(8, 18))
    asks = idempotency == "L" or r.random() < 0.5
    shape = replace(shape, asks=asks, honours=idempotency in "KN", overwrites=False, intakes=r.randint(1, 2))
    if idempotency != "K" or not shape.references:  # a plan whose keys may be forgotten is refused
        shape = replace(shape, key_kept=NEVER)
    return shape._without_versions()


def replay_after_rewind_shape(seed: int) -> Shape:
    """The same, and the database goes back. Facts, whose business reference outlives it."""
    shape = rewound_shape(seed)
    if shape.idempotency == "U":
        return replace(shape, idempotency="L", asks=True, honours=False)
    return shape


@dataclass(slots=True)
class ReplayMade:
    """A replay as people know it. `wiped`: what of its messages the vendor had lost by then, and where they stood."""

    spans: dict[int, tuple[int, int]]
    dry: bool
    wiped: dict[One, Place] = field(default_factory=dict)
    state: str = "running"


class ForgetfulServer(VendorServer):
    """A vendor that is restored from a backup: a part of what it had is gone, as if it had never come."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.keys: dict[One, set[str]] = {}

    def act(self, actor: Actor, item: OutboundMessage, release: int, *, late: bool, on_time: bool = True) -> SendResult:
        self.keys.setdefault((item.key, item.document["v"]), set()).add(item.idempotency_key)
        return super().act(actor, item, release, late=late, on_time=on_time)

    def lose(self, some: set[One]) -> None:
        self.journal = [e for e in self.journal if (e.key, e.version) not in some]
        self.acted -= some
        for one in some:
            for key in self.keys.get(one, ()):
                self.known.pop(key, None)


class ForgetfulServerThatRemembers(VendorThatRemembers, ForgetfulServer):
    pass


class Replays(World):
    """What worlds with replays have in common."""

    def _build(self) -> None:
        self.replays: dict[int, ReplayMade] = {}
        self.replays_left, self.calm_from = self.random.randint(1, 3), 0.0
        self.unhurried = self.random.random() < 0.5
        self.next_replay, self.next_dry_run = FIRST_REPLAY, FIRST_DRY_RUN
        super()._build()
        self.spawn("worker of replays", self._replay)

    # -- people ----------------------------------------------------------------------------------------------------
    def _replay(self, actor: Actor) -> None:
        while True:
            actor.sleep(self.random.uniform(0.05, 0.8) * LEASE_SECONDS)
            self._look_after_them()
            if self.replays_left and (self.random.random() < 0.6 or not self.busy_producers) and self._open():
                self.replays_left -= 1

    def _look_after_them(self) -> None:
        rows = self.database.rows
        for number, made in self.replays.items():
            s = rows["subscription"].get((number,))
            if made.state in ("done", "cancelled") and s and s["open"]:
                made.state = "running"  # the database went back to before its end
            if made.state != "running":
                continue
            if s is None:  # the database went back to before it: people start it again
                made.state = "gone"
                self.replays_left += 1
                self.counts["replays gone"] += 1
            elif self._has_ended(number):
                made.state = "done"
                rows["subscription"][number,] = s | {"open": False}
            elif not made.dry and self.random.random() < 0.01:
                made.state = "cancelled"
                self.counts["replays cancelled"] += 1
                self._cancel(number)

    def _has_ended(self, number: int) -> bool:
        rows = self.database.rows
        places = [p for at, p in rows["progress"].items() if at[0] == number]
        return all(p["position"] >= p["upto"] for p in places) and not any(at[0] == number for at in rows["parked"])

    def _cancel(self, number: int) -> None:
        """What waits is dropped, for its first delivery counts; what may have been sent is asked about as before."""
        rows = self.database.rows
        rows["subscription"][number,] |= {"open": False}
        for at, q in list(rows["parked"].items()):
            if at[0] == number and q["lease_until"] <= self.now and q["state"] != "sending":
                del rows["parked"][at]

    def _open(self, *, dry: bool = False, whole: bool = False) -> bool:
        """Of what the target has passed, an interval in each lane."""
        rows, spans = self.database.rows, dict[int, tuple[int, int]]()
        for lane in range(self.shape.lanes):
            passed = [at for _, ln, at in rows["message"] if ln == lane]
            passed = sorted(at for at in passed if at <= rows["progress"][VENDOR, lane]["position"])
            if passed and (whole or self.random.random() < 0.8):
                first = passed[0] if whole else self.random.choice(passed)
                last = passed[-1] if whole else self.random.choice([at for at in passed if at >= first])
                spans[lane] = (first, last)
        if not spans or (not dry and self._under_way(spans)):
            return False
        number = self.next_dry_run if dry else self.next_replay
        self.next_dry_run, self.next_replay = self.next_dry_run + dry, self.next_replay + (not dry)
        self.replays[number] = ReplayMade(spans, dry, {} if dry else self._wipe(spans))
        kind = "vendor" if "wet" in self.plants or not dry else "dry"
        model = rows["subscription"][VENDOR,]
        rows["subscription"][number,] = model | {"kind": kind, "tier": 3, "replay_of": VENDOR, "open": True}
        for lane, (first, last) in spans.items():
            rows["progress"][number, lane] = sim_claims.UNTOUCHED | {"position": first - 1, "upto": last}
            rows["progress"][number, lane]["ask_until"] = rows["progress"][VENDOR, lane].get("ask_until")
        self.counts["dry runs" if dry else "replays"] += 1
        self.calm_from = self.now + LEASE_SECONDS * self.random.uniform(0.5, 4.0)
        return True

    def _under_way(self, spans: dict[int, tuple[int, int]]) -> bool:
        """Whether a start would be refused: another replay has some of it before it or in its quarantine, or calls
        without an answer."""
        rows, since = self.database.rows, self.now - self.shape.settle
        wait = self.shape.idempotency != "N"
        if "side_by_side" in self.plants:
            return False
        for (number, lane), p in rows["progress"].items():
            s = rows["subscription"][number,]
            if "replay_of" not in s or s["kind"] == "dry" or lane not in spans or spans[lane][0] > p["upto"]:
                continue
            if s["open"] and p["position"] < min(p["upto"], spans[lane][1]):
                return True
            if wait and (p["owner"] is not None or p["intent"] is not None) and p["lease_until"] > since:
                return True
            first, last = spans[lane]
            parked = [q for at, q in rows["parked"].items() if at[:2] == (number, lane) and first <= at[2] <= last]
            sent = [max(q["lease_until"], q["sent_at"] or 0.0) for q in parked]
            if (s["open"] and parked) or (wait and any(at > since for at in sent)):
                return True
        return False

    def _wipe(self, spans: dict[int, tuple[int, int]]) -> dict[One, Place]:
        """What the replay is for: of what nobody is unsure about the vendor has just lost some."""
        if self.random.random() < 0.2:
            return {}
        waits = {at[1:] for at in self.database.rows["parked"]}
        places = {one: at for one, at in self._within(spans).items() if at not in waits}
        there = self.vendor.acted & set(places)
        some = {one for one in sorted(there) if self.random.random() < 0.5}
        assert isinstance(self.vendor, ForgetfulServer)
        self.vendor.lose(some)
        self.counts["lost by the vendor"] += len(some)
        return {one: places[one] for one in some}

    def _within(self, spans: dict[int, tuple[int, int]]) -> dict[One, Place]:
        messages = self.database.rows["message"].items()
        return {
            (m["key"], m["version"]): (lane, at)
            for (_, lane, at), m in messages
            if lane in spans and spans[lane][0] <= at <= spans[lane][1]
        }

    # -- the end ---------------------------------------------------------------------------------------------------
    def _at_rest(self) -> bool:
        """Once all is quiet, two dry runs of everything follow."""
        self._look_after_them()
        if self.replays_left or any(made.state == "running" for made in self.replays.values()):
            self._calm_down()
            self._settle_unknown()
            return False
        if not super()._at_rest():
            return False
        dry = sum(made.dry and made.state != "gone" for made in self.replays.values())
        return dry >= 2 or not self._open(dry=True, whole=True)

    def _calm_down(self) -> None:
        """Nothing new goes wrong any more where nothing but replays is left."""
        alone = not self.busy_producers and all(a.role.startswith("worker") for a in self.actors)
        if alone and not self.replays_left and self.now > self.calm_from:
            self.trouble, self.faults_left = 0.0, 0

    def waits_for_ever(self, subscription: int) -> bool:
        return subscription in self.replays and self.replays[subscription].state != "running"

    def _finish(self) -> None:
        self._excuse()
        for number, made in self.replays.items():
            self._judge(number, made)
        super()._finish()

    def _excuse(self) -> None:
        """Of what the vendor has lost, that what nobody has sent again, and rightly so."""
        rows, covered = self.database.rows, dict[One, Place]()
        for made in self.replays.values():  # the one after which the vendor has lost it last
            for one, at in made.wiped.items():
                covered.pop(one, None)
                if made.state == "done":
                    covered[one] = at
        heads = {key: h["version"] for (_, key), h in rows["head"].items()}
        where = {(m["key"], m["version"]): at[1:] for at, m in rows["message"].items()}
        waits = {at[1:] for at in rows["parked"] if at[0] == VENDOR}
        wiped = {one for made in self.replays.values() for one in made.wiped}
        for one in wiped - self.vendor.acted:
            newer = not self.database.facts and heads.get(one[0], 0) > one[1]
            if newer or covered.get(one) != where.get(one) or where.get(one) in waits:
                self.given_up.add(one)
        if self.database.facts:
            self.sent_again |= wiped

    def _judge(self, number: int, made: ReplayMade) -> None:
        verdict, rows = self.verdict, self.database.rows
        if made.dry and number in self.reached:
            verdict.unauthorised.append(f"dry run {number} reached the vendor")
        if (number,) not in rows["subscription"]:
            return
        for at, q in rows["parked"].items():
            if at[0] == number and q["state"] == "dead" and not deserved(self, (q["key"], _version(self, at)), q):
                verdict.lost.append(f"replay {number}: {q['key']} is dead without a reason: {q['reason']}")
        if made.state == "done":
            tiles(self, number, made.spans)
        hashes = [self._hashes(n) for n, one in self.replays.items() if one.dry and one.state == "done"]
        if made.dry and any(one != hashes[0] for one in hashes):
            verdict.unknown.append(f"two dry runs of the same say {hashes}")

    def _hashes(self, number: int) -> list[Any]:
        return [
            (row["lane"], row["first"], row["last"], row["references"])
            for row in sorted(self.database.logs["delivery"], key=lambda row: (row["lane"], row["first"]))
            if row["subscription"] == number
        ]


def _version(world: World, at: Any) -> int:
    return int(world.database.rows["message"][1, at[1], at[2]]["version"])


class ReplayWorld(Replays):
    """Replays under load, deployments, voids and freezes."""

    def _build(self) -> None:
        self.vendor = ForgetfulServer(self)
        self.database.facts = self.shape.idempotency != "N" and self.shape.seed % 3 == 0
        super()._build()


class RewoundReplayWorld(Replays, RewoundWorld):
    """Replays, and the database goes back."""

    def make_vendor(self) -> VendorServer:
        return ForgetfulServerThatRemembers(self)


# -- statements --------------------------------------------------------------------------------------------------------


@statement(replay_order._MAKE_WAIT)
def _make_wait(db: Database, tx: Transaction, given: Row) -> list[Any]:
    """No world changes its lanes and replays, too: the same lane alone waits."""
    place = (given["original"], given["lane"])
    db.lock(tx, "progress", place)
    p, now = db.get(tx, "progress", place), db.now()
    free = p and p["intent"] is None and p["not_before"] < now and (p["owner"] is None or p["lease_until"] < now)
    if not p or not free:
        return []
    p = p | {"not_before": now + given["seconds"]}
    if p["owner"] is not None:
        p |= {"token": p["token"] + 1, "attempt": p["attempt"] + 1, "owner": None, "session": None}
    tx.writes["progress", place] = p
    return [(given["lane"], p["token"], p["position"])]


@statement(replay_order._MAKE_ROOM)
def _make_room(db: Database, tx: Transaction, given: Row) -> int:
    return 0


def _still_waiting(db: Database, tx: Transaction, given: Row, seconds: float) -> int:
    count = 0
    for lane, token, position in zip(given["lanes"], given["tokens"], given["positions"], strict=True):
        place = (given["original"], lane)
        db.lock(tx, "progress", place)
        p = db.get(tx, "progress", place)
        if p and p["token"] == token and p["position"] == position and p["owner"] is None:
            tx.writes["progress", place] = p | {"not_before": db.now() + seconds}
            count += 1
    return count


@statement(replay_order._KEEP_WAITING)
def _keep_waiting(db: Database, tx: Transaction, given: Row) -> int:
    return _still_waiting(db, tx, given, given["seconds"])


@statement(replay_order._LET_GO)
def _let_go(db: Database, tx: Transaction, given: Row) -> int:
    own = db.get(tx, "progress", (given["replay"], given["lane"]))
    open_call = own is not None and own["intent"] is not None
    since = db.now() - given["settle"]
    lately = any(
        at[:2] == (given["replay"], given["lane"])
        and q["state"] in ("sending", "unknown")
        and (q["sent_at"] or 0.0) > since
        for at, q in db.scan(tx, "parked")
    )
    return _still_waiting(db, tx, given, given["settle"] if open_call or lately else 0.0)


@statement(replay_order._NEWER)
def _newer(db: Database, tx: Transaction, given: Any) -> list[Any]:
    stream, key, position = given
    head = db.get(tx, "head", (stream, key))
    return [()] if head and head["position"] > position else []


@statement(replay_delivery._PLAN)
def _plan(db: Database, tx: Transaction, given: Any) -> list[Any]:
    return [("", "", db.facts)]


def _family(db: Database, tx: Transaction, original: int) -> dict[int, Row]:
    return {number: s for (number,), s in db.scan(tx, "subscription") if original in (number, s.get("replay_of"))}


@statement(replay_delivery._QUARANTINED)
def _quarantined(db: Database, tx: Transaction, given: Row) -> list[Any]:
    others = {n for n, s in _family(db, tx, given["original"]).items() if s["open"]} - {given["replay"]}
    return [(at[2],) for at, _ in db.scan(tx, "parked") if at[0] in others and at[1] == given["lane"]]


@statement(replay_delivery._DECIDED)
def _decided(db: Database, tx: Transaction, given: Row) -> list[Any]:
    family = _family(db, tx, given["original"]).keys() - {given["replay"]}
    return [
        (n["last"],)
        for n in db.logs["attempt"]
        if n["subscription"] in family
        and n["lane"] == given["lane"]
        and given["after"] < n["last"] <= (given["upto"] or n["last"])
        and n["outcome"] in DECIDED
        and (n["subscription"] == given["original"] or n["outcome"] != "given_up")
    ]


@statement(replay_delivery._REPLACED)
def _replaced(db: Database, tx: Transaction, given: Row) -> list[Any]:
    return []


@statement(re.escape(" ".join(replay_delivery._NEWEST.split())) + "$")
def _newest(db: Database, tx: Transaction, given: Any) -> list[Any]:
    head = db.get(tx, "head", tuple(given))
    return [(head["position"],)] if head and "undoes" not in db.plants else []
