"""Known bugs of the database's and the clients' half, for real processes (`database_faults.py` has what shows them)."""

from __future__ import annotations

import time
from typing import Any

import psycopg

from kernel.postgresql import errors, sessions
from portal.front.application import Front
from runtime.ledger import clock_steps, connections, partitions, pool


def _always_usable(conn: Any, answered: float) -> bool:
    return True


def _give_back(self: Any, conn: Any) -> None:
    with self.lock:
        self.idle.append((conn, time.monotonic()))


def _never(error: BaseException) -> bool:
    return False


_set_up = connections._set_up


def _set_up_unflushed(opened: Any, limits: Any) -> None:
    _set_up(opened, limits)
    opened.execute("set synchronous_commit = off")


_unavailable = errors.unavailable


def _unavailable_with_room(error: BaseException) -> bool:
    found = errors.cause(error)
    return _unavailable(error) and not isinstance(found, psycopg.errors.InsufficientResources | psycopg.errors.DiskFull)


def _add_by_locking(conn: Any, month: Any) -> bool:
    if not partitions._free(conn, month):
        return False
    conn.execute(
        f"create table {month.name} partition of runtime_message "
        f"for values from ('{month.since.isoformat()}') to ('{month.until.isoformat()}')"
    )
    return True


_answer = Front._answer


async def _answer_in_a_place(self: Front, scope: Any, receive: Any) -> Any:
    if not scope["path"].startswith("/api/v1/intake/"):
        return await _answer(self, scope, receive)
    places, client = self.places["intake"], object()
    await places._take(client, 3600.0)
    try:
        return await _answer(self, scope, receive)
    finally:
        places._leave(client)


def _believed(self: Any) -> None:
    return None


def _not_moved(conn: Any, step: float) -> int:
    return 0


def _not_bound(conn: Any) -> int:
    return 0


DATABASE_PLANTS: dict[str, list[tuple[Any, str, Any]]] = {
    "dead_pool": [(pool, "_usable", _always_usable), (pool._Pool, "give_back", _give_back)],
    "read_only_pool": [(pool, "_CHECK", "select true"), (errors, "read_only", _never)],
    "unflushed": [(connections, "_set_up", _set_up_unflushed)],
    "roomless": [(errors, "unavailable", _unavailable_with_room)],
    "limitless": [(sessions, "LIMITS", dict.fromkeys(sessions.LIMITS, sessions.TimeLimits()))],
    "blocking": [(partitions, "_add", _add_by_locking), (partitions, "LOCK", "0")],
    "body_threads": [(Front, "_answer", _answer_in_a_place)],
    "clock_history": [
        (clock_steps.ClockWatch, "latest", _believed),
        (clock_steps, "attend", _not_moved),
        (clock_steps, "bound", _not_bound),
    ],
}
