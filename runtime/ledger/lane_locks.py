"""How writers lock lanes. Who has to wait for one lane holds no other meanwhile, so a lane that somebody keeps locked
stops nobody who needs only others."""

from __future__ import annotations

from collections.abc import Iterable

from psycopg.errors import LockNotAvailable

from runtime.domain.correlation import lane_of
from runtime.ledger.connections import Connection
from runtime.ledger.streams import LanesChanged, StreamRef, counters_of

SOON = "300ms"  # longer than a commit that others have under way takes
MOST_TRIES = 3
LOCK_LANES = """
select lane, next, lanes
from runtime_lane
where stream_id = %s and lane = any(%s)
order by lane
for update"""
LOCK_WAIT = "select set_config('lock_timeout', %s, true)"
_FREE_LANES = """
select lane
from runtime_lane
where stream_id = %s and lane = any(%s)
order by lane
for update skip locked"""


class LanesBusy(Exception):
    """Not all lanes could be locked soon: nothing was written."""


class LanesHeld(Exception):
    """Others hold these lanes; where there is none, they have let go meanwhile. Nothing was written."""

    def __init__(self, stream: int, lanes: frozenset[int]) -> None:
        super().__init__(f"stream {stream}, lanes {sorted(lanes)}")
        self.stream, self.lanes = stream, lanes


def usual_wait(conn: Connection) -> str:
    """How long this session waits for a lock (`kernel.postgresql.sessions`)."""
    return getattr(conn, "lock_wait", "0")


def held_lanes(conn: Connection, stream: int, lanes: Iterable[int]) -> frozenset[int]:
    """Which of them cannot be locked now."""
    asked = sorted(lanes)
    return frozenset(asked) - {lane for (lane,) in conn.execute(_FREE_LANES, (stream, asked)).fetchall()}


def wait_for(conn: Connection, stream: int, lanes: Iterable[int]) -> None:
    """Wait until each of them could be locked, and lock none. Raises LockNotAvailable after the session's limit."""
    for lane in sorted(lanes):
        with conn.transaction(force_rollback=True):
            conn.execute(LOCK_LANES, (stream, [lane]))


def lock_lanes(conn: Connection, stream: StreamRef, keys: Iterable[str]) -> dict[int, int]:
    """Inside a transaction: lock the lanes of some keys in order, so that nobody else adds to these keys before its
    end. Answers the next position of each."""
    keys, tries = list(keys), 0
    while True:
        lanes = sorted({lane_of(key, stream.lanes) for key in keys})
        try:
            with conn.transaction():  # lanes that were locked by an old number are free again
                return counters_of(stream, _lock(conn, stream, lanes, patient=tries >= MOST_TRIES))
        except LanesChanged:
            stream.load_again(conn)
        except LanesBusy:
            tries += 1
            wait_for(conn, stream.id, held_lanes(conn, stream.id, lanes))


def _lock(conn: Connection, stream: StreamRef, lanes: list[int], *, patient: bool) -> list[tuple[int, int, int]]:
    if patient:
        return conn.execute(LOCK_LANES, (stream.id, lanes)).fetchall()
    try:
        with conn.pipeline():
            conn.execute(LOCK_WAIT, (SOON,))
            rows = conn.execute(LOCK_LANES, (stream.id, lanes))
            conn.execute(LOCK_WAIT, (usual_wait(conn),))
    except LockNotAvailable as error:
        raise LanesBusy from error
    return rows.fetchall()
