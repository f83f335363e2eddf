"""Periodic jobs of governance: deliver due webhooks, apply approved changes whose window opens, compile freezes
ahead.
"""

from __future__ import annotations

import threading
import time

from governance.services import applying, freezes, webhooks
from kernel import periodic_jobs

RUN_SECONDS = 2.0
APPLY_SECONDS = 20.0
COMPILE_SECONDS = 3600.0


class GovernanceJobs:
    """When each job last ran, and which are due."""

    def __init__(self) -> None:
        self._applied = self._compiled = -COMPILE_SECONDS

    def run_due(self) -> int:
        """Run what is due; answers how much there was to do."""
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
    """Start them in a thread of their own."""
    return periodic_jobs.start("governance", GovernanceJobs().run_due, every=RUN_SECONDS)
