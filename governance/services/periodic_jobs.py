"""Periodic jobs of governance: deliver due webhooks, apply approved changes whose window is open, and compute the
coming intervals of freeze windows.
"""

from __future__ import annotations

import threading
import time

from governance.services import applying, freezes, webhook_delivery
from kernel import periodic_jobs
from kernel.periodic_jobs import run

RUN_SECONDS = 2.0
APPLY_SECONDS = 20.0
COMPILE_SECONDS = 3600.0


class GovernanceJobs:
    """Remembers when each job last ran, and runs the jobs that are due."""

    def __init__(self) -> None:
        self._applied = self._compiled = -COMPILE_SECONDS

    def run_due(self) -> int:
        """Run the jobs that are due. Returns the number of items that they processed."""
        done = run("webhooks", webhook_delivery.deliver_due)
        now = time.monotonic()
        if now - self._applied >= APPLY_SECONDS:
            self._applied = now
            done += run("approved_changes", applying.apply_due)
        if now - self._compiled >= COMPILE_SECONDS:
            self._compiled = now
            done += run("freeze_intervals", freezes.compile_all)
        return done


def start() -> threading.Event:
    """Start the jobs in a new thread. Set the returned event to stop it."""
    return periodic_jobs.start("governance", GovernanceJobs().run_due, every=RUN_SECONDS)
