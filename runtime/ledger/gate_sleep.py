"""Lanes whose gate stays closed sleep until it opens: what a claim costs does not grow with the stores that a freeze
holds, with paused flows, or with vendors that are away.

A gate is opened by rows of many tables and by time alone (the end of a freeze, of a validity). So no event wakes these
lanes: workers ask the gate itself, again and again. What no event announces is seen as well, and no wake-up is lost.
Sleep takes nothing and allows nothing; a claim asks the gate as ever.
"""

from __future__ import annotations

from runtime.ledger import sql
from runtime.ledger.connections import Connection
from runtime.ledger.lane_sleep import SLEEPS_AFTER

LEAST_CLOSED = 30.0  # seconds that a vendor still takes nothing; for less, a lane is not worth two writes
MOST_TO_SLEEP = 2_000  # in one statement
ASKS_EVERY = 1.0  # seconds between two looks of a worker at the gates of lanes that sleep
ASKS_AT_LEAST = 10.0  # the longest time between them
SHARE = 0.01  # of a worker's time that these looks may take, below ASKS_AT_LEAST
_SLEEP = sql.read("gate_sleep")
_ANY = "select from runtime_progress where at_gate limit 1"
_WAKE = sql.read("gate_wake")


def let_lanes_sleep_at_gates(
    conn: Connection, *, after: float = SLEEPS_AFTER, closed: float = LEAST_CLOSED, most: int = MOST_TO_SLEEP
) -> int:
    """Let lanes sleep that have had no turn for `after` seconds and whose gate people keep closed, or whose vendor
    takes nothing for `closed` seconds more. Answers how many."""
    return int(conn.execute(_SLEEP, (after, closed, most)).rowcount)


def wake_lanes_at_gates(conn: Connection) -> int:
    """Wake what sleeps before a gate that is open now. Answers how many lanes of targets that were."""
    return int(conn.execute(_WAKE).rowcount) if conn.execute(_ANY).rowcount else 0


def asks_again_after(took: float) -> float:
    """Seconds until a worker looks again whose last look took so many."""
    return min(max(ASKS_EVERY, took / SHARE), ASKS_AT_LEAST)
