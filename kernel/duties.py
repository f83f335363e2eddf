"""What a room does by itself, beside the outbox: turns in a thread of its own, for as long as the process lives.

A turn does what is due and answers how much that was. Every duty in it is a claim or idempotent, so any number of processes may turn at once.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from django.db import Error, connection

log = logging.getLogger(__name__)
BUSY_SECONDS = 0.1  # until the next turn after one that found work


def turn_forever(room: str, turn: Callable[[], int], stop: threading.Event, *, every: float) -> None:
    """Turn until `stop` is set, with `every` seconds after a turn that found nothing. What breaks one turn does not end the others."""
    while not stop.is_set():
        try:
            busy = turn() > 0
        except Error as error:
            log.warning("duties of %s pause, the database said: %s", room, error)
            connection.close()
            busy = False
        except Exception:
            log.exception("a duty of %s broke", room)
            busy = False
        stop.wait(BUSY_SECONDS if busy else every)


def start(room: str, turn: Callable[[], int], *, every: float) -> threading.Event:
    """Begin; the thread ends with the process. Set the event to end it earlier."""
    stop = threading.Event()
    threading.Thread(
        target=turn_forever, args=(room, turn, stop), kwargs={"every": every}, name=f"duties of {room}", daemon=True
    ).start()
    return stop
