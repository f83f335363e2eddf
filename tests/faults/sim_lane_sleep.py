"""What putting lanes to sleep and waking them does to the modelled database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg

from runtime.ledger import lane_sleep
from tests.faults.sim_database import Database, Transaction, statement

if TYPE_CHECKING:
    from tests.faults.sim_actors import Actor
    from tests.faults.world import World


def let_sleep(world: World, actor: Actor) -> None:
    """What a worker does now and then, here without waiting until a lane is tired."""
    try:
        conn: Any = actor.conn
        world.counts["lanes put to sleep"] += lane_sleep.let_lanes_sleep(conn, after=0.0)
    except psycopg.OperationalError:
        actor.sleep(0.2)
        actor.reconnect()


def _drained(p: dict[str, Any], following: int) -> bool:
    end = following - 1 if p["upto"] is None else min(following - 1, p["upto"])
    return p["owner"] is None and p["intent"] is None and not p["asleep"] and p["position"] >= end


def _pairs(given: Any) -> list[tuple[int, int]]:
    return list(zip(given[0], given[1], strict=True))


@statement(lane_sleep._TIRED)
def _tired(db: Database, tx: Transaction, given: Any) -> list[Any]:
    after, most = given
    found = []
    for (subscription, lane), p in db.scan(tx, "progress"):
        s = db.get(tx, "subscription", (subscription,))
        counter = db.get(tx, "lane", (s["stream"], lane)) if s else None
        if s and counter and p["waits_since"] < db.now() - after and _drained(p, counter["next"]):
            found.append((s["stream"], lane, subscription))
    return found[:most]


@statement(lane_sleep._SEEN)
def _seen(db: Database, tx: Transaction, given: Any) -> int:
    for place in _pairs(given):
        if db.get(tx, "lane_sleep", place) is None:
            db.lock(tx, "lane_sleep", place)
            if db.get(tx, "lane_sleep", place) is None:
                db.put(tx, "lane_sleep", place, {"next": None})
    return 0


@statement(lane_sleep._HOLD)
def _hold(db: Database, tx: Transaction, given: Any) -> list[Any]:
    here = [place for place in _pairs(given) if db.get(tx, "lane_sleep", place) is not None]
    return [place for place in here if db.lock(tx, "lane_sleep", place, skip=True)]


@statement(lane_sleep._NOTE)
def _note(db: Database, tx: Transaction, given: Any) -> list[Any]:
    noted = []
    for place in _pairs(given):
        counter, sleep = db.get(tx, "lane", place), db.change(tx, "lane_sleep", place)
        assert counter
        assert sleep
        if sleep["next"] in (None, counter["next"]):
            sleep["next"] = counter["next"]
            noted.append((*place, counter["next"]))
    return noted


@statement(lane_sleep._SLEEP)
def _sleep(db: Database, tx: Transaction, given: Any) -> int:
    """The targets are read before the statement locks them; others may act in between."""
    count = 0
    tx.actor.conn.pass_time()
    for subscription, lane, following in zip(*given, strict=True):
        place = (subscription, lane)
        if not db.lock(tx, "progress", place, skip=True):
            continue
        p = db.get(tx, "progress", place)
        if p is not None and _drained(p, following):
            db.put(tx, "progress", place, p | {"asleep": True})
            count += 1
    return count


@statement(lane_sleep._CALLED)
def _called(db: Database, tx: Transaction, given: Any) -> list[Any]:
    if "overslept" in db.plants:
        return []
    found = []
    for place, sleep in db.scan(tx, "lane_sleep"):
        counter = db.get(tx, "lane", place)
        if sleep["next"] is not None and counter and sleep["next"] < counter["next"]:
            found.append(place)
    return found[: given[0]]


@statement(lane_sleep._WAKE)
def _wake(db: Database, tx: Transaction, given: Any) -> int:
    count, lanes = 0, set(_pairs(given))
    for place, p in list(db.scan(tx, "progress")):
        s = db.get(tx, "subscription", (place[0],))
        if p["asleep"] and s and s["open"] and (s["stream"], place[1]) in lanes:
            changed = db.change(tx, "progress", place)
            assert changed
            changed["asleep"] = False
            count += 1
    return count


@statement(lane_sleep._FORGET)
def _forget(db: Database, tx: Transaction, given: Any) -> int:
    for place in _pairs(given):
        sleep = db.change(tx, "lane_sleep", place)
        assert sleep
        sleep["next"] = None
    return len(given[0])
