"""Monthly partitions of the message log: made ahead of time, dropped when nothing needs them any more.

A partition is made beside the log and attached, detached and dropped. Both need a lock that a long reader (a report, a
dump) stands in the way of, and a step that waits for it holds up everybody behind. So no step waits longer than `LOCK`:
it ends, and is tried again after a pause that grows. The steps are functions of the tables' owner
(`runtime/sql/80_partitions.sql`).
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime
from functools import partial
from typing import NamedTuple, TypeVar

from psycopg import errors

from kernel import clock
from kernel.postgresql import lock_holders
from runtime.domain.retry import PARTITION
from runtime.ledger.connections import Connection

log = logging.getLogger(__name__)
AHEAD = 2
LOCK = "300ms"  # how long intake may stand behind a step that waits for a reader
WORK = "60s"
INDEXING = "30min"  # a month of messages, once, in nobody's way
LONG = 1.0  # seconds; who holds a lock for less is in nobody's way
PARTITIONS = """
select c.relname, pg_get_expr(c.relpartbound, c.oid)
from pg_inherits i
join pg_class c on c.oid = i.inhrelid
where i.inhparent = 'runtime_message'::regclass and c.relname <> 'runtime_message_default'"""
_BOUNDS = re.compile(r"FROM \((?:'([^']+)'|MINVALUE)\) TO \((?:'([^']+)'|MAXVALUE)\)")
_EVER, _NEVER = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
T = TypeVar("T")


class Partition(NamedTuple):
    """One partition and what it holds: `since` ≤ arrival < `until`."""

    name: str
    since: datetime
    until: datetime


def _month(moment: date, offset: int = 0) -> datetime:
    index = moment.year * 12 + moment.month - 1 + offset
    return datetime(index // 12, index % 12 + 1, 1, tzinfo=UTC)


def present(conn: Connection) -> list[Partition]:
    """The partitions of the log but for the default one, oldest first. The session's time zone is UTC."""
    return of_bounds(conn.execute(PARTITIONS).fetchall())


def of_bounds(stated_bounds: Iterable[tuple[str, str]]) -> list[Partition]:
    """The same from what PARTITIONS gave."""
    found = []
    for name, bounds in stated_bounds:
        stated = _BOUNDS.search(bounds)
        if stated is not None:
            found.append(Partition(name, _moment(stated[1], _EVER), _moment(stated[2], _NEVER)))
    return sorted(found, key=lambda one: one.since)


def _moment(text: str | None, otherwise: datetime) -> datetime:
    return otherwise if text is None else datetime.fromisoformat(text).astimezone(UTC)


def ensure(conn: Connection, *, at: datetime | None = None, wait: Callable[[float], object] = time.sleep) -> list[str]:
    """Make the partitions of this month and the next ones. Answers the names of new ones; what others stand in the way
    of is left for the next call, and `lacking` says which months those are.

    What arrived in the default partition before its month was made becomes a partition of its own.
    """
    made: list[str] = []
    moment = at or clock.now()
    for month in _wanted(moment):
        if not _free(conn, month):
            continue
        added = _patiently(conn, partial(_add, conn, month), wait)
        if added is None:  # who is in the way of one month is in the way of the next
            log.warning("the log has no partition %s yet, in the way is %s", month.name, in_the_way(conn))
            return made
        if added:
            made.append(month.name)
    if adopted := adopt_default(conn, at=moment, wait=wait):
        made.append(adopted)
    return made


def lacking(known: Iterable[Partition], *, at: datetime | None = None) -> list[Partition]:
    """This month and the ones ahead, where no partition holds any of them."""
    taken = list(known)
    return [one for one in _wanted(at or clock.now()) if not any(_meet(one, other) for other in taken)]


def _meet(one: Partition, other: Partition) -> bool:
    return one.since < other.until and other.since < one.until


def _wanted(moment: datetime) -> list[Partition]:
    months = [(_month(moment, offset), _month(moment, offset + 1)) for offset in range(AHEAD + 1)]
    return [Partition(f"runtime_message_{since:%Y%m}", since, until) for since, until in months]


def in_the_way(conn: Connection) -> str:
    """Who holds what a new partition needs, for a person; nobody where they have let go meanwhile."""
    found = lock_holders.holders(conn.execute, ["runtime_message_default"], seconds=LONG)
    return ", ".join(found) or "somebody who has let go meanwhile"


def _free(conn: Connection, month: Partition) -> bool:
    """Whether nothing holds any of that month, the default partition neither."""
    if any(one.since < month.until and month.since < one.until for one in present(conn)):
        return False
    held = conn.execute(
        "select exists (select from only runtime_message_default where received_at >= %s and received_at < %s)",
        (month.since, month.until),
    ).fetchone()
    return held != (True,)


def _add(conn: Connection, month: Partition) -> bool:
    """The table, made beside the log and attached: others who read or write the log are in nobody's way, but for who
    reads the default partition, which is locked for the moment in which it is seen to hold nothing of the month."""
    conn.execute("select runtime_lock_partitions()")
    if not _free(conn, month):
        return False
    conn.execute("select runtime_add_partition(%s, %s)", (month.since, month.until))
    return True


def _patiently(
    conn: Connection, step: Callable[[], T], wait: Callable[[float], object], *, work: str = WORK
) -> T | None:
    """The answer of the step in a transaction of its own; None where it ended without effect each time."""
    for tried in range(PARTITION.attempts or 1):
        if tried:
            wait(PARTITION.pause(tried - 1))
        try:
            with conn.transaction():
                conn.execute(
                    "select set_config('lock_timeout', %s, true), set_config('statement_timeout', %s, true)",
                    (LOCK, work),
                )
                return step()
        except (errors.LockNotAvailable, errors.DeadlockDetected, errors.QueryCanceled) as error:
            log.info("partitions of the log: somebody is in the way (%s), tried %d times", error, tried + 1)
    return None


def adopt_default(
    conn: Connection, *, at: datetime | None = None, wait: Callable[[float], object] = time.sleep
) -> str | None:
    """Make a partition of the default one, as it is, and an empty table the default; answers the partition's name.

    No row is moved: messages that arrived before their month was made can be dropped like others later. None where the
    default partition is empty, where others are in the way, or where it holds months on both sides of a partition;
    retention deletes such rows in small steps.
    """
    found = conn.execute("select min(received_at), max(received_at) from only runtime_message_default").fetchone()
    if not found or found[0] is None:
        return None
    first, last = found
    moment = max(at or clock.now(), last)
    known = present(conn)
    since = max((one.until for one in known if one.until <= first), default=_EVER)
    until = min((one.since for one in known if one.since > first), default=_month(moment, 1))
    if last >= until:
        log.warning("the default partition of the log holds months on both sides of a partition: it stays as it is")
        return None
    begins, ends = f"{first:%Y%m}", f"{_month(until, -1):%Y%m}"
    name = f"runtime_message_{begins}" if begins == ends else f"runtime_message_{begins}_{ends}"
    made = Partition(name, since, until)
    if _patiently(conn, lambda: _bound(conn, made), wait) is None:
        return None
    conn.execute("select runtime_look_through_default()")
    if _patiently(conn, lambda: _swap(conn, made), wait) is None:
        _patiently(conn, lambda: _unbound(conn), wait)
        return None
    return name


def _bound(conn: Connection, one: Partition) -> bool:
    conn.execute("select runtime_bound_default(%s, %s)", (_since(one), one.until))
    return True


def _unbound(conn: Connection) -> bool:
    conn.execute("select runtime_bound_default(null, null)")
    return True


def _swap(conn: Connection, one: Partition) -> bool:
    conn.execute("select runtime_adopt_default(%s, %s, %s)", (one.name, _since(one), one.until))
    return True


def _since(one: Partition) -> datetime | None:
    return None if one.since == _EVER else one.since


_UNINDEXED = """
select c.relname, pg_get_expr(c.relpartbound, c.oid)
from pg_inherits i
join pg_class c on c.oid = i.inhrelid
where i.inhparent = 'runtime_message'::regclass
    and c.relname <> 'runtime_message_default'
    and to_regclass(quote_ident(c.relname || '_keys')) is null"""
_DROPPED = "select min(day), max(day) from runtime_dropped where data_class = 'heads' and number > 0"


def index_keys(conn: Connection, *, at: datetime | None = None, wait: Callable[[float], object] = time.sleep) -> str:
    """Index the keys of one month that is over and of which retention has dropped known keys, oldest first; answers
    its name, empty where none lacks the index or others were in the way."""
    found = conn.execute(_DROPPED).fetchone()
    if not found or found[0] is None:
        return ""
    first, last = (datetime(one.year, one.month, one.day, tzinfo=UTC) for one in found)
    for one in of_bounds(conn.execute(_UNINDEXED).fetchall()):
        if one.since <= last and one.until > first and one.until <= (at or clock.now()):
            return one.name if _patiently(conn, partial(_index, conn, one.name), wait, work=INDEXING) else ""
    return ""


def _index(conn: Connection, name: str) -> bool:
    conn.execute("select runtime_index_keys(%s)", (name,))
    return True


def drop_one(
    conn: Connection,
    name: str,
    *,
    before: Callable[[], bool] = lambda: True,
    after: Callable[[], object] = lambda: None,
    wait: Callable[[float], object] = time.sleep,
) -> bool:
    """Detach a partition and drop it, with what is done `before` and `after` in the same transaction; False where
    `before` says no, or others were in the way. (PostgreSQL detaches nothing concurrently beside a default one.)"""

    def step() -> bool:
        if not before():
            return False
        conn.execute("select runtime_drop_partition(%s)", (name,))
        after()
        return True

    return bool(_patiently(conn, step, wait))
