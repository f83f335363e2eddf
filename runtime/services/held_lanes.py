"""Lanes that others keep locked, as far as intake in this process has met them.

Calls for such a lane wait by themselves, so that those for other lanes go on; and of the threads of intake they never
take all. The others are told so at once (`Held`), and the web server tries them again without a thread meanwhile.
"""

from __future__ import annotations

from threading import BoundedSemaphore, Lock
from typing import NamedTuple

from kernel.errors import Held, Unavailable
from runtime.ledger import lane_locks, pool

MOST_WAITING = 8  # calls, while other lanes are free: half of the threads of intake
CONNECTIONS = 3  # of those of intake, that may wait for a lane
WAIT_SECONDS = 3.0  # for one of them

_SAID = "Somebody else is holding what this needs. Nothing was done; send it again."
_lock = Lock()
_met: dict[int, frozenset[int]] = {}
_places = BoundedSemaphore(CONNECTIONS)


class HeldCalls(NamedTuple):
    """The queue of those who wait for the same lanes."""

    integration: str
    environment: str
    stream: int
    lanes: frozenset[int]


def of(stream: int) -> frozenset[int]:
    return _met.get(stream, frozenset())


def met(stream: int, lanes: frozenset[int]) -> None:
    with _lock:
        _met[stream] = of(stream) | lanes


def wait(queue: HeldCalls) -> None:
    """Wait until these lanes are free, as long as the database's limit says. Raises Unavailable."""
    if not _places.acquire(timeout=WAIT_SECONDS):
        raise busy()
    try:
        with pool.connection() as conn:
            lane_locks.wait_for(conn, queue.stream, queue.lanes)
    finally:
        _places.release()
    with _lock:
        left = of(queue.stream) - queue.lanes
        if left:
            _met[queue.stream] = left
        else:
            _met.pop(queue.stream, None)


def busy() -> Unavailable:
    """For who has waited."""
    return Unavailable("database.busy", _SAID)


def held() -> Held:
    """For who has not waited, because as many do as may."""
    return Held("database.busy", _SAID, {"retry_after": 1})
