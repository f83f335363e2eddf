"""What governance does by itself, beside the outbox: approved changes whose window opens, webhooks that are due, freezes compiled ahead."""

from __future__ import annotations

import threading
import time

from governance.services import applying, freezes, webhooks
from kernel import duties

TURN_SECONDS = 2.0
APPLY_SECONDS = 20.0
COMPILE_SECONDS = 3600.0


class Duties:
    """What is due, and when each of it was last looked at."""

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


def start() -> threading.Event:
    """Begin in a thread of its own."""
    return duties.start("governance", Duties().turn, every=TURN_SECONDS)
