"""A source in a simulated world, and what the statements of the product's own source reader do to the modelled
database.

The reader is the real one (`runtime.worker.source_reader`). For a while the source may show every row so that none can
be read, as after a bad release: a run that meets this is over its limit of rejected records, and nothing of it may be
passed by.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import psycopg

from runtime.connectors.protocols import CallContext, Page, RejectedRecord, Secrets
from runtime.domain.manifest import Connection, ManifestSource, RejectedLimit
from runtime.ledger import append as append_module
from runtime.ledger.append import Fenced, IncomingMessage
from runtime.ledger.leases import LEASE_SECONDS
from runtime.services import message_checks
from runtime.worker import source_reader
from runtime.worker.source_reader import RunState, SourceLease, SourceReader
from tests.faults.sim_database import Database, Transaction, statement

if TYPE_CHECKING:
    from tests.faults.sim_actors import Actor
    from tests.faults.world import World

NAME = "source"
SOURCE = ManifestSource(NAME, "erp", connection=Connection("rest"), rejected_limit=RejectedLimit(0.0, 0))
RUN = 1


class SimSource:
    """Pages of a plan that overlap. Cursor: how many rows have been read. `odd`: a run that has met odd rows meets
    nothing else, so that no newer state of a key is stored before an older one that is read again."""

    def __init__(self, world: World, actor: Actor, plan: Sequence[tuple[str, int]], size: int, odd: bool) -> None:
        self.world, self.actor, self.plan, self.size, self.odd = world, actor, plan, size, odd

    def read(self, cursor: Any, *, call: CallContext) -> Page:
        self.actor.step()
        start = int(cursor or 0)
        begin, end = max(0, start - self.world.random.randint(0, 2)), min(len(self.plan), start + self.size)
        rows: list[Any] = [self.world.item(*one) for one in self.plan[begin:end]]
        done = end == len(self.plan)
        self.odd = self.odd or self.world.odd
        if self.odd and rows:
            self.world.counts["odd rows read"] += len(rows)
            unread = [RejectedRecord("page", "no price", row.payload, row.key) for row in rows]
            return Page([], end, done, unread)  # type: ignore[arg-type]
        return Page(rows, end, done)  # type: ignore[arg-type]


class _Checks:
    """Rows are items already, and fit."""

    prefix = ""

    def sort(self, records: list[IncomingMessage]) -> tuple[list[IncomingMessage], list[Any]]:
        return records, []

    def fit_to_store(self, payloads: Sequence[bytes]) -> None:
        pass


def read(world: World, actor: Actor, plan: Sequence[tuple[str, int]], size: int) -> Iterator[int]:
    """One claim of the source: the groups that were stored. Ends when the run has ended; `StopIteration.value` says
    whether everything was read. Raises Fenced and OperationalError as the product's reader does."""
    found = actor.conn.execute("sim: claim the source", (1, LEASE_SECONDS)).fetchone()
    if found is None:
        actor.sleep(LEASE_SECONDS / 3)
        return False
    token, cursor, start, tally = found
    conn: Any = actor.conn
    lease = SourceLease(conn, 1, token, LEASE_SECONDS, clock=lambda: world.now)
    counts = tally.get(NAME, {})
    state = RunState(RUN, world.release, _place(cursor), _place(start), **counts)
    connector: Any = SimSource(world, actor, plan, size, bool(tally))
    checks: Any = _Checks()
    reader = SourceReader(lease, world.stream, SOURCE, connector, state, checks)
    yield from reader.groups(Secrets())
    conn.execute("sim: end the run", (1, token))
    if reader.over:
        world.counts["runs over their limit"] += 1
        actor.sleep(world.random.uniform(0.5, 2.0))
    return not reader.over


def _place(cursor: str | None) -> Any:
    return None if cursor is None else json.loads(cursor)


def collect(world: World, actor: Actor, plan: Sequence[tuple[str, int]], size: int) -> None:
    """Runs, until one has read everything. What the database has lost meanwhile is read again."""
    while True:
        era = world.era
        try:
            if _whole(read(world, actor, plan, size)) and era == world.era:
                return
        except Fenced:
            world.counts["source fenced"] += 1
        except psycopg.OperationalError:
            actor.sleep(0.2)
            actor.reconnect()


def _whole(groups: Iterator[int]) -> bool:
    while True:
        try:
            next(groups)
        except StopIteration as end:
            return bool(end.value)


# -- statements --------------------------------------------------------------------------------------------------------


@statement(r"sim: claim the source$")
def _claim_source(db: Database, tx: Transaction, given: Any) -> list[Any]:
    """As `source_polling`: a run keeps the cursor with which it began, whoever goes on with it."""
    source, lease = given
    if not db.lock(tx, "source", (source,), skip=True):
        return []
    row = db.get(tx, "source", (source,))
    if row is None or row["lease_until"] >= db.now():
        return []
    row = dict(row)
    row["token"] += 1
    row["lease_until"] = db.now() + lease
    if not row["running"]:
        row["running"], row["start"], row["tally"] = True, row["cursor"], {}
    db.put(tx, "source", (source,), row)
    return [(row["token"], row["cursor"], row["start"], row["tally"])]


@statement(r"sim: end the run$")
def _end_run(db: Database, tx: Transaction, given: Any) -> int:
    source, token = given
    row = db.change(tx, "source", (source,))
    if row is None or row["token"] != token:
        return 0
    row["lease_until"], row["running"] = db.now(), False
    return 1


@statement(source_reader._LOOK)
def _look(db: Database, tx: Transaction, given: Any) -> list[Any]:
    source, token, cover = given
    row = db.get(tx, "source", (source,))
    held = row is not None and row["token"] == token and row["lease_until"] >= db.now() + cover
    return [(db.now(),)] if held else []


@statement(source_reader._RENEW)
def _renew(db: Database, tx: Transaction, given: Any) -> list[Any]:
    lease, source, token = given
    row = db.change(tx, "source", (source,))
    if row is None or row["token"] != token:
        return []
    row["lease_until"] = db.now() + lease
    return [(db.now(),)]


@statement(source_reader._TALLY)
def _tally(db: Database, tx: Transaction, given: Any) -> int:
    row = db.change(tx, "source", (1,))
    assert row
    row["tally"] = row["tally"] | json.loads(given[0])
    return 1


@statement(message_checks.RECORD_REJECTED)
def _rejected(db: Database, tx: Transaction, given: Any) -> list[Any]:
    return [(len(given["digests"]),)]


@statement(message_checks._COUNT_REJECTED)
def _count_rejected(db: Database, tx: Transaction, given: Any) -> int:
    return 1


@statement(append_module._COUNT_RUN)
def _count_run(db: Database, tx: Transaction, given: Any) -> int:
    return 1


@statement(r"select t.environment, i.key from runtime_stream ")
def _names_of_the_stream(db: Database, tx: Transaction, given: Any) -> list[Any]:
    return [("simulated", "simulated")]


@statement(r"select environment, system_key from runtime_vendorstate ")
def _names_of_the_vendor(db: Database, tx: Transaction, given: Any) -> list[Any]:
    return [("simulated", "simulated")]


@statement(r"insert into runtime_runspan ")
def _span(db: Database, tx: Transaction, given: Any) -> int:
    return 1
