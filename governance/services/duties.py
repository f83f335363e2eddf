"""What governance does by itself, beside the outbox: approved changes whose window opens, webhooks that are due, freezes compiled ahead.

Every duty is a claim or idempotent, so any number of schedulers may do them at once.
"""

from __future__ import annotations

import logging
import threading
import time

from django.db import Error, connection

from governance.services import applying, freezes, webhooks

log = logging.getLogger(__name__)
TURN_SECONDS = 2.0
APPLY_SECONDS = 20.0
COMPILE_SECONDS = 3600.0


class Duties:
    """`turn()` does what is due now; `run()` turns until `stop` is set."""

    def __init__(self) -> None:
        self._applied = self._compiled = -COMPILE_SECONDS

    def turn(self) -> int:
        """Answers how much there was to do."""
        done = webhooks.deliver_due()
        now = time.monotonic()
        if now - self._applied >= APPLY_SECONDS:
            self._applied = now
            done += applying.apply_due()
        if now - self._compiled >= COMPILE_SECONDS:
            self._compiled = now
            done += freezes.compile_all()
        return done

    def run(self, stop: threading.Event) -> None:
        while not stop.is_set():
            try:
                busy = self.turn()
            except Error as error:
                log.warning("governance duties pause, the database said: %s", error)
                connection.close()
                busy = 0
            except Exception:  # one duty that breaks must not end the others for good
                log.exception("a governance duty broke")
                busy = 0
            stop.wait(0.1 if busy else TURN_SECONDS)


def start() -> threading.Event:
    """Begin in a thread of its own, which ends with the process; set the event to end it earlier."""
    stop = threading.Event()
    threading.Thread(target=Duties().run, args=(stop,), name="governance-duties", daemon=True).start()
    return stop
