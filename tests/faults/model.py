"""An in-memory PostgreSQL, as far as the ledger's statements go: read committed, row locks held to commit, skip locked, triggers.

The real functions of `runtime.ledger` run against `SimConnection`; only what a statement does inside the server is modelled here, one
handler per statement, found by its text. A statement that is not known raises, so a change of the SQL cannot go by unseen; that the
handlers do what PostgreSQL does is checked by replaying recorded schedules against the real server (`replaying.py`).

Statements are atomic, except where they wait for a row lock. Effects of a transaction are kept aside and become visible at its commit.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import errors
from psycopg.rows import dict_row

from runtime.ledger import claims, parked, reading, vendors

if TYPE_CHECKING:
    from tests.faults.world import Actor

Row = dict[str, Any]
Key = tuple[Any, ...]
_GONE: Any = object()
_NONE: Any = object()


class Transaction:
    """Writes that nobody else sees yet, and the locks that they need."""

    __slots__ = ("actor", "appended", "locked", "waiters", "writes")

    def __init__(self, actor: Actor) -> None:
        self.actor = actor
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
        "lane",
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

    # -- rows ------------------------------------------------------------------------------------------------------
    def get(self, tx: Transaction, table: str, key: Key) -> Row | None:
        if tx.writes:
            row = tx.writes.get((table, key), _NONE)
            if row is not _NONE:
                return None if row is _GONE else row
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
            elif own is not _GONE:
                yield key, own
        for (name, key), row in tx.writes.items():
            if name == table and row is not _GONE and key not in committed:
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
            if row is _GONE:
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
        if v["not_before"] > now or not (v["breaker"] == "closed" or (v["open_until"] <= now and v["probe_until"] <= now)):
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

    def execute(self, statement: Any, arguments: Any = (), *, prepare: bool | None = None) -> SimCursor:
        return SimCursor(self).execute(statement, arguments)

    def cursor(self, *, binary: bool = False, row_factory: Any = None) -> SimCursor:
        return SimCursor(self, as_dict=row_factory is dict_row)

    def transaction(self) -> _Block:
        return _Block(self)

    def pipeline(self) -> _Nothing:
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
            trace.append((self.actor.world.now, self.actor.name, getattr(handle, "__name__", "many"), arguments, result))
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

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
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

    def executemany(self, statement: Any, rows: Any) -> None:
        handle = handler_of(statement)
        self.conn.run(lambda database, tx, many: sum(_counted(handle(database, tx, row)) for row in many), rows)

    def fetchone(self) -> Any:
        return self.rows[0] if self.rows else None

    def fetchall(self) -> list[Any]:
        return self.rows

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


# append


@statement(r"update runtime_stream set cursor = %s::jsonb, lease_until = .* where id = %s and token = %s$")
def _move_source(db: Database, tx: Transaction, given: Any) -> int:
    cursor, lease, stream, token = given
    row = db.change(tx, "stream", (stream,))
    if row is None or (row["token"] != token and "token" not in db.plants):
        return 0
    row["cursor"], row["lease_until"] = cursor, db.now() + lease
    return 1


@statement(r"select lane, next from runtime_lane where stream_id = %s and lane = any\(%s\) order by lane for update$")
def _lock_lanes(db: Database, tx: Transaction, given: Any) -> list[Any]:
    stream, lanes = given
    found = []
    for lane in sorted(lanes):
        if "sequence" in db.plants:  # like nextval: no lock, and nobody gets the same number
            counter = db.rows["lane"][stream, lane]
            found.append((lane, counter["next"]))
            db.rows["lane"][stream, lane] = {"next": counter["next"] + tx.actor.reserve}
            continue
        db.lock(tx, "lane", (stream, lane))
        row = db.get(tx, "lane", (stream, lane))
        if row is not None:
            found.append((lane, row["next"]))
    return found


@statement(
    r"select key, hash, version, position from runtime_head where stream_id = %s and key = any\(string_to_array\(%s, chr\(31\)\)\)$"
)
def _read_heads(db: Database, tx: Transaction, given: Any) -> list[Any]:
    stream, keys = given
    heads = ((key, db.get(tx, "head", (stream, key))) for key in keys.split("\x1f"))
    return [(key, h["hash"], h["version"], h["position"]) for key, h in heads if h]


@statement(r"update runtime_lane set next = %s where stream_id = %s and lane = %s$")
def _count_up(db: Database, tx: Transaction, given: Any) -> int:
    following, stream, lane = given
    if "sequence" in db.plants:
        return 1
    row = db.change(tx, "lane", (stream, lane))
    if row is None:
        return 0
    row["next"] = following
    return 1


@statement(
    r"insert into runtime_message \(stream_id, lane, position, key, version, previous, release_id, run_id, correlation, causation, traceparent, payload\) values "
)
def _insert_messages(db: Database, tx: Transaction, cells: Any) -> int:
    for start in range(0, len(cells), 12):
        stream, lane, position, key, version, previous, release, _run, correlation, _causation, _trace, payload = cells[
            start : start + 12
        ]
        if db.get(tx, "message", (stream, lane, position)) is not None:
            raise errors.UniqueViolation("duplicate position")
        db.put(tx, "message", (stream, lane, position), {
            "key": key, "version": version, "previous": previous, "release": release, "correlation": correlation, "payload": payload.encode(),
        })  # fmt: skip
    return len(cells) // 12


@statement(r"insert into runtime_head \(stream_id, key, hash, version, position\) select ")
def _put_heads(db: Database, tx: Transaction, given: Any) -> int:
    stream, joined, *columns = given
    keys = joined.split("\x1f")
    hashes, versions, positions = ([int(value) for value in column[1:-1].split(",")] for column in columns)
    for key, content, version, position in zip(keys, hashes, versions, positions, strict=True):
        db.lock(tx, "head", (stream, key))
        db.put(tx, "head", (stream, key), {"hash": content, "version": version, "position": position})
    return len(keys)


@statement(r"insert into runtime_conflict ")
def _conflict(db: Database, tx: Transaction, given: Any) -> int:
    stream, key, _position, content, _payload = given
    db.put(tx, "conflict", (stream, key, content), {})
    return 1


@statement(r"sim: claim the source$")
def _claim_source(db: Database, tx: Transaction, given: Any) -> list[Any]:
    stream, lease = given
    if not db.lock(tx, "stream", (stream,), skip=True):
        return []
    row = db.get(tx, "stream", (stream,))
    if row is None or row["lease_until"] >= db.now():
        return []
    row = dict(row)
    row["token"] += 1
    row["lease_until"] = db.now() + lease
    db.put(tx, "stream", (stream,), row)
    return [(row["token"], row["cursor"])]


# claim


def _serves(s: Row, subscription: int, given: Row) -> bool:
    if s["tier"] not in given["tiers"] or (given["only"] is not None and subscription not in given["only"]):
        return False
    return given["shards"] is None or subscription % 16 in given["shards"]


def _live_leases(db: Database, tx: Transaction, vendor: int) -> int:
    now = db.now()
    count = 0
    for (subscription, _lane), p in db.scan(tx, "progress"):
        s = db.get(tx, "subscription", (subscription,))
        if s and s["vendor"] == vendor and p["owner"] is not None and p["lease_until"] > now:
            count += 1
    return count


def _claimed(
    db: Database, tx: Transaction, key: Key, given: Row, d: Row, release: int, *, limited: bool, to_ask: bool
) -> list[Row]:
    """The update around the pick, with the guards of the database that hold for raw SQL too."""
    subscription, lane = key
    s = db.get(tx, "subscription", (subscription,))
    p = db.change(tx, "progress", key)
    assert s
    assert p
    owner, was = p["owner"], p["lease_until"]
    began = db.now()
    tx.actor.conn.pass_time()  # the statement read the gate as it began; its guard reads it again
    if "gate" not in db.plants:
        if to_ask and p["intent"] is None:
            raise errors.InsufficientPrivilege("nothing to ask about")
        if not to_ask and db.gate(tx, subscription) is None:
            raise errors.InsufficientPrivilege(f"gate closed for subscription {subscription}")
    p["token"] += 1
    p["owner"], p["ask_only"] = given["me"], to_ask
    p["attempt"] += owner is not None
    p["lease_until"] = db.now() + given["lease"]
    tx.actor.grant(db, tx, subscription, release, to_ask=to_ask, at=began)
    stream = db.get(tx, "stream", (s["stream"],))
    assert stream
    return [{
        "subscription": subscription, "lane": lane, "position": p["position"], "upto": p["upto"], "intent": p["intent"],
        "intent_release": p["intent_release"], "attempt": p["attempt"], "token": p["token"], "stream": s["stream"], "salt": stream["salt"],
        "target": s["target"], "instance": s["instance"], "kind": s["kind"], "idempotency": s["idempotency"], "coalesce": s["coalesce"],
        "batch": s["batch"], "max_attempts": s["max_attempts"], "pace": s["pace"], "vendor": s["vendor"], "release": release,
        "deployment": d["id"], "origin": subscription, "limited": limited, "late": db.now() - was if owner is not None else None,
    }]  # fmt: skip


@statement(claims._CLAIM)
def _claim(db: Database, tx: Transaction, given: Row) -> list[Row]:
    now = db.now()
    due = []
    for (subscription, lane), p in db.scan(tx, "progress"):
        s = db.get(tx, "subscription", (subscription,))
        if s is None or not _serves(s, subscription, given) or p["lease_until"] >= now or p["not_before"] >= now:
            continue
        counter = db.get(tx, "lane", (s["stream"], lane))
        assert counter
        end = counter["next"] - 1
        if p["upto"] is not None and p["upto"] < end:
            end = p["upto"]
        if p["position"] >= end and p["intent"] is None:
            continue
        d = db.gate(tx, subscription)
        if d is None:
            continue
        v = db.get(tx, "vendor", (s["vendor"],))
        assert v
        if v["concurrency"] is not None and v["concurrency"] <= _live_leases(db, tx, s["vendor"]):
            continue
        due.append(
            (s["tier"], p["lease_until"], (subscription, lane), d, v["breaker"] != "closed" or v["concurrency"] is not None)
        )
    for _, _, key, d, limited in sorted(due, key=lambda found: found[:2]):
        if db.lock(tx, "progress", key, skip=True):
            return _claimed(db, tx, key, given, d, d["release"], limited=limited, to_ask=False)
    return []


@statement(claims._CLAIM_TO_ASK)
def _claim_to_ask(db: Database, tx: Transaction, given: Row) -> list[Row]:
    now = db.now()
    due = []
    for (subscription, lane), p in db.scan(tx, "progress"):
        s = db.get(tx, "subscription", (subscription,))
        if (
            s is None
            or not _serves(s, subscription, given)
            or p["intent"] is None
            or p["lease_until"] >= now
            or p["not_before"] >= now
        ):
            continue
        v, d = db.get(tx, "vendor", (s["vendor"],)), db.get(tx, "deployment", (s["deployment"],))
        if (
            v is None
            or d is None
            or v["breaker"] != "closed"
            or v["not_before"] > now
            or db.permitted(tx, subscription) is not None
        ):
            continue
        release = p["intent_release"] if p["intent_release"] is not None else d["release"]
        due.append((p["lease_until"], (subscription, lane), d, release))
    for _, key, d, release in sorted(due, key=lambda found: found[0]):
        if db.lock(tx, "progress", key, skip=True):
            return _claimed(db, tx, key, given, d, release, limited=False, to_ask=True)
    return []


@statement(r"select from runtime_vendorstate where id = %s for update$")
def _lock_vendor(db: Database, tx: Transaction, given: Any) -> list[Any]:
    db.lock(tx, "vendor", (given[0],))
    return [()]


@statement(claims._ADMIT)
def _admit(db: Database, tx: Transaction, given: Any) -> list[Any]:
    v, now = db.get(tx, "vendor", (given[0],)), db.now()
    if v is None:
        return []
    place = v["concurrency"] is None or v["concurrency"] >= _live_leases(db, tx, given[0])
    probe = v["breaker"] == "closed" or (v["open_until"] <= now and v["probe_until"] <= now)
    return [(place and probe, v["breaker"] != "closed")]


@statement(claims._PROBE)
def _probe(db: Database, tx: Transaction, given: Any) -> int:
    subscription, lane, lease, vendor = given
    v = db.change(tx, "vendor", (vendor,))
    assert v
    v["probe_subscription"], v["probe_lane"], v["probe_until"] = subscription, lane, db.now() + lease
    return 1


@statement(claims._STEP)
def _step(db: Database, tx: Transaction, given: Row) -> list[Any]:
    subscription, key = given["subscription"], (given["subscription"], given["lane"])
    d = db.gate(tx, subscription)
    is_open = d is not None and d["release"] == given["release"]
    if not is_open and (d := db.permitted(tx, subscription)) is not None and d["release"] == given["release"]:
        v = db.get(tx, "vendor", (given["vendor"],))
        is_open = bool(
            v and v["probe_subscription"] == subscription and v["probe_lane"] == given["lane"] and v["not_before"] <= db.now()
        )
    if "gate" in db.plants:
        is_open = True
    granted = db.now()
    if given["gated"] and not is_open:
        return []
    db.lock(tx, "progress", key)
    p = db.get(tx, "progress", key)
    if p is None or (p["token"] != given["token"] and "token" not in db.plants):
        return []
    p = dict(p)
    position = given["position"]
    if position < p["position"]:
        raise errors.CheckViolation("a position only grows")
    intent = given["intent"] if is_open and "intent" not in db.plants else None
    if p["ask_only"] and (
        position > (p["intent"] if p["intent"] is not None else p["position"]) or (intent or 0) > (p["intent"] or 0)
    ):
        raise errors.InsufficientPrivilege("this claim may only ask")
    p["position"], p["intent"], p["attempt"] = position, intent, 0
    p["intent_release"] = given["release"] if intent is not None else None
    p["lease_until"] = db.now() + given["lease"]
    tx.writes["progress", key] = p
    if is_open:
        tx.actor.grant(db, tx, subscription, given["release"], at=granted)
    if given["first"] is not None:
        tx.appended.append(("delivery", {"subscription": subscription, "lane": given["lane"], "first": given["first"], "last": given["last"],
                                         "outcome": given["outcome"], "token": given["token"], "confirmed": given["confirmed"]}))  # fmt: skip
    return [(is_open,)]


@statement(claims._RELEASE)
def _release(db: Database, tx: Transaction, given: Any) -> int:
    wait, subscription, lane, token = given
    db.lock(tx, "progress", (subscription, lane))
    p = db.get(tx, "progress", (subscription, lane))
    if p is None or (p["token"] != token and "token" not in db.plants):
        return 0
    p = dict(p)
    p["lease_until"], p["owner"], p["not_before"] = db.now(), None, db.now() + wait
    tx.writes["progress", (subscription, lane)] = p
    return 1


# reading


@statement(reading._NEXT)
def _next_messages(db: Database, tx: Transaction, given: Any) -> list[Any]:
    stream, lane, after, end, count = given
    found = [
        (position, m["key"], m["correlation"], m["payload"])
        for (of, ln, position), m in db.scan(tx, "message")
        if of == stream and ln == lane and after < position <= end
    ]
    found.sort(key=lambda row: row[0])
    return found[:count]


@statement(r"select exists \(select from runtime_parked where subscription_id = %s\)$")
def _any_parked(db: Database, tx: Transaction, given: Any) -> list[Any]:
    return [(any(key[0] == given[0] for key, _ in db.scan(tx, "parked")),)]


@statement(r"select distinct key from runtime_parked where subscription_id = %s and key = any\(%s\) and position < %s$")
def _parked_keys(db: Database, tx: Transaction, given: Any) -> list[Any]:
    subscription, keys, before = given
    return [
        (k,)
        for k in {q["key"] for (of, _, at), q in db.scan(tx, "parked") if of == subscription and q["key"] in keys and at < before}
    ]


# parked messages


@statement(
    r"insert into runtime_parked \(subscription_id, lane, position, key, state, reason_class, fingerprint, reason, not_before, intent_release\)"
)
def _park(db: Database, tx: Transaction, given: Any) -> int:
    subscription, lane, position, key, state, reason_class, _print, reason, delay, intent_release = given
    place = (subscription, lane, position)
    if db.get(tx, "parked", place) is not None:
        return 0
    db.put(tx, "parked", place, {
        "key": key, "state": state, "reason_class": reason_class, "reason": reason, "attempt": 0, "not_before": db.now() + delay,
        "token": 0, "lease_until": 0.0, "ask_only": False, "intent_release": intent_release, "payload": None,
    })  # fmt: skip
    return 1


def _take_parked(db: Database, tx: Transaction, given: Row, *, to_ask: bool) -> list[Row]:
    now = db.now()
    due = []
    everything = list(db.scan(tx, "parked"))
    for place, q in everything:
        subscription = place[0]
        s = db.get(tx, "subscription", (subscription,))
        if s is None or not _serves(s, subscription, given) or q["lease_until"] >= now or q["not_before"] >= now:
            continue
        v = db.get(tx, "vendor", (s["vendor"],))
        d = db.get(tx, "deployment", (s["deployment"],))
        assert v
        assert d
        if to_ask:
            if (
                q["state"] != "sending"
                or s["kind"] != "vendor"
                or v["breaker"] != "closed"
                or db.permitted(tx, subscription) is not None
            ):
                continue
        else:
            if q["state"] not in ("retry", "behind", "sending"):
                continue
            if db.gate(tx, subscription) is None:
                continue
        if any(
            e is not q and other[0] == subscription and e["key"] == q["key"] and other[2] < place[2] for other, e in everything
        ):
            continue
        due.append((s["tier"], q["not_before"], place[2], place, d, v["breaker"] != "closed" or v["concurrency"] is not None))
    for _, _, _, place, d, limited in sorted(due, key=lambda found: found[:3]):
        if not db.lock(tx, "parked", place, skip=True):
            continue
        old = db.get(tx, "parked", place)
        s = db.get(tx, "subscription", (place[0],))
        if old is None or s is None:
            continue
        began = db.now()
        tx.actor.conn.pass_time()
        if not to_ask and "gate" not in db.plants and db.gate(tx, place[0]) is None:
            raise errors.InsufficientPrivilege(f"gate closed for subscription {place[0]}")
        q = dict(old)
        was = q["state"]
        q["token"] += 1
        q["attempt"] += 1
        q["lease_until"], q["ask_only"], q["state"] = db.now() + given["lease"], to_ask, "sending"
        q["intent_release"] = q["intent_release"] if was == "sending" and q["intent_release"] is not None else d["release"]
        tx.writes["parked", place] = q
        tx.actor.grant(db, tx, place[0], d["release"], to_ask=to_ask, at=began)
        stream = db.get(tx, "stream", (s["stream"],))
        assert stream
        return [{
            "subscription": place[0], "lane": place[1], "position": place[2], "key": q["key"], "token": q["token"], "attempt": q["attempt"],
            "intent_release": q["intent_release"], "payload": q["payload"], "was": was, "stream": s["stream"], "salt": stream["salt"],
            "target": s["target"], "instance": s["instance"], "kind": s["kind"], "idempotency": s["idempotency"], "coalesce": s["coalesce"],
            "batch": s["batch"], "max_attempts": s["max_attempts"], "pace": s["pace"], "vendor": s["vendor"], "release": d["release"],
            "deployment": d["id"], "origin": place[0], "limited": limited,
        }]  # fmt: skip
    return []


@statement(parked._CLAIM)
def _claim_parked(db: Database, tx: Transaction, given: Row) -> list[Row]:
    return _take_parked(db, tx, given, to_ask=False)


@statement(parked._CLAIM_TO_ASK)
def _claim_parked_to_ask(db: Database, tx: Transaction, given: Row) -> list[Row]:
    return _take_parked(db, tx, given, to_ask=True)


@statement(r"delete from runtime_parked where subscription_id = %s and lane = %s and position = %s and token = %s$")
def _remove_parked(db: Database, tx: Transaction, given: Any) -> int:
    *place, token = given
    key = tuple(place)
    db.lock(tx, "parked", key)
    q = db.get(tx, "parked", key)
    if q is None or (q["token"] != token and "token" not in db.plants):
        return 0
    tx.writes["parked", key] = _GONE
    return 1


@statement(r"update runtime_parked set state = %s, reason_class = %s, fingerprint = %s, reason = %s, lease_until = 'epoch', ask_only = false, "
           r"not_before = .*, intent_release = %s, attempt = attempt - %s where subscription_id = %s and lane = %s and position = %s and token = %s$")  # fmt: skip
def _keep_parked(db: Database, tx: Transaction, given: Any) -> int:
    state, reason_class, _print, reason, delay, intent_release, not_own, subscription, lane, position, token = given
    key = (subscription, lane, position)
    db.lock(tx, "parked", key)
    old = db.get(tx, "parked", key)
    if old is None or (old["token"] != token and "token" not in db.plants):
        return 0
    tx.writes["parked", key] = old | {
        "state": state, "reason_class": reason_class, "reason": reason, "lease_until": 0.0, "ask_only": False,
        "not_before": db.now() + delay, "intent_release": intent_release, "attempt": old["attempt"] - not_own,
    }  # fmt: skip
    return 1


@statement(r"insert into runtime_attempt ")
def _note(db: Database, tx: Transaction, given: Any) -> int:
    subscription, lane, first, last, token, release, outcome, detail, _reference = given
    tx.appended.append(("attempt", {"subscription": subscription, "lane": lane, "first": first, "last": last, "token": token,
                                    "release": release, "outcome": outcome, "detail": detail}))  # fmt: skip
    return 1


# vendors


@statement(vendors._FAILED)
def _failed(db: Database, tx: Transaction, given: Row) -> int:
    v = db.change(tx, "vendor", (given["vendor"],))
    assert v
    opens, now = v["failures"] + 1 >= given["limit"], db.now()
    again = opens or v["breaker"] == "open"
    if again:
        v["open_until"] = now + min(given["longest"], given["first"] * 2.0 ** min(v["openings"], 12))
        v["openings"] += 1
    if opens:
        v["breaker"] = "open"
    v["failures"] += 1
    v["not_before"] = max(v["not_before"], now + given["retry_after"])
    v["probe_subscription"], v["probe_lane"], v["probe_until"] = None, None, 0.0
    return 1


@statement(vendors._THROTTLED)
def _throttled(db: Database, tx: Transaction, given: Row) -> int:
    v = db.change(tx, "vendor", (given["vendor"],))
    assert v
    v["not_before"] = max(v["not_before"], db.now() + given["retry_after"])
    v["probe_subscription"], v["probe_lane"], v["probe_until"] = None, None, 0.0
    return 1


@statement(vendors._WORKS)
def _works(db: Database, tx: Transaction, given: Any) -> int:
    v = db.get(tx, "vendor", (given[0],))
    assert v
    if v["breaker"] == "closed" and v["failures"] == 0 and v["success"] is not None and v["success"] >= db.now() - 60:
        return 0
    v = db.change(tx, "vendor", (given[0],))
    assert v
    v.update(
        breaker="closed", failures=0, openings=0, probe_subscription=None, probe_lane=None, probe_until=0.0, success=db.now()
    )
    return 1


# the product's own tables as targets: the effect counts every application, so that a second one shows


@statement(r"sim: apply$")
def _apply(db: Database, tx: Transaction, rows: Any) -> int:
    for subscription, position, values in rows:
        tx.appended.append(("applied", (subscription, position, values)))
    return len(rows)
