"""Worlds whose stream gets more or fewer lanes under load: what the statements of a change do to the modelled database,
and who makes the changes.

Every process keeps the stream as it was when that process began, as a run that collects does.
"""

from __future__ import annotations

import random
import re
from dataclasses import replace
from typing import Any

import psycopg

from runtime.ledger import lanes, streams
from runtime.ledger.append import Appended, IncomingMessage
from runtime.ledger.leases import LEASE_SECONDS
from runtime.ledger.streams import StreamRef
from tests.faults.sim_actors import Actor
from tests.faults.sim_database import Database, Transaction, statement
from tests.faults.sim_shapes import Shape
from tests.faults.world import World

CHANGES = 3


def changing_shape(seed: int) -> Shape:
    """What a seed makes of such a world: more messages, so that some come before, between and after the changes."""
    r = random.Random(f"lanes {seed}")
    return replace(Shape.of(seed), lanes=r.randint(1, 3), messages=r.randint(10, 24), keys=5, intakes=r.randint(1, 2))


class LaneWorld(World):
    """A world with some changes of the number of lanes."""

    def _build(self) -> None:
        self.changes_left = CHANGES
        self.known: dict[Actor, StreamRef] = {}
        self.database.rows["lanechange"] = {}
        super()._build()
        for row in self.database.rows["lane"].values():
            row["lanes"] = 0
        self.spawn("worker of lanes", self._change)

    def _change(self, actor: Actor) -> None:
        """What the scheduler does (`runtime.ledger.lanes.attend`), at any time."""
        while True:
            actor.sleep(self.random.uniform(0.05, 0.6) * LEASE_SECONDS)
            try:
                if self.changes_left and self.busy_producers:
                    self.changes_left -= 1
                    lanes.begin(actor.conn, 1, self.random.randint(1, 4))  # type: ignore[arg-type]
                    self.counts["lanes changed"] += 1
                self.counts["targets past a change"] += lanes.advance(actor.conn, 1)  # type: ignore[arg-type]
            except psycopg.OperationalError:
                actor.sleep(0.2)
                actor.reconnect()

    def append(self, actor: Actor, items: list[IncomingMessage], **more: Any) -> Appended:
        if actor not in self.known:
            self.known[actor] = streams.load_stream(actor.conn, 1)  # type: ignore[arg-type]
        self.stream = self.known[actor]
        return super().append(actor, items, **more)

    def _at_rest(self) -> bool:
        """Nobody waits for ever before a change."""
        return super()._at_rest() and not any(s.get("lane_change") for s in self.database.rows["subscription"].values())


@statement(streams._STREAM)
def _stream(db: Database, tx: Transaction, given: Any) -> list[Any]:
    row = db.get(tx, "stream", (given[0],))
    assert row
    changes = [[c["first"], c["before"]] for _, c in sorted(db.scan(tx, "lanechange"))]
    return [(given[0], row["lanes"], row["salt"], db.facts, None, changes or None)]


@statement(re.escape(lanes.LOCK_TIMEOUT) + "$")
def _lock_timeout(db: Database, tx: Transaction, given: Any) -> int:
    return 1


@statement(re.escape(lanes.LOCK_STREAM) + "$")
def _lock_stream(db: Database, tx: Transaction, given: Any) -> list[Any]:
    db.lock(tx, "stream", (given[0],))
    row = db.get(tx, "stream", (given[0],))
    return [(row["lanes"],)] if row else []


@statement(re.escape(lanes.LOCK_ALL_LANES) + "$")
def _lock_all(db: Database, tx: Transaction, given: Any) -> list[Any]:
    found = sorted(key for key, _ in db.scan(tx, "lane") if key[0] == given[0])
    for key in found:
        db.lock(tx, "lane", key)
    return [(key[1], (db.get(tx, "lane", key) or {})["next"]) for key in found]


@statement(lanes.LOCK_PROGRESS)
def _lock_progress(db: Database, tx: Transaction, given: Any) -> list[Any]:
    for key in sorted(key for key, _ in db.scan(tx, "progress")):
        db.lock(tx, "progress", key)
    return []


@statement(lanes.ADD_CHANGE)
def _add_change(db: Database, tx: Transaction, given: Any) -> list[Any]:
    _, before, after, first, ends = given
    number = 1 + max((key[0] for key, _ in db.scan(tx, "lanechange")), default=0)
    db.put(tx, "lanechange", (number,), {"before": before, "lanes": after, "first": first, "ends": ends})
    return [(number,)]


@statement(lanes.SET_COUNTERS)
def _set_counters(db: Database, tx: Transaction, given: Any) -> int:
    for lane in range(given["most"]):
        db.put(tx, "lane", (given["stream"], lane), {"next": given["first"], "lanes": given["lanes"]})
    return int(given["most"])


@statement(lanes.SET_EPOCHS)
def _set_epochs(db: Database, tx: Transaction, given: Any) -> int:
    return 0  # no world goes back and changes its lanes, too


@statement(re.escape(lanes.SET_STREAM) + "$")
def _set_stream(db: Database, tx: Transaction, given: Any) -> int:
    number, change, stream = given
    row = db.change(tx, "stream", (stream,))
    assert row
    row["lanes"], row["lane_change"] = number, change
    return 1


def _newest(db: Database, tx: Transaction) -> list[Any]:
    return [key for key, s in db.scan(tx, "subscription") if not s.get("lane_change")]


@statement(lanes.SET_ENDS)
def _set_ends(db: Database, tx: Transaction, given: Any) -> int:
    if "rehashed" in db.plants:
        return 0
    subscriptions, ends = {key[0] for key in _newest(db, tx)}, dict(enumerate(given["ends"]))
    for key, p in list(db.scan(tx, "progress")):
        if key[0] in subscriptions:
            db.put(tx, "progress", key, p | {"upto": ends.get(key[1]), "asleep": False})
    return 1


@statement(lanes.ADD_PROGRESS)
def _add_progress(db: Database, tx: Transaction, given: Any) -> int:
    at = given["first"] - 1
    for (subscription,), _ in list(db.scan(tx, "subscription")):
        model = db.get(tx, "progress", (subscription, 0))
        assert model
        for lane in range(given["lanes"]):
            if db.get(tx, "progress", (subscription, lane)) is None:
                new = model | {"position": at, "upto": None if "rehashed" in db.plants else at, "intent": None}
                new |= {"intent_release": None, "sent_at": None, "attempt": 0, "token": 0, "lease_until": 0.0}
                new |= {"owner": None, "session": None, "rounds": 0, "not_before": 0.0, "ask_only": False}
                new["asleep"] = False
                db.put(tx, "progress", (subscription, lane), new)
    return 1


@statement(lanes.HOLD_BACK)
def _hold_back(db: Database, tx: Transaction, given: Any) -> int:
    for key in _newest(db, tx):
        row = db.change(tx, "subscription", key)
        assert row
        row["lane_change"] = given[0]
    return 1


def _busy(db: Database, p: dict[str, Any]) -> bool:
    held = p["owner"] is not None and p["lease_until"] > db.now()
    return p["intent"] is not None or held or (p["upto"] is not None and p["position"] < p["upto"])


@statement(lanes.BEFORE_A_CHANGE)
def _before_a_change(db: Database, tx: Transaction, given: Any) -> list[Any]:
    busy = {key[0] for key, p in db.scan(tx, "progress") if _busy(db, p)}
    return [(key[0],) for key, s in sorted(db.scan(tx, "subscription")) if s.get("lane_change") and key[0] not in busy]


@statement(lanes.LOCK_PLACES)
def _lock_places(db: Database, tx: Transaction, given: Any) -> list[Any]:
    found = []
    for key in sorted(key for key, _ in db.scan(tx, "progress") if key[0] == given[0]):
        db.lock(tx, "progress", key)
        p = db.get(tx, "progress", key)
        assert p
        found.append((key[1], _busy(db, p)))
    return found


@statement(lanes.NEXT_LANES)
def _next_lanes(db: Database, tx: Transaction, given: Any) -> int:
    key = (given["subscription"],)
    s = db.change(tx, "subscription", key)
    assert s
    changes = dict(db.scan(tx, "lanechange"))
    change, later = changes[s["lane_change"],], min((n for (n,) in changes if n > s["lane_change"]), default=None)
    ends = dict(enumerate(changes[later,]["ends"])) if later else {}
    waits = max(p["not_before"] for place, p in db.scan(tx, "progress") if place[0] == key[0])
    for place, p in list(db.scan(tx, "progress")):
        if place[0] == key[0]:
            at = change["first"] - 1
            upto = ends.get(place[1]) if place[1] < change["lanes"] else at
            if "rehashed" in db.plants:
                at, upto = p["position"], None
            moved = p | {"position": max(at, p["position"]), "upto": upto, "not_before": waits}
            db.put(tx, "progress", place, moved if "overslept" in db.plants else moved | {"asleep": False})
    s["lane_change"] = later
    return 1


@statement(lanes.PASSED_ALL)
def _passed_all(db: Database, tx: Transaction, given: Any) -> int:
    row = db.change(tx, "stream", (given[0],))
    if row is None or any(s.get("lane_change") for _, s in db.scan(tx, "subscription")):
        return 0
    row["lane_change"] = None
    return 1
