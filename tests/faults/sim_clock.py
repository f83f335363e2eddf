"""Worlds whose database's clock is set while they run, by seconds, hours or a day, ahead or back. Processes have a
clock of their own that is never set, so has the vendor; leases, pauses and the times of sends are the database's.

A scheduler is at work when the clock is set: where none is, nobody knows of a step but workers that ran before it
(docs/reliability.md). Its part (`Scheduler._attend_the_clock`) and the look of each worker are the product's own
`runtime.ledger.clock_steps`; what they do to the tables is modelled here.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import psycopg

from runtime.ledger import clock_steps, sql
from runtime.ledger.clock_steps import ClockWatch
from runtime.ledger.leases import LEASE_SECONDS
from tests.faults.sim_actors import Actor
from tests.faults.sim_database import Database, Row, Transaction, statement
from tests.faults.sim_shapes import Shape
from tests.faults.world import World

BEGUN = 1e7  # the database's time at the beginning: further from its zero than any step
STEPS = (-86_400.0, -7_200.0, -40.0, -3.0, 3.0, 40.0, 7_200.0, 86_400.0)
LOOK_SECONDS = 5.0  # of a worker (`worker.loop.BEAT_SECONDS`)
TURN_SECONDS = 0.5  # of the scheduler
_TABLES = {
    "runtime_progress": "progress",
    "runtime_quarantine": "parked",
    "runtime_source": "source",
    "runtime_vendorstate": "vendor",
}
_COLUMNS = {("vendor", "last_success_at"): "success"}
Move = Callable[[float, float, Row], float | None]
"""The column's value, the time and the arguments → its new value, None where the row is left."""


def stepped_shape(seed: int) -> Shape:
    """What a seed makes of such a world: every other one is of the drowsy, whose leases are in use when the clock is
    set."""
    shape = Shape.drowsy_of(seed) if seed % 2 else Shape.of(seed)
    return replace(shape, odd=False)


class SteppedWorld(World):
    """A world whose database's clock is set some times."""

    def _build(self) -> None:
        self.ahead = BEGUN
        self.watches: dict[str, ClockWatch] = {}
        self.looked: dict[str, tuple[Any, float]] = {}
        super()._build()
        self.spawn("scheduler", self._attend)
        self.spawn("clock", self._set)

    def _set(self, actor: Actor) -> None:
        r = random.Random(f"clock {self.shape.seed}")
        for _ in range(r.choice((1, 1, 2, 3))):
            actor.sleep(r.uniform(0.0, LEASE_SECONDS * (6.0 if self.shape.drowsy else 1.5)))
            self.ahead += (step := r.choice(STEPS))
            self.counts[f"clock set {'ahead' if step > 0 else 'back'}"] += 1
            actor.sleep(LEASE_SECONDS * 6.0)  # whoever stands still has looked before the next step

    def _attend(self, actor: Actor) -> None:
        """As `Scheduler._attend_the_clock`; a scheduler that begins bounds what nobody saw moved."""
        watch, step, bounded = self._watch(actor), 0.0, False
        looked = unset = self.now
        late, late_until = 0.0, 0.0
        while True:
            try:
                asked, found = self.now, watch.look(actor.conn)  # type: ignore[arg-type]
                unset, looked, step = (unset if step else looked), asked, step + found
                if "clock_history" not in self.plants:
                    within = -clock_steps.SPENT if "clock_since" in self.plants else self.now - unset
                    if step:
                        conn: Any = actor.conn
                        clock_steps.attend(conn, step, since=within, monotonic=lambda: self.now)
                        late, late_until = step, self.now + clock_steps.UNATTENDED
                    elif asked < late_until:
                        clock_steps.attend_late(actor.conn, late)  # type: ignore[arg-type]
                    if not bounded:
                        clock_steps.bound(actor.conn)  # type: ignore[arg-type]
                    bounded = True
                step = 0.0
            except psycopg.OperationalError:
                actor.reconnect()
            actor.sleep(TURN_SECONDS * self.random.uniform(0.8, 1.2))

    def _watch(self, actor: Actor) -> ClockWatch:
        return self.watches.setdefault(actor.name, ClockWatch(monotonic=lambda: self.now))

    def beat(self, actor: Actor) -> None:
        """A connection begins with a look."""
        looked_with, at = self.looked.get(actor.name, (None, 0.0))
        if looked_with is not actor.conn or self.now - at >= LOOK_SECONDS:
            self.looked[actor.name] = actor.conn, self.now
            self._watch(actor).look(actor.conn)  # type: ignore[arg-type]

    def latest(self) -> float | None:
        if self.current is None or "clock_history" in self.plants:
            return None
        return self._watch(self.current).latest()

    def noted(self, database: float, took: float) -> float:
        assert self.current is not None
        return self._watch(self.current).noted(database, took)

    def at_least_ago(self, seconds: float | None) -> float | None:
        if self.current is None or "clock_history" in self.plants or "clock_sent" in self.plants:
            return seconds
        return self._watch(self.current).at_least_ago(seconds)

    def no_less_ago(self, seconds: float | None) -> float | None:
        if self.current is None or "clock_history" in self.plants:
            return seconds
        if "clock_first" in self.plants:
            return None if seconds is None else max(seconds, -clock_steps.LONGEST_LEASE)
        return self._watch(self.current).no_less_ago(seconds)

    def patches(self) -> list[tuple[Any, str, Any]]:
        return [(clock_steps, "watch", self), (clock_steps, "log", _Silent())]


class _Silent:
    def warning(self, *_: object) -> None:
        return None


# -- statements --------------------------------------------------------------------------------------------------------


@statement(clock_steps.NOW.replace("(", r"\(").replace(")", r"\)") + "$")
def _now(db: Database, tx: Transaction, given: Any) -> list[Any]:
    return [(db.now(),)]


@statement(r"select coalesce\(max\(settle\), 0\)::float8 from runtime_subscription$")
def _longest_settle(db: Database, tx: Transaction, given: Any) -> list[Any]:
    return [(max(s["settle"] for _, s in db.scan(tx, "subscription")),)]


def _ahead(value: float, now: float, given: Row) -> float | None:
    return value + given["step"] if now - given["step"] < value <= now - given["since"] else None


def _sent_ahead(value: float, now: float, given: Row) -> float | None:
    step, beyond = given["step"], given["beyond"]
    return value + step if now - step - beyond < value <= now - step else None


def _back(value: float, now: float, given: Row) -> float | None:
    return max(now, value + given["step"]) if value > now + given["beyond"] else None


def _sent_back(value: float, now: float, given: Row) -> float | None:
    return min(now, value + given["step"]) if value > now + given["beyond"] else None


def _bound(value: float, now: float, given: Row) -> float | None:
    return now + given["longest"] if value > now + given["longest"] else None


def _moves(table: str, column: str, move: Move) -> Callable[[Database, Transaction, Row], int]:
    name = _TABLES.get(table, "")
    mine = _COLUMNS.get((name, column), column)

    def moved(db: Database, tx: Transaction, given: Row) -> int:
        count = 0
        for key, row in list(db.scan(tx, name)) if name else ():
            if row.get(mine) is None or move(row[mine], db.now(), given) is None:
                continue
            changed = db.change(tx, name, key)  # waits for whoever has the row, and looks again
            value = None if changed is None or changed[mine] is None else move(changed[mine], db.now(), given)
            if changed is not None and value is not None:
                changed[mine] = value
                count += 1
        return count

    return moved


@statement(clock_steps.FIRST_SENT_BACK[0])
def _intent_back(db: Database, tx: Transaction, given: Row) -> int:
    return _first_back(db, tx, given, "progress", lambda p: p["intent_at"], "intent_at")


@statement(clock_steps.FIRST_SENT_BACK[1])
def _quarantined_back(db: Database, tx: Transaction, given: Row) -> int:
    def first(q: Row) -> float | None:
        if q["state"] == "dead" or (q["first_sent_at"] is None and q["state"] != "sending"):
            return None
        return float(q["first_seen_at"] if q["first_sent_at"] is None else q["first_sent_at"])

    return _first_back(db, tx, given, "parked", first, "first_sent_at")


def _first_back(
    db: Database, tx: Transaction, given: Row, table: str, first: Callable[[Row], float | None], column: str
) -> int:
    def moved(row: Row) -> float | None:
        value, now = first(row), db.now()
        known = value is not None and (value > now or value <= now - given["since"])
        return None if value is None or not known else value + given["step"]

    count = 0
    for key, row in list(db.scan(tx, table)):
        if moved(row) is None:
            continue
        changed = db.change(tx, table, key)
        if changed is not None and (value := moved(changed)) is not None:
            changed[column] = value
            count += 1
    return count


_MOVES: dict[str, Move] = {
    "clock_ahead": _ahead,
    "clock_sent_ahead": _sent_ahead,
    "clock_back": _back,
    "clock_sent_back": _sent_back,
    "clock_bound": _bound,
}
_EVERY = {*clock_steps._PAUSES, *clock_steps._LEASES, *clock_steps._PLACES_IN_LINE}
_EVERY |= {*clock_steps._LOOKS, *clock_steps._SENT}
for _table, _column in sorted(_EVERY):
    for _name, _move in _MOVES.items():
        statement(sql.read(_name, table=_table, column=_column))(_moves(_table, _column, _move))
