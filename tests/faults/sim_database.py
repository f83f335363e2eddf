"""An in-memory PostgreSQL, as far as the ledger's statements go: read committed, row locks held to commit, skip locked,
triggers.

The real functions of `runtime.ledger` run against `SimConnection`; only what a statement does inside the server is
modelled, one handler per statement, found by its text (`sim_append.py`, `sim_claims.py`, `sim_quarantine.py`,
`sim_vendors.py`). A statement that is not known raises, so a change of the SQL cannot go by unseen.

Statements are atomic, except where they wait for a row lock or give way inside. Effects of a transaction are kept aside
and become visible at its commit.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from types import SimpleNamespace, TracebackType
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import errors
from psycopg.rows import dict_row

from runtime.ledger import claims

if TYPE_CHECKING:
    from tests.faults.sim_actors import Actor

Row = dict[str, Any]


class GateClosed(errors.InsufficientPrivilege):
    """What the guard in the database raises; its diagnosis carries the name that the product looks for."""

    diag = SimpleNamespace(constraint_name=claims.GATE_CLOSED)  # type: ignore[assignment]


Key = tuple[Any, ...]
GONE: Any = object()
_NONE: Any = object()


class Transaction:
    """Writes that nobody else sees yet, and the locks that they need."""

    __slots__ = ("actor", "appended", "began", "locked", "waiters", "writes")

    def __init__(self, actor: Actor) -> None:
        self.actor = actor
        self.began = actor.world.database.now()
        self.writes: dict[tuple[str, Key], Any] = {}
        self.appended: list[tuple[str, Any]] = []
        self.locked: list[tuple[str, Key]] = []
        self.waiters: list[Actor] = []


class Database:
    """Committed rows by table and key, logs (insert only), and who holds which row.

    `plants` are names of bugs that are switched on inside statements (see `plants.py`). `now` is the database's clock.
    """

    TABLES = (
        "stream",
        "source",
        "lane",
        "lane_sleep",
        "head",
        "message",
        "progress",
        "subscription",
        "deployment",
        "vendor",
        "parked",
        "conflict",
        "target",
    )

    def __init__(self, now: Callable[[], float], plants: frozenset[str] = frozenset()) -> None:
        self.now, self.plants = now, plants
        self.rows: dict[str, dict[Key, Row]] = {name: {} for name in self.TABLES}
        self.logs: dict[str, list[Any]] = {"delivery": [], "attempt": [], "applied": [], "grant": []}
        self.held: dict[tuple[str, Key], Transaction] = {}
        self.frozen = False
        self.void: set[int] = set()  # releases whose approval is void
        self.facts = False  # messages are facts, no states
        self.epochs: dict[tuple[int, int], list[list[int]]] = {}  # by stream and lane: first position and salt

    # -- rows ------------------------------------------------------------------------------------------------------
    def get(self, tx: Transaction, table: str, key: Key) -> Row | None:
        if tx.writes:
            row = tx.writes.get((table, key), _NONE)
            if row is not _NONE:
                return None if row is GONE else row
        return self.rows[table].get(key)

    def scan(self, tx: Transaction, table: str) -> Iterator[tuple[Key, Row]]:
        committed = self.rows[table]
        if not tx.writes:
            yield from committed.items()
            return
        for key, row in committed.items():
            own = tx.writes.get((table, key), _NONE)
            if own is _NONE:
                yield key, row
            elif own is not GONE:
                yield key, own
        for (name, key), row in tx.writes.items():
            if name == table and row is not GONE and key not in committed:
                yield key, row

    def put(self, tx: Transaction, table: str, key: Key, row: Row) -> None:
        tx.writes[table, key] = row

    def lock(self, tx: Transaction, table: str, key: Key, *, skip: bool = False) -> bool:
        """Take the row's lock; wait for whoever has it, unless `skip`."""
        place = (table, key)
        while (holder := self.held.get(place)) is not None and holder is not tx:
            if skip:
                return False
            self._wait(tx, holder)
        if holder is None:
            self.held[place] = tx
            tx.locked.append(place)
        return True

    def leaves(self, table: str, key: Key) -> bool:
        """Whether a transaction that is under way has deleted the row."""
        holder = self.held.get((table, key))
        return holder is not None and holder.writes.get((table, key)) is GONE

    def _wait(self, tx: Transaction, holder: Transaction) -> None:
        seen: Transaction | None = holder
        while seen is not None and (seen := seen.actor.waits_for) is not None:
            if seen is tx:
                raise errors.DeadlockDetected("deadlock detected")
        holder.waiters.append(tx.actor)
        tx.actor.wait(holder)

    def change(self, tx: Transaction, table: str, key: Key) -> Row | None:
        """The row as it is once its lock is ours, as a copy to be changed; None when it is gone."""
        self.lock(tx, table, key)
        row = self.get(tx, table, key)
        if row is None:
            return None
        copy = dict(row)
        tx.writes[table, key] = copy
        return copy

    def commit(self, tx: Transaction) -> None:
        for (table, key), row in tx.writes.items():
            if row is GONE:
                self.rows[table].pop(key, None)
            else:
                self.rows[table][key] = row
        for name, entry in tx.appended:
            self.logs[name].append(entry)
        self.end(tx)

    def end(self, tx: Transaction) -> None:
        """Let go of everything; what was not committed is gone."""
        for place in tx.locked:
            if self.held.get(place) is tx:
                del self.held[place]
        tx.locked.clear()
        tx.writes.clear()
        tx.appended.clear()
        for actor in tx.waiters:
            actor.wake()
        tx.waiters.clear()

    def key_epochs(self, stream: int, lane: int) -> list[list[int]]:
        """The salts that keys of this lane have had since the database went back; empty while it did not."""
        return list(self.epochs.get((stream, lane), ()))

    # -- the gate --------------------------------------------------------------------------------------------------
    def permitted(self, tx: Transaction, subscription: int) -> Row | None:
        """The deployment that may take work for a subscription (`runtime_permitted`)."""
        s = self.get(tx, "subscription", (subscription,))
        if s is None or not s["open"] or self.frozen:
            return None
        d = self.get(tx, "deployment", (s["deployment"],))
        if d is None or not d["active"] or d["paused"] or d["release"] in self.void:
            return None
        return d

    def gate(self, tx: Transaction, subscription: int) -> Row | None:
        """The same, where the vendor's state allows it too (`runtime_gate`)."""
        if "gate" in self.plants:
            s = self.get(tx, "subscription", (subscription,))
            return self.get(tx, "deployment", (s["deployment"],)) if s else None
        d = self.permitted(tx, subscription)
        if d is None:
            return None
        s = self.get(tx, "subscription", (subscription,))
        assert s
        v = self.get(tx, "vendor", (s["vendor"],))
        assert v
        now = self.now()
        if v["not_before"] > now or not (
            v["breaker"] == "closed" or (v["open_until"] <= now and v["probe_until"] <= now)
        ):
            return None
        return d


# -- connections -------------------------------------------------------------------------------------------------------


class SimConnection:
    """What `runtime.ledger` needs of a psycopg connection, for one actor of the simulated world."""

    def __init__(self, database: Database, actor: Actor) -> None:
        self.database, self.actor = database, actor
        self.tx: Transaction | None = None
        self.depth = 0
        self.lost: str = ""
        self.began = 0.0  # when the client began with its present statement

    def execute(self, statement: Any, arguments: Any = (), *, prepare: bool | None = None) -> SimCursor:
        return SimCursor(self).execute(statement, arguments)

    def cursor(self, *, binary: bool = False, row_factory: Any = None) -> SimCursor:
        return SimCursor(self, as_dict=row_factory is dict_row)

    def transaction(self) -> _Block:
        return _Block(self)

    def short_transaction(self) -> _Block:
        return _Block(self)

    def pipeline(self) -> _Nothing:
        return _NOTHING

    def committing_pipeline(self) -> _Nothing:
        """The commit itself is the end of the block: nothing stands between the two."""
        return _NOTHING

    def usable(self) -> None:
        self.actor.alive()
        if self.lost:
            raise psycopg.OperationalError(self.lost)

    def lose(self, why: str) -> None:
        """The server's side of this connection is gone: what was open there is rolled back."""
        self.lost = why
        if self.tx is not None:
            self.database.end(self.tx)
            self.tx = None

    def pass_time(self) -> None:
        """Others act while a statement is under way."""
        self.actor.step()
        self.usable()

    def run(self, handle: Handler, arguments: Any) -> Any:
        """One statement: somebody else may act before it; the answer may get lost after it."""
        self.began = self.database.now()
        if handle.__name__.startswith("_claim"):
            self.actor.hit("claim")
        else:
            self.actor.step()
        self.usable()
        if self.tx is not None:
            result = handle(self.database, self.tx, arguments)
        else:
            tx = Transaction(self.actor)
            self.tx = tx  # a lost connection finds it here while it waits for a lock
            try:
                result = handle(self.database, tx, arguments)
            except BaseException:
                if self.tx is tx:
                    self.tx = None
                    self.database.end(tx)
                raise
            self.tx = None
            self.database.commit(tx)
        trace = self.actor.world.trace
        if trace is not None:
            trace.append(
                (self.actor.world.now, self.actor.name, getattr(handle, "__name__", "many"), arguments, result)
            )
        self.actor.after()
        return result


class _Nothing:
    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        return None


_NOTHING = _Nothing()


class _Block:
    """`with conn.transaction()`: the outermost begins and commits, inner ones are savepoints."""

    __slots__ = ("conn", "saved", "tx")

    def __init__(self, conn: SimConnection) -> None:
        self.conn = conn

    def __enter__(self) -> None:
        conn = self.conn
        conn.usable()
        self.saved: tuple[dict[Any, Any], int] | None = None
        if conn.tx is None:
            conn.tx = Transaction(conn.actor)
        else:
            self.saved = (dict(conn.tx.writes), len(conn.tx.appended))
        self.tx = conn.tx

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        conn = self.conn
        if conn.tx is not self.tx:  # the server's side has gone meanwhile
            if kind is None:
                conn.usable()
            return
        if self.saved is not None:
            if kind is not None:
                self.tx.writes = self.saved[0]
                del self.tx.appended[self.saved[1] :]
            return
        if kind is not None:
            conn.tx = None
            conn.database.end(self.tx)
            return
        conn.actor.step()
        conn.usable()
        conn.tx = None
        conn.database.commit(self.tx)
        conn.actor.after()


class SimCursor:
    """Results of one statement."""

    __slots__ = ("as_dict", "conn", "rowcount", "rows")

    def __init__(self, conn: SimConnection, *, as_dict: bool = False) -> None:
        self.conn, self.as_dict = conn, as_dict
        self.rows: list[Any] = []
        self.rowcount = -1

    def execute(self, statement: Any, arguments: Any = ()) -> SimCursor:
        result = self.conn.run(handler_of(statement), arguments)
        if isinstance(result, int):
            self.rowcount, self.rows = result, []
        else:
            self.rows, self.rowcount = result, len(result)
        return self

    def executemany(self, statement: Any, rows: Any, *, returning: bool = False) -> None:
        """What a statement returns is true for every row: nothing that is modelled returns more."""
        handle = handler_of(statement)
        self.rows = [(True,) for _ in rows] if returning else []
        self.conn.run(lambda database, tx, many: sum(_counted(handle(database, tx, row)) for row in many), rows)

    def fetchone(self) -> Any:
        return self.rows[0] if self.rows else None

    def fetchall(self) -> list[Any]:
        return self.rows

    def nextset(self) -> bool | None:
        return None

    def __enter__(self) -> SimCursor:
        return self

    def __exit__(self, *_: object) -> None:
        return None


def _counted(result: Any) -> int:
    return result if isinstance(result, int) else len(result)


# -- statements --------------------------------------------------------------------------------------------------------

Handler = Callable[[Database, Transaction, Any], Any]
_handlers: dict[str, Handler] = {}
_by_start: list[tuple[re.Pattern[str], Handler]] = []


def statement(text: str) -> Callable[[Handler], Handler]:
    """Register a handler: a whole statement by its text, or all that match a pattern after spaces are folded."""

    def register(handle: Handler) -> Handler:
        if "\n" in text:
            _handlers[text] = handle
        else:
            _by_start.append((re.compile(text), handle))
        return handle

    return register


def handler_of(text: Any) -> Handler:
    handle = _handlers.get(text)
    if handle is None:
        folded = " ".join(str(text).split())
        handle = next((found for pattern, found in _by_start if pattern.match(folded)), None)
        if handle is None:
            raise AssertionError(f"the model does not know this statement: {folded[:200]}")
        _handlers[text] = handle
    return handle
